"""Accuracy against time after programming, with and without drift compensation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hermes_sim.errors import WorkloadError
from hermes_sim.numerics.kernel_ridge import SeedRun
from hermes_sim.rng import child_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hermes_sim.config.vocabulary import ReadMode
    from hermes_sim.crossbar.spec import CrossbarSpec
    from hermes_sim.numerics.datasets import Dataset
    from hermes_sim.numerics.settings import Experiment


@dataclass(frozen=True)
class DriftPoint:
    """Accuracy and kernel error at one time, means and standard deviations over seeds (none of one seed).

    Parameters
    ----------
    time_s : after programming
    compensated : whether the digital scale was renewed just before
    """

    time_s: float
    compensated: bool
    accuracy: float
    accuracy_sd: float | None
    kernel_error: float
    kernel_error_sd: float | None


def drift_study(
    *,
    spec: CrossbarSpec,
    mode: ReadMode,
    dataset: Dataset,
    experiment: Experiment,
    times_s: Sequence[float],
    n_seeds: int,
    seed: int,
    first_calibration_s: float,
    progress: Callable[[float], None] | None = None,
) -> list[DriftPoint]:
    """One programmed chip per seed, trained and tested anew at each time.

    Without compensation the digital scale stays what a calibration `first_calibration_s` after programming found.

    Raises    WorkloadError  for a time before the first calibration
    """
    if min(times_s) < first_calibration_s:
        raise WorkloadError("times_s", got=f"{min(times_s)} s", allowed=f">= {first_calibration_s} s")
    points: list[DriftPoint] = []
    runs = [SeedRun(experiment, dataset, child_key(seed, index)) for index in range(n_seeds)]
    total = 2 * len(times_s)
    for compensated in (True, False):
        for time_s in times_s:
            at = replace(
                spec,
                inference_s=time_s,
                compensation_s=time_s if compensated else first_calibration_s,
            )
            values = np.array([run.on_chip(at, mode) for run in runs])
            mean = values.mean(axis=0)
            sd = values.std(axis=0, ddof=1) if n_seeds > 1 else (None, None)
            points.append(DriftPoint(time_s, compensated, mean[0], sd[0], mean[1], sd[1]))
            if progress is not None:
                progress(len(points) / total)
    return points
