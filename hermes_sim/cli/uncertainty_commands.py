"""Tables of intervals and of the assumptions behind them: what `hermes-sim run --uncertainty N` adds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hermes_sim.cli.console import console, engineering, table
from hermes_sim.report.formatting import times, times_within

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_QUANTITIES = {
    "latency_ns": ("latency of one inference", 1e-9, "s"),
    "makespan_ns": ("time of the run", 1e-9, "s"),
    "throughput_inferences_per_s": ("throughput", 1.0, "inferences/s"),
    "energy_alone_pj": ("energy of one inference alone", 1e-12, "J"),
    "energy_pj.per_inference": ("energy per inference", 1e-12, "J"),
    "power_w": ("power", 1.0, "W"),
    "tops": ("rate", 1.0, "TOPS"),
    "tops_per_w": ("efficiency", 1.0, "TOPS/W"),
}
_RATIOS = {"latency_ratio": "time ratio", "energy_ratio": "energy ratio"}
_INTERNAL = {"ps": (1e-12, "s"), "mW": (1e-3, "W"), "pJ": (1e-12, "J"), "pJ/byte": (1e-12, "J/byte")}
_ROWS = 10
_SMALL = 1e-3  # of the value: a smaller swing is no news


def print_uncertainty(document: Mapping[str, Any]) -> None:
    """Print the `uncertainty` entry of a result document: values with intervals, then what moves them."""
    found = document["uncertainty"]
    quantities = found["quantities"]
    rows = [
        (_words(name), *(_text(name, record[key]) for key in ("value", "low", "median", "high")))
        for name, record in quantities.items()
        if name in _QUANTITIES
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
        if name not in _QUANTITIES:
            label, ratio, case = name.rsplit(".", 2)
            text = times_within(record["value"], (record["low"], record["high"]))
            cells.setdefault(f"{label}, {case}", {})[ratio] = text
    if cells:
        rows = [(label, *(ratios.get(ratio, "-") for ratio in _RATIOS)) for label, ratios in cells.items()]
        columns = ("baseline (ratios above 1 favour the chip)", *_RATIOS.values())
        console.print(table("Ratios, 5 to 95 %", columns, rows))


def _print_tornado(name: str, moved: Sequence[Mapping[str, Any]], value: float) -> None:
    """The assumptions that move a quantity, largest swing first."""
    shown = [row for row in moved[:_ROWS] if row["swing"] > _SMALL * abs(value)]
    cells = [
        (
            row["path"],
            _range(row),
            _text(name, row["low"]),
            _text(name, row["high"]),
            "-" if row["elasticity"] is None else f"{row['elasticity']:+.2f}",
        )
        for row in shown
    ]
    title = f"What moves {_words(name)}, {_text(name, value)}"
    columns = ("assumption", "range", "at its low end", "at its high end", "elasticity")
    if cells:
        console.print(table(title, columns, cells))
    else:
        console.print(f"{title}: no assumption by more than {_SMALL:.1%}", highlight=False)
    if cells and len(shown) < len(moved):
        small = max((row["swing"] for row in moved[len(shown) :]), default=0.0) / abs(value)
        console.print(f"{len(moved) - len(shown)} more, by {small:.1%} at most", style="dim", highlight=False)


def _words(name: str) -> str:
    if name in _QUANTITIES:
        return _QUANTITIES[name][0]
    label, ratio, case = name.rsplit(".", 2)
    return f"{_RATIOS[ratio]} to {label}, {case}"


def _text(name: str, value: float) -> str:
    if name not in _QUANTITIES:
        return times(value)
    _, factor, unit = _QUANTITIES[name]
    return engineering(value * factor, unit) if unit in {"s", "J", "W"} else f"{value:,.4g} {unit}"


def _range(row: Mapping[str, Any]) -> str:
    """Range of an assumption in a unit that people use."""
    if row["unit"] in _INTERNAL:
        factor, unit = _INTERNAL[row["unit"]]
        return f"{engineering(row['at_low'] * factor, unit)} to {engineering(row['at_high'] * factor, unit)}"
    unit = "" if row["unit"] == "count" else f" {row['unit']}"
    return f"{row['at_low']:g} to {row['at_high']:g}{unit}"
