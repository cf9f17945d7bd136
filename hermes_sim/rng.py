"""Random numbers that depend on names, never on order: one seed -> named child streams, and a counter hash.

Arrays that belong to a core (programming errors, column offsets) come from a NumPy generator keyed by
``(seed, purpose, core, ...)``. Noise of single conversions comes from a hash of ``(key, vector, column)``, so that
neither the number of threads nor the way a batch is split can change a result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import config, types
from numba.extending import intrinsic

from hermes_sim._jit import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15

# SplitMix64: multipliers of its finaliser (Steele, Lea, Flood, OOPSLA 2014).
MUL_A = np.uint64(0xBF58476D1CE4E5B9)
MUL_B = np.uint64(0x94D049BB133111EB)
_S27, _S30, _S31, _S32 = (np.uint64(shift) for shift in (27, 30, 31, 32))
_GOLDEN_64 = np.uint64(_GOLDEN)

# Multipliers of a low-bias finaliser of 32 bits (Wellons, "Prospecting for hash functions", 2018).
_MIX_A, _MIX_B, _GOLDEN_32 = np.uint32(0x7FEB352D), np.uint32(0x846CA68B), np.uint32(0x9E3779B9)
_R9, _R15, _R16 = (np.uint32(shift) for shift in (9, 15, 16))

# float32: bits of 1.0, mask of the fraction.
_ONE_BITS, _FRACTION = np.int32(0x3F800000), np.int32(0x7FFFFF)
_ONE, _TWO_M22, _TWO_M23 = np.float32(1), np.float32(2.0**-22), np.float32(2.0**-23)
_CENTRE = np.float32(2.0**22 - 0.5)
# log2(1 + f) - f = f (1 - f) (L0 + L1 f) to 9e-4, and the normal quantile of (1 + u) / 2 = u K(-log2(1 - u^2)) to a
# relative 2e-4 up to 5.3 standard deviations: minimax fits.
_L0, _L1 = np.float32(0.42286562), np.float32(-0.15922063)
_K0, _K1, _K2, _K3, _K4, _K5, _K6 = (
    np.float32(k)
    for k in (1.25315246, 2.27000749e-1, 9.01631589e-3, -1.77994321e-3, 1.15692970e-4, -3.55524578e-6, 4.28325785e-8)
)


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


def _fma_intrinsic(_typing: Any, _a: Any, _b: Any, _c: Any) -> Any:
    """``a * b + c`` with one rounding: one instruction, and the same bits on processors without it."""

    def emit(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.fma(*args)

    return types.float32(types.float32, types.float32, types.float32), emit


def _fma_plain(a: Any, b: Any, c: Any) -> Any:
    """The same without machine code: the product of two float32 is exact in float64, the sum all but (to 2^-53)."""
    return np.float32(float(a) * float(b) + float(c))


_fma: Any = _fma_plain if config.DISABLE_JIT else intrinsic(_fma_intrinsic)  # type: ignore[attr-defined]


@njit
def vector_key(key: np.uint64, vector: np.uint64) -> np.uint64:
    """64 random bits of a vector's conversions."""
    z = key + vector * _GOLDEN_64
    z = (z ^ (z >> _S30)) * MUL_A
    z = (z ^ (z >> _S27)) * MUL_B
    return z ^ (z >> _S31)


def column_keys(first: int, n_columns: int) -> NDArray[np.uint32]:
    """Steps between the hashed numbers of a vector's columns, (n_columns,)."""
    return np.arange(first, first + n_columns, dtype=np.uint32) * _GOLDEN_32


@njit
def hash_bits(low: np.uint32, high: np.uint32, column: np.uint32) -> np.uint32:
    """32 random bits of one conversion, from the two halves of its vector's key and from `column_keys`."""
    # Numba widens whole numbers to 64 bits; cut back at once, the machine code stays in lanes of 32 bits
    z = np.uint32(low + column)
    z = np.uint32(np.uint32(z ^ (z >> _R16)) * _MIX_A)
    z = np.uint32(z ^ high)
    z = np.uint32(np.uint32(z ^ (z >> _R15)) * _MIX_B)
    return np.uint32(z ^ (z >> _R16))


@njit
def gauss(bits: np.uint32) -> np.float32:
    """Standard normal number from 32 random bits, float32.

    The quantile of a uniform number of 23 bits, to a relative 3e-4 and out to 5.3 standard deviations. No branch,
    no table, only float32 and 32-bit lanes: whole registers at once, and the same bits on every processor.
    """
    u = (np.float32(np.int32(np.uint32(bits >> _R9))) - _CENTRE) * _TWO_M22
    pattern = np.float32((_ONE - u) * (_ONE + u)).view(np.int32)
    f = np.int32((pattern & _FRACTION) | _ONE_BITS).view(np.float32) - _ONE
    w = _fma(f * (f - _ONE), _fma(_L1, f, _L0), np.float32(np.int32(_ONE_BITS - pattern)) * _TWO_M23)
    k = _fma(_fma(_fma(_K6, w, _K5), w, _K4), w, _K3)
    return np.float32(u * _fma(_fma(_fma(k, w, _K2), w, _K1), w, _K0))
