"""Charts: panels with a linear, logarithmic or named axis each way, side by side above a legend."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from hermes_sim.kit.colours import GRID, INK, PALETTE
from hermes_sim.kit.svg import MARKS, Canvas, Point

if TYPE_CHECKING:
    from collections.abc import Sequence

DASHED = "5 3"
_LEFT, _RIGHT, _TOP, _BOTTOM = 74, 14, 30, 46
_RADIUS, _SMALLER = 3.2, 0.62  # of a marker, and of one on it
_OVER = ("", "7 7", "3 11", "2 16")  # dashes of a line, by how many it lies on
_DIGIT, _HIGH = 5.6, 10  # pixels of the text of a tick
_LETTER = 6.4  # pixels, on the average
_MOST_TICKS = 9


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
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[tuple[float, str]]:
        """Positions and texts of the ticks."""
        if self.names:
            return [(float(i), name) for i, name in enumerate(self.names)]
        found = self.marks or (_log_ticks if self.log else _even_ticks)(self.low, self.high)
        return [(value, tick_text(value)) for value in found]


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
    return f"{value:.4g}".replace("e+0", "e").replace("e-0", "e-")


def _even_ticks(low: float, high: float) -> list[float]:
    raw = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = power * next(nice for nice in (1.0, 2.0, 2.5, 5.0, 10.0) if nice * power >= raw * 0.999)
    return [i * step for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """Decades, thinned out if they are many, with values between if they are few."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8)):
        ticks = [s * 10.0**d for d in decades for s in steps if low <= s * 10.0**d <= high]
        if len(ticks) > 3:
            return ticks[:: -(-len(ticks) // _MOST_TICKS)]
    return _even_ticks(low, high)


@dataclass(frozen=True)
class Style:
    """How a series looks."""

    color: str
    shape: str = "circle"
    hollow: bool = False

    @classmethod
    def number(cls, i: int) -> Style:
        """Colour and mark of the i-th group; they differ for 32 groups."""
        return cls(PALETTE[i % len(PALETTE)], MARKS[(i + i // len(PALETTE)) % len(MARKS)])


@dataclass
class Panel:
    """One pair of axes and what is drawn in them; coordinates are those of the axes."""

    title: str
    x: Axis
    y: Axis
    width: int = 360
    height: int = 280
    left: int = _LEFT
    content: Canvas = field(default_factory=lambda: Canvas(0, 0))
    _drawn: Counter[tuple[tuple[int, int], ...]] = field(default_factory=Counter)  # points, and ways between two

    def at(self, x: float, y: float) -> Point:
        """Pixel of a point."""
        inner_width, inner_height = self.width - self.left - _RIGHT, self.height - _TOP - _BOTTOM
        return self.left + self.x.frac(x) * inner_width, _TOP + (1 - self.y.frac(y)) * inner_height

    def line(self, points: Sequence[Point], color: str, *, dash: str = "") -> None:
        """Polyline."""
        self.content.line([self.at(*point) for point in points], color, dash=dash)

    def dot(self, x: float, y: float, style: Style, *, radius: float = _RADIUS, hint: str = "") -> None:
        """One marker."""
        self.content.mark(self.at(x, y), style.color, shape=style.shape, radius=radius, hollow=style.hollow, hint=hint)

    def series(self, points: Sequence[Point], style: Style, *, joined: bool = False, dash: str = "") -> None:
        """Markers, joined by a line or not; what lies on earlier ones leaves them visible: dashed, and smaller."""
        if joined:
            ways = [tuple(map(self._pixel, way)) for way in pairwise(points)]
            if any(self._drawn[way] for way in ways):
                for way, ends in zip(ways, pairwise(points), strict=True):
                    self.line(ends, style.color, dash=_OVER[min(self._drawn[way], len(_OVER) - 1)] or dash)
            else:
                self.line(points, style.color, dash=dash)
            self._drawn.update(ways)
        for x, y in points:
            here = (self._pixel((x, y)),)
            self.dot(x, y, style, radius=_RADIUS * _SMALLER ** self._drawn[here])
            self._drawn[here] += 1

    @property
    def has_overlap(self) -> bool:
        """Whether a line of a series lies on that of another."""
        return any(n > 1 and len(way) > 1 for way, n in self._drawn.items())

    def _pixel(self, point: Point) -> tuple[int, int]:
        """Where a point is, as exactly as can be seen."""
        x, y = self.at(*point)
        return round(x), round(y)

    def upright(self, x: float, text: str, dash: str) -> None:
        """Line from bottom to top at a value, named at its upper end."""
        self.line([(x, self.y.low), (x, self.y.high)], INK, dash=dash)
        right, top = self.at(x, self.y.high)
        self.content.text((right - 4, top + 12), text, anchor="end")

    def cell(self, x: float, y: float, color: str, text: str, *, ink: str) -> None:
        """One cell of a heat map."""
        left, top = self.at(x - 0.5, y + 0.5)
        right, bottom = self.at(x + 0.5, y - 0.5)
        self.content.rect((left, top), (right - left, bottom - top), color, stroke="white")
        self.content.text(((left + right) / 2, (top + bottom) / 2 + 4), text, anchor="middle", ink=ink)

    def canvas(self) -> Canvas:
        """Axes, grid, content and texts."""
        left, right, bottom = self.left, self.width - _RIGHT, self.height - _BOTTOM
        out = Canvas(self.width, self.height)
        out.text(((left + right) / 2, 18), self.title, anchor="middle", size=12, bold=True)
        slanted = bool(self.x.names) and max(map(len, self.x.names)) * 6.2 > (right - left) / len(self.x.names)
        anchor, turn = ("end", -25) if slanted else ("middle", 0)
        end = -math.inf  # of the texts so far: one without room is left out, not its line of the grid
        for value, text in self.x.ticks():
            px = left + self.x.frac(value) * (right - left)
            out.line([(px, _TOP), (px, bottom)], GRID, width=1)
            half = 0.0 if self.x.names else len(text) * _DIGIT / 2
            if px - half >= end:
                out.text((px, bottom + 15), text, anchor=anchor, size=10, turn=turn)
                end = px + half + _DIGIT / 2
        end = math.inf
        for value, text in self.y.ticks():
            py = _TOP + (1 - self.y.frac(value)) * (bottom - _TOP)
            out.line([(left, py), (right, py)], GRID, width=1)
            if py <= end:
                out.text((left - 6, py + 4), text, anchor="end", size=10)
                end = py - _HIGH
        out.parts += self.content.parts
        out.rect((left, _TOP), (right - left, bottom - _TOP), "none", stroke=INK)
        out.text(((left + right) / 2, self.height - 10), self.x.label, anchor="middle")
        out.text((14, (_TOP + bottom) / 2), self.y.label, anchor="middle", turn=-90)
        return out


@dataclass(frozen=True)
class LegendItem:
    """One entry of the legend; without a style a mere text."""

    text: str
    style: Style | None = None


def picture(title: str, panels: Sequence[Panel], legend: Sequence[LegendItem] = (), *, per_row: int = 3) -> str:
    """Panels side by side under a title, the legend at the bottom."""
    columns = min(per_row, len(panels))
    wide, tall = panels[0].width, panels[0].height
    width, top = columns * wide, 30
    out = Canvas(width, float(top + -(-len(panels) // columns) * tall))
    out.text((width / 2, 20), title, anchor="middle", size=14, bold=True)
    for i, panel in enumerate(panels):
        out.place(((i % columns) * wide, top + (i // columns) * tall), panel.canvas())
    left = 20.0
    out.height += 8
    for item in legend:
        step = 34 + _LETTER * len(item.text)
        if left + step > width and left > 20:
            left, out.height = 20.0, out.height + 18
        if item.style is not None:
            style = item.style
            out.mark((left, out.height), style.color, shape=style.shape, radius=4.5, hollow=style.hollow)
        out.text((left + 10, out.height + 4), item.text)
        left += step
    out.height += 18 if legend else 4
    return out.svg()
