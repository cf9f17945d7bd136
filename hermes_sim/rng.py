"""Random numbers that depend on names, never on order: one seed -> named child streams, and a counter hash.

Arrays that belong to a core (programming errors, column offsets) come from a NumPy generator keyed by
``(seed, purpose, core, ...)``. Noise of single conversions comes from a hash of ``(key, vector, column)``, so that
neither the number of threads nor the way a batch is split can change a result.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from hermes_sim._jit import njit

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15

# SplitMix64: increments and multipliers of its finaliser (Steele, Lea, Flood, OOPSLA 2014).
MUL_A = np.uint64(0xBF58476D1CE4E5B9)
MUL_B = np.uint64(0x94D049BB133111EB)
STEP_VECTOR = np.uint64(_GOLDEN)
STEP_COLUMN = np.uint64(0xD1B54A32D192ED03)
_S27, _S30, _S31, _S40 = (np.uint64(shift) for shift in (27, 30, 31, 40))
_INV_SD = np.float32(1 / np.sqrt(16 + 1 / 12))
_TWO_M24 = np.float32(2.0**-24)
_CENTRE = np.float32(32.5)


def child_key(seed: int, *names: str | int) -> int:
    """64-bit key of a named stream: ``child_key(seed, "adc noise", core)``."""
    state = seed & _MASK
    for name in names:
        words = [name & _MASK] if isinstance(name, int) else _words(name)
        for word in words:
            state = _mix(state ^ word)
    return state


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """NumPy generator of a named stream (Philox, itself counter-based)."""
    return np.random.Generator(np.random.Philox(key=child_key(seed, *names)))


def _words(name: str) -> list[int]:
    data = name.encode()
    return [len(data), *(int.from_bytes(data[i : i + 8], "little") for i in range(0, len(data), 8))]


def _mix(state: int) -> int:
    state = (state + _GOLDEN) & _MASK
    state = ((state ^ (state >> 30)) * int(MUL_A)) & _MASK
    state = ((state ^ (state >> 27)) * int(MUL_B)) & _MASK
    return state ^ (state >> 31)


def _popcount_intrinsic(_typing: Any, _word: Any) -> Any:
    """Number of set bits, as one machine instruction."""

    def emit(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.uint64(types.uint64), emit


_popcount: Any = intrinsic(_popcount_intrinsic)


@njit
def hash_bits(key: np.uint64, vector: np.uint64, column: np.uint64) -> np.uint64:
    """64 random bits of one conversion."""
    z = key + vector * STEP_VECTOR + column * STEP_COLUMN
    z = (z ^ (z >> _S30)) * MUL_A
    z = (z ^ (z >> _S27)) * MUL_B
    return z ^ (z >> _S31)


@njit
def gauss(bits: np.uint64) -> np.float32:
    """Standard normal number from 64 random bits, float32.

    The count of set bits is binomial (64, 1/2); a uniform number from a second mix of the same bits fills the
    steps. Mean 0, variance 1, excess kurtosis -0.03, range +-8; a comparison with the normal distribution function
    is in the tests. It costs two multiplications and no branch, logarithm or table.
    """
    count = np.float32(np.int64(_popcount(bits)))
    fill = np.float32(np.int64((bits * STEP_VECTOR) >> _S40)) * _TWO_M24
    return (count + fill - _CENTRE) * _INV_SD
