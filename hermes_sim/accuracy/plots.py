"""Small scatter and line plots as SVG, for the documentation; reports have their own."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hermes_sim.files import written_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_COLOURS = ("#1b6ca8", "#c2452d", "#2f8f4e", "#8a5bb5", "#b8860b", "#555555")
_WIDTH, _HEIGHT, _MARGIN = 560, 420, 60


@dataclass(frozen=True)
class Series:
    """Points (x, y) under one name; joined by a line or not, filled or hollow."""

    name: str
    points: Sequence[tuple[float, float]]
    line: bool = False
    hollow: bool = False
    colour: int = 0


def log_plot(
    path: Path,
    *,
    title: str,
    x_label: str,
    y_label: str,
    series: Sequence[Series],
    diagonal: bool = False,
    linear_y: bool = False,
) -> None:
    """Plot on logarithmic axes (y linear if wanted) and write it as SVG.

    Raises    OutputError  if the file cannot be written
    """
    xs = [x for s in series for x, _ in s.points]
    ys = [y for s in series for _, y in s.points]
    if diagonal:
        xs = ys = xs + ys
    to_x, x_ticks = _axis(xs, _MARGIN, _WIDTH - 20, linear=False)
    to_y, y_ticks = _axis(ys, _HEIGHT - _MARGIN, 40, linear=linear_y)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}"',
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        _text(_WIDTH / 2, 20, title, size=14),
        _text(_WIDTH / 2, _HEIGHT - 15, x_label),
        f'<g transform="rotate(-90 15 {_HEIGHT / 2})">{_text(15, _HEIGHT / 2, y_label)}</g>',
    ]
    bottom, top, left, right = _HEIGHT - _MARGIN, 40, _MARGIN, _WIDTH - 20
    for x in x_ticks:
        parts.append(_line((to_x(x), bottom), (to_x(x), top), "#dddddd"))
        parts.append(_text(to_x(x), bottom + 16, f"{x:g}"))
    for y in y_ticks:
        parts.append(_line((left, to_y(y)), (right, to_y(y)), "#dddddd"))
        parts.append(_text(left - 22, to_y(y) + 4, f"{y:g}"))
    if diagonal:
        parts.append(_line((to_x(min(xs)), to_y(min(xs))), (to_x(max(xs)), to_y(max(xs))), "#333333"))
    for i, one in enumerate(series):
        colour = _COLOURS[one.colour % len(_COLOURS)]
        spots = [(to_x(x), to_y(y)) for x, y in one.points]
        fill = "none" if one.hollow else colour
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2" fill="{fill}" stroke="{colour}"/>' for x, y in spots]
        if one.line:
            parts += [_line(a, b, colour) for a, b in itertools.pairwise(spots)]
        parts.append(f'<circle cx="{left + 14}" cy="{top + 12 + 16 * i}" r="3.2" fill="{fill}" stroke="{colour}"/>')
        parts.append(_text(left + 24, top + 16 + 16 * i, one.name, anchor="start"))
    parts.append("</svg>\n")
    with written_whole(path) as temporary:
        temporary.write_text("\n".join(parts), encoding="utf-8")


def _axis(
    values: Sequence[float], start: float, end: float, *, linear: bool
) -> tuple[Callable[[float], float], list[float]]:
    """Function from value to place, and ticks."""
    low, high = min(values), max(values)
    if linear:
        pad = 0.08 * (high - low) or 0.01
        low, high = low - pad, high + pad
        step = 10 ** math.floor(math.log10(high - low))
        step = next((s for s in (step / 5, step / 2, step) if (high - low) / s <= 8), step)
        ticks = [round(k * step, 9) for k in range(math.ceil(low / step), math.floor(high / step) + 1)]
        return (lambda v: start + (v - low) / (high - low) * (end - start)), ticks
    low, high = low / 1.1, high * 1.1
    span = math.log(high / low)
    ticks = [m * 10.0**e for e in range(-6, 12) for m in (1, 2, 5) if low <= m * 10.0**e <= high]
    if len(ticks) > 9:
        ticks = [tick for tick in ticks if math.isclose(math.log10(tick), round(math.log10(tick)))]
    return (lambda v: start + math.log(v / low) / span * (end - start)), ticks


def _text(x: float, y: float, text: str, *, size: int = 12, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="#222222">{text}</text>'


def _line(a: tuple[float, float], b: tuple[float, float], colour: str) -> str:
    return f'<line x1="{a[0]:.1f}" y1="{a[1]:.1f}" x2="{b[0]:.1f}" y2="{b[1]:.1f}" stroke="{colour}"/>'
