"""Performers of the Long Range Arena: accuracy on the chip beside FP32, and what the same mapped graph costs.

What was published is that accuracy stays within one point of FP32. Here the same weights are compared on the same rows,
with random features alone on the crossbars and with every matrix there; no fit of the chip saw any of it. Values that
are done are kept, so that a run which is killed goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hermes_sim._cpus import one_blas_thread
from hermes_sim.baselines.evaluate import evaluate_baseline
from hermes_sim.baselines.load import load_baseline
from hermes_sim.baselines.sizing import beside
from hermes_sim.chip.load import load_arch
from hermes_sim.config.parameters import resolved
from hermes_sim.errors import DataError
from hermes_sim.fingerprint import code_fingerprint
from hermes_sim.flow import map_workload
from hermes_sim.numerics.chip_models import chip_models, with_model
from hermes_sim.numerics.metrics import metric_for
from hermes_sim.numerics.network import Evaluation, network_weights
from hermes_sim.numerics.programmed import ExactProducts, weights_of
from hermes_sim.numerics.question import Question
from hermes_sim.numerics.redraw import is_projection, with_drawn_projections
from hermes_sim.numerics.workloads import network_inputs, workload_accuracy
from hermes_sim.rng import generator
from hermes_sim.validation.store import open_store, stored
from hermes_sim.workload.load import build_graph, identity, load_workload
from hermes_sim.workload.schema import PerformerEncoder

if TYPE_CHECKING:
    from hermes_sim.chip.schema import Chip
    from hermes_sim.config.files import Source
    from hermes_sim.validation.reproduce_base import Sources

MAPPING, DEVICE = "balanced", "a100"
_ARCH, _FEW_DRAWS = "hermes_64_hetero", 3
ATTENTION, FULL = "attention only", "full"
_FP32_TRAINED = "_fp32"  # ends the name of the weights before hardware-aware training, beside those after it


class ArenaTask(NamedTuple):
    """One task: published accuracies and the rows that ours are scored on.

    Parameters
    ----------
    attention, full : digital accuracy (fractions) of the published models, random features alone or every matrix meant
        for the chip. Source: [BU24], extended data; its test sets are draws of 2,000 rows at the full lengths
    rows : of the test set; None: all of them, 5,000 or 10,000
    """

    attention: float
    full: float
    rows: int | None = None


TASKS = {
    "imdb": ArenaTask(0.6621, 0.6558, rows=2000),
    "cifar10": ArenaTask(0.4611, 0.4604),
    "listops": ArenaTask(0.3750, 0.3885),
    "pathfinder": ArenaTask(0.7074, 0.7219),
}


class Scored(NamedTuple):
    """Accuracies (fractions) on the chip and in FP32, points lost, and their standard error over draws and rows."""

    chip: float
    fp32: float
    drop_pp: float
    error_pp: float


@dataclass(frozen=True)
class SplitFigures:
    """What one way to split a task between crossbars and digital units gives.

    Parameters
    ----------
    scored : on the rows of the task
    latency_ns, energy_pj : of one inference among several
    theirs : of the accelerator at INT8, realistic, as many inferences together: latency_ns and energy_pj
    """

    scored: Scored
    latency_ns: float
    energy_pj: float
    theirs: tuple[float, float]


@dataclass(frozen=True)
class TaskFigures:
    """One task.

    Parameters
    ----------
    other_w : FP32 accuracy with other random features, one value per draw
    splits : by `ATTENTION` and `FULL`
    by_model : `FULL` by model of the chip's reads
    fp32_trained : `FULL` with the weights before hardware-aware training, where they are there
    """

    name: str
    other_w: tuple[float, ...]
    splits: dict[str, SplitFigures]
    by_model: dict[str, Scored]
    fp32_trained: Scored | None


def look(name: str, sources: Sources) -> TaskFigures:
    """Accuracy, time and energy of one task.

    Raises    DataError  if its weights or data are not at hand
    """
    work, arch = encoder(name), arch_of(sources)
    chip = load_arch(arch)
    every = {FULL: work, ATTENTION: work.model_copy(update={"digital": _but_features(work)})}
    rows = TASKS[name].rows
    splits = {split: _split(chip, one, sources, rows) for split, one in every.items()}
    known = chip_models()
    others = {model: load_arch(with_model(arch, model)) for model in known.models if model != known.default}
    by_model = {known.default: splits[FULL].scored} | {
        model: scored(one, work, sources, rows=rows, draws=_FEW_DRAWS) for model, one in others.items()
    }
    before, fp32_trained = _before(work), None
    if before.is_file():
        earlier = work.model_copy(update={"weights": str(before)})
        fp32_trained = scored(chip, earlier, sources, rows=rows, draws=_FEW_DRAWS)
    key = run_key(chip, work, ("drawn", sources.seed, sources.seeds, rows))
    other_w = stored(open_store(name="lra"), key, lambda: _fp32_of_drawn_projections(work, sources, rows))
    return TaskFigures(name, other_w, splits, by_model, fp32_trained)


def records(task: str) -> dict[str, dict[str, Any]]:
    """What lies beside the weights of a task: how its FP32 and its hardware-aware training went.

    Raises    DataError  if it has no weights
    """
    work = encoder(task)
    assert work.weights is not None  # see `encoder`
    files = {"FP32": _before(work), "hardware-aware": Path(work.weights)}
    return {
        stage: json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
        for stage, file in files.items()
        if file.is_file()
    }


def _before(work: PerformerEncoder) -> Path:
    """File of the weights before hardware-aware training."""
    assert work.weights is not None  # see `encoder`
    file = Path(work.weights)
    return file.with_stem(file.stem + _FP32_TRAINED)


def arch_of(sources: Sources) -> Source:
    """The chip that was asked for; instead of the default one that has digital units for attention."""
    return _ARCH if sources.arch == "hermes_64" else sources.arch


def encoder(task: str) -> PerformerEncoder:
    """The encoder of a task with its trained weights.

    Raises    DataError  if it has none
    """
    work = load_workload(f"performer_{task}_full_short")
    if not isinstance(work, PerformerEncoder) or work.weights is None:
        raise DataError(work.name, got="no trained weights", allowed="`hermes-sim train`, then weights: in its file")
    return work


def scored(chip: Chip, work: PerformerEncoder, sources: Sources, *, rows: int | None, draws: int) -> Scored:
    """Accuracy of an encoder on so many test rows and on draws of a chip, from the store if it is there.

    Raises    DataError  if its data are not at hand
    """
    mapped = map_workload(chip, work, MAPPING, seed=sources.seed)

    def compute() -> tuple[float, ...]:
        found = workload_accuracy(
            work, mapped.chip, mapped.graph, mapped.mapping, seed=sources.seed, wanted=True,
            data_dir=sources.data_dir, question=Question(draws=draws, samples=rows, by_layer=False),
        ).accuracy  # fmt: skip
        assert found is not None  # wanted
        return (found["simulated"], found["digital_fp32"], found["drop_pp"], found["paired_se_pp"])

    return Scored(*stored(open_store(name="lra"), run_key(chip, work, (sources.seed, draws, rows)), compute))


def run_key(chip: Chip, work: PerformerEncoder, settings: tuple[object, ...]) -> dict[str, object]:
    """All that an evaluation depends on, for the store."""
    assert work.weights is not None  # see `encoder`
    return {
        "code": code_fingerprint(),
        "chip": resolved(chip),
        "workload": {name: value for name, value in identity(work).items() if name != "weights"},
        "weights": hashlib.sha256(Path(work.weights).read_bytes()).hexdigest(),
        "settings": settings,
    }


def _but_features(work: PerformerEncoder) -> list[str]:
    """All matrices but the projections of random features."""
    return [matrix.name for matrix in build_graph(work).matrices if not is_projection(matrix.name)]


def _split(chip: Chip, work: PerformerEncoder, sources: Sources, rows: int | None) -> SplitFigures:
    mapped = map_workload(chip, work, MAPPING, seed=sources.seed)
    figures = mapped.figures(work.inferences, throughput=False)
    (device,) = beside([load_baseline(DEVICE)], chip)
    theirs = evaluate_baseline(device, mapped.graph, precision="int8", batch=work.inferences).realistic
    return SplitFigures(
        scored(chip, work, sources, rows=rows, draws=sources.seeds),
        figures.latency_ns,
        figures.energy_pj,
        (theirs.latency_ns, theirs.energy_pj),
    )


def _fp32_of_drawn_projections(work: PerformerEncoder, sources: Sources, rows: int | None) -> tuple[float, ...]:
    """Accuracy in FP32 for as many draws of W as there are seeds, all other weights as they are."""
    graph, asked = build_graph(work), Question(samples=rows)
    data, weights, name = network_inputs(work, graph, asked, seed=sources.seed, data_dir=sources.data_dir)
    assert weights is not None  # see `encoder`
    assert data.labels is not None  # sets of the arena have them
    found = []
    with one_blas_thread():
        for draw in range(sources.seeds):
            drawn = with_drawn_projections(work, weights, generator(sources.seed, "projections", draw))
            held = network_weights(graph, drawn, where=name)
            products = ExactProducts(weights_of(graph))
            products.program(held.matrices, held.biases)
            outputs = next(iter(Evaluation(graph, held).run(products, data.inputs).values()))
            values, counts = metric_for(None, outputs, data.labels, where=name).scores(outputs, data.labels)
            found.append(float(values.sum() / counts.sum()))
    return tuple(found)
