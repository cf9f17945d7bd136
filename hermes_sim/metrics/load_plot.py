"""The load curve as a picture and as a page: percentiles of the latency over the offered load, capacity and knee."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes_sim._version import __version__
from hermes_sim.kit.colours import BLUE, GREY, ORANGE, VERMILLION
from hermes_sim.kit.figures import Figure, axis, layout
from hermes_sim.kit.markup import PageSection
from hermes_sim.kit.page import html_page
from hermes_sim.kit.plots import Axis, LegendItem, Panel, Style, axis_of, picture
from hermes_sim.kit.words import unit_of

if TYPE_CHECKING:
    from hermes_sim.metrics.open_loop import LoadCurve

_PERCENTILES = {"p50_ns": BLUE, "p95_ns": ORANGE, "p99_ns": VERMILLION}
_LOAD = "offered load, requests/s"


def load_curve_svg(curve: LoadCurve, *, title: str = "") -> str:
    """SVG document; the latency axis is logarithmic."""
    lines, unit, most = _lines(curve)
    latency = axis_of(f"latency, {unit}", [y for line in lines.values() for _, y in line], log=True)
    panel = Panel("", Axis(_LOAD, 0.0, most), latency, width=760, height=390)
    panel.upright(curve.knee_per_s, "knee", "2 3")
    panel.upright(curve.capacity_per_s, "capacity", "6 4")
    styles = {name: Style(color) for name, color in _PERCENTILES.items()}
    for name, line in lines.items():
        panel.series(line, styles[name], joined=True)
    legend = [LegendItem(name.removesuffix("_ns"), style) for name, style in styles.items()]
    return picture(title, [panel], legend)


def load_curve_page(curve: LoadCurve, *, title: str = "") -> str:
    """The same as a page whose points can be pointed at."""
    lines, unit, most = _lines(curve)
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": name.removesuffix("_ns"),
            "x": [x for x, _ in line],
            "y": [y for _, y in line],
            "line": {"color": _PERCENTILES[name]},
        }
        for name, line in lines.items()
    ]
    marks = [
        {"type": "line", "x0": x, "x1": x, "yref": "paper", "y0": 0, "y1": 1, "line": {"color": GREY, "dash": dash}}
        for x, dash in ((curve.knee_per_s, "dot"), (curve.capacity_per_s, "dash"))
    ]
    axes = {"xaxis": axis(_LOAD, range=[0, most]), "yaxis": axis(f"latency, {unit}", type="log")}
    note = "Dotted: the knee, beyond which waiting costs more than it brings; dashed: the capacity."
    figure = Figure("load", "Latency over the offered load", note, traces, layout(560, shapes=marks, **axes))
    sections = [PageSection("latency", "Latency over load", figure.html())]
    return html_page(title, ["Open-loop requests"], sections, version=__version__)


def _lines(curve: LoadCurve) -> tuple[dict[str, list[tuple[float, float]]], str, float]:
    """Points of every percentile, their unit, and the right end of the load axis."""
    factor, unit = unit_of("p50_ns").scale(max(point.p50_ns for point in curve.points))
    lines = {
        name: [(point.offered_per_s, max(getattr(point, name), 1e-3) * factor) for point in curve.points]
        for name in _PERCENTILES
    }
    return lines, unit, 1.05 * max(curve.capacity_per_s, *(point.offered_per_s for point in curve.points))
