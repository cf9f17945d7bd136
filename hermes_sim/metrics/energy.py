"""Energy of a run: counts of firings times energy terms, and static power times makespan, summed in one order."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hermes_sim.engine.base import RunRecord
    from hermes_sim.program.lowered import LoweredProgram

STATIC = "(static power)"
_PJ_PER_MW_PS = 1e-3  # 1 mW for 1 ps is 1e-15 J


@dataclass(frozen=True)
class EnergyRow:
    """One line of the energy breakdown: a term of one stage of one operator, over the whole run."""

    operator: str
    stage: str
    component: str
    energy_pj: float
    kind: str
    paths: tuple[str, ...]
    firings: int
    is_static: bool = False


def energy_rows(lowered: LoweredProgram, record: RunRecord) -> list[EnergyRow]:
    """Every energy term of a run; their sum is the total energy."""
    rows = [
        EnergyRow(info.operator, info.stage, part.component, int(fired) * part.value, part.kind, part.paths, int(fired))
        for info, fired in zip(lowered.actors, record.started, strict=True)
        for part in info.cost.energies
    ]
    rows += [
        EnergyRow(
            STATIC,
            "static",
            part.component,
            part.value * record.makespan_ps * _PJ_PER_MW_PS,
            part.kind,
            part.paths,
            1,
            is_static=True,
        )
        for part in lowered.static_powers
    ]
    return rows


def total_by(rows: list[EnergyRow], attribute: str) -> dict[str, float]:
    """Energy in pJ by an attribute of the rows (component, operator, kind), largest first."""
    totals: defaultdict[str, float] = defaultdict(float)
    for row in rows:
        totals[str(getattr(row, attribute))] += row.energy_pj
    return dict(_largest_first(totals))


def _largest_first(totals: dict[str, float]) -> Iterator[tuple[str, float]]:
    yield from sorted(totals.items(), key=lambda item: -item[1])
