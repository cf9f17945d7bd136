"""Exact kernels on rows of matrices, in float64."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hermes_sim.config.vocabulary import Kernel

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from hermes_sim.device.spec import F64


def kernel_matrix(kernel: Kernel, x: ArrayLike, y: ArrayLike, *, gamma: float = 1.0) -> F64:
    """Kernel of all pairs of rows.

    Parameters
    ----------
    x : (n, d); y : (m, d)
    gamma : width of RBF, exp(-gamma |x - y|^2); the other kernels have none

    Returns
    -------
    (n, m)

    Source    [BU24]; arc-cosine kernels: Cho and Saul, NIPS 2009, eqs. (3), (5), (6), with J(theta) / pi and norms
              |x|^n |y|^n; softmax: exp(x . y)
    """
    left, right = np.asarray(x, np.float64), np.asarray(y, np.float64)
    dots = left @ right.T
    if kernel is Kernel.SOFTMAX:
        return np.asarray(np.exp(dots))
    squares_left = np.einsum("ij,ij->i", left, left)
    squares_right = np.einsum("ij,ij->i", right, right)
    if kernel is Kernel.RBF:
        distance = np.maximum(squares_left[:, None] + squares_right - 2 * dots, 0.0)
        return np.asarray(np.exp(-gamma * distance))
    norms = np.sqrt(squares_left)[:, None] * np.sqrt(squares_right)
    angle = np.arccos(np.clip(dots / np.where(norms > 0, norms, 1.0), -1.0, 1.0))
    if kernel is Kernel.ARCCOS0:
        return np.asarray(1 - angle / np.pi)
    cosine, sine = np.cos(angle), np.sin(angle)
    if kernel is Kernel.ARCCOS1:
        return np.asarray(norms * (sine + (np.pi - angle) * cosine) / np.pi)
    return np.asarray(norms**2 * (3 * sine * cosine + (np.pi - angle) * (1 + 2 * cosine**2)) / np.pi)


def constant_kernel_error(exact: F64) -> float:
    """Relative Frobenius distance of the best constant matrix from the exact kernel: a yardstick for `kernel_error`."""
    return float(np.linalg.norm(exact - exact.mean()) / np.linalg.norm(exact))


def kernel_error(exact: F64, features: ArrayLike) -> float:
    """Relative Frobenius distance |K - Z Z^T| / |K| of features from the exact kernel."""
    z = np.asarray(features)
    return float(np.linalg.norm(exact - z @ z.T) / np.linalg.norm(exact))
