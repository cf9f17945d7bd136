"""Softmax attention, exact and with random features (Performer, non-causal)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hermes_sim.config.vocabulary import Sampler
from hermes_sim.errors import WorkloadError, chosen
from hermes_sim.kernels.samplers import projections

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Rows of the exact attention matrix in memory at once.
_ROWS = 1024
PUBLISHED, TEXTBOOK = "published", "textbook"  # laws of W


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


def drawn_projection(law: str, rows: int, head_dim: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """W of random features for attention: what multiplies queries and keys from the right, (head_dim, rows).

    Parameters
    ----------
    law : ``published``: sqrt(head_dim) times the first rows of one orthogonal matrix of size `rows`, whose columns have
        a root mean square length of head_dim / sqrt(rows) and are not orthogonal; ``textbook``: orthogonal blocks of
        columns with the lengths of normal vectors

    Source    published: code published with [BU24]; textbook: Choromanski et al., ICLR 2021, section 2.4
    """
    if min(rows, head_dim) < 1:
        raise WorkloadError("projection", got=f"{head_dim} x {rows}", allowed="at least 1 x 1")
    if chosen("projection_law", law, (PUBLISHED, TEXTBOOK), error=WorkloadError) == TEXTBOOK:
        return np.ascontiguousarray(projections(Sampler.ORF, rows, head_dim, rng).T, np.float32)
    size = max(rows, head_dim)
    q, r = np.linalg.qr(rng.standard_normal((size, size)))
    orthogonal = q * np.sign(np.diagonal(r))  # uniform over rotations
    return np.ascontiguousarray(np.sqrt(head_dim) * orthogonal[:head_dim, :rows], np.float32)
