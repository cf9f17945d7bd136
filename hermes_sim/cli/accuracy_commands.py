"""`hermes-sim accuracy`, and the `device` and `accuracy` parts of `validate`; the app registers them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hermes_sim.cli.console import accuracy_rows, console, error_console, print_json, progress_bar, table
from hermes_sim.cli.options import ArchOption, ChipModelName, DataDir, Json, Mapping, SetChip
from hermes_sim.cli.overrides import chip_with
from hermes_sim.config.files import check_output_file
from hermes_sim.mapping.mapping import DEFAULT_MAPPING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hermes_sim.config.files import Source
    from hermes_sim.config.vocabulary import ReadMode
    from hermes_sim.crossbar.spec import CrossbarSpec
    from hermes_sim.validation.accuracy import AccuracyRow

Table = Annotated[
    Path | None,
    typer.Option("--measurements", help="CSV of measured values, one row per seed. Default: the shipped one."),
]
Mode = Annotated[str | None, typer.Option("--read-mode", help="one_phase or four_phase. Default: the chip's.")]
PublishedMode = Annotated[
    str | None,
    typer.Option("--read-mode", help="one_phase or four_phase. Default: the published experiment's, as fitted."),
]
KernelBatch = Annotated[
    int | None,
    typer.Option(min=1, help="Vectors that share an input range where the kernel is measured. Default: as published."),
]
Threads = Annotated[int, typer.Option(min=1, help="Seeds that run side by side.")]
Seeds = Annotated[int, typer.Option(min=1, help="Seeds per cell.")]
Datasets = Annotated[list[str] | None, typer.Option("--dataset", help="Only this data set; repeatable.")]
Samplers = Annotated[list[str] | None, typer.Option("--sampler", help="Only this sampler; repeatable.")]
Kernels = Annotated[list[str] | None, typer.Option("--kernel", help="Only this kernel; repeatable.")]
Ratios = Annotated[list[str] | None, typer.Option("--log2-ratio", help="Only this log2(s/d); repeatable.")]
# What one kernel-ridge experiment is; `drift` takes the same.
DataName = Annotated[str, typer.Argument(help="A name of `hermes-sim data list`, one in --data-dir, or a YAML file.")]
# Defaults come from the shipped workload kernel_ridge_NAME, or from the published experiment where there is none.
KernelName = Annotated[str | None, typer.Option(help="rbf, arccos0, arccos1 or arccos2.")]
SamplerName = Annotated[str | None, typer.Option(help="rff, orf, sorf or orf_published.")]
Ratio = Annotated[float | None, typer.Option(min=0, max=16, help="log2 of projections per input.")]
Gamma = Annotated[float | None, typer.Option(min=1e-9, help="Width of RBF.")]
Penalty = Annotated[float | None, typer.Option(min=1e-12, help="Ridge penalty.")]
Store = Annotated[
    Path | None, typer.Option(help="Folder of finished work; a killed run goes on there. Default: in the cache folder.")
]


def accuracy(
    dataset: DataName,
    kernel: KernelName = None,
    sampler: SamplerName = None,
    log2_ratio: Ratio = None,
    gamma: Gamma = None,
    ridge_alpha: Penalty = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Draws to average over.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    arch: ArchOption = "hermes_64",
    set_: SetChip = None,
    read_mode: Mode = None,
    mapping: Mapping = DEFAULT_MAPPING,
    data_dir: DataDir = None,
    chip_model: ChipModelName = None,
    json_: Json = False,
) -> None:
    """Kernel ridge classification with the projection on crossbars, beside FP32.

    What is not given comes from the chip file and from the shipped workload kernel_ridge_DATASET, as in `run`; for
    data sets without one from the published experiment.
    """
    from functools import partial

    from hermes_sim.chip.load import load_arch
    from hermes_sim.cli.analog_note import note_reads
    from hermes_sim.flow import map_workload
    from hermes_sim.numerics.chip_models import differences
    from hermes_sim.numerics.datasets import load_dataset
    from hermes_sim.numerics.programmed import ProgrammedChip
    from hermes_sim.numerics.settings import setup_for
    from hermes_sim.numerics.workloads import kernel_ridge_accuracy

    source = chip_with(arch, set_, chip_model)
    spec, mode = core_of(source, read_mode)
    chip = load_arch(source, {"read_mode": str(mode)})
    data = load_dataset(dataset, data_dir)
    setup = setup_for(data).changed(
        kernel=kernel, sampler=sampler, log2_ratio=log2_ratio, gamma=gamma, ridge_alpha=ridge_alpha, n_seeds=seeds
    )
    mapped = map_workload(source, setup.workload, mapping, seed=seed)
    chip_of = partial(ProgrammedChip, mapped.graph, mapped.mapping, spec=spec, mode=mode)
    with progress_bar() as progress:
        result = kernel_ridge_accuracy(setup, data, chip_of, seed=seed, progress=progress)
    record = result.record()
    record["settings"]["published"] = differences(chip)
    note_reads(chip, set_ or [])
    if json_:
        from hermes_sim.cli.documents.accuracies import AccuracyDocument

        told = {"dataset": data.name, **setup.experiment.record(), "defaults_from": setup.source}
        print_json(AccuracyDocument.model_validate({**told, **record}))
        return
    rows = [*accuracy_rows({"accuracy": record}), ("defaults from", f"{setup.source}, chip {arch}")]
    console.print(table(f"{data.name} on the crossbars of {arch}", ("quantity", "value"), rows))


def validate_device_command(
    statistics: Annotated[
        Path | None, typer.Option(help="CSV of published means and deviations. Default: the shipped one.")
    ] = None,
    arch: ArchOption = "hermes_64",
    set_: SetChip = None,
    samples: Annotated[int, typer.Option(min=1000, help="Cells drawn per target.")] = 100_000,
    json_: Json = False,
) -> None:
    """Programming error, drift and read noise beside the published device statistics."""
    from hermes_sim.chip.load import load_arch
    from hermes_sim.device.cells import published_specs
    from hermes_sim.validation.device import summarise_device, validate_device
    from hermes_sim.validation.reference import DEVICE_STATISTICS
    from hermes_sim.validation.rows import kinds_words

    models = published_specs(load_arch(chip_with(arch, set_)).core.analog.device)
    rows = validate_device(models, statistics or DEVICE_STATISTICS, n_samples=samples)
    counts = summarise_device(rows)
    if json_:
        from hermes_sim.cli.documents.validations import DeviceDocument

        print_json(DeviceDocument(validation="device", rows=[row.record() for row in rows], summary=counts))
    else:
        worst = sorted(rows, key=lambda row: -abs(row.z))[:20]
        cells = [
            (r.name, f"{r.expected:.5g}", f"{r.simulated:.5g}", f"{r.z:+.1f}", "ok" if r.passed else "FAILED")
            for r in worst
        ]
        columns = ("quantity", "published", "simulated", "z", "")
        console.print(table("validate device: the 20 rows furthest off", columns, cells))
        told = f"{counts['passed']} of {counts['rows']} rows pass, largest |z| {counts['largest_z']:.1f}"
        console.print(f"{told}: {kinds_words(counts)}")
    if counts["failed"]:
        raise typer.Exit(1)


def validate_accuracy_command(
    data_dir: DataDir = None,
    measurements: Table = None,
    dataset: Datasets = None,
    sampler: Samplers = None,
    kernel: Kernels = None,
    log2_ratio: Ratios = None,
    seeds: Seeds = 10,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    arch: ArchOption = "hermes_64",
    set_: SetChip = None,
    read_mode: PublishedMode = None,
    kernel_batch: KernelBatch = None,
    models: Annotated[str, typer.Option(help="Of fp32, device, full; full is always run.")] = "fp32,device,full",
    store: Store = None,
    threads: Threads = 2,
    csv: Annotated[Path | None, typer.Option(help="Write the rows there, too.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw kernel errors over measured ones there, as .svg.")] = None,
    chip_model: ChipModelName = None,
    json_: Json = False,
) -> None:
    """Accuracy and kernel error beside values measured on the chip, cell by cell."""
    from hermes_sim.validation.accuracy import select_cells, summarise, validate_accuracy
    from hermes_sim.validation.figures import check_measured_errors, plot_kernel_errors
    from hermes_sim.validation.measurements import read_measurements
    from hermes_sim.validation.plans import published_plan, runs_apart
    from hermes_sim.validation.reference import measured_sets
    from hermes_sim.validation.store import open_store
    from hermes_sim.validation.tables import write_rows

    measurements, names = measured_sets(measurements, dataset or [])
    left_out = [] if dataset else _not_here(names, data_dir)
    names = [name for name in names if name not in left_out]
    plan = published_plan(
        with_read_mode(chip_with(arch, set_), read_mode),
        chip_model,
        apart=runs_apart(data_dir, measurements, names),
        over={} if kernel_batch is None else {"kernel_vectors": kernel_batch},
        n_seeds=seeds,
        seed=seed,
        models=_models(models),
    )
    wanted: dict[str, Sequence[str]] = {
        "dataset": names,
        "sampler": sampler or [],
        "kernel": kernel or [],
        "log2_ratio": log2_ratio or [],
    }
    if plot is not None:
        check_output_file(plot, ".svg")
        measured = read_measurements(measurements)
        check_measured_errors(select_cells(measured, wanted), measured, str(measurements))
    with progress_bar() as progress:
        rows = validate_accuracy(
            plan=plan,
            data_dir=data_dir,
            measurements_path=measurements,
            wanted=wanted,
            store=open_store(store, name="validate_accuracy"),
            n_threads=threads,
            progress=lambda done: progress("cells x seeds", done),
        )
    counts = summarise(rows)
    if csv is not None:
        write_rows(rows, csv)
    if plot is not None:
        plot_kernel_errors(rows, plot)
    if json_:
        from hermes_sim.cli.documents.validations import MeasuredDocument

        records = [row.record() for row in rows]
        found = {"validation": "accuracy", "settings": plan.record(), "rows": records, "summary": counts}
        print_json(MeasuredDocument.model_validate(found | ({"left_out": left_out} if left_out else {})))
    else:
        _print_rows(rows, counts)
        print_settings(plan.record())
    if not _meets_targets(counts):
        raise typer.Exit(1)


def core_of(arch: Source, read_mode: str | None) -> tuple[CrossbarSpec, ReadMode]:
    """Crossbar of a chip's core, and how it is read: as the chip file says if no mode is given."""
    from hermes_sim.chip.load import load_arch
    from hermes_sim.config.vocabulary import ReadMode
    from hermes_sim.crossbar.spec import core_crossbar
    from hermes_sim.errors import ArchConfigError, chosen

    chip = load_arch(arch)
    mode = chip.read_mode if read_mode is None else chosen("read_mode", read_mode, ReadMode, error=ArchConfigError)
    return core_crossbar(chip.core), mode


