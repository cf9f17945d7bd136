"""The pictures a study file asks for, as SVG."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hermes_sim.explore.findings import level, short, title_of
from hermes_sim.explore.results import select
from hermes_sim.explore.schema import PlotKind
from hermes_sim.kit.plots import Axis, LegendItem, Panel, Style, axis_of, names_axis, picture
from hermes_sim.kit.words import unit_of

if TYPE_CHECKING:
    from hermes_sim.explore.schema import Plot

_MAX_PANELS = 12
_MAX_TICKS = 10
_WIDTHS = {1: 700, 2: 500}  # of a panel, by the number of panels


def draw(plot: Plot, frame: pd.DataFrame) -> str | None:
    """SVG of one plot, or None where no finished point fulfils its condition."""
    names = [plot.x, plot.y, *(name for name in (plot.by, plot.panel, plot.color) if name)]
    rows = select(frame, plot.where).dropna(subset=list(dict.fromkeys(names)))
    if rows.empty:
        return None
    draw_kind = _heatmap if plot.kind is PlotKind.HEATMAP else _curves
    return draw_kind(plot, rows)


class _Scaled:
    """A column as numbers in a readable unit, or as places of its categories."""

    def __init__(
        self,
        rows: pd.DataFrame,
        name: str,
        *,
        log: bool = False,
        from_zero: bool = False,
        ticks_at_values: bool = False,
    ) -> None:
        values = rows[name]
        self.is_number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
        self.axis: Axis
        if self.is_number:
            numbers = values.to_numpy(dtype=np.float64)
            size = float(np.median(np.abs(numbers[numbers != 0]))) if (numbers != 0).any() else 0.0
            factor, unit = unit_of(name).scale(size)
            self.values = list(numbers * factor)
            label = title_of(name) + (f" ({unit})" if unit else "")
            self.axis = axis_of(label, self.values, log=log, from_zero=from_zero)
            few = sorted(set(self.values))
            if ticks_at_values and len(few) <= _MAX_TICKS:
                self.axis = replace(self.axis, marks=tuple(few))
        else:
            names = [level(value) for value in values]
            self.names = list(dict.fromkeys(names))
            self.values = [float(self.names.index(value)) for value in names]
            self.axis = names_axis(title_of(name), self.names)


def _curves(plot: Plot, rows: pd.DataFrame) -> str:
    x = _Scaled(rows, plot.x, log=plot.log_x, ticks_at_values=plot.kind is PlotKind.LINES)
    rows = rows.assign(_x=x.values)
    groups = _categories(rows, plot.by)
    panels = []
    parts = _panels(rows, plot.panel)
    for name, whole in parts:
        part = _best_rows(whole, plot) if plot.kind is PlotKind.LINES else whole
        y = _Scaled(part, plot.y, log=plot.log_y, from_zero=not plot.log_y and plot.kind is PlotKind.LINES)
        panel = Panel(name, x.axis, y.axis, width=_WIDTHS.get(len(parts), 360))
        placed = part.assign(_y=y.values)
        for i, group in enumerate(groups):
            mine = placed if plot.by is None else placed[placed[plot.by].map(level) == group]
            points = sorted(zip(mine["_x"], mine["_y"], strict=True))
            panel.series(points, Style.number(i), joined=plot.kind is PlotKind.LINES)
        panels.append(panel)
    legend = [LegendItem(f"{short(plot.by)} {group}", Style.number(i)) for i, group in enumerate(groups) if plot.by]
    if any(panel.has_overlap for panel in panels):
        legend.append(LegendItem("dashed: on another line"))
    return picture(plot.title, panels, legend)


def _best_rows(rows: pd.DataFrame, plot: Plot) -> pd.DataFrame:
    """Of several points of one line at one place the best."""
    ordered = rows.sort_values(plot.y, ascending=not plot.larger_is_better, kind="stable")
    line = ordered[plot.by].map(level) if plot.by else pd.Series("", index=ordered.index)
    return ordered[~pd.DataFrame({"line": line, "x": ordered["_x"]}).duplicated()]


def _heatmap(plot: Plot, rows: pd.DataFrame) -> str:
    """Cells of x and y with the value of `color` in them, dark where it is large."""
    assert plot.color is not None
    x_names, y_names = _categories(rows, plot.x), _categories(rows, plot.y)
    x, y = names_axis(short(plot.x), x_names), names_axis(short(plot.y), y_names)
    shade = _Scaled(rows, plot.color, log=True)
    rows = rows.assign(_shade=shade.values)
    panels = []
    parts = _panels(rows, plot.panel)
    for name, part in parts:
        panel = Panel(name, x, y, width=_WIDTHS.get(len(parts), 360))
        cells: dict[tuple[str, str], float] = {}
        for at_x, at_y, value in zip(part[plot.x].map(level), part[plot.y].map(level), part["_shade"], strict=True):
            cells[at_x, at_y] = min(value, cells.get((at_x, at_y), value))
        for (at_x, at_y), value in cells.items():
            frac = min(1.0, max(0.0, shade.axis.frac(value)))
            color = f"rgb({int(240 - 210 * frac)},{int(246 - 150 * frac)},{int(252 - 80 * frac)})"
            ink = "white" if frac > 0.55 else "#222"
            panel.cell(x_names.index(at_x), y_names.index(at_y), color, f"{value:.3g}", ink=ink)
        panels.append(panel)
    return picture(f"{plot.title}: {shade.axis.label}", panels)


def _categories(rows: pd.DataFrame, name: str | None) -> list[str]:
    """Levels of a column: numbers in order, names as they come."""
    if name is None:
        return [""]
    values = list(dict.fromkeys(rows[name]))
    if all(isinstance(value, (int, float, np.number)) for value in values):
        values.sort()
    return [level(value) for value in values]


def _panels(rows: pd.DataFrame, name: str | None) -> list[tuple[str, pd.DataFrame]]:
    if name is None:
        return [("", rows)]
    return [
        (f"{short(name)} {group}", rows[rows[name].map(level) == group])
        for group in _categories(rows, name)[:_MAX_PANELS]
    ]
