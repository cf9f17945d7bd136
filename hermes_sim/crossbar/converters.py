"""Compiled passes around the product: inputs to pulse widths, column currents to counts to numbers.

One pass reads each column sum once and writes each output once. Random numbers are a hash of (key, vector, column),
so no pass depends on how a batch is cut or on who runs it. Number types: float32 where inputs and cells are integers,
float64 where they are not; constants come in the type of their pass, since one wider number would double the work.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hermes_sim._jit import njit
from hermes_sim.rng import gauss, hash_bits, vector_key

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Floats = NDArray[Any]

# Multiplier of Veltkamp's splitting: keeps the 11 significant bits of FP16, of float32 and of float64 numbers.
FP16_SPLIT_F32 = np.float32(2.0**13 + 1)
FP16_SPLIT_F64 = np.float64(2.0**42 + 1)


_HALF_KEY = np.uint64(32)


class Pulses(NamedTuple):
    """How inputs become pulses, in the number type of the pass.

    Parameters
    ----------
    levels, dead : longest pulse, and what every pulse loses while its word line rises, in pulse-width steps
    steps : parts of a pulse-width step in which widths are counted
    rounded, clipped : whether widths are whole steps, and end at the longest pulse
    """

    levels: Any
    dead: Any
    steps: Any
    rounded: bool
    clipped: bool


class Converters(NamedTuple):
    """Converters and LDPU of a block, in the number type of the pass.

    Parameters
    ----------
    keys : (n_phases,) of the noise; columns : (n_columns,) `column_keys`
    gain : (n_columns,) counts per unit of the product; offset : (n_columns,) counts
    noise : standard deviation, counts; cubic : relative loss at one count, 1/counts^2; limit : counts
    rounded : whether counts are whole numbers
    scale : (n_columns,) of the LDPU; split, fp16 : multiplier of the rounding to FP16, and whether there is one
    """

    keys: NDArray[np.uint64]
    columns: NDArray[np.uint32]
    gain: Floats
    offset: Floats
    noise: Any
    cubic: Any
    limit: Any
    rounded: bool
    scale: Floats
    split: Any
    fp16: bool


@njit
def largest_magnitude(patterns: NDArray[Any], magnitude: Any) -> int:
    """Largest bit pattern without its sign: orders floats by magnitude, infinity and NaN above all numbers.

    patterns : (n, m) floats viewed as integers of their size; magnitude : mask of all bits but the sign
    """
    largest = patterns.dtype.type(0)
    for v in range(patterns.shape[0]):
        for i in range(patterns.shape[1]):
            largest = max(largest, patterns.dtype.type(patterns[v, i] & magnitude))
    return int(largest)


@njit
def pulse_widths(x: Floats, ranges: Floats, pulses: Any, out: Floats) -> None:
    """Inputs as signed widths of the pulses that reach the cells, in parts of a pulse-width step.

    Scaled to the longest pulse at the vector's range, clipped there, rounded, and shortened by the time that the word
    line needs to rise: each of these optional.

    x : (n_vectors, n_rows); ranges : (n_vectors,) input of a full pulse; pulses : `Pulses` as a plain tuple
    out : (parts, n_vectors, n_rows), one part for signed pulses, two for the positive and the negative ones (>= 0)
    """
    zero = x.dtype.type(0)
    levels, dead, steps, rounded, clipped = pulses
    for v in range(x.shape[0]):
        scale = levels / ranges[v]
        for i in range(x.shape[1]):
            width = x[v, i] * scale
            if clipped:
                width = min(max(width, -levels), levels)
            if rounded:
                width = np.rint(width)
            width = max(width - dead, zero) + min(width + dead, zero)
            out[0, v, i] = width * steps
        if out.shape[0] == 2:
            for i in range(x.shape[1]):
                width = out[0, v, i]
                out[0, v, i] = max(width, out.dtype.type(0))
                out[1, v, i] = max(-width, out.dtype.type(0))


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
def convert(sums: Floats, counts: Floats, sign: Any, first: bool, key: np.uint64, of: Converters) -> None:
    """One conversion of every column for one vector: gain, offset, noise, saturation, compression, counting.

    sums : (n_columns,) column sums in units of the product
    counts : (n_columns,), set to (`first`) or increased by sign * the counts of this conversion
    key : of the vector's noise in this conversion
    """
    low, high = np.uint32(key), np.uint32(key >> _HALF_KEY)
    columns, gain, offset = of.columns, of.gain, of.offset
    noise, cubic, limit, rounded = of.noise, of.cubic, of.limit, of.rounded
    noisy = noise > 0
    for c in range(sums.size):
        y = sums[c] * gain[c] + offset[c]
        if noisy:
            y += noise * gauss(hash_bits(low, high, columns[c]))
        # the current saturates first: a cubic beyond its own limit would turn back
        y = min(max(y, -limit), limit)
        y -= cubic * y * y * y
        if rounded:
            y = np.rint(y)
        counts[c] = y if first else counts[c] + sign * y


@njit
def scale_counts(counts: Floats, full: Any, bias: Floats, add: bool, of: Converters, out: Floats) -> None:
    """LDPU for one vector: ``counts * scale * full + bias``, in FP16 if wanted, set in or added to `out`.

    counts, bias, out : (n_columns,); full : input of a full pulse
    """
    scale, split, fp16 = of.scale, of.split, of.fp16
    for c in range(counts.size):
        y = counts[c] * scale[c] * full + bias[c]
        if fp16:
            t = y * split
            y = t - (t - y)
        if add:
            y += out[c]
            if fp16:
                t = y * split
                y = t - (t - y)
        out[c] = y


class VectorTile(NamedTuple):
    """What a read works on.

    Parameters
    ----------
    vectors : (n_vectors,) names of the vectors; equal names get equal noise
    ranges : (n_vectors,) input of a full pulse
    bias : (n_columns,) added by the LDPU
    counts : (n_columns,) work array
    out : (n_vectors, n_columns)
    """

    vectors: NDArray[np.uint64]
    ranges: Floats
    bias: Floats
    counts: Floats
    out: Floats


@njit
def read_out(sums: Floats, phases: NDArray[np.int64], tile: Any, add: bool, converters: Any) -> None:
    """Everything behind the product, vector by vector: `convert` for each phase, then `scale_counts`.

    sums : (input parts, n_vectors, cell parts, n_columns)
    phases : (n_phases, 3) input part, cell part, sign of the counts
    tile, converters : `VectorTile` and `Converters` as plain tuples, whose types Numba looks up faster at each call
    """
    vectors, ranges, bias, counts, out = VectorTile(*tile)
    of = Converters(*converters)
    for v in range(sums.shape[1]):
        for p in range(phases.shape[0]):
            convert(
                sums[phases[p, 0], v, phases[p, 1]],
                counts,
                counts.dtype.type(phases[p, 2]),
                p == 0,
                vector_key(of.keys[p], vectors[v]),
                of,
            )
        scale_counts(counts, ranges[v], bias, add, of, out[v])
