"""Steady state: what happens again and again while inputs keep coming. The one definition of throughput.

The time between two results in the long run is exact where the whole state of the engine is seen to recur. Networks too
deep for that, whose pipeline takes longer to fill than anyone would wait, and those without a short period, get a bound
or what the busiest resource does; `SteadyState.basis` says which.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from hermes_sim.engine.period import find_period
from hermes_sim.errors import EngineError
from hermes_sim.program.cycle_ratio import maximum_cycle_ratio
from hermes_sim.program.verify import CLOCK_LIMIT_PS

if TYPE_CHECKING:
    from collections.abc import Callable

    from hermes_sim.engine.period import Period, Sample
    from hermes_sim.program.dataflow import I64
    from hermes_sim.program.lowered import LoweredProgram

SEARCH_FIRINGS = 12_000_000  # executed one by one in search of a period, a few seconds
_LEAST_SEARCH, _LONG_SEARCH = 1_000_000, 8  # firings, and times the firings that fill the pipeline
_HOPELESS = 4  # times as many firings to fill the pipeline: not even tried
_MANY_INFERENCES = 1 << 20


class Basis(StrEnum):
    """What a throughput rests on."""

    PERIOD = "period"  # the state of the engine recurs: exact
    MEASURED = "measured"  # share of time that the busiest resource works, late in a long run
    BOUND = "bound"  # no run with this mapping is faster; not simulated to a steady state


@dataclass(frozen=True, eq=False)
class SteadyState:
    """A stretch of the endless run.

    Parameters
    ----------
    lowered : the program, for names and costs
    period_ps : length of the stretch
    inferences : that end in it
    fired : (n_actors,) firings in it
    """

    lowered: LoweredProgram
    period_ps: Fraction
    inferences: int
    fired: I64
    basis: Basis

    @property
    def throughput_per_s(self) -> float:
        """Inferences per second."""
        return float(self.inferences * 10**12 / self.period_ps)

    @property
    def load_ps(self) -> list[Fraction]:
        """Per resource: time that each of its servers works in the stretch; the rest it is idle."""
        return _loads_ps(self.lowered, self.fired)


def steady_state(
    lowered: LoweredProgram,
    *,
    latency_ps: int,
    progress: Callable[[float], None] | None = None,
) -> SteadyState:
    """Steady state of a program whose inputs all wait from the start.

    Parameters
    ----------
    latency_ps : of one inference on an empty chip: how much is under way follows from it

    Raises
    ------
    EngineError
        a rate above what the busiest resource can do, which would be a defect of the simulator
    """
    turn, turn_firings = lowered.whole_turn, lowered.turn_firings
    fastest_ps = _fastest_turn_ps(lowered)
    bound = SteadyState(lowered, fastest_ps, turn, turn_firings, Basis.BOUND)
    under_way = max(1.0, latency_ps * turn / float(fastest_ps))  # inferences, by Little's law
    to_fill = under_way * float(turn_firings.sum()) / turn
    if to_fill > _HOPELESS * SEARCH_FIRINGS:
        return bound

    def in_proportion(period: Period) -> bool:
        ended = int(period.fired[lowered.done])
        return ended > 0 and bool((period.fired * turn == turn_firings * ended).all())

    program = _endless(lowered).program
    enough = int(min(max(_LONG_SEARCH * to_fill, _LEAST_SEARCH), SEARCH_FIRINGS))
    period, samples = find_period(program, in_proportion, max_firings=enough, progress=progress)
    if period is None:
        return _measured(bound, samples) or bound
    ended = int(period.fired[lowered.done])
    found = SteadyState(lowered, Fraction(period.length_ps), ended, period.fired, Basis.PERIOD)
    check_rate(found)
    return found


def check_rate(state: SteadyState) -> None:
    """Refuse a rate that a resource cannot keep up with.

    Raises
    ------
    EngineError
        naming the resource
    """
    loads_ps = state.load_ps
    busiest = max(range(len(loads_ps)), key=loads_ps.__getitem__)
    if loads_ps[busiest] > state.period_ps:
        raise EngineError(
            "throughput",
            got=f"{state.inferences} inferences in {float(state.period_ps)} ps",
            allowed=f"at least {float(loads_ps[busiest])} ps, the work of "
            f"{state.lowered.program.resource_names[busiest]} for them",
            hint="this is a defect of the simulator: please report the inputs of the run",
        )


def _loads_ps(lowered: LoweredProgram, fired: I64) -> list[Fraction]:
    program = lowered.program
    work_ps = np.zeros(len(program.resource_names), dtype=np.int64)
    np.add.at(work_ps, program.resource, fired * program.interval_ps)
    return [Fraction(w, c) for w, c in zip(work_ps.tolist(), program.capacity.tolist(), strict=True)]


def _fastest_turn_ps(lowered: LoweredProgram) -> Fraction:
    """No whole turn can follow another sooner: the busiest resource, or the slowest cycle of dependencies."""
    turn = lowered.whole_turn
    fastest_ps = max(_loads_ps(lowered, lowered.turn_firings), default=Fraction(0))
    cycle = maximum_cycle_ratio(lowered.for_inferences(turn).program)
    if cycle is not None:
        fastest_ps = max(fastest_ps, cycle.weight_ps / cycle.run_share)
    return max(fastest_ps, Fraction(1))


def _endless(lowered: LoweredProgram) -> LoweredProgram:
    """So many inferences that no search comes to their end, as far as the clock goes."""
    turn = lowered.whole_turn
    program = lowered.program
    longest_ps = np.maximum(program.interval_ps, program.latency_ps).astype(float)
    turn_ps = max(1.0, float((lowered.turn_firings * longest_ps).sum()))
    turns = int(min(_MANY_INFERENCES // turn, CLOCK_LIMIT_PS // 4 // turn_ps))
    return lowered.for_inferences(turn * max(turns, 1))


def _measured(bound: SteadyState, samples: list[Sample]) -> SteadyState | None:
    """Rate of work of the busiest resource over the second half of what was run since the first result.

    In the long run every resource works for as many inferences as end. Unlike their ends, its work does not come in
    batches, and it cannot work for longer than there is time.
    """
    done = bound.lowered.done
    after = [sample for sample in samples if sample.started[done] > 0]
    if len(after) < 2 or after[-1].started[done] < 2:
        return None
    first, last = after[(len(after) - 1) // 2], after[-1]
    loads_ps = bound.load_ps
    busiest = max(range(len(loads_ps)), key=loads_ps.__getitem__)
    worked_ps = _loads_ps(bound.lowered, last.started - first.started)[busiest]
    if not worked_ps > 0:
        return None
    period_ps = (last.now_ps - first.now_ps) * loads_ps[busiest] / worked_ps
    return SteadyState(bound.lowered, max(period_ps, bound.period_ps), bound.inferences, bound.fired, Basis.MEASURED)
