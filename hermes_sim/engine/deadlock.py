"""Explanation of a deadlock: who waits for what, the cycle, and the smallest buffer that frees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hermes_sim.errors import EngineError
from hermes_sim.program.dataflow import NO_QUEUE
from hermes_sim.program.liveness import reachable_firings

if TYPE_CHECKING:
    from hermes_sim.program.dataflow import I64, DataflowProgram

_SHOWN = 6  # waiting actors listed in the message
_TRIED = 12  # dependencies tried as remedies


class DeadlockError(EngineError):
    """A run in which firings are left that can never become ready."""

    code = "deadlock"


@dataclass(frozen=True)
class Wait:
    """A firing that waits for a dependency: it needs `need` finished firings of the source, there are `finished`.

    With a queue it waits for a place in it, or for its head, until the source has taken the packet that is there.
    """

    dep: int
    actor: int
    firing: int
    source: int
    need: int
    finished: int
    queue: int = NO_QUEUE


@dataclass(frozen=True)
class Remedy:
    """A dependency whose offset must be lowered by `places` (so many more places or initial tokens)."""

    dep: int
    places: int


def explain_deadlock(
    program: DataflowProgram, *, started: I64, finished: I64, now_ps: int, packets: list[list[int]]
) -> DeadlockError:
    """Error that tells which actors wait for what, names the cycle and says what would free it.

    Parameters
    ----------
    started, finished : (n_actors,)   counts where the run came to rest
    now_ps : ps                       when it did
    packets : per queue, the actors whose packets it holds, from its head on
    """
    waits = find_waits(program, started=started, finished=finished)
    waits += find_queue_waits(program, started=started, finished=finished, packets=packets)
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


def find_queue_waits(program: DataflowProgram, *, started: I64, finished: I64, packets: list[list[int]]) -> list[Wait]:
    """Next firings that find a queue full, or their packet behind another one: all wait for who takes that one."""
    waits = []
    for q, held in enumerate(packets):
        if not held:
            continue
        through = np.flatnonzero(program.queue == q)
        head = held[0]
        first = int(started[head]) - held.count(head)  # the firing of `head` whose packet is first
        to_take = [int(d) for d in through if program.source[d] == head and finished[program.target[d]] <= first]
        waiting = {}
        if len(held) == program.queue_capacity[q]:
            waiting = {int(a): int(started[a]) for a in program.source[through] if started[a] < program.firings[a]}
        for d in through.tolist():
            a, source = int(program.target[d]), int(program.source[d])
            k = int(started[a])
            if k < finished[source] and (source, k) != (head, first):
                waiting[a] = k
        for d in to_take:
            taker = int(program.target[d])
            waits += [Wait(d, a, k, taker, first + 1, int(finished[taker]), q) for a, k in waiting.items()]
    return waits


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
    if any(wait.queue != NO_QUEUE for wait in cycle):
        reached = reachable_firings(program)
        ends = reached is not None and np.array_equal(reached, program.firings)
        rest = "with more network.virtual_channels, or network.buffering: stream, it may end" if ends else ""
        return rest or "no buffer frees it, however deep the queues: check the offsets of every dependency in the cycle"
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
    if wait.queue != NO_QUEUE:
        head = names[program.source[wait.dep]]
        return (
            f"{names[wait.actor]!r} waits in firing {wait.firing} at queue {program.queue_names[wait.queue]!r} "
            f"({program.queue_capacity[wait.queue]} packets) for {names[wait.source]!r} to take that of {head!r}"
        )
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
