"""What an accuracy evaluation found out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class AccuracyResult:
    """Simulated chip beside the digital result, over seeds.

    Parameters
    ----------
    metric : ``accuracy`` or ``attention_relative_error``
    simulated, digital_fp32 : means over seeds
    std : standard deviation of the simulated values over seeds (0 for one seed)
    simulated_values, digital_values : one per seed
    kernel_errors, digital_kernel_errors : relative error of the kernel matrix, one per seed (empty: not asked for)
    """

    metric: str
    simulated: float
    digital_fp32: float
    std: float
    seeds: int
    n_test: int
    simulated_values: tuple[float, ...]
    digital_values: tuple[float, ...]
    kernel_errors: tuple[float, ...] = ()
    digital_kernel_errors: tuple[float, ...] = ()

    @property
    def drop_pp(self) -> float:
        """Percentage points lost against the digital result (of an error: points gained)."""
        sign = -1.0 if self.metric.endswith("error") else 1.0
        return 100.0 * sign * (self.digital_fp32 - self.simulated)

    @property
    def kernel_error(self) -> float | None:
        """Mean kernel error on the chip."""
        return float(np.mean(self.kernel_errors)) if self.kernel_errors else None

    @property
    def digital_kernel_error(self) -> float | None:
        """Mean kernel error of the digital projection."""
        return float(np.mean(self.digital_kernel_errors)) if self.digital_kernel_errors else None

    @classmethod
    def of(
        cls,
        metric: str,
        *,
        simulated: list[float],
        digital: list[float],
        n_test: int,
        kernel_errors: list[float] | None = None,
        digital_kernel_errors: list[float] | None = None,
    ) -> AccuracyResult:
        """From the values of all seeds."""
        return cls(
            metric=metric,
            simulated=float(np.mean(simulated)),
            digital_fp32=float(np.mean(digital)),
            std=float(np.std(simulated, ddof=1)) if len(simulated) > 1 else 0.0,
            seeds=len(simulated),
            n_test=n_test,
            simulated_values=tuple(simulated),
            digital_values=tuple(digital),
            kernel_errors=tuple(kernel_errors or ()),
            digital_kernel_errors=tuple(digital_kernel_errors or ()),
        )

    def record(self) -> dict[str, Any]:
        """The `accuracy` entry of the result document."""
        return {
            "metric": self.metric,
            "simulated": self.simulated,
            "digital_fp32": self.digital_fp32,
            "drop_pp": self.drop_pp,
            "seeds": self.seeds,
            "n_test": self.n_test,
            "std": self.std,
            "simulated_values": list(self.simulated_values),
            "digital_values": list(self.digital_values),
            "kernel_error": self.kernel_error,
            "digital_kernel_error": self.digital_kernel_error,
            "kernel_errors": list(self.kernel_errors),
            "digital_kernel_errors": list(self.digital_kernel_errors),
        }
