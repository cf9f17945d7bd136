"""Accuracy of a network on the chip beside FP32: draws of the imperfections on the same rows, by layer, over time."""

from __future__ import annotations

from collections import defaultdict
from copy import copy
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hermes_sim._cpus import one_blas_thread, usable_cpus
from hermes_sim.config.vocabulary import ReadMode
from hermes_sim.numerics.metrics import metric_for
from hermes_sim.numerics.network import FP16_BYTES, Evaluation, in_unit_numbers, network_weights, rounded_operators
from hermes_sim.numerics.programmed import (
    CALIBRATION_VECTORS,
    Compared,
    ExactProducts,
    ProgrammedChip,
    token_numbers,
    weights_of,
)
from hermes_sim.numerics.question import DEFAULT_DRAWS, Question
from hermes_sim.numerics.result import AccuracyResult, LayerError
from hermes_sim.numerics.settings import reading
from hermes_sim.rng import child_key, generator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from hermes_sim.chip.schema import Chip
    from hermes_sim.crossbar.spec import CrossbarSpec
    from hermes_sim.device.spec import F64
    from hermes_sim.mapping.mapping import Mapping as Placed
    from hermes_sim.numerics.metrics import Metric
    from hermes_sim.numerics.network_data import NetworkData
    from hermes_sim.numerics.programmed import Projector
    from hermes_sim.workload.graph import OpGraph

    Array = NDArray[Any]
    Progress = Callable[[str, float], None] | None
    Redraw = Callable[[Mapping[str, Array], np.random.Generator], Mapping[str, Array]]

_RESAMPLES = 400  # of the two-way bootstrap: its own error is 4 %
_LAYER_ROWS, _LAYER_DRAWS = 512, 3  # on which layers are looked at one by one
# Values that all these evaluations together may make: some 20 s of one core. Larger networks are looked at on one draw,
# and on fewer rows.
_LAYER_VALUES = 1 << 30
_FEWEST_LAYER_ROWS = 32
_MOST_LAYERS = 64  # looked at one by one


class RowScores(NamedTuple):
    """Values of a metric per sample and what each counts, (n,) each."""

    values: F64
    counts: F64

    @property
    def mean(self) -> float:
        """Of all that counts."""
        return float(self.values.sum() / self.counts.sum())


class PairedScores(NamedTuple):
    """Scores of one chip, and of FP32 with the same weights on the same rows."""

    chip: RowScores
    digital: RowScores


@dataclass
class _Recorder:
    """Products in float32 that keep inputs of every product on crossbars, evenly over tokens: calibration data.

    Parameters
    ----------
    stride : operator -> every how many tokens of a sample one is kept
    """

    exact: ExactProducts
    tokens: Mapping[str, int]
    stride: Mapping[str, int]
    kept: dict[str, list[Array]] = field(default_factory=lambda: defaultdict(list))

    def on_crossbars(self, operator: str) -> bool:
        """Whether inputs are kept."""
        return operator in self.stride

    def ranges(self, x: Array, samples: Array) -> F64 | None:  # noqa: ARG002 - floats need none
        """See `Projector.ranges`."""
        return None

    def driven(self, operator: str, x: Array, input_range: float | F64 | None = None) -> Array:  # noqa: ARG002
        """See `Projector.driven`."""
        return x

    def project(
        self,
        operator: str,
        x: ArrayLike,
        *,
        input_range: float | F64 | None = None,  # noqa: ARG002 - floats need none
        first_token: int | NDArray[np.int64] = 0,
    ) -> Any:
        """See `Projector.project`."""
        if operator in self.stride:
            vectors = np.asarray(x)
            kept = token_numbers(first_token, len(vectors)) % self.tokens[operator] % self.stride[operator] == 0
            self.kept[operator].append(vectors[kept].copy())
        return self.exact.project(operator, x)