def with_read_mode(source: Source, read_mode: str | None) -> Source:
    """A chip that is read so, whatever else says how; None: as it says."""
    from hermes_sim.config.vocabulary import ReadMode
    from hermes_sim.errors import ArchConfigError, chosen
    from hermes_sim.validation.plans import with_fields

    if read_mode is None:
        return source
    return with_fields(source, {"read_mode": str(chosen("read_mode", read_mode, ReadMode, error=ArchConfigError))})


def _not_here(names: Sequence[str], data_dir: Path | None) -> list[str]:
    """Data sets that are not on this machine; standard error says how to get them."""
    from hermes_sim.numerics.datasets import has_dataset

    missing = [name for name in names if not has_dataset(name, data_dir)]
    if missing:
        told = f"{', '.join(missing)}: not on this machine, left out; `hermes-sim data get {' '.join(missing)}`"
        error_console.print(told, highlight=False, soft_wrap=True)
    return missing


def print_settings(settings: dict[str, Any]) -> None:
    """How the published runs were driven."""
    text = ", ".join(f"{name} {value}" for name, value in settings.items())
    console.print(f"published experiment: {text}", highlight=False, soft_wrap=True)


def likelihood_words(found: dict[str, Any]) -> str:
    """Sum, and each measure with its level and its spread over seeds."""
    parts = ", ".join(
        f"{metric.replace('approx', 'kernel').replace('_', ' ')} {one['level']:.1f} and of spreads {one['spread']:.1f}"
        for metric, one in found.items()
        if isinstance(one, dict)
    )
    return f"{found['total']:.1f} ({parts})"


