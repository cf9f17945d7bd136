"""The default engine: packs a program into tables, calls the compiled kernel, raises on its status codes."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np

from hermes_sim.engine import _layout as c
from hermes_sim.engine._kernel import begin_program, run_rounds
from hermes_sim.engine._log import StartLog, StartSink
from hermes_sim.engine._recurrence import skip_periods
from hermes_sim.engine.base import RunRecord, RunStatistics
from hermes_sim.engine.deadlock import raise_deadlock
from hermes_sim.program.dataflow import I64, DataflowProgram
from hermes_sim.program.verify import verify_program

_SLICE_FIRINGS = 4_000_000  # the kernel comes back that often, so that Ctrl-C is heard
_LOG_ROWS = 1 << 16
_NO_LIMIT = 2**62


@dataclass(eq=False)
class _Tables:
    """State of one run, see `_layout`."""

    actors: I64
    ins: I64
    outs: I64
    resources: I64
    releases: I64
    heap: I64
    dirty: I64
    granted: I64
    log: I64
    scalars: I64
    saved_actors: I64
    saved_heap: I64
    saved_scalars: I64

    def run(self) -> int:
        """Run the kernel until its next status code."""
        return run_rounds(
            self.actors,
            self.ins,
            self.outs,
            self.resources,
            self.releases,
            self.heap,
            self.dirty,
            self.granted,
            self.log,
            self.scalars,
            self.saved_actors,
            self.saved_heap,
            self.saved_scalars,
        )

    def begin(self) -> None:
        """Phase 1 at time 0."""
        begin_program(
            self.actors,
            self.ins,
            self.outs,
            self.resources,
            self.releases,
            self.heap,
            self.dirty,
            self.scalars,
        )

    def skip(self) -> None:
        """Apply the skip that the kernel has found."""
        skip_periods(
            self.actors, self.ins, self.outs, self.heap, self.scalars, self.saved_actors, self.saved_scalars
        )

    def grow_heap(self) -> None:
        """Double the room for events."""
        self.heap = np.concatenate([self.heap, np.zeros_like(self.heap)])
        self.saved_heap = np.concatenate([self.saved_heap, np.zeros_like(self.saved_heap)], axis=1)


@dataclass(frozen=True)
class CompiledEngine:
    """Event loop in machine code.

    Parameters
    ----------
    fast_forward : skip whole periods once the state recurs; the record is the same, bit for bit
    """

    fast_forward: bool = True
    name: str = field(default="compiled", init=False)

    def run(
        self,
        program: DataflowProgram,
        *,
        trace: bool = False,
        watch: Collection[int] = (),
        until_ps: int | None = None,
        sink: StartSink | None = None,
    ) -> RunRecord:
        """Run a program to its end, or to the last instant not after `until_ps`; see `Engine.run`.

        `sink` is called with chunks of starts in the order of starts, (n, 3) int64 rows (actor, ready_ps,
        start_ps), instead of keeping a trace; it makes every firing run one by one.
        """
        verify_program(program)
        began_s = time.perf_counter()
        log = StartLog(program, logged=_logged_actors(program, trace, watch, sink), sink=sink)
        tables = _pack(program, log.logged, until_ps=until_ps, detect=self.fast_forward and sink is None)
        n_skips, stopped = _run_to_end(tables, log)
        if not stopped and not np.array_equal(tables.actors[:, c.STARTED], program.firings):
            raise_deadlock(
                program,
                started=tables.actors[:, c.STARTED],
                finished=tables.actors[:, c.FINISHED],
                now_ps=int(tables.scalars[c.NOW]),
            )
        statistics = RunStatistics(
            engine=self.name,
            wall_time_s=time.perf_counter() - began_s,
            executed_firings=int(tables.scalars[c.N_STARTED]),
            n_skips=n_skips,
        )
        return _record(program, tables, log, watch=watch, trace=trace, statistics=statistics)


def _logged_actors(
    program: DataflowProgram, trace: bool, watch: Collection[int], sink: StartSink | None
) -> I64:
    """(n_actors,) 1 where starts must be logged."""
    logged = np.full(program.n_actors, int(trace or sink is not None), dtype=np.int64)
    logged[list(watch)] = 1
    return logged


def _run_to_end(tables: _Tables, log: StartLog) -> tuple[int, bool]:
    """Call the kernel until nothing is left to do; returns the number of skips and whether `until_ps` stopped it."""
    n_skips = 0
    tables.begin()
    while True:
        status = tables.run()
        if status == c.RECURRED:
            log.flush(tables.log, tables.scalars)
            log.note_repeat(tables.actors, tables.saved_actors, tables.scalars)
            tables.skip()
            n_skips += 1
        elif status == c.PAUSED:
            tables.scalars[c.PAUSE_AT] += _SLICE_FIRINGS
        elif status == c.LOG_FULL:
            log.flush(tables.log, tables.scalars)
        elif status == c.HEAP_FULL:
            tables.grow_heap()
        else:
            log.flush(tables.log, tables.scalars)
            return n_skips, status == c.UNTIL_REACHED


def _record(
    program: DataflowProgram,
    tables: _Tables,
    log: StartLog,
    *,
    watch: Collection[int],
    trace: bool,
    statistics: RunStatistics,
) -> RunRecord:
    actors = tables.actors
    started = actors[:, c.STARTED].copy()
    last_finish_ps = np.where(started > 0, actors[:, c.LAST] + program.latency_ps, -1)
    starts = log.to_trace(started) if trace or watch else None
    return RunRecord(
        program=program,
        makespan_ps=int(max(last_finish_ps.max(initial=0), 0)),
        started=started,
        first_start_ps=actors[:, c.FIRST].copy(),
        last_finish_ps=last_finish_ps,
        wait_data_ps=actors[:, c.WAIT_DATA].copy(),
        wait_space_ps=actors[:, c.WAIT_SPACE].copy(),
        wait_resource_ps=actors[:, c.WAIT_RESOURCE].copy(),
        max_queue=tables.resources[:, c.MAX_QUEUED].copy(),
        finish_ps={} if starts is None else {int(a): starts.finishes(int(a)) for a in watch},
        trace=starts if trace else None,
        statistics=statistics,
    )


def _pack(program: DataflowProgram, logged: I64, *, until_ps: int | None, detect: bool) -> _Tables:
    n = program.n_actors
    in_order = np.lexsort((program.is_space, program.target))
    out_order = np.argsort(program.source, kind="stable")
    out_row = np.empty(program.n_deps, dtype=np.int64)  # dependency -> row of `outs`
    out_row[out_order] = np.arange(program.n_deps)
    in_row = np.empty(program.n_deps, dtype=np.int64)
    in_row[in_order] = np.arange(program.n_deps)

    ins = np.zeros((program.n_deps, c.IN_COLUMNS), dtype=np.int64)
    for column, values in (
        (c.SOURCE, program.source),
        (c.NUM, program.num),
        (c.OFF, program.off),
        (c.DEN, program.den),
        (c.OUT_ROW, out_row),
        (c.TARGET, program.target),
    ):
        ins[:, column] = values[in_order]
    ins[:, c.WATCHED_AT] = -1
    outs = np.zeros((program.n_deps, c.OUT_COLUMNS), dtype=np.int64)
    outs[:, c.THRESHOLD] = c.NOBODY
    outs[:, c.IN_ROW] = in_row[out_order]
    outs[:, c.OUT_TARGET] = program.target[out_order]

    resources = np.zeros((len(program.resource_names), c.RESOURCE_COLUMNS), dtype=np.int64)
    resources[:, c.FREE] = program.capacity
    release_at, releases = _pack_releases(program)
    actors = _pack_actors(program, logged, release_at)
    scalars = np.zeros(c.N_SCALARS, dtype=np.int64)
    scalars[c.UNTIL] = _NO_LIMIT if until_ps is None else until_ps
    scalars[c.PAUSE_AT] = _SLICE_FIRINGS
    scalars[c.DETECT] = int(detect)
    levels = _choose_levels(program, actors) if detect else 0
    heap = np.zeros((max(4 * n, 64), 2), dtype=np.int64)
    saved_scalars = np.zeros((levels, c.SAVED_COLUMNS), dtype=np.int64)
    saved_scalars[:, c.POWER] = 1
    saved_scalars[:, c.PATIENCE] = max(4 * n, 64)
    saved_scalars[:, c.ANCHOR_ACTOR] = c.NOBODY
    return _Tables(
        actors=actors,
        ins=ins,
        outs=outs,
        resources=resources,
        releases=releases,
        heap=heap,
        dirty=np.zeros(len(resources), dtype=np.int64),
        granted=np.zeros(n, dtype=np.int64),
        log=np.zeros((max(_LOG_ROWS, 2 * n) if logged.any() else n, 3), dtype=np.int64),
        scalars=scalars,
        saved_actors=np.zeros((levels, *actors.shape), dtype=np.int64),
        saved_heap=np.zeros((levels, *heap.shape), dtype=np.int64),
        saved_scalars=saved_scalars,
    )


def _pack_actors(program: DataflowProgram, logged: I64, release_at: I64) -> I64:
    n = program.n_actors
    actors = np.zeros((n, c.ACTOR_COLUMNS), dtype=np.int64)
    actors[:, c.FIRINGS] = program.firings
    actors[:, c.RESOURCE] = program.resource
    actors[:, c.LATENCY] = program.latency_ps
    actors[:, c.INTERVAL] = program.interval_ps
    actors[:, c.IN_END] = np.cumsum(np.bincount(program.target, minlength=n))
    actors[1:, c.IN_FIRST] = actors[:-1, c.IN_END]
    n_data = np.bincount(program.target, weights=~program.is_space, minlength=n).astype(np.int64)
    actors[:, c.IN_SPACE] = actors[:, c.IN_FIRST] + n_data
    actors[:, c.OUT_END] = np.cumsum(np.bincount(program.source, minlength=n))
    actors[1:, c.OUT_FIRST] = actors[:-1, c.OUT_END]
    actors[:, c.NEXT] = c.NOBODY
    actors[:, c.FIRST] = c.NOBODY
    actors[:, c.LOGGED] = logged
    actors[:, c.RELEASE_AT] = release_at
    return actors


def _pack_releases(program: DataflowProgram) -> tuple[I64, I64]:
    """Offset of each actor's release times, or NOBODY, and all release times in one array."""
    offsets = np.full(program.n_actors, c.NOBODY, dtype=np.int64)
    columns = [np.zeros(0, dtype=np.int64)]
    n = 0
    for actor, times_ps in sorted(program.releases_ps.items()):
        offsets[actor] = n
        columns.append(times_ps)
        n += len(times_ps)
    return offsets, np.concatenate(columns)


def _choose_levels(program: DataflowProgram, actors: I64) -> int:
    """Number of levels of the recurrence check; the second follows an actor that fires once per sequence."""
    counts = program.firings[program.firings >= 4]  # noqa: PLR2004
    if len(counts) == 0:
        return 1
    slowest = counts.min()
    if 4 * slowest > counts.max():
        return 1
    actors[np.flatnonzero(program.firings == slowest)[-1], c.ANCHOR] |= 2
    return 2
