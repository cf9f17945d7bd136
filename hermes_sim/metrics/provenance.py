"""How much of the energy rests on measured, derived and assumed values.

Energies are sums, so each kind has an exact share. Times are not: only what is on the critical path shows in a latency,
and a resource that is nearly as busy as the slowest one shows nowhere, yet takes over when its values turn out worse.
So what times rest on is said only where their values are moved within their ranges, by `hermes_sim.uncertainty`.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from hermes_sim.config.quantity import CERTAINTY_ORDER

if TYPE_CHECKING:
    from hermes_sim.metrics.energy import EnergyRow


def energy_share_by_kind(rows: list[EnergyRow]) -> dict[str, float]:
    """Share of the energy by kind, most certain first; a product counts as its least certain factor."""
    totals: defaultdict[str, float] = defaultdict(float)
    for row in rows:
        totals[row.kind] += row.energy_pj
    whole = sum(totals.values())
    return {str(kind): totals[kind] / whole for kind in CERTAINTY_ORDER if whole and totals.get(kind)}
