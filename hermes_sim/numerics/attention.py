"""Error of Performer attention whose projection runs on crossbars, on stand-in vectors or on those of an encoder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from hermes_sim.config.vocabulary import ReadMode, Sampler
from hermes_sim.crossbar.matrix import AnalogMatrix, even_placements
from hermes_sim.errors import WorkloadError
from hermes_sim.kernels.features import SoftmaxMap, softmax_features
from hermes_sim.kernels.performer import exact_attention, feature_attention
from hermes_sim.kernels.samplers import projections
from hermes_sim.numerics.kernel_ridge import input_ranges
from hermes_sim.numerics.result import AccuracyResult
from hermes_sim.numerics.settings import KERNEL_BATCH, reading
from hermes_sim.rng import child_key, generator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from hermes_sim.crossbar.spec import CrossbarSpec

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
    read_mode: ReadMode = ReadMode.ONE_PHASE,
    n_threads: int = 1,
) -> AccuracyResult:
    """Relative error |A - A'| / |A| of the attention output as it was published: mean over inputs, then over seeds.

    One W per seed serves queries, keys and all inputs, which go to the core in jobs of `KERNEL_BATCH` vectors, the
    setting of the published experiment.

    Parameters
    ----------
    spec : core; n_rows : rows of W; n_seeds, seed : draws of W and of the imperfections

    Raises    WorkloadError  if a size is not positive
    """
    _check_sizes(n_rows=n_rows, n_seeds=n_seeds)
    head_dim = vectors.query.shape[-1]
    inputs = [
        _scaled(query, key, value)
        for query, key, value in zip(vectors.query, vectors.key, vectors.value, strict=True)
    ]  # fmt: skip
    exact = [exact_attention(*one) for one in inputs]
    pairs: list[tuple[float, float]] = []
    for index in range(n_seeds):
        key = child_key(seed, "encoder", index)
        weights = projections(_SAMPLER, n_rows, head_dim, generator(key, "projections")).T
        matrix = _programmed(spec, weights, read_mode, child_key(key, "chip"))
        projection = _Projection(weights.astype(np.float32), matrix, matrix, KERNEL_BATCH, n_threads)
        errors = [
            _errors(projection, one, target, first_vector=2 * number * len(one[0]))
            for number, (one, target) in enumerate(zip(inputs, exact, strict=True))
        ]
        pairs.append((float(np.mean([pair[0] for pair in errors])), float(np.mean([pair[1] for pair in errors]))))
    settings = {**reading(spec, read_mode), "range_batch": KERNEL_BATCH, "sampler": str(_SAMPLER)}
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
    spec: CrossbarSpec,
    sequence_length: int,
    head_dim: int,
    n_rows: int,
    n_heads: int,
    n_seeds: int,
    seed: int,
    read_mode: ReadMode,
    matrices: str = "per_head",
    max_tokens: int = 512,
    progress: Callable[[], None] | None = None,
    n_threads: int = 1,
) -> AccuracyResult:
    """Relative error |A - A'| / |A| of one attention layer on stand-in vectors, chip beside FP32, mean over heads.

    Parameters
    ----------
    spec : core, driven with `spec.range_batch` vectors per input range
    sequence_length : tokens; at most `max_tokens` of them are drawn, for the exact attention is quadratic
    head_dim : d; n_rows : rows of W; n_heads : heads, each with vectors of its own
    n_seeds, seed : draws of W, vectors and imperfections
    matrices : ``shared`` one W for queries, keys and heads; ``separate_qk`` the same W, programmed once for queries and
        once for keys; ``per_head`` a W for each head, programmed once for queries and once for keys

    Raises    WorkloadError  if a size is not positive
    """
    _check_sizes(sequence_length=sequence_length, head_dim=head_dim, n_rows=n_rows, n_heads=n_heads, n_seeds=n_seeds)
    n_tokens = min(sequence_length, max_tokens)
    pairs: list[tuple[float, float]] = []
    with threadpool_limits(limits=1, user_api="blas"):
        for index in range(n_seeds):
            heads: list[tuple[float, float]] = []
            projection: _Projection | None = None
            for head in range(n_heads):
                key = child_key(seed, "attention", index, head)
                one = _scaled(*stand_in_vectors(n_tokens, head_dim, generator(key, "vectors")))
                if projection is None or matrices == "per_head":
                    projection = _drawn(spec, read_mode, n_rows, head_dim, key, matrices, n_threads)
                heads.append(_errors(projection, one, exact_attention(*one), first_vector=2 * head * n_tokens))
            pairs.append((float(np.mean([h[0] for h in heads])), float(np.mean([h[1] for h in heads]))))
            if progress is not None:
                progress()
    settings = {
        **reading(spec, read_mode),
        "sampler": str(_SAMPLER),
        "projections": matrices,
        "vectors": "synthetic queries, keys and values",
        "tokens_simulated": n_tokens,
        "tokens_of_workload": sequence_length,
    }
    return _result(pairs, n_test=n_tokens, settings=settings)


@dataclass(frozen=True)
class _Projection:
    """W in FP32 and on crossbars, for queries and for keys; `batch` vectors share an input range."""

    weights: NDArray[np.float32]
    queries: AnalogMatrix
    keys: AnalogMatrix
    batch: int
    n_threads: int


def _drawn(
    spec: CrossbarSpec, mode: ReadMode, n_rows: int, head_dim: int, key: int, matrices: str, n_threads: int
) -> _Projection:
    weights = projections(_SAMPLER, n_rows, head_dim, generator(key, "projections")).T
    queries = keys = _programmed(spec, weights, mode, child_key(key, "chip"))
    if matrices != "shared":
        keys = _programmed(spec, weights, mode, child_key(key, "chip", "keys"))
    return _Projection(weights.astype(np.float32), queries, keys, spec.range_batch, n_threads)


def _programmed(spec: CrossbarSpec, weights: NDArray[np.float64], mode: ReadMode, seed: int) -> AnalogMatrix:
    """W on a chip of `seed` that holds nothing else."""
    cut = even_placements(*weights.shape, core_rows=spec.rows, core_columns=spec.columns)
    return AnalogMatrix(spec, weights, mode=mode, seed=seed, placements=cut)


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


def _errors(
    projection: _Projection, vectors: _Head, exact: NDArray[np.float64], *, first_vector: int
) -> tuple[float, float]:
    """Errors of one head on the chip and in FP32."""
    query, key, value = vectors
    errors: list[float] = []
    for chip in (True, False):
        features = []
        for matrix, first, x in (
            (projection.queries, first_vector, query),
            (projection.keys, first_vector + len(query), key),
        ):
            if chip:
                ranges = input_ranges(x, batch=projection.batch, clip_std=None)
                projected = matrix.matmul(x, input_range=ranges, first_vector=first, n_threads=projection.n_threads)
            else:
                projected = x @ projection.weights
            features.append(softmax_features(SoftmaxMap.POSITIVE_BOTH_SIGNS, x, projected))
        approximate = feature_attention(features[0], features[1], value)
        errors.append(float(np.linalg.norm(exact - approximate) / np.linalg.norm(exact)))
    return errors[0], errors[1]
