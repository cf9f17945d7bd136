"""Sections that only some documents carry: intervals with their tornado, and the factors of a ratio."""

from __future__ import annotations

from collections import defaultdict
from math import prod
from typing import TYPE_CHECKING, Any

from hermes_sim.report.figures import BLUE, INK, ORANGE, Figure, axis, layout, rows_axis, safe, shortened
from hermes_sim.report.formatting import count
from hermes_sim.report.markup import Section, paragraph
from hermes_sim.report.tables import Cell, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hermes_sim.report.source import ReportSource

_TORNADO_BARS = 12


def uncertainty_section(source: ReportSource) -> Section | None:
    """Intervals of all quantities and one tornado per quantity; None where none were computed."""
    uncertainty = source.document.get("uncertainty")
    if not uncertainty:
        return None
    text = (
        f"{count(uncertainty['samples'])} samples: every assumed or fitted value was drawn from its range, all at "
        "once, and the run repeated. The tornado then moves one value at a time from one end of its range to the other."
    )
    by_quantity: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in uncertainty.get("tornado", []):
        by_quantity[row["quantity"]].append(row)
    figures = [
        _tornado(i, quantity, rows, uncertainty["quantities"].get(quantity, {}).get("value"))
        for i, (quantity, rows) in enumerate(by_quantity.items())
    ]
    body = [
        paragraph(text),
        _interval_table(uncertainty["quantities"]).html(),
        *(figure.html() for figure in figures),
    ]
    return Section("uncertainty", "How sure the numbers are", "\n".join(body))


def _interval_table(quantities: Mapping[str, Mapping[str, float]]) -> Table:
    return Table(
        "intervals",
        "Values with their intervals; the unit is the ending of the name",
        ("Quantity", "Value|", "Low|", "High|"),
        [
            [name, *(Cell(f"{record[key]:,.4g}", record[key]) for key in ("value", "low", "high"))]
            for name, record in quantities.items()
        ],
    )


def _tornado(number: int, quantity: str, rows: Sequence[Mapping[str, Any]], value: float | None) -> Figure:
    """Bars from the quantity at the low end of a parameter's range to that at the high end, widest first."""
    ordered = sorted(rows, key=lambda row: -abs(row["high"] - row["low"]))[:_TORNADO_BARS]
    positions = list(range(len(ordered)))
    middles = [value if value is not None else (row["low"] + row["high"]) / 2 for row in ordered]
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": name,
            "y": positions,
            "x": [row[end] - middle for row, middle in zip(ordered, middles, strict=True)],
            "base": middles,
            "width": 0.7,
            "marker": {"color": colour, "line": {"color": "#ffffff", "width": 0.5}},
            "customdata": [[safe(row["path"]), row[end], row.get("elasticity") or 0.0] for row in ordered],
            "hovertemplate": "%{customdata[0]}<br>" + name + ": %{customdata[1]:.5g}<br>"
            "elasticity %{customdata[2]:.3g}<extra></extra>",
        }
        for name, end, colour in (
            ("value at the low end of its range", "low", BLUE),
            ("value at the high end", "high", ORANGE),
        )
    ]
    shapes = []
    if value is not None:
        line = {"color": INK, "width": 1.5}
        shapes = [{"type": "line", "x0": value, "x1": value, "yref": "paper", "y0": 0, "y1": 1, "line": line}]
    return Figure(
        f"tornado-{number}",
        f"Assumptions that move {quantity}",
        "Each bar is the result with one value at either end of its range, all others as given. Elasticity: per cent "
        "of change of the result for one per cent of change of the value.",
        traces,
        layout(
            130 + 27 * len(ordered),
            barmode="overlay",
            shapes=shapes,
            xaxis=axis(safe(quantity)),
            yaxis=rows_axis([safe(shortened(row["path"], 44)) for row in ordered]),
        ),
    )


def ratio_section(source: ReportSource) -> Section | None:
    """Factors whose product is a ratio to a baseline; None where none were computed.

    A record of ``ratio_factors`` is ``{baseline, quantity, ratio, factors: {name: value}}``.
    """
    records = source.document.get("ratio_factors")
    if not records:
        return None
    names = list(dict.fromkeys(name for record in records for name in record["factors"]))
    rows: list[list[Cell | str]] = []
    for record in records:
        factors = record["factors"]
        product = prod(factors.values())
        cells = [Cell(f"{factors[name]:.4g}", factors[name]) if name in factors else Cell("") for name in names]
        rows.append(
            [
                str(record.get("baseline", "")),
                str(record.get("quantity", "")),
                *cells,
                Cell(f"{product:.4g}x", product),
                Cell(f"{record['ratio']:.4g}x", record["ratio"]),
            ]
        )
    text = (
        "Why a ratio is what it is: each factor compares the chip with the baseline in one respect, and their product "
        "is the ratio. A factor above 1 favours the chip."
    )
    columns = ("Baseline", "Quantity", *(f"{name}|" for name in names), "Product|", "Ratio|")
    table = Table("ratio-factors", "Factors of the ratios to the baselines", columns, rows)
    return Section("ratio", "Why the ratio is what it is", paragraph(text) + table.html())
