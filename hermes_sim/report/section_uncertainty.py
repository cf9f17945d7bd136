"""Section that only some documents have: intervals, and the assumptions that move the results."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from hermes_sim.report.figures import BLUE, INK, ORANGE, Figure, axis, layout, rows_axis, safe, scale_of, shortened
from hermes_sim.report.formatting import count
from hermes_sim.report.markup import Section, folded, paragraph
from hermes_sim.report.naming import base_unit, is_ratio, shown, words_of
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
    failed = uncertainty.get("failed") or 0
    text = (
        f"{count(uncertainty['samples'])} samples: every value that has a range was drawn from it, all at once, and "
        "the run repeated; the intervals hold what nine in ten samples gave (5th to 95th percentile). "
        + (f"{count(failed)} more samples could not run. " if failed else "")
        + "The tornado moves one value at a time from one end of its range to the other."
    )
    by_quantity: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in uncertainty.get("tornado", []):
        by_quantity[row["quantity"]].append(row)
    quantities = uncertainty["quantities"]
    figures = [
        _tornado(i, quantity, rows, quantities.get(quantity, {}).get("value"))
        for i, (quantity, rows) in enumerate(by_quantity.items())
    ]
    ratios = {name: record for name, record in quantities.items() if is_ratio(name)}
    others = {name: record for name, record in quantities.items() if name not in ratios}
    how = uncertainty.get("distribution")
    body = [
        paragraph(text),
        *([paragraph(f"How values were drawn: {how}.")] if how else []),
        _interval_table("intervals", "Values with their intervals", others).html(),
        *(figure.html() for figure in figures),
    ]
    if ratios:
        table = _interval_table("ratio-intervals", "Ratios to the baselines with their intervals", ratios)
        body.append(folded("Intervals of all ratios", table.html()))
    return Section("uncertainty", "How sure the numbers are", "\n".join(body))


def _interval_table(name: str, caption: str, quantities: Mapping[str, Mapping[str, float]]) -> Table:
    return Table(
        name,
        caption,
        ("Quantity", "Value|", "Low|", "High|"),
        [
            [words_of(key), *(Cell(shown(key, record[end]), record[end]) for end in ("value", "low", "high"))]
            for key, record in quantities.items()
        ],
    )


def _tornado(number: int, quantity: str, rows: Sequence[Mapping[str, Any]], value: float | None) -> Figure:
    """Bars from the quantity at the low end of a parameter's range to that at the high end, widest first."""
    ordered = sorted(rows, key=lambda row: -abs(row["high"] - row["low"]))[:_TORNADO_BARS]
    middles = [value if value is not None else (row["low"] + row["high"]) / 2 for row in ordered]
    to_base, unit = base_unit(quantity)
    largest = max(max(abs(row["low"]), abs(row["high"])) for row in ordered) * to_base
    factor, shown_unit = scale_of(largest, unit) if unit in {"s", "J", "W"} else (1.0, unit)
    factor *= to_base
    traces = [
        _tornado_bars(end, ordered, [middle * factor for middle in middles], factor, quantity)
        for end in ("low", "high")
    ]
    lines = []
    if value is not None:
        style = {"color": INK, "width": 1.5}
        lines = [{"type": "line", "x0": value * factor, "x1": value * factor, "yref": "paper", "y0": 0, "y1": 1}]
        lines[0]["line"] = style
    return Figure(
        f"tornado-{number}",
        f"Assumptions that move the {words_of(quantity)}",
        "Each bar is the result with one value at either end of its range, all others as given; the line is the result "
        "as given. Elasticity: per cent of change of the result for one per cent of change of the value.",
        traces,
        layout(
            130 + 27 * len(ordered),
            barmode="overlay",
            shapes=lines,
            xaxis=axis(safe(f"{words_of(quantity)}, {shown_unit}".removesuffix(", "))),
            yaxis=rows_axis([safe(shortened(row["path"], 48)) for row in ordered]),
        ),
    )


def _tornado_bars(
    end: str, rows: Sequence[Mapping[str, Any]], middles: Sequence[float], factor: float, quantity: str
) -> dict[str, Any]:
    """One side of the bars: the result with each value at the low, or the high, end of its range."""
    hints = []
    for row in rows:
        at = f" = {row[f'at_{end}']:.6g} {row.get('unit', '')}".rstrip() if f"at_{end}" in row else f", {end} end"
        elasticity = row.get("elasticity")
        more = "" if elasticity is None else f"<br>elasticity {elasticity:.3g}"
        hints.append(f"{safe(row['path'])}{safe(at)}<br>{safe(words_of(quantity))} {shown(quantity, row[end])}{more}")
    return {
        "type": "bar",
        "orientation": "h",
        "name": f"value at the {end} end of its range",
        "y": list(range(len(rows))),
        "x": [row[end] * factor - middle for row, middle in zip(rows, middles, strict=True)],
        "base": list(middles),
        "width": 0.7,
        "marker": {"color": BLUE if end == "low" else ORANGE, "line": {"color": "#ffffff", "width": 0.5}},
        "customdata": hints,
        "hovertemplate": "%{customdata}<extra></extra>",
    }
