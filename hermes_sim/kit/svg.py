"""The one drawer of SVG: texts, lines, rectangles and marks at pixels; pictures need no browser script."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

from hermes_sim.kit.colours import INK

if TYPE_CHECKING:
    from collections.abc import Sequence

Point = tuple[float, float]
MARKS = ("circle", "square", "triangle", "diamond")
_CORNERS = {
    "square": ((-1, -1), (1, -1), (1, 1), (-1, 1)),
    "triangle": ((0, -1.3), (1.2, 0.9), (-1.2, 0.9)),
    "diamond": ((0, -1.4), (1.2, 0), (0, 1.4), (-1.2, 0)),
}


@dataclass
class Canvas:
    """A picture of so many pixels; a `hint` is a text that a browser shows on hovering."""

    width: float
    height: float
    parts: list[str] = field(default_factory=list)

    def text(
        self,
        at: Point,
        text: str,
        *,
        anchor: str = "start",
        size: float = 11,
        bold: bool = False,
        turn: int = 0,
        ink: str = INK,
    ) -> None:
        """One line of text, turned by some degrees about its place."""
        weight = ' font-weight="bold"' if bold else ""
        rotate = f' transform="rotate({turn} {_px(at[0])} {_px(at[1])})"' if turn else ""
        self.parts.append(
            f'<text x="{_px(at[0])}" y="{_px(at[1])}" font-size="{size}" text-anchor="{anchor}" fill="{ink}"'
            f"{weight}{rotate}>{escape(text)}</text>"
        )

    def line(self, points: Sequence[Point], color: str, *, width: float = 1.8, dash: str = "") -> None:
        """Polyline."""
        path = " ".join(f"{_px(x)},{_px(y)}" for x, y in points)
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="{width}"{dashes}/>')

    def rect(
        self, at: Point, size: Point, fill: str, *, stroke: str = "none", stroke_width: float = 1, hint: str = ""
    ) -> None:
        """Rectangle from its top left corner."""
        edge = "" if stroke == "none" else f' stroke="{stroke}" stroke-width="{stroke_width}"'
        self.parts.append(
            f'<rect x="{_px(at[0])}" y="{_px(at[1])}" width="{_px(size[0])}" height="{_px(size[1])}" '
            f'fill="{fill}"{edge}{_end("rect", hint)}'
        )

    def mark(
        self, at: Point, color: str, *, shape: str = "circle", radius: float = 3.2, hollow: bool = False, hint: str = ""
    ) -> None:
        """One of `MARKS`."""
        paint = f'fill="{"none" if hollow else color}" stroke="{color}"'
        if shape == "circle":
            place = f'<circle cx="{_px(at[0])}" cy="{_px(at[1])}" r="{radius}"'
            self.parts.append(f"{place} {paint}{_end('circle', hint)}")
            return
        path = " ".join(f"{_px(at[0] + dx * radius)},{_px(at[1] + dy * radius)}" for dx, dy in _CORNERS[shape])
        self.parts.append(f'<polygon points="{path}" {paint}{_end("polygon", hint)}')

    def place(self, at: Point, other: Canvas) -> None:
        """Put another picture into this one."""
        self.parts.append(f'<g transform="translate({_px(at[0])} {_px(at[1])})">{"".join(other.parts)}</g>')

    def svg(self) -> str:
        """The whole document."""
        width, height = _px(self.width), _px(self.height)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            'font-family="Helvetica, Arial, sans-serif"><rect width="100%" height="100%" fill="white"/>'
            f"{''.join(self.parts)}</svg>\n"
        )


def _px(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _end(tag: str, hint: str) -> str:
    return f"><title>{escape(hint)}</title></{tag}>" if hint else "/>"
