"""Which parameter matters: shares of the variance of a result, for parameters and pairs of them.

First-order functional analysis of variance over the points there are: the variance of the means per level, and for
a pair the variance of the means per pair of levels less both single shares. On a full grid the shares of all
parameters and interactions add up to 1; on a scattered sample they are estimates.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence

_MAX_LEVELS = 12  # a parameter with more values is cut into that many classes of equal size


def main_effects(
    frame: pd.DataFrame, parameters: Sequence[str], column: str, *, within: Sequence[str] = ()
) -> pd.DataFrame:
    """Share of the variance of log(column), lowest and highest level with their means, most important first.

    Parameters
    ----------
    within : circumstances whose own effect is taken out first, a workload for example

    Returns
    -------
    columns parameter, share, low_level, low_mean, high_level, high_mean
    """
    rows = []
    values = _logs(frame, column, within)
    for name in parameters:
        means = frame.groupby(_levels(frame[name]), observed=True)[column].mean()
        if len(means) < 2:
            continue
        rows.append(
            {
                "parameter": name,
                "share": _share(frame, [name], values),
                "low_level": means.idxmin(),
                "low_mean": means.min(),
                "high_level": means.idxmax(),
                "high_mean": means.max(),
            }
        )
    columns = ["parameter", "share", "low_level", "low_mean", "high_level", "high_mean"]
    return pd.DataFrame(rows, columns=columns).sort_values("share", ascending=False, ignore_index=True)


def interactions(
    frame: pd.DataFrame, parameters: Sequence[str], column: str, *, within: Sequence[str] = ()
) -> pd.DataFrame:
    """Share of the variance that only a pair of parameters together explains, most important first."""
    values = _logs(frame, column, within)
    single = {name: _share(frame, [name], values) for name in parameters}
    rows = [
        {
            "parameter": one,
            "with": two,
            "share": max(0.0, _share(frame, [one, two], values) - single[one] - single[two]),
        }
        for one, two in itertools.combinations(parameters, 2)
    ]
    table = pd.DataFrame(rows, columns=["parameter", "with", "share"])
    return table.sort_values("share", ascending=False, ignore_index=True)


def _logs(frame: pd.DataFrame, column: str, within: Sequence[str]) -> pd.Series:
    """Logarithms of a column (values as they are where some are not positive), less the mean of their scenario."""
    values = frame[column].astype(float)
    if (values > 0).all():
        values = pd.Series(np.log(values.to_numpy()), index=frame.index)
    if not within:
        return values
    return values - values.groupby([frame[name] for name in within]).transform("mean")


def _share(frame: pd.DataFrame, names: list[str], values: pd.Series) -> float:
    """Variance of the group means over the whole variance."""
    whole = float(values.var(ddof=0))
    if len(values) < 2 or not whole > 1e-24:
        return 0.0
    groups = values.groupby([_levels(frame[name]) for name in names], observed=True)
    means, counts = groups.mean(), groups.size()
    middle = float(np.average(means, weights=counts))
    return float(np.average((means - middle) ** 2, weights=counts) / whole)


def _levels(values: pd.Series) -> pd.Series:
    """Levels of a parameter; many different numbers are cut into classes of equal size."""
    if values.nunique() <= _MAX_LEVELS or not pd.api.types.is_numeric_dtype(values):
        return values.astype(str) if values.dtype == object else values
    return pd.qcut(values, _MAX_LEVELS, duplicates="drop").astype(str)
