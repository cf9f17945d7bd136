"""Answers in words: the best design under constraints, and the questions a study file asks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

from hermes_sim.explore.columns import RESULTS
from hermes_sim.explore.results import select
from hermes_sim.explore.schema import Goal
from hermes_sim.kit.formatting import times
from hermes_sim.kit.words import shown, unit_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hermes_sim.explore.schema import Finding


_TITLES = {
    "energy_pj_per_inference": "energy per inference",
    "energy_pj_on_chip_per_inference": "energy on the chip",
    "energy_pj_": "energy ",
    "throughput_inferences_per_s": "throughput",
    "area_mm2": "area",
    "bytes_hops": "bytes x hops",
    "utilization_": "busy ",
    "power_w": "power",
}


_BASE, _RATIO, _BEST = " of the base", "ratio of ", "best "


def best_row(frame: pd.DataFrame, column: str, goal: Goal) -> pd.Series | None:
    """Row with the best value of a column; of equal ones the first."""
    values = frame[column].dropna()
    if values.empty:
        return None
    numbers = values.to_numpy()
    best = numbers.argmin() if goal is Goal.MINIMIZE else numbers.argmax()
    return frame.loc[frame[column].notna()].iloc[int(best)]


def describe(row: pd.Series, parameters: Sequence[str], columns: Sequence[str]) -> str:
    """Design and its results as one sentence."""
    design = ", ".join(f"{short(name)} = {level(row[name])}" for name in parameters)
    results = ", ".join(with_unit(name, row[name]) for name in columns)
    return f"{design}: {results}" if design else results


def title_of(column: str) -> str:
    """Column name in words, without its unit."""
    for old, new in _TITLES.items():
        column = column.replace(old, new)
    return short(column.removesuffix("_ns").removesuffix("_pp").replace("_", " "))


def with_unit(column: str, value: Any) -> str:
    """``makespan 1.2 ms``."""
    return f"{title_of(column)} {shown(column, value)}"


def head_of(name: str) -> str:
    """Head of a column in words; results that take no prefix have their unit here. Parameters keep their names."""
    if name.startswith(_RATIO):
        return name
    column = name.removeprefix(_BEST)
    if column not in RESULTS:
        return short(name)
    unit = unit_of(column)
    return f"{title_of(name)} ({unit.base})" if unit.base and not unit.has_prefix else title_of(name)


def cell_of(name: str, value: Any) -> str:
    """Value of a column for people."""
    if name.startswith(_RATIO):
        return times(value)
    column = name.removeprefix(_BEST)
    if column not in RESULTS or not isinstance(value, (int, float)) or math.isnan(value):
        return level(value) if column not in RESULTS else shown(column, value)
    unit = unit_of(column)
    return unit.text(value) if unit.has_prefix else unit.number(value)


def short(name: str) -> str:
    """Parameter name without the file it belongs to."""
    for prefix in ("arch.", "workload."):
        name = name.removeprefix(prefix)
    return name


def level(value: Any) -> str:
    """Value of a parameter for people."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def answer(finding: Finding, frame: pd.DataFrame, parameters: Sequence[str]) -> pd.DataFrame:
    """Table of answers, one row per group; empty if no point fulfils the conditions."""
    rows = []
    for group, part in groups(select(frame, finding.where), finding.by):
        best = best_row(part, finding.column, finding.goal)
        if best is None:
            continue
        chosen = best if finding.knob is None else _smallest_knob(finding, part, float(best[finding.column]))
        names = [finding.knob] if finding.knob else [n for n in parameters if n not in finding.by]
        shown = [*names, finding.column, *finding.show]
        rows.append(group | {name: chosen[name] for name in dict.fromkeys(shown)})
        if finding.knob:
            rows[-1][f"{_BEST}{finding.column}"] = best[finding.column]
    return _versus(finding, pd.DataFrame(rows), parameters)


def _versus(finding: Finding, found: pd.DataFrame, parameters: Sequence[str]) -> pd.DataFrame:
    """Numbers of every answer over those of the group to compare with; answers without such a group are left out."""
    if finding.versus is None or found.empty:
        return found
    [(name, base)] = finding.versus.items()
    is_base = found[name] == base
    rest = [other for other in finding.by if other != name]
    ways = {"on": rest} if rest else {"how": "cross"}
    pairs = found[~is_base].merge(found[is_base], suffixes=("", _BASE), **ways)
    shown_columns = [column for column in (finding.column, *finding.show) if column not in parameters]
    ratios = {column: f"{_RATIO}{title_of(column)}" for column in shown_columns if is_numeric_dtype(found[column])}
    for column in ratios:
        pairs[column] = pairs[column] / pairs[column + _BASE]
    return pairs[list(found)].rename(columns=ratios)


def groups(frame: pd.DataFrame, by: Sequence[str]) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Parts of a table, one per combination of some columns."""
    if not by:
        if not frame.empty:
            yield {}, frame
        return
    for values, part in frame.groupby(list(by), sort=False):
        yield dict(zip(by, values, strict=True)), part


def _smallest_knob(finding: Finding, frame: pd.DataFrame, best: float) -> pd.Series:
    """Row of the smallest knob that is within the wanted fraction of the best."""
    assert finding.within is not None
    slack = abs(best) * finding.within
    values = frame[finding.column]
    near = frame[values <= best + slack] if finding.goal is Goal.MINIMIZE else frame[values >= best - slack]
    return near.iloc[int(near[finding.knob].to_numpy().argmin())]
