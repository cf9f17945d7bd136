"""Streams of random numbers inside compiled code: a key and how many numbers were drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hermes_sim._jit import njit_kernel
from hermes_sim.rng import vector_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

_S11 = np.uint64(11)
_ONE = np.uint64(1)


@njit_kernel
def bits(stream: NDArray[np.uint64]) -> np.uint64:
    """64 random bits; `stream` is the key and the numbers drawn so far."""
    stream[1] += _ONE
    return vector_key(stream[0], stream[1])


@njit_kernel
def uniform(stream: NDArray[np.uint64], low: float, high: float) -> float:
    """A number in [low, high)."""
    return low + (high - low) * (np.float64(bits(stream) >> _S11) * 2.0**-53)
