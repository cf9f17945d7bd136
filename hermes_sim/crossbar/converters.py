"""Compiled passes around the product: inputs to pulse widths, column currents to counts to numbers.

One pass reads each column sum once and writes each output once. Random numbers are a hash of (key, vector, column),
so no pass depends on how a batch is cut or on who runs it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hermes_sim._jit import njit
from hermes_sim.rng import gauss, hash_bits

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Floats = NDArray[Any]

# Multiplier of Veltkamp's splitting: keeps the 11 significant bits of FP16, of float32 and of float64 numbers.
FP16_SPLIT_F32 = np.float32(2.0**13 + 1)
FP16_SPLIT_F64 = np.float64(2.0**42 + 1)


@njit
def pulse_widths(
    x: Floats,
    ranges: F64,
    levels: float,
    rounded: bool,
    clipped: bool,
    dead: float,
    steps: float,
    out: Floats,
) -> None:
    """Inputs as signed widths of the pulses that reach the cells, in `steps` parts of a pulse-width step.

    Scaled to `levels` steps at the vector's range, clipped there, rounded, and shortened by the `dead` time that the
    word line needs to rise: each of these optional.

    x, out : (n_vectors, n_rows); ranges : (n_vectors,) input of a full pulse; levels, dead : pulse-width steps
    """
    for v in range(x.shape[0]):
        scale = levels / ranges[v]
        for i in range(x.shape[1]):
            width = x[v, i] * scale
            if clipped:
                width = min(max(width, -levels), levels)
            if rounded:
                width = np.rint(width)
            if dead > 0:
                width = max(width - dead, 0.0) + min(width + dead, 0.0)
            out[v, i] = width * steps


@njit
def split_signs(width: Floats, positive: Floats, negative: Floats) -> None:
    """Pulse widths of the positive and the negative phase, both (n_vectors, n_rows), >= 0."""
    for v in range(width.shape[0]):
        for i in range(width.shape[1]):
            positive[v, i] = max(width[v, i], width[v, i] * 0)
            negative[v, i] = max(-width[v, i], width[v, i] * 0)


@njit
def ordered_product(x: Floats, w: Floats, out: Floats) -> None:
    """Product whose sums run over the rows in order, whatever the batch: the path for inputs that are no integers."""
    for v in range(x.shape[0]):
        for c in range(w.shape[1]):
            out[v, c] = 0.0
        for i in range(w.shape[0]):
            for c in range(w.shape[1]):
                out[v, c] += x[v, i] * w[i, c]


@njit
def convert(
    sums: Floats,
    counts: Floats,
    sign: int,
    first: bool,
    key: np.uint64,
    vectors: NDArray[np.uint64],
    first_column: int,
    gain: Floats,
    offset: Floats,
    noise: Any,
    cubic: Any,
    limit: Any,
    rounded: bool,
) -> None:
    """One conversion of every column: gain, offset, noise, compression, saturation, counting.

    sums : (n_vectors, n_columns) column sums in units of the product
    counts : (n_vectors, n_columns), set to (`first`) or increased by sign * the counts of this conversion
    vectors : (n_vectors,) names of the vectors; equal names get equal noise
    gain : (n_columns,) counts per unit of the product; offset : (n_columns,) counts
    noise : standard deviation, counts; cubic : relative loss at one count, 1/counts^2; limit : counts
    """
    noisy = noise > 0
    for v in range(sums.shape[0]):
        vector = vectors[v]
        for c in range(sums.shape[1]):
            y = sums[v, c] * gain[c] + offset[c]
            if noisy:
                y += noise * gauss(hash_bits(key, vector, np.uint64(first_column + c)))
            y -= cubic * y * y * y
            y = min(max(y, -limit), limit)
            if rounded:
                y = np.rint(y)
            counts[v, c] = y if first else counts[v, c] + sign * y


@njit
def scale_counts(
    counts: Floats, ranges: F64, scale: Floats, offset: Floats, split: Any, fp16: bool, add: bool, out: Floats
) -> None:
    """LDPU: ``counts * scale * range + offset``, in FP16 if wanted, set in or added to `out`.

    counts, out : (n_vectors, n_columns); ranges : (n_vectors,); scale, offset : (n_columns,)
    """
    for v in range(counts.shape[0]):
        full = ranges[v]
        for c in range(counts.shape[1]):
            y = counts[v, c] * scale[c] * full + offset[c]
            if fp16:
                t = y * split
                y = t - (t - y)
            if add:
                y += out[v, c]
                if fp16:
                    t = y * split
                    y = t - (t - y)
            out[v, c] = y
