"""`validate accuracy`: simulated accuracy and kernel error beside what the chip measured, cell by cell."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from hermes_sim.config.vocabulary import Kernel
from hermes_sim.errors import DataError, nearest
from hermes_sim.numerics.datasets import Dataset, load_dataset
from hermes_sim.validation.cells import MODELS, CellValues, Plan, run_cells
from hermes_sim.validation.excess import Excess, excess_of, mean_excess
from hermes_sim.validation.measurements import ACCURACY, CHIP, FP32, KERNEL_ERROR, read_measurements
from hermes_sim.validation.reference import FITTED_SETS
from hermes_sim.validation.rows import RowKind, count_kinds, kind_record
from hermes_sim.validation.score import UNSCORED, CellScore, cell_score, total

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from joblib import Memory

    from hermes_sim.device.spec import F64
    from hermes_sim.validation.measurements import MeasuredCell, Measurements

# A simulated value agrees with a measured one within so many standard errors of their difference.
MAX_Z = 2.0
# Predictors: our three models, and the FP32 values published with the measurements.
PUBLISHED = "published_fp32"
METRICS = (ACCURACY, KERNEL_ERROR)
MEASURED = "measured"
# Share of cells that must agree for the command to succeed.
TARGETS = {ACCURACY: 0.90, KERNEL_ERROR: 0.85}


@dataclass(frozen=True)
class CellComparison:
    """One predictor against one measured cell and metric.

    Parameters
    ----------
    mean, se, median : of the predictor; se holds the spread of a single split where the published one is unknown
    chip_mean, chip_se, chip_median : measured
    spread_ratio : standard deviation over seeds, of the predictor / measured; None where the published split is
        unknown, so that not the same varied, or where one of them does not vary
    score : how probable the measured level and spread are
    """

    mean: float
    se: float
    median: float
    chip_mean: float
    chip_se: float
    chip_median: float
    spread_ratio: float | None = None
    score: CellScore = UNSCORED

    @property
    def z(self) -> float:
        """Difference of the means in standard errors."""
        scale = float(np.hypot(self.se, self.chip_se))
        difference = self.mean - self.chip_mean
        if scale > 0:
            return difference / scale
        return 0.0 if difference == 0 else float(np.copysign(np.inf, difference))

    @property
    def log_score(self) -> float:
        """Logarithm of the density of the measured mean, a normal one about the predicted mean; larger is better."""
        scale = float(np.hypot(self.se, self.chip_se))
        return -(self.z**2) / 2 - float(np.log(scale * np.sqrt(2 * np.pi))) if scale > 0 else float("nan")

    @property
    def agrees(self) -> bool:
        """Whether |z| <= 2."""
        return abs(self.z) <= MAX_Z

    def record(self) -> dict[str, float | None]:
        """Plain row."""
        return {
            "simulated": self.mean,
            "simulated_se": self.se,
            "simulated_median": self.median,
            "measured": self.chip_mean,
            "measured_se": self.chip_se,
            "measured_median": self.chip_median,
            "difference": self.mean - self.chip_mean,
            "relative": self.mean / self.chip_mean - 1 if self.chip_mean else None,
            "median_difference": self.median - self.chip_median,
            "z": self.z if np.isfinite(self.z) else None,
            "spread_ratio": self.spread_ratio,
            "log_density": self.score.level,
            "log_density_of_spread": self.score.spread,
        }


@dataclass(frozen=True)
class AccuracyRow:
    """One cell and metric: every predictor, and the change from FP32 to the chip.

    Parameters
    ----------
    comparisons : by predictor; empty where the chip was not measured
    predicted : mean and standard error by predictor
    excess : over FP32, of what was measured and of each model; empty where the published split is unknown
    """

    cell: MeasuredCell
    metric: str
    comparisons: dict[str, CellComparison]
    predicted: dict[str, tuple[float, float]]
    chip_minus_fp32: CellComparison | None
    excess: Mapping[str, Excess] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """Plain row."""
        full = self.comparisons.get("full")
        return {
            "name": f"{self.cell.name} {self.metric}",
            "dataset": self.cell.dataset,
            "kernel": self.cell.kernel,
            "sampler": self.cell.sampler,
            "log2_ratio": self.cell.log2_ratio,
            "metric": self.metric,
            **kind_record(kind_of_cells(self.cell.dataset)),
            "expected": full.chip_mean if full else None,
            "simulated": self.predicted["full"][0],
            "simulated_se": self.predicted["full"][1],
            "z": full.record()["z"] if full else None,
            "pass": full.agrees if full else None,
            "predictors": {name: c.record() for name, c in self.comparisons.items()},
            "predicted": {name: {"mean": m, "se": s} for name, (m, s) in self.predicted.items()},
            "chip_minus_fp32": self.chip_minus_fp32.record() if self.chip_minus_fp32 else None,
        }


def kind_of_cells(dataset: str) -> RowKind:
    """Kind of a data set's rows: the converters and how jobs are cut were fitted to those of some sets."""
    return RowKind.FITTED if dataset in FITTED_SETS else RowKind.PREDICTED


