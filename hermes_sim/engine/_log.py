"""Log of starts as the kernel writes it, and the trace made from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from hermes_sim._jit import njit_kernel
from hermes_sim.engine import _layout as c
from hermes_sim.program.dataflow import I64, DataflowProgram
from hermes_sim.trace.schema import Trace

if TYPE_CHECKING:
    from hermes_sim.engine._layout import Tables

StartSink = Callable[[I64], None]


class StartLog:
    """Collects (actor, ready_ps, start_ps) rows and the periods that were skipped."""

    def __init__(self, program: DataflowProgram, *, logged: I64, sink: StartSink | None = None) -> None:
        self.logged = logged
        self._program = program
        self._sink = sink
        self._chunks: list[I64] = []
        self._repeats: list[I64] = []

    def flush(self, log: I64, scalars: I64) -> None:
        """Take the rows out of the kernel's buffer."""
        n = int(scalars[c.N_LOG])
        if n > 0:
            rows = log[:n].copy()
            if self._sink is None:
                self._chunks.append(rows)
            else:
                self._sink(rows)
        scalars[c.N_LOG] = 0

    def note_repeat(self, t: Tables) -> None:
        """Remember a skip, before it is applied."""
        level = t.scalars[c.SKIP_LEVEL]
        actors = np.sort(t.touched[level, : t.saved_scalars[level, c.N_TOUCHED]])
        actors = actors[t.actors[actors, c.LOGGED] == 1]
        first = t.actors[actors, c.STARTED]
        fired = first - t.saved_actors[level, actors, c.STARTED]
        rows = np.zeros((len(actors), 6), dtype=np.int64)
        rows[:, 0] = actors
        rows[:, 1] = first
        rows[:, 2] = first + t.scalars[c.SKIP_PERIODS] * fired
        rows[:, 3] = fired
        rows[:, 4] = t.scalars[c.SKIP_PS]
        self._repeats.append(rows[fired > 0])

    def to_trace(self, started: I64) -> Trace:
        """Sort what was collected by actor; actors that were not logged have no rows."""
        n = len(started)
        offsets = np.zeros(n + 1, dtype=np.int64)
        for rows in self._chunks:
            count_actors(rows, offsets)
        np.cumsum(offsets, out=offsets)
        n_rows = int(offsets[-1])
        ready_ps, start_ps = np.empty(n_rows, dtype=np.int64), np.empty(n_rows, dtype=np.int64)
        cursors = offsets.copy()
        for rows in self._chunks:
            scatter_rows(rows, cursors, ready_ps, start_ps)
        repeats = np.concatenate([np.zeros((0, 6), dtype=np.int64), *self._repeats])
        repeats = repeats[np.argsort(repeats[:, 0], kind="stable")]
        repeat_offsets = _offsets(repeats[:, 0], n)
        skipped = np.cumsum(repeats[:, 2] - repeats[:, 1])
        before_actor = np.concatenate([[0], skipped])[repeat_offsets[repeats[:, 0]]]
        before_row = skipped - (repeats[:, 2] - repeats[:, 1]) - before_actor
        repeats[:, 5] = repeats[:, 1] - before_row
        return Trace(
            program=self._program,
            firings=np.where(self.logged == 1, started, 0),
            offsets=offsets,
            ready_ps=ready_ps,
            start_ps=start_ps,
            repeat_offsets=repeat_offsets,
            repeats=repeats,
        )


@njit_kernel
def count_actors(rows: I64, offsets: I64) -> None:
    """Add the number of rows of actor a to `offsets[a + 1]`."""
    for i in range(rows.shape[0]):
        offsets[rows[i, 0] + 1] += 1


@njit_kernel
def scatter_rows(rows: I64, cursors: I64, ready_ps: I64, start_ps: I64) -> None:
    """Put rows at the places of their actors, in order; the cursors move on."""
    for i in range(rows.shape[0]):
        at = cursors[rows[i, 0]]
        cursors[rows[i, 0]] = at + 1
        ready_ps[at] = rows[i, 1]
        start_ps[at] = rows[i, 2]


def _offsets(sorted_actors: I64, n_actors: int) -> I64:
    return np.searchsorted(sorted_actors, np.arange(n_actors + 1)).astype(np.int64)
