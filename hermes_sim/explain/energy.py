"""The energy of a run: components, stages, and firings times config values."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from hermes_sim.explain.tree import TreeNode, count, product, total
from hermes_sim.metrics.energy import EnergyRow, energy_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from hermes_sim.explain.config import Config
    from hermes_sim.metrics.runs import Run


def energy_node(
    run: Run,
    config: Config,
    *,
    per_inference: bool = True,
    keep: Callable[[EnergyRow], bool] = lambda _: True,
    name: str = "energy",
) -> TreeNode:
    """Energy in pJ of all components, of those rows that are kept.

    Parameters
    ----------
    per_inference : of one inference, its share of the static energy included; else of the whole run
    """
    n = run.lowered.inferences if per_inference else 1
    makespan_ps = run.record.makespan_ps
    components: defaultdict[str, list[EnergyRow]] = defaultdict(list)
    for row in energy_rows(run.lowered, run.record):
        if row.energy_pj and keep(row):
            components[row.component].append(row)
    parts = [
        _static(component, rows, config, makespan_ps, n) if rows[0].is_static else _dynamic(component, rows, config, n)
        for component, rows in components.items()
    ]
    of_what = " of the run" if not per_inference else " per inference" if n > 1 else ""
    return total(f"{name}{of_what}", "pJ", parts)


def _dynamic(component: str, rows: list[EnergyRow], config: Config, n: int) -> TreeNode:
    """Stages of operators; equal firings of several cores are counted together."""
    stages: defaultdict[str, defaultdict[tuple[tuple[str, ...], float], list[EnergyRow]]]
    stages = defaultdict(lambda: defaultdict(list))
    for row in rows:
        each = round(row.energy_pj / row.firings, 12)
        stages[f"{row.operator}, {row.stage}"][row.paths, each].append(row)
    parts = []
    for stage, groups in stages.items():
        terms = []
        for (paths, _), same in groups.items():
            firings = count("firings", sum(row.firings for row in same) / n, note=_per(n))
            terms.append(
                config.term(
                    component, sum(row.energy_pj for row in same) / n, "pJ", paths, firings, formula=same[0].formula
                )
            )
        parts.append(total(stage, "pJ", terms))
    return total(component, "pJ", parts)


def _static(component: str, rows: list[EnergyRow], config: Config, makespan_ps: int, n: int) -> TreeNode:
    """Power times the time of the run; W x ps is pJ."""
    time = count("time", makespan_ps / n, unit="ps", note="of the run, shared by its inferences" if n > 1 else "")
    parts = []
    for row in rows:
        power_w = row.energy_pj / makespan_ps
        one = count("W per mW", 1e-3)
        power = config.term(f"power of {component}", power_w, "W", row.paths, one)
        parts.append(product(component, "pJ", [power, time], value=row.energy_pj / n))
    return total(component, "pJ", parts)


def _per(n: int) -> str:
    return "per inference" if n > 1 else ""
