"""ListOps: trees of operators on digits, written down as symbols; the label is their value (Nangia and Bowman 2018).

A node above the deepest level is an operator with a probability of 1/4, else a digit; operators are MIN, MAX, MED (the
median, cut to a whole number) and SM (sum modulo 10) of 2 to 10 children, all uniform. Of all trees those of some
lengths are kept. A symbol is an operator with its bracket (1 to 4), a digit (5 to 14) or a closing bracket (15).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from hermes_sim._jit import njit
from hermes_sim.numerics.synthetic.draws import bits
from hermes_sim.rng import child_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN, MAX, MED, SM = 1, 2, 3, 4  # symbols of the operators
DIGIT, CLOSE = 5, 15  # symbols of the digit 0 and of a bracket
_DEEPEST: Final = 10  # level of nodes that are digits in any case; the root is on level 1
_LENGTHS: Final = {2000: (501, 1999), 256: (65, 256)}  # longest row -> lengths that are kept
# Who takes a tree is a matter of its own bits: no tree is in two parts, and none needs to know another.
_QUARTERS: Final = {"train": (2, 3), "validation": (1, 1), "test": (0, 0)}
_U2, _U3, _U4 = np.uint64(2), np.uint64(3), np.uint64(4)
_NINE, _TEN = np.uint64(9), np.uint64(10)
_FNV_START, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_S29 = np.uint64(29)


@dataclass(frozen=True)
class ListOps:
    """Trees of a part.

    Parameters
    ----------
    symbols : (n, longest) uint8, 0 behind the end
    lengths : (n,); labels : (n,) values of the trees, 0 to 9
    kept_frac : share of all trees that have a length to keep
    """

    symbols: NDArray[np.uint8]
    lengths: NDArray[np.int64]
    labels: NDArray[np.int64]
    kept_frac: float


LISTOPS_LENGTHS: Final = tuple(_LENGTHS)


def make_listops(part: str, n: int, *, longest: int, seed: int = 0) -> ListOps:
    """Make so many trees, no one twice.

    Parameters
    ----------
    part : ``train``, ``validation`` or ``test``, which have no tree in common, whatever the seeds
    longest : 2000 (trees of 501 to 1,999 symbols) or 256 (65 to 256)
    """
    shape = (n, longest)
    symbols, lengths, labels = np.zeros(shape, np.uint8), np.zeros(n, np.int64), np.zeros(n, np.int64)
    stream = np.array([child_key(seed, "listops", part, longest), 0], np.uint64)
    limits = np.array([*_LENGTHS[longest], *_QUARTERS[part]])
    tried, fitting = _fill(symbols, lengths, labels, stream, limits)
    return ListOps(symbols, lengths, labels, fitting / max(tried, 1))


@njit
def _fill(
    symbols: NDArray[np.uint8],
    lengths: NDArray[np.int64],
    labels: NDArray[np.int64],
    stream: NDArray[np.uint64],
    limits: NDArray[np.int64],
) -> tuple[int, int]:
    """Trees until all rows are full; how many were tried, and how many of them had a length to keep."""
    shortest, longest, first, last = limits
    open_nodes, counts = np.zeros((_DEEPEST, 2), np.int64), np.zeros((_DEEPEST, 10), np.int64)
    seen = {np.uint64(0)}
    n = tried = fitting = 0
    while n < len(symbols):
        tried += 1
        length, value = _tree(symbols[n], stream, longest, open_nodes, counts)
        if length < shortest:
            continue
        fitting += 1
        digest = _digest(symbols[n, :length])
        quarter = np.int64(digest & _U3)
        if quarter < first or quarter > last or digest in seen:
            continue
        seen.add(digest)
        symbols[n, length:] = 0
        lengths[n], labels[n] = length, value
        n += 1
    return tried, fitting


@njit
def _tree(
    row: NDArray[np.uint8],
    stream: NDArray[np.uint64],
    longest: int,
    open_nodes: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> tuple[int, int]:
    """Write a tree; its length and value, or 0 as soon as it must become too long.

    `open_nodes` has the operator and the children that are missing of every node above the next one, `counts` how often
    each digit is among its children so far.
    """
    least, length, above, value = 1, 0, 0, 0  # least: length if all nodes that are missing are digits
    while True:
        drawn = bits(stream)
        if above + 1 < _DEEPEST and drawn & _U3 == 0:
            children = 2 + int(np.int64((drawn >> _U4) % _NINE))
            least += 1 + children
            if least > longest:
                return 0, 0
            row[length] = np.int64((drawn >> _U2) & _U3) + MIN
            open_nodes[above, 0], open_nodes[above, 1] = row[length], children
            counts[above] = 0
            length, above = length + 1, above + 1
            continue
        value = int(np.int64((drawn >> _U2) % _TEN))
        row[length] = DIGIT + value
        length += 1
        while above > 0:
            counts[above - 1, value] += 1
            open_nodes[above - 1, 1] -= 1
            if open_nodes[above - 1, 1] > 0:
                break
            above -= 1
            value = _value(open_nodes[above, 0], counts[above])
            row[length] = CLOSE
            length += 1
        if above == 0:
            return length, value


@njit
def _value(operator: int, counts: NDArray[np.int64]) -> int:
    """Value of an operator with so many children of each value."""
    if operator == SM:
        total = 0
        for digit in range(10):
            total += digit * counts[digit]
        return total % 10
    n = counts.sum()
    if operator == MIN:
        return _ranked(counts, 0)
    if operator == MAX:
        return _ranked(counts, n - 1)
    return (_ranked(counts, (n - 1) // 2) + _ranked(counts, n // 2)) // 2


@njit
def _ranked(counts: NDArray[np.int64], rank: int) -> int:
    """Value of so many digits at a place of their order."""
    digit, below = 0, counts[0]
    while below <= rank:
        digit += 1
        below += counts[digit]
    return digit


@njit
def _digest(row: NDArray[np.uint8]) -> np.uint64:
    """64 bits that tell trees apart."""
    found = _FNV_START
    for symbol in row:
        found = (found ^ np.uint64(symbol)) * _FNV_PRIME
    return found ^ (found >> _S29)
