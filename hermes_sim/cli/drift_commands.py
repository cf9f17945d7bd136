"""`hermes-sim drift`: accuracy and kernel error over time after programming; the app registers it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hermes_sim.cli.accuracy_commands import (
    DataName,
    Gamma,
    KernelName,
    Mode,
    Penalty,
    Ratio,
    SamplerName,
    core_of,
)
from hermes_sim.cli.console import console, print_json, progress_bar, table
from hermes_sim.cli.options import ArchOption, ChipModelName, DataDir, Json, SetChip
from hermes_sim.cli.overrides import chip_with
from hermes_sim.cli.times import seconds, seconds_of
from hermes_sim.config.files import check_output_file, written_whole
from hermes_sim.kit.formatting import counted, long_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Group

    from hermes_sim.numerics.drift import DriftPoint


def drift(
    dataset: DataName,
    kernel: KernelName = None,
    sampler: SamplerName = None,
    log2_ratio: Ratio = None,
    gamma: Gamma = None,
    ridge_alpha: Penalty = None,
    times: Annotated[str, typer.Option(help="After programming: 1h,10h,1d,1y or seconds.")] = "1h,10h,1d,10d,30d,1y",
    first_calibration: Annotated[
        str | None, typer.Option(help="When the uncompensated scale was set. Default: what the chip file says.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Programmed chips to average over.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    arch: ArchOption = "hermes_64",
    set_: SetChip = None,
    read_mode: Mode = None,
    data_dir: DataDir = None,
    csv: Annotated[Path | None, typer.Option(help="Write the points there, too.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw them there, as .svg.")] = None,
    chip_model: ChipModelName = None,
    json_: Json = False,
) -> None:
    """Accuracy and kernel error over time after programming, with and without drift compensation.

    What is not given comes from the chip file and from the shipped workload kernel_ridge_DATASET, as in `accuracy`.
    """
    from hermes_sim.chip.load import load_arch
    from hermes_sim.cli.analog_note import note_reads
    from hermes_sim.numerics.chip_models import differences
    from hermes_sim.numerics.datasets import load_dataset
    from hermes_sim.numerics.drift import drift_study
    from hermes_sim.numerics.settings import reading, setup_for
    from hermes_sim.validation.figures import plot_drift

    times_s = sorted(seconds_of([times], "--times"))
    for path, suffix in ((csv, ".csv"), (plot, ".svg")):
        if path is not None:
            check_output_file(path, suffix)
    source = chip_with(arch, set_, chip_model)
    spec, mode = core_of(source, read_mode)
    chip = load_arch(source, {"read_mode": str(mode)})
    first_s = spec.compensation_s if first_calibration is None else seconds(first_calibration, "--first-calibration")
    data = load_dataset(dataset, data_dir)
    setup = setup_for(data).changed(
        kernel=kernel, sampler=sampler, log2_ratio=log2_ratio, gamma=gamma, ridge_alpha=ridge_alpha
    )
    with progress_bar() as progress:
        points = drift_study(
            spec=spec,
            mode=mode,
            dataset=data,
            experiment=setup.experiment,
            times_s=times_s,
            n_seeds=seeds,
            seed=seed,
            first_calibration_s=first_s,
            progress=lambda done: progress("times", done),
        )
    note_reads(chip, set_ or [])
    settings = {"dataset": data.name, **setup.experiment.record(), **reading(spec, mode)}
    told = {name: value for name, value in settings.items() if name != "range"}
    title = f"{', '.join(f'{name} {value}' for name, value in told.items())}, {counted(seeds, 'seed')}"
    if csv is not None:
        _write_csv(points, csv)
    if plot is not None:
        plot_drift(points, plot, title=f"{data.name}: {mode}, {setup.experiment.kernel}, {counted(seeds, 'seed')}")
    if json_:
        from hermes_sim.cli.documents.accuracies import DriftDocument

        record = {
            **settings,
            "published": differences(chip),
            "defaults_from": setup.source,
            "seeds": seeds,
            "first_calibration_s": first_s,
            "points": points,
        }
        print_json(DriftDocument.model_validate(record))
        return
    console.print(_table(f"{title}, first scale at {long_time(first_s)}", points))


def _table(title: str, points: Sequence[DriftPoint]) -> Group:
    rows = [
        (
            long_time(p.time_s),
            "yes" if p.compensated else "no",
            _spread(p.accuracy, p.accuracy_sd),
            _spread(p.kernel_error, p.kernel_error_sd),
        )
        for p in points
    ]
    return table(title, ("after programming", "scale renewed", "accuracy", "kernel error"), rows)


def _spread(mean: float, sd: float | None) -> str:
    """Mean with its deviation; one seed has none."""
    return f"{mean:.4f}" if sd is None else f"{mean:.4f} +- {sd:.4f}"


def _write_csv(points: Sequence[DriftPoint], path: Path) -> None:
    import pandas as pd

    with written_whole(path) as temporary:
        pd.DataFrame([asdict(point) for point in points]).to_csv(temporary, index=False, float_format="%.6g")
