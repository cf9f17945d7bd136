"""Explanation of a deadlock: who waits for what, the cycle, and the smallest buffer that frees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hermes_sim.errors import EngineError
from hermes_sim.program.liveness import reachable_firings

if TYPE_CHECKING:
    from hermes_sim.program.dataflow import I64, DataflowProgram

_SHOWN = 6  # waiting actors listed in the message
_TRIED = 12  # dependencies tried as remedies


class DeadlockError(EngineError):
    """A run in which firings are left that can never become ready."""


@dataclass(frozen=True)
class Wait:
    """A firing that waits for a dependency: it needs `need` finished firings of the source, there are `finished`."""

    dep: int
    actor: int
    firing: int
    source: int
    need: int
    finished: int


@dataclass(frozen=True)
class Remedy:
    """A dependency whose offset must be lowered by `places` (so many more places or initial tokens)."""

    dep: int
    places: int


def explain_deadlock(program: DataflowProgram, *, started: I64, finished: I64, now_ps: int) -> DeadlockError:
    """Error that tells which actors wait for what, names the cycle and says what would free it.

    Parameters
    ----------
    started, finished : (n_actors,)   counts where the run came to rest
    now_ps : ps                       when it did
    """
    waits = find_waits(program, started=started, finished=finished)
    names = program.actor_names
    n_stuck = int((started < program.firings).sum())
    where = f"deadlock at {now_ps} ps, {n_stuck} of {program.n_actors} actors have firings left"
    if not waits:
        stuck = [names[a] for a in np.flatnonzero(started < program.firings)]
        return DeadlockError(
            where,
            got=f"{', '.join(stuck[:_SHOWN])}: needs met, but never admitted or never given a server",
            allowed="user processes that end their holds and admit every firing",
        )
    cycle = find_cycle(waits)
    lines = [_describe(program, wait) for wait in cycle[:_SHOWN]]
    if len(cycle) > _SHOWN:
        lines.append(f"... {len(cycle) - _SHOWN} more in the cycle")
    circle = " -> ".join(names[wait.actor] for wait in [*cycle, cycle[0]])
    got = f"cycle of waits {circle}\n" + "\n".join(f"             {line}" for line in lines)
    return DeadlockError(where, got=got, allowed="no cycle of needs that all wait", hint=_advise(program, waits, cycle))


def find_waits(program: DataflowProgram, *, started: I64, finished: I64) -> list[Wait]:
    """All unmet needs of next firings."""
    k = started[program.target]
    need = (k * program.num + program.off) // program.den
    need = np.clip(need, 0, program.firings[program.source])
    have = finished[program.source]
    unmet = (k < program.firings[program.target]) & (have < need)
    return [
        Wait(
            dep=int(d),
            actor=int(program.target[d]),
            firing=int(k[d]),
            source=int(program.source[d]),
            need=int(need[d]),
            finished=int(have[d]),
        )
        for d in np.flatnonzero(unmet)
    ]


def find_cycle(waits: list[Wait]) -> list[Wait]:
    """A cycle of waits: each waits for the actor of the next. One exists, as every source waited for is stuck."""
    by_actor: dict[int, Wait] = {}
    for wait in waits:
        by_actor.setdefault(wait.actor, wait)
    path: list[int] = []
    at = waits[0].actor
    while at not in path:
        path.append(at)
        at = by_actor[at].source
    return [by_actor[a] for a in path[path.index(at) :]]


def find_remedy(program: DataflowProgram, candidates: list[int], actors: list[int] | None = None) -> Remedy | None:
    """The dependency among the candidates that, alone, frees some actors with the fewest more places, if one does.

    Parameters
    ----------
    actors : who must come to fire all firings; default all
    """
    freed = np.arange(program.n_actors) if actors is None else np.array(actors)
    best: Remedy | None = None
    for dep in candidates:
        limit = int(program.firings[program.target[dep]] * program.num[dep] + program.den[dep])
        high = limit if best is None else min(limit, best.places - 1)
        if high < 1 or not _is_freed(program, dep, high, freed):
            continue
        low = 0  # not freed with `low` more places, freed with `high`
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if _is_freed(program, dep, middle, freed) else (middle, high)
        best = Remedy(dep, high)
    return best


def _is_freed(program: DataflowProgram, dep: int, places: int, actors: I64) -> bool:
    off = program.off.copy()
    off[dep] -= places
    reached = reachable_firings(program, off=off)
    return reached is not None and bool(np.array_equal(reached[actors], program.firings[actors]))


def _advise(program: DataflowProgram, waits: list[Wait], cycle: list[Wait]) -> str:
    space = list(dict.fromkeys(w.dep for w in [*cycle, *waits] if program.is_space[w.dep]))[:_TRIED]
    members = [wait.actor for wait in cycle]
    for actors, rest in ((None, ""), (members, " this cycle; there are others")):
        remedy = find_remedy(program, space, actors)
        if remedy is not None:
            return _describe_buffer(program, remedy) + rest
    data = [w.dep for w in cycle if not program.is_space[w.dep]][:_TRIED]
    remedy = find_remedy(program, data, members)
    if remedy is None:
        return "no single buffer or feedback frees it: check the offsets of every dependency in the cycle"
    source, target = program.source[remedy.dep], program.target[remedy.dep]
    names = program.actor_names
    return (
        f"{'no buffer in the cycle frees it; ' if space else 'no buffer is involved; '}"
        f"{remedy.places} more initial token(s) on dependency {remedy.dep} "
        f"({names[source]!r} -> {names[target]!r}) would: off = {int(program.off[remedy.dep]) - remedy.places}"
    )


def _describe(program: DataflowProgram, wait: Wait) -> str:
    names = program.actor_names
    what = "places freed by" if program.is_space[wait.dep] else "results of"
    return (
        f"{names[wait.actor]!r} waits in firing {wait.firing} for {wait.need} {what} {names[wait.source]!r}, "
        f"which has made {wait.finished}"
    )


def _describe_buffer(program: DataflowProgram, remedy: Remedy) -> str:
    names = program.actor_names
    dep = remedy.dep
    producer, consumer = names[program.target[dep]], names[program.source[dep]]
    if program.num[dep] == 1 and program.den[dep] == 1:
        depth = 1 - int(program.off[dep])
        return f"buffer from {producer!r} to {consumer!r}: {depth + remedy.places} places instead of {depth} free it"
    return f"buffer from {producer!r} to {consumer!r}: {remedy.places} more place(s) free it"
