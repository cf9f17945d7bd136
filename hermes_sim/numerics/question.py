"""What a user asks of an accuracy; apart from the evaluation, whose imports cost time that a run without it saves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_DRAWS = 5


@dataclass(frozen=True)
class Question:
    """What a user asks of a network's accuracy.

    Parameters
    ----------
    data, weights : files, or a data set's name; None: what the workload says
    metric : name, or None for the usual one of the labels
    draws : programmed chips, by default `DEFAULT_DRAWS`, or as many as the workload says
    samples : rows to score, None for all
    times_s : after programming, for drift with and without compensation
    calibration_overlap : let rows both calibrate and be scored
    by_layer : look at the products on crossbars one by one
    """

    data: str | Path | None = None
    weights: str | Path | None = None
    metric: str | None = None
    draws: int | None = None
    samples: int | None = None
    times_s: tuple[float, ...] = ()
    calibration_overlap: bool = False
    by_layer: bool = True
