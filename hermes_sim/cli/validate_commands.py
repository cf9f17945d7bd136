"""`hermes-sim validate`: our numbers beside published ones; exit code 1 if a row fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import typer

from hermes_sim.cli.accuracy_commands import validate_accuracy_command, validate_device_command
from hermes_sim.cli.console import console, one_step, print_json, progress_bar, table
from hermes_sim.cli.options import ArchOption, Json, SetChip
from hermes_sim.cli.overrides import chip_with
from hermes_sim.validation.rows import kinds_words, summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hermes_sim.validation.rows import ValidationRow

app = typer.Typer(help="Our numbers beside published ones; exit code 1 if a row fails.", no_args_is_help=True)


@app.command()
def chip(
    arch: ArchOption = "hermes_64",
    set_: SetChip = None,
    json_: Json = False,
) -> None:
    """Peak rate, efficiency, density, read time, ratio to the A100, whole layers."""
    from hermes_sim.validation.chip import validate_chip

    spec = chip_with(arch, set_)
    with one_step("chip"):
        rows = validate_chip(spec)
    show("chip", rows, json_=json_)


@app.command()
def engines(set_: SetChip = None, json_: Json = False) -> None:
    """Both engines on every shipped workload, firing by firing."""
    from hermes_sim.validation.engines import SHIPPED_CHIPS, validate_engines

    archs = [chip_with(arch, set_) for arch in SHIPPED_CHIPS]
    with progress_bar() as progress:
        rows = validate_engines(archs, progress=progress)
    show("engines", rows, json_=json_)


@app.command()
def baselines(json_: Json = False) -> None:
    """Vendors' peaks, and a systolic array's cycles against those recorded from SCALE-Sim."""
    from hermes_sim.validation.baselines import validate_baselines

    with one_step("baselines"):
        rows = validate_baselines()
    show("baselines", rows, json_=json_)


app.command(name="device")(validate_device_command)
app.command(name="accuracy")(validate_accuracy_command)


def show(name: Literal["chip", "engines", "baselines"], rows: Sequence[ValidationRow], *, json_: bool) -> None:
    """Print rows and summary; exit code 1 if a row fails."""
    counts = summary(rows)
    if json_:
        from hermes_sim.cli.documents.validations import ValidationDocument

        print_json(ValidationDocument(validation=name, rows=[row.record() for row in rows], summary=counts))
    else:
        cells = [
            (
                row.name,
                _number(row.expected),
                _number(row.simulated),
                f"{row.deviation:+.2%}",
                f"{row.tolerance:.1%}",
                str(row.kind),
                "ok" if row.passed else "FAILED",
            )
            for row in rows
        ]
        columns = ("quantity", "published", "simulated", "deviation", "tolerance", "kind", "")
        console.print(table(f"validate {name}", columns, cells))
        by_note: dict[str, list[str]] = {}
        for row in rows:
            by_note.setdefault(row.note, []).append(row.name)
        for note, names in by_note.items():
            if note:
                more = f" and {len(names) - 1} more" if len(names) > 1 else ""
                console.print(f"{names[0]}{more}: {note}", style="dim", highlight=False)
        console.print(f"{counts['passed']} of {counts['rows']} rows pass: {kinds_words(counts)}")
    if counts["failed"]:
        raise typer.Exit(1)


def _number(value: float) -> str:
    """Four significant digits; whole numbers in full."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.4g}"