class NetworkRun:
    """A mapped network with its weights and data, FP32 evaluated once; chips are programmed and scored on request.

    Parameters
    ----------
    graph, mapping : what runs where
    weights : of a file, in place of the network's own; weights_name : what messages say of them
    data : rows to score and to calibrate with
    metric : name, or None for the usual one of the labels

    Raises
    ------
    DataError
        weights that are missing or fit nothing, labels that do not fit
    """

    def __init__(
        self,
        graph: OpGraph,
        mapping: Placed,
        chip: Chip,
        *,
        spec: CrossbarSpec,
        data: NetworkData,
        weights: Mapping[str, Array] | None = None,
        weights_name: str = "",
        metric: str | None = None,
    ) -> None:
        self.chip, self.spec, self.data, self.mode = chip, spec, data, ReadMode(chip.read_mode)
        self.weights = network_weights(mapping.mapped(graph), weights, where=weights_name)
        self.place(graph, mapping)
        self.fp32 = Evaluation(self.graph, self.weights)
        self.exact = ExactProducts(weights_of(self.graph))
        self.exact.program(self.weights.matrices, self.weights.biases)
        self.calibration = calibration_inputs(self.fp32, self.exact, data.calibration)
        self.exact_outputs = self._only(self.fp32.run(self.exact, data.inputs))
        self.metric: Metric = metric_for(metric, self.exact_outputs, data.labels, where=data.name)
        self.digital = self.scores(self.exact_outputs)

    def place(self, graph: OpGraph, mapping: Placed) -> None:
        """Take a mapping: what runs where, and in which numbers."""
        self.graph, self.mapping, effects = mapping.mapped(graph), mapping, self.spec.effects
        rounded = rounded_operators(self.graph, mapping, self.chip, ldpu=effects.ldpu_fp16, units=effects.output_format)
        small_state = effects.output_format and self.chip.numbers.state.n_bytes <= FP16_BYTES
        self.evaluation = Evaluation(self.graph, self.weights, rounded, small_state)

    def remapped(self, graph: OpGraph, mapping: Placed) -> NetworkRun:
        """The same under another mapping of no other products on crossbars: FP32 and calibration data stay."""
        other = copy(self)
        other.place(graph, mapping)
        return other

    def scores(self, outputs: Array, rows: slice = slice(None)) -> RowScores:
        """Metric of outputs of some rows."""
        wanted = self.data.labels if self.metric.labelled else self.exact_outputs
        assert wanted is not None  # checked by `metric_for`
        lengths = None if self.data.lengths is None else self.data.lengths[rows]
        return RowScores(*self.metric.scores(outputs, wanted[rows], lengths))

    def programmed(self, seed: int, spec: CrossbarSpec | None = None) -> ProgrammedChip:
        """A chip with the weights written and its ranges calibrated."""
        chip = ProgrammedChip(
            self.graph, self.mapping, spec=spec or self.spec, mode=self.mode, seed=seed, n_threads=usable_cpus()
        )
        matrices = in_unit_numbers(self.graph, self.evaluation.rounded, self.weights.matrices)
        chip.program(matrices, self.weights.biases)
        for operator, vectors in self.calibration.items():
            chip.calibrate(operator, vectors)
        return chip

    def outputs(self, products: Projector, rows: slice = slice(None)) -> Array:
        """Outputs of some rows, with the digital units' numbers."""
        inputs = {name: values[rows] for name, values in self.data.inputs.items()}
        return self._only(self.evaluation.run(products, inputs, first_sample=rows.start or 0))

    def partly(self, chip: ProgrammedChip, exact: frozenset[str]) -> Projector:
        """The chip with some of its products exact, the others as they were."""
        return _Without(chip, exact)

    def layers(self, seeds: Sequence[int], progress: Callable[[], None]) -> tuple[LayerError, ...]:
        """Error of each product on crossbars, and what an exact one brings back, on the first rows."""
        operators = [op.name for op in self.graph.operators if op.on_crossbar][:_MOST_LAYERS]
        per_row = len(operators) * sum(op.tokens * op.out_values for op in self.graph.operators)
        draws = _LAYER_DRAWS if _LAYER_DRAWS * _LAYER_ROWS * per_row <= _LAYER_VALUES else 1
        most = min(_LAYER_ROWS, max(_FEWEST_LAYER_ROWS, _LAYER_VALUES // max(draws * per_row, 1)))
        here = slice(0, min(most, len(self.data)))
        sign = 1.0 if self.metric.higher_is_better else -1.0
        errors, recovered = defaultdict(list), defaultdict(list)
        for seed in seeds[:draws]:
            compared = Compared(self.programmed(seed))
            base = self.scores(self.outputs(compared, here), here).mean
            for operator in operators:
                errors[operator].append(compared.deviations[operator].relative)
                partly = _Without(compared.chip, frozenset({operator}))
                found = self.scores(self.outputs(partly, here), here).mean
                recovered[operator].append(sign * (found - base))
        progress()
        percent = 100.0 if self.metric.higher_is_better else None
        return tuple(
            LayerError(
                operator,
                float(np.mean(errors[operator])),
                None if percent is None else percent * float(np.mean(recovered[operator])),
            )
            for operator in operators
        )

    def _only(self, outputs: Mapping[str, Array]) -> Array:
        """The first output of the network, which is the one that is scored."""
        return next(iter(outputs.values()))


def calibration_inputs(evaluation: Evaluation, exact: ExactProducts, rows: Mapping[str, Array]) -> dict[str, Array]:
    """Inputs of every product on crossbars, of calibration rows in float32.

    Parameters
    ----------
    exact : products of the network, programmed
    rows : by input of the network, (n, *shape)
    """
    n = len(next(iter(rows.values())))
    analog = [op for op in evaluation.graph.operators if op.on_crossbar]
    tokens = {op.name: op.tokens for op in analog}
    stride = {op.name: max(1, -(-op.tokens * n // CALIBRATION_VECTORS)) for op in analog}
    recorder = _Recorder(exact, tokens, stride)
    evaluation.run(recorder, rows)
    return {name: np.concatenate(parts) for name, parts in recorder.kept.items()}


class _Without:
    """A programmed chip some of whose products are exact."""

    def __init__(self, chip: ProgrammedChip, exact: frozenset[str]) -> None:
        self._chip, self._without = chip, exact

    def on_crossbars(self, operator: str) -> bool:
        """See `Projector.on_crossbars`."""
        return operator not in self._without and self._chip.on_crossbars(operator)

    def ranges(self, x: Array, samples: Array) -> F64 | None:
        """See `Projector.ranges`."""
        return self._chip.ranges(x, samples)

    def driven(self, operator: str, x: Array, input_range: float | F64 | None = None) -> Array:
        """See `Projector.driven`."""
        return x if operator in self._without else self._chip.driven(operator, x, input_range)

    def project(
        self,
        operator: str,
        x: ArrayLike,
        *,
        input_range: float | F64 | None = None,
        first_token: int | NDArray[np.int64] = 0,
    ) -> Any:
        """See `Projector.project`."""
        if operator in self._without:
            return self._chip.exact.project(operator, x)
        return self._chip.project(operator, x, input_range=input_range, first_token=first_token)


def network_accuracy(
    graph: OpGraph,
    mapping: Placed,
    chip: Chip,
    *,
    spec: CrossbarSpec,
    weights: Mapping[str, Array] | None,
    weights_name: str,
    data: NetworkData,
    question: Question,
    seed: int,
    redraw: Redraw | None = None,
    progress: Progress = None,
) -> AccuracyResult:
    """Accuracy of a network as it is mapped.

    Parameters
    ----------
    spec : of every core, with the imperfections that are on
    weights : of a file, in place of the network's own; weights_name : what the result says of them
    data : rows to score and to calibrate with
    seed : of the draws
    redraw : weights of a file, generator -> weights with random features drawn anew; every draw after the first has
        features of its own then, in FP32 and on the chip alike

    Raises
    ------
    DataError
        weights that are missing, labels that do not fit
    WorkloadError
        a node that cannot be evaluated
    """
    with one_blas_thread():
        run_with = partial(
            NetworkRun, graph, mapping, chip, spec=spec, data=data, weights_name=weights_name, metric=question.metric
        )
        run = run_with(weights=weights)
        seeds = [child_key(seed, "network", draw) for draw in range(question.draws or DEFAULT_DRAWS)]
        times = [(t, compensated) for t in question.times_s for compensated in (True, False)]
        step = _Steps(progress, len(seeds) * (1 + len(times)) + question.by_layer)
        draws = []
        for i, one in enumerate(seeds):
            mine = run
            if redraw is not None and weights is not None and i:
                mine = run_with(weights=redraw(weights, generator(one, "projections")))
            draws.append(PairedScores(mine.scores(mine.outputs(mine.programmed(one))), mine.digital))
            step()
        by_time = [_aged(run, seeds, t, compensated=compensated, step=step) for t, compensated in times]
        layers = run.layers(seeds, step) if question.by_layer else ()
    told = data.record()
    return AccuracyResult(
        metric=run.metric.name,
        higher_is_better=run.metric.higher_is_better,
        simulated_values=tuple(one.chip.mean for one in draws),
        digital_values=tuple(one.digital.mean for one in draws),
        n_test=len(data),
        layers=layers,
        effects=spec.effects.named(),
        settings={**reading(spec, run.mode), "dataset": told["name"], "rows": told["rows"]},
        standard_error=standard_error(draws, seed=seed),
        by_time=tuple(by_time),
        weights={"name": weights_name, "matrices": len(run.weights.matrices), "sha256": run.weights.sha256},
        data=told,
    )


def _aged(
    run: NetworkRun, seeds: Sequence[int], time_s: float, *, compensated: bool, step: Callable[[], None]
) -> dict[str, Any]:
    """Accuracy at a time after programming; without compensation the scale stays what the chip file says."""
    spec = aged(run.spec, time_s, compensated=compensated)
    values = []
    for one in seeds:
        values.append(run.scores(run.outputs(run.programmed(one, spec))).mean)
        step()
    mean = float(np.mean(values))
    drop = 100.0 * (run.digital.mean - mean) if run.metric.higher_is_better else None
    std = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {"time_s": time_s, "compensated": compensated, "simulated": mean, "drop_pp": drop, "std": std}


def aged(spec: CrossbarSpec, time_s: float, *, compensated: bool) -> CrossbarSpec:
    """Cells so long after programming, with the scales found then or, not compensated, when the chip file says."""
    first_s = min(time_s, spec.compensation_s)
    return replace(spec, inference_s=time_s, compensation_s=time_s if compensated else first_s)


def standard_error(draws: Sequence[PairedScores], *, seed: int) -> float:
    """Of the paired difference to FP32, for other chips and other rows: both are drawn again, with replacement."""
    difference = np.stack([one.chip.values - one.digital.values for one in draws])
    n_draws, n_rows = difference.shape
    random = generator(seed, "bootstrap")
    by_draw = random.multinomial(n_draws, np.full(n_draws, 1 / n_draws), size=_RESAMPLES).astype(np.float64)
    by_row = random.multinomial(n_rows, np.full(n_rows, 1 / n_rows), size=_RESAMPLES).astype(np.float64)
    total = np.einsum("bd,bd->b", by_draw, by_row @ difference.T)
    count = n_draws * (by_row @ draws[0].digital.counts)
    return float(np.std(total / count, ddof=1))


class _Steps:
    """Finished evaluations as fractions."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def __call__(self) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress("accuracy", self._done / self._total)
