"""One call: `simulate` runs the flow of `hermes_sim.flow` and tells the whole result."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from hermes_sim._version import __version__
from hermes_sim.baselines.compare import compare_with
from hermes_sim.baselines.load import load_baselines
from hermes_sim.baselines.sizing import beside
from hermes_sim.chip.load import load_arch
from hermes_sim.chip.schema import Chip
from hermes_sim.config.parameters import resolved
from hermes_sim.crossbar.spec import Effects
from hermes_sim.errors import HermesSimError, MappingError
from hermes_sim.explain.ratio import ratio_factors
from hermes_sim.flow import Simulated, map_workload
from hermes_sim.mapping.mapping import DEFAULT_MAPPING, Strategy
from hermes_sim.metrics.provenance import energy_share_by_kind
from hermes_sim.numerics.chip_models import with_model
from hermes_sim.numerics.question import Question
from hermes_sim.program.lower import check_inferences
from hermes_sim.result import SCHEMA_VERSION, Metrics, inputs_sha256
from hermes_sim.workload.load import identity, load_workload
from hermes_sim.workload.schema import WorkloadFile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch

    from hermes_sim.config.files import Source
    from hermes_sim.flow import Mapped
    from hermes_sim.metrics.runs import Runs
    from hermes_sim.program.dataflow import I64
    from hermes_sim.workload.schema import Workload


_EXPORTS: list[TemporaryDirectory[str]] = []  # of PyTorch modules: a file's weights are read when they are asked for


class Result(Simulated):
    """What `simulate` gives: the document, what it was made from, and the way to a report."""

    def report(self, path: str | Path, *, replace: bool = False) -> Path:
        """Write the report folder and return its path."""
        from hermes_sim.report.folder import write_report  # noqa: PLC0415 - loads pandas

        return write_report(self, Path(path), replace=replace)


def simulate(
    arch: Source | Chip,
    workload: Source | Workload | torch.nn.Module,
    *,
    example_input: Any = None,
    mapping: str | Path = DEFAULT_MAPPING,
    engine: str = "compiled",
    inferences: int | None = None,
    seed: int = 0,
    baselines: Sequence[Source] = ("a100",),
    accuracy: bool | None = None,
    effects: str = "all",
    data: str | Path | None = None,
    data_dir: str | Path | None = None,
    weights: str | Path | None = None,
    metric: str | None = None,
    draws: int | None = None,
    samples: int | None = None,
    times_s: Sequence[float] = (),
    calibration_overlap: bool = False,
    chip_models: Sequence[str] = (),
    arrivals_ps: I64 | None = None,
    trace: bool = False,
    uncertainty: int | None = 0,
    progress: Callable[[str, float], None] | None = None,
) -> Result:
    """Simulate a workload on a chip: latency, energy, accuracy, and digital accelerators beside it.

    Parameters
    ----------
    arch, workload : shipped name, path of a file, or what `load_arch` and `load_workload` returned; a workload may also
        be a PyTorch module
    example_input : of a PyTorch module, (n, ...); default: the first rows of `data`
    mapping : strategy, or the path of a mapping file
    engine : ``compiled`` or ``simpy``; the result is the same
    inferences : how many run one behind the other; default: what the workload file says
    seed : of everything random (mapping, weights, devices, data splits)
    baselines : names or paths of digital accelerators
    accuracy : simulate the crossbars on real data; default: where the workload's data are at hand
    effects : imperfections of the crossbars that are on: ``all``, ``none``, or a comma list of their names
    data : ``.npz`` file with inputs and labels of a network, or the name of a data set; default: what the workload says
    data_dir : folder with data sets that do not ship
    weights : ``.npz`` or safetensors file; default: what the workload says, or the network's own
    metric : of the outputs; default: the usual one of the labels
    draws : programmed chips; samples : rows to score, by seed
    times_s : seconds after programming at which accuracy is looked at, with and without drift compensation
    calibration_overlap : let rows both calibrate the chip and be scored
    chip_models : models of the chip's reads; the first one gives the result, all of them `accuracy.by_model`. Default:
        what the chip file says
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
    _check_types(seed=seed, mapping=mapping, effects=effects)
    variants = _variants(arch, chip_models)
    chip = variants[0].chip
    work = (
        cast("Workload", workload)
        if isinstance(workload, WorkloadFile)
        else load_workload(_exported(workload, example_input, data))
    )
    count = work.inferences if inferences is None else inferences
    check_inferences(count)
    switched_on = Effects.of(effects)
    if progress:
        progress("mapping", 0.0)
    mapped = map_workload(chip, work, mapping, seed=seed)
    if progress:
        progress("mapping", 1.0)
    devices = beside(load_baselines(baselines), chip)
    runs = mapped.runs(count, engine=engine, arrivals_ps=arrivals_ps, trace=trace, progress=progress)
    question = Question(data, weights, metric, draws, samples, tuple(times_s), calibration_overlap)
    found = _accuracy(work, mapped, accuracy, switched_on, seed, data_dir, question, progress)
    if len(variants) > 1 and found["accuracy"] is not None:
        alone = replace(question, times_s=(), by_layer=False)
        others = [
            _accuracy(work, mapped.on(other.chip), True, switched_on, seed, data_dir, alone, progress)["accuracy"]
            for other in variants[1:]
        ]
        found["accuracy"]["by_model"] = [
            {"chip_model": variant.name} | {key: one[key] for key in ("simulated", "drop_pp", "std", "kernel_error")}
            for variant, one in zip(variants, (found["accuracy"], *others), strict=True)
        ]
    points = runs.figures(chip).points()
    rows = [row for device in devices for row in compare_with(device, mapped.graph, points)]
    metrics = Metrics.model_validate(
        {
            "schema_version": SCHEMA_VERSION,
            "hermes_sim_version": __version__,
            "inputs": _inputs(mapped, work, engine, seed, count),
            **timing_and_energy(runs, chip),
            **found,
            "baselines": rows,
            "ratio_factors": ratio_factors(rows, devices, mapped.graph, chip, runs),
            "wall_time_s": time.perf_counter() - started_s,
        }
    )
    result = Result(metrics, work, mapped, runs, tuple(devices))
    if uncertainty == 0 or (uncertainty is None and arrivals_ps is not None):
        return result
    from hermes_sim.uncertainty.propagate import headline_uncertainty, uncertainty_of  # noqa: PLC0415 - the same

    if uncertainty is None:
        told = headline_uncertainty(result, seed=seed)
    else:
        told = {"uncertainty": uncertainty_of(result, samples=uncertainty, seed=seed, progress=progress)}
        if found["accuracy"] is not None:
            from hermes_sim.uncertainty.accuracy import accuracy_interval  # noqa: PLC0415 - the same

            found["accuracy"] |= accuracy_interval(
                work,
                mapped,
                question,
                samples=uncertainty,
                effects=switched_on,
                seed=seed,
                data_dir=data_dir,
                progress=progress,
            )
    more = {"accuracy": found["accuracy"], **told}
    return replace(result, metrics=metrics.with_entries(**more, wall_time_s=time.perf_counter() - started_s))


