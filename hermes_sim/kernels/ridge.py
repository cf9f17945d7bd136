"""Ridge regression on 0/1 targets, as the published classifier does it: the bias is a column and is penalised too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from hermes_sim.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class RidgeSums:
    """Normal equations collected batch by batch, so that features of a large set never lie in memory at once."""

    def __init__(self, n_features: int, n_outputs: int) -> None:
        self.gram = np.zeros((n_features + 1, n_features + 1))
        self.moments = np.zeros((n_features + 1, n_outputs))

    def add(self, features: NDArray[Any], targets: NDArray[Any]) -> None:
        """Add a batch.

        features : (n, n_features); targets : (n, n_outputs)
        """
        self.gram[1:, 1:] += features.T @ features
        total = features.sum(axis=0, dtype=np.float64)
        self.gram[0, 1:] += total
        self.gram[1:, 0] += total
        self.gram[0, 0] += len(features)
        self.moments[1:] += features.T @ targets.astype(features.dtype)
        self.moments[0] += targets.sum(axis=0)

    def solve(self, alpha: float) -> NDArray[np.float64]:
        """Weights (1 + n_features, n_outputs), bias first.

        Raises    DataError  if alpha is not positive or the system cannot be solved
        """
        if not alpha > 0:
            raise DataError("ridge_alpha", got=alpha, allowed="> 0")
        matrix = self.gram + alpha * np.eye(len(self.gram))
        try:
            return np.asarray(cho_solve(cho_factor(matrix), self.moments))
        except (LinAlgError, ValueError) as cause:
            raise DataError("ridge", got=str(cause), allowed="finite features") from None


def predict_ridge(weights: NDArray[np.float64], features: NDArray[Any]) -> NDArray[np.float64]:
    """Outputs (n, n_outputs)."""
    return np.asarray(features @ weights[1:].astype(features.dtype) + weights[0], np.float64)
