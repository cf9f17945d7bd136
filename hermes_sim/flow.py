"""The whole flow on one screen: chip + workload -> graph -> mapping -> program -> runs -> figures.

Every command, sweep, study and check composes these steps here and nowhere else: `map_workload` gives a mapped graph,
`Mapped.program` what the engines run, `Mapped.runs` all that a report tells of a run, and `Mapped.figures` time and
energy alone, for as little work as they take: what this process has run before is not run again. `hermes_sim.api` adds
accuracy, digital accelerators and intervals, and puts all into the typed document of `hermes_sim.result`.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hermes_sim._memory import no_collections
from hermes_sim.chip.load import load_arch
from hermes_sim.chip.schema import Chip
from hermes_sim.engine.compiled import CompiledEngine
from hermes_sim.errors import HermesSimError, nearest
from hermes_sim.mapping.mapping import DEFAULT_MAPPING
from hermes_sim.mapping.place import map_graph
from hermes_sim.metrics.cache import RunCache
from hermes_sim.metrics.energy import energy_rows
from hermes_sim.metrics.figures import Figures
from hermes_sim.metrics.runs import engine_by_name, run_all
from hermes_sim.metrics.timing import resource_use, stage_times
from hermes_sim.program.lower import lower, lower_programming
from hermes_sim.workload.load import build_graph, identity, load_workload
from hermes_sim.workload.schema import WorkloadFile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import pandas as pd

    from hermes_sim.baselines.load import Baseline
    from hermes_sim.config.files import Source
    from hermes_sim.mapping.mapping import Mapping
    from hermes_sim.metrics.runs import Runs
    from hermes_sim.program.dataflow import I64
    from hermes_sim.program.lowered import LoweredProgram
    from hermes_sim.result import Metrics
    from hermes_sim.workload.graph import OpGraph
    from hermes_sim.workload.schema import Workload

_MOST_GRAPHS = 64
RUNS = RunCache()  # of this process
_graphs: OrderedDict[str, OpGraph] = OrderedDict()


def map_workload(
    arch: Source | Chip, workload: Source | Workload, mapping: str | Path = DEFAULT_MAPPING, *, seed: int = 0
) -> Mapped:
    """A workload on a chip.

    Parameters
    ----------
    arch, workload : shipped name, path of a file, or what `load_arch` and `load_workload` returned
    mapping : strategy, or the path of a mapping file
    seed : of the strategies that draw

    Raises
    ------
    HermesSimError
        the workload does not fit, or asks for what the chip has not
    """
    chip = arch if isinstance(arch, Chip) else load_arch(arch)
    work = workload if isinstance(workload, WorkloadFile) else load_workload(workload)
    return map_operators(chip, graph_of(work), mapping, seed=seed)


def map_operators(chip: Chip, graph: OpGraph, mapping: str | Path = DEFAULT_MAPPING, *, seed: int = 0) -> Mapped:
    """An operator graph on a chip; the rest is as for `map_workload`."""
    found = map_graph(graph, chip, mapping, seed=seed)
    return Mapped(chip, found.mapped(graph), found)


def graph_of(work: Workload) -> OpGraph:
    """Operator graph of one inference; equal workloads share it."""
    key = json.dumps(identity(work), sort_keys=True, default=str)
    graph = _graphs.pop(key, None) or build_graph(work)
    _graphs[key] = graph
    while len(_graphs) > _MOST_GRAPHS:
        _graphs.popitem(last=False)
    return graph


@dataclass(frozen=True, eq=False)
class Mapped:
    """Operators, where each of them runs, and the chip that does.

    Parameters
    ----------
    graph : of one inference, as it is mapped: with the products on digital units that the mapping puts there
    """

    chip: Chip
    graph: OpGraph
    mapping: Mapping

    def on(self, chip: Chip) -> Mapped:
        """The same mapping on a variant of the chip."""
        return replace(self, chip=chip)

    def program(
        self, inferences: int = 1, *, arrivals_ps: I64 | None = None, in_flight: int | None = None
    ) -> LoweredProgram:
        """Program of all inferences; see `hermes_sim.program.lower.lower`."""
        return lower(
            self.graph, self.mapping, self.chip, inferences=inferences, arrivals_ps=arrivals_ps, in_flight=in_flight
        )

    def programming(self) -> dict[str, float] | None:
        """Time and energy to write the weights, `time_ms` and `energy_uj`: the programming events run on their own.

        None if nothing is placed or the chip does not say how it is programmed.
        """
        if not self.mapping.blocks or self.chip.core.programming is None:
            return None
        program, infos = lower_programming(self.graph, self.mapping, self.chip)
        record = CompiledEngine().run(program)
        energy_pj = sum(
            int(fired) * part.value
            for info, fired in zip(infos, record.started, strict=True)
            for part in info.cost.energies
        )
        return {"time_ms": record.makespan_ps / 1e9, "energy_uj": energy_pj / 1e6}

    @no_collections()
    def runs(
        self,
        inferences: int,
        *,
        engine: str = "compiled",
        arrivals_ps: I64 | None = None,
        trace: bool = False,
        progress: Callable[[str, float], None] | None = None,
    ) -> Runs:
        """All that a report tells of a run; see `hermes_sim.metrics.runs.run_all`."""
        runner = engine_by_name(engine)
        every = self.program(inferences, arrivals_ps=arrivals_ps)
        return run_all(every, engine=runner, arrivals_ps=arrivals_ps, trace=trace, progress=progress)

    def figures(
        self,
        inferences: int,
        *,
        in_flight: int | None = None,
        throughput: bool = True,
        bound: bool = False,
        progress: Callable[[float], None] | None = None,
    ) -> Figures:
        """Time and energy of all inferences and of one alone.

        Parameters
        ----------
        in_flight : inferences started and not yet done, at most; default as many as the buffers hold
        throughput, bound : whether the steady state and the lower bound are looked for
        progress : called with the fraction done of the search for the steady state

        Raises
        ------
        EngineError
            buffers that lead to a deadlock
        """
        every = self.program(inferences, in_flight=in_flight)
        record = RUNS.record(every)
        alone = record if inferences == 1 else RUNS.record(every.for_inferences(1))
        rate_per_s = RUNS.throughput_per_s(every, progress=progress) if throughput else None
        return Figures(self.chip, every, record, alone, rate_per_s, RUNS.bound_ps(every) if bound else None)

    def finish_ps(self, arrivals_ps: I64) -> I64:
        """(n,) ps, when each of n inferences is done whose inputs arrive at given times."""
        every = self.program(len(arrivals_ps), arrivals_ps=arrivals_ps)
        return CompiledEngine().run(every.program, watch=[every.done]).finish_ps[every.done]


@dataclass(frozen=True)
class Simulated:
    """Everything one simulation found out, for reports, explanations and intervals.

    Parameters
    ----------
    metrics : the typed result document
    workload, mapped, runs, devices : what it was made from, for tables, plots and traces; `devices` are the digital
        accelerators beside it
    """

    metrics: Metrics
    workload: Workload
    mapped: Mapped
    runs: Runs
    devices: tuple[Baseline, ...] = ()

    @property
    def chip(self) -> Chip:
        """The chip as resolved."""
        return self.mapped.chip

    @property
    def graph(self) -> OpGraph:
        """Operators of one inference."""
        return self.mapped.graph

    @property
    def mapping(self) -> Mapping:
        """Where everything ran."""
        return self.mapped.mapping

    @cached_property
    def document(self) -> dict[str, Any]:
        """The content of ``metrics.json`` as plain data; writing into it changes no result."""
        return self.metrics.to_dict()

    @cached_property
    def figures(self) -> Figures:
        """Time and energy, from the runs."""
        return self.runs.figures(self.chip)

    def to_frame(self, table: str = "stages") -> pd.DataFrame:
        """One of the tables ``stages``, ``resources``, ``energy``, ``baselines`` as a data frame.

        Raises
        ------
        HermesSimError
            unknown table, with the nearest there is
        """
        import pandas as pd  # noqa: PLC0415 - a third of a second that a run without tables need not wait

        from hermes_sim.baselines.compare import comparison_rows  # noqa: PLC0415 - a sweep has no baselines

        run = self.runs.all
        rows: dict[str, Callable[[], Sequence[Any]]] = {
            "stages": lambda: stage_times(run.lowered, run.record),
            "resources": lambda: resource_use(run.record),
            "energy": lambda: energy_rows(run.lowered, run.record),
            "baselines": lambda: comparison_rows(self.document["baselines"]),
        }
        if table not in rows:
            raise HermesSimError("table", got=repr(table), allowed=", ".join(rows), hint=nearest(str(table), rows))
        return pd.DataFrame(rows[table]())

    def compare(self) -> pd.DataFrame:
        """Baselines beside the chip: latency, energy, and how many times the chip is better."""
        return self.to_frame("baselines")
