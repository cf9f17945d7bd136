"""What the accuracy commands plot: kernel errors against those of the chip, and accuracy over time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hermes_sim.config.files import write_text
from hermes_sim.errors import DataError
from hermes_sim.kit.colours import BLUE, INK, PALETTE, VERMILLION
from hermes_sim.kit.plots import LegendItem, Panel, Style, axis_of, picture
from hermes_sim.validation.measurements import CHIP, KERNEL_ERROR, MeasuredCell, Measurements

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hermes_sim.kit.svg import Point
    from hermes_sim.numerics.drift import DriftPoint
    from hermes_sim.validation.accuracy import AccuracyRow

_HOUR_S = 3600.0


def check_measured_errors(cells: Sequence[MeasuredCell], measurements: Measurements, where: str) -> None:
    """Check early that there will be something to plot.

    Raises    DataError  if no cell has a measured kernel error above 0
    """
    if not any((measurements.get(cell, CHIP, KERNEL_ERROR) > 0).any() for cell in cells):
        raise DataError(
            where,
            got="no measured kernel error in the wanted cells",
            allowed=f"for --plot, rows with platform {CHIP}, metric {KERNEL_ERROR} and a value above 0",
        )


def plot_kernel_errors(rows: Sequence[AccuracyRow], path: Path) -> None:
    """Simulated over measured kernel error, one colour per data set: the whole chip filled, FP32 hollow.

    Raises    OutputError  if the file cannot be written
    """
    measured = [row for row in rows if row.metric == KERNEL_ERROR and row.comparisons]
    series: dict[str, tuple[Style, list[Point]]] = {}
    for colour, dataset in enumerate(sorted({row.cell.dataset for row in measured})):
        for model, label in (("full", "whole chip"), ("fp32", "FP32")):
            pairs = [
                (row.comparisons[model].chip_mean, row.comparisons[model].mean)
                for row in measured
                if row.cell.dataset == dataset and model in row.comparisons
            ]
            points = [(x, y) for x, y in pairs if x > 0 and y > 0]
            if points:
                style = Style(PALETTE[colour % len(PALETTE)], hollow=model == "fp32")
                series[f"{dataset}, {label}"] = style, points
    both = axis_of("measured on the chip", [x for _, at in series.values() for pair in at for x in pair], log=True)
    panel = Panel("", both, replace(both, label="simulated"), width=480, height=420)
    panel.line([(both.low, both.low), (both.high, both.high)], INK)
    for style, points in series.values():
        panel.series(points, style)
    legend = [LegendItem(name, style) for name, (style, _) in series.items()]
    write_text(path, picture("Kernel error: simulated against measured", [panel], legend))


def plot_drift(points: Sequence[DriftPoint], path: Path, *, title: str) -> None:
    """Accuracy and kernel error over hours after programming, with and without compensation.

    Raises    OutputError  if the file cannot be written
    """
    kinds = {"scale renewed": (True, Style(BLUE)), "first scale kept": (False, Style(VERMILLION))}

    def panel(quantity: str, *, log: bool) -> Panel:
        hours = axis_of("hours after programming", [p.time_s / _HOUR_S for p in points], log=True)
        values = axis_of(quantity.replace("_", " "), [getattr(p, quantity) for p in points], log=log)
        drawn = Panel("", hours, values, width=480, height=360)
        for compensated, style in kinds.values():
            at = [(p.time_s / _HOUR_S, getattr(p, quantity)) for p in points if p.compensated == compensated]
            drawn.series(at, style, joined=True)
        return drawn

    legend = [LegendItem(name, style) for name, (_, style) in kinds.items()]
    write_text(path, picture(title, [panel("accuracy", log=False), panel("kernel_error", log=True)], legend))
