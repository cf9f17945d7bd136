"""Kernel ridge classification with random features whose projection runs on crossbars or in FP32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hermes_sim.accuracy.result import AccuracyResult
from hermes_sim.crossbar.matrix import AnalogMatrix
from hermes_sim.crossbar.spec import ReadMode
from hermes_sim.errors import WorkloadError
from hermes_sim.kernels.exact import Kernel, kernel_error, kernel_matrix
from hermes_sim.kernels.features import feature_map, n_features, projection_scale
from hermes_sim.kernels.names import kernel_by_name
from hermes_sim.kernels.ridge import RidgeSums, predict_ridge
from hermes_sim.kernels.samplers import projections, sampler_by_name
from hermes_sim.rng import child_key, generator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from hermes_sim.accuracy.datasets import Dataset, Split
    from hermes_sim.crossbar.spec import CrossbarSpec

    Projection = Callable[[NDArray[np.float32], NDArray[np.float64], int], NDArray[np.float32]]

# Points of the test part on which the kernel error is measured, as in the published runs.
KERNEL_ERROR_POINTS = 1000
# Feature rows in memory at once.
BATCH = 8192


@dataclass(frozen=True)
class Experiment:
    """One cell of a kernel-ridge table.

    Parameters
    ----------
    kernel, sampler, log2_ratio : s = 2^k d - k projections, as in the published runs
    gamma : width of RBF; ridge_alpha : ridge penalty
    """

    kernel: Kernel
    sampler: str
    log2_ratio: float
    gamma: float
    ridge_alpha: float

    def n_projections(self, n_inputs: int) -> int:
        """Rows of W."""
        return max(1, int(2**self.log2_ratio * n_inputs) - int(self.log2_ratio))


def evaluate_kernel_ridge(
    *,
    spec: CrossbarSpec,
    dataset: Dataset,
    kernel: str,
    sampler: str,
    log2_ratio: float,
    gamma: float,
    ridge_alpha: float,
    n_seeds: int,
    seed: int,
    read_mode: str = "one_phase",
    progress: Callable[[], None] | None = None,
    digital: bool = True,
    chip: bool = True,
    n_threads: int = 1,
) -> AccuracyResult:
    """Accuracy and kernel error on the chip and in FP32, over seeds.

    Parameters
    ----------
    spec : core
    n_seeds : draws of projections, imperfections and (where the split is random) split
    seed : of all draws; the chip and the digital run of one seed share projections and split
    progress : called after each seed
    digital, chip : what to run; what is left out is reported as NaN

    Raises    WorkloadError, DataError
    """
    if n_seeds < 1:
        raise WorkloadError("n_seeds", got=n_seeds, allowed=">= 1")
    experiment = Experiment(kernel_by_name(kernel), sampler_by_name(sampler), log2_ratio, gamma, ridge_alpha)
    rows: dict[str, list[tuple[float, float]]] = {"chip": [], "digital": []}
    n_test = 0
    for index in range(n_seeds):
        run = SeedRun(experiment, dataset, child_key(seed, index))
        n_test = len(run.split.y_test)
        rows["chip"].append(run.on_chip(spec, ReadMode(read_mode), n_threads=n_threads) if chip else (np.nan, np.nan))
        rows["digital"].append(run.digital() if digital else (np.nan, np.nan))
        if progress is not None:
            progress()
    return AccuracyResult.of(
        "accuracy",
        simulated=[row[0] for row in rows["chip"]],
        digital=[row[0] for row in rows["digital"]],
        n_test=n_test,
        kernel_errors=[row[1] for row in rows["chip"]],
        digital_kernel_errors=[row[1] for row in rows["digital"]],
    )


class SeedRun:
    """One seed of an experiment: its split, projections and exact kernel, for chip and digital runs alike."""

    def __init__(self, experiment: Experiment, dataset: Dataset, seed: int, split_seed: int | None = None) -> None:
        self.experiment = experiment
        self.dataset = dataset
        self.seed = seed
        self.split: Split = dataset.split(seed if split_seed is None else split_seed)
        n_inputs = dataset.n_features
        n_projections = experiment.n_projections(n_inputs)
        rng = generator(seed, "projections", str(experiment.kernel), experiment.sampler, n_projections)
        scale = projection_scale(experiment.kernel, experiment.gamma)
        unit = projections(sampler_by_name(experiment.sampler), n_projections, n_inputs, rng)
        self.weights = scale * unit.T
        phases = 2 * np.pi * rng.standard_normal(n_projections)
        self.bias = phases if experiment.kernel is Kernel.RBF else np.zeros(n_projections)

    def digital(self, *, accuracy: bool = True, error: bool = True) -> tuple[float, float]:
        """Accuracy and kernel error with an FP32 projection."""
        weights, bias = self.weights.astype(np.float32), self.bias.astype(np.float32)

        def project(x: NDArray[np.float32], _ranges: NDArray[np.float64], _first: int) -> NDArray[np.float32]:
            return np.asarray(x @ weights + bias, np.float32)

        return self._evaluate(project, accuracy=accuracy, error=error, batches=(BATCH, BATCH))

    def on_chip(
        self,
        spec: CrossbarSpec,
        mode: ReadMode,
        *,
        accuracy: bool = True,
        error: bool = True,
        n_threads: int = 1,
    ) -> tuple[float, float]:
        """Accuracy and kernel error with the projection on crossbars."""
        matrix = AnalogMatrix(spec, self.weights, mode=mode, bias=self.bias, seed=child_key(self.seed, "chip"))

        def project(x: NDArray[np.float32], ranges: NDArray[np.float64], first: int) -> NDArray[np.float32]:
            y = matrix.matmul(x, input_range=ranges, first_vector=first, n_threads=n_threads)
            return y.astype(np.float32, copy=False)

        return self._evaluate(project, accuracy=accuracy, error=error, batches=(spec.range_batch, spec.kernel_batch))

    def _evaluate(
        self, project: Projection, *, accuracy: bool, error: bool, batches: tuple[int, int]
    ) -> tuple[float, float]:
        """Accuracy and kernel error; vectors per job in training and test, and where the kernel is measured."""
        split, experiment = self.split, self.experiment
        batch, kernel_batch = batches
        value = np.nan
        first = 0
        if accuracy:
            sums = RidgeSums(
                n_features(experiment.kernel, len(self.bias)),
                self.dataset.targets(split.y_train[:1]).shape[1],
            )
            for rows, z in self._features(project, split.x_train, first, batch):
                sums.add(z, self.dataset.targets(split.y_train[rows]))
            ridge = sums.solve(experiment.ridge_alpha)
            first += len(split.x_train)
            right = 0
            for rows, z in self._features(project, split.x_test, first, batch):
                right += int((self.dataset.predicted(predict_ridge(ridge, z)) == split.y_test[rows]).sum())
            value = right / len(split.y_test)
        first = len(split.x_train) + len(split.x_test)
        points = split.x_test[:KERNEL_ERROR_POINTS]
        if not error:
            return value, np.nan
        z = np.concatenate([z for _, z in self._features(project, points, first, kernel_batch)])
        exact = kernel_matrix(experiment.kernel, points, points, gamma=experiment.gamma)
        return value, kernel_error(exact, z)

    def _features(
        self, project: Projection, x: NDArray[np.float32], first: int, batch: int
    ) -> Iterator[tuple[slice, NDArray[Any]]]:
        """Features part by part; `batch` consecutive vectors are one job on the chip and share an input range."""
        ranges = input_ranges(x, batch=batch, clip_std=self.dataset.clip_inputs_std)
        for start in range(0, len(x), BATCH):
            rows = slice(start, start + BATCH)
            yield rows, feature_map(self.experiment.kernel, project(x[rows], ranges[rows], first + start))


def input_ranges(x: NDArray[Any], *, batch: int, clip_std: float | None) -> NDArray[np.float64]:
    """Input that gets a full pulse, per vector: the largest of its job, or fewer standard deviations (of 1).

    x : (n, d); batch : consecutive vectors that share a range
    """
    largest = np.abs(x).max(axis=1).astype(np.float64)
    starts = np.arange(0, len(x), batch)
    shared = np.repeat(np.maximum.reduceat(largest, starts), batch)[: len(x)]
    shared = np.where(shared > 0, shared, 1.0)
    return shared if clip_std is None else np.minimum(shared, clip_std)
