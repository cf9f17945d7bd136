"""What a chip adds to FP32: an offset of the mean, and variance over seeds.

An error that is drawn anew for every read averages out within a run: it moves the mean of all seeds alike and hardly
their spread. So does one that stays as it is through all runs. One that is drawn with each seed, in cells that are
programmed again or at the start of a job, makes seeds differ, too. Which share of the excess is seen over seeds is
therefore what published runs say of fresh and frozen errors; they do not say more, since they hold one run per seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hermes_sim.device.spec import F64


@dataclass(frozen=True)
class Excess:
    """One quantity of one cell, or the mean over cells; unbiased, so that it may be negative.

    Parameters
    ----------
    offset2 : square of the difference of the means
    seed_variance : difference of the variances over seeds
    offset2_se, seed_variance_se : standard errors
    """

    offset2: float
    offset2_se: float
    seed_variance: float
    seed_variance_se: float

    @property
    def share_over_seeds(self) -> float | None:
        """Of offset and variance, None where there is no excess."""
        whole = self.offset2 + self.seed_variance
        return self.seed_variance / whole if whole > 0 else None

    def record(self) -> dict[str, float | None]:
        """Plain values."""
        return {
            "offset2": self.offset2,
            "offset2_se": self.offset2_se,
            "seed_variance": self.seed_variance,
            "seed_variance_se": self.seed_variance_se,
            "share_over_seeds": self.share_over_seeds,
        }


def excess_of(chip: F64, digital: F64, *, paired: bool) -> Excess | None:
    """Excess of a chip over FP32 in one cell; None of less than two seeds.

    Parameters
    ----------
    paired : whether both have the same seeds
    """
    if min(len(chip), len(digital)) < 2:
        return None
    own, other = float(chip.var(ddof=1)), float(digital.var(ddof=1))
    if paired:
        of_difference = float((chip - digital).var(ddof=1)) / len(chip)
    else:
        of_difference = own / len(chip) + other / len(digital)
    difference = float(chip.mean() - digital.mean())
    spread = 2 * own**2 / (len(chip) - 1) + 2 * other**2 / (len(digital) - 1)
    return Excess(
        difference**2 - of_difference,
        float(np.sqrt(4 * difference**2 * of_difference + 2 * of_difference**2)),
        own - other,
        float(np.sqrt(spread)),
    )


def mean_excess(found: Sequence[Excess]) -> Excess:
    """Mean over independent cells."""

    def error(values: Sequence[float]) -> float:
        return float(np.sqrt(np.sum(np.square(values))) / len(values))

    return Excess(
        float(np.mean([one.offset2 for one in found])),
        error([one.offset2_se for one in found]),
        float(np.mean([one.seed_variance for one in found])),
        error([one.seed_variance_se for one in found]),
    )