def _models(text: str) -> tuple[str, ...]:
    from hermes_sim.errors import WorkloadError, chosen
    from hermes_sim.validation.cells import MODELS

    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        chosen("models", name, MODELS, error=WorkloadError)
    return tuple(model for model in MODELS if model in {*names, "full"})


def _meets_targets(counts: dict[str, Any]) -> bool:
    from hermes_sim.validation.accuracy import TARGETS

    return all(
        counts[metric]["full"]["share_within_2_se"] >= share for metric, share in TARGETS.items() if metric in counts
    )


def _print_rows(rows: Sequence[AccuracyRow], counts: dict[str, Any]) -> None:
    from hermes_sim.kit.formatting import times
    from hermes_sim.validation.accuracy import kind_of_cells
    from hermes_sim.validation.rows import kinds_words

    for metric in ("accuracy", "approx_error"):
        here = [row for row in rows if row.metric == metric]
        if not here:
            continue
        cells = []
        for row in here:
            full, fp32 = row.comparisons.get("full"), row.comparisons.get("fp32")
            cells.append(
                (
                    row.cell.name,
                    str(kind_of_cells(row.cell.dataset)),
                    f"{full.chip_mean:.4f}" if full else "-",
                    f"{row.predicted['full'][0]:.4f}",
                    f"{row.predicted['fp32'][0]:.4f}" if "fp32" in row.predicted else "-",
                    f"{full.z:+.1f}" if full else "-",
                    f"{fp32.z:+.1f}" if fp32 else "-",
                )
            )
        columns = ("cell", "kind", "chip", "simulated", "FP32", "z", "z of FP32")
        console.print(table(f"validate accuracy: {metric.replace('_', ' ')}", columns, cells))
        for name in ("fp32", "device", "full", "published_fp32", "chip_minus_fp32"):
            entry = counts.get(metric, {}).get(name)
            if entry:
                share = "" if entry["median_relative"] is None else f" ({entry['median_relative']:.1%})"
                ratio = entry["spread_ratio"]
                spread = "" if ratio is None else f", seeds spread {times(ratio)}"
                console.print(
                    f"{name}: {entry['share_within_2_se']:.0%} of {entry['cells']} cells within 2 SE, median "
                    f"deviation {entry['median_absolute']:.4f}{share}{spread}",
                    highlight=False,
                )
    for name, found in counts["log_likelihood"].items():
        console.print(f"log-likelihood of {name}: {likelihood_words(found)}", highlight=False)
    console.print(f"{counts['rows']} rows: {kinds_words(counts)}", highlight=False)
