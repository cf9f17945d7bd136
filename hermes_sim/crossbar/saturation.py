"""Currents beyond what an oscillator follows: what its counter misses while they last, and weights that keep below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hermes_sim._jit import njit, njit_inline
from hermes_sim.config.vocabulary import ReadMode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hermes_sim.crossbar.spec import CrossbarSpec

Floats = NDArray[Any]

# Columns whose current may lie so many standard deviations above its estimate are followed through their pulses.
_DEVIATIONS = 3.0

# Rows of squares of pulses that 32 bits hold.
_ROWS = 1024
_ZERO, _ONE = np.int32(0), np.int32(1)


class Limits(NamedTuple):
    """Limit of the current of a block's columns.

    Parameters
    ----------
    acts : whether any input can reach it
    estimated : whether columns are chosen by an estimate of their current; else all are followed
    falling : whether currents are largest at the start of the pulses: no pulse and no cell is negative
    current : largest current, in units of the cells
    mean, spread : (parts, n_columns) of the conductances over the rows, the spread `_DEVIATIONS` times the standard one
    """

    acts: bool
    estimated: bool
    falling: bool
    current: Any
    mean: Floats
    spread: Floats


def limits_of(cells: Floats, current: float, *, estimated: bool, falling: bool) -> Limits:
    """Limit of columns with `cells`, (n_rows, parts, n_columns), of which one at g_max has the unit of `current`."""
    number = cells.dtype.type
    acts = bool(np.abs(cells).sum(axis=0).max(initial=0.0) > current)
    mean, spread = (cells.mean(axis=0), cells.std(axis=0)) if acts else (cells[0], cells[0])
    # an integer, as the cells are: what is missed is then as exact as the sums
    largest = np.rint(current) if np.issubdtype(number, np.float32) else current
    return Limits(acts, estimated, falling, number(largest), mean.astype(number), (_DEVIATIONS * spread).astype(number))


@njit
def saturate(sums: Floats, widths: Floats, start: Floats, cells: Floats, part: int, limits: Any) -> None:
    """Take from the column sums of a vector what lies beyond the limit of the current at any instant.

    sums : (n_columns,); widths : (n_rows,) signed pulses; cells : (n_rows, parts, n_columns)
    start : of the pulses, as `start_of` gives it; limits : `Limits` as a plain tuple
    """
    _, estimated, falling, current, mean, spread = limits
    chosen = np.ones(sums.size, sums.dtype)
    begin, end = 0, sums.size
    if estimated:
        begin, end = sums.size, 0
        for c in range(sums.size):
            here = slice(c, c + 1)
            beyond = any_beyond(sums[here], mean[part, here], spread[part, here], start, current)
            chosen[c] = beyond
            if beyond:
                begin, end = min(begin, c), c + 1
    if begin < end:
        _follow(sums, widths, cells, part, (begin, end), current, falling, chosen)


@njit_inline
def start_of(widths: Floats, start: Floats) -> None:
    """What the pulses of a vector say of the currents at their start, when all are on.

    What is known of a column's current I = sum of s_i g_i (s: signs of the pulses) is its charge S = sum of w_i g_i:
    with cells of mean m and spread sd, independent of the pulses, I has the mean m A + (S - m B) C and the standard
    deviation sd sqrt(n - M C), where n pulses have the sum of signs A, of widths B, of lengths M, of squares Q, and
    C = M / Q.

    start : (3,), set to C, A - B C and sqrt(n - M C)
    """
    on, signs, total, length, squares = 0.0, 0.0, 0.0, 0.0, 0.0
    for begin in range(0, widths.size, _ROWS):
        n, a, b, m, q = _ZERO, _ZERO, _ZERO, _ZERO, _ZERO
        # whole numbers of 32 bits: added in any order, and so in whole registers
        for i in range(begin, min(begin + _ROWS, widths.size)):
            width = np.int32(widths[i])
            size = np.int32(abs(width))
            n = np.int32(n + np.int32(min(size, _ONE)))
            a = np.int32(a + np.int32(max(min(width, _ONE), -_ONE)))
            b = np.int32(b + width)
            m = np.int32(m + size)
            q = np.int32(q + np.int32(size * size))
        on, signs, total, length, squares = on + n, signs + a, total + b, length + m, squares + q
    slope = length / max(squares, 1.0)
    start[0] = slope
    start[1] = signs - total * slope
    start[2] = np.sqrt(max(on - length * slope, 0.0))


@njit_inline
def any_beyond(sums: Floats, mean: Floats, spread: Floats, start: Floats, limit: Any) -> bool:
    """Whether a column may have more current at the start of its pulses than the limit, by `_DEVIATIONS`.

    sums, mean, spread : (n_columns,) of the columns; start : as `start_of` gives it
    """
    slope, ahead, deviation = start[0], start[1], start[2]
    # bits of numbers that are not negative have their order
    most = np.float32(0).view(np.int32)
    for c in range(sums.size):
        current = np.float32(abs(mean[c] * ahead + sums[c] * slope) + spread[c] * deviation)
        most = max(most, current.view(np.int32))
    return bool(most > np.float32(limit).view(np.int32))


@njit
def _follow(
    sums: Floats,
    widths: Floats,
    cells: Floats,
    part: int,
    among: tuple[int, int],
    limit: Any,
    falling: bool,
    chosen: Floats,
) -> None:
    """`saturate` for the chosen columns: all pulses start together and end one after the other, the shortest first.

    All columns are followed side by side, whole registers at a time, until no current is left beyond the limit.

    among : first and last column, exclusive, of those that are followed; chosen : (n_columns,) 1 or 0
    """
    begin, end = among
    rows = np.flatnonzero(widths)
    time = widths.dtype.type(0)
    current = np.zeros(end - begin, sums.dtype)
    missed = np.zeros(end - begin, sums.dtype)
    for i in rows:
        # rows, and not the block, are sliced here: only so does the compiler see that columns are neighbours
        _add(current, np.sign(widths[i]), cells[i, part, begin:end])
    # currents that only fall are largest now: most estimates were too careful
    if falling and not _add_missed(missed, current, limit, time):
        return
    for i in rows[np.argsort(np.abs(widths[rows]))]:
        width = abs(widths[i])
        if width > time:
            if not _add_missed(missed, current, limit, width - time) and falling:
                break
            time = width
        _add(current, -np.sign(widths[i]), cells[i, part, begin:end])
    for c in range(current.size):
        sums[begin + c] -= chosen[begin + c] * missed[c]


@njit_inline
def _add(current: Floats, sign: Any, cells: Floats) -> None:
    """Cells of a row, (n_columns,), added to the currents of their columns."""
    for c in range(current.size):
        current[c] += sign * cells[c]


@njit_inline
def _add_missed(missed: Floats, current: Floats, limit: Any, time: Any) -> bool:
    """Add what the currents, (n_columns,), have beyond the limit for a time; whether there is any."""
    # bits of numbers that are not negative have their order
    most = np.float32(0).view(np.int32)
    for c in range(current.size):
        beyond = current[c] - min(max(current[c], -limit), limit)
        most = max(most, np.float32(abs(beyond)).view(np.int32))
        missed[c] += beyond * time
    return bool(most > 0)


def fitting_scale(spec: CrossbarSpec, blocks: Sequence[Floats], scale: float, *, mode: ReadMode) -> float:
    """Weight per g_max, `scale` or more, with which the expected currents and counts of a core fit its converters.

    Expected are inputs of one sign, as after a ReLU, of the stated mean pulse: spread evenly, twice as many rows are on
    at the start as this mean says, at most all. Columns as busy as the mean one fit then, and busier ones end in the
    limit: weights scaled down further would lose more in the errors of their cells.

    Parameters
    ----------
    blocks : weights of the core
    """
    busy = 0.0
    for block in blocks:
        ratio = np.clip(block / scale, -1.0, 1.0)
        driven = (ratio,) if mode is ReadMode.ONE_PHASE else (np.maximum(ratio, 0.0), np.maximum(-ratio, 0.0))
        busy = max(busy, *(float(np.abs(part.sum(axis=0)).mean()) for part in driven))
    current = busy * min(2 * spec.activity_inputs, 1.0) * spec.counts_per_cell / spec.adc_saturation_counts
    counts = busy * spec.activity_inputs * spec.counts_per_cell / spec.adc_count_limit
    return scale * max(current, counts, 1.0)
