"""Error of Performer attention whose projection runs on crossbars, on stand-in vectors or on those of an encoder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hermes_sim._cpus import one_blas_thread
from hermes_sim.config.vocabulary import ReadMode, Sampler
from hermes_sim.errors import WorkloadError
from hermes_sim.kernels.features import SoftmaxMap, softmax_features
from hermes_sim.kernels.performer import drawn_projection, exact_attention, feature_attention
from hermes_sim.kernels.samplers import projections
from hermes_sim.numerics.programmed import (
    PROJECT,
    Compared,
    ExactProducts,
    ProgrammedChip,
    W,
    one_product,
    weights_of,
)
from hermes_sim.numerics.ranges import RangeRule
from hermes_sim.numerics.result import AccuracyResult, layer_errors
from hermes_sim.numerics.settings import reading
from hermes_sim.rng import child_key, generator
from hermes_sim.workload.builders.attention import feature_matrix

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from hermes_sim.crossbar.spec import CrossbarSpec
    from hermes_sim.device.spec import F64
    from hermes_sim.numerics.programmed import Products
    from hermes_sim.workload.schema import PerformerAttention

    _Head = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]  # query, key, value: (n, d) each

# Vectors of a trained encoder layer; attention_vectors.md beside it says what they are and how they were made.
_ENCODER_FILE = Path(__file__).with_name("attention_vectors.npz")

_SAMPLER = Sampler.SORF

# Stand-in for the query, key and value vectors of a workload, whose model is not trained here. Tokens share a common
# vector, as those of the first layer of encoders do, and a few dimensions are much larger than the others (log-normal
# scales), which sets the input range on the chip. The spread makes FAVOR+ in FP32 err by about 0.1 with
# s = d - 1 = 63 projections, as the published runs did.
VECTOR_SPREAD = 0.95
COMMON_SHARE = 0.5
DIMENSION_LOG_SD = 0.7


@dataclass(frozen=True)
class EncoderVectors:
    """What one head of a trained encoder sees, unscaled; all inputs have the same number of tokens, padding included.

    Parameters
    ----------
    query, key, value : (n_inputs, n_tokens, head_dim)
    """

    query: NDArray[np.float32]
    key: NDArray[np.float32]
    value: NDArray[np.float32]


@cache
def encoder_vectors() -> EncoderVectors:
    """The shipped vectors: ten padded English texts in the first layer of a BERT-type encoder."""
    with np.load(_ENCODER_FILE) as stored:
        tokens = stored["tokens"]
        query, key, value = (stored[name].astype(np.float32)[tokens] for name in ("query", "key", "value"))
    return EncoderVectors(query, key, value)


def evaluate_encoder_attention(
    *,
    spec: CrossbarSpec,
    vectors: EncoderVectors,
    n_rows: int,
    n_seeds: int,
    seed: int,
    read_mode: ReadMode,
    batch: int,
    law: str | None = None,
    n_threads: int = 1,
) -> AccuracyResult:
    """Relative error |A - A'| / |A| of the attention output as it was published: mean over inputs, then over seeds.

    One W per seed serves queries, keys and all inputs; those of the first input are the calibration data. Where inputs
    are searched for their range, jobs of `batch` vectors share one, as in the published experiment.

    Parameters
    ----------
    spec : core; n_rows : rows of W; n_seeds, seed : draws of W and of the imperfections
    law : of W, see `drawn_projection`; None: structured orthogonal, as the experiment drew it

    Raises    WorkloadError  if a size is not positive, or for an unknown law
    """
    _check_sizes(n_rows=n_rows, n_seeds=n_seeds)
    head_dim = vectors.query.shape[-1]
    inputs = [
        _scaled(query, key, value)
        for query, key, value in zip(vectors.query, vectors.key, vectors.value, strict=True)
    ]  # fmt: skip
    exact = [exact_attention(*one) for one in inputs]
    calibration = np.concatenate([part for one in inputs for part in one[:2]])
    rule = RangeRule.of(spec)
    pairs: list[tuple[float, float]] = []
    for index in range(n_seeds):
        key = child_key(seed, "encoder", index)
        rng = generator(key, "projections")
        weights = (
            drawn_projection(law, n_rows, head_dim, rng) if law else projections(_SAMPLER, n_rows, head_dim, rng).T
        )
        graph, mapping = one_product(head_dim, n_rows, rows=spec.rows, columns=spec.columns)
        chip = ProgrammedChip(
            graph, mapping, spec=spec, mode=read_mode, seed=child_key(key, "chip"), n_threads=n_threads
        )
        errors = []
        for products in (chip, ExactProducts({PROJECT: W})):
            products.program({W: weights})
            products.calibrate(PROJECT, calibration)
            # the keys of an input follow its queries in the stream
            starts = [[2 * i * len(one[0]), (2 * i + 1) * len(one[0])] for i, one in enumerate(inputs)]
            errors.append(
                [
                    _error(products, [(PROJECT, start) for start in two], one, target, batch=batch, rule=rule)
                    for two, one, target in zip(starts, inputs, exact, strict=True)
                ]
            )
        pairs.append((float(np.mean(errors[0])), float(np.mean(errors[1]))))
    settings = {**reading(spec, read_mode), "range_batch": batch, "sampler": law or str(_SAMPLER)}
    return _result(pairs, n_test=vectors.query[..., 0].size, settings=settings)


def stand_in_vectors(
    n_tokens: int, head_dim: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Query, key and value vectors of one head, (n_tokens, head_dim) each.

    Queries and keys have a root mean square of `VECTOR_SPREAD`, values of 1; half of the variance of each is common
    to all tokens.
    """

    def draw(log_sd: float) -> NDArray[np.float64]:
        scale = np.exp(log_sd * rng.standard_normal(head_dim))
        scale /= np.sqrt(np.mean(scale**2))
        common = rng.standard_normal(head_dim) * np.sqrt(COMMON_SHARE)
        own = rng.standard_normal((n_tokens, head_dim)) * np.sqrt(1 - COMMON_SHARE)
        return np.asarray(scale * (common + own))

    query, key = (draw(DIMENSION_LOG_SD) * VECTOR_SPREAD for _ in range(2))
    value = draw(0.0)
    return query.astype(np.float32), key.astype(np.float32), value.astype(np.float32)


