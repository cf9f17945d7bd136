"""Parts of a total as bars, each beginning where the one before ended."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

from hermes_sim.kit.colours import BLUE, GREEN, INK, VERMILLION
from hermes_sim.kit.figures import Figure, axis, layout, rows_axis, safe, shortened
from hermes_sim.kit.formatting import percent, scale_of, si

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hermes_sim.report.breakdowns import EnergyPart

_TOTAL_COLOUR = "#4b535c"
_DARK = {BLUE, GREEN, VERMILLION, _TOTAL_COLOUR}


def waterfall(
    name: str,
    parts: Sequence[EnergyPart],
    *,
    caption: str,
    note: str,
    quantity: str,
    unit: str,
    colours: Sequence[str],
    total_name: str = "Total",
) -> Figure:
    """Parts of a total, each bar beginning where the one before ended, and the total under them.

    Parameters
    ----------
    parts : values in the base unit (s, J)
    colours : one per part
    """
    total = sum(part.value for part in parts)
    factor, shown_unit = scale_of(total, unit)
    values = [part.value * factor for part in parts]
    starts = [0.0, *accumulate(values)][:-1]
    amounts = [*(part.value for part in parts), total]
    texts = [f"{si(value, unit)} ({percent(value / total)})" if total else "" for value in amounts]
    bars = {
        "type": "bar",
        "orientation": "h",
        "y": list(range(len(texts))),
        "x": [*values, total * factor],
        "base": [*starts, 0.0],
        "marker": {"color": [*colours, _TOTAL_COLOUR], "line": {"color": "#ffffff", "width": 0.5}},
        "text": texts,
        "textposition": "none",
        "hovertext": [safe(part.name) for part in parts] + [safe(total_name)],
        "hovertemplate": "%{hovertext}<br>%{text}<extra></extra>",
        "width": 0.72,
    }
    words = [
        _words_of_bar(i, start, value, text, colour, total * factor)
        for i, (start, value, text, colour) in enumerate(
            zip([*starts, 0.0], [*values, total * factor], texts, [*colours, _TOTAL_COLOUR], strict=True)
        )
    ]
    labels = [safe(shortened(part.name)) for part in parts] + [f"<b>{safe(total_name)}</b>"]
    more = {"showlegend": False, "annotations": words, "xaxis": axis(f"{quantity}, {shown_unit}", rangemode="tozero")}
    return Figure(name, caption, note, [bars], layout(84 + 25 * len(labels), yaxis=rows_axis(labels), **more))


def _words_of_bar(row: int, start: float, value: float, text: str, colour: str, reach: float) -> dict[str, Any]:
    """Words after a bar; before it where it ends far to the right; inside it where it leaves no room at either end."""
    x, anchor, ink = start + value, "left", INK
    if start + value >= 0.72 * reach:
        x, anchor = start, "right"
        if start < 0.28 * reach:
            x, ink = start + 0.995 * value, "#ffffff" if colour in _DARK else INK
    return {
        "x": x,
        "y": row,
        "text": f" {text} ",
        "xanchor": anchor,
        "showarrow": False,
        "font": {"color": ink, "size": 12},
    }