def select_cells(measurements: Measurements, wanted: Mapping[str, Sequence[str]]) -> list[MeasuredCell]:
    """Kernel-ridge cells of a table, of the wanted datasets, kernels, samplers and ratios (empty: all).

    Raises    DataError  for a wanted name that the table does not have
    """
    ridge = {str(kernel) for kernel in Kernel if kernel is not Kernel.SOFTMAX}
    cells = [cell for cell in measurements.cells() if cell.kernel in ridge]
    for key, names in wanted.items():
        known = sorted({_text(getattr(cell, key)) for cell in cells})
        for name in names:
            if name not in known:
                raise DataError(key, got=repr(name), allowed=", ".join(known) or "no cells", hint=nearest(name, known))
        cells = [cell for cell in cells if not names or _text(getattr(cell, key)) in names]
    if not cells:
        raise DataError("measurements", got="no kernel-ridge cells", allowed="rows with kernel rbf or arccos0")
    return cells


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def validate_accuracy(
    *,
    plan: Plan,
    data_dir: str | Path | None,
    measurements_path: str | Path,
    wanted: dict[str, Sequence[str]],
    store: Memory,
    n_threads: int = 1,
    progress: Callable[[float], None] | None = None,
) -> list[AccuracyRow]:
    """Run all wanted cells of a measurement table and compare.

    Raises    DataError, WorkloadError  for tables, folders or names that cannot be used
    """
    measurements = read_measurements(measurements_path)
    cells = select_cells(measurements, wanted)
    datasets = {name: load_dataset(name, data_dir) for name in sorted({cell.dataset for cell in cells})}
    values = run_cells(plan, cells, datasets, store=store, n_threads=n_threads, progress=progress)
    return compare_cells(values, datasets, measurements)


def compare_cells(
    values: Sequence[CellValues], datasets: Mapping[str, Dataset], measurements: Measurements
) -> list[AccuracyRow]:
    """Simulated cells beside the measured ones, one row per metric that was run."""
    return [row for value in values for row in _rows(value, datasets[value.cell.dataset], measurements)]


def _rows(values: CellValues, dataset: Dataset, measurements: Measurements) -> Iterable[AccuracyRow]:
    for metric, by_model, split_sd in (
        (ACCURACY, values.accuracy, values.split_sd_accuracy),
        (KERNEL_ERROR, values.error, values.split_sd_error),
    ):
        if not all(np.isfinite(v).all() for v in by_model.values()):
            continue
        extra = dict.fromkeys(split_sd, 0.0) if dataset.published_split_known else split_sd
        chip = measurements.get(values.cell, CHIP, metric)
        published = measurements.get(values.cell, FP32, metric)
        series = {model: by_model[model] for model in MODELS if model in by_model}
        predicted = {model: _mean_se(v, extra[model]) for model, v in series.items()}
        comparisons: dict[str, CellComparison] = {}
        if len(chip):
            comparisons = {model: _compare(v, chip, extra[model]) for model, v in series.items()}
            if len(published):
                # both published runs drew a split of their own
                comparisons[PUBLISHED] = _compare(published, chip, extra["fp32"] * np.sqrt(2))
        yield AccuracyRow(
            values.cell,
            metric,
            comparisons,
            predicted,
            _change(series, chip, published, extra) if len(chip) and len(published) else None,
            _excess(series, chip, published) if dataset.published_split_known else {},
        )


def _excess(series: Mapping[str, F64], chip: F64, published: F64) -> dict[str, Excess]:
    """Over FP32: what was measured, and what each model adds to its own FP32 runs."""
    found = {MEASURED: excess_of(chip, published, paired=False)}
    found |= {
        m: excess_of(v, series["fp32"], paired=True) for m, v in series.items() if m != "fp32" and "fp32" in series
    }
    return {name: one for name, one in found.items() if one is not None}


def _sd(values: F64) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0


def _mean_se(values: F64, extra: float) -> tuple[float, float]:
    return float(values.mean()), float(np.hypot(_sd(values) / np.sqrt(len(values)), extra))


