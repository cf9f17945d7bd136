"""`fit --profile`: what the measurements say of one parameter of a model at a time, the others held.

A profile of one dimension does not see that two parameters can stand for each other. Cells count as independent and
the model as exact, so intervals are too narrow where it is not: a second one allows for the misfit at the best value.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hermes_sim.errors import DataError, chosen
from hermes_sim.numerics.chip_models import Assumed, Profiled, chip_model
from hermes_sim.numerics.datasets import load_dataset
from hermes_sim.validation.accuracy import compare_cells, select_cells
from hermes_sim.validation.cells import run_cells
from hermes_sim.validation.measurements import ACCURACY, CHIP, KERNEL_ERROR, read_measurements
from hermes_sim.validation.plans import published_plan
from hermes_sim.validation.score import total

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from joblib import Memory

    from hermes_sim.config.files import Source
    from hermes_sim.numerics.datasets import Dataset
    from hermes_sim.validation.cells import Plan
    from hermes_sim.validation.measurements import MeasuredCell, Measurements
    from hermes_sim.validation.plans import RunsApart

    Value = str | float | int | bool

# A value is kept if its log-likelihood is within so much of the best one.
DROP = 2.0
# Between data set and field, where a parameter is a setting of the runs of one set.
OF_SET = ": "


@dataclass(frozen=True)
class Profiling:
    """What every point of a profile shares.

    Parameters
    ----------
    source : chip file, with what a user changes in it
    apart : what the files of data sets say of their runs; where they give a range, its ends are tried for that set
    stages : measures that are scored, and seeds per cell of each
    store : of finished values; a profile that is killed goes on there
    """

    source: Source
    model: str
    apart: RunsApart
    cells: Sequence[MeasuredCell]
    datasets: Mapping[str, Dataset]
    measurements: Measurements
    store: Memory
    stages: Mapping[str, int]
    seed: int = 0
    n_threads: int = 1

    @classmethod
    def read(
        cls,
        *,
        data_dir: str | Path | None,
        measurements_path: str | Path,
        wanted: Mapping[str, Sequence[str]],
        n_seeds: int,
        n_accuracy_seeds: int = 0,
        **others: Any,
    ) -> Profiling:
        """Cells that were measured, with their data.

        Parameters
        ----------
        wanted : names by attribute of a cell, see `select_cells`
        n_seeds : per cell of kernel errors; n_accuracy_seeds : of accuracies, 0 for none

        Raises    DataError  for tables, folders or names that cannot be used, or without values of the chip
        """
        seeds = {KERNEL_ERROR: n_seeds, ACCURACY: n_accuracy_seeds}
        stages = {metric: count for metric, count in seeds.items() if count}
        measurements = read_measurements(measurements_path)
        cells = [
            cell
            for cell in select_cells(measurements, wanted)
            if any(len(measurements.get(cell, CHIP, metric)) for metric in stages)
        ]
        if not cells:
            raise DataError(
                str(measurements_path), got=f"no {' or '.join(stages)} of the chip", allowed="rows with platform chip"
            )
        datasets = {name: load_dataset(name, data_dir) for name in sorted({cell.dataset for cell in cells})}
        return cls(cells=cells, datasets=datasets, measurements=measurements, stages=stages, **others)


@dataclass(frozen=True)
class ProfilePoint:
    """Log-likelihood at one value of a parameter.

    Parameters
    ----------
    parts : level, spread and total by measure and data set
    chi2 : mean square of the differences of means, in standard errors
    """

    value: Value
    parts: Mapping[tuple[str, str], Mapping[str, float]]
    chi2: float

    @property
    def total(self) -> float:
        """Of everything."""
        return self.of()

    def of(self, metric: str | None = None, dataset: str | None = None) -> float:
        """Of a measure, of a data set, or of both; None: of all."""
        return sum(
            part["total"]
            for (one_metric, one_set), part in self.parts.items()
            if metric in (None, one_metric) and dataset in (None, one_set)
        )


@dataclass(frozen=True)
class Profile:
    """One parameter: a field of a chip file, or a setting of the published runs.

    Parameters
    ----------
    held : the value while others move, None if it was not tried
    """

    parameter: str
    reason: str
    held: Value | None
    points: tuple[ProfilePoint, ...]

    @property
    def best(self) -> ProfilePoint:
        """The value with the largest log-likelihood."""
        return max(self.points, key=lambda point: point.total)

    def kept(self, drop: float = DROP) -> list[Value]:
        """Of the values tried those that are within so much of the best."""
        return [point.value for point in self.points if self.best.total - point.total <= drop]

    def interval(self, drop: float = DROP) -> tuple[float | None, float | None] | None:
        """Ends of what is within `drop` of the largest value of a parabola; an end beyond the values tried is None.

        The parabola goes through the best value and its neighbours. None for words, or if it has no top.
        """
        numbers = [number_of(point.value) for point in self.points]
        if len(self.points) < 3 or None in numbers:
            return None
        pairs = sorted(zip(numbers, self.points, strict=True), key=lambda pair: pair[0])  # type: ignore[arg-type,return-value]
        points = [point for _, point in pairs]
        centre = min(max(points.index(self.best), 1), len(points) - 2)
        x = np.array([number for number, _ in pairs], np.float64)
        near = slice(centre - 1, centre + 2)
        square, slope, _ = np.polyfit(x[near] - x[centre], [point.total for point in points[near]], 2)
        if not square < 0:
            return None
        top, reach = x[centre] - slope / (2 * square), np.sqrt(drop / -square)
        low, high = float(top - reach), float(top + reach)
        return (low if low >= x[0] else None), (high if high <= x[-1] else None)

    def decided_by(self) -> list[tuple[str, str, float]]:
        """Measure, data set, and by how much it prefers the best value to the others on average; largest first."""
        best, others = self.best, [point for point in self.points if point is not self.best]
        found = [
            (metric, dataset, float(np.mean([part["total"] - p.parts[metric, dataset]["total"] for p in others])))
            for (metric, dataset), part in best.parts.items()
            if others
        ]
        return sorted(found, key=lambda one: -one[2])

    def record(self) -> dict[str, Any]:
        """Plain values."""
        best, allowing = self.best, DROP * max(1.0, self.best.chi2)
        return {
            "reason": self.reason,
            "held": self.held,
            "best": best.value,
            "within_2": {"values": self.kept(), "interval": self.interval()},
            "allowing_for_misfit": {
                "drop": allowing,
                "values": self.kept(allowing),
                "interval": self.interval(allowing),
            },
            "decided_by": [
                {"metric": metric, "dataset": dataset, "prefers_best_by": by}
                for metric, dataset, by in self.decided_by()
            ],
            "points": [
                {
                    "value": point.value,
                    "log_likelihood": point.total,
                    "from_best": point.total - best.total,
                    "chi2_per_cell": point.chi2,
                    "parts": [
                        {"metric": metric, "dataset": dataset, **part}
                        for (metric, dataset), part in point.parts.items()
                    ],
                }
                for point in self.points
            ],
        }


def profile_model(
    shared: Profiling,
    parameters: Sequence[str] = (),
    *,
    progress: Callable[[str, float], None] | None = None,
) -> list[Profile]:
    """Profile of every parameter that the model's record lists, and of settings of single data sets that may vary.

    Parameters
    ----------
    parameters : those wanted; empty: all

    Raises
    ------
    DataError
        for a parameter that is not listed
    ArchConfigError
        for a field or value that a chip cannot have
    """
    entries, as_it_is = listed(shared), plan_at(shared)
    if parameters:
        entries = {chosen("--parameter", name, entries, error=DataError): entries[name] for name in parameters}
    plans = {(name, value): plan_at(shared, name, value) for name, one in entries.items() for value in one.values}
    points = {}
    for done, ((name, value), plan) in enumerate(plans.items()):
        points[name, value] = _point(shared, value, plan)
        if progress is not None:
            progress("points of the profile", (done + 1) / len(plans))
    return [
        Profile(
            name,
            one.reason,
            next((value for value in one.values if plans[name, value] == as_it_is), None),
            tuple(points[name, value] for value in one.values),
        )
        for name, one in entries.items()
    ]


def number_of(value: Value) -> float | None:
    """Number of a value with or without a unit; None for a word or a truth value."""
    if isinstance(value, bool):
        return None
    try:
        return float(str(value).split()[0])
    except ValueError:
        return None


def plan_at(shared: Profiling, parameter: str = "", value: Value = "") -> Plan:
    """Published runs, with one parameter at another value if there is a name."""
    apart, common = dict(shared.apart), {}
    dataset, of_one, name = parameter.rpartition(OF_SET)
    if parameter:
        setting = {name: Assumed(value=value, reason="--profile")}
        if of_one:
            apart[dataset] = {**apart[dataset], **setting}
        else:
            common = setting
    return published_plan(
        shared.source,
        shared.model,
        apart=apart,
        common=common,
        n_seeds=1,
        seed=shared.seed,
        models=("full",),
    )


def listed(shared: Profiling) -> dict[str, Profiled]:
    """What the model's record lists, and both ends of what the files of data sets allow for their runs."""
    found = dict(chip_model(shared.model).profile)
    for dataset, runs in shared.apart.items():
        for name, one in runs.items():
            if one.prior is not None:
                values = list(dict.fromkeys([one.prior[0], one.value, one.prior[1]]))
                found[f"{dataset}{OF_SET}{name}"] = Profiled(values=values, reason=one.reason)
    return found


def _point(shared: Profiling, value: Value, plan: Plan) -> ProfilePoint:
    """Each measure with what acts on it alone, so that what does not act is not run again."""
    rows = []
    for metric, n_seeds in shared.stages.items():
        if metric == KERNEL_ERROR:
            changes: dict[str, Any] = {"accuracy": False, "accuracy_noise": 1.0, "n_seeds": n_seeds}
        else:
            changes = {"error": False, "kernel_batch": 1, "n_seeds": n_seeds}
        run = plan.changed(lambda one, changes=changes: replace(one, **changes))  # type: ignore[misc]
        values = run_cells(run, shared.cells, shared.datasets, store=shared.store, n_threads=shared.n_threads)
        rows += compare_cells(values, shared.datasets, shared.measurements)
    compared = [(row, row.comparisons["full"]) for row in rows if "full" in row.comparisons]
    parts = {
        (metric, name): total([c.score for row, c in compared if (row.metric, row.cell.dataset) == (metric, name)])
        for metric in shared.stages
        for name in shared.datasets
    }
    return ProfilePoint(value, parts, float(np.mean([c.z**2 for _, c in compared])))
