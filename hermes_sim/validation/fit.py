"""`fit`: parameters of models of the chip from measured kernel errors, with uncertainties, cross-validated over sets.

Kernel errors are what is fitted: they need no classifier, depend on the projection alone, and see the converters far
better than accuracies do. What acts in training and test alone (`range_batch`, `accuracy_noise`) does not enter them;
that was set from the accuracies. The choice among several models is made inside each fold: the one that fits the other
sets best predicts the set left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import least_squares

from hermes_sim.errors import DataError
from hermes_sim.numerics.datasets import load_dataset
from hermes_sim.validation.accuracy import MAX_Z, METRICS, compare_cells, likelihoods, select_cells, summarise
from hermes_sim.validation.cells import run_cells
from hermes_sim.validation.measurements import CHIP, KERNEL_ERROR, read_measurements

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from joblib import Memory

    from hermes_sim.crossbar.spec import CrossbarSpec
    from hermes_sim.device.spec import F64
    from hermes_sim.numerics.chip_models import Fitted
    from hermes_sim.numerics.datasets import Dataset
    from hermes_sim.validation.accuracy import AccuracyRow
    from hermes_sim.validation.cells import CellValues, Plan
    from hermes_sim.validation.measurements import MeasuredCell, Measurements

# Steps that one Gauss-Newton iteration may move each parameter.
MAX_STEPS = 3.0
# Relative error of the model itself: keeps cells with a tiny spread from ruling the fit.
MODEL_FLOOR = 0.03


@dataclass(frozen=True)
class FitData:
    """Cells to fit, with data and measurements.

    fitted : attributes of the crossbar that may move
    """

    plan: Plan
    fitted: Mapping[str, Fitted]
    cells: tuple[MeasuredCell, ...]
    datasets: Mapping[str, Dataset]
    measurements: Measurements
    store: Memory
    n_threads: int

    def simulated(self, values: F64, cells: Sequence[MeasuredCell], *, accuracy: bool = False) -> list[CellValues]:
        """Cells at some values of the parameters."""

        def change(plan: Plan) -> Plan:
            return replace(plan, spec=with_parameters(plan.spec, self.fitted, values), accuracy=accuracy)

        return run_cells(self.plan.changed(change), cells, self.datasets, store=self.store, n_threads=self.n_threads)

    def residuals(self, values: F64) -> F64:
        """Simulated minus measured kernel error in standard errors, per cell."""
        rows = self.simulated(values, self.cells)
        result = np.empty(len(rows))
        for i, row in enumerate(rows):
            chip, simulated = self.measurements.get(row.cell, CHIP, KERNEL_ERROR), row.error["full"]
            variance = _squared_error(chip) + _squared_error(simulated) + row.split_sd_error["full"] ** 2
            scale = np.sqrt(variance + (MODEL_FLOOR * chip.mean()) ** 2)
            result[i] = (simulated.mean() - chip.mean()) / scale
        return result


def with_parameters(spec: CrossbarSpec, names: Iterable[str], values: Sequence[float] | F64) -> CrossbarSpec:
    """Core with other values of the fitted parameters."""
    changes: dict[str, Any] = {name: float(v) for name, v in zip(names, values, strict=True)}
    return replace(spec, **changes)


def fit_chip(
    *,
    plan: Plan,
    fitted: Mapping[str, Fitted],
    data_dir: str | Path | None,
    measurements_path: str | Path,
    wanted: Mapping[str, Sequence[str]],
    store: Memory,
    iterations: int,
    leave_one_out: bool,
    accuracy: bool = False,
    n_threads: int = 1,
    progress: Callable[[str, float], None] | None = None,
) -> dict[str, Any]:
    """Gauss-Newton fit on all data sets; then, from its last derivatives, on all but one, which is simulated.

    Parameters
    ----------
    plan : of the cells, without accuracy and with one predictor; fitted : attributes of its crossbar that may move
    wanted : names by attribute of a cell, see `select_cells`
    store : of finished values; a fit that is killed goes on there
    accuracy : also hold classification accuracies against the chip's (slow), those of the set left out, too

    Returns
    -------
    parameters {name: value, se, start}, chi2_per_cell, share_within_2_se, cells, log_likelihood of levels and spreads
    by measure (see `score`), and
    leave_one_out [{left_out, parameters, approx_error and, if wanted, accuracy: agreement of the data set left out,
    as `validate accuracy` counts it}]; the shares of the fit itself allow `MODEL_FLOOR` for the model, those left out
    allow nothing

    Raises    DataError  without chip measurements, or with one data set to leave out
    """
    measurements = read_measurements(measurements_path)
    known = [c for c in select_cells(measurements, wanted) if len(measurements.get(c, CHIP, KERNEL_ERROR))]
    names = sorted({cell.dataset for cell in known})
    if not known or (leave_one_out and len(names) < 2):
        raise DataError(
            str(measurements_path), got=f"chip kernel errors of {len(names)} data sets", allowed="two or more"
        )
    datasets = {name: load_dataset(name, data_dir) for name in names}
    data = FitData(plan, fitted, tuple(known), datasets, measurements, store, n_threads)
    total = iterations * (len(fitted) + 1) + 1 + (len(names) if leave_one_out else 0)
    count = 0

    def simulate(values: F64) -> F64:
        nonlocal count
        result = data.residuals(values)
        count += 1
        if progress is not None:
            progress("simulations", count / total)
        return result

    start = np.array([getattr(plan.spec, name) for name in fitted], np.float64)
    values, residuals, jacobian = start, np.zeros(0), np.zeros((0, 0))
    for _ in range(iterations):
        residuals = simulate(values)
        jacobian = np.column_stack([_slope(simulate, values, residuals, i, fitted) for i in range(len(fitted))])
        base = values
        values = _solve(base, residuals, jacobian, fitted)
    final = simulate(values)
    chi2 = float((final**2).mean())
    errors = np.sqrt(np.diag(np.linalg.pinv(jacobian.T @ jacobian)) * max(1.0, chi2))
    report: dict[str, Any] = {
        "data_sets": names,
        "settings": plan.record(),
        "cells": len(known),
        "parameters": {
            name: {"value": float(values[i]), "se": float(errors[i]), "start": float(start[i])}
            for i, name in enumerate(fitted)
        },
        "chi2_per_cell": chi2,
        "share_within_2_se": float((np.abs(final) <= MAX_Z).mean()),
        "log_likelihood": likelihoods(_compared(data, values, data.cells, accuracy=accuracy))["full"],
        "leave_one_out": [],
    }
    for name in names if leave_one_out else []:
        kept = np.array([cell.dataset != name for cell in known])
        found = _solve(base, residuals[kept], jacobian[kept], fitted)
        outside = tuple(cell for cell in known if cell.dataset == name)
        report["leave_one_out"].append(
            {
                "left_out": name,
                "parameters": dict(zip(fitted, found.tolist(), strict=True)),
                "chi2_per_cell_kept": float((final[kept] ** 2).mean()),
                "log_likelihood_kept": _kept_likelihood(data, values, name, accuracy=accuracy),
                **_left_out(data, found, outside, accuracy=accuracy),
            }
        )
        count += 1
        if progress is not None:
            progress("simulations", count / total)
    return report


def chosen_in_folds(reports: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """For each data set left out the model that fits the others best, and how well it predicts that set.

    reports : by name of the model, as `fit_chip` gives them
    """
    folds = zip(*(report["leave_one_out"] for report in reports.values()), strict=True)
    result = []
    for fold in folds:
        by_model = dict(zip(reports, fold, strict=True))
        name = min(by_model, key=lambda model: by_model[model]["chi2_per_cell_kept"])
        likely = max(by_model, key=lambda model: by_model[model]["log_likelihood_kept"])
        result.append({"model": name, "by_log_likelihood": likely, **by_model[name]})
    return result


def _compared(data: FitData, values: F64, cells: tuple[MeasuredCell, ...], *, accuracy: bool) -> list[AccuracyRow]:
    """Cells at some values of the parameters beside the measured ones."""
    return compare_cells(data.simulated(values, cells, accuracy=accuracy), data.datasets, data.measurements)


def _kept_likelihood(data: FitData, values: F64, left_out: str, *, accuracy: bool) -> float:
    """Of the other sets, where the choice among models is made by likelihood."""
    kept = tuple(cell for cell in data.cells if cell.dataset != left_out)
    return float(likelihoods(_compared(data, values, kept, accuracy=accuracy))["full"]["total"])


def _left_out(
    data: FitData, values: F64, cells: tuple[MeasuredCell, ...], *, accuracy: bool
) -> dict[str, dict[str, float | None]]:
    """Agreement of a data set that the fit has not seen, per metric."""
    summary = summarise(_compared(data, values, cells, accuracy=accuracy))
    return {metric: summary[metric]["full"] for metric in (*METRICS, "log_likelihood") if metric in summary}


def _slope(
    simulate: Callable[[F64], F64], values: F64, residuals: F64, index: int, fitted: Mapping[str, Fitted]
) -> F64:
    """Change of the residuals per unit of one parameter; seeds are shared, so the noise largely cancels."""
    step = float(list(fitted.values())[index].step)
    moved = values.copy()
    moved[index] += step
    return (simulate(moved) - residuals) / step


def _solve(values: F64, residuals: F64, jacobian: F64, fitted: Mapping[str, Fitted]) -> F64:
    """Parameters that minimise the linearised residuals, large ones counting less than their square."""
    limits = [(float(one.step), float(one.low), float(one.high)) for one in fitted.values()]
    steps, low, high = (np.array(column) for column in zip(*limits, strict=True))
    reach = MAX_STEPS * steps  # the linear model holds nearby only
    found = least_squares(
        lambda change: residuals + jacobian @ (change * steps),
        np.zeros(len(values)),
        bounds=(
            np.maximum(low - values, -reach) / steps - 1e-9,
            np.minimum(high - values, reach) / steps + 1e-9,
        ),
        loss="soft_l1",
    )
    return np.asarray(np.clip(values + found.x * steps, low, high))


def _squared_error(values: F64) -> float:
    return float(values.var(ddof=1)) / len(values) if len(values) > 1 else 0.0
