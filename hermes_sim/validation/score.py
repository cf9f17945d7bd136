"""How probable a cell's measured values are under simulated ones: of their level, and of their spread over seeds.

Both are normal densities about what was simulated, and cells are taken as independent. The level is the mean, its
error that of both means. The spread is the logarithm of the standard deviation over seeds: that of n normal values is
known to about 1 / sqrt(2 (n - 1)) on either side. Where a published seed failed, medians stand for means and the
spread, which that seed alone would make, is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hermes_sim.device.spec import F64

# A published seed failed if it is so many robust standard deviations from the median of its cell.
FAILED_SD = 10.0
# Standard deviation of normal values over the median of their distances from the median.
_SD_OVER_MAD = 1.4826
# Standard error of the median of normal values over that of their mean.
_MEDIAN_OVER_MEAN = float(np.sqrt(np.pi / 2))


@dataclass(frozen=True)
class CellScore:
    """Logarithms of densities of what was measured, None where nothing can be said.

    Parameters
    ----------
    level : of the mean, or of the median if a published seed failed
    spread : of the logarithm of the standard deviation over seeds
    """

    level: float | None = None
    spread: float | None = None


UNSCORED = CellScore()


def log_density(difference: float, sd: float) -> float | None:
    """Logarithm of a normal density that far from its middle; None without a width."""
    if not sd > 0:
        return None
    return float(-((difference / sd) ** 2) / 2 - np.log(sd * np.sqrt(2 * np.pi)))


def cell_score(simulated: F64, measured: F64, extra_sd: float = 0.0) -> CellScore:
    """Score of one cell and measure.

    Parameters
    ----------
    simulated, measured : values over seeds
    extra_sd : of the level, from what varied on one side only (a split that is not known); the spreads over seeds then
        do not compare
    """
    errors = [_sd(values) / np.sqrt(len(values)) for values in (simulated, measured)]
    if seed_failed(measured):
        robust = _robust_sd(measured) / np.sqrt(len(measured))
        sd = np.hypot(_MEDIAN_OVER_MEAN * np.hypot(errors[0], robust), extra_sd)
        return CellScore(log_density(float(np.median(simulated) - np.median(measured)), float(sd)))
    level = log_density(float(simulated.mean() - measured.mean()), float(np.hypot(np.hypot(*errors), extra_sd)))
    if extra_sd or not min(errors) > 0:
        return CellScore(level)
    sd = np.sqrt(sum(1 / (2 * (len(values) - 1)) for values in (simulated, measured)))
    return CellScore(level, log_density(float(np.log(_sd(simulated) / _sd(measured))), float(sd)))


def seed_failed(measured: F64) -> bool:
    """Whether a value is far outside of what the others spread; never if most of them are the same."""
    scale = _robust_sd(measured)
    return bool(scale > 0 and (np.abs(measured - np.median(measured)) > FAILED_SD * scale).any())


def total(scores: Sequence[CellScore]) -> dict[str, float]:
    """Sums over cells of the levels, of the spreads, and of both."""
    level = sum(score.level for score in scores if score.level is not None)
    spread = sum(score.spread for score in scores if score.spread is not None)
    return {"level": float(level), "spread": float(spread), "total": float(level + spread)}


def _sd(values: F64) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0


def _robust_sd(values: F64) -> float:
    return _SD_OVER_MAD * float(np.median(np.abs(values - np.median(values))))
