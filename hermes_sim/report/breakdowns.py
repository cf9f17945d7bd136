"""Totals cut into the parts that the page prints; every list of parts adds up to its total."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hermes_sim.metrics.energy import energy_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hermes_sim.flow import Simulated


@dataclass(frozen=True)
class EnergyPart:
    """A part of a total; `is_rest` if it stands for several small ones."""

    name: str
    value: float
    is_rest: bool = False


def largest_parts(parts: Mapping[str, float], limit: int, *, smallest_frac: float = 0.0) -> list[EnergyPart]:
    """The largest parts, the rest (and what is below a share of the total) as one; nothing is lost."""
    ordered = [EnergyPart(name, value) for name, value in sorted(parts.items(), key=lambda item: -item[1]) if value]
    smallest = smallest_frac * sum_of(ordered)
    n_kept = sum(part.value >= smallest for part in ordered)
    n_kept = n_kept if n_kept <= limit else limit - 1
    rest = ordered[n_kept:]
    if len(rest) < 2:
        return ordered
    return [*ordered[:n_kept], EnergyPart(f"{len(rest)} more", sum(p.value for p in rest), is_rest=True)]


def energy_by_operator_and_component(source: Simulated) -> dict[str, dict[str, float]]:
    """Energy of all inferences in pJ: operator -> component -> energy."""
    totals: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    for row in energy_rows(source.runs.all.lowered, source.runs.all.record):
        totals[row.operator][row.component] += row.energy_pj
    return {operator: dict(parts) for operator, parts in totals.items()}


def sum_of(parts: Iterable[EnergyPart]) -> float:
    """Total of parts."""
    return sum(part.value for part in parts)
