"""What the accuracy commands plot: kernel errors against those of the chip, and accuracy over time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hermes_sim.config.files import write_text
from hermes_sim.errors import DataError
from hermes_sim.kit.colours import BLUE, INK, PALETTE, VERMILLION
from hermes_sim.kit.plots import LegendItem, Panel, Style, axis_of, names_axis, picture
from hermes_sim.validation.measurements import ACCURACY, CHIP, KERNEL_ERROR, MeasuredCell, Measurements

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from hermes_sim.kit.svg import Point
    from hermes_sim.numerics.drift import DriftPoint
    from hermes_sim.validation.accuracy import AccuracyRow
    from hermes_sim.validation.profile import Profile

_HOUR_S = 3600.0
# Of the lines of a profile, by measure; None: all of them together.
_LINES = {None: Style(INK), KERNEL_ERROR: Style(BLUE, "square"), ACCURACY: Style(VERMILLION, "triangle")}


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


def plot_profiles(profiles: Mapping[str, Sequence[Profile]], path: Path) -> None:
    """Log-likelihood over the values of each parameter, from that of the best one: in all, and by measure.

    Raises    OutputError  if the file cannot be written
    """
    panels, names = [], set()
    for model, found in profiles.items():
        for profile in found:
            metrics = dict.fromkeys(metric for metric, _ in profile.best.parts)
            lines = {None: [point.total for point in profile.points]} | {
                metric: [point.of(metric) for point in profile.points] for metric in metrics
            }
            from_best = {name: [value - max(values) for value in values] for name, values in lines.items()}
            low = min(min(values) for values in from_best.values())
            panel = Panel(
                profile.parameter.removeprefix("core.analog."),
                names_axis(model, [str(point.value) for point in profile.points]),
                axis_of("log-likelihood from the best", [low, 0.0]),
            )
            for name, values in from_best.items():
                panel.series(list(enumerate(values)), _LINES[name], joined=True)
            names |= set(lines)
            panels.append(panel)
    legend = [LegendItem((name or "all").replace("_", " "), style) for name, style in _LINES.items() if name in names]
    write_text(path, picture("What the measurements say of one parameter at a time", panels, legend))


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
