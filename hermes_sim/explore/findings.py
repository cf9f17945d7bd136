"""Answers in words: the best design under constraints, and the questions a study file asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from hermes_sim.explore.results import select
from hermes_sim.explore.schema import Goal
from hermes_sim.kit.words import shown, unit_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hermes_sim.explore.schema import Finding


_TITLES = {
    "energy_pj_per_inference": "energy per inference",
    "energy_pj_": "energy ",
    "throughput_inferences_per_s": "throughput",
    "area_mm2": "area",
    "power_w": "power",
}


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
    """Head of a column of results in words; parameters keep their names."""
    return title_of(name) if unit_of(name.removeprefix("best ")).base else short(name)


def cell_of(name: str, value: Any) -> str:
    """Value of a column for people."""
    column = name.removeprefix("best ")
    return shown(column, value) if unit_of(column).base else level(value)


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
            rows[-1][f"best {finding.column}"] = best[finding.column]
    return pd.DataFrame(rows)


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
