"""Kernel ridge classification with random features whose projection runs on crossbars or in FP32."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from hermes_sim.config.vocabulary import Kernel
from hermes_sim.crossbar.matrix import AnalogMatrix, even_placements
from hermes_sim.errors import WorkloadError
from hermes_sim.kernels.exact import constant_kernel_error, kernel_error, kernel_matrix
from hermes_sim.kernels.features import feature_map, n_features, projection_scale
from hermes_sim.kernels.ridge import RidgeSums, predict_ridge
from hermes_sim.kernels.samplers import projections
from hermes_sim.numerics.result import AccuracyResult
from hermes_sim.numerics.settings import reading
from hermes_sim.rng import child_key, generator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from hermes_sim.config.vocabulary import ReadMode
    from hermes_sim.crossbar.spec import CrossbarSpec
    from hermes_sim.device.spec import F64
    from hermes_sim.numerics.datasets import Dataset, Split
    from hermes_sim.numerics.settings import Experiment

    Projection = Callable[[NDArray[np.float32], NDArray[np.float64], int], NDArray[np.float32]]

# Points of the test part on which the kernel error is measured, as in the published runs.
KERNEL_ERROR_POINTS = 1000
# Feature rows in memory at once.
BATCH = 8192


def evaluate_kernel_ridge(
    *,
    spec: CrossbarSpec,
    dataset: Dataset,
    experiment: Experiment,
    read_mode: ReadMode,
    n_seeds: int,
    seed: int,
    progress: Callable[[], None] | None = None,
    n_threads: int = 1,
) -> AccuracyResult:
    """Accuracy and kernel error on the chip and in FP32, over seeds.

    Training, test and kernel drive the inputs in one way: `spec.range_batch` vectors share a range.

    Parameters
    ----------
    spec : core
    n_seeds : draws of projections, imperfections and (where the split is random) split
    seed : of all draws; the chip and the digital run of one seed share projections and split
    progress : called after each seed

    Raises    WorkloadError, DataError
    """
    if n_seeds < 1:
        raise WorkloadError("n_seeds", got=n_seeds, allowed=">= 1")
    chip: list[tuple[float, float]] = []
    digital: list[tuple[float, float]] = []
    constant: list[float] = []
    n_test = 0
    # one BLAS thread: the order of its sums, and so the last bits, may not depend on the machine
    with threadpool_limits(limits=1, user_api="blas"):
        for index in range(n_seeds):
            run = SeedRun(experiment, dataset, child_key(seed, index))
            n_test = len(run.split.y_test)
            chip.append(run.on_chip(spec, read_mode, n_threads=n_threads))
            digital.append(run.digital())
            constant.append(run.constant_kernel_error)
            if progress is not None:
                progress()
    return AccuracyResult(
        metric="accuracy",
        higher_is_better=True,
        simulated_values=tuple(row[0] for row in chip),
        digital_values=tuple(row[0] for row in digital),
        n_test=n_test,
        kernel_errors=tuple(row[1] for row in chip),
        digital_kernel_errors=tuple(row[1] for row in digital),
        constant_kernel_errors=tuple(constant),
        settings={"dataset": dataset.name, **experiment.record(), **reading(spec, read_mode)},
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
        rng = generator(seed, "projections", str(experiment.kernel), str(experiment.sampler), n_projections)
        scale = projection_scale(experiment.kernel, experiment.gamma)
        unit = projections(experiment.sampler, n_projections, n_inputs, rng)
        self.weights = scale * unit.T
        # the published code draws its phases so; modulo 2 pi they are uniform to 1e-8
        phases = 2 * np.pi * rng.standard_normal(n_projections)
        self.bias = phases if experiment.kernel is Kernel.RBF else np.zeros(n_projections)

    @cached_property
    def _points(self) -> NDArray[np.float32]:
        """Where the kernel error is measured."""
        return self.split.x_test[:KERNEL_ERROR_POINTS]

    @cached_property
    def _exact_kernel(self) -> F64:
        return kernel_matrix(self.experiment.kernel, self._points, self._points, gamma=self.experiment.gamma)

    @property
    def constant_kernel_error(self) -> float:
        """Error of the best kernel that gives the same number for all pairs: features that fail it say nothing."""
        return constant_kernel_error(self._exact_kernel)

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
        kernel_batch: int | None = None,
        n_threads: int = 1,
    ) -> tuple[float, float]:
        """Accuracy and kernel error with the projection on crossbars.

        kernel_batch : vectors that share an input range where the kernel is measured; None: `spec.range_batch`, too
        """
        seed = child_key(self.seed, "chip")  # of a chip that holds nothing else
        cut = even_placements(*self.weights.shape, core_rows=spec.rows, core_columns=spec.columns)
        matrix = AnalogMatrix(spec, self.weights, mode=mode, bias=self.bias, seed=seed, placements=cut)

        def project(x: NDArray[np.float32], ranges: NDArray[np.float64], first: int) -> NDArray[np.float32]:
            y = matrix.matmul(x, input_range=ranges, first_vector=first, n_threads=n_threads)
            return y.astype(np.float32, copy=False)

        batches = (spec.range_batch, kernel_batch or spec.range_batch)
        return self._evaluate(project, accuracy=accuracy, error=error, batches=batches)

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
        if not error:
            return value, np.nan
        z = np.concatenate([z for _, z in self._features(project, self._points, first, kernel_batch)])
        return value, kernel_error(self._exact_kernel, z)

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
    batch = min(batch, max(len(x), 1))
    largest = np.abs(x).max(axis=1).astype(np.float64)
    starts = np.arange(0, len(x), batch)
    shared = np.repeat(np.maximum.reduceat(largest, starts), batch)[: len(x)]
    shared = np.where(shared > 0, shared, 1.0)
    return shared if clip_std is None else np.minimum(shared, clip_std)
