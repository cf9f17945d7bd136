"""Two stores of the same study: what changed for the same designs, and what each reaches at best."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from hermes_sim.explore.errors import StudyError
from hermes_sim.explore.findings import best_row
from hermes_sim.kit.words import shown

if TYPE_CHECKING:
    import pandas as pd

    from hermes_sim.explore.study import Study


def compare_studies(one: Study, other: Study) -> list[dict[str, Any]]:
    """One row per objective that both have; ratios are the other's value over the first one's.

    There is none where either is zero or below, as a drop of accuracy may be.

    Raises
    ------
    StudyError
        no objective in common, or no results
    """
    objectives = [name for name in one.file.objectives if name in other.file.objectives]
    if not objectives:
        raise StudyError(one.file.name, got=f"no objective in common with {other.file.name}", allowed="one at least")
    first, second = one.feasible(), other.feasible()
    if first.empty or second.empty:
        raise StudyError(one.file.name, got="a store without results", allowed="two stores with results")
    names = [name for name in one.file.parameters if name in other.file.parameters]
    pairs = _by_design(first, names).add_suffix(" 1").join(_by_design(second, names).add_suffix(" 2"), how="inner")
    rows = []
    for name in objectives:
        above = pairs[(pairs[f"{name} 1"] > 0) & (pairs[f"{name} 2"] > 0)]
        ratios = above[f"{name} 2"] / above[f"{name} 1"]
        best_one = best_row(first, name, one.file.objectives[name])
        best_other = best_row(second, name, one.file.objectives[name])
        if best_one is None or best_other is None:
            continue
        ends = float(best_one[name]), float(best_other[name])
        farthest = float(ratios.iloc[int(np.abs(np.log(ratios)).argmax())]) if len(ratios) else None
        rows.append(
            {
                "objective": name,
                "common_points": int(pairs[[f"{name} 1", f"{name} 2"]].notna().all(axis=1).sum()),
                "best_of_one": shown(name, best_one[name]),
                "best_of_other": shown(name, best_other[name]),
                "ratio_of_best": round(ends[1] / ends[0], 6) if min(ends) > 0 else None,
                "median_ratio": round(float(ratios.median()), 6) if len(ratios) else None,
                "largest_change": round(farthest, 6) if farthest is not None else None,
            }
        )
    return rows


def _by_design(frame: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    designs = [json.dumps([row[name] for name in names], default=str) for row in frame.to_dict("records")]
    numbers = frame.select_dtypes("number")
    return numbers.assign(design=designs).drop_duplicates("design").set_index("design")
