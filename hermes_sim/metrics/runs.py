"""The runs behind one result: one inference on an empty chip, all inferences, and enough of them for a steady state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hermes_sim.engine.compiled import CompiledEngine
from hermes_sim.engine.reference import ReferenceEngine
from hermes_sim.errors import EngineError, nearest
from hermes_sim.program.bounds import Bounds, lower_bounds
from hermes_sim.program.lower import lower
from hermes_sim.trace.critical_path import CriticalPath, critical_path

if TYPE_CHECKING:
    from hermes_sim.arch.schema import Chip
    from hermes_sim.engine.base import Engine, RunRecord
    from hermes_sim.mapping.placement import Mapping
    from hermes_sim.program.dataflow import I64
    from hermes_sim.program.lowered import LoweredProgram
    from hermes_sim.workload.graph import OpGraph

ENGINES: dict[str, type[CompiledEngine | ReferenceEngine]] = {
    "compiled": CompiledEngine,
    "simpy": ReferenceEngine,
}
STEADY_INFERENCES = 16


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
    steady : `all`, or a longer run where there are too few for a steady state
    bounds : no schedule of `all` can be shorter
    critical_path : what the latency of `one` is made of
    """

    one: Run
    all: Run
    steady: Run
    bounds: Bounds
    critical_path: CriticalPath


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
    graph: OpGraph,
    mapping: Mapping,
    chip: Chip,
    *,
    inferences: int,
    engine: Engine,
    arrivals_ps: I64 | None = None,
    trace: bool = False,
) -> Runs:
    """Run a mapped workload.

    Raises
    ------
    EngineError
        a deadlock, or a makespan below its lower bound
    """

    def run(count: int, *, traced: bool = False, arrivals: I64 | None = None) -> Run:
        lowered = lower(graph, mapping, chip, inferences=count, arrivals_ps=arrivals)
        return Run(lowered, engine.run(lowered.program, trace=traced, watch=[lowered.done]))

    one = run(1, traced=True)
    every = run(inferences, traced=trace, arrivals=arrivals_ps)
    enough = arrivals_ps is not None or inferences >= STEADY_INFERENCES
    steady = every if enough else run(STEADY_INFERENCES)
    bounds = lower_bounds(every.lowered.program)
    if every.record.makespan_ps < bounds.makespan_ps:
        raise EngineError(
            "makespan",
            got=f"{every.record.makespan_ps} ps",
            allowed=f"at least the lower bound, {bounds.makespan_ps} ps ({bounds.reason})",
            hint="this is a defect of the simulator: please report the inputs of the run",
        )
    assert one.record.trace is not None
    path = critical_path(one.lowered.program, one.record.trace)
    return Runs(one, every, steady, bounds, path)
