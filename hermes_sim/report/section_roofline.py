"""Section: every operator on a roofline plot, and where it runs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from hermes_sim.kit.colours import BLUE, GREEN, ORANGE, PURPLE, VERMILLION
from hermes_sim.kit.figures import Figure, axis, layout, safe
from hermes_sim.kit.formatting import count, percent, si
from hermes_sim.kit.markup import PageSection, paragraph, terms
from hermes_sim.kit.tables import Table, number
from hermes_sim.report.rooflines import (
    CROSSBAR,
    DIGITAL,
    Point,
    Roof,
    baseline_points,
    chip_points,
    chip_roofs,
    operator_records,
    roof_line,
)

if TYPE_CHECKING:
    from hermes_sim.flow import Simulated

_LISTED = 25
_DECADES = range(-15, 6)  # of the rate in TOPS
_STYLES = ((VERMILLION, "square"), (ORANGE, "triangle-up"), (PURPLE, "diamond-tall"), ("#8c564b", "x"))
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
_TERMS = {
    "Intensity": "operations of an operator divided by the bytes of its inputs and results; on the chip weights stay "
    "in the crossbars and are not counted, elsewhere they are, once per batch",
    "Rate": "on the chip: its operations over the time from its first start to its last end, waiting included; on an "
    "accelerator: its operations over its realistic time",
    "Roof": "what a device could do at best: flat where arithmetic limits, sloped where moving data does. An operator "
    "far below its roof waits: for others, for start-up, or because it fills only a part of the device",
}


def roofline_section(source: Simulated) -> PageSection:
    """Plot and table of operators."""
    points = chip_points(source)
    body = [
        paragraph("What every operator reaches, beside what its device could reach."),
        terms(_TERMS),
        *([_figure(source, points).html()] if points else []),
        _operator_table(source).html(),
    ]
    return PageSection("roofline", "Roofline and operators", "\n".join(body))


def _figure(source: Simulated, points: list[Point]) -> Figure:
    their_roofs, theirs = baseline_points(source)
    shown = [point for point in [*points, *theirs] if point.intensity and point.tops]
    lowest = min((point.intensity for point in shown), default=0.1) / 3
    highest = max((point.intensity for point in shown), default=100.0) * 3
    styles = {DIGITAL: (GREEN, "diamond"), CROSSBAR: (BLUE, "circle")}
    devices = dict.fromkeys(point.device for point in theirs)
    styles |= dict(zip(devices, _STYLES * (1 + len(devices) // len(_STYLES)), strict=False))
    traces = [_roof_trace(roof, BLUE, i, lowest, highest) for i, roof in enumerate(chip_roofs(source))]
    traces += [
        _roof_trace(roof, styles[roof.name][0], 0, lowest, highest) for roof in their_roofs if roof.name in styles
    ]
    for device, (colour, symbol) in styles.items():
        mine = [point for point in shown if point.device == device]
        if mine:
            traces.append(_point_trace(device, mine, colour, symbol))
    return Figure(
        "roofline",
        "Roofline: operations per time against operations per byte",
        "Lines are roofs, markers operators; both scales are logarithmic. Click a name to hide it. An accelerator's "
        "operator stands above its slope where it is fused with another one, so that its data never reach memory.",
        traces,
        layout(
            540,
            xaxis=axis("intensity, operations per byte", type="log", dtick=1),
            yaxis=axis(
                "rate, operations per second",
                type="log",
                tickvals=[10.0**power for power in _DECADES],
                ticktext=[si(10.0 ** (power + 12), "op/s") for power in _DECADES],
            ),
            legend={"orientation": "v", "x": 1.01, "y": 1, "yanchor": "top", "font": {"size": 11.5}},
        ),
    )


def _roof_trace(roof: Roof, colour: str, i: int, lowest: float, highest: float) -> dict[str, Any]:
    x, y = roof_line(roof, lowest, highest)
    return {
        "type": "scatter",
        "mode": "lines",
        "name": safe(f"roof: {roof.name}"),
        "x": x,
        "y": y,
        "line": {"color": colour, "width": 1.8, "dash": _DASHES[i % len(_DASHES)]},
        "hovertemplate": safe(f"roof of {roof.name}: {roof.peak_tops:.4g} TOPS") + "<extra></extra>",
    }


def _point_trace(device: str, points: list[Point], colour: str, symbol: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": safe(device),
        "x": [float(f"{point.intensity:.6g}") for point in points],
        "y": [float(f"{point.tops:.6g}") for point in points],
        "customdata": [safe(f"{point.operator} on {point.place}") for point in points],
        "marker": {
            "color": colour,
            "symbol": symbol,
            "size": 10,
            "opacity": 0.85,
            "line": {"color": "#ffffff", "width": 1},
        },
        "hovertemplate": "%{customdata}<br>%{x:.4g} op/byte, %{y:.4g} TOPS<extra></extra>",
    }


def _operator_table(source: Simulated) -> Table:
    records = sorted(operator_records(source), key=lambda record: -record["ops"])
    shown, rest = records[:_LISTED], records[_LISTED:]
    total = max(source.graph.ops, 1)
    rows = [
        [
            record["operator"],
            record["kind"].replace("_", " "),
            *(record[name] for name in ("place", "vectors", "ops")),
            record["ops"] / total,
            *(record[name] for name in ("bytes", "ops_per_byte", "ops_per_s")),
        ]
        for record in shown
    ]
    if rest:
        ops = sum(record["ops"] for record in rest)
        rows.append([f"{len(rest)} more (operators.csv)", "", "", "", ops, ops / total, "", "", ""])
    return Table(
        "operators",
        "Operators of one inference and where they run",
        (
            *("Operator", "Kind", "Runs on"),
            *(number("Vectors", count), number("Operations", count), number("Share", percent)),
            *(number("Bytes", partial(si, unit="B")), number("Intensity", "{:,.4g} op/B".format)),
            number("Rate", partial(si, unit="op/s")),
        ),
        rows,
        ["Total", "", "", "", source.graph.ops, 1.0, "", "", ""],
    )
