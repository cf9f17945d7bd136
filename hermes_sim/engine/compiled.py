"""The default engine: packs a program into tables, calls the compiled kernel, raises on its status codes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from hermes_sim.engine import _layout as c
from hermes_sim.engine._events import link_spare_nodes
from hermes_sim.engine._kernel import begin_program, run_rounds
from hermes_sim.engine._log import StartLog, StartSink
from hermes_sim.engine._pack import SLICE_FIRINGS, pack_tables
from hermes_sim.engine._recurrence import skip_periods
from hermes_sim.engine.base import RunRecord, RunStatistics, check_options
from hermes_sim.engine.deadlock import explain_deadlock
from hermes_sim.program.verify import verify_program

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from hermes_sim.engine._layout import Tables
    from hermes_sim.program.dataflow import I64, DataflowProgram


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
        progress: Callable[[float], None] | None = None,
    ) -> RunRecord:
        """Run a program to its end, or to the last instant not after `until_ps`; see `Engine.run`.

        `sink` is called with chunks of starts in the order of starts, (n, 3) int64 rows (actor, ready_ps,
        start_ps), instead of keeping a trace; it makes every firing run one by one.
        """
        verify_program(program)
        check_options(program, watch=watch, until_ps=until_ps)
        began_s = time.perf_counter()
        log = StartLog(program, logged=_logged_actors(program, trace, watch, sink), sink=sink)
        tables = pack_tables(program, log.logged, until_ps=until_ps, detect=self.fast_forward and sink is None)
        tables, n_skips, stopped = _run_to_end(tables, log, progress)
        actors = tables.actors[: program.n_actors]  # without gates
        if not stopped and not np.array_equal(actors[:, c.STARTED], program.firings):
            raise explain_deadlock(
                program,
                started=actors[:, c.STARTED],
                finished=actors[:, c.FINISHED],
                now_ps=int(tables.scalars[c.NOW]),
                packets=_packets(tables),
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


def _run_to_end(tables: Tables, log: StartLog, progress: Callable[[float], None] | None) -> tuple[Tables, int, bool]:
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
            tables.scalars[c.PAUSE_AT] += SLICE_FIRINGS
            if progress:
                progress(float(tables.actors[:, c.STARTED].sum() / tables.actors[:, c.FIRINGS].sum()))
        elif status == c.LOG_FULL:
            log.flush(tables.log, tables.scalars)
        elif status == c.EVENTS_FULL:
            tables = grow_events(tables)
        else:
            log.flush(tables.log, tables.scalars)
            return tables, n_skips, status == c.UNTIL_REACHED


def _packets(tables: Tables) -> list[list[int]]:
    """Per queue, the actors whose packets it holds, from its head on."""
    held = []
    for queue in tables.queues:
        places = (queue[c.AT_HEAD] + np.arange(queue[c.N_PACKETS])) % queue[c.PLACES]
        held.append(tables.enters[queue[c.FIRST_PLACE + places], c.ENTERING].tolist())
    return held


def grow_events(tables: Tables) -> Tables:
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
    actors = tables.actors[: program.n_actors]
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
