"""Plots of the published figures beside ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes_sim.kit.colours import GREY, INK, PALETTE
from hermes_sim.kit.formatting import times
from hermes_sim.kit.plots import DASHED, LegendItem, Panel, Style, axis_of, names_axis, picture
from hermes_sim.validation.rows import RowKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hermes_sim.validation.rows import ValidationRow

KINDS = tuple(RowKind)


def bars_of_rows(title: str, rows: Sequence[ValidationRow]) -> str:
    """Ours over published, one dot per row with its tolerance."""
    ratios = [row.simulated / row.expected for row in rows]
    ends = [end for row in rows for end in (1 - row.tolerance, 1 + row.tolerance)]
    axis = axis_of("ours / published", [*ratios, *ends, 0.97, 1.03])
    panel = Panel(
        "", axis, names_axis("", [str(len(rows) - i) for i in range(len(rows))]), width=760, height=90 + 30 * len(rows)
    )
    panel.line([(1.0, -0.5), (1.0, len(rows) - 0.5)], INK)
    for i, (row, ratio) in enumerate(zip(rows, ratios, strict=True)):
        y = len(rows) - 1 - i
        panel.line([(1 - row.tolerance, y), (1 + row.tolerance, y)], GREY, dash=DASHED)
        hint = f"{row.name}: {row.simulated:.5g}"
        panel.dot(ratio, y, Style.number(KINDS.index(row.kind)), radius=5, hint=hint)
    shown = {row.kind for row in rows}
    legend = [LegendItem(str(kind), Style.number(i)) for i, kind in enumerate(KINDS) if kind in shown]
    numbered = [LegendItem(f"{i + 1}: {row.name}") for i, row in enumerate(rows)]
    return picture(title, [panel], [*legend, *numbered], per_row=1)


def intervals(
    title: str, panels: Mapping[str, Sequence[tuple[str, str, float, tuple[float, float]]]], *, x: str
) -> str:
    """Values with their intervals on a logarithmic scale, a panel per group.

    Parameters
    ----------
    panels : group -> name of the line, series, value, ends of the interval
    """
    drawn = []
    every = [item for items in panels.values() for item in items]
    series = list(dict.fromkeys(item[1] for item in every))
    axis = axis_of(x, [1.0, *(end for item in every for end in (item[2], *item[3]))], log=True)
    for group, items in panels.items():
        names = list(dict.fromkeys(item[0] for item in items))[::-1]
        panel = Panel(group, axis, names_axis("", names), width=520, height=110 + 44 * len(names), left=130)
        panel.line([(1.0, -0.5), (1.0, len(names) - 0.5)], INK)
        for name, kind, value, ends in items:
            style = Style.number(series.index(kind))
            y = names.index(name) + 0.15 - 0.3 * series.index(kind)
            panel.line([(ends[0], y), (ends[1], y)], style.color)
            panel.dot(value, y, style, radius=4, hint=f"{name}, {kind}: {times(value)}")
        drawn.append(panel)
    legend = [LegendItem(kind, Style.number(i)) for i, kind in enumerate(series)]
    return picture(title, drawn, legend, per_row=2)


def curves(
    title: str,
    panels: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]],
    *,
    x: str,
    y: str,
) -> str:
    """One panel per group, one line per name; names that begin with ``measured`` are dashed."""
    points = [point for lines in panels.values() for line in lines.values() for point in line]
    x_axis = axis_of(x, [px for px, _ in points])
    y_axis = axis_of(y, [py for _, py in points], log=True)
    names = list(dict.fromkeys(name for lines in panels.values() for name in lines))
    kinds = list(dict.fromkeys(name.partition(" ")[2] for name in names))
    styles = {
        name: Style(PALETTE[kinds.index(name.partition(" ")[2])], "diamond" if _is_measured(name) else "circle")
        for name in names
    }
    drawn = []
    for group, lines in panels.items():
        panel = Panel(group, x_axis, y_axis, width=460, height=320)
        for name, line in lines.items():
            panel.series(sorted(line), styles[name], joined=True, dash=DASHED if _is_measured(name) else "")
        drawn.append(panel)
    return picture(title, drawn, [LegendItem(*item) for item in styles.items()], per_row=2)


def _is_measured(name: str) -> bool:
    return name.startswith("measured")
