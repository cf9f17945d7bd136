"""Plots as plain data: traces and layout of plotly.js, in one style and in colours that everybody can tell apart."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from hermes_sim.kit.colours import BLUE, GREEN, INK, ORANGE, PURPLE, SKY, YELLOW
from hermes_sim.kit.formatting import times

if TYPE_CHECKING:
    from collections.abc import Sequence

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
