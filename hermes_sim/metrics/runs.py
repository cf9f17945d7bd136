"""The runs behind one result: one inference on an empty chip, all inferences, and the steady state."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from hermes_sim.engine.compiled import CompiledEngine
from hermes_sim.engine.reference import ReferenceEngine
from hermes_sim.errors import EngineError, nearest
from hermes_sim.metrics.figures import Figures
from hermes_sim.metrics.steady import SteadyState, steady_state
from hermes_sim.program.bounds import Bounds, lower_bounds
from hermes_sim.trace.critical_path import CriticalPath, critical_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from hermes_sim.chip.schema import Chip
    from hermes_sim.engine.base import Engine, RunRecord
    from hermes_sim.program.dataflow import I64
    from hermes_sim.program.lowered import LoweredProgram

ENGINES: dict[str, type[CompiledEngine | ReferenceEngine]] = {
    "compiled": CompiledEngine,
    "simpy": ReferenceEngine,
}


@dataclass(frozen=True)
class Run:
    """A program and its record."""

    lowered: LoweredProgram
    record: RunRecord

    @property
    def finish_ps(self) -> I64:
        """(inferences,) ps, when each inference was done."""
        return self.record.finish_ps[self.lowered.done]


@dataclass(frozen=True)
class Runs:
    """All runs of one simulation.

    Parameters
    ----------
    one : a single inference on an empty chip, with its trace
    all : all inferences
    steady : the long run, if inputs never cease
    bounds : no schedule of `all` can be shorter
    critical_path : what the latency of `one` is made of
    arrivals_ps : when inputs arrive, if not all wait from the start
    """

    one: Run
    all: Run
    steady: SteadyState
    bounds: Bounds
    critical_path: CriticalPath
    arrivals_ps: I64 | None = None

    @property
    def throughput_per_s(self) -> float:
        """Inferences per second in the long run: what the chip can do, or what arrives if that is less.

        Ends of a run with given arrivals are no measure: the last ones come faster than new ones could, and the
        first ones fill the pipeline.
        """
        arrivals_ps = self.arrivals_ps
        if arrivals_ps is None or len(arrivals_ps) < 2 or arrivals_ps[-1] == arrivals_ps[0]:
            return self.steady.throughput_per_s
        offered_per_s = (len(arrivals_ps) - 1) / int(arrivals_ps[-1] - arrivals_ps[0]) * 1e12
        return min(offered_per_s, self.steady.throughput_per_s)

    def figures(self, chip: Chip) -> Figures:
        """Time and energy on the chip that was run."""
        alone, every = self.one.record, self.all
        return Figures(chip, every.lowered, every.record, alone, self.throughput_per_s, self.bounds.makespan_ps)


def engine_by_name(name: str) -> Engine:
    """Engine of a name.

    Raises
    ------
    EngineError
        unknown name
    """
    if name not in ENGINES:
        raise EngineError("engine", got=repr(name), allowed=", ".join(ENGINES), hint=nearest(name, ENGINES))
    return ENGINES[name]()


def run_all(
    every: LoweredProgram,
    *,
    engine: Engine,
    arrivals_ps: I64 | None = None,
    trace: bool = False,
    progress: Callable[[str, float], None] | None = None,
) -> Runs:
    """Run a program of all inferences, one inference alone, and look for the steady state.

    Parameters
    ----------
    arrivals_ps : the releases of `every`
    trace : keep the start of every firing of all inferences
    progress : called with a stage name and the fraction done

    Raises
    ------
    EngineError
        a deadlock, a makespan below its lower bound, or a throughput above what a resource can do
    """

    def told(stage: str) -> Callable[[float], None] | None:
        return partial(progress, stage) if progress else None

    alone = every.for_inferences(1)
    one = Run(alone, engine.run(alone.program, trace=True, watch=[every.done], progress=told("one inference")))
    record = engine.run(every.program, trace=trace, watch=[every.done], progress=told("all inferences"))
    bounds = lower_bounds(every.program, progress=told("lower bounds"))
    if record.makespan_ps < bounds.makespan_ps:
        raise EngineError(
            "makespan",
            got=f"{record.makespan_ps} ps",
            allowed=f"at least the lower bound, {bounds.makespan_ps} ps ({bounds.reason})",
            hint="this is a defect of the simulator: please report the inputs of the run",
        )
    steady = steady_state(every, latency_ps=one.record.makespan_ps, progress=told("steady state"))
    assert one.record.trace is not None
    if progress:
        progress("critical path", 0.0)
    path = critical_path(one.lowered.program, one.record.trace)
    if progress:
        progress("critical path", 1.0)
    return Runs(one, Run(every, record), steady, bounds, path, arrivals_ps)
