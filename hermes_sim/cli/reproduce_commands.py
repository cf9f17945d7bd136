"""`hermes-sim reproduce`: the published figures made again, with plots."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hermes_sim.cli.console import console, print_json, print_table, progress_bar
from hermes_sim.cli.options import ArchOption, DataDir, Json, Seed, SetChip
from hermes_sim.cli.overrides import chip_with


def reproduce(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...", help="Figures; default: all but those whose names begin with lra, which take long."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for rows and plots.")] = Path("reports/reproduction"),
    arch: ArchOption = "hermes_64",
    set_: SetChip = None,
    data_dir: DataDir = None,
    measurements: Annotated[
        Path | None, typer.Option(help="CSV of measured values, one row per seed. Default: the shipped one.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds per cell of accuracies and kernel errors.")] = 2,
    seed: Seed = 0,
    threads: Annotated[int, typer.Option(min=1, help="Seeds that run side by side.")] = 1,
    json_: Json = False,
) -> None:
    """Make the published figures again; exit code 1 if one misses its tolerance."""
    from hermes_sim.validation.reference import CHIP_MEASUREMENTS
    from hermes_sim.validation.reproduce import counts_of, write_reproduction
    from hermes_sim.validation.reproduce import reproduce as make
    from hermes_sim.validation.reproduce_base import Sources
    from hermes_sim.validation.rows import kinds_words
    from hermes_sim.validation.tables import lines_table, rows_table

    sources = Sources(chip_with(arch, set_), data_dir, measurements or CHIP_MEASUREMENTS, seeds, seed, threads)
    with progress_bar() as progress:
        outcomes = make(names or [], sources, progress=progress)
    write_reproduction(outcomes, out, sources)
    counts = counts_of(outcomes)
    if json_:
        figures = {
            name: {
                "skipped": outcome.skipped,
                "words": list(outcome.words),
                "lines": list(outcome.lines),
                "rows": [row.record() for row in outcome.rows],
            }
            for name, outcome in outcomes.items()
        }
        from hermes_sim.cli.documents.validations import ReproduceDocument

        print_json(ReproduceDocument.model_validate({"figures": figures, "summary": counts}))
    else:
        for name, outcome in outcomes.items():
            if outcome.skipped:
                console.print(f"{name}: left out, {outcome.skipped}", style="dim", highlight=False)
                continue
            if outcome.rows:
                print_table(rows_table(name, [row.record() for row in outcome.rows]))
            if outcome.lines:
                print_table(lines_table(name, outcome.lines))
            for sentence in outcome.words:
                console.print(sentence, highlight=False, soft_wrap=True)
        console.print(f"{counts['passed']} of {counts['rows']} rows within tolerance: {kinds_words(counts)}; {out}")
    if counts["failed"]:
        raise typer.Exit(1)
