"""Currents beyond what an oscillator follows: what its counter misses while they last, and weights that keep below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hermes_sim._jit import njit
from hermes_sim.config.vocabulary import ReadMode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hermes_sim.crossbar.spec import CrossbarSpec

Floats = NDArray[Any]

# Columns whose current may lie so many standard deviations above its estimate are followed through their pulses.
_DEVIATIONS = 2.5


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


def limits_of(cells: Floats, current: float, *, exact: bool, falling: bool) -> Limits:
    """Limit of columns with `cells`, (n_rows, parts, n_columns), of which one at g_max has the unit of `current`."""
    number = cells.dtype.type
    acts = bool(np.abs(cells).sum(axis=0).max(initial=0.0) > current)
    mean, spread = (cells.mean(axis=0), cells.std(axis=0)) if acts else (cells[0], cells[0])
    # an integer, as the cells are: what is missed is then as exact as the sums
    largest = np.rint(current) if exact else current
    return Limits(acts, exact, falling, number(largest), mean.astype(number), (_DEVIATIONS * spread).astype(number))


@njit
def saturate(sums: Floats, widths: Floats, cells: Floats, part: int, limits: Any) -> None:
    """Take from the column sums of a vector what lies beyond the limit of the current at any instant.

    sums : (n_columns,); widths : (n_rows,) signed pulses; cells : (n_rows, parts, n_columns)
    limits : `Limits` as a plain tuple
    """
    _, estimated, falling, current, mean, spread = limits
    if not estimated:
        _follow(sums, widths, cells, part, current, np.arange(sums.size))
        return
    slope, ahead, deviation = _start(widths)
    number = sums.dtype.type
    slope, ahead, deviation = number(slope), number(ahead), number(deviation)
    found = 0
    for c in range(sums.size):
        found += abs(mean[part, c] * ahead + sums[c] * slope) + spread[part, c] * deviation > current
    if found == 0:
        return
    columns = np.empty(found, np.int64)
    found = 0
    for c in range(sums.size):
        if abs(mean[part, c] * ahead + sums[c] * slope) + spread[part, c] * deviation > current:
            if falling:
                start = number(0)
                for i in range(widths.size):
                    if widths[i] > 0:
                        start += cells[i, part, c]
                if start <= current:
                    continue
            columns[found] = c
            found += 1
    if found > 0:
        _follow(sums, widths, cells, part, current, columns[:found])


@njit
def _start(widths: Floats) -> tuple[float, float, float]:
    """What the pulses of a vector say of the currents at their start, when all are on.

    What is known of a column's current I = sum of s_i g_i (s: signs of the pulses) is its charge S = sum of w_i g_i:
    with cells of mean m and spread sd, independent of the pulses, I has the mean m A + (S - m B) C and the standard
    deviation sd sqrt(n - M C), where n pulses have the sum of signs A, of widths B, of lengths M, of squares Q, and
    C = M / Q. Returns C, A - B C and sqrt(n - M C).
    """
    n, signs, total, length, squares = 0, 0, 0, 0, 0
    for i in range(widths.size):
        width = int(widths[i])
        n += int(width != 0)
        signs += int(width > 0) - int(width < 0)
        total += width
        length += abs(width)
        squares += width * width
    slope = length / max(squares, 1)
    return slope, signs - total * slope, np.sqrt(max(n - length * slope, 0.0))


@njit
def _follow(sums: Floats, widths: Floats, cells: Floats, part: int, limit: Any, columns: NDArray[np.int64]) -> None:
    """`saturate` for some columns: all pulses start together and end one after the other.

    From the longest to the shortest, each adds its cell to the current of its column.
    """
    order = np.argsort(-np.abs(widths))
    current = np.zeros(columns.size, sums.dtype)
    missed = np.zeros(columns.size, sums.dtype)
    for j in range(order.size):
        i = order[j]
        width = widths[i]
        if width == 0:
            break
        time = abs(width) - (abs(widths[order[j + 1]]) if j + 1 < order.size else width * 0)
        sign = np.sign(width)
        for k in range(columns.size):
            now = current[k] + sign * cells[i, part, columns[k]]
            current[k] = now
            missed[k] += (now - min(max(now, -limit), limit)) * time
    for k in range(columns.size):
        sums[columns[k]] -= missed[k]


def fitting_scale(spec: CrossbarSpec, blocks: Sequence[Floats], scale: float, *, mode: ReadMode) -> float:
    """Weight per g_max, `scale` or more, with which the expected currents and counts of a core fit its converters.

    Expected are inputs of one sign, as after a ReLU, of the stated mean pulse: spread evenly, twice as many rows are on
    at the start as this mean says, at most all.

    Parameters
    ----------
    blocks : weights of the core
    """
    largest = 0.0
    for block in blocks:
        ratio = np.clip(block / scale, -1.0, 1.0)
        driven = (ratio,) if mode is ReadMode.ONE_PHASE else (np.maximum(ratio, 0.0), np.maximum(-ratio, 0.0))
        largest = max(largest, *(float(np.abs(part.sum(axis=0)).max(initial=0.0)) for part in driven))
    current = largest * min(2 * spec.activity_inputs, 1.0) * spec.counts_per_cell / spec.adc_saturation_counts
    counts = largest * spec.activity_inputs * spec.counts_per_cell / spec.adc_count_limit
    return scale * max(current, counts, 1.0)