def _compare(values: F64, chip: F64, extra: float) -> CellComparison:
    mean, se = _mean_se(values, extra)
    chip_mean, chip_se = _mean_se(chip, 0.0)
    comparable = not extra and _sd(values) > 0 and _sd(chip) > 0
    spread = _sd(values) / _sd(chip) if comparable else None
    return CellComparison(
        mean,
        se,
        float(np.median(values)),
        chip_mean,
        chip_se,
        float(np.median(chip)),
        spread,
        cell_score(values, chip, extra),
    )


def _change(series: dict[str, F64], chip: F64, published: F64, extra: Mapping[str, float]) -> CellComparison | None:
    """Chip minus FP32, simulated (same seeds) and measured (separate runs): free of a shift common to both."""
    if "fp32" not in series or "full" not in series:
        return None
    difference = series["full"] - series["fp32"]
    mean, se = _mean_se(difference, 0.0)
    chip_se = float(np.hypot(_mean_se(chip, 0.0)[1], _mean_se(published, 0.0)[1]))
    return CellComparison(
        mean,
        se,
        float(np.median(difference)),
        float(chip.mean() - published.mean()),
        float(np.hypot(chip_se, np.hypot(extra["full"], extra["fp32"]))),
        float(np.median(chip) - np.median(published)),
    )


def summarise(rows: Sequence[AccuracyRow]) -> dict[str, Any]:
    """Agreement per metric and predictor, in all and per data set."""
    result: dict[str, Any] = {"rows": len(rows), **count_kinds(kind_of_cells(row.cell.dataset) for row in rows)}
    for metric in METRICS:
        here = [row for row in rows if row.metric == metric and row.comparisons]
        if not here:
            continue
        entry: dict[str, Any] = {"cells": len(here)}
        for name in (*MODELS, PUBLISHED):
            compared = [row.comparisons[name] for row in here if name in row.comparisons]
            if compared:
                entry[name] = _agreement(compared)
        changes = [row.chip_minus_fp32 for row in here if row.chip_minus_fp32]
        if changes:
            entry["chip_minus_fp32"] = _agreement(changes)
        entry["by_dataset"] = {
            dataset: _agreement([r.comparisons["full"] for r in here if r.cell.dataset == dataset])
            for dataset in sorted({row.cell.dataset for row in here})
            if "full" in here[0].comparisons
        }
        entry["excess_over_fp32"] = _mean_excess(here)
        result[metric] = entry
    result["log_likelihood"] = likelihoods(rows)
    return result


def _mean_excess(rows: Sequence[AccuracyRow]) -> dict[str, dict[str, dict[str, float | None]]]:
    """Mean over the cells of each data set and kernel, measured and by model."""
    groups: defaultdict[tuple[str, str], list[Excess]] = defaultdict(list)
    for row in rows:
        for name, one in row.excess.items():
            groups[name, f"{row.cell.dataset} {row.cell.kernel}"].append(one)
    found: defaultdict[str, dict[str, dict[str, float | None]]] = defaultdict(dict)
    for (name, cells), all_of in groups.items():
        found[name][cells] = mean_excess(all_of).record()
    return dict(found)


def likelihoods(rows: Sequence[AccuracyRow]) -> dict[str, dict[str, Any]]:
    """Of all measured cells, by predictor: per measure and together."""
    found: dict[str, dict[str, Any]] = {}
    for name in (*MODELS, PUBLISHED):
        by_metric = {
            metric: total([r.comparisons[name].score for r in rows if r.metric == metric and name in r.comparisons])
            for metric in METRICS
            if any(row.metric == metric and name in row.comparisons for row in rows)
        }
        if by_metric:
            found[name] = by_metric | {"total": sum(one["total"] for one in by_metric.values())}
    return found


def _agreement(compared: Sequence[CellComparison]) -> dict[str, float | None]:
    """Shares, medians, geometric mean of the spreads; None where nothing can be said (only zeros, no spread)."""
    spreads = [c.spread_ratio for c in compared if c.spread_ratio]
    relative = [abs(c.mean - c.chip_mean) / abs(c.chip_mean) for c in compared if c.chip_mean]
    return {
        "cells": len(compared),
        "share_within_2_se": float(np.mean([c.agrees for c in compared])),
        "share_within_2_chip_se": float(np.mean([abs(c.mean - c.chip_mean) <= MAX_Z * c.chip_se for c in compared])),
        "chi2": float(np.mean([c.z**2 for c in compared])),
        "log_score": float(np.mean([c.log_score for c in compared])),
        "median_absolute": float(np.median([abs(c.mean - c.chip_mean) for c in compared])),
        "median_relative": float(np.median(relative)) if relative else None,
        "median_absolute_of_medians": float(np.median([abs(c.median - c.chip_median) for c in compared])),
        "spread_ratio": float(np.exp(np.mean(np.log(spreads)))) if spreads else None,
    }
