"""The latency of one inference, stage by stage along the critical path; it adds up to the picosecond."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations
from typing import TYPE_CHECKING

from hermes_sim.explain.tree import TreeNode, count, total

if TYPE_CHECKING:
    from hermes_sim.chip.cost import Term
    from hermes_sim.explain.config import Config
    from hermes_sim.metrics.runs import Runs

_Group = tuple[str, tuple["Term", ...]]
_HOW = {
    "result": "times on the critical path, until the result is there",
    "server": "times on the critical path that the next firing waited for the resource",
}


def latency_node(runs: Runs, config: Config) -> TreeNode:
    """Latency of one inference in ps: operators, their stages, the terms of each stage's time."""
    path, lowered = runs.critical_path, runs.one.lowered
    program = lowered.program
    spent: defaultdict[str, defaultdict[str, defaultdict[_Group, list[tuple[int, int]]]]]
    spent = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for i, info in enumerate(lowered.actors):
        for how, spent_ps, each_ps in (
            ("result", int(path.latency_ps[i]), int(program.latency_ps[i])),
            ("server", int(path.interval_ps[i]), int(program.interval_ps[i])),
        ):
            if spent_ps:
                terms = _terms_of(info.cost.times, each_ps)
                spent[info.operator or "(control)"][info.stage][how, terms].append((spent_ps, each_ps))
    operators = [
        total(operator, "ps", [_stage(stage, groups, config) for stage, groups in stages.items()])
        for operator, stages in spent.items()
    ]
    if path.gap_ps:
        operators.append(count("before the first firing", path.gap_ps, unit="ps"))
    return total("latency of one inference", "ps", operators, note="along the critical path")


def _stage(name: str, groups: dict[_Group, list[tuple[int, int]]], config: Config) -> TreeNode:
    parts = []
    for (how, terms), entries in groups.items():
        spent_ps = sum(entry[0] for entry in entries)
        each_ps = entries[0][1]
        times = count("firings", spent_ps / each_ps, note=_HOW[how])
        if not terms:
            parts.append(count(f"time the resource of {name} is held", spent_ps, unit="ps", note=_HOW[how]))
        parts += [
            config.term(term.component, spent_ps * term.value / each_ps, "ps", term.paths, times, formula=term.formula)
            for term in terms
            if term.value
        ]
    return total(name, "ps", parts)


def _terms_of(terms: tuple[Term, ...], each_ps: int) -> tuple[Term, ...]:
    """The terms that make up a time: all, or all but a pipeline start or the like; none if it is not known."""
    for n in range(len(terms), 0, -1):
        for some in combinations(terms, n):
            if round(sum(term.value for term in some)) == each_ps:
                return some
        if len(terms) - n >= 2:
            break
    return ()
