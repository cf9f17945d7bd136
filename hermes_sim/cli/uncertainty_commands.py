"""Tables of intervals and of the assumptions behind them: what `hermes-sim run --uncertainty N` adds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hermes_sim.cli.console import console, engineering, table

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNITS = {
    "latency_ns": (1e-9, "s"),
    "makespan_ns": (1e-9, "s"),
    "throughput_inferences_per_s": (1.0, "inferences/s"),
    "energy_alone_pj": (1e-12, "J"),
    "energy_pj.per_inference": (1e-12, "J"),
    "power_w": (1.0, "W"),
    "tops": (1.0, "TOPS"),
    "tops_per_w": (1.0, "TOPS/W"),
}
_ROWS = 10


def print_uncertainty(document: Mapping[str, Any]) -> None:
    """Print the `uncertainty` entry of a result document: values with intervals, then what moves them."""
    found = document["uncertainty"]
    rows = [(name, *(_text(name, record[key]) for key in ("value", "low", "median", "high"))) for name, record in
            found["quantities"].items()]  # fmt: skip
    title = f"Intervals: 5 to 95 % of {found['samples']} samples, seed {found['seed']}"
    console.print(table(title, ("quantity (ratios above 1 favour the chip)", "value", "5 %", "50 %", "95 %"), rows))
    for name in dict.fromkeys(row["quantity"] for row in found["tornado"]):
        moved = [row for row in found["tornado"] if row["quantity"] == name]
        cells = [
            (
                row["path"],
                f"{_number(row['at_low'])} to {_number(row['at_high'])} {row['unit']}",
                _text(name, row["low"]),
                _text(name, row["high"]),
                "-" if row["elasticity"] is None else f"{row['elasticity']:+.2f}",
            )
            for row in moved[:_ROWS]
        ]
        more = f", {_ROWS} largest of {len(moved)}" if len(moved) > _ROWS else ""
        columns = ("assumption", "range", "at its low end", "at its high end", "elasticity")
        console.print(table(f"What moves {name}{more}", columns, cells))
    for row in found["kept"]:
        console.print(f"Not drawn: {row['path']}, {row['reason']}", style="dim", highlight=False)
    if found["failed"]:
        console.print(f"{found['failed']} samples could not run: their buffers were too small", style="red")


def _text(name: str, value: float) -> str:
    if name not in _UNITS:
        return f"{value:.3g}x"
    factor, unit = _UNITS[name]
    return engineering(value * factor, unit) if unit[0] in "sJW" else f"{value:,.4g} {unit}"


def _number(value: float) -> str:
    return f"{value:g}"
