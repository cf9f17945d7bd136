"""Small scatter and line plots as SVG; reports have their own."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from hermes_sim.config.files import written_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_COLOURS = ("#1b6ca8", "#c2452d", "#2f8f4e", "#8a5bb5", "#b8860b", "#555555")
# Places inside a panel, in pixels.
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 480, 420, 70, 460, 40, 360
_LETTER = 7  # width of a letter of the legend, at most
_MOST_TICKS = 9
_MULTIPLES = ((1,), (1, 2, 5), (1, 1.5, 2, 3, 5, 7))


@dataclass(frozen=True)
class Series:
    """Points (x, y) under one name; joined by a line or not, filled or hollow."""

    name: str
    points: Sequence[tuple[float, float]]
    line: bool = False
    hollow: bool = False
    colour: int = 0


@dataclass(frozen=True)
class Panel:
    """One pair of logarithmic axes (y linear if wanted; one range and a line x = y for `diagonal`)."""

    x_label: str
    y_label: str
    series: Sequence[Series]
    diagonal: bool = False
    linear_y: bool = False


def log_plot(path: Path, *, title: str, panels: Sequence[Panel]) -> None:
    """Write panels side by side as SVG; a legend on the right names the series of the first, common to all.

    Raises    OutputError  if the file cannot be written
    """
    names = [one.name for one in panels[0].series]
    legend = len(panels) * _WIDTH
    width = legend + 30 + _LETTER * max(map(len, names))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_HEIGHT}"',
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{_HEIGHT}" fill="white"/>',
        _text(width / 2, 20, title, size=14),
    ]
    for i, panel in enumerate(panels):
        parts += [f'<g transform="translate({i * _WIDTH} 0)">', *_panel(panel), "</g>"]
    for i, one in enumerate(panels[0].series):
        y = _TOP + 12 + 16 * i
        parts += [_spot((legend + 6, y), one), _text(legend + 16, y + 4, one.name, anchor="start")]
    with written_whole(path) as temporary:
        temporary.write_text("\n".join([*parts, "</svg>\n"]), encoding="utf-8")


def _panel(panel: Panel) -> list[str]:
    """Axes and points."""
    xs = [x for s in panel.series for x, _ in s.points]
    ys = [y for s in panel.series for _, y in s.points]
    if panel.diagonal:
        xs = ys = xs + ys
    to_x, x_ticks = _axis(xs, _LEFT, _RIGHT, linear=False)
    to_y, y_ticks = _axis(ys, _BOTTOM, _TOP, linear=panel.linear_y)
    parts = [
        _text((_LEFT + _RIGHT) / 2, _HEIGHT - 18, panel.x_label),
        f'<g transform="rotate(-90 18 {(_TOP + _BOTTOM) / 2})">{_text(18, (_TOP + _BOTTOM) / 2, panel.y_label)}</g>',
    ]
    for x in x_ticks:
        parts += [_line((to_x(x), _BOTTOM), (to_x(x), _TOP), "#dddddd"), _text(to_x(x), _BOTTOM + 18, f"{x:g}")]
    for y in y_ticks:
        parts += [
            _line((_LEFT, to_y(y)), (_RIGHT, to_y(y)), "#dddddd"),
            _text(_LEFT - 6, to_y(y) + 4, f"{y:g}", anchor="end"),
        ]
    if panel.diagonal:
        parts.append(_line((to_x(min(xs)), to_y(min(xs))), (to_x(max(xs)), to_y(max(xs))), "#333333"))
    for one in panel.series:
        spots = [(to_x(x), to_y(y)) for x, y in one.points]
        if one.line:
            parts += [_line(a, b, _colour(one)) for a, b in itertools.pairwise(spots)]
        parts += [_spot(at, one) for at in spots]
    return parts


def _axis(
    values: Sequence[float], start: float, end: float, *, linear: bool
) -> tuple[Callable[[float], float], list[float]]:
    """Function from value to place, and ticks."""
    low, high = min(values), max(values)
    if linear:
        pad = 0.08 * (high - low) or 0.01
        low, high = low - pad, high + pad
        return (lambda v: start + (v - low) / (high - low) * (end - start)), _even_ticks(low, high)
    low, high = low / 1.1, high * 1.1
    span = math.log(high / low)
    return (lambda v: start + math.log(v / low) / span * (end - start)), _log_ticks(low, high)


def _even_ticks(low: float, high: float) -> list[float]:
    step = 10 ** math.floor(math.log10(high - low))
    step = next((s for s in (step / 5, step / 2, step) if (high - low) / s <= _MOST_TICKS - 1), 2 * step)
    return [float(f"{k * step:.9g}") for k in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """Decades, thinned out if they are many, with values between if they are few."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for multiples in _MULTIPLES:
        ticks = [tick for e in decades for m in multiples if low <= (tick := float(f"{m}e{e}")) <= high]
        if len(ticks) > 3:
            return ticks[:: math.ceil(len(ticks) / _MOST_TICKS)]
    return _even_ticks(low, high)


def _colour(series: Series) -> str:
    return _COLOURS[series.colour % len(_COLOURS)]


def _spot(at: tuple[float, float], series: Series) -> str:
    colour = _colour(series)
    fill = "none" if series.hollow else colour
    return f'<circle cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="3.2" fill="{fill}" stroke="{colour}"/>'


def _text(x: float, y: float, text: str, *, size: int = 12, anchor: str = "middle") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"'
    return f'<text {place} fill="#222222">{escape(text)}</text>'


def _line(a: tuple[float, float], b: tuple[float, float], colour: str) -> str:
    return f'<line x1="{a[0]:.1f}" y1="{a[1]:.1f}" x2="{b[0]:.1f}" y2="{b[1]:.1f}" stroke="{colour}"/>'
