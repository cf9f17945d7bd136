"""Published kernel errors, accuracies and attention errors beside simulated ones; they need data from outside."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from hermes_sim.chip.load import load_arch
from hermes_sim.crossbar.spec import core_crossbar
from hermes_sim.numerics.attention import encoder_vectors, evaluate_encoder_attention
from hermes_sim.numerics.chip_models import as_published, chip_model
from hermes_sim.numerics.data_sources import how_to_get
from hermes_sim.numerics.datasets import has_dataset
from hermes_sim.validation.accuracy import kind_of_cells, validate_accuracy
from hermes_sim.validation.measurements import ACCURACY, CHIP, FP32, KERNEL_ERROR, read_measurements
from hermes_sim.validation.plans import published_plan, runs_apart
from hermes_sim.validation.reproduce_base import Outcome, Sources
from hermes_sim.validation.reproduce_plots import curves
from hermes_sim.validation.rows import RowKind, ValidationRow
from hermes_sim.validation.store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hermes_sim.validation.accuracy import AccuracyRow

_BU24 = "BU24, doi 10.1038/s42256-024-00943-2"
_ERROR_TOLERANCE, _ACCURACY_TOLERANCE, _ATTENTION_TOLERANCE = 0.15, 0.01, 0.15
_HEAD_DIM = 64  # of the published attention runs; s = 64 r - 1 projections
_ENCODER = "published vectors are not public: those of a trained encoder, chosen on FP32 errors (docs/crossbar.md)"


def kernel_error_names(sources: Sources) -> list[tuple[str, str]]:
    """Data sets of the measurement table and the names of their figures."""
    cells = read_measurements(sources.measurements).cells()
    names = dict.fromkeys(cell.dataset for cell in cells if cell.kernel != "softmax")
    return [(name, f"kernel_error_{name}") for name in names]


def kernel_error(dataset: str) -> Callable[[Sources], Outcome]:
    """Maker of the kernel-error figure of one data set."""

    def make(sources: Sources) -> Outcome:
        if reason := _missing(sources, dataset):
            return Outcome(skipped=reason)
        found = [
            row for row in _cells(sources, dataset, KERNEL_ERROR) if row.metric == KERNEL_ERROR and row.comparisons
        ]
        if not found:
            return Outcome(skipped=f"no kernel error was measured on {dataset}, or none can be simulated")
        rows = _mean_rows(found, "kernel error", _ERROR_TOLERANCE)
        panels: defaultdict[str, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
        for row in found:
            full = row.comparisons["full"]
            panels[row.cell.kernel][f"measured {row.cell.sampler}"].append((row.cell.log2_ratio, full.chip_mean))
            panels[row.cell.kernel][f"simulated {row.cell.sampler}"].append((row.cell.log2_ratio, full.mean))
        title = f"Kernel error on {dataset}"
        return Outcome(tuple(rows), curves(title, panels, x="log2 of projections per input", y="kernel error"))

    return make


def accuracy_table(sources: Sources) -> Outcome:
    """Accuracy of every data set, kernel and sampler, mean over the numbers of projections."""
    names = [name for name, _ in kernel_error_names(sources) if not _missing(sources, name)]
    found = [
        row for name in names for row in _cells(sources, name, ACCURACY) if row.metric == ACCURACY and row.comparisons
    ]  # fmt: skip
    if not found:
        return Outcome(skipped="none of its data sets is on this machine: `hermes-sim data list`")
    return Outcome(tuple(_mean_rows(found, "accuracy", _ACCURACY_TOLERANCE)))


def attention_error(sources: Sources) -> Outcome:
    """Error of Performer attention over the number of projections, on vectors of a trained encoder."""
    table = read_measurements(sources.measurements)
    cells = [cell for cell in table.cells() if cell.kernel == "softmax"]
    if not cells:
        return Outcome(skipped="the measurement table has no rows of kernel softmax")
    chip = load_arch(as_published(sources.arch))
    batch = int(chip_model().kernel_vectors.value)
    spec, rows = core_crossbar(chip.core), []
    lines: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for cell in cells:
        n_rows = round(_HEAD_DIM * 2**cell.log2_ratio) - 1
        result = evaluate_encoder_attention(
            spec=spec, read_mode=chip.read_mode, vectors=encoder_vectors(), n_rows=n_rows,
            n_seeds=max(sources.seeds, 3), seed=sources.seed, batch=batch, n_threads=sources.threads,
        )  # fmt: skip
        for platform, value in ((CHIP, result.simulated), (FP32, result.digital_fp32)):
            values = table.get(cell, platform, KERNEL_ERROR)
            if not len(values):
                continue
            published = float(np.mean(values))
            word = "chip" if platform == CHIP else "FP32"
            lines[f"measured {word}"].append((n_rows, published))
            lines[f"simulated {word}"].append((n_rows, value))
            rows.append(
                ValidationRow(
                    f"attention error, {n_rows} projections, {word}", published, value, _ATTENTION_TOLERANCE,
                    RowKind.PREDICTED if platform == CHIP else RowKind.FITTED, _BU24, _ENCODER,
                )
            )  # fmt: skip
    svg = curves("Error of Performer attention", {"": lines}, x="projections", y="relative error")
    return Outcome(tuple(rows), svg)


def _missing(sources: Sources, dataset: str) -> str:
    """Why a data set cannot be had, or nothing."""
    if has_dataset(dataset, sources.data_dir):
        return ""
    return f"{dataset} is not on this machine: {how_to_get(dataset) or '--data-dir DIR'}"


def _cells(sources: Sources, dataset: str, metric: str) -> list[AccuracyRow]:
    plan = published_plan(
        sources.arch,
        apart=runs_apart(sources.data_dir, sources.measurements, [dataset]),
        n_seeds=sources.seeds,
        seed=sources.seed,
        models=("fp32", "full"),
        accuracy=metric == ACCURACY,
        error=metric == KERNEL_ERROR,
    )
    return validate_accuracy(
        plan=plan,
        data_dir=sources.data_dir,
        measurements_path=sources.measurements,
        wanted={"dataset": [dataset]},
        store=open_store(name="reproduce"),
        n_threads=sources.threads,
    )


def _mean_rows(found: Sequence[AccuracyRow], what: str, tolerance: float) -> list[ValidationRow]:
    """One row per data set, kernel and sampler: means over the numbers of projections."""
    groups: defaultdict[tuple[str, str, str], list[AccuracyRow]] = defaultdict(list)
    for row in found:
        groups[row.cell.dataset, row.cell.kernel, row.cell.sampler].append(row)
    return [
        ValidationRow(
            f"{what}, {dataset}, {kernel}, {sampler}",
            float(np.mean([row.comparisons["full"].chip_mean for row in rows])),
            float(np.mean([row.comparisons["full"].mean for row in rows])),
            tolerance,
            kind_of_cells(dataset),
            source=_BU24,
            note="means over the published numbers of projections and over seeds",
        )
        for (dataset, kernel, sampler), rows in groups.items()
    ]
