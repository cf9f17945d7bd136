"""What the accuracy commands plot: kernel errors against those of the chip, and accuracy over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes_sim.errors import DataError
from hermes_sim.validation.measurements import CHIP, KERNEL_ERROR, Cell, Measurements
from hermes_sim.validation.plots import Panel, Series, log_plot

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hermes_sim.numerics.drift import DriftPoint
    from hermes_sim.validation.accuracy import AccuracyRow

_HOUR_S = 3600.0


def check_measured_errors(cells: Sequence[Cell], measurements: Measurements, where: str) -> None:
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
    series = []
    for colour, dataset in enumerate(sorted({row.cell.dataset for row in measured})):
        for model, label in (("full", "whole chip"), ("fp32", "FP32")):
            pairs = [
                (row.comparisons[model].chip_mean, row.comparisons[model].mean)
                for row in measured
                if row.cell.dataset == dataset and model in row.comparisons
            ]
            points = [(x, y) for x, y in pairs if x > 0 and y > 0]
            if points:
                series.append(Series(f"{dataset}, {label}", points, hollow=model == "fp32", colour=colour))
    panel = Panel("measured on the chip", "simulated", series, diagonal=True)
    log_plot(path, title="Kernel error: simulated against measured", panels=[panel])


def plot_drift(points: Sequence[DriftPoint], path: Path, *, title: str) -> None:
    """Accuracy and kernel error over hours after programming, with and without compensation.

    Raises    OutputError  if the file cannot be written
    """

    def panel(quantity: str, *, linear_y: bool) -> Panel:
        series = [
            Series(
                label,
                [(p.time_s / _HOUR_S, getattr(p, quantity)) for p in points if p.compensated == compensated],
                line=True,
                colour=colour,
            )
            for colour, (label, compensated) in enumerate((("scale renewed", True), ("first scale kept", False)))
        ]
        return Panel("hours after programming", quantity.replace("_", " "), series, linear_y=linear_y)

    log_plot(path, title=title, panels=[panel("accuracy", linear_y=True), panel("kernel_error", linear_y=False)])
