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
from hermes_sim.crossbar.saturation import any_beyond, saturate, start_of
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
    levels : steps of the largest input
    dead : what every pulse loses while its word line rises, in pulse-width steps
    negative : what a pulse of negative voltage is worth beside one of positive
    steps : parts of a pulse-width step in which widths are counted
    rounded, clipped : whether inputs are whole steps, and end at the largest
    """

    levels: Any
    dead: Any
    negative: Any
    steps: Any
    rounded: bool
    clipped: bool


class Converters(NamedTuple):
    """Converters and LDPU of a block, in the number type of the pass.

    Parameters
    ----------
    keys : (n_phases,) of the noise; columns : (n_slices, n_columns) `column_keys`
    gain : (n_slices, n_columns) counts per unit of the product; offset : (n_slices, n_columns) counts
    noise : standard deviation, counts; cubic : relative loss at one count, 1/counts^2; limit : counts
    rounded, cut : whether counts are whole numbers, and whether only those that were finished
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
    cut: bool
    scale: Floats
    split: Any
    fp16: bool


def largest_magnitudes(x: Floats) -> Floats:
    """Largest magnitude of every row of (n, m) floats, infinity and NaN above all numbers."""
    bits = np.dtype(f"i{x.dtype.itemsize}").type
    found = np.empty(len(x), bits)
    _largest_patterns(x.view(bits), bits(np.iinfo(bits).max), found)
    return found.view(x.dtype)


@njit
def _largest_patterns(patterns: NDArray[Any], magnitude: Any, out: NDArray[Any]) -> None:
    """Largest bit pattern without its sign, row by row: as integers, which order floats by magnitude.

    patterns : (n, m) floats viewed as integers of their size; magnitude : mask of all bits but the sign
    """
    for v in range(patterns.shape[0]):
        largest = magnitude & 0
        for i in range(patterns.shape[1]):
            largest = max(largest, patterns[v, i] & magnitude)
        out[v] = largest


@njit
def pulse_widths(x: Floats, ranges: Floats, pulses: Any, planes: int, out: Floats) -> None:
    """Inputs as signed widths of the pulses that reach the cells, in parts of a pulse-width step.

    Scaled to the largest step at the vector's range, clipped there, rounded, cut into bits, and shortened by the time
    that the word line needs to rise and for negative voltage: each of these optional.

    x : (n_vectors, n_rows); ranges : (n_vectors,) largest input; pulses : `Pulses` as a plain tuple
    planes : bits of the magnitude that have pulses of their own, or 1 for one pulse as long as the input is large
    out : (parts, n_vectors, n_rows), for each plane, the first bit first, one part for signed pulses, or two for the
        positive and the negative ones (>= 0)
    """
    levels, dead, negative, steps, rounded, clipped = pulses
    signs = out.shape[0] // planes
    none, one = levels * 0, levels / levels
    for v in range(x.shape[0]):
        scale = levels / ranges[v]
        if planes == 1:
            _shortened(x[v], scale, pulses, out[0, v])
        else:
            # steps without anything lost first, and then their bits, each as a pulse of one step
            _shortened(x[v], scale, (levels, none, one, one, rounded, clipped), out[0, v])
            _bits(out[::signs, v])
            for plane in range(0, out.shape[0], signs):
                _shortened(out[plane, v], one, (levels, dead, negative, steps, rounded, False), out[plane, v])
        if signs == 2:
            for plane in range(planes):
                _by_sign(out[2 * plane, v], out[2 * plane + 1, v])


@njit
def _shortened(x: Floats, scale: Any, pulses: Any, out: Floats) -> None:
    """One vector, (n_rows,), scaled to steps, and what of its pulses reaches the cells."""
    levels, dead, negative, steps, rounded, clipped = pulses
    zero = x.dtype.type(0)
    for i in range(x.size):
        width = x[i] * scale
        if clipped:
            width = min(max(width, -levels), levels)
        if rounded:
            width = np.rint(width)
        width = (max(width - dead, zero) + min(width + dead, zero) * negative) * steps
        # where numbers of parts are whole already, this changes nothing
        if rounded:
            width = np.rint(width)
        out[i] = width


