"""Feature maps: what becomes of a projection W x, so that z(x) . z(y) approximates a kernel."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from hermes_sim.config.vocabulary import Kernel
from hermes_sim.errors import WorkloadError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class SoftmaxMap(StrEnum):
    """Feature maps of the softmax kernel (FAVOR+) and its relatives."""

    POSITIVE = "positive"  # exp(w.x - |x|^2/2)
    POSITIVE_BOTH_SIGNS = "positive_both_signs"  # exp(+-w.x - |x|^2/2): hyperbolic cosine features
    RELU = "relu"  # max(w.x, 0): generalised attention
    TRIGONOMETRIC = "trigonometric"  # exp(+|x|^2/2) (cos, sin)


def n_features(kernel: Kernel, n_projections: int) -> int:
    """Length of z."""
    return 2 * n_projections if kernel is Kernel.RBF else n_projections


def projection_scale(kernel: Kernel, gamma: float) -> float:
    """Factor on projections of unit variance."""
    return float(np.sqrt(2 * gamma)) if kernel is Kernel.RBF else 1.0


def feature_map(kernel: Kernel, projected: NDArray[Any]) -> NDArray[Any]:
    """Features of projections of unit-variance rows (RBF: times sqrt(2 gamma), plus a phase).

    Parameters
    ----------
    projected : (n, s); step(0) = 0 in the arc-cosine maps

    Returns
    -------
    (n, 2 s) for RBF: (cos, sin) / sqrt(s); (n, s) for arc-cosine of order k: sqrt(2/s) step(p) p^k

    Source    [BU24]; arc-cosine: Cho and Saul, NIPS 2009
    """
    n, s = projected.shape
    if kernel is Kernel.RBF:
        z = np.empty((n, 2 * s), projected.dtype)
        np.cos(projected, out=z[:, :s])
        np.sin(projected, out=z[:, s:])
        z *= projected.dtype.type(1 / np.sqrt(s))
        return z
    scale = projected.dtype.type(np.sqrt(2 / s))
    if kernel is Kernel.ARCCOS0:
        return np.asarray((projected > 0) * scale)
    if kernel in (Kernel.ARCCOS1, Kernel.ARCCOS2):
        power = 1 if kernel is Kernel.ARCCOS1 else 2
        return np.asarray(np.maximum(projected, 0) ** power * scale)
    raise WorkloadError("kernel", got=str(kernel), allowed="rbf, arccos0, arccos1, arccos2", hint="softmax_features")


def softmax_features(kind: SoftmaxMap, x: NDArray[Any], projected: NDArray[Any]) -> NDArray[Any]:
    """Features of the softmax kernel exp(x . y).

    Parameters
    ----------
    x : (n, d) inputs, already scaled (attention: by d^-1/4)
    projected : (n, s) = x @ W.T

    Source    Choromanski et al., ICLR 2021, lemmas 1 and 2
    """
    s = projected.shape[1]
    half_square = np.einsum("ij,ij->i", x, x)[:, None] / 2
    if kind is SoftmaxMap.RELU:
        return np.asarray(np.maximum(projected, 0) / np.sqrt(s))
    if kind is SoftmaxMap.TRIGONOMETRIC:
        both = np.concatenate([np.cos(projected), np.sin(projected)], axis=1)
        return np.asarray(np.exp(half_square) / np.sqrt(s) * both)
    if kind is SoftmaxMap.POSITIVE:
        return np.asarray(np.exp(projected - half_square) / np.sqrt(s))
    both = np.concatenate([projected, -projected], axis=1)
    return np.asarray(np.exp(both - half_square) / np.sqrt(2 * s))
