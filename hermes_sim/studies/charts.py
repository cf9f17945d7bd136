"""Line and bar charts as plain SVG text: small files that a page or a README can show without a script."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDTH, _HEIGHT = 640, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 170, 40, 50
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377")


@dataclass(frozen=True)
class Series:
    """A named line: x and y, y > 0; `dashed` tells two families apart."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    colour: str
    dashed: bool = False


def line_chart(series: Sequence[Series], *, title: str, x_label: str, y_label: str) -> str:
    """Both axes logarithmic: x in powers of two, y in decades."""
    x_all = sorted({x for line in series for x in line.x})
    y_all = [y for line in series for y in line.y]
    low, high = math.floor(math.log10(min(y_all))), math.ceil(math.log10(max(y_all)))
    high = max(high, low + 1)

    def place(x: float, y: float) -> tuple[float, float]:
        across = (math.log2(x) - math.log2(x_all[0])) / max(1e-9, math.log2(x_all[-1]) - math.log2(x_all[0]))
        up = (math.log10(y) - low) / (high - low)
        return _LEFT + across * (_WIDTH - _LEFT - _RIGHT), _HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM)

    parts = _frame(title, x_label, y_label)
    for x in x_all:
        across, base = place(x, 10**low)
        parts.append(f'<text x="{across:.1f}" y="{base + 16:.1f}" text-anchor="middle">{x:g}</text>')
    for decade in range(low, high + 1):
        across, up = place(x_all[0], 10**decade)
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{up:.1f}" y2="{up:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{across - 6:.1f}" y="{up + 4:.1f}" text-anchor="end">{10**decade:g}</text>')
    for i, line in enumerate(series):
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in map(place, line.x, line.y))
        dash = ' stroke-dasharray="6 4"' if line.dashed else ""
        parts.append(f'<polyline points="{points}" fill="none" stroke="{line.colour}" stroke-width="2"{dash}/>')
        parts += [
            f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{line.colour}"/>' for a, b in map(place, line.x, line.y)
        ]
        parts += _legend(i, line.name, line.colour, dash)
    return "\n".join([*parts, "</svg>", ""])


def bar_chart(groups: Sequence[tuple[str, dict[str, float]]], *, title: str, y_label: str) -> str:
    """One group of bars per entry, values from 0 to 1."""
    kinds = list(dict.fromkeys(kind for _, values in groups for kind in values))
    parts = _frame(title, "", y_label)
    inner, tall = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    for tenth in range(0, 11, 2):
        up = _HEIGHT - _BOTTOM - tall * tenth / 10
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{up:.1f}" y2="{up:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{up + 4:.1f}" text-anchor="end">{tenth * 10} %</text>')
    slot = inner / len(groups)
    wide = slot * 0.8 / len(kinds)
    for g, (name, values) in enumerate(groups):
        middle = _LEFT + slot * (g + 0.5)
        first, _, second = name.partition(", ")
        for line, text in enumerate((first, second)):
            y = _HEIGHT - _BOTTOM + 16 + 14 * line
            parts.append(f'<text x="{middle:.1f}" y="{y}" text-anchor="middle">{escape(text)}</text>')
        for k, kind in enumerate(kinds):
            high = tall * values.get(kind, 0.0)
            x = middle - slot * 0.4 + k * wide
            parts.append(
                f'<rect x="{x:.1f}" y="{_HEIGHT - _BOTTOM - high:.1f}" width="{wide:.1f}" height="{high:.1f}" '
                f'fill="{COLOURS[k % len(COLOURS)]}"/>'
            )
    for k, kind in enumerate(kinds):
        parts += _legend(k, kind, COLOURS[k % len(COLOURS)], "")
    return "\n".join([*parts, "</svg>", ""])


def _frame(title: str, x_label: str, y_label: str) -> list[str]:
    middle = (_TOP + _HEIGHT - _BOTTOM) / 2
    return [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" '
            f'viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="11">'
        ),
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        f'<text x="{_LEFT}" y="22" font-size="14">{escape(title)}</text>',
        f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 10}" text-anchor="middle">{escape(x_label)}</text>',
        f'<text x="16" y="{middle}" text-anchor="middle" transform="rotate(-90 16 {middle})">{escape(y_label)}</text>',
    ]


def _legend(i: int, name: str, colour: str, dash: str) -> list[str]:
    x, y = _WIDTH - _RIGHT + 12, _TOP + 18 * i
    return [
        f'<line x1="{x}" x2="{x + 22}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="3"{dash}/>',
        f'<text x="{x + 28}" y="{y + 4}">{escape(name)}</text>',
    ]