def evaluate_attention_error(
    *,
    chip_of: Callable[[int], ProgrammedChip],
    workload: PerformerAttention,
    n_seeds: int,
    seed: int,
    max_tokens: int = 512,
    progress: Callable[[], None] | None = None,
) -> AccuracyResult:
    """Relative error |A - A'| / |A| of one attention layer on stand-in vectors, chip beside FP32, mean over heads.

    Queries and keys have the same W, written twice where the workload tells them apart. Where it redraws W, the
    inference after the first redrawing counts like the one before.

    Parameters
    ----------
    chip_of : chip of a seed, on which the workload is mapped; it is driven with `range_batch` vectors per input range
    n_seeds, seed : draws of W, vectors and imperfections
    max_tokens : so many of the sequence are drawn, for the exact attention is quadratic

    Raises    WorkloadError  if a size is not positive
    """
    _check_sizes(n_seeds=n_seeds)
    n_tokens = min(workload.sequence_length, max_tokens)
    pairs: list[tuple[float, float]] = []
    compared: list[Compared] = []
    settings: dict[str, Any] = {}
    with one_blas_thread():
        for index in range(n_seeds):
            key = child_key(seed, "attention", index)
            chip = chip_of(child_key(key, "chip"))
            both = Compared(chip), ExactProducts(weights_of(chip.graph))
            redrawn = chip.graph.life_cycle.redraw if chip.graph.life_cycle is not None else ()
            compared.append(both[0])
            errors = []
            for inference in range(2 if redrawn else 1):
                weights = _drawn(chip, workload, key, inference)
                for products in both:
                    products.program({name: w for name, w in weights.items() if not inference or name in redrawn})
                errors += [
                    _head_errors(both, workload, key, head=head, inference=inference, n_tokens=n_tokens)
                    for head in range(workload.heads)
                ]
            chip_error, digital_error = np.mean(errors, axis=0)
            pairs.append((float(chip_error), float(digital_error)))
            settings = reading(chip.spec, chip.mode)
            if progress is not None:
                progress()
    settings |= {
        "sampler": str(_SAMPLER),
        "projections": workload.projections,
        "vectors": "synthetic queries, keys and values",
        "tokens_simulated": n_tokens,
        "tokens_of_workload": workload.sequence_length,
    }
    layers, effects = layer_errors([one.deviations for one in compared]), compared[0].chip.spec.effects.named()
    return replace(_result(pairs, n_test=n_tokens, settings=settings), layers=layers, effects=effects)


