"""What decides the accuracy of Performers on the chip: imperfections, drift, the number of random features.

Weights that were trained to bear the chip, every matrix on crossbars, rows of the Long Range Arena. Besides points lost
it is told how many answers are others than those of FP32: where as many get right as wrong nothing is lost, and the
answers still show what an imperfection does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hermes_sim._cpus import one_blas_thread
from hermes_sim.chip.load import load_arch
from hermes_sim.crossbar.spec import Effects, core_crossbar
from hermes_sim.flow import map_workload
from hermes_sim.kit.colours import INK
from hermes_sim.kit.formatting import long_time
from hermes_sim.kit.plots import DASHED, LegendItem, Panel, Style, axis_of, names_axis, picture
from hermes_sim.numerics.metrics import METRICS
from hermes_sim.numerics.network_accuracy import NetworkRun, PairedScores, RowScores, aged, standard_error
from hermes_sim.numerics.question import Question
from hermes_sim.numerics.redraw import with_drawn_projections
from hermes_sim.numerics.workloads import network_inputs
from hermes_sim.rng import child_key, generator
from hermes_sim.validation.lra import MAPPING, arch_of, encoder, run_key
from hermes_sim.validation.lra_told import each_task
from hermes_sim.validation.reproduce_base import Outcome, Sources
from hermes_sim.validation.store import open_store, stored

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hermes_sim.chip.schema import Chip
    from hermes_sim.workload.schema import PerformerEncoder

_DRAWS, _ROWS = 3, 300
_ALL = "all together"
_ON, _OFF, _CHIP = "compensated", "not compensated", "on the chip"
# Imperfections that belong together, each in one group; the repair of drift goes with it.
EFFECTS = {
    "weights cut and rounded": "weight_clipping,weight_quantisation",
    "programming": "programming,stuck_cells",
    "drift and temperature": "drift,drift_compensation,temperature",
    "noise of the cells": "cell_read_noise",
    "wires and polarity": "ir_drop,polarity",
    "inputs": "input_quantisation,input_clipping,input_dead_time",
    "noise of the converters": "adc_noise",
    "gain, offset, curve": "adc_gain,adc_offset,adc_nonlinearity",
    "range and counts": "adc_saturation,adc_quantisation",
    "number formats": "ldpu_fp16,output_format",
}
_TIMES_S = (3600.0, 86_400.0, 31_536_000.0)
_FEATURES = (32, 64, 128, 256, 512)


@dataclass(frozen=True)
class Condition:
    """One way to run a task.

    Parameters
    ----------
    effects : imperfections that are on
    time_s : after programming; None: as the chip file says
    compensated : with the scales found at that time
    features : random features per head, drawn anew for every draw; None: those that were trained with
    """

    effects: Effects = field(default_factory=Effects)
    time_s: float | None = None
    compensated: bool = True
    features: int | None = None


class Lost(NamedTuple):
    """Accuracies (fractions), points lost and answers (%) that are others than those of FP32, with standard errors."""

    chip: float
    fp32: float
    drop_pp: float
    drop_error_pp: float
    changed_pp: float
    changed_error_pp: float

    @property
    def changed(self) -> str:
        """Answers that are others, in words."""
        return f"{self.changed_pp:.1f} +- {self.changed_error_pp:.1f} %"

    @property
    def lost(self) -> str:
        """Points lost, in words."""
        return f"{self.drop_pp:.1f} +- {self.drop_error_pp:.1f} points"


_MEASURES: dict[str, Callable[[Lost], tuple[float, float]]] = {
    "answers that change (%)": lambda one: (one.changed_pp, one.changed_error_pp),
    "points lost": lambda one: (one.drop_pp, one.drop_error_pp),
}


def lost(task: str, case: Condition, sources: Sources) -> Lost:
    """What a task loses on `_DRAWS` chips and `_ROWS` rows, from the store if it is there.

    Raises    DataError  if its weights or data are not at hand
    """
    chip, work = load_arch(arch_of(sources)), encoder(task)
    settings = sources.seed, _DRAWS, _ROWS, case.effects.names, case.time_s, case.compensated, case.features
    return Lost(*stored(open_store(name="lra"), run_key(chip, work, settings), lambda: _run(chip, work, case, sources)))


def _run(chip: Chip, work: PerformerEncoder, case: Condition, sources: Sources) -> Lost:
    if case.features is not None:
        work = work.model_copy(update={"projection_rows": case.features})
    mapped = map_workload(chip, work, MAPPING, seed=sources.seed)
    spec = core_crossbar(mapped.chip.core, effects=case.effects)
    if case.time_s is not None:
        spec = aged(spec, case.time_s, compensated=case.compensated)
    data, weights, name = network_inputs(
        work, mapped.graph, Question(samples=_ROWS), seed=sources.seed, data_dir=sources.data_dir
    )
    assert weights is not None  # see `encoder`
    run_with = partial(NetworkRun, mapped.graph, mapped.mapping, mapped.chip, spec=spec, data=data, weights_name=name)

    def drawn(key: int) -> NetworkRun:
        return run_with(weights=with_drawn_projections(work, weights, generator(key, "projections")))

    keys = [child_key(sources.seed, "network", draw) for draw in range(_DRAWS)]
    scores, others = [], []
    with one_blas_thread():
        runs = [run_with(weights=weights)] * _DRAWS if case.features is None else map(drawn, keys)
        for key, run in zip(keys, runs, strict=True):
            outputs = run.outputs(run.programmed(key))
            scores.append(PairedScores(run.scores(outputs), run.digital))
            same, counts = METRICS["agreement"].scores(outputs, run.exact_outputs)
            others.append(PairedScores(RowScores(same, counts), RowScores(np.ones_like(same), counts)))
    found = float(np.mean([one.chip.mean for one in scores])), float(np.mean([one.digital.mean for one in scores]))
    return Lost(
        *found,
        100 * (found[1] - found[0]),
        100 * standard_error(scores, seed=sources.seed),
        100 * (1 - float(np.mean([one.chip.mean for one in others]))),
        100 * standard_error(others, seed=sources.seed),
    )


def lra_effects(sources: Sources) -> Outcome:
    """Which imperfection costs what when it is the only one that is on."""
    cases = {_ALL: Condition()} | {name: Condition(Effects.of(effects)) for name, effects in EFFECTS.items()}
    found, missing = each_task(lambda task: {name: lost(task, case, sources) for name, case in cases.items()})
    if not found:
        return Outcome(skipped=" ".join(missing))
    lines = tuple(
        {"effect": name, **{task: f"{losses[name].changed}, {losses[name].lost}" for task, losses in found.items()}}
        for name in cases
    )
    words = [f"{task}: {_largest(losses)}" for task, losses in found.items()]
    return Outcome(svg=_effects_plot(found), words=(*words, *missing), lines=lines)


def _largest(losses: Mapping[str, Lost]) -> str:
    """The imperfections that change most answers."""
    every = losses[_ALL]
    order = sorted((name for name in losses if name != _ALL), key=lambda name: -losses[name].changed_pp)
    told = ", ".join(f"{name} {losses[name].changed}" for name in order[:3])
    nothing = [name for name in order if losses[name].changed_pp == 0]
    rest = f"; nothing by {', '.join(nothing)}" if nothing else ""
    return (
        f"all together change {every.changed} of the answers and cost {every.lost}. Most change alone by {told}{rest}."
    )


def _effects_plot(found: Mapping[str, Mapping[str, Lost]]) -> str:
    names = list(next(iter(found.values())))[::-1]
    every = [one for losses in found.values() for one in losses.values()]
    panels = []
    for label, of in _MEASURES.items():
        ends = [of(one)[0] + sign * of(one)[1] for one in every for sign in (-1, 1)]
        panel = Panel(
            "", axis_of(label, [0.0, *ends]), names_axis("", names), width=520, height=120 + 34 * len(names), left=170
        )
        panel.line([(0.0, -0.5), (0.0, len(names) - 0.5)], INK)
        for i, (task, losses) in enumerate(found.items()):
            style, shift = Style.number(i), 0.22 * ((len(found) - 1) / 2 - i)
            for name, one in losses.items():
                (value, error), y = of(one), names.index(name) + shift
                panel.line([(value - error, y), (value + error, y)], style.color)
                panel.dot(value, y, style, radius=4, hint=f"{task}, {name}: {one.changed}, {one.lost}")
        panels.append(panel)
    legend = [LegendItem(task, Style.number(i)) for i, task in enumerate(found)]
    return picture("One imperfection alone, with one standard error", panels, legend)


def lra_drift(sources: Sources) -> Outcome:
    """What is lost an hour, a day and a year after programming, with and without drift compensation."""
    found, missing = each_task(
        lambda task: {
            way: [lost(task, Condition(time_s=time_s, compensated=way == _ON), sources) for time_s in _TIMES_S]
            for way in (_ON, _OFF)
        }
    )
    if not found:
        return Outcome(skipped=" ".join(missing))
    lines = tuple(
        {"task": task, "after programming": long_time(time_s), _ON: losses[_ON][i].lost, _OFF: losses[_OFF][i].lost}
        for task, losses in found.items()
        for i, time_s in enumerate(_TIMES_S)
    )
    plot = _curves("Drift", "seconds after programming", _TIMES_S, found)
    words = [
        f"{task}: {long_time(_TIMES_S[-1])} after programming {losses[_ON][-1].lost} lost with compensation, "
        f"{losses[_OFF][-1].lost} without; after {long_time(_TIMES_S[0])} {losses[_ON][0].lost}."
        for task, losses in found.items()
    ]
    return Outcome(svg=plot, words=(*words, *missing), lines=lines)


def lra_features(sources: Sources) -> Outcome:
    """What the number of random features decides: drawn anew for every chip, all else as it was trained."""
    found, missing = each_task(
        lambda task: {_CHIP: [lost(task, Condition(features=number), sources) for number in _FEATURES]}
    )
    if not found:
        return Outcome(skipped=" ".join(missing))
    lines = tuple(
        {
            "task": task,
            "random features": str(number),
            "FP32 (%)": f"{100 * one.fp32:.1f}",
            "chip (%)": f"{100 * one.chip:.1f}",
            "lost": one.lost,
            "answers that change": one.changed,
        }
        for task, losses in found.items()
        for number, one in zip(_FEATURES, losses[_CHIP], strict=True)
    )
    plot = _curves("Number of random features", "random features per head", _FEATURES, found)
    return Outcome(
        svg=plot, words=(*(f"{t}: {_by_number(one[_CHIP])}" for t, one in found.items()), *missing), lines=lines
    )


def _by_number(losses: Sequence[Lost]) -> str:
    """From the fewest features to the most."""
    few, many = losses[0], losses[-1]
    return (
        f"with {_FEATURES[0]} features FP32 has {100 * few.fp32:.1f} %, with {_FEATURES[-1]} {100 * many.fp32:.1f} %; "
        f"the chip changes {few.changed} and {many.changed} of its answers, {few.lost} and {many.lost} lost."
    )


def _curves(title: str, label: str, x: Sequence[float], found: Mapping[str, Mapping[str, Sequence[Lost]]]) -> str:
    """Accuracy over something, a panel per task: FP32 and every way to run the chip."""
    ways, panels = list(next(iter(found.values()))), []
    for task, losses in found.items():
        every = [one for line in losses.values() for one in line]
        ends = [100 * one.fp32 for one in every] + [
            100 * one.chip + sign * one.drop_error_pp for one in every for sign in (-1, 1)
        ]
        panel = Panel(task, axis_of(label, x, log=True), axis_of("accuracy (%)", ends), width=380, height=300)
        exact = next(iter(losses.values()))
        panel.series([(at, 100 * one.fp32) for at, one in zip(x, exact, strict=True)], Style.number(0), joined=True)
        for i, line in enumerate(losses.values()):
            style = Style.number(i + 1)
            for at, one in zip(x, line, strict=True):
                reach = one.drop_error_pp
                panel.line([(at, 100 * one.chip - reach), (at, 100 * one.chip + reach)], style.color)
            panel.series(
                [(at, 100 * one.chip) for at, one in zip(x, line, strict=True)], style, joined=True, dash=DASHED
            )
        panels.append(panel)
    return picture(title, panels, [LegendItem(word, Style.number(i)) for i, word in enumerate(("FP32", *ways))])