@njit
def _bits(out: Floats) -> None:
    """Steps of one vector in the first plane, (planes, n_rows), as its bits in all.

    Bits are those of the magnitude with the sign of the input (sign and magnitude); what is not whole goes with the
    last one, what is too large with the first.
    """
    last = out.shape[0] - 1
    for i in range(out.shape[1]):
        sign, rest = np.sign(out[0, i]), abs(out[0, i])
        for plane in range(last):
            worth = out.dtype.type(1 << (last - plane))
            bit = np.floor(rest / worth)
            rest -= bit * worth
            out[plane, i] = sign * bit
        out[last, i] = sign * rest


@njit
def _by_sign(width: Floats, negative: Floats) -> None:
    """Positive and negative pulses of a vector, both >= 0, in place of signed ones."""
    zero = width.dtype.type(0)
    for i in range(width.size):
        negative[i] = max(-width[i], zero)
        width[i] = max(width[i], zero)


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
def convert(sums: Floats, counts: Floats, factor: Any, first: bool, key: np.uint64, cut: int, of: Converters) -> None:
    """One conversion of every column for one vector: gain, offset, noise, saturation, compression, counting.

    sums : (n_columns,) column sums in units of the product
    counts : (n_columns,), set to (`first`) or increased by factor * the counts of this conversion
    key : of the vector's noise in this conversion; cut : slice of the weights
    """
    low, high = np.uint32(key), np.uint32(key >> _HALF_KEY)
    columns, gain, offset = of.columns[cut], of.gain[cut], of.offset[cut]
    noise, cubic, limit, rounded, cuts = of.noise, of.cubic, of.limit, of.rounded, of.cut
    noisy = noise > 0
    for c in range(sums.size):
        y = sums[c] * gain[c] + offset[c]
        if noisy:
            y += noise * gauss(hash_bits(low, high, columns[c]))
        # the converter saturates first: a cubic beyond its own limit would turn back
        y = min(max(y, -limit), limit)
        y -= cubic * y * y * y
        if rounded:
            y = np.trunc(y) if cuts else np.rint(y)
        y *= factor
        counts[c] = y if first else counts[c] + y


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
def read_out(driven: Any, phases: Any, limits: Any, tile: Any, add: bool, converters: Any) -> None:
    """Everything behind the product, vector by vector: for each phase `saturate` and `convert`, then `scale_counts`.

    All but `add` are plain tuples, whose types Numba looks up faster at each call.

    driven : column sums (input parts, n_vectors, cell parts, n_columns), and the widths and cells of which they are
    phases, limits, tile, converters : `Phases`, `Limits`, `VectorTile` and `Converters`
    """
    sums, widths, cells = driven
    _, _, table, factors = phases
    acts, estimated, _, current, mean, spread = limits
    starts = np.empty((sums.shape[0], 3), sums.dtype)
    vectors, ranges, bias, counts, out = VectorTile(*tile)
    of = Converters(*converters)
    for v in range(sums.shape[1]):
        if acts:
            for pulses in range(sums.shape[0]):
                start_of(widths[pulses, v], starts[pulses])
        for p in range(table.shape[0]):
            pulses, part = table[p, 0], table[p, 1]
            mine = sums[pulses, v, part]
            if acts and (not estimated or any_beyond(mine, mean[part], spread[part], starts[pulses], current)):
                saturate(mine, widths[pulses, v], starts[pulses], cells, part, limits)
            convert(mine, counts, factors[p], p == 0, vector_key(of.keys[p], vectors[v]), table[p, 2], of)
        scale_counts(counts, ranges[v], bias, add, of, out[v])


@njit
def to_integers(out: Floats, full: Any) -> None:
    """Outputs in a format of 8 bits: whole steps of a 127th of the full scale, and clipped there.

    out : (n_vectors, n_columns)
    """
    levels = out.dtype.type(127)
    step = full / levels
    for v in range(out.shape[0]):
        for c in range(out.shape[1]):
            out[v, c] = min(max(np.rint(out[v, c] / step), -levels), levels) * step
