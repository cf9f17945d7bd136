"""Published figures, one name each, made again: rows with expected value, ours and the deviation, and a plot."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from hermes_sim._version import __version__
from hermes_sim.config.files import write_text
from hermes_sim.errors import OutputError, WorkloadError, nearest
from hermes_sim.kit.markup import Markdown
from hermes_sim.kit.page import Bullets, Chapter, Command, Part, Picture, markdown_page
from hermes_sim.validation.chip import validate_chip
from hermes_sim.validation.energy_claim import energy_claim
from hermes_sim.validation.lra_study import lra_drift, lra_effects, lra_features
from hermes_sim.validation.lra_told import lra, lra_training
from hermes_sim.validation.lra_vectors import lra_vectors
from hermes_sim.validation.reproduce_accuracy import (
    accuracy_table,
    attention_error,
    kernel_error,
    kernel_error_names,
)
from hermes_sim.validation.reproduce_base import Outcome, Sources
from hermes_sim.validation.reproduce_plots import bars_of_rows
from hermes_sim.validation.rows import RowKind, summary
from hermes_sim.validation.tables import lines_table, rows_table
from hermes_sim.validation.whole_layer import validate_whole_layer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hermes_sim.validation.rows import ValidationRow

_ADVANTAGE, _PEAK = "energy advantage", ("peak ", "one matrix-vector product")
_MARK = "reproduction.json"


@dataclass(frozen=True)
class Reproduction:
    """A published figure or table and how it is made again; a `slow` one only when it is named."""

    name: str
    title: str
    make: Callable[[Sources], Outcome]
    slow: bool = False


def _peak(sources: Sources) -> Outcome:
    rows = [row for row in validate_chip(sources.arch) if row.name.startswith(_PEAK)]
    return Outcome(tuple(rows), bars_of_rows("Peak figures of the chip, ours over published", rows))


def _a100_at_peak(sources: Sources) -> Outcome:
    rows = [row for row in validate_chip(sources.arch) if row.name.startswith(_ADVANTAGE)]
    return Outcome(tuple(rows), bars_of_rows("Energy advantage over the A100 at peak INT8, ours over published", rows))


def _whole_layer(sources: Sources) -> Outcome:
    rows = validate_whole_layer(sources.arch)
    return Outcome(tuple(rows), bars_of_rows("One layer input, one LSTM step: ours over published", rows))


def figures(sources: Sources) -> list[Reproduction]:
    """All figures; kernel errors have one per data set of the measurement table."""
    return [
        Reproduction("peak", "Peak rate, efficiency and density (LG23)", _peak),
        Reproduction(
            "a100_at_peak", "Energy advantage over the A100 at peak (LG23 beside the vendor's peak)", _a100_at_peak
        ),
        Reproduction("whole_layer", "Whole-layer figures (LG23, Table I)", _whole_layer),
        Reproduction(
            "energy_claim", "Superior energy efficiency and lower power: within which boundary (BU24)", energy_claim
        ),
        *(
            Reproduction(name, f"Kernel error over the number of projections, {dataset} (BU24)", kernel_error(dataset))
            for dataset, name in kernel_error_names(sources)
        ),
        Reproduction("accuracy_table", "Accuracy of kernel ridge on the chip (BU24)", accuracy_table),
        Reproduction(
            "attention_error", "Error of Performer attention over the number of projections (BU24)", attention_error
        ),
        Reproduction("lra", "Performers on the Long Range Arena, short sequences (BU24)", lra, slow=True),
        Reproduction("lra_training", "Training of the shipped Performers", lra_training, slow=True),
        Reproduction("lra_effects", "What decides the Performers' accuracy: imperfections", lra_effects, slow=True),
        Reproduction("lra_drift", "What decides the Performers' accuracy: drift", lra_drift, slow=True),
        Reproduction("lra_features", "What decides the Performers' accuracy: random features", lra_features, slow=True),
        Reproduction(
            "lra_vectors", "Error of attention on vectors of the trained IMDb Performer (BU24)", lra_vectors, slow=True
        ),
    ]


def reproduce(
    names: Sequence[str], sources: Sources, *, progress: Callable[[str, float], None] | None = None
) -> dict[str, Outcome]:
    """Make figures again; those whose data are not at hand come back with the reason and no rows.

    Parameters
    ----------
    names : of figures; none means all that are not slow

    Raises
    ------
    WorkloadError
        unknown name, with the nearest there is
    """
    known = {figure.name: figure for figure in figures(sources)}
    for name in names:
        if name not in known:
            raise WorkloadError("reproduce", got=repr(name), allowed=", ".join(known), hint=nearest(name, known))
    chosen = [known[name] for name in names] or [figure for figure in known.values() if not figure.slow]
    outcomes = {}
    for i, figure in enumerate(chosen):
        if progress:
            progress("figures", i / len(chosen))
        outcomes[figure.name] = figure.make(sources)
    return outcomes


def write_reproduction(outcomes: dict[str, Outcome], folder: Path, sources: Sources) -> None:
    """Write rows, plots and a page that shows them; figures made earlier and not now keep their files.

    Not those of older versions, whose rows do not say of which kind they are.

    Raises
    ------
    OutputError
        if the folder holds something else, or cannot be written
    """
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / _MARK).is_file())):
        raise OutputError(str(folder), got="something else there", allowed="a new folder, or one of `reproduce`")
    earlier: dict[str, Any] = {}
    if (folder / _MARK).is_file():
        found = json.loads((folder / _MARK).read_text(encoding="utf-8")).get("figures", {})
        earlier = {name: entry for name, entry in found.items() if all("kind" in row for row in entry["rows"])}
    titles = {figure.name: figure.title for figure in figures(sources)}
    now = {
        name: {
            "title": titles[name],
            "settings": sources.record(),
            "skipped": outcome.skipped,
            "words": list(outcome.words),
            "lines": list(outcome.lines),
            "rows": [row.record() for row in outcome.rows],
        }
        for name, outcome in outcomes.items()
    }
    kept = {**earlier, **{name: entry for name, entry in now.items() if not entry["skipped"] or name not in earlier}}
    document = {"hermes_sim_version": __version__, "figures": kept}
    for name, outcome in outcomes.items():
        if outcome.svg:
            write_text(folder / f"{name}.svg", outcome.svg)
    rows = [{"figure": name, **row} for name, entry in kept.items() for row in entry["rows"]]
    write_text(folder / "rows.csv", pd.DataFrame(rows).to_csv(index=False, lineterminator="\n"))
    write_text(folder / "README.md", _page(kept, folder))
    write_text(folder / _MARK, json.dumps(document, indent=2, allow_nan=False) + "\n")


def counts_of(outcomes: dict[str, Outcome]) -> dict[str, int]:
    """Rows that pass, fail and are of each kind, and figures left out."""
    rows: list[ValidationRow] = [row for outcome in outcomes.values() for row in outcome.rows]
    return {**summary(rows), "skipped": sum(bool(outcome.skipped) for outcome in outcomes.values())}


def _page(entries: dict[str, Any], folder: Path) -> str:
    about = Markdown(
        "Kernel errors and accuracies need data: `hermes-sim reproduce --data-dir DIR`. *Identity*: ours is arithmetic "
        "on values of the config that say the same as the published figure, a check of the code. *Fitted*: a parameter "
        "was set from that figure, which proves nothing. *Predicted*: no fit used the figure. Rows in all: "
        f"{_kinds(entries)}."
    )
    chapters = [Chapter(f"{name}: {entry['title']}", _parts(name, entry, folder)) for name, entry in entries.items()]
    return markdown_page(
        "Published figures, made again", [Chapter("", [Command("hermes-sim reproduce"), about]), *chapters]
    )


def _kinds(entries: dict[str, Any]) -> str:
    """Rows of each kind, and how many of them are within their tolerance."""
    rows = [row for entry in entries.values() for row in entry["rows"]]
    words = []
    for kind in RowKind:
        mine = [row for row in rows if row["kind"] == kind]
        words.append(f"{len(mine)} {kind}, {sum(row['pass'] for row in mine)} of them within tolerance")
    return "; ".join(words)


def _parts(name: str, entry: dict[str, Any], folder: Path) -> list[Part]:
    if entry["skipped"]:
        return [f"Left out: {entry['skipped']}"]
    notes = [f"{note}." for note in dict.fromkeys(row["note"] for row in entry["rows"] if row["note"])]
    file = f"{name}.svg"
    plot = [Picture(entry["title"], file, "")] if (folder / file).is_file() else []
    words: list[Part] = [Bullets(list(told))] if (told := entry.get("words")) else []
    if lines := entry.get("lines"):
        words.append(lines_table(name, lines))
    if not entry["rows"]:
        return [*words, *plot]
    return [*words, replace(rows_table(name, entry["rows"]), caption=""), *notes, *plot]