def _exported(workload: Any, example_input: Any, data: str | Path | None) -> Source:
    """A PyTorch module as an ONNX file that stays as long as the process; anything else as it is."""
    if not hasattr(workload, "state_dict"):
        return cast("Source", workload)
    from hermes_sim.torch import onnx_of  # noqa: PLC0415 - an extra

    example = example_input
    if example is None and str(data).endswith(".npz"):
        from hermes_sim.numerics.network_data import example_of  # noqa: PLC0415 - loads what only it needs

        example = example_of(Path(str(data)))
    _EXPORTS.append(TemporaryDirectory(prefix="hermes_sim_"))
    return onnx_of(workload, example, Path(_EXPORTS[-1].name) / f"{type(workload).__name__}.onnx")


class _Variant(NamedTuple):
    """A chip under a model of its reads."""

    name: str
    chip: Chip


def _variants(arch: Source | Chip, models: Sequence[str]) -> list[_Variant]:
    """The chip under each model; as its file says where none is named."""
    if not models:
        return [_Variant("", arch if isinstance(arch, Chip) else load_arch(arch))]
    if isinstance(arch, Chip):
        raise HermesSimError("chip_models", got="a chip that is loaded", allowed="a name or file beside them")
    return [_Variant(name, load_arch(with_model(arch, name))) for name in dict.fromkeys(models)]


