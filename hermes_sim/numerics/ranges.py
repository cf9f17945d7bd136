"""Which input gets a full pulse: searched for vector by vector, or known from calibration data before a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hermes_sim.chip.analog import RangePolicy, RangeScope
from hermes_sim.crossbar.converters import largest_magnitudes

if TYPE_CHECKING:
    from hermes_sim.crossbar.spec import CrossbarSpec

F64 = NDArray[np.float64]


class RangeRule(NamedTuple):
    """How ranges are found.

    Parameters
    ----------
    policy, value : the largest input, a quantile, so many standard deviations about zero, or a number
    per : core, matrix or vector
    """

    policy: RangePolicy = RangePolicy.LARGEST
    per: RangeScope = RangeScope.VECTOR
    value: float = 0.0

    @classmethod
    def of(cls, spec: CrossbarSpec) -> RangeRule:
        """What a core's chip file says."""
        return cls(spec.range_policy, spec.range_per, spec.range_value)

    @property
    def is_searched(self) -> bool:
        """Whether every vector, or group of them, has a range of its own."""
        return self.per is RangeScope.VECTOR

    def of_values(self, x: NDArray[Any]) -> float:
        """Range of all values of an array; 1 where they are all zero."""
        magnitudes = np.abs(x)
        if self.policy is RangePolicy.QUANTILE:
            found = float(np.quantile(magnitudes, self.value))
        elif self.policy is RangePolicy.DEVIATIONS:
            found = self.value * float(np.sqrt(np.mean(np.square(x, dtype=np.float64))))
        elif self.policy is RangePolicy.FIXED:
            found = self.value
        else:
            found = float(magnitudes.max(initial=0.0))
        return found or float(magnitudes.max(initial=0.0)) or 1.0

    def known(self, x: NDArray[Any], *, clip_std: float | None = None) -> float:
        """Range of a matrix' inputs from calibration data, at most `clip_std` (standard deviations of 1)."""
        found = self.of_values(x)
        return found if clip_std is None else min(found, clip_std)

    def searched(self, x: NDArray[Any], *, vectors: int, clip_std: float | None = None) -> F64 | None:
        """Range of each vector of (n, d), shared by so many consecutive ones; None if ranges are known before a run."""
        if not self.is_searched:
            return None
        if self.policy is RangePolicy.LARGEST:
            return largest_of_groups(x, vectors=vectors, clip_std=clip_std)
        starts = range(0, len(x), vectors)
        found = np.repeat([self.of_values(x[start : start + vectors]) for start in starts], vectors)[: len(x)]
        return found if clip_std is None else np.minimum(found, clip_std)

    @property
    def words(self) -> str:
        """``one input range per matrix (2 standard deviations of calibration data)``."""
        how = {
            RangePolicy.LARGEST: "largest input",
            RangePolicy.QUANTILE: f"quantile {self.value:g}",
            RangePolicy.DEVIATIONS: f"{self.value:g} standard deviations",
            RangePolicy.FIXED: f"{self.value:g}, given",
        }[self.policy]
        return how if self.is_searched or self.policy is RangePolicy.FIXED else f"{how} of calibration data"


def largest_of_groups(x: NDArray[Any], *, vectors: int, clip_std: float | None = None) -> F64:
    """Largest input of each group of consecutive vectors, or fewer standard deviations (of 1), per vector.

    x : (n, d); vectors : that share a range
    """
    vectors = min(vectors, max(len(x), 1))
    largest = largest_magnitudes(x).astype(np.float64)
    starts = np.arange(0, len(x), vectors)
    shared = np.repeat(np.maximum.reduceat(largest, starts), vectors)[: len(x)]
    shared = np.where(shared > 0, shared, 1.0)
    return shared if clip_std is None else np.minimum(shared, clip_std)
