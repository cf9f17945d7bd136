"""How much of a result rests on measured, derived and assumed values."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from hermes_sim.quantity import CERTAINTY_ORDER

if TYPE_CHECKING:
    from hermes_sim.metrics.energy import EnergyRow
    from hermes_sim.program.lowered import LoweredProgram
    from hermes_sim.trace.critical_path import CriticalPath


def energy_share_by_kind(rows: list[EnergyRow]) -> dict[str, float]:
    """Share of the energy by kind; a product counts as its least certain factor."""
    totals: defaultdict[str, float] = defaultdict(float)
    for row in rows:
        totals[row.kind] += row.energy_pj
    return _shares(totals)


def latency_share_by_kind(lowered: LoweredProgram, path: CriticalPath) -> dict[str, float]:
    """Share of the latency by kind: each stretch of the critical path belongs to a stage, whose time has terms."""
    totals: defaultdict[str, float] = defaultdict(float)
    for info, spent_ps in zip(lowered.actors, path.total_ps, strict=True):
        whole = sum(part.value for part in info.cost.times)
        for part in info.cost.times:
            if whole:
                totals[part.kind] += int(spent_ps) * part.value / whole
    return _shares(totals)


def _shares(totals: dict[str, float]) -> dict[str, float]:
    whole = sum(totals.values())
    return {str(kind): totals[kind] / whole for kind in CERTAINTY_ORDER if whole and totals.get(kind)}
