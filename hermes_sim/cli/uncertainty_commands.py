"""Tables of intervals and of the assumptions behind them: what `hermes-sim run --uncertainty N` adds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hermes_sim.cli.console import console, table
from hermes_sim.kit.formatting import times_within
from hermes_sim.kit.ratios import RATIO_OF, RatioKey
from hermes_sim.kit.words import QUANTITIES, range_words, shown, words_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ROWS = 10
_SMALL = 1e-3  # of the value: a smaller swing is no news


def print_uncertainty(document: Mapping[str, Any]) -> None:
    """Print the `uncertainty` entry of a result document: values with intervals, then what moves them."""
    found = document["uncertainty"]
    quantities = found["quantities"]
    rows = [
        (words_of(name), *(shown(name, record[key]) for key in ("value", "low", "median", "high")))
        for name, record in quantities.items()
        if name in QUANTITIES
    ]
    title = f"Intervals: 5 to 95 % of {found['samples']} samples, seed {found['seed']}"
    console.print(table(title, ("quantity", "value", "5 %", "50 %", "95 %"), rows))
    _print_ratios(quantities)
    for name in dict.fromkeys(row["quantity"] for row in found["tornado"]):
        _print_tornado(name, [row for row in found["tornado"] if row["quantity"] == name], quantities[name]["value"])
    for row in found["kept"]:
        console.print(f"Not drawn: {row['path']}, {row['reason']}", style="dim", highlight=False)
    if found["failed"]:
        console.print(f"{found['failed']} samples could not run: their buffers were too small", style="red")


def _print_ratios(quantities: Mapping[str, Mapping[str, float]]) -> None:
    """One row per baseline, precision, batch and case; ratios with their intervals."""
    cells: dict[str, dict[str, str]] = {}
    for name, record in quantities.items():
        if (ratio := RatioKey.read(name)) is not None:
            text = times_within(record["value"], (record["low"], record["high"]))
            cells.setdefault(f"{ratio.label}, {ratio.case}", {})[ratio.quantity] = text
    if cells:
        rows = [(label, *(ratios.get(ratio, "-") for ratio in RATIO_OF)) for label, ratios in cells.items()]
        columns = ("baseline (ratios above 1 favour the chip)", *(f"{word} ratio" for word in RATIO_OF.values()))
        console.print(table("Ratios, 5 to 95 %", columns, rows))


def _print_tornado(name: str, moved: Sequence[Mapping[str, Any]], value: float) -> None:
    """The assumptions that move a quantity, largest swing first."""
    moving = [row for row in moved[:_ROWS] if row["swing"] > _SMALL * abs(value)]
    cells = [
        (
            row["path"],
            range_words(row["at_low"], row["at_high"], row["unit"]),
            shown(name, row["low"]),
            shown(name, row["high"]),
            "-" if row["elasticity"] is None else f"{row['elasticity']:+.2f}",
        )
        for row in moving
    ]
    title = f"What moves {words_of(name)}, {shown(name, value)}"
    columns = ("assumption", "range", "at its low end", "at its high end", "elasticity")
    if cells:
        console.print(table(title, columns, cells))
    else:
        console.print(f"{title}: no assumption by more than {_SMALL:.1%}", highlight=False)
    if cells and len(moving) < len(moved):
        small = max((row["swing"] for row in moved[len(moving) :]), default=0.0) / abs(value)
        console.print(f"{len(moved) - len(moving)} more, by {small:.1%} at most", style="dim", highlight=False)
