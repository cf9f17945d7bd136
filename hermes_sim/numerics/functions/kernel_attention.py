"""Attention by random features (FAVOR+), non-causal: features of queries and keys, the state of the keys, the quotient.

Exponents are shifted, those of a query by its largest, those of the keys by the largest of all keys, and the state is
scaled by a power of two: all three cancel in the quotient, and keep every number of it within FP16.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hermes_sim.numerics.formats import summed_in_fp16
from hermes_sim.numerics.functions.axes import Array, needed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hermes_sim.workload.origin import Node

    Inputs = Sequence[Array | None]

KEY_STATE = "KeyState"
RELU_OFFSET = 1e-3  # Choromanski et al., ICLR 2021, appendix: added to features of a ReLU, so that no sum of them is 0
_LEAST = np.float32(2.0**-24)  # the least number of FP16 in place of a sum that is 0


def query_features(projected: Array) -> Array:
    """exp(+-w - largest) of (samples, ..., tokens, rows) -> (..., tokens, 2 rows): |x|^2 / 2 cancels with the shift."""
    features = _both_signs(projected)
    features -= np.abs(projected).max(axis=-1, keepdims=True)
    return np.asarray(np.exp(features, out=features))


def key_features(projected: Array, x: Array, counted: Array) -> Array:
    """exp(+-w - |x|^2 / 2 - largest of the sample), and 0 for tokens that do not count.

    Parameters
    ----------
    projected : (samples, ..., tokens, rows)
    x : (samples, ..., tokens, head_dim) what was projected, as the rows of the crossbar got it
    counted : (samples, ..., tokens) truth values
    """
    half = np.square(x).sum(axis=-1, keepdims=True) / np.float32(2)
    largest = np.abs(projected).max(axis=-1, keepdims=True) - half
    largest = np.where(counted[..., None], largest, np.float32(-np.inf)).max(axis=-2, keepdims=True)
    shift = half + np.where(np.isfinite(largest), largest, 0)
    features = _both_signs(projected)
    features -= np.where(counted[..., None], shift, np.float32(np.inf))
    return np.asarray(np.exp(features, out=features))


def relu_features(projected: Array, counted: Array | None = None) -> Array:
    """max(w, 0) + 0.001 of (samples, ..., tokens, rows), and 0 for tokens that do not count."""
    features = np.maximum(projected, 0) + np.float32(RELU_OFFSET)
    return features if counted is None else np.where(counted[..., None], features, np.float32(0))


def _both_signs(projected: Array) -> Array:
    both = np.empty((*projected.shape[:-1], 2 * projected.shape[-1]), np.float32)
    rows = projected.shape[-1]
    both[..., :rows] = projected
    np.negative(projected, out=both[..., rows:])
    return both


def _state(_node: Node, inputs: Inputs) -> Array:
    return key_state(needed(inputs, 0), needed(inputs, 1))


def key_state(features: Array, values: Array, *, fp16: bool = False) -> Array:
    """Features (..., tokens, m) of keys and values (..., tokens, d) -> (..., m, d + 1); the last column is the sum.

    fp16 : the running sum is in FP16, else in float32
    """
    beside = np.concatenate([values, np.ones((*values.shape[:-1], 1), np.float32)], axis=-1)
    if fp16:
        state = np.empty((*features.shape[:-2], features.shape[-1], beside.shape[-1]), np.float32)
        for place in np.ndindex(*features.shape[:-2]):
            summed_in_fp16(features[place], beside[place], state[place])
    else:
        state = features.swapaxes(-1, -2) @ beside
    _, exponent = np.frexp(state[..., -1].max(axis=-1))
    return np.asarray(np.ldexp(state, -exponent[..., None, None]))


def _quotient(_node: Node, inputs: Inputs) -> Array:
    """(..., d + 1) -> (..., d): all values over the last one."""
    sums = needed(inputs, 0)
    return np.asarray(sums[..., :-1] / np.maximum(sums[..., -1:], _LEAST))


KERNEL_ATTENTION: dict[str, Callable[[Node, Inputs], Array]] = {KEY_STATE: _state, "Quotient": _quotient}
