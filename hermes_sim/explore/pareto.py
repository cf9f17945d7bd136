"""Pareto front and its hypervolume; objectives are turned so that smaller is better."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hermes_sim.explore.schema import Goal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    F64 = npt.NDArray[np.float64]


def costs_of(frame: pd.DataFrame, objectives: Mapping[str, Goal]) -> F64:
    """(n_points, n_objectives) of the objectives, negated where more is better."""
    signs = np.array([1.0 if goal is Goal.MINIMIZE else -1.0 for goal in objectives.values()])
    costs: F64 = frame[list(objectives)].to_numpy(dtype=np.float64) * signs
    return costs


def is_on_front(costs: F64) -> npt.NDArray[np.bool_]:
    """(n_points,) True where no other point is as good in everything and better in something.

    Equal points are all on the front; a point without a value in some objective never is.
    """
    whole = np.isfinite(costs).all(axis=1)
    on_front = np.zeros(len(costs), dtype=np.bool_)
    unique, group = np.unique(costs[whole], axis=0, return_inverse=True)
    front = np.zeros(len(unique), dtype=np.bool_)
    members = np.empty((0, costs.shape[1]))
    for i, row in enumerate(unique):  # in lexical order a later point never dominates an earlier one
        if not (members <= row).all(axis=1).any():
            members = np.vstack([members, row])
            front[i] = True
    on_front[whole] = front[group.reshape(-1)]
    return on_front


def front_of(frame: pd.DataFrame, objectives: Mapping[str, Goal], *, within: Sequence[str] = ()) -> pd.DataFrame:
    """Rows on the front, sorted by the first objective; a front for each combination of the columns `within`."""
    if frame.empty:
        return frame
    parts = [part for _, part in frame.groupby(list(within), sort=False)] if within else [frame]
    first, goal = next(iter(objectives.items()))
    fronts = [
        part[is_on_front(costs_of(part, objectives))].sort_values(first, ascending=goal is Goal.MINIMIZE, kind="stable")
        for part in parts
    ]
    return pd.concat(fronts)


def hypervolume(costs: F64, reference: F64) -> float:
    """Volume between the front and a reference point that is worse in everything, by slicing.

    Parameters
    ----------
    costs : (n_points, n_objectives), smaller is better
    reference : (n_objectives,)
    """
    inside = costs[(costs < reference).all(axis=1)]
    if len(inside) == 0:
        return 0.0
    if costs.shape[1] == 1:
        return float(reference[0] - inside[:, 0].min())
    order = np.argsort(inside[:, 0], kind="stable")
    inside = inside[order]
    edges = [*inside[1:, 0], reference[0]]
    total = 0.0
    for i, edge in enumerate(edges):
        width = float(edge - inside[i, 0])
        if width > 0:
            total += width * hypervolume(inside[: i + 1, 1:], reference[1:])
    return total
