"""The load curve as an image: percentiles of the latency over the offered load, capacity and knee."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hermes_sim.metrics.open_loop import LoadCurve

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 760, 420, 80, 370, 30  # pixels
_SERIES = (("p50", "p50_ns", "#0072B2"), ("p95", "p95_ns", "#E69F00"), ("p99", "p99_ns", "#D55E00"))


def load_curve_svg(curve: LoadCurve, *, title: str = "") -> str:
    """SVG document; the latency axis is logarithmic."""
    return "\n".join(_lines(curve, title)) + "\n"


def _lines(curve: LoadCurve, title: str) -> Iterator[str]:
    most = 1.05 * max(curve.capacity_per_s, *(p.offered_per_s for p in curve.points))
    values = [max(getattr(p, key), 1e-3) for p in curve.points for _, key, _ in _SERIES]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    high = max(high, low + 1)

    def x_of(load_per_s: float) -> float:
        return _LEFT + load_per_s / most * (_WIDTH - _LEFT - 20)

    def y_of(value_ns: float) -> float:
        return _BOTTOM - (math.log10(max(value_ns, 1e-3)) - low) / (high - low) * (_BOTTOM - _TOP)

    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
        f'height="{_HEIGHT}" font-family="system-ui, sans-serif" font-size="12">'
    )
    yield f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/><text x="{_LEFT}" y="18">{title}</text>'
    for power in range(low, high + 1):
        y = y_of(10.0**power)
        yield f'<line x1="{_LEFT}" x2="{_WIDTH - 20}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
        yield f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:g} ns</text>'
    for i in range(5):
        load_per_s = most * i / 4
        x = x_of(load_per_s)
        anchor = "end" if i == 4 else "middle"
        yield f'<text x="{x:.1f}" y="{_BOTTOM + 18}" text-anchor="{anchor}">{load_per_s:.3g}</text>'
    yield f'<text x="{(_LEFT + _WIDTH) / 2}" y="{_HEIGHT - 8}" text-anchor="middle">offered load, requests / s</text>'
    for name, load_per_s, dash in (("knee", curve.knee_per_s, "2 3"), ("capacity", curve.capacity_per_s, "6 4")):
        x = x_of(load_per_s)
        yield (
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_BOTTOM}" stroke="#444" stroke-dasharray="{dash}"/>'
            f'<text x="{x - 4:.1f}" y="{_TOP + 12}" text-anchor="end">{name}</text>'
        )
    for i, (name, key, colour) in enumerate(_SERIES):
        points = " ".join(f"{x_of(p.offered_per_s):.1f},{y_of(getattr(p, key)):.1f}" for p in curve.points)
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
        yield f'<text x="{_LEFT + 12}" y="{_TOP + 16 + 16 * i}" fill="{colour}">{name}</text>'
    yield "</svg>"
