"""Performers of the Long Range Arena: accuracy on the chip beside FP32, and what the same mapped graph costs.

What was published is that accuracy stays within one point of FP32. Here the same weights are compared on the same rows,
with random features alone on the crossbars and with every matrix there; no fit of the chip saw any of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from hermes_sim.baselines.evaluate import evaluate_baseline
from hermes_sim.baselines.load import load_baseline
from hermes_sim.baselines.sizing import beside
from hermes_sim.chip.load import load_arch
from hermes_sim.crossbar.spec import Effects
from hermes_sim.errors import DataError
from hermes_sim.flow import map_workload
from hermes_sim.kit.plots import LegendItem, Panel, Style, axis_of, names_axis, picture
from hermes_sim.numerics.metrics import metric_for
from hermes_sim.numerics.network import Evaluation, network_weights
from hermes_sim.numerics.programmed import ExactProducts, weights_of
from hermes_sim.numerics.question import Question
from hermes_sim.numerics.redraw import is_projection, with_drawn_projections
from hermes_sim.numerics.workloads import network_inputs, workload_accuracy
from hermes_sim.rng import generator
from hermes_sim.validation.reproduce_base import Outcome, Sources
from hermes_sim.validation.rows import RowKind, ValidationRow
from hermes_sim.workload.load import build_graph, load_workload
from hermes_sim.workload.schema import PerformerEncoder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hermes_sim.chip.schema import Chip
    from hermes_sim.flow import Mapped

_SOURCE = "BU24, doi 10.1038/s42256-024-00943-2: accuracy within 1 % of FP32 on Long Range Arena"
_ARCH, _MAPPING, _DEVICE = "hermes_64_hetero", "balanced", "a100"
_ROWS, _POINT = 2000, 0.01
ATTENTION, FULL = "attention only", "full"


class Published(NamedTuple):
    """Digital accuracy (fractions) of the published models, random features alone or every matrix meant for the chip.

    Source    [BU24], extended data; its test sets are draws of 2,000 rows at the full lengths
    """

    attention: float
    full: float


TASKS = {
    "imdb": Published(0.6621, 0.6558),
    "cifar10": Published(0.4611, 0.4604),
    "listops": Published(0.3750, 0.3885),
    "pathfinder": Published(0.7074, 0.7219),
}


@dataclass(frozen=True)
class Split:
    """What one way to split a task between crossbars and digital units gives.

    Parameters
    ----------
    accuracy : entry `accuracy` of the result document
    latency_ns, energy_pj : of one inference among several
    theirs : of the accelerator at INT8, realistic, as many inferences together: latency_ns and energy_pj
    """

    accuracy: dict[str, Any]
    latency_ns: float
    energy_pj: float
    theirs: tuple[float, float]

    @property
    def drop_pp(self) -> float:
        """Points below FP32 on the same rows."""
        return float(self.accuracy["drop_pp"])

    @property
    def error_pp(self) -> float:
        """Standard error of that, over draws and rows."""
        return float(self.accuracy["paired_se_pp"])


@dataclass(frozen=True)
class Task:
    """One task.

    Parameters
    ----------
    fp32 : accuracy in FP32; other_w : the same with other random features, one value per draw
    splits : by `ATTENTION` and `FULL`
    """

    name: str
    fp32: float
    other_w: tuple[float, ...]
    splits: dict[str, Split]


def lra(sources: Sources) -> Outcome:
    """Rows, plot and sentences for every task whose weights and data are at hand."""
    chip = load_arch(_ARCH if sources.arch == "hermes_64" else sources.arch)
    found, missing = [], []
    for name in TASKS:
        try:
            found.append(look(chip, name, sources))
        except DataError as error:
            missing.append(f"{name} left out: {error.where}: {error.got}.")
    if not found:
        return Outcome(skipped=" ".join(missing))
    rows = tuple(row for task in found for row in _rows(task))
    return Outcome(rows, _plot(found), words=(*map(_words, found), *missing))


def look(chip: Chip, name: str, sources: Sources) -> Task:
    """Accuracy, time and energy of one task, split both ways.

    Raises    DataError  if its weights or data are not at hand
    """
    work = _encoder(name)
    every = {FULL: work, ATTENTION: work.model_copy(update={"digital": _but_features(work)})}
    splits = {split: _split(chip, one, sources) for split, one in every.items()}
    other_w = _fp32_of_drawn_projections(
        work, n_draws=sources.seeds, seed=sources.seed, samples=_ROWS, data_dir=sources.data_dir
    )
    return Task(name, float(splits[FULL].accuracy["digital_fp32"]), other_w, splits)


def _fp32_of_drawn_projections(
    workload: PerformerEncoder,
    *,
    n_draws: int,
    seed: int,
    samples: int | None = None,
    data_dir: str | Path | None = None,
) -> tuple[float, ...]:
    """Metric in FP32 of a Performer's own data, for so many draws of W with all other weights as they are.

    Raises    DataError  if weights or data are not at hand
    """
    graph = build_graph(workload)
    data, weights, name = network_inputs(workload, graph, Question(samples=samples), seed=seed, data_dir=data_dir)
    if weights is None or data.labels is None:
        raise DataError(workload.name, got="no weights or labels", allowed="a trained workload with labelled data")
    found = []
    with threadpool_limits(limits=1, user_api="blas"):
        for draw in range(n_draws):
            drawn = with_drawn_projections(workload, weights, generator(seed, "projections", draw))
            held = network_weights(graph, drawn, where=name)
            products = ExactProducts(weights_of(graph))
            products.program(held.matrices, held.biases)
            outputs = next(iter(Evaluation(graph, held).run(products, data.inputs).values()))
            metric = metric_for(None, outputs, data.labels, where=data.name)
            values, counts = metric.scores(outputs, data.labels)
            found.append(float(values.sum() / counts.sum()))
    return tuple(found)


def _encoder(task: str) -> PerformerEncoder:
    """The encoder of a task with its trained weights.

    Raises    DataError  if it has none
    """
    work = load_workload(f"performer_{task}_full_short")
    if not isinstance(work, PerformerEncoder) or work.weights is None:
        raise DataError(work.name, got="no trained weights", allowed="`hermes-sim train`, then weights: in its file")
    return work


def _but_features(work: PerformerEncoder) -> list[str]:
    """All matrices but the projections of random features."""
    names = dict.fromkeys(op.matrix or "" for op in map_workload(_ARCH, work).graph.operators if op.matrix)
    return [name for name in names if not is_projection(name)]


def _split(chip: Chip, work: PerformerEncoder, sources: Sources) -> Split:
    mapped = map_workload(chip, work, _MAPPING, seed=sources.seed)
    accuracy = _accuracy(mapped, work, sources, draws=sources.seeds, samples=_ROWS)
    figures = mapped.figures(work.inferences, throughput=False)
    (device,) = beside([load_baseline(_DEVICE)], chip)
    theirs = evaluate_baseline(device, mapped.graph, precision="int8", batch=work.inferences).realistic
    return Split(accuracy, figures.latency_ns, figures.energy_pj, (theirs.latency_ns, theirs.energy_pj))


def _accuracy(
    mapped: Mapped,
    work: PerformerEncoder,
    sources: Sources,
    *,
    draws: int,
    samples: int,
    effects: Effects | None = None,
) -> dict[str, Any]:
    found = workload_accuracy(
        work, mapped.chip, mapped.graph, mapped.mapping, seed=sources.seed, effects=effects, wanted=True,
        data_dir=sources.data_dir, question=Question(draws=draws, samples=samples, by_layer=False),
    )  # fmt: skip
    assert found.accuracy is not None  # wanted
    return found.accuracy


def _rows(task: Task) -> list[ValidationRow]:
    """The chip beside FP32: within one point."""
    rows = []
    for split, found in task.splits.items():
        fp32 = float(found.accuracy["digital_fp32"])
        rows.append(
            ValidationRow(
                f"accuracy on the chip, {task.name}, {split}",
                fp32,
                float(found.accuracy["simulated"]),
                _POINT / fp32,
                RowKind.PREDICTED,
                _SOURCE,
                "expected: FP32 with the same weights on the same rows; within one point; short sequences",
                at_least=True,
            )
        )
    return rows


def _words(task: Task) -> str:
    """Accuracies, the claim, time and energy."""
    published = TASKS[task.name]
    parts = []
    for split, theirs in ((ATTENTION, published.attention), (FULL, published.full)):
        found = task.splits[split]
        low, high = found.drop_pp - 2 * found.error_pp, found.drop_pp + 2 * found.error_pp
        verdict = "holds" if high < 1 else "does not hold" if low > 1 else "is open within two standard errors"
        parts.append(
            f"{split}: {100 * found.accuracy['simulated']:.2f} % on the chip, {found.drop_pp:+.2f} +- "
            f"{found.error_pp:.2f} points lost, so that within one point {verdict} (published digital, at the full "
            f"length: {100 * theirs:.2f} %); {1e-3 * found.latency_ns:.0f} us and {1e-6 * found.energy_pj:.1f} uJ an "
            f"inference, an A100 {1e-3 * found.theirs[0]:.0f} us and {1e-6 * found.theirs[1]:.1f} uJ"
        )
    other = (
        f"{100 * np.mean(task.other_w):.2f} +- {100 * np.std(task.other_w, ddof=1):.2f} %" if task.other_w[1:] else ""
    )
    drawn = f", {other} with other random features" if other else ""
    return f"{task.name}: FP32 {100 * task.fp32:.2f} %{drawn}. {'. '.join(parts)}."


def _plot(tasks: Sequence[Task]) -> str:
    """Points lost per task and split, with two standard errors, and the claim."""
    names = [task.name for task in tasks][::-1]
    ends = [
        end
        for task in tasks
        for one in task.splits.values()
        for end in (one.drop_pp - 2 * one.error_pp, one.drop_pp + 2 * one.error_pp)
    ]
    axis = axis_of("points below FP32 on the same rows", [0.0, 1.2, *ends])
    panel = Panel("", axis, names_axis("", names), width=720, height=130 + 60 * len(names), left=130)
    for x, style in ((0.0, Style.number(2)), (1.0, Style.number(3))):
        panel.line([(x, -0.5), (x, len(names) - 0.5)], style.color)
    for i, split in enumerate((ATTENTION, FULL)):
        for task in tasks:
            found, y = task.splits[split], names.index(task.name) + 0.15 - 0.3 * i
            reach = 2 * found.error_pp
            panel.line([(found.drop_pp - reach, y), (found.drop_pp + reach, y)], Style.number(i).color)
            hint = f"{task.name}, {split}: {found.drop_pp:.2f} +- {found.error_pp:.2f} points"
            panel.dot(found.drop_pp, y, Style.number(i), radius=5, hint=hint)
    legend = [LegendItem(ATTENTION, Style.number(0)), LegendItem(FULL, Style.number(1))]
    legend += [LegendItem("FP32", Style.number(2)), LegendItem("claimed bound", Style.number(3))]
    return picture("Long Range Arena on the chip, short sequences", [panel], legend)


_EFFECT_DRAWS, _EFFECT_ROWS = 3, 500


def lra_effects(sources: Sources) -> Outcome:
    """Which imperfection costs how many points when it is the only one that is on; all tasks, every matrix analog."""
    chip = load_arch(_ARCH if sources.arch == "hermes_64" else sources.arch)
    losses: dict[str, dict[str, tuple[float, float]]] = {}
    missing = []
    for name in TASKS:
        try:
            losses[name] = _losses(chip, _encoder(name), sources)
        except DataError as error:
            missing.append(f"{name} left out: {error.where}: {error.got}.")
    if not losses:
        return Outcome(skipped=" ".join(missing))
    words = [f"{name}: {_largest(found)}" for name, found in losses.items()]
    return Outcome((), _effects_plot(losses), words=(*words, *missing))


def _losses(chip: Chip, work: PerformerEncoder, sources: Sources) -> dict[str, tuple[float, float]]:
    """Effect -> points lost and their standard error."""
    mapped, none = map_workload(chip, work, _MAPPING, seed=sources.seed), Effects.none()
    cases = {"all": Effects(), **{name: replace(none, **{name: True}) for name in Effects().names}}
    found = {
        name: _accuracy(mapped, work, sources, draws=_EFFECT_DRAWS, samples=_EFFECT_ROWS, effects=effects)
        for name, effects in cases.items()
    }
    return {name: (float(one["drop_pp"]), float(one["paired_se_pp"])) for name, one in found.items()}


def _largest(found: dict[str, tuple[float, float]]) -> str:
    """The effects that cost most."""
    order = sorted((name for name in found if name != "all"), key=lambda name: -found[name][0])[:3]
    told = ", ".join(f"{name} {found[name][0]:.2f} +- {found[name][1]:.2f}" for name in order)
    return f"all together {found['all'][0]:.2f} +- {found['all'][1]:.2f} points; alone {told}."


def _effects_plot(losses: dict[str, dict[str, tuple[float, float]]]) -> str:
    names = list(next(iter(losses.values())))[::-1]
    axis = axis_of("points lost", [0.0, *(drop for found in losses.values() for drop, _ in found.values())])
    panel = Panel("", axis, names_axis("", names), width=760, height=110 + 26 * len(names), left=170)
    panel.line([(0.0, -0.5), (0.0, len(names) - 0.5)], Style.number(len(losses)).color)
    for i, (task, found) in enumerate(losses.items()):
        for name, (drop, error) in found.items():
            hint = f"{task}, {name}: {drop:.2f} +- {error:.2f}"
            panel.dot(drop, names.index(name), Style.number(i), radius=4, hint=hint)
    return picture(
        "One imperfection alone", [panel], [LegendItem(task, Style.number(i)) for i, task in enumerate(losses)]
    )