def _check_types(*, seed: object, mapping: object, effects: object) -> None:
    """Refuse early what would fail late and in other words."""
    if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool) or seed < 0:
        raise HermesSimError("seed", got=repr(seed), allowed="a whole number from 0")
    if not isinstance(mapping, (str, Path)):
        raise MappingError(
            "mapping", got=repr(mapping), allowed=f"{', '.join(Strategy)}, or the path of a mapping file"
        )
    if not isinstance(effects, str):
        raise HermesSimError("effects", got=repr(effects), allowed="all, none, or a comma list of names, as text")


def timing_and_energy(runs: Runs, chip: Chip) -> dict[str, Any]:
    """The part of the document that the event simulation gives."""
    figures, record = runs.figures(chip), runs.all.record
    engine_s = record.statistics.wall_time_s if record.statistics else 0.0
    return {
        "latency_ns": figures.latency_ns,
        "makespan_ns": figures.makespan_ns,
        "throughput_inferences_per_s": figures.throughput_inferences_per_s,
        "throughput_basis": str(runs.steady.basis),
        "energy_alone_pj": figures.energy_alone_pj,
        "energy_pj": {
            "total": figures.total_pj,
            "per_inference": figures.energy_pj,
            "on_chip_per_inference": figures.energy_on_chip_pj,
            "by_place": figures.by_place,
            "by_component": figures.by("component"),
            "by_operator": figures.by("operator"),
            "static": figures.static_pj,
            "dynamic": figures.total_pj - figures.static_pj,
        },
        "power_w": figures.power_w,
        "ops": runs.all.lowered.ops,
        "tops": figures.tops,
        "tops_per_w": figures.tops_per_w,
        "lower_bound_ns": runs.bounds.makespan_ps / 1e3,
        "bottleneck": figures.bottleneck._asdict(),
        "firings": record.n_firings,
        "events_per_s": record.n_firings / engine_s if engine_s else 0.0,
        "provenance": {"energy": energy_share_by_kind(figures.rows)},
    }


def _accuracy(
    work: Workload,
    mapped: Mapped,
    wanted: bool | None,
    effects: Effects,
    seed: int,
    data_dir: str | Path | None,
    question: Question,
    progress: Callable[[str, float], None] | None,
) -> dict[str, Any]:
    """The accuracy, or the sentence that says why there is none."""
    if wanted is False:
        return {"accuracy": None, "accuracy_missing": "it was not asked for"}
    from hermes_sim.numerics.workloads import workload_accuracy  # noqa: PLC0415 - loads what only it needs

    found = workload_accuracy(
        work,
        mapped.chip,
        mapped.graph,
        mapped.mapping,
        seed=seed,
        effects=effects,
        wanted=wanted,
        data_dir=data_dir,
        question=question,
        progress=progress,
    )
    return {"accuracy": found.accuracy, "accuracy_missing": found.missing}


def _inputs(mapped: Mapped, work: Workload, engine: str, seed: int, inferences: int) -> dict[str, Any]:
    content = {
        "arch": resolved(mapped.chip),
        "workload": identity(work),
        "blocks": [list(vars(block).values()) for block in mapped.mapping.blocks],
        "units": {op: str(unit) for op, unit in mapped.mapping.units.items()},
        "seed": seed,
        "inferences": inferences,
    }
    return {
        "arch": mapped.chip.name,
        "workload": work.name,
        "mapping": str(mapped.mapping.strategy),
        "engine": engine,
        "seed": seed,
        "inferences": inferences,
        "sha256": inputs_sha256(content),
    }
