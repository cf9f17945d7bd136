"""The period at which a program repeats itself for good, if it comes to one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hermes_sim.engine import _layout as c
from hermes_sim.engine._events import link_spare_nodes
from hermes_sim.engine._kernel import begin_program, run_rounds
from hermes_sim.engine._pack import SLICE_FIRINGS, pack_tables
from hermes_sim.engine._recurrence import skip_periods
from hermes_sim.engine.compiled import grow_events
from hermes_sim.program.verify import verify_program

if TYPE_CHECKING:
    from collections.abc import Callable

    from hermes_sim.engine._layout import Tables
    from hermes_sim.program.dataflow import I64, DataflowProgram

_SLICES = 8  # of a search, at least: a rate is measured between two of them


@dataclass(frozen=True, eq=False)
class Period:
    """What happens again and again.

    Parameters
    ----------
    length_ps : ps
    fired : (n_actors,) firings of each actor in it
    """

    length_ps: int
    fired: I64


@dataclass(frozen=True, eq=False)
class Sample:
    """How far a run had come at some instant: (n_actors,) firings started."""

    now_ps: int
    started: I64


def find_period(
    program: DataflowProgram,
    accept: Callable[[Period], bool],
    *,
    max_firings: int,
    progress: Callable[[float], None] | None = None,
) -> tuple[Period | None, list[Sample]]:
    """Run a program until its whole state recurs and nothing but the number of firings would ever end that.

    A period is exact, not measured: from there on the program does nothing else, however often its actors fire.

    Parameters
    ----------
    accept : whether this is the period looked for; others are skipped as a run skips them
    max_firings : give up after so many executed firings, as a whole number of slices

    Returns
    -------
    period or None, and how far the run had come after each slice of firings

    Raises
    ------
    ProgramError
        if the program breaks a rule of `hermes_sim.program.verify`
    """
    verify_program(program)
    tables = pack_tables(program, np.zeros(program.n_actors, dtype=np.int64), until_ps=None, detect=True)
    samples: list[Sample] = []
    link_spare_nodes(tables.nodes, tables.scalars, 0)
    begin_program(tables)
    scalars = tables.scalars
    slice_firings = min(SLICE_FIRINGS, max(1, max_firings // _SLICES))
    scalars[c.PAUSE_AT] = slice_firings
    while scalars[c.N_STARTED] < max_firings:
        status = run_rounds(tables)
        if status == c.RECURRED:
            period = _period_of(tables, program.n_actors)
            if scalars[c.SKIP_ENDLESS] and accept(period):
                return period, samples
            skip_periods(tables)
        elif status == c.PAUSED:
            samples.append(Sample(int(scalars[c.NOW]), tables.actors[: program.n_actors, c.STARTED].copy()))
            scalars[c.PAUSE_AT] += slice_firings
            if progress:
                progress(min(1.0, int(scalars[c.N_STARTED]) / max_firings))
        elif status == c.EVENTS_FULL:
            tables = grow_events(tables)
        elif status == c.LOG_FULL:
            scalars[c.N_LOG] = 0
        else:
            break
    return None, samples


def _period_of(t: Tables, n_actors: int) -> Period:
    """The period that the recurrence check has just found, before it is skipped; gates come after the actors."""
    level = t.scalars[c.SKIP_LEVEL]
    actors = t.touched[level, : t.saved_scalars[level, c.N_TOUCHED]]
    fired = np.zeros(len(t.actors), dtype=np.int64)
    fired[actors] = t.actors[actors, c.STARTED] - t.saved_actors[level, actors, c.STARTED]
    return Period(int(t.scalars[c.SKIP_PS]), fired[:n_actors])
