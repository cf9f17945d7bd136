"""From ranges of a chip's values to an interval on the accuracy of a workload."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hermes_sim._cpus import one_blas_thread
from hermes_sim.crossbar.spec import core_crossbar
from hermes_sim.errors import ArchConfigError
from hermes_sim.numerics.network_accuracy import NetworkRun
from hermes_sim.numerics.programmed import PROJECT, ProgrammedChip, W, one_product
from hermes_sim.numerics.workloads import network_inputs, workload_accuracy
from hermes_sim.rng import child_key, generator
from hermes_sim.uncertainty.assumptions import core_assumptions
from hermes_sim.uncertainty.propagate import by_path, drawn_values, interval
from hermes_sim.uncertainty.substitute import with_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from hermes_sim.chip.core import Core
    from hermes_sim.chip.schema import Chip
    from hermes_sim.config.vocabulary import ReadMode
    from hermes_sim.crossbar.spec import CrossbarSpec, Effects
    from hermes_sim.flow import Mapped
    from hermes_sim.numerics.question import Question
    from hermes_sim.uncertainty.assumptions import Assumption
    from hermes_sim.workload.schema import Workload

MOST_CHIPS, MOST_ROWS = 20, 512  # that are evaluated
_PROBE_ROWS, _PROBE_COLUMNS, _PROBE_VECTORS = 256, 8, 16
_SAME = 1e-6  # of the largest output: float32
_TRIES = 8  # draws for every chip that is wanted, as those whose values contradict each other do not count


def accuracy_interval(
    workload: Workload,
    mapped: Mapped,
    question: Question,
    *,
    samples: int,
    effects: Effects,
    seed: int = 0,
    data_dir: str | Path | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> dict[str, Any]:
    """What a workload's accuracy becomes on chips whose values are drawn from their ranges.

    The devices are those of the first draw each time, so that nothing but the values differs.

    Parameters
    ----------
    question : data, weights and metric, as for the accuracy itself
    samples : chips; at most `MOST_CHIPS` are evaluated, a network on at most `MOST_ROWS` rows
    effects : imperfections that are on
    progress : called with a stage name and the fraction done

    Returns
    -------
    entries of the document's `accuracy`: ``interval``, or ``interval_missing`` where no value with a range matters
    """
    chip, graph = mapped.chip, mapped.graph
    assumptions = crossbar_assumptions(chip, effects)
    if not assumptions:
        return {"interval_missing": "no value of the chip that accuracy depends on has a range"}
    specs = list(_drawn(chip, assumptions, min(samples, MOST_CHIPS), effects, seed))
    if not specs:
        return {"interval_missing": "values that are each within their range contradict each other in every draw"}
    score_of = _network_score if graph.network is not None else _experiment_score
    nominal = core_crossbar(chip.core, effects=effects)
    found, rows = [], 0
    with one_blas_thread():
        score = score_of(workload, mapped, question, nominal, seed=seed, data_dir=data_dir)
        for i, spec in enumerate([nominal, *specs]):
            value, rows = score(spec)
            found.append(value)
            if progress is not None:
                progress("accuracy over ranges", (i + 1) / (len(specs) + 1))
    told = {"samples": len(specs), "rows": rows, "paths": [one.label for one in assumptions]}
    return {"interval": interval(found[0], np.array(found[1:])) | told}


def _network_score(
    workload: Workload,
    mapped: Mapped,
    question: Question,
    nominal: CrossbarSpec,
    *,
    seed: int,
    data_dir: str | Path | None,
) -> Callable[[CrossbarSpec], tuple[float, int]]:
    """Accuracy of a network on cores of a kind, and of how many rows."""
    graph, most = mapped.graph, min(question.samples or MOST_ROWS, MOST_ROWS)
    inputs = network_inputs(workload, graph, question, seed=seed, data_dir=data_dir)
    data = inputs.data.taken(most, seed=seed)
    run = NetworkRun(
        graph, mapped.mapping, mapped.chip, spec=nominal, data=data,
        weights=inputs.weights, weights_name=inputs.weights_name, metric=question.metric,
    )  # fmt: skip
    first = child_key(seed, "network", 0)

    def score(spec: CrossbarSpec) -> tuple[float, int]:
        return run.scores(run.outputs(run.programmed(first, spec))).mean, len(data)

    return score


def _experiment_score(
    workload: Workload,
    mapped: Mapped,
    question: Question,
    _nominal: CrossbarSpec,
    *,
    seed: int,
    data_dir: str | Path | None,
) -> Callable[[CrossbarSpec], tuple[float, int]]:
    """Accuracy of what trains or draws what it tests, on cores of a kind, and of how many rows."""

    def score(spec: CrossbarSpec) -> tuple[float, int]:
        found = workload_accuracy(
            workload,
            mapped.chip,
            mapped.graph,
            mapped.mapping,
            seed=seed,
            spec=spec,
            wanted=True,
            data_dir=data_dir,
            question=replace(question, draws=1),
        ).accuracy
        assert found is not None  # it was wanted
        return found["simulated"], found["n_test"]

    return score


def crossbar_assumptions(chip: Chip, effects: Effects) -> list[Assumption]:
    """Values with a range that move what a core returns, as a core that is programmed with either end shows.

    All others are as the file says, or all drawn: a coefficient may not matter before something else differs.

    effects : imperfections that are on; values of the others move nothing
    """
    every = core_assumptions(chip)
    drawn = next((values for values in drawn_values(every, _TRIES, 0) if _core(chip, values) is not None), {})

    def moves(one: Assumption, others: Mapping[Assumption, float]) -> bool:
        cores = [_core(chip, {**others, one: value}) for value in (one.low, one.quantity.value, one.high)]
        specs = [core_crossbar(core, effects=effects) for core in cores if core is not None]
        if all(spec == specs[0] for spec in specs):
            return False
        first, *more = (_returned(spec, chip.read_mode) for spec in specs)
        return not all(np.allclose(first, other, rtol=0, atol=_SAME * np.abs(first).max()) for other in more)

    return [one for one in every if moves(one, {}) or moves(one, drawn)]


def _core(chip: Chip, values: Mapping[Assumption, float]) -> Core | None:
    """The core with other values; None where they contradict each other."""
    try:
        return with_values(chip.core, {path.removeprefix("core."): x for path, x in by_path("", values).items()})
    except ArchConfigError:  # an inference before the drift compensation that it rests on
        return None


def _returned(spec: CrossbarSpec, mode: ReadMode) -> NDArray[Any]:
    """Outputs of one core with random weights, the first column all of one sign, for inputs of any size."""
    random = generator(0, "probe")
    weights = random.normal(size=(_PROBE_ROWS, _PROBE_COLUMNS))
    weights[:, 0] = np.abs(weights[:, 0])
    x = random.random((_PROBE_VECTORS, _PROBE_ROWS)).astype(np.float32) * np.linspace(0.1, 1, _PROBE_VECTORS)[:, None]
    graph, mapping = one_product(*weights.shape, rows=spec.rows, columns=spec.columns)
    programmed = ProgrammedChip(graph, mapping, spec=spec, mode=mode, seed=0)
    programmed.program({W: weights})
    programmed.calibrate(PROJECT, x)
    ranges = programmed.ranges(x, np.zeros(len(x), np.int64))
    return np.asarray(programmed.project(PROJECT, x, input_range=ranges))


def _drawn(
    chip: Chip, assumptions: Sequence[Assumption], samples: int, effects: Effects, seed: int
) -> Iterator[CrossbarSpec]:
    """Cores of so many chips."""
    for values in drawn_values(assumptions, _TRIES * samples, seed):
        core = _core(chip, values)
        if core is None:
            continue
        yield core_crossbar(core, effects=effects)
        samples -= 1
        if not samples:
            return
