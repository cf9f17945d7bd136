"""Ratios with their intervals as dots on a logarithmic scale: one panel per workload and number in flight."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hermes_sim.kit.colours import INK
from hermes_sim.kit.formatting import times
from hermes_sim.kit.plots import Axis, LegendItem, Panel, Style, names_axis, picture

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hermes_sim.comparison.table import ComparisonRow


def ratio_plot(title: str, groups: Mapping[str, Sequence[ComparisonRow]], quantity: str, case: str) -> str:
    """SVG of one quantity and case; right of the line at 1 the chip is better."""
    shown = {name: [row for row in rows if row.case == case] for name, rows in groups.items()}
    every = [row for rows in shown.values() for row in rows]
    designs = list(dict.fromkeys((row.chip, row.mapping) for row in every))
    baselines = list(dict.fromkeys(row.baseline for row in every))[::-1]
    names = names_axis("", baselines)
    panels = []
    for name, rows in shown.items():
        panel = Panel(name, _axis(rows, quantity), names, width=470, height=90 + 42 * len(baselines), left=140)
        panel.line([(1.0, -0.5), (1.0, len(baselines) - 0.5)], INK)
        for row in rows:
            place = designs.index((row.chip, row.mapping))
            y = baselines.index(row.baseline) + 0.33 - 0.66 * place / max(1, len(designs) - 1)
            _draw(panel, row, quantity, y, place)
        panels.append(panel)
    legend = [LegendItem(f"{chip}, {mapping}", Style.number(i)) for i, (chip, mapping) in enumerate(designs)]
    return picture(title, panels, legend, per_row=2)


def _draw(panel: Panel, row: ComparisonRow, quantity: str, y: float, place: int) -> None:
    value = getattr(row, quantity)
    if value is None:
        return
    if ends := row.ends(quantity):
        panel.line([(ends[0], y), (ends[1], y)], Style.number(place).color)
    hint = f"{row.baseline}, {row.chip}, {row.mapping}: {times(value)}"
    panel.dot(value, y, Style.number(place), radius=3.6, hint=hint)


def _axis(rows: Sequence[ComparisonRow], quantity: str) -> Axis:
    """Whole decades that hold all ends and 1."""
    ends = [value for row in rows for value in (getattr(row, quantity), *(row.ends(quantity) or ())) if value]
    low, high = math.floor(math.log10(min(1.0, *ends))), math.ceil(math.log10(max(1.0, *ends)))
    label = "left of 1: digital is better; right: the chip"
    marks = tuple(10.0**power for power in range(low, high + 1))
    return Axis(label, 10.0**low, 10.0 ** max(high, low + 1), log=True, marks=marks)
