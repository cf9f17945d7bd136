"""Start and ready times of firings: the columns of a trace, plain or with repeated periods left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hermes_sim.program.dataflow import I64, DataflowProgram


@dataclass(frozen=True, eq=False)
class Trace:
    """Ready and start time of every firing; end and finish follow from the program.

    Firings of an actor that were run are stored, in order. `repeats` says which were skipped because they
    repeat: row (actor, first, stop, fired, period_ps, stored) says that firing k of the actor,
    first <= k < stop, is firing k - fired one period later; `stored` counts its stored firings before `first`.

    Parameters
    ----------
    program : the program that ran
    firings : (n_actors,)            firings of each actor that the trace knows
    offsets : (n_actors + 1,)        actor a's stored firings are rows offsets[a] to offsets[a + 1]
    ready_ps, start_ps : (n_stored,) ps
    repeat_offsets : (n_actors + 1,) rows of `repeats` per actor
    repeats : (n_repeats, 6)         sorted by actor, then first firing; empty for a plain trace
    """

    program: DataflowProgram
    firings: I64
    offsets: I64
    ready_ps: I64
    start_ps: I64
    repeat_offsets: I64
    repeats: I64

    @property
    def is_compressed(self) -> bool:
        """Whether repeated periods are left out."""
        return len(self.repeats) > 0

    @property
    def n_stored(self) -> int:
        """Number of firings stored."""
        return len(self.start_ps)

    def starts(self, actor: int) -> I64:
        """(firings,) ps, start times of all firings of an actor."""
        return self._expand(actor, self.start_ps)

    def readies(self, actor: int) -> I64:
        """(firings,) ps, ready times of all firings of an actor."""
        return self._expand(actor, self.ready_ps)

    def finishes(self, actor: int) -> I64:
        """(firings,) ps, instants at which dependents see the results of an actor."""
        return self.starts(actor) + int(self.program.latency_ps[actor])

    def start(self, actor: int, firing: int) -> int:
        """Start time of one firing, ps, without expanding the trace."""
        shift_ps = 0
        rows = self.repeats[self.repeat_offsets[actor] : self.repeat_offsets[actor + 1]]
        while True:
            i = int(np.searchsorted(rows[:, 1], firing, side="right")) - 1
            if i < 0:
                return shift_ps + int(self.start_ps[self.offsets[actor] + firing])
            _, first, stop, fired, period_ps, stored = (int(x) for x in rows[i])
            if firing >= stop:
                return shift_ps + int(self.start_ps[self.offsets[actor] + stored + firing - stop])
            periods = (firing - first) // fired + 1
            firing -= periods * fired
            shift_ps += periods * period_ps

    def expand(self) -> Trace:
        """The same trace with every firing stored."""
        if not self.is_compressed:
            return self
        actors = range(len(self.firings))
        return plain_trace(
            self.program,
            firings=self.firings,
            ready_ps=np.concatenate([self.readies(a) for a in actors]),
            start_ps=np.concatenate([self.starts(a) for a in actors]),
        )

    def _expand(self, actor: int, column: I64) -> I64:
        stored = column[self.offsets[actor] : self.offsets[actor + 1]]
        rows = self.repeats[self.repeat_offsets[actor] : self.repeat_offsets[actor + 1]]
        if len(rows) == 0:
            return stored
        times = np.empty(int(self.firings[actor]), dtype=np.int64)
        written = taken = 0
        for _, first, stop, fired, period_ps, n_stored in rows.tolist():
            times[written:first] = stored[taken:n_stored]
            periods = (stop - first) // fired
            shifts_ps = np.arange(1, periods + 1, dtype=np.int64)[:, None] * period_ps
            times[first:stop] = (times[first - fired : first] + shifts_ps).ravel()
            written, taken = stop, n_stored
        times[written:] = stored[taken:]
        return times


def plain_trace(program: DataflowProgram, *, firings: I64, ready_ps: I64, start_ps: I64) -> Trace:
    """Trace with every firing stored; the times are in order of (actor, firing)."""
    offsets = np.zeros(len(firings) + 1, dtype=np.int64)
    np.cumsum(firings, out=offsets[1:])
    return Trace(
        program=program,
        firings=firings,
        offsets=offsets,
        ready_ps=ready_ps,
        start_ps=start_ps,
        repeat_offsets=np.zeros(len(firings) + 1, dtype=np.int64),
        repeats=np.zeros((0, 6), dtype=np.int64),
    )
