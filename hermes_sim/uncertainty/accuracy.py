"""From ranges of a chip's values to an interval on the accuracy of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from hermes_sim.crossbar.spec import core_crossbar
from hermes_sim.errors import ArchConfigError
from hermes_sim.numerics.network import network_weights
from hermes_sim.numerics.network_accuracy import NetworkRun
from hermes_sim.numerics.workloads import network_inputs
from hermes_sim.rng import child_key
from hermes_sim.uncertainty.assumptions import crossbar_assumptions
from hermes_sim.uncertainty.propagate import by_path, drawn_values, interval
from hermes_sim.uncertainty.substitute import with_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from hermes_sim.chip.schema import Chip
    from hermes_sim.crossbar.spec import CrossbarSpec, Effects
    from hermes_sim.flow import Mapped
    from hermes_sim.numerics.question import Question
    from hermes_sim.uncertainty.assumptions import Assumption
    from hermes_sim.workload.schema import Workload

MOST_CHIPS, MOST_ROWS = 20, 512  # that are evaluated
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
    """What a network's accuracy becomes on chips whose values are drawn from their ranges.

    The devices are those of the first draw each time, so that nothing but the values differs.

    Parameters
    ----------
    question : data, weights and metric, as for the accuracy itself
    samples : chips; at most `MOST_CHIPS` are evaluated, on at most `MOST_ROWS` rows
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
    inputs = network_inputs(workload, graph, question, seed=seed, data_dir=data_dir)
    data = inputs.data.taken(min(question.samples or MOST_ROWS, MOST_ROWS), seed=seed)
    weights = network_weights(graph, inputs.weights, where=inputs.weights_name)
    with threadpool_limits(limits=1, user_api="blas"):
        run = NetworkRun(
            graph,
            mapped.mapping,
            chip,
            spec=core_crossbar(chip.core, effects=effects),
            weights=weights,
            data=data,
            metric=question.metric,
        )
        first, found = child_key(seed, "network", 0), []
        for i, spec in enumerate([run.spec, *specs]):
            found.append(run.scores(run.outputs(run.programmed(first, spec))).mean)
            if progress is not None:
                progress("accuracy over ranges", (i + 1) / (len(specs) + 1))
    told = {"samples": len(specs), "rows": len(data), "paths": [one.label for one in assumptions]}
    return {"interval": interval(found[0], np.array(found[1:])) | told}


def _drawn(
    chip: Chip, assumptions: Sequence[Assumption], samples: int, effects: Effects, seed: int
) -> Iterator[CrossbarSpec]:
    """Cores of so many chips."""
    for values in drawn_values(assumptions, _TRIES * samples, seed):
        try:
            core = with_values(chip, by_path("", values)).core
        except ArchConfigError:  # an inference before the drift compensation that it rests on
            continue
        yield core_crossbar(core, effects=effects)
        samples -= 1
        if not samples:
            return
