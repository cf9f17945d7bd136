"""What the makespan is made of: the chain of firings that led to the last finish, walked backwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hermes_sim.errors import EngineError
from hermes_sim.program.dataflow import NO_QUEUE
from hermes_sim.trace._walk import FAR_PS, Columns, Walk, walk_back

if TYPE_CHECKING:
    from hermes_sim.program.dataflow import I64, DataflowProgram
    from hermes_sim.trace.schema import Trace


@dataclass(frozen=True, eq=False)
class CriticalPath:
    """Time each actor contributes to the makespan; `total_ps.sum() + gap_ps == makespan_ps`, exactly.

    Parameters
    ----------
    latency_ps : (n_actors,) ps      the next firing on the path waited for the actor's result (or for the place
        it freed)
    interval_ps : (n_actors,) ps     the next firing on the path waited for the server the actor held
    gap_ps : ps                      before the release of the first firing on the path, or held by a user's process
    makespan_ps : ps
    last_actor : actor that finishes last
    n_steps : firings looked at; repeated parts of the path count once
    """

    latency_ps: I64
    interval_ps: I64
    gap_ps: int
    makespan_ps: int
    last_actor: int
    n_steps: int

    @property
    def total_ps(self) -> I64:
        """(n_actors,) ps, latency and interval together."""
        return self.latency_ps + self.interval_ps


def critical_path(program: DataflowProgram, trace: Trace) -> CriticalPath:
    """Walk back from the last finish to time 0.

    A firing that waited for its resource goes back to a firing that freed a server just then; one that started
    when ready, to the firing whose result it needed and that finished just then; failing that to the previous
    firing of its own actor, to one that took a packet out of a queue just then, or to its release. Several may
    explain it: the first dependency in program order wins.

    Raises
    ------
    EngineError
        if the trace belongs to another program
    """
    _check_same(program, trace.program)
    n = program.n_actors
    last = [
        trace.start(a, int(trace.firings[a]) - 1) + int(program.latency_ps[a]) if trace.firings[a] else -1
        for a in range(n)
    ]
    spent = np.zeros((n, 2), dtype=np.int64)
    if not last or max(last) < 0:
        return CriticalPath(spent[:, 0], spent[:, 1], 0, 0, -1, 0)
    makespan_ps = max(last)
    end = last.index(makespan_ps)
    spent[end, 0] = program.latency_ps[end]
    at = np.array([end, trace.firings[end] - 1, makespan_ps - program.latency_ps[end], -1, 0], dtype=np.int64)
    order = np.argsort(program.target, kind="stable")
    holds = np.flatnonzero((program.interval_ps > 0) & (trace.firings > 0))
    members = holds[np.argsort(program.resource[holds], kind="stable")]
    bounds = np.searchsorted(program.resource[members], np.arange(len(program.resource_names) + 1))
    deps = np.stack([program.source, program.num, program.off, program.den], axis=1)[order]
    actors = np.stack(
        [program.firings, program.latency_ps, program.interval_ps, program.resource, trace.firings], axis=1
    )
    latest = np.maximum(trace.firings - 1, 0)
    takers, taker_offsets = _takers(program)
    walk = Walk(
        trace=Columns(trace.start_ps, trace.ready_ps, trace.offsets, trace.repeat_offsets, trace.repeats),
        actors=actors,
        deps=deps,
        dep_offsets=np.searchsorted(program.target[order], np.arange(n + 1)),
        takers=takers,
        taker_offsets=taker_offsets,
        members=members,
        member_ends=np.stack([bounds[:-1], bounds[1:]], axis=1),
        cursors=np.stack([latest, np.full(n, FAR_PS), latest]),
        spent=spent,
    )
    n_steps = walk_back(walk, at, np.zeros_like(spent))
    return CriticalPath(
        latency_ps=spent[:, 0],
        interval_ps=spent[:, 1],
        gap_ps=int(at[4]),
        makespan_ps=makespan_ps,
        last_actor=end,
        n_steps=n_steps,
    )


def _takers(program: DataflowProgram) -> tuple[I64, I64]:
    """Per actor, who takes packets out of the queues that it uses, and whose packets; and where its rows begin."""
    through = program.queue != NO_QUEUE
    moves = np.stack([program.target, program.source, program.queue], axis=1)[through]
    users = np.concatenate([moves[:, [0, 2]], moves[:, [1, 2]]])
    rows = [
        (user, taker, source) for user, q in np.unique(users, axis=0) for taker, source, _ in moves[moves[:, 2] == q]
    ]
    table = np.array(rows, dtype=np.int64).reshape(-1, 3)
    return table[:, 1:].copy(), np.searchsorted(table[:, 0], np.arange(program.n_actors + 1))


def _check_same(program: DataflowProgram, other: DataflowProgram) -> None:
    columns = ("resource", "firings", "interval_ps", "latency_ps", "source", "target", "num", "off", "den", "queue")
    same = program is other or all(np.array_equal(getattr(program, c), getattr(other, c)) for c in columns)
    if not same:
        raise EngineError("trace", got="the trace of another program", allowed="a trace of this program")
