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
def _rounded(values: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    for i in range(values.size):
        x = min(max(values[i], -_LARGEST), _LARGEST)
        split = x * _SPLIT
        large = split - (split - x)
        small = np.rint(x * _PER_STEP) * _STEP
        out[i] = large if abs(x) >= _LEAST_NORMAL else small
