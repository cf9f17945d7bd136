"""The default engine: packs a program into tables, calls the compiled kernel, raises on its status codes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from hermes_sim.engine import _layout as c
from hermes_sim.engine._events import link_spare_nodes
from hermes_sim.engine._kernel import begin_program, run_rounds
from hermes_sim.engine._layout import Tables
from hermes_sim.engine._log import StartLog, StartSink
from hermes_sim.engine._recurrence import skip_periods
from hermes_sim.engine.base import RunRecord, RunStatistics, check_options
from hermes_sim.engine.deadlock import explain_deadlock
from hermes_sim.program.verify import verify_program

if TYPE_CHECKING:
    from collections.abc import Collection

    from hermes_sim.program.dataflow import I64, DataflowProgram

_SLICE_FIRINGS = 4_000_000  # the kernel comes back that often, so that Ctrl-C is heard
_LOG_ROWS = 1 << 16
_NO_LIMIT = 2**62
_LEAST_SLOTS, _MOST_SLOTS = 1 << 10, 1 << 18  # event wheel


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
        check_options(program, watch=watch, until_ps=until_ps)
        began_s = time.perf_counter()
        log = StartLog(program, logged=_logged_actors(program, trace, watch, sink), sink=sink)
        tables = _pack(program, log.logged, until_ps=until_ps, detect=self.fast_forward and sink is None)
        tables, n_skips, stopped = _run_to_end(tables, log)
        if not stopped and not np.array_equal(tables.actors[:, c.STARTED], program.firings):
            raise explain_deadlock(
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


def _logged_actors(program: DataflowProgram, trace: bool, watch: Collection[int], sink: StartSink | None) -> I64:
    """(n_actors,) 1 where starts must be logged."""
    logged = np.full(program.n_actors, int(trace or sink is not None), dtype=np.int64)
    logged[list(watch)] = 1
    return logged


def _run_to_end(tables: Tables, log: StartLog) -> tuple[Tables, int, bool]:
    """Call the kernel until nothing is left to do; returns the number of skips and whether `until_ps` stopped it."""
    n_skips = 0
    link_spare_nodes(tables.nodes, tables.scalars, 0)
    begin_program(tables)
    while True:
        status = run_rounds(tables)
        if status == c.RECURRED:
            log.flush(tables.log, tables.scalars)
            log.note_repeat(tables)
            skip_periods(tables)
            n_skips += 1
        elif status == c.PAUSED:
            tables.scalars[c.PAUSE_AT] += _SLICE_FIRINGS
        elif status == c.LOG_FULL:
            log.flush(tables.log, tables.scalars)
        elif status == c.EVENTS_FULL:
            tables = _grow_events(tables)
        else:
            log.flush(tables.log, tables.scalars)
            return tables, n_skips, status == c.UNTIL_REACHED


def _grow_events(tables: Tables) -> Tables:
    """Double the room for events."""
    grown = tables._replace(
        heap=np.concatenate([tables.heap, np.zeros_like(tables.heap)]),
        nodes=np.concatenate([tables.nodes, np.zeros_like(tables.nodes)]),
        scratch=np.concatenate([tables.scratch, np.zeros_like(tables.scratch)]),
        saved_events=np.concatenate([tables.saved_events, np.zeros_like(tables.saved_events)], axis=1),
    )
    link_spare_nodes(grown.nodes, grown.scalars, len(tables.nodes))
    return grown


def _record(
    program: DataflowProgram,
    tables: Tables,
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


def _pack(program: DataflowProgram, logged: I64, *, until_ps: int | None, detect: bool) -> Tables:
    n = program.n_actors
    ins, outs = _pack_deps(program)
    resources = np.zeros((len(program.resource_names), c.RESOURCE_COLUMNS), dtype=np.int64)
    resources[:, c.FREE] = program.capacity
    release_at, releases = _pack_releases(program)
    tick_ps = _tick(program, releases)
    actors = _pack_actors(program, logged, release_at, tick_ps)
    n_slots = _wheel_size(actors)
    scalars = np.zeros(c.N_SCALARS, dtype=np.int64)
    scalars[c.UNTIL] = _NO_LIMIT if until_ps is None else until_ps
    scalars[c.PAUSE_AT] = _SLICE_FIRINGS
    scalars[c.PATIENCE_ENDS] = 1 if detect else _NO_LIMIT
    scalars[c.MOST_PATIENCE] = max(4 * n, 64)
    scalars[c.LEAST_PATIENCE] = min(c.FIRST_PATIENCE, scalars[c.MOST_PATIENCE])
    scalars[c.TICK] = tick_ps
    scalars[c.N_SLOTS] = n_slots
    levels = _choose_levels(program, actors) if detect else 0
    saved_scalars = np.zeros((levels, c.SAVED_COLUMNS), dtype=np.int64)
    saved_scalars[:, c.POWER] = 1
    saved_scalars[:, c.ANCHOR_ACTOR] = c.NOBODY
    events = np.zeros((max(4 * n, 64), 2), dtype=np.int64)
    return Tables(
        actors=actors,
        ins=ins,
        outs=outs,
        resources=resources,
        releases=releases,
        slots=np.concatenate([np.full(n_slots, -1), np.zeros((n_slots >> 5) + (n_slots >> 10), dtype=np.int64)]),
        nodes=np.zeros_like(events),
        heap=np.zeros_like(events),
        lists=np.zeros((2, max(n, len(resources))), dtype=np.int64),
        log=np.zeros((max(_LOG_ROWS, 2 * n) if logged.any() else n, 3), dtype=np.int64),
        scalars=scalars,
        saved_actors=np.empty((levels, *actors.shape), dtype=np.int64),
        touched=np.empty((levels, n), dtype=np.int64),
        saved_events=np.zeros((levels, *events.shape), dtype=np.int64),
        saved_scalars=saved_scalars,
        scratch=events,
    )


def _pack_deps(program: DataflowProgram) -> tuple[I64, I64]:
    """Dependencies sorted by target, data before space, and sorted by source, each with its row in the other."""
    in_order = np.lexsort((program.is_space, program.target))
    out_order = np.argsort(program.source, kind="stable")
    in_row, out_row = np.empty((2, program.n_deps), dtype=np.int64)
    in_row[in_order] = np.arange(program.n_deps)
    out_row[out_order] = np.arange(program.n_deps)
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
    return ins, outs


def _pack_actors(program: DataflowProgram, logged: I64, release_at: I64, tick_ps: int) -> I64:
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
    actors[:, c.LATENCY_TICKS] = program.latency_ps // tick_ps
    actors[:, c.INTERVAL_TICKS] = program.interval_ps // tick_ps
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
    counts = program.firings[program.firings >= 4]
    if len(counts) == 0:
        return 1
    slowest = counts.min()
    if 4 * slowest > counts.max():
        return 1
    actors[np.flatnonzero(program.firings == slowest)[-1], c.ANCHOR] |= 2
    return 2


def _tick(program: DataflowProgram, releases: I64) -> int:
    """Greatest common divisor of all durations and release times: every instant is a multiple of it."""
    tick_ps = np.gcd.reduce(np.concatenate([program.latency_ps, program.interval_ps, releases]))
    return max(int(tick_ps), 1)


def _wheel_size(actors: I64) -> int:
    """Power of two that holds the longest duration, within limits; what is longer goes to the heap."""
    longest = int(actors[:, [c.LATENCY_TICKS, c.INTERVAL_TICKS]].max(initial=0))
    return min(max(1 << longest.bit_length(), _LEAST_SLOTS), _MOST_SLOTS)
