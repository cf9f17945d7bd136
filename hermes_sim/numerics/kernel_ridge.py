"""Kernel ridge classification with random features; projection and readout on crossbars or in FP32."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hermes_sim._cpus import one_blas_thread
from hermes_sim.config.vocabulary import Kernel
from hermes_sim.errors import WorkloadError
from hermes_sim.kernels.exact import constant_kernel_error, kernel_error, kernel_matrix
from hermes_sim.kernels.features import feature_map, n_features, projection_scale
from hermes_sim.kernels.ridge import RidgeSums, predict_ridge
from hermes_sim.kernels.samplers import projections, truncated_normal
from hermes_sim.numerics.programmed import (
    CALIBRATION_VECTORS,
    PROJECT,
    Compared,
    ExactProducts,
    ProgrammedChip,
    W,
    one_product,
)
from hermes_sim.numerics.ranges import RangeRule
from hermes_sim.numerics.result import AccuracyResult, layer_errors
from hermes_sim.numerics.settings import reading
from hermes_sim.rng import child_key, generator
from hermes_sim.workload.schema import projections_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from hermes_sim.config.vocabulary import ReadMode
    from hermes_sim.crossbar.spec import CrossbarSpec
    from hermes_sim.device.spec import F64
    from hermes_sim.numerics.datasets import Dataset, Split
    from hermes_sim.numerics.programmed import Products
    from hermes_sim.numerics.settings import Experiment

    F32 = NDArray[np.float32]

# Points of the test part on which the kernel error is measured, as in the published runs.
KERNEL_ERROR_POINTS = 1000
# Feature rows in memory at once.
BATCH = 8192
# Redrawings of W that a test simulates at most: the inferences after stay with the last one, which is as good as any.
MOST_REDRAWINGS = 32
# Draws of W, and log2 of its rows over its columns, that stand for any where converters are set once for a data set.
TYPICAL_DRAWS, TYPICAL_RATIO = 8, 4.0
READOUT, RIDGE = "readout", "ridge"


class Driving(NamedTuple):
    """How the crossbars are driven.

    Parameters
    ----------
    range_batch : consecutive vectors that share an input range in training and test
    kernel_batch : the same where the kernel is measured
    redraw_every, redraw : test inferences between two redrawings, 0 for none, and what is written then: another W, the
        readout as it was trained
    rule : how ranges are found; the batches count where they are searched for
    one_output_range : converters are set once for a data set, by normal weights, and not for every W
    """

    range_batch: int = BATCH
    kernel_batch: int = BATCH
    redraw_every: int = 0
    redraw: tuple[str, ...] = ()
    rule: RangeRule = RangeRule()
    one_output_range: bool = False


class Scores(NamedTuple):
    """Accuracy and kernel error (NaN where they were not wanted)."""

    accuracy: float
    kernel_error: float


def evaluate_kernel_ridge(
    *,
    chip_of: Callable[[SeedRun], ProgrammedChip],
    dataset: Dataset,
    experiment: Experiment,
    n_seeds: int,
    seed: int,
    progress: Callable[[], None] | None = None,
) -> AccuracyResult:
    """Accuracy and kernel error on the chip and in FP32, over seeds.

    What the life cycle of the chip's graph redraws is redrawn between test inferences, in FP32 too.
    Training, test and kernel drive the inputs in one way, that of the chip file; ranges that are known before a run
    come from the training rows.

    Parameters
    ----------
    chip_of : the chip that a seed runs on, from `SeedRun.alone` if it holds nothing else
    n_seeds : draws of projections, imperfections and (where the split is random) split
    seed : of all draws; the chip and the digital run of one seed share projections and split
    progress : called after each seed

    Raises    WorkloadError, DataError
    """
    if n_seeds < 1:
        raise WorkloadError("n_seeds", got=n_seeds, allowed=">= 1")
    on_chip: list[Scores] = []
    digital: list[Scores] = []
    constant: list[float] = []
    compared: list[Compared] = []
    n_test, settings = 0, {}
    effects: str | tuple[str, ...] = "all"
    # one BLAS thread: the order of its sums, and so the last bits, may not depend on the machine
    with one_blas_thread():
        for index in range(n_seeds):
            run = SeedRun(experiment, dataset, child_key(seed, index))
            chip = chip_of(run)
            compared.append(Compared(chip))
            batch, events = chip.spec.range_batch, chip.graph.life_cycle
            redrawn = (events.redraw_every, events.redraw) if events is not None else (0, ())
            on_chip.append(run.scores(compared[-1], Driving(batch, batch, *redrawn, RangeRule.of(chip.spec))))
            digital.append(run.digital(Driving(BATCH, BATCH, *redrawn)))
            constant.append(run.constant_kernel_error)
            n_test, effects, settings = len(run.split.y_test), chip.spec.effects.named(), reading(chip.spec, chip.mode)
            if progress is not None:
                progress()
    return AccuracyResult(
        metric="accuracy",
        higher_is_better=True,
        simulated_values=tuple(row.accuracy for row in on_chip),
        digital_values=tuple(row.accuracy for row in digital),
        n_test=n_test,
        kernel_errors=tuple(row.kernel_error for row in on_chip),
        digital_kernel_errors=tuple(row.kernel_error for row in digital),
        constant_kernel_errors=tuple(constant),
        layers=layer_errors([one.deviations for one in compared]),
        effects=effects,
        settings={"dataset": dataset.name, **experiment.record(), **settings},
    )


class SeedRun:
    """One seed of an experiment: its split, projections and exact kernel, for chip and digital runs alike."""

    def __init__(self, experiment: Experiment, dataset: Dataset, seed: int, split_seed: int | None = None) -> None:
        self.experiment = experiment
        self.dataset = dataset
        self.seed = seed
        self.split: Split = dataset.split(seed if split_seed is None else split_seed)
        self.weights, self.bias = self.drawn(0)

    def drawn(self, number: int) -> tuple[F64, F64]:
        """Projection (d, s) and phases (s,) of a drawing of W, 0 for the first."""
        experiment, n_inputs = self.experiment, self.dataset.n_features
        n_projections = experiment.n_projections(n_inputs)
        again = (number,) if number else ()
        rng = generator(
            self.seed, "projections", str(experiment.kernel), str(experiment.sampler), n_projections, *again
        )
        scale = projection_scale(experiment.kernel, experiment.gamma)
        unit = projections(experiment.sampler, n_projections, n_inputs, rng)
        # the published code draws its phases so; modulo 2 pi they are uniform to 1e-8
        phases = 2 * np.pi * rng.standard_normal(n_projections)
        return scale * unit.T, phases if experiment.kernel is Kernel.RBF else np.zeros(n_projections)

    @cached_property
    def _points(self) -> F32:
        """Where the kernel error is measured."""
        return self.split.x_test[:KERNEL_ERROR_POINTS]

    @cached_property
    def _exact_kernel(self) -> F64:
        return kernel_matrix(self.experiment.kernel, self._points, self._points, gamma=self.experiment.gamma)

    @property
    def constant_kernel_error(self) -> float:
        """Error of the best kernel that gives the same number for all pairs: features that fail it say nothing."""
        return constant_kernel_error(self._exact_kernel)

    @property
    def chip_seed(self) -> int:
        """Of the chip that this seed runs on."""
        return child_key(self.seed, "chip")

    def alone(self, spec: CrossbarSpec, mode: ReadMode) -> ProgrammedChip:
        """A chip that holds the projection and nothing else, each of its blocks on a core of its own."""
        graph, mapping = one_product(*self.weights.shape, rows=spec.rows, columns=spec.columns)
        return ProgrammedChip(graph, mapping, spec=spec, mode=mode, seed=self.chip_seed)

    def on_chip(
        self,
        spec: CrossbarSpec,
        mode: ReadMode,
        *,
        kernel_batch: int | None = None,
        accuracy_noise: float = 1.0,
        one_output_range: bool = False,
        accuracy: bool = True,
        error: bool = True,
    ) -> Scores:
        """Accuracy and kernel error on a chip of its own.

        Parameters
        ----------
        kernel_batch : vectors that share an input range where the kernel is measured; None: `spec.range_batch`
        accuracy_noise : noise of a conversion in training and test, of that where the kernel is measured
        one_output_range : see `Driving`
        """
        driving = Driving(
            spec.range_batch,
            kernel_batch or spec.range_batch,
            rule=RangeRule.of(spec),
            one_output_range=one_output_range,
        )
        if accuracy_noise == 1 or not accuracy:
            return self.scores(self.alone(spec, mode), driving, accuracy=accuracy, error=error)
        quieter = replace(
            spec,
            adc_noise_counts=spec.adc_noise_counts * accuracy_noise,
            adc_four_phase_noise_counts=spec.adc_four_phase_noise_counts * accuracy_noise,
        )
        first = self.scores(self.alone(quieter, mode), driving, error=False)
        second = self.scores(self.alone(spec, mode), driving, accuracy=False, error=error)
        return Scores(first.accuracy, second.kernel_error)

    def digital(self, driving: Driving = Driving(), *, accuracy: bool = True, error: bool = True) -> Scores:  # noqa: B008
        """Accuracy and kernel error with FP32 products."""
        products = ExactProducts({PROJECT: W, READOUT: RIDGE})
        return self.scores(products, driving, accuracy=accuracy, error=error)

    def scores(self, products: Products, driving: Driving, *, accuracy: bool = True, error: bool = True) -> Scores:
        """Train on the features that the products give, test with them, measure their kernel."""
        products.program({W: self.weights}, {W: self.bias})
        largest = self._output_of_normal_weights if driving.one_output_range else None
        products.calibrate(PROJECT, self.split.x_train, largest_output=largest)
        features = _Features(self, products, driving.rule)
        value = self._trained_and_tested(features, driving) if accuracy else np.nan
        if not error:
            return Scores(value, np.nan)
        first = len(self.split.x_train) + len(self.split.x_test)
        z = np.concatenate([z for _, z in features.of(self._points, first, driving.kernel_batch)])
        return Scores(value, kernel_error(self._exact_kernel, z))

    @cached_property
    def _output_of_normal_weights(self) -> float:
        """Largest product of the calibration rows with W of a typical size, mean of a few: the same for every draw."""
        n_inputs, first = self.dataset.n_features, self.split.x_train[:CALIBRATION_VECTORS]
        rng = generator(0, "normal weights", self.dataset.name)
        shape = n_inputs, projections_of(n_inputs, TYPICAL_RATIO)
        largest = [np.abs(first @ truncated_normal(shape, rng).astype(np.float32)).max() for _ in range(TYPICAL_DRAWS)]
        return projection_scale(self.experiment.kernel, self.experiment.gamma) * float(np.mean(largest))

    def _exact_features(self, x: F32) -> F32:
        """Features (n, m) of FP32 products."""
        y = x @ self.weights.astype(np.float32) + self.bias.astype(np.float32)
        return feature_map(self.experiment.kernel, y)

    def _trained_and_tested(self, features: _Features, driving: Driving) -> float:
        split, products = self.split, features.products
        sums = RidgeSums(
            n_features(self.experiment.kernel, len(self.bias)),
            self.dataset.targets(split.y_train[:1]).shape[1],
        )
        for rows, z in features.of(split.x_train, 0, driving.range_batch):
            sums.add(z, self.dataset.targets(split.y_train[rows]))
        ridge = sums.solve(self.experiment.ridge_alpha)
        if products.on_crossbars(READOUT):
            products.program({RIDGE: ridge[1:]}, {RIDGE: ridge[0]})
            products.calibrate(READOUT, self._exact_features(split.x_train[:BATCH]))
        right = 0
        for number, part in enumerate(_between_redrawings(len(split.x_test), driving.redraw_every)):
            if number and W in driving.redraw:
                weights, bias = self.drawn(number)
                products.program({W: weights}, {W: bias})
            if number and RIDGE in driving.redraw and products.on_crossbars(READOUT):
                products.program({RIDGE: ridge[1:]}, {RIDGE: ridge[0]})
            first = len(split.x_train) + part.start
            for rows, z in features.of(split.x_test[part], first, driving.range_batch):
                if products.on_crossbars(READOUT):
                    ranges = driving.rule.searched(z, vectors=driving.range_batch)
                    outputs = products.project(READOUT, z, input_range=ranges, first_token=first + rows.start)
                else:
                    outputs = predict_ridge(ridge, z)
                right += int((self.dataset.predicted(outputs) == split.y_test[part][rows]).sum())
        return right / len(split.y_test)


class _Features(NamedTuple):
    """Random features of a run by way of its products."""

    run: SeedRun
    products: Products
    rule: RangeRule

    def of(self, x: F32, first: int, batch: int) -> Iterator[tuple[slice, F32]]:
        """Features part by part; `batch` consecutive vectors are one job on the chip and share an input range."""
        ranges = self.rule.searched(x, vectors=batch)
        for start in range(0, len(x), BATCH):
            rows = slice(start, start + BATCH)
            full = None if ranges is None else ranges[rows]
            y = self.products.project(PROJECT, x[rows], input_range=full, first_token=first + start)
            yield rows, feature_map(self.run.experiment.kernel, y.astype(np.float32, copy=False))


def _between_redrawings(n_inferences: int, every: int) -> list[slice]:
    """Inferences that one drawing of W serves, for each drawing."""
    if not every:
        return [slice(0, n_inferences)]
    starts = list(range(0, n_inferences, every))[: MOST_REDRAWINGS + 1]
    return [slice(start, end) for start, end in zip(starts, [*starts[1:], n_inferences], strict=True)]
