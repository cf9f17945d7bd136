"""Error of Performer attention whose projection runs on crossbars, on stand-in vectors or on those of an encoder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hermes_sim.accuracy.kernel_ridge import input_ranges
from hermes_sim.accuracy.result import AccuracyResult
from hermes_sim.crossbar.matrix import AnalogMatrix
from hermes_sim.crossbar.spec import ReadMode
from hermes_sim.errors import WorkloadError
from hermes_sim.kernels.features import SoftmaxMap, softmax_features
from hermes_sim.kernels.performer import exact_attention, feature_attention
from hermes_sim.kernels.samplers import projections, sampler_by_name
from hermes_sim.rng import child_key, generator

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from hermes_sim.crossbar.spec import CrossbarSpec

    _Head = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]  # query, key, value: (n, d) each

# Vectors of a trained encoder layer; attention_vectors.md beside it says what they are and how they were made.
_ENCODER_FILE = Path(__file__).with_name("attention_vectors.npz")

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
    read_mode: str = "one_phase",
    sampler: str = "sorf",
    feature_map: SoftmaxMap = SoftmaxMap.POSITIVE_BOTH_SIGNS,
    n_threads: int = 1,
) -> AccuracyResult:
    """Relative error |A - A'| / |A| of the attention output as it was published: mean over inputs, then over seeds.

    One W per seed serves queries, keys and all inputs, which go to the core in jobs of `kernel_batch` vectors.

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
    simulated: list[float] = []
    digital: list[float] = []
    for index in range(n_seeds):
        key = child_key(seed, "encoder", index)
        weights = projections(sampler_by_name(sampler), n_rows, head_dim, generator(key, "projections")).T
        matrix = AnalogMatrix(spec, weights, mode=ReadMode(read_mode), seed=child_key(key, "chip"))
        errors = [
            _errors(
                matrix, weights.astype(np.float32), one, target, feature_map,
                first_vector=2 * number * len(one[0]), n_threads=n_threads,
            )
            for number, (one, target) in enumerate(zip(inputs, exact, strict=True))
        ]  # fmt: skip
        simulated.append(float(np.mean([pair[0] for pair in errors])))
        digital.append(float(np.mean([pair[1] for pair in errors])))
    return AccuracyResult.of(
        "attention_relative_error", simulated=simulated, digital=digital, n_test=vectors.query[..., 0].size
    )


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
    read_mode: str = "one_phase",
    sampler: str = "sorf",
    feature_map: SoftmaxMap = SoftmaxMap.POSITIVE_BOTH_SIGNS,
    max_tokens: int = 512,
    progress: Callable[[], None] | None = None,
    n_threads: int = 1,
) -> AccuracyResult:
    """Relative error |A - A'| / |A| of the attention output, chip beside FP32, averaged over heads.

    Parameters
    ----------
    spec : core
    sequence_length : tokens; at most `max_tokens` of them are drawn, for the exact attention is quadratic
    head_dim : d; n_rows : rows of W per head; n_heads : heads, each with a W and vectors of its own
    n_seeds, seed : draws of W, vectors and imperfections

    Raises    WorkloadError  if a size is not positive
    """
    _check_sizes(sequence_length=sequence_length, head_dim=head_dim, n_rows=n_rows, n_heads=n_heads, n_seeds=n_seeds)
    n_tokens = min(sequence_length, max_tokens)
    simulated: list[float] = []
    digital: list[float] = []
    for index in range(n_seeds):
        heads = [
            _one_head(
                spec,
                ReadMode(read_mode),
                n_tokens=n_tokens,
                head_dim=head_dim,
                n_rows=n_rows,
                sampler=sampler,
                feature_map=feature_map,
                seed=child_key(seed, "attention", index, head),
                n_threads=n_threads,
            )
            for head in range(n_heads)
        ]
        simulated.append(float(np.mean([head[0] for head in heads])))
        digital.append(float(np.mean([head[1] for head in heads])))
        if progress is not None:
            progress()
    return AccuracyResult.of("attention_relative_error", simulated=simulated, digital=digital, n_test=n_tokens)


def _one_head(
    spec: CrossbarSpec,
    mode: ReadMode,
    *,
    n_tokens: int,
    head_dim: int,
    n_rows: int,
    sampler: str,
    feature_map: SoftmaxMap,
    seed: int,
    n_threads: int,
) -> tuple[float, float]:
    one = _scaled(*stand_in_vectors(n_tokens, head_dim, generator(seed, "vectors")))
    weights = projections(sampler_by_name(sampler), n_rows, head_dim, generator(seed, "projections")).T
    matrix = AnalogMatrix(spec, weights, mode=mode, seed=child_key(seed, "chip"))
    return _errors(
        matrix, weights.astype(np.float32), one, exact_attention(*one), feature_map, first_vector=0, n_threads=n_threads
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
    matrix: AnalogMatrix,
    weights: NDArray[np.float32],
    vectors: _Head,
    exact: NDArray[np.float64],
    feature_map: SoftmaxMap,
    *,
    first_vector: int,
    n_threads: int,
) -> tuple[float, float]:
    """Errors of one head on the chip and in FP32. Queries and keys go in jobs of `kernel_batch` vectors."""
    query, key, value = vectors
    batch = matrix.spec.kernel_batch
    errors: list[float] = []
    for chip in (True, False):
        features = []
        for first, x in ((first_vector, query), (first_vector + len(query), key)):
            if chip:
                ranges = input_ranges(x, batch=batch, clip_std=None)
                projected = matrix.matmul(x, input_range=ranges, first_vector=first, n_threads=n_threads)
            else:
                projected = x @ weights
            features.append(softmax_features(feature_map, x, projected))
        approximate = feature_attention(features[0], features[1], value)
        errors.append(float(np.linalg.norm(exact - approximate) / np.linalg.norm(exact)))
    return errors[0], errors[1]
