"""Plots as plain data: traces and layout of plotly.js, in one style and in colours that everybody can tell apart."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from html import escape
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from hermes_sim.report.formatting import percent, si, times

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hermes_sim.report.breakdowns import Part

# Okabe and Ito's palette: distinguishable with every common kind of colour blindness
BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, YELLOW, GREY, INK = "#56B4E9", "#CC79A7", "#F0E442", "#999999", "#1b1f24"
_TOTAL_COLOUR = "#4b535c"
_DARK = {BLUE, GREEN, VERMILLION, _TOTAL_COLOUR}
LIGHT_BLUE, LIGHT_VERMILLION = "#9CCBE8", "#F3BE93"
SERIES = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION, "#332288")
KIND_COLOURS = {
    "measured": BLUE,
    "rtl": SKY,
    "spec": GREEN,
    "derived": "#66c2a5",
    "literature": YELLOW,
    "fitted": PURPLE,
    "assumed": ORANGE,
}
_FONT = {
    "family": 'system-ui, -apple-system, "Segoe UI", Arial, "DejaVu Sans", sans-serif',
    "size": 13,
    "color": INK,
}


@dataclass(frozen=True)
class Figure:
    """A plot of the page.

    Parameters
    ----------
    name : identifier in the page
    caption, note : what it shows, and how to read it
    data, layout : as plotly.js takes them
    """

    name: str
    caption: str
    note: str
    data: Sequence[dict[str, Any]]
    layout: dict[str, Any]

    def html(self) -> str:
        """The plot as a ``figure`` element; the script of the page draws it."""
        content = json.dumps({"data": self.data, "layout": self.layout}, separators=(",", ":"))
        content = content.replace("<", "\\u003c")  # no name can end the script element
        height = int(self.layout["height"])
        return (
            f'<figure id="figure-{self.name}"><figcaption>{escape(self.caption)}'
            f"<small>{escape(self.note)}</small></figcaption>"
            f'<div class="plot" id="plot-{self.name}" role="img" aria-label="{escape(self.caption)}" '
            f'style="height:{height}px"></div>'
            f'<script type="application/json" data-plot="plot-{self.name}">{content}</script></figure>'
        )


def layout(height: int, **more: Any) -> dict[str, Any]:
    """Layout in the page's style; `more` overrides."""
    base: dict[str, Any] = {
        "height": height,
        "autosize": True,
        "font": _FONT,
        "paper_bgcolor": "#ffffff",
        "plot_bgcolor": "#ffffff",
        "margin": {"l": 10, "r": 20, "t": 30, "b": 44},
        "hoverlabel": {"align": "left", "font": {"size": 12}},
        "hovermode": "closest",
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
    }
    return {**base, **more}


def axis(title: str = "", **more: Any) -> dict[str, Any]:
    """Axis in the page's style; `more` overrides."""
    base: dict[str, Any] = {
        "automargin": True,
        "gridcolor": "#e4e8ec",
        "linecolor": "#8c959f",
        "zeroline": False,
        "ticks": "outside",
        "tickcolor": "#8c959f",
        "title": {"text": title, "font": {"size": 12.5}, "standoff": 8},
    }
    return {**base, **more}


def rows_axis(labels: Sequence[str]) -> dict[str, Any]:
    """Axis of horizontal bars: one row per label, the first on top."""
    n = len(labels)
    return axis("", tickvals=list(range(n)), ticktext=list(labels), range=[n - 0.4, -0.6], showgrid=False)


def ratio_axis(title: str, low: float, high: float) -> dict[str, Any]:
    """Axis of ratios from 10^low to 10^high for bars whose lengths are powers of ten: 1x, 10x; 2x and 5x if short."""
    steps = (1, 2, 5) if high - low < 2.2 else (1,)
    ratios = [step * 10.0**tick for tick in range(math.floor(low), math.ceil(high) + 1) for step in steps]
    shown = [ratio for ratio in ratios if low <= math.log10(ratio) <= high]
    return axis(
        title, range=[low, high], tickvals=[math.log10(ratio) for ratio in shown], ticktext=[times(r) for r in shown]
    )


def stacked_bars(name: str, values: Sequence[float], colour: str, shown: str) -> dict[str, Any]:
    """One series of stacked horizontal bars; `shown` is how the hint prints a value, ``%{x:.1%}`` for example."""
    return {
        "type": "bar",
        "orientation": "h",
        "name": safe(name),
        "y": list(range(len(values))),
        "x": list(values),
        "marker": {"color": colour, "line": {"color": "#ffffff", "width": 0.5}},
        "hovertemplate": f"{safe(name)}: {shown}<extra></extra>",
    }


def safe(text: object) -> str:
    """Text inside a plot, whose labels are a kind of HTML."""
    return escape(str(text), quote=False)


def shortened(text: str, length: int = 34) -> str:
    """Label of at most `length` characters: the middle is left out."""
    if len(text) <= length:
        return text
    half = (length - 1) // 2
    return f"{text[: length - 1 - half]}…{text[-half:]}"


def scale_of(value: float, unit: str) -> tuple[float, str]:
    """Factor and unit that give a value between 1 and 1000: 2e-6 s -> (1e6, "µs")."""
    for exponent, prefix in ((0, ""), (-3, "m"), (-6, "µ"), (-9, "n"), (-12, "p")):
        if value >= 10.0**exponent:
            return 10.0**-exponent, prefix + unit
    return 1e15, f"f{unit}"


def waterfall(
    name: str,
    parts: Sequence[Part],
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
