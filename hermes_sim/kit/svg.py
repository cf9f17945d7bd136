"""Small static SVG charts: axes, lines, dots, cells. They need no browser script and live well in a repository."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8c564b")
MARKS = ("circle", "square", "triangle", "diamond")
_INK, _GRID = "#333333", "#dddddd"
_LEFT, _RIGHT, _TOP, _BOTTOM = 74, 14, 30, 46


@dataclass(frozen=True)
class Axis:
    """One axis: a range of numbers, or of names.

    Parameters
    ----------
    label : title with unit
    low, high : ends of the range, already widened
    log : logarithmic
    names : categories, at 0, 1, 2, ...
    marks : where the ticks are, if not at round numbers
    """

    label: str
    low: float
    high: float
    log: bool = False
    names: tuple[str, ...] = ()
    marks: tuple[float, ...] = ()

    def frac(self, value: float) -> float:
        """Place of a value between the ends, 0 to 1."""
        if self.log:
            return (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[tuple[float, str]]:
        """Positions and texts of the ticks."""
        if self.names:
            return [(float(i), name) for i, name in enumerate(self.names)]
        if self.marks:
            return [(value, tick_text(value)) for value in self.marks]
        if self.log:
            return [(value, tick_text(value)) for value in _log_ticks(self.low, self.high)]
        step = _nice_step((self.high - self.low) / 5)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [(i * step, tick_text(i * step)) for i in range(first, last + 1)]


def axis_of(label: str, values: Sequence[float], *, log: bool = False, from_zero: bool = False) -> Axis:
    """Axis that holds all values with some room."""
    low, high = min(values), max(values)
    if log and low > 0:
        room = (high / low) ** 0.06 if high > low else 1.3
        return Axis(label, low / room, high * room, log=True)
    room = (high - low) * 0.06 or max(abs(high), 1.0) * 0.1
    return Axis(label, 0.0 if from_zero and low >= 0 else low - room, high + room)


def names_axis(label: str, names: Sequence[str]) -> Axis:
    """Axis of categories."""
    return Axis(label, -0.5, len(names) - 0.5, names=tuple(names))


def tick_text(value: float) -> str:
    """Short text of a number on an axis."""
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e5:
        return f"{value:.6g}"
    return f"{value:.0e}".replace("e+0", "e").replace("e-0", "e-")


def _nice_step(raw: float) -> float:
    power = 10.0 ** math.floor(math.log10(raw))
    return power * next(nice for nice in (1.0, 2.0, 2.5, 5.0, 10.0) if nice * power >= raw * 0.999)


def _log_ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8)):
        ticks = [s * 10.0**d for d in decades for s in steps if low <= s * 10.0**d <= high]
        if len(ticks) >= 3:
            return ticks
    step = _nice_step((high - low) / 4)
    return [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


@dataclass
class Panel:
    """One pair of axes and what is drawn in them; coordinates are those of the axes."""

    title: str
    x: Axis
    y: Axis
    width: int = 360
    height: int = 280
    left: int = _LEFT
    parts: list[str] = field(default_factory=list)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Pixel of a point."""
        inner_width, inner_height = self.width - self.left - _RIGHT, self.height - _TOP - _BOTTOM
        return self.left + self.x.frac(x) * inner_width, _TOP + (1 - self.y.frac(y)) * inner_height

    def line(self, points: Sequence[tuple[float, float]], color: str, *, dashed: bool = False) -> None:
        """Polyline."""
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in (self.at(x, y) for x, y in points))
        dash = ' stroke-dasharray="5 3"' if dashed else ""
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.8"{dash}/>')

    def dot(self, x: float, y: float, color: str, *, mark: str = "circle", radius: float = 3.2, hint: str = "") -> None:
        """One marker, with a text that a browser shows on hovering."""
        px, py = self.at(x, y)
        title = f"<title>{escape(hint)}</title>" if hint else ""
        corners = {
            "square": ((-1, -1), (1, -1), (1, 1), (-1, 1)),
            "triangle": ((0, -1.3), (1.2, 0.9), (-1.2, 0.9)),
            "diamond": ((0, -1.4), (1.2, 0), (0, 1.4), (-1.2, 0)),
        }
        if mark == "circle":
            self.parts.append(f'<circle cx="{px:.1f}" cy="{py:.1f}" r="{radius}" fill="{color}">{title}</circle>')
            return
        path = " ".join(f"{px + dx * radius:.1f},{py + dy * radius:.1f}" for dx, dy in corners[mark])
        self.parts.append(f'<polygon points="{path}" fill="{color}">{title}</polygon>')

    def cell(self, x: float, y: float, color: str, text: str, *, ink: str) -> None:
        """One cell of a heat map."""
        left, top = self.at(x - 0.5, y + 0.5)
        right, bottom = self.at(x + 0.5, y - 0.5)
        self.parts.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}" '
            f'fill="{color}" stroke="white"/>'
        )
        middle = ((left + right) / 2, (top + bottom) / 2 + 4)
        self.parts.append(_text(*middle, text, anchor="middle", size=11, ink=ink))

    def svg(self) -> str:
        """Axes, grid, content and texts."""
        left, bottom = self.left, self.height - _BOTTOM
        right = self.width - _RIGHT
        out = [_text((left + right) / 2, 18, self.title, anchor="middle", size=12, bold=True)]
        slanted = bool(self.x.names) and max(map(len, self.x.names)) * 6.2 > (right - left) / len(self.x.names)
        for value, text in self.x.ticks():
            px = left + self.x.frac(value) * (right - left)
            out.append(f'<line x1="{px:.1f}" y1="{_TOP}" x2="{px:.1f}" y2="{bottom}" stroke="{_GRID}"/>')
            anchor, turn = ("end", -25) if slanted else ("middle", 0)
            out.append(_text(px, bottom + 15, text, anchor=anchor, size=10, turn=turn))
        for value, text in self.y.ticks():
            py = _TOP + (1 - self.y.frac(value)) * (bottom - _TOP)
            out.append(f'<line x1="{left}" y1="{py:.1f}" x2="{right}" y2="{py:.1f}" stroke="{_GRID}"/>')
            out.append(_text(left - 6, py + 4, text, anchor="end", size=10))
        out += self.parts
        out.append(
            f'<rect x="{left}" y="{_TOP}" width="{right - left}" height="{bottom - _TOP}" fill="none" stroke="{_INK}"/>'
        )
        out.append(_text((left + right) / 2, self.height - 10, self.x.label, anchor="middle", size=11))
        out.append(_text(14, (_TOP + bottom) / 2, self.y.label, anchor="middle", size=11, turn=-90))
        return "".join(out)


