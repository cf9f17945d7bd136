"""`hermes-sim compare`: chips x workloads x baselines in one table, and where the winner changes."""

from __future__ import annotations

import shlex
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hermes_sim.cli.console import console, print_json, print_table, progress_bar, table
from hermes_sim.cli.options import DataDir, Json, Mapping, Seed, Set
from hermes_sim.cli.overrides import all_with
from hermes_sim.config.vocabulary import Timing
from hermes_sim.errors import ComparisonError
from hermes_sim.kit.formatting import energy_of_pj, si, time_of_ns, times, times_within
from hermes_sim.kit.ratios import RATIO_OF
from hermes_sim.mapping.mapping import DEFAULT_MAPPING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hermes_sim.cli.documents.comparisons import CompareDocument
    from hermes_sim.comparison.crossover import Crossover
    from hermes_sim.comparison.study import Comparison
    from hermes_sim.comparison.table import ComparedRows, ComparisonRow

_NONE = "none"


def compare(
    arch: Annotated[list[str] | None, typer.Argument(help="Shipped chip names, or paths of chip files.")] = None,
    workload: Annotated[list[str] | None, typer.Option(help="Shipped name or path; repeatable.")] = None,
    baseline: Annotated[
        list[str] | None, typer.Option(help="Name or path, or none; repeatable. Default: all shipped.")
    ] = None,
    inferences: Annotated[
        list[int] | None,
        typer.Option(
            min=1, help="In flight on the chip, a batch of the baselines; repeatable. Default 1 and the file's."
        ),
    ] = None,
    precision: Annotated[list[str] | None, typer.Option(help="Of the baselines; repeatable. Default: all.")] = None,
    mapping: Mapping = DEFAULT_MAPPING,
    uncertainty: Annotated[int, typer.Option(min=0, help="Samples for intervals of the ratios; 0 for none.")] = 0,
    accuracy: Annotated[bool, typer.Option("--accuracy", help="Simulate the crossbars where there are data.")] = False,
    crossover: Annotated[
        list[str] | None,
        typer.Option(help="Find where the winner changes: inferences, sequence_length, features, ...; repeatable."),
    ] = None,
    low: Annotated[int | None, typer.Option("--from", min=0, help="Of the crossover's range.")] = None,
    high: Annotated[int | None, typer.Option("--to", min=1, help="Of the crossover's range.")] = None,
    seed: Seed = 0,
    data_dir: DataDir = None,
    set_: Set = None,
    study: Annotated[
        Path | None,
        typer.Option(help="File, or folder with a study.yaml, that says what to compare; instead of all of the above."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the report of --study; default: that of the file.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Write all rows there as a CSV table.")] = None,
    json_: Json = False,
) -> None:
    """Compare chips with each other and with digital accelerators; of these, ratios above 1 favour the chip."""
    if study is not None:
        if arch or workload or csv or set_:
            got = "ARCH, --workload, --set or --csv beside it"
            raise ComparisonError("--study", got=got, allowed="--study alone")
        _study(study, out, json_=json_)
        return
    if out is not None:
        raise ComparisonError("--out", got="no --study", allowed="together with --study, whose report goes there")
    from hermes_sim.baselines.load import load_baseline
    from hermes_sim.comparison.chips import chip_tables
    from hermes_sim.comparison.crossover import find_crossovers
    from hermes_sim.comparison.table import compare as compare_all
    from hermes_sim.comparison.table import frame_of
    from hermes_sim.config.files import write_text

    baselines = _baselines(baseline, csv=csv, crossover=crossover, precision=precision, uncertainty=uncertainty)
    chips, works = all_with(arch or (), workload or (), set_)
    with progress_bar() as progress:
        found = compare_all(
            chips,
            works,
            baselines,
            inferences=inferences or (),
            mapping=mapping,
            precisions=precision or (),
            samples=uncertainty,
            accuracy=accuracy,
            seed=seed,
            data_dir=data_dir,
            progress=progress,
        )
        crossovers = [
            crossing
            for axis in crossover or ()
            for chip in chips
            for name in works
            for crossing in find_crossovers(
                chip, name, baselines, axis=axis, low=low, high=high,
                precision=precision[0] if precision else "", mapping=mapping, seed=seed,
                progress=progress,
            )
        ]  # fmt: skip
    if csv is not None:
        write_text(csv, frame_of(found.rows).to_csv(index=False, lineterminator="\n"))
    if json_:
        print_json(_document(found, crossovers))
        return
    if len(chips) > 1 or not baselines:
        for shown in chip_tables(found.chips):
            print_table(shown)
        missing = {row.accuracy_missing for row in found.chips if accuracy and row.accuracy is None}
        for why in sorted(missing):
            console.print(f"no accuracy: {why}", style="dim", highlight=False)
    if baselines:
        _print(found.rows, crossovers, [load_baseline(name).name for name in baselines], accuracy=accuracy)


def _baselines(given: list[str] | None, **beside: object) -> list[str]:
    """Names of baselines; none where `none` was said, and then nothing that needs some."""
    from hermes_sim.baselines.load import baseline_names

    if given is None or _NONE not in given:
        return given or baseline_names()
    others = [*(name for name in given if name != _NONE), *(f"--{name}" for name, value in beside.items() if value)]
    if others:
        got = f"{_NONE} and {', '.join(others)}"
        raise ComparisonError("--baseline", got=got, allowed="none alone: the chips beside each other")
    return []


def _document(found: ComparedRows | Comparison, crossovers: Sequence[Crossover]) -> CompareDocument:
    from hermes_sim.cli.documents.comparisons import CompareDocument

    return CompareDocument(
        rows=tuple(found.rows), chips=tuple(found.chips), crossovers=tuple(one.record() for one in crossovers)
    )


def _study(study: Path, out: Path | None, *, json_: bool) -> None:
    """Everything a comparison file names, as a folder with page, rows and plots."""
    from hermes_sim.comparison.report import write_comparison
    from hermes_sim.comparison.study import changes_beside, load_comparison, run_comparison

    file = load_comparison(study)
    changes = changes_beside(study, file)
    folder = out or (study if study.is_dir() else study.parent)
    with progress_bar() as progress:
        found = run_comparison(file, progress=progress)
    given = "" if out is None else f" --out {shlex.quote(str(out))}"
    write_comparison(
        replace(found, changes=changes), folder, f"hermes-sim compare --study {shlex.quote(str(study))}{given}"
    )
    if json_:
        print_json(_document(found, found.crossovers))
        return
    console.print(_summary(found.rows), highlight=False, soft_wrap=True)
    console.print(f"Report: {folder / 'report.md'}", highlight=False, soft_wrap=True)


def _print(
    rows: Sequence[ComparisonRow], crossovers: Sequence[Crossover], baselines: Sequence[str], *, accuracy: bool
) -> None:
    groups: defaultdict[tuple[str, str, str, int, str], list[ComparisonRow]] = defaultdict(list)
    for row in rows:
        groups[row.chip, row.mapping, row.workload, row.inferences, row.timing].append(row)
    for (chip, mapping, workload, n, timing), group in groups.items():
        one = group[0]
        each = f"{time_of_ns(one.chip_latency_ns)} and {energy_of_pj(one.chip_energy_pj)} each"
        power = f"{si(one.chip_power_w, 'W')}, {one.chip_area_mm2:.3g} mm2"
        count = f"{n:,} inferences" if n > 1 else f"one inference, {Timing(timing).words}"
        title = f"{workload} on {chip}, {mapping}, {count}: {each}, {power}{_accuracy(one) if accuracy else ''}"
        console.print(table(title, *_table(group), keep_first=True))
    for name in sorted(set(baselines) - {row.baseline for row in rows}):
        console.print(f"{name} is left out: it has none of these precisions", style="dim", highlight=False)
    if crossovers:
        console.print("Where the winner changes", style="bold")
        for found in crossovers:
            console.print(f"  {found.sentence}", highlight=False, soft_wrap=True)
    console.print(_summary(rows), highlight=False, soft_wrap=True)


def _table(group: Sequence[ComparisonRow]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Columns and rows; intervals leave no room for energy-delay, power and area, which the CSV and JSON have."""
    intervals = any(row.energy_ratio_low is not None for row in group)
    more = () if intervals else ("EDP ratio", "power", "area")
    columns = ("baseline, precision, case", "energy ratio", "time ratio", *more, "energy won by")
    rows = []
    for row in group:
        power = si(row.baseline_power_w, "W") if row.baseline_power_w is not None else "-"
        area = f"{row.baseline_area_mm2:.3g} mm2" if row.baseline_area_mm2 is not None else "-"
        cells = (
            f"{row.baseline} {row.precision} {row.case}",
            times_within(row.energy_ratio, row.ends("energy_ratio")),
            times_within(row.latency_ratio, row.ends("latency_ratio")),
            *(() if intervals else (times(row.edp_ratio), power, area)),
            row.winner(),
        )
        rows.append(cells)
    return columns, rows


def _accuracy(row: ComparisonRow) -> str:
    """Accuracy and kernel error of a chip and workload, or why there is none."""
    if row.accuracy is None or row.accuracy_fp32 is None:
        return f"; no accuracy: {row.accuracy_missing}"
    text = f"; {(row.accuracy_metric or '').replace('_', ' ')} {row.accuracy:.4f}, FP32 {row.accuracy_fp32:.4f}"
    if row.kernel_error is None:
        return text
    return (
        f"{text}; kernel error {row.kernel_error:.4f}, FP32 {row.kernel_error_fp32:.4f}, "
        f"best constant kernel {row.kernel_error_constant:.4f}"
    )


def _summary(rows: Sequence[ComparisonRow]) -> str:
    """Who wins how often, in one sentence."""
    parts: list[str] = []
    for quantity, word in RATIO_OF.items():
        winners: list[Any] = [row.winner(quantity) for row in rows]
        open_ = f", {winners.count('open')} open (on the assumed values)" if "open" in winners else ""
        parts.append(
            f"{word.capitalize()}: of {len(rows)} comparisons the chip wins {winners.count('chip')}, "
            f"digital {winners.count('digital')}{open_}."
        )
    return " ".join(parts)
