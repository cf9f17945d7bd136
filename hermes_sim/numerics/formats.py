"""Number formats of digital units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hermes_sim._jit import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LARGEST, _LEAST_NORMAL = np.float32(65504), np.float32(2.0**-14)
_STEP = np.float32(2.0**-24)  # of numbers below the least normal one
_PER_STEP = np.float32(2.0**24)
_SPLIT = np.float32(2.0**13 + 1)  # of Veltkamp's splitting: keeps 11 significant bits


def to_fp16(values: NDArray[Any]) -> NDArray[np.float32]:
    """Nearest numbers of FP16, as float32; what is too large becomes the largest."""
    flat = np.ascontiguousarray(values, np.float32)
    made = np.empty_like(flat)
    _rounded(flat.reshape(-1), made.reshape(-1))
    return made


@njit
def summed_in_fp16(features: NDArray[np.float32], values: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """Sum over tokens of the outer products of features (tokens, m) and values (tokens, d), rounded token by token.

    out : (m, d) numbers of FP16
    """
    out[:] = 0
    for token in range(features.shape[0]):
        for i in range(out.shape[0]):
            for j in range(out.shape[1]):
                out[i, j] = _nearest(out[i, j] + features[token, i] * values[token, j])


@njit
def _rounded(values: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    for i in range(values.size):
        out[i] = _nearest(values[i])


@njit
def _nearest(value: np.float32) -> np.float32:
    x = min(max(value, -_LARGEST), _LARGEST)
    split = x * _SPLIT
    large = split - (split - x)
    small = np.rint(x * _PER_STEP) * _STEP
    return large if abs(x) >= _LEAST_NORMAL else small
