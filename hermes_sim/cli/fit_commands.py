"""`hermes-sim fit`: models of the chip's reads fitted to its measurements, and what these say of each parameter."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hermes_sim.cli.accuracy_commands import (
    Datasets,
    Kernels,
    PublishedMode,
    Ratios,
    Samplers,
    Store,
    Table,
    Threads,
    likelihood_words,
    print_settings,
    with_read_mode,
)
from hermes_sim.cli.console import console, print_json, progress_bar, table
from hermes_sim.cli.options import ArchOption, DataDir, Json, SetChip
from hermes_sim.cli.overrides import chip_with
from hermes_sim.config.files import check_output_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hermes_sim.validation.cells import Plan
    from hermes_sim.validation.profile import Profile


def fit(
    data_dir: DataDir = None,
    measurements: Table = None,
    dataset: Datasets = None,
    sampler: Samplers = None,
    kernel: Kernels = None,
    log2_ratio: Ratios = None,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds per cell.")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    iterations: Annotated[int, typer.Option(min=1, help="Gauss-Newton steps, of four simulated tables each.")] = 2,
    leave_one_out: Annotated[
        bool, typer.Option("--leave-one-out/--no-leave-one-out", help="Fit on all but one data set, predict it.")
    ] = True,
    accuracy: Annotated[
        bool, typer.Option("--accuracy/--no-accuracy", help="Score accuracies, too (slow); they are not fitted.")
    ] = False,
    profile: Annotated[
        bool,
        typer.Option("--profile", help="Fit nothing: score each listed parameter at each listed value, others held."),
    ] = False,
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", help="With --profile, only this parameter; repeatable.")
    ] = None,
    accuracy_seeds: Annotated[
        int | None, typer.Option(min=1, help="With --profile, seeds per cell of accuracies. Default: as --seeds.")
    ] = None,
    arch: ArchOption = "hermes_64",
    set_: SetChip = None,
    read_mode: PublishedMode = None,
    store: Store = None,
    threads: Threads = 2,
    csv: Annotated[Path | None, typer.Option(help="With --profile, write every score there, too.")] = None,
    plot: Annotated[Path | None, typer.Option(help="With --profile, draw the profiles there, as .svg.")] = None,
    chip_model: Annotated[
        list[str] | None, typer.Option("--chip-model", help="Model of the chip's reads; repeatable. Default: all.")
    ] = None,
    json_: Json = False,
) -> None:
    """Fit models of the chip's reads to measured kernel errors, with uncertainties, cross-validated.

    With --profile it shows instead what the measurements say of each parameter that the model's record lists.
    """
    from hermes_sim.numerics.chip_models import chip_models
    from hermes_sim.validation.fit import chosen_in_folds
    from hermes_sim.validation.plans import published_plan, runs_apart
    from hermes_sim.validation.reference import measured_sets
    from hermes_sim.validation.store import open_store

    _check_outputs(profile=profile, parameter=parameter, accuracy_seeds=accuracy_seeds, csv=csv, plot=plot)
    measurements, names = measured_sets(measurements, dataset or [])
    shared: dict[str, Any] = {
        "data_dir": data_dir,
        "measurements_path": measurements,
        "wanted": {
            "dataset": names,
            "sampler": sampler or [],
            "kernel": kernel or [],
            "log2_ratio": log2_ratio or [],
        },
        "store": open_store(store, name="fit"),
        "n_threads": threads,
    }
    source = with_read_mode(chip_with(arch, set_), read_mode)
    apart = runs_apart(shared["data_dir"], measurements, names)
    models = chip_model or list(chip_models().models)
    if profile:
        counts = {"n_seeds": seeds, "n_accuracy_seeds": (accuracy_seeds or seeds) if accuracy else 0, "seed": seed}
        found = _profiled(models, parameter or [], {**shared, **counts, "source": source, "apart": apart})
        _show_profiles(found, csv=csv, plot=plot, json_=json_)
        return
    plans = {
        name: published_plan(source, name, apart=apart, n_seeds=seeds, seed=seed, models=("full",), accuracy=False)
        for name in models
    }
    reports = _fitted(plans, shared | {"iterations": iterations, "leave_one_out": leave_one_out, "accuracy": accuracy})
    chosen = chosen_in_folds(reports)
    if json_:
        from hermes_sim.cli.documents.validations import FitDocument

        print_json(FitDocument.model_validate({"models": reports, "chosen_in_folds": chosen}))
        return
    for name, report in reports.items():
        _print_fit(name, report)
    if len(reports) > 1:
        for entry in chosen:
            console.print(
                f"without {entry['left_out']} {entry['model']} fits best, of likelihoods "
                f"{entry['by_log_likelihood']}: {_shares(entry)}",
                highlight=False,
            )


def _check_outputs(*, profile: bool, csv: Path | None, plot: Path | None, **others: object) -> None:
    """Check early what a profile will write.

    Raises    DataError  for an option that only a profile has
    """
    from hermes_sim.errors import DataError

    for option, value in {**others, "csv": csv, "plot": plot}.items():
        if value is not None and not profile:
            raise DataError(f"--{option.replace('_', '-')}", got=str(value), allowed="together with --profile")
    for path, suffix in ((csv, ".csv"), (plot, ".svg")):
        if path is not None:
            check_output_file(path, suffix)


def _fitted(plans: dict[str, Plan], shared: dict[str, Any]) -> dict[str, dict[str, Any]]:
    from hermes_sim.numerics.chip_models import chip_model
    from hermes_sim.validation.fit import fit_chip

    with progress_bar() as progress:
        return {
            name: fit_chip(plan=plan, fitted=chip_model(name).fitted, progress=progress, **shared)
            for name, plan in plans.items()
        }


def _profiled(models: Sequence[str], parameters: Sequence[str], shared: dict[str, Any]) -> dict[str, list[Profile]]:
    from hermes_sim.validation.profile import Profiling, profile_model

    with progress_bar() as progress:
        return {
            name: profile_model(Profiling.read(model=name, **shared), parameters, progress=progress) for name in models
        }


def _show_profiles(profiles: dict[str, list[Profile]], *, csv: Path | None, plot: Path | None, json_: bool) -> None:
    from hermes_sim.validation.figures import plot_profiles
    from hermes_sim.validation.tables import write_profiles

    if csv is not None:
        write_profiles(profiles, csv)
    if plot is not None:
        plot_profiles(profiles, plot)
    if json_:
        from hermes_sim.cli.documents.validations import ProfilesDocument

        told = {name: {p.parameter: p.record() for p in found} for name, found in profiles.items()}
        print_json(ProfilesDocument.model_validate({"profiles": told}))
        return
    for name, found in profiles.items():
        _print_profiles(name, found)


def _print_profiles(name: str, profiles: Sequence[Profile]) -> None:
    """Differences of log-likelihood from the best value of each parameter: in all, by measure, by data set."""
    metrics = {metric: metric.replace("approx", "kernel").replace("_", " ") for metric, _ in profiles[0].best.parts}
    sets = list(dict.fromkeys(dataset for _, dataset in profiles[0].best.parts))
    rows = []
    for one in profiles:
        for point in one.points:
            parts = [
                point.total - one.best.total,
                *(point.of(metric) - one.best.of(metric) for metric in metrics),
                *(point.of(dataset=dataset) - one.best.of(dataset=dataset) for dataset in sets),
            ]
            mark = " (held)" if point.value == one.held else ""
            rows.append((one.parameter, f"{point.value}{mark}", *(f"{part:+.1f}" for part in parts)))
    columns = ("parameter", "value", "all", *metrics.values(), *sets)
    console.print(table(f"log-likelihood of {name} from that of the best value", columns, rows, keep_first=True))
    for one in profiles:
        console.print(f"{one.parameter}: {_in_words(one)}", highlight=False, soft_wrap=True)
    console.print("One parameter at a time, the others held: none of them can stand in for another here.")


def _in_words(profile: Profile) -> str:
    from hermes_sim.validation.profile import DROP

    record = profile.record()
    wide = record["allowing_for_misfit"]
    metric, dataset, by = profile.decided_by()[0]
    return (
        f"within {DROP:g} of the best {_range(record['within_2'])}; "
        f"allowing for the misfit ({wide['drop']:.1f}) {_range(wide)}; "
        f"decided by {metric.replace('approx', 'kernel').replace('_', ' ')} of {dataset} ({by:.1f})"
    )


def _range(found: dict[str, Any]) -> str:
    if found["interval"] is None:
        return ", ".join(str(value) for value in found["values"])
    low, high = (None if end is None else f"{end:.3g}" for end in found["interval"])
    return f"{low or 'below what was tried'} to {high or 'above what was tried'}"


def _print_fit(name: str, report: dict[str, Any]) -> None:
    rows = [
        (parameter, f"{p['value']:.4g}", f"{p['se']:.2g}", f"{p['start']:.4g}")
        for parameter, p in report["parameters"].items()
    ]
    console.print(table(f"fit of {name}", ("parameter", "value", "standard error", "chip file"), rows))
    print_settings(report["settings"])
    console.print(f"log-likelihood {likelihood_words(report['log_likelihood'])}", highlight=False)
    console.print(f"chi^2 per cell {report['chi2_per_cell']:.2f} over {report['cells']} cells")
    for entry in report["leave_one_out"]:
        values = ", ".join(f"{parameter} {value:.4g}" for parameter, value in entry["parameters"].items())
        console.print(f"without {entry['left_out']}: {_shares(entry)}; {values}", highlight=False)


def _shares(entry: dict[str, Any]) -> str:
    """Agreement of a data set left out."""
    return ", ".join(
        f"{label} {entry[metric]['share_within_2_se']:.0%} within 2 SE"
        for metric, label in (("approx_error", "kernel error"), ("accuracy", "accuracy"))
        if metric in entry
    )
