"""`hermes-sim accuracy`, `fit`, and the `device` and `accuracy` parts of `validate`; the app registers them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hermes_sim.cli.console import console, print_json, progress_bar, table
from hermes_sim.cli.options import ArchOption, Json, SetChip
from hermes_sim.cli.overrides import chip_with
from hermes_sim.files import check_output_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hermes_sim.accuracy.validate_accuracy import AccuracyRow
    from hermes_sim.crossbar.spec import CrossbarSpec
    from hermes_sim.files import Source

DataDir = Annotated[Path, typer.Option(help="Folder of NAME.yaml + NAME.npz data sets.")]
Table = Annotated[Path, typer.Option("--measurements", help="CSV of measured values, one row per seed.")]
Mode = Annotated[str, typer.Option("--read-mode", help="one_phase or four_phase.")]
Threads = Annotated[int, typer.Option(min=1, help="Seeds that run side by side.")]
Seeds = Annotated[int, typer.Option(min=1, help="Seeds per cell.")]
Datasets = Annotated[list[str] | None, typer.Option("--dataset", help="Only this data set; repeatable.")]
Samplers = Annotated[list[str] | None, typer.Option("--sampler", help="Only this sampler; repeatable.")]
Kernels = Annotated[list[str] | None, typer.Option("--kernel", help="Only this kernel; repeatable.")]
Ratios = Annotated[list[str] | None, typer.Option("--log2-ratio", help="Only this log2(s/d); repeatable.")]
# What one kernel-ridge experiment is; `drift` takes the same.
DataName = Annotated[str, typer.Argument(help="digits, breast_cancer, a name in --data-dir, or a YAML file.")]
KernelName = Annotated[str, typer.Option(help="rbf, arccos0, arccos1 or arccos2.")]
SamplerName = Annotated[str, typer.Option(help="rff, orf, sorf or orf_published.")]
Ratio = Annotated[float, typer.Option(min=0, max=16, help="log2 of projections per input.")]
Gamma = Annotated[float, typer.Option(min=1e-9, help="Width of RBF.")]
Penalty = Annotated[float, typer.Option(min=1e-12, help="Ridge penalty.")]
Store = Annotated[
    Path | None, typer.Option(help="File of finished work; a killed run goes on there. Default: the cache folder.")
]


def accuracy(
    dataset: DataName,
    kernel: KernelName = "rbf",
    sampler: SamplerName = "orf",
    log2_ratio: Ratio = 4,
    gamma: Gamma = 0.05,
    ridge_alpha: Penalty = 0.5,
    seeds: Seeds = 5,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    arch: ArchOption = "hermes_64",
    set_: SetChip = None,
    read_mode: Mode = "one_phase",
    data_dir: Annotated[Path | None, typer.Option(help="Folder of NAME.yaml + NAME.npz data sets.")] = None,
    json_: Json = False,
) -> None:
    """Kernel ridge classification with the projection on crossbars, beside FP32."""
    from hermes_sim.accuracy.datasets import load_dataset
    from hermes_sim.accuracy.kernel_ridge import evaluate_kernel_ridge

    data = load_dataset(dataset, data_dir)
    done = 0
    with progress_bar() as progress:

        def step() -> None:
            nonlocal done
            done += 1
            progress("seeds", done / seeds)

        result = evaluate_kernel_ridge(
            spec=core_spec(chip_with(arch, set_)),
            dataset=data,
            kernel=kernel,
            sampler=sampler,
            log2_ratio=log2_ratio,
            gamma=gamma,
            ridge_alpha=ridge_alpha,
            n_seeds=seeds,
            seed=seed,
            read_mode=read_mode_name(read_mode),
            progress=step,
        )
    record = {"dataset": data.name, "kernel": kernel, "sampler": sampler, "log2_ratio": log2_ratio}
    record |= result.record()
    if json_:
        print_json(record)
        return
    rows = [
        ("accuracy", f"{result.simulated:.4f}", f"{result.digital_fp32:.4f}", f"{result.drop_pp:+.2f} points"),
        (
            "kernel error",
            f"{result.kernel_error:.4f}",
            f"{result.digital_kernel_error:.4f}",
            f"{(result.kernel_error or 0) - (result.digital_kernel_error or 0):+.4f}",
        ),
    ]
    title = f"{data.name}, {kernel}, {sampler}, log2(s/d) = {log2_ratio:g}, {seeds} seeds"
    console.print(table(title, ("metric", "chip", "FP32", "drop"), rows))


def validate_device_command(
    statistics: Annotated[Path, typer.Option(help="CSV of published means and deviations.")] = Path(
        "../shared/reference/hermes_device_statistics.csv"
    ),
    arch: ArchOption = "hermes_64",
    set_: SetChip = None,
    samples: Annotated[int, typer.Option(min=1000, help="Cells drawn per target.")] = 100_000,
    json_: Json = False,
) -> None:
    """Programming error, drift and read noise beside the published device statistics."""
    from hermes_sim.accuracy.validate_device import summarise_device, validate_device
    from hermes_sim.arch.load import load_arch
    from hermes_sim.device.spec import device_spec

    analog = load_arch(chip_with(arch, set_)).core.analog
    models = [device_spec(device) for device in (analog.device, *analog.other_devices.values())]
    rows = validate_device({m.n_devices: m for m in models}, statistics, n_samples=samples)
    counts = summarise_device(rows)
    if json_:
        print_json({"validation": "device", "rows": [row.record() for row in rows], "summary": counts})
    else:
        worst = sorted(rows, key=lambda row: -abs(row.z))[:20]
        cells = [
            (r.name, f"{r.expected:.5g}", f"{r.simulated:.5g}", f"{r.z:+.1f}", "ok" if r.passed else "FAILED")
            for r in worst
        ]
        columns = ("quantity", "published", "simulated", "z", "")
        console.print(table("validate device: the 20 rows furthest off", columns, cells))
        console.print(f"{counts['passed']} of {counts['rows']} rows pass, largest |z| {counts['largest_z']:.1f}")
    if counts["failed"]:
        raise typer.Exit(1)


def validate_accuracy_command(
    data_dir: DataDir,
    measurements: Table,
    dataset: Datasets = None,
    sampler: Samplers = None,
    kernel: Kernels = None,
    log2_ratio: Ratios = None,
    seeds: Seeds = 10,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    arch: ArchOption = "hermes_64",
    set_: SetChip = None,
    read_mode: Mode = "one_phase",
    models: Annotated[str, typer.Option(help="Of fp32, device, full; full is always run.")] = "fp32,device,full",
    store: Store = None,
    threads: Threads = 2,
    csv: Annotated[Path | None, typer.Option(help="Write the rows there, too.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw kernel errors over measured ones there, as .svg.")] = None,
    json_: Json = False,
) -> None:
    """Accuracy and kernel error beside values measured on the chip, cell by cell."""
    from hermes_sim.accuracy.cells import Plan
    from hermes_sim.accuracy.figures import check_measured_errors, plot_kernel_errors
    from hermes_sim.accuracy.measurements import read_measurements
    from hermes_sim.accuracy.store import ResultStore, default_store
    from hermes_sim.accuracy.tables import write_rows
    from hermes_sim.accuracy.validate_accuracy import select_cells, summarise, validate_accuracy
    from hermes_sim.crossbar.spec import ReadMode

    plan = Plan(
        spec=core_spec(chip_with(arch, set_)),
        read_mode=ReadMode(read_mode_name(read_mode)),
        n_seeds=seeds,
        seed=seed,
        models=_models(models),
    )
    wanted: dict[str, Sequence[str]] = {
        "dataset": dataset or [],
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
            store=ResultStore(store or default_store("validate_accuracy")),
            n_threads=threads,
            progress=lambda done: progress("cells x seeds", done),
        )
    counts = summarise(rows)
    if csv is not None:
        write_rows(rows, csv)
    if plot is not None:
        plot_kernel_errors(rows, plot)
    if json_:
        print_json({"validation": "accuracy", "rows": [row.record() for row in rows], "summary": counts})
    else:
        _print_rows(rows, counts)
    if not _meets_targets(counts):
        raise typer.Exit(1)


def fit(
    data_dir: DataDir,
    measurements: Table,
    dataset: Datasets = None,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds per cell.")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    iterations: Annotated[int, typer.Option(min=1, help="Gauss-Newton steps, of four simulated tables each.")] = 2,
    leave_one_out: Annotated[
        bool, typer.Option("--leave-one-out/--no-leave-one-out", help="Fit on all but one data set, predict it.")
    ] = True,
    accuracy: Annotated[
        bool, typer.Option("--accuracy/--no-accuracy", help="Predict the accuracy of the set left out, too (slow).")
    ] = False,
    arch: ArchOption = "hermes_64",
    set_: SetChip = None,
    threads: Threads = 2,
    json_: Json = False,
) -> None:
    """Fit the chip's converter parameters to measured kernel errors, with uncertainties, cross-validated."""
    from hermes_sim.accuracy.fit import fit_chip

    with progress_bar() as progress:
        report = fit_chip(
            spec=core_spec(chip_with(arch, set_)),
            data_dir=data_dir,
            measurements_path=measurements,
            dataset_names=dataset or [],
            n_seeds=seeds,
            seed=seed,
            iterations=iterations,
            leave_one_out=leave_one_out,
            accuracy=accuracy,
            n_threads=threads,
            progress=progress,
        )
    if json_:
        print_json(report)
        return
    rows = [
        (name, f"{p['value']:.4g}", f"{p['se']:.2g}", f"{p['start']:.4g}") for name, p in report["parameters"].items()
    ]
    console.print(table("fit", ("parameter", "value", "standard error", "chip file"), rows))
    console.print(f"chi^2 per cell {report['chi2_per_cell']:.2f} over {report['cells']} cells")
    for entry in report["leave_one_out"]:
        values = ", ".join(f"{name} {value:.4g}" for name, value in entry["parameters"].items())
        shares = ", ".join(
            f"{label} {entry[metric]['share_within_2_se']:.0%} within 2 SE"
            for metric, label in (("approx_error", "kernel error"), ("accuracy", "accuracy"))
            if metric in entry
        )
        console.print(f"without {entry['left_out']}: {shares}; {values}")