def _drawn(
    chip: ProgrammedChip, workload: PerformerAttention, key: int, drawing: int
) -> dict[str, NDArray[np.float64]]:
    """Weights of every matrix of a workload: one W for all heads or one each; those that share cells are one."""
    matrix = feature_matrix(workload, "")
    drawn: dict[str, F64] = {}
    again = (drawing,) if drawing else ()
    for head in range(workload.heads):
        own = head if workload.projections == "per_head" else 0
        for role in ("q", "k"):
            rng = generator(child_key(key, own), "projections", *again)
            drawn.setdefault(
                matrix(role, head).name, projections(_SAMPLER, workload.projection_rows, workload.head_dim, rng).T
            )
    return {name: drawn[chip.mapping.aliases.get(name, name)] for name in drawn}


def _head_errors(
    both: tuple[Compared, ExactProducts],
    workload: PerformerAttention,
    key: int,
    *,
    head: int,
    inference: int,
    n_tokens: int,
) -> list[float]:
    """Errors of one head on the chip and in FP32."""
    spec = both[0].chip.spec
    again = (inference,) if inference else ()
    rng = generator(child_key(key, head), "vectors", *again)
    vectors = _scaled(*stand_in_vectors(n_tokens, workload.head_dim, rng))
    exact = exact_attention(*vectors)
    first = inference * workload.sequence_length
    streams = [(f"h{head}.project_{role}", first) for role in ("q", "k")]
    rule = RangeRule.of(spec)
    if not inference:  # other vectors of the same kind
        other = generator(child_key(key, head), "calibration vectors")
        calibration = _scaled(*stand_in_vectors(n_tokens, workload.head_dim, other))
        for (operator, _), x in zip(streams, calibration[:2], strict=True):
            both[0].calibrate(operator, x)
    return [_error(products, streams, vectors, exact, batch=spec.range_batch, rule=rule) for products in both]


def _result(pairs: Sequence[tuple[float, float]], *, n_test: int, settings: Mapping[str, Any]) -> AccuracyResult:
    return AccuracyResult(
        metric="attention_relative_error",
        higher_is_better=False,
        simulated_values=tuple(pair[0] for pair in pairs),
        digital_values=tuple(pair[1] for pair in pairs),
        n_test=n_test,
        settings=settings,
    )


def _check_sizes(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise WorkloadError(name, got=size, allowed=">= 1")


def _scaled(query: NDArray[np.float32], key: NDArray[np.float32], value: NDArray[np.float32]) -> _Head:
    """Queries and keys times d^-1/4, as they enter the crossbar."""
    scale = np.float32(query.shape[-1] ** -0.25)
    return query * scale, key * scale, value


def _error(
    products: Products,
    streams: Sequence[tuple[str, int]],
    vectors: _Head,
    exact: NDArray[np.float64],
    *,
    batch: int,
    rule: RangeRule = RangeRule(),  # noqa: B008 - a tuple
) -> float:
    """Error of one head.

    Parameters
    ----------
    streams : operator that projects queries, and number of the first of them in its stream; the same of keys
    batch : vectors that share an input range, where `rule` searches for it
    """
    query, key, value = vectors
    features = []
    for (operator, first), x in zip(streams, (query, key), strict=True):
        ranges = rule.searched(x, vectors=batch)
        projected = products.project(operator, x, input_range=ranges, first_token=first)
        features.append(softmax_features(SoftmaxMap.POSITIVE_BOTH_SIGNS, x, projected))
    approximate = feature_attention(features[0], features[1], value)
    return float(np.linalg.norm(exact - approximate) / np.linalg.norm(exact))
