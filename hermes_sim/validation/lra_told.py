"""The Performers of the Long Range Arena as figures of `reproduce`: rows, plots, sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from hermes_sim.errors import DataError
from hermes_sim.kit.formatting import percent
from hermes_sim.kit.plots import LegendItem, Panel, Style, axis_of, names_axis, picture
from hermes_sim.validation.lra import ATTENTION, FULL, TASKS, Scored, TaskFigures, look, records
from hermes_sim.validation.reproduce_base import Outcome, Sources
from hermes_sim.validation.rows import RowKind, ValidationRow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_SOURCE = "BU24, doi 10.1038/s42256-024-00943-2: accuracy within 1 % of FP32 on Long Range Arena"
_POINT = 0.01
T = TypeVar("T")


def lra(sources: Sources) -> Outcome:
    """Every task whose weights and data are at hand."""
    found, missing = each_task(lambda name: look(name, sources))
    if not found:
        return Outcome(skipped=" ".join(missing))
    tasks = list(found.values())
    rows = tuple(row for task in tasks for row in _rows(task))
    lines = tuple(line for task in tasks for line in _lines(task))
    return Outcome(rows, _plot(tasks), words=(*map(_words, tasks), *missing), lines=lines)


def lra_training(sources: Sources) -> Outcome:  # noqa: ARG001 - the weights are the same for every chip
    """How the shipped weights were trained: validation accuracy over epochs, in FP32 and then hardware-aware."""
    found, missing = each_task(records)
    if not found:
        return Outcome(skipped=" ".join(missing))
    lines = tuple(
        {
            "task": task,
            "stage": stage,
            "epochs": f"{record['epochs']:.2f}",
            "minutes": f"{record['minutes']:.0f}",
            "of the published updates": percent(record["share_of_published_updates"]),
            "best look, validation (%)": f"{100 * record['validation']:.1f}",
            "test (%)": f"{100 * record['test']:.1f}",
            "machine": record["machine"],
        }
        for task, stages in found.items()
        for stage, record in stages.items()
    )
    return Outcome(svg=_training_plot(found), words=tuple(missing), lines=lines)


def _training_plot(found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """A panel per task; hardware-aware training, which looks under noise, goes on where FP32 ended."""
    panels = []
    for task, stages in found.items():
        curves, start = {}, 0.0
        for stage, record in stages.items():
            curves[stage] = [(start + epochs, 100 * value) for epochs, value in record["validation_curve"]]
            start += record["epochs"]
        points = [point for curve in curves.values() for point in curve]
        axes = axis_of("epochs", [x for x, _ in points]), axis_of("validation accuracy (%)", [y for _, y in points])
        panel = Panel(task, *axes, width=380, height=300)
        for i, curve in enumerate(curves.values()):
            panel.series(curve, Style.number(i), joined=True)
        panels.append(panel)
    legend = [LegendItem(stage, Style.number(i)) for i, stage in enumerate(next(iter(found.values())))]
    return picture("Training of the shipped Performers", panels, legend)


def each_task(make: Callable[[str], T]) -> tuple[dict[str, T], list[str]]:
    """What can be made of every task, and sentences about the others."""
    found, missing = {}, []
    for name in TASKS:
        try:
            found[name] = make(name)
        except DataError as error:
            missing.append(f"{name} left out: {error.where}: {error.got}.")
    return found, missing


def _rows(task: TaskFigures) -> list[ValidationRow]:
    """The chip beside FP32: within one point."""
    return [
        ValidationRow(
            f"accuracy on the chip, {task.name}, {name}",
            split.scored.fp32,
            split.scored.chip,
            _POINT / split.scored.fp32,
            RowKind.PREDICTED,
            _SOURCE,
            "expected: FP32 with the same weights on the same rows; within one point; short sequences",
            at_least=True,
        )
        for name, split in task.splits.items()
    ]


def _lines(task: TaskFigures) -> list[dict[str, str]]:
    """The table: per split accuracies, what is lost, the claim, time and energy."""
    of, lines = TASKS[task.name], []
    for name, theirs in ((ATTENTION, of.attention), (FULL, of.full)):
        split = task.splits[name]
        lines.append(
            {
                "task": task.name,
                "on crossbars": name,
                "test rows": "all" if of.rows is None else f"{of.rows:,}",
                "published, digital (%)": f"{100 * theirs:.2f}",
                "FP32 (%)": f"{100 * split.scored.fp32:.2f}",
                "chip (%)": f"{100 * split.scored.chip:.2f}",
                "points lost": f"{split.scored.drop_pp:.2f} +- {split.scored.error_pp:.2f}",
                "within one": _verdict(split.scored),
                "us": f"{1e-3 * split.latency_ns:.0f}",
                "uJ": f"{1e-6 * split.energy_pj:.1f}",
                "A100, us": f"{1e-3 * split.theirs[0]:.0f}",
                "A100, uJ": f"{1e-6 * split.theirs[1]:.1f}",
            }
        )
    return lines


def _words(task: TaskFigures) -> str:
    """What the table has no room for: other W, models of the reads, the weights before hardware-aware training."""
    parts = ["by model of the reads, full: " + ", ".join(f"{m} {_lost(one)}" for m, one in task.by_model.items())]
    if task.fp32_trained is not None:
        one = task.fp32_trained
        parts.append(f"before hardware-aware training: FP32 {100 * one.fp32:.2f} %, full {_lost(one)}")
    spread = f" +- {100 * np.std(task.other_w, ddof=1):.2f}" if len(task.other_w) > 1 else ""
    other = f"{100 * np.mean(task.other_w):.2f}{spread} % with other random features"
    return f"{task.name}: FP32 {100 * task.splits[FULL].scored.fp32:.2f} %, {other}. {'. '.join(parts)}."


def _lost(one: Scored) -> str:
    return f"{one.drop_pp:.2f} +- {one.error_pp:.2f} points lost"


def _verdict(one: Scored) -> str:
    """Whether at most one point is lost, by two standard errors."""
    if one.drop_pp + 2 * one.error_pp < 1:
        return "holds"
    return "does not hold" if one.drop_pp - 2 * one.error_pp > 1 else "is open"


def _plot(tasks: Sequence[TaskFigures]) -> str:
    """Points lost per task and split, with two standard errors, and the claim."""
    names = [task.name for task in tasks][::-1]
    dots = [(task.name, i, task.splits[split].scored) for i, split in enumerate((ATTENTION, FULL)) for task in tasks]
    ends = [one.drop_pp + sign * 2 * one.error_pp for _, _, one in dots for sign in (-1, 1)]
    axis = axis_of("points below FP32 on the same rows", [0.0, 1.2, *ends])
    panel = Panel("", axis, names_axis("", names), width=720, height=130 + 60 * len(names), left=130)
    for x, style in ((0.0, Style.number(2)), (1.0, Style.number(3))):
        panel.line([(x, -0.5), (x, len(names) - 0.5)], style.color)
    for name, i, one in dots:
        y, reach, style = names.index(name) + 0.15 - 0.3 * i, 2 * one.error_pp, Style.number(i)
        panel.line([(one.drop_pp - reach, y), (one.drop_pp + reach, y)], style.color)
        panel.dot(one.drop_pp, y, style, radius=5, hint=f"{name}: {_lost(one)}")
    legend = [LegendItem(word, Style.number(i)) for i, word in enumerate((ATTENTION, FULL, "FP32", "claimed bound"))]
    return picture("Long Range Arena on the chip, short sequences", [panel], legend)
