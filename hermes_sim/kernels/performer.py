"""Softmax attention, exact and with random features (Performer, non-causal)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Rows of the exact attention matrix in memory at once.
_ROWS = 1024


def exact_attention(query: NDArray[Any], key: NDArray[Any], value: NDArray[Any]) -> NDArray[np.float64]:
    """softmax(Q K^T) V.

    query, key : (n, d), already scaled by d^-1/4 each; value : (n, d_v)
    """
    out = np.empty((len(query), value.shape[1]))
    for start in range(0, len(query), _ROWS):
        logits = np.asarray(query[start : start + _ROWS] @ key.T, np.float64)
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        out[start : start + _ROWS] = weights @ value / weights.sum(axis=1, keepdims=True)
    return out


def feature_attention(
    query_features: NDArray[Any], key_features: NDArray[Any], value: NDArray[Any]
) -> NDArray[np.float64]:
    """z(Q) (z(K)^T V) / (z(Q) (z(K)^T 1)): linear in the sequence length.

    query_features, key_features : (n, m); value : (n, d_v)
    """
    state = key_features.T @ value
    normaliser = query_features @ key_features.sum(axis=0)
    return np.asarray((query_features @ state) / normaliser[:, None], np.float64)