def core_spec(arch: Source) -> CrossbarSpec:
    """Crossbar of a chip's core."""
    from hermes_sim.arch.load import load_arch
    from hermes_sim.crossbar.spec import crossbar_spec

    core = load_arch(arch).core
    return crossbar_spec(core.analog, rows=core.rows.n, columns=core.columns.n)


def read_mode_name(name: str) -> str:
    """The name, if it is that of a read mode."""
    from hermes_sim.crossbar.spec import ReadMode
    from hermes_sim.errors import ArchConfigError, nearest

    if name not in list(ReadMode):
        raise ArchConfigError(
            "read_mode", got=repr(name), allowed=", ".join(ReadMode), hint=nearest(name, list(ReadMode))
        )
    return name


def _models(text: str) -> tuple[str, ...]:
    from hermes_sim.accuracy.cells import MODELS
    from hermes_sim.errors import WorkloadError, nearest

    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in MODELS:
            raise WorkloadError("models", got=repr(name), allowed=", ".join(MODELS), hint=nearest(name, MODELS))
    return tuple(model for model in MODELS if model in {*names, "full"})


def _meets_targets(counts: dict[str, Any]) -> bool:
    from hermes_sim.accuracy.validate_accuracy import TARGETS

    return all(
        counts[metric]["full"]["share_within_2_se"] >= share for metric, share in TARGETS.items() if metric in counts
    )


def _print_rows(rows: Sequence[AccuracyRow], counts: dict[str, Any]) -> None:
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
                    f"{full.chip_mean:.4f}" if full else "-",
                    f"{row.predicted['full'][0]:.4f}",
                    f"{row.predicted['fp32'][0]:.4f}" if "fp32" in row.predicted else "-",
                    f"{full.z:+.1f}" if full else "-",
                    f"{fp32.z:+.1f}" if fp32 else "-",
                )
            )
        columns = ("cell", "chip", "simulated", "FP32", "z", "z of FP32")
        console.print(table(f"validate accuracy: {metric.replace('_', ' ')}", columns, cells))
        for name in ("fp32", "device", "full", "published_fp32", "chip_minus_fp32"):
            entry = counts.get(metric, {}).get(name)
            if entry:
                share = "" if entry["median_relative"] is None else f" ({entry['median_relative']:.1%})"
                ratio = entry["spread_ratio"]
                spread = "" if ratio is None else f", seeds spread {ratio:.2f}x"
                console.print(
                    f"{name}: {entry['share_within_2_se']:.0%} of {entry['cells']} cells within 2 SE, median "
                    f"deviation {entry['median_absolute']:.4f}{share}{spread}",
                    highlight=False,
                )
