"""Which products stay on crossbars when accuracy may drop by so much: sensitivity first, then whole networks.

Sensitivity one product at a time misses how errors add up, so every split on the way is evaluated as a whole: mapped
anew, with its own latency and energy. Half-way the rest is ranked once more where it then stands; at the end single
matrices change sides, or two at a time, as long as that makes it cheaper within the bound.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hermes_sim._cpus import one_blas_thread
from hermes_sim.crossbar.spec import core_crossbar
from hermes_sim.errors import WorkloadError
from hermes_sim.flow import map_workload
from hermes_sim.numerics.network_accuracy import NetworkRun
from hermes_sim.rng import child_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from hermes_sim.chip.schema import Chip
    from hermes_sim.flow import Mapped
    from hermes_sim.numerics.network_data import NetworkData
    from hermes_sim.workload.schema import Workload

OBJECTIVES = ("energy", "latency")
_TRIES = 3  # evaluations for every matrix, when a split within the bound is made cheaper


class Costs(NamedTuple):
    """Of one inference: its latency, and its energy on the chip."""

    latency_ns: float
    energy_pj: float

    def of(self, objective: str) -> float:
        """What is to be small."""
        return self.energy_pj if objective == "energy" else self.latency_ns


class EvaluatedSplit(NamedTuple):
    """Products on digital units, and what the whole then does.

    Parameters
    ----------
    digital : names of the matrices that no crossbar holds
    accuracy, drop : of the metric, means over draws; a drop is in points for accuracies, in the metric's unit for
        errors; above zero the chip is worse than FP32
    std : over draws, None of one
    latency_ns, energy_pj : of one inference, on the chip, in the steady state
    """

    digital: tuple[str, ...]
    accuracy: float
    drop: float
    std: float | None
    latency_ns: float
    energy_pj: float


@dataclass(frozen=True)
class Partition:
    """What a search found.

    Parameters
    ----------
    metric, digital_fp32 : what is measured, and its value in FP32
    sensitivity : drop with one matrix alone on crossbars
    steps : splits in the order in which they were evaluated
    chosen : that meets the bound at the least cost
    again : the same split on as many chips that had no part in the choice
    """

    metric: str
    digital_fp32: float
    sensitivity: Mapping[str, float]
    steps: tuple[EvaluatedSplit, ...]
    chosen: EvaluatedSplit
    again: EvaluatedSplit


@dataclass
class Splits:
    """Splits of one network on one chip, each evaluated once.

    Parameters
    ----------
    strategy : that places what is on crossbars
    weights : of a file, or None; draws, seed : programmed chips
    inferences : of the run that gives latency and energy
    """

    chip: Chip
    workload: Workload
    data: NetworkData
    weights: Mapping[str, NDArray[Any]] | None
    metric: str | None
    strategy: str
    draws: int
    seed: int
    inferences: int
    progress: Callable[[str, float], None] | None = None
    found: dict[frozenset[str], EvaluatedSplit] = field(default_factory=dict)
    _costs: dict[frozenset[str], Costs] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.all_analog = self._all_analog()
        graph = self.all_analog.graph
        operators: defaultdict[str, set[str]] = defaultdict(set)
        for op in graph.operators:
            if op.on_crossbar and op.matrix:
                operators[graph.called(op.matrix)].add(op.name)
        self.matrices = tuple(operators)
        self._operators = {name: frozenset(names) for name, names in operators.items()}
        self._seeds = self._chips(0)

    def mapped(self, digital: frozenset[str]) -> Mapped:
        """The workload with some of its matrices on digital units."""
        kept = [*self.workload.digital, *sorted(digital)]
        return map_workload(
            self.chip, self.workload.model_copy(update={"digital": kept}), self.strategy, seed=self.seed
        )

    def _all_analog(self) -> NetworkRun:
        mapped = self.mapped(frozenset())
        return NetworkRun(
            mapped.graph,
            mapped.mapping,
            self.chip,
            spec=core_crossbar(self.chip.core),
            data=self.data,
            weights=self.weights,
            metric=self.metric,
        )

    def _chips(self, first: int) -> list[int]:
        """Seeds of so many programmed chips, from one on."""
        return [child_key(self.seed, "network", draw) for draw in range(first, first + self.draws)]

    def evaluate(self, digital: Iterable[str]) -> EvaluatedSplit:
        """Accuracy, latency and energy of a split."""
        key = frozenset(digital)
        if key not in self.found:
            self.found[key] = self._on(self._seeds, key)
        return self.found[key]

    def again(self, digital: Iterable[str]) -> EvaluatedSplit:
        """A split on as many chips that `evaluate` does not see."""
        return self._on(self._chips(self.draws), frozenset(digital))

    def _on(self, seeds: Sequence[int], key: frozenset[str]) -> EvaluatedSplit:
        mapped = self.mapped(key)
        run = self.all_analog.remapped(mapped.graph, mapped.mapping)
        values = [run.scores(run.outputs(run.programmed(one))).mean for one in seeds]
        mean = float(np.mean(values))
        return EvaluatedSplit(
            tuple(name for name in self.matrices if name in key),
            mean,
            self.drop(mean),
            float(np.std(values, ddof=1)) if len(values) > 1 else None,
            *self.costs(key, mapped),
        )

    def costs(self, digital: Iterable[str], mapped: Mapped | None = None) -> Costs:
        """Latency and energy of a split, without its accuracy; `mapped` if it is at hand."""
        key = frozenset(digital)
        if key not in self._costs:
            figures = (mapped or self.mapped(key)).figures(self.inferences, throughput=False)
            self._costs[key] = Costs(figures.latency_ns, figures.energy_on_chip_pj)
        return self._costs[key]

    def drop(self, value: float) -> float:
        """How much worse than FP32."""
        metric, exact = self.all_analog.metric, self.all_analog.digital.mean
        return 100.0 * (exact - value) if metric.higher_is_better else value - exact

    def sensitivity(self, among: Sequence[str], *, others_exact: bool) -> dict[str, float]:
        """Drop that each matrix is to blame for.

        others_exact : with it alone on crossbars; else what an exact one brings back while the rest of `among` stays
        """
        every = frozenset().union(*self._operators.values())
        here = frozenset().union(*(self._operators[name] for name in among))
        drops: dict[str, list[float]] = {name: [] for name in among}
        for i, one in enumerate(self._seeds):
            chip = self.all_analog.programmed(one)
            base = 0.0 if others_exact else self._drop_without(chip, every - here)
            for name in among:
                mine = self._operators[name]
                if others_exact:
                    drops[name].append(self._drop_without(chip, every - mine))
                else:
                    drops[name].append(base - self._drop_without(chip, (every - here) | mine))
            if self.progress is not None:
                self.progress("sensitivity", (i + 1) / len(self._seeds))
        return {name: float(np.mean(values)) for name, values in drops.items()}

    def _drop_without(self, chip: Any, exact: frozenset[str]) -> float:
        run = self.all_analog
        return self.drop(run.scores(run.outputs(run.partly(chip, exact))).mean)


def partition(splits: Splits, *, max_drop: float, objective: str = "energy") -> Partition:
    """The split of least cost whose drop stays within a bound.

    Parameters
    ----------
    max_drop : points of accuracy, or the metric's unit for errors
    objective : ``energy`` or ``latency``

    Raises
    ------
    WorkloadError
        if even the network without crossbars loses more
    """
    with one_blas_thread():
        sensitivity = splits.sensitivity(splits.matrices, others_exact=True)
        order = sorted(splits.matrices, key=lambda name: -sensitivity[name])
        digital: list[str] = []
        split = splits.evaluate(digital)
        while split.drop > max_drop and order:
            if len(order) == (len(splits.matrices) + 1) // 2 and digital:
                anew = splits.sensitivity(order, others_exact=False)
                order.sort(key=lambda name: -anew[name])
            digital.append(order.pop(0))
            split = splits.evaluate(digital)
            if splits.progress is not None:
                splits.progress("splits", len(digital) / len(splits.matrices))
        if split.drop > max_drop:
            allowed = f"a bound of at least {split.drop:.3g}, which digital units alone cost in their formats"
            raise WorkloadError("--max-drop", got=max_drop, allowed=allowed)
        _improve(splits, frozenset(digital), max_drop, objective)
        within = [one for one in splits.found.values() if one.drop <= max_drop]
        chosen = min(within, key=lambda one: (splits.costs(one.digital).of(objective), len(one.digital)))
        again = splits.again(chosen.digital)
    run = splits.all_analog
    return Partition(run.metric.name, run.digital.mean, sensitivity, tuple(splits.found.values()), chosen, again)


def _improve(splits: Splits, start: frozenset[str], max_drop: float, objective: str) -> None:
    """From a split within the bound to cheaper ones, one matrix moved or two exchanged, until none is within it."""
    here, tries = start, _TRIES * len(splits.matrices)
    while tries > 0:
        found = None
        costs = {one: splits.costs(one).of(objective) for one in _neighbours(splits.matrices, here)}
        for one in sorted(costs, key=lambda key: (costs[key], sorted(key))):
            if costs[one] >= splits.costs(here).of(objective) or tries == 0:
                break
            tries -= one not in splits.found
            if splits.evaluate(one).drop <= max_drop:
                found = one
                break
        if found is None:
            return
        here = found


def _neighbours(matrices: Sequence[str], digital: frozenset[str]) -> list[frozenset[str]]:
    """Splits that differ by one matrix, or in which two have changed sides."""
    flipped = [digital ^ {name} for name in matrices]
    analog = [name for name in matrices if name not in digital]
    swapped = [digital ^ {one, other} for one in sorted(digital) for other in analog]
    return list(dict.fromkeys([*flipped, *swapped]))