def _text(
    x: float, y: float, text: str, *, anchor: str, size: int, bold: bool = False, turn: int = 0, ink: str = _INK
) -> str:
    weight = ' font-weight="bold"' if bold else ""
    rotate = f' transform="rotate({turn} {x:.1f} {y:.1f})"' if turn else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{ink}"{weight}{rotate}>'
        f"{escape(text)}</text>"
    )


@dataclass(frozen=True)
class LegendItem:
    """One entry of the legend."""

    text: str
    color: str
    mark: str = "circle"


def picture(title: str, panels: Sequence[Panel], legend: Sequence[LegendItem] = (), *, per_row: int = 3) -> str:
    """Panels side by side under a title, the legend at the bottom."""
    columns = min(per_row, len(panels))
    wide, tall = panels[0].width, panels[0].height
    rows = -(-len(panels) // columns)
    width, top = columns * wide, 30
    height = float(top + rows * tall)
    out = [_text(width / 2, 20, title, anchor="middle", size=14, bold=True)]
    for i, panel in enumerate(panels):
        x, y = (i % columns) * wide, top + (i // columns) * tall
        out.append(f'<g transform="translate({x} {y})">{panel.svg()}</g>')
    left = 20.0
    height += 8
    for item in legend:
        step = 34 + 6.4 * len(item.text)
        if left + step > width and left > 20:
            left, height = 20.0, height + 18
        swatch = Panel("", Axis("", 0, 1), Axis("", 0, 1), width=_LEFT + _RIGHT + 1, height=_TOP + _BOTTOM + 1)
        swatch.dot(0, 0, item.color, mark=item.mark, radius=4.5)
        out.append(f'<g transform="translate({left - _LEFT} {height - _TOP - 1})">{swatch.parts[0]}</g>')
        out.append(_text(left + 10, height + 4, item.text, anchor="start", size=11))
        left += step
    height += 18 if legend else 4
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:g}" width="{width}" height="{height:g}" '
        'font-family="Helvetica, Arial, sans-serif"><rect width="100%" height="100%" fill="white"/>'
    )
    return f"{head}{''.join(out)}</svg>\n"
