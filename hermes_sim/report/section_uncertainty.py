"""Section that only some documents have: intervals, and the assumptions that move the results."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any

from hermes_sim.kit.colours import BLUE, INK, ORANGE
from hermes_sim.kit.figures import Figure, axis, layout, rows_axis, safe, shortened
from hermes_sim.kit.formatting import count, percent
from hermes_sim.kit.markup import PageSection, folded, paragraph
from hermes_sim.kit.ratios import RatioKey
from hermes_sim.kit.tables import Cell, Table, number
from hermes_sim.kit.words import range_words, shown, unit_of, words_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hermes_sim.flow import Simulated

_TITLE = "How sure the numbers are"
_TORNADO_BARS = 12
_LEAST_SWING = 2e-3  # of the widest bar; a narrower one cannot be seen


def uncertainty_section(source: Simulated) -> PageSection | None:
    """Intervals of all quantities and one tornado per quantity, or why there are none; None where none were wanted."""
    uncertainty, missing = source.document.get("uncertainty"), source.document.get("uncertainty_missing")
    if not uncertainty:
        told = paragraph(f"Values of the files alone: {missing}. --uncertainty 32 draws them from their ranges.")
        return PageSection("uncertainty", _TITLE, told) if missing else None
    failed = uncertainty.get("failed") or 0
    text = (
        f"{count(uncertainty['samples'])} samples: every value that has a range was drawn from it, all at once, and "
        "the run repeated; the intervals hold what nine in ten samples gave (5th to 95th percentile). "
        + (f"{count(failed)} more samples could not run. " if failed else "")
        + (
            "The tornado moves one value at a time from one end of its range to the other."
            if uncertainty.get("tornado")
            else "They are the chip's own figures; --uncertainty N draws the values of the baselines too, and moves "
            "one value at a time to show which ones matter."
        )
    )
    by_quantity: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in uncertainty.get("tornado", []):
        by_quantity[row["quantity"]].append(row)
    quantities = uncertainty["quantities"]
    figures = [
        _tornado(i, quantity, rows, quantities.get(quantity, {}).get("value"))
        for i, (quantity, rows) in enumerate(by_quantity.items())
    ]
    ratios = {name: record for name, record in quantities.items() if RatioKey.read(name)}
    others = {name: record for name, record in quantities.items() if name not in ratios}
    how = uncertainty.get("distribution")
    body = [
        paragraph(text),
        *([paragraph(f"How values were drawn: {how}.")] if how else []),
        *_outside(quantities),
        _interval_table("intervals", "Values with their intervals", others).html(),
        *(figure.html() for figure in figures),
    ]
    if ratios:
        table = _interval_table("ratio-intervals", "Ratios to the baselines with their intervals", ratios)
        body.append(folded("Intervals of all ratios", table.html()))
    return PageSection("uncertainty", _TITLE, "\n".join(body))


def _outside(quantities: Mapping[str, Mapping[str, float]]) -> list[str]:
    """A warning where the values of the files give a result that nine in ten draws do not reach."""
    n = sum(not record["low"] <= record["value"] <= record["high"] for record in quantities.values())
    if not n:
        return []
    return [
        paragraph(
            f"{count(n)} of {count(len(quantities))} values lie outside their interval: ranges are lopsided, many "
            "assumed powers and energies may be far larger but hardly smaller than the files say. The values of the "
            "files are then a choice at one end of what is possible; trust the interval more than the value."
        )
    ]


def _interval_table(name: str, caption: str, quantities: Mapping[str, Mapping[str, float]]) -> Table:
    every = all("median" in record for record in quantities.values())
    ends = {"value": "Value", "low": "5 %", **({"median": "50 %"} if every else {}), "high": "95 %"}
    return Table(
        name,
        caption,
        ("Quantity", *map(number, ends.values())),
        [
            [
                words_of(key),
                *(Cell(shown(key, record[end]), record[end]) for end in ends),
            ]
            for key, record in quantities.items()
        ],
    )


def _tornado(number: int, quantity: str, rows: Sequence[Mapping[str, Any]], value: float | None) -> Figure:
    """Bars from the quantity at the low end of a parameter's range to that at the high end, widest first."""
    ordered = sorted(rows, key=_swing, reverse=True)[:_TORNADO_BARS]
    ordered = [row for row in ordered if _swing(row) >= _LEAST_SWING * _swing(ordered[0])]
    middles = [value if value is not None else (row["low"] + row["high"]) / 2 for row in ordered]
    factor, shown_unit = unit_of(quantity).scale(max(max(abs(row["low"]), abs(row["high"])) for row in ordered))
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
        "Each bar is the result with one value at either end of its range (in brackets), all others as given; the line "
        f"is the result as given.{_widest(ordered, value)}",
        traces,
        layout(
            130 + 27 * len(ordered),
            barmode="overlay",
            shapes=lines,
            xaxis=axis(safe(f"{words_of(quantity)}, {shown_unit}".removesuffix(", "))),
            yaxis=rows_axis([safe(shortened(row["path"], 44) + _range_text(row)) for row in ordered]),
        ),
    )


def tornado_table(source: Simulated, quantity: str, limit: int = 6) -> Table | None:
    """The widest bars of a tornado as a table; None where there are none."""
    found = (source.document.get("uncertainty") or {}).get("tornado", [])
    rows = sorted((row for row in found if row["quantity"] == quantity), key=_swing, reverse=True)[:limit]
    if not rows:
        return None
    show = partial(shown, quantity)
    cells = [(row["path"], _range_text(row).strip(" ()") or "-", row["low"], row["high"]) for row in rows]
    columns = ("Assumption", "Range", number("At its low end", show), number("At its high end", show))
    return Table(f"tornado-{quantity}", f"What moves the {words_of(quantity)}", columns, cells)


def _swing(row: Mapping[str, Any]) -> float:
    return float(abs(row["high"] - row["low"]))


def _widest(ordered: Sequence[Mapping[str, Any]], value: float | None) -> str:
    """How much the widest bar is worth, since the axis does not begin at zero."""
    return f" The widest bar is {percent(_swing(ordered[0]) / abs(value))} of it." if ordered and value else ""


def _range_text(row: Mapping[str, Any]) -> str:
    """Range of an assumption behind its name; empty where it is not recorded."""
    if "at_low" not in row:
        return ""
    return f" ({range_words(row['at_low'], row['at_high'], str(row.get('unit', '')))})"


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
