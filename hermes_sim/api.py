"""The whole flow on one screen: chip + workload -> graph -> mapping -> program -> engine -> metrics -> result."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hermes_sim._version import __version__
from hermes_sim.baselines.compare import chip_points, compare_with, comparison_rows
from hermes_sim.baselines.load import load_baselines
from hermes_sim.baselines.sizing import beside
from hermes_sim.chip.load import load_arch
from hermes_sim.chip.schema import Chip
from hermes_sim.config.parameters import resolved
from hermes_sim.errors import HermesSimError, nearest
from hermes_sim.explain.ratio import ratio_factors
from hermes_sim.mapping.mapping import DEFAULT_MAPPING
from hermes_sim.mapping.place import map_graph
from hermes_sim.metrics.document import SCHEMA_VERSION, inputs_sha256, timing_and_energy
from hermes_sim.metrics.energy import energy_rows
from hermes_sim.metrics.runs import engine_by_name, run_all
from hermes_sim.metrics.timing import resource_use, stage_times
from hermes_sim.program.lower import check_inferences
from hermes_sim.workload.load import build_graph, identity, load_workload
from hermes_sim.workload.schema import WorkloadFile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

    from hermes_sim.baselines.load import Baseline
    from hermes_sim.config.files import Source
    from hermes_sim.mapping.mapping import Mapping as Placement
    from hermes_sim.metrics.runs import Runs
    from hermes_sim.program.dataflow import I64
    from hermes_sim.workload.graph import OpGraph
    from hermes_sim.workload.schema import Workload


@dataclass(frozen=True)
class Result:
    """Everything one simulation found out.

    Parameters
    ----------
    document : the result document (the content of ``metrics.json``)
    chip, workload, graph, placement, runs, devices : what it was made from, for tables, plots and traces; `devices`
        are the digital accelerators beside it
    """

    document: Mapping[str, Any]
    chip: Chip
    workload: Workload
    graph: OpGraph
    placement: Placement
    runs: Runs
    devices: tuple[Baseline, ...] = ()

    def to_frame(self, table: str = "stages") -> pd.DataFrame:
        """One of the tables ``stages``, ``resources``, ``energy``, ``baselines`` as a data frame.

        Raises
        ------
        HermesSimError
            unknown table, with the nearest there is
        """
        import pandas as pd  # noqa: PLC0415 - a third of a second that a run without tables need not wait

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

    def report(self, path: str | Path, *, replace: bool = False) -> Path:
        """Write the report folder and return its path."""
        from hermes_sim.report.folder import write_report  # noqa: PLC0415 - loads pandas

        return write_report(self, Path(path), replace=replace)


def simulate(
    arch: Source | Chip,
    workload: Source | Workload,
    *,
    mapping: str | Path = DEFAULT_MAPPING,
    engine: str = "compiled",
    inferences: int | None = None,
    seed: int = 0,
    baselines: Sequence[Source] = ("a100",),
    accuracy: bool | None = None,
    data_dir: str | Path | None = None,
    arrivals_ps: I64 | None = None,
    trace: bool = False,
    uncertainty: int | None = 0,
    progress: Callable[[str, float], None] | None = None,
) -> Result:
    """Simulate a workload on a chip: latency, energy, accuracy, and digital accelerators beside it.

    Parameters
    ----------
    arch, workload : shipped name, path of a file, or what `load_arch` and `load_workload` returned
    mapping : placement strategy
    engine : ``compiled`` or ``simpy``; the result is the same
    inferences : how many run one behind the other; default: what the workload file says
    seed : of everything random (placement, weights, devices, data splits)
    baselines : names or paths of digital accelerators
    accuracy : simulate the crossbars on real data; default: where the workload's data are at hand
    data_dir : folder with ``NAME.yaml`` + ``NAME.npz`` data sets
    arrivals_ps : (inferences,) ps, when each inference's inputs arrive; default: all wait from the start
    trace : keep the start of every firing of all inferences
    uncertainty : samples that propagate the ranges of assumed and fitted values; 0: none; None: a few, for medians
        and intervals of the chip's own figures, if the program is small
    progress : called with a stage name and the fraction done

    Raises
    ------
    HermesSimError
        for any input that cannot be used, with where, what was given and what is allowed
    """
    started_s = time.perf_counter()
    chip = arch if isinstance(arch, Chip) else load_arch(arch)
    work = workload if isinstance(workload, WorkloadFile) else load_workload(workload)
    count = work.inferences if inferences is None else inferences
    check_inferences(count)
    graph = build_graph(work)
    if progress:
        progress("placement", 0.0)
    placement = map_graph(graph, chip, mapping, seed=seed)
    if progress:
        progress("placement", 1.0)
    graph = placement.mapped(graph)
    devices = beside(load_baselines(baselines), chip)
    runs = run_all(
        graph,
        placement,
        chip,
        inferences=count,
        engine=engine_by_name(engine),
        arrivals_ps=arrivals_ps,
        trace=trace,
        progress=progress,
    )
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "hermes_sim_version": __version__,
        "inputs": _inputs(chip, work, placement, engine, seed, count),
        **timing_and_energy(runs, chip),
    }
    document |= _accuracy(work, chip, placement, accuracy, seed, data_dir, progress)
    points = chip_points(document)
    document["baselines"] = [row for device in devices for row in compare_with(device, graph, points)]
    document["ratio_factors"] = ratio_factors(document["baselines"], devices, graph, chip, runs)
    result = Result(document, chip, work, graph, placement, runs, tuple(devices))
    if uncertainty != 0:
        from hermes_sim.uncertainty.propagate import headline_uncertainty, uncertainty_of  # noqa: PLC0415 - the same

        found = None
        if uncertainty is not None:
            found = uncertainty_of(result, samples=uncertainty, seed=seed, progress=progress)
        elif arrivals_ps is None:
            found = headline_uncertainty(result, seed=seed)
        if found is not None:
            document["uncertainty"] = found
    document["wall_time_s"] = time.perf_counter() - started_s
    return result


def _accuracy(
    work: Workload,
    chip: Chip,
    placement: Placement,
    wanted: bool | None,
    seed: int,
    data_dir: str | Path | None,
    progress: Callable[[str, float], None] | None,
) -> dict[str, Any]:
    """The accuracy, or the sentence that says why there is none."""
    if wanted is False:
        return {"accuracy": None, "accuracy_missing": "it was not asked for"}
    from hermes_sim.numerics.workloads import workload_accuracy  # noqa: PLC0415 - loads what only it needs

    found = workload_accuracy(
        work, chip, seed=seed, wanted=wanted, placement=placement, data_dir=data_dir, progress=progress
    )
    return {"accuracy": found.accuracy, "accuracy_missing": found.missing}


def _inputs(
    chip: Chip, work: Workload, placement: Placement, engine: str, seed: int, inferences: int
) -> dict[str, Any]:
    content = {
        "arch": resolved(chip),
        "workload": identity(work),
        "placement": [list(vars(block).values()) for block in placement.blocks],
        "units": {op: str(unit) for op, unit in placement.units.items()},
        "seed": seed,
        "inferences": inferences,
    }
    return {
        "arch": chip.name,
        "workload": work.name,
        "mapping": placement.strategy,
        "engine": engine,
        "seed": seed,
        "inferences": inferences,
        "sha256": inputs_sha256(content),
    }
