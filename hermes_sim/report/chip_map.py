"""Where the parts of a chip stand in pictures of it: a scheme, not a layout of the die."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from hermes_sim.chip.places import OFF_CHIP_IN, OFF_CHIP_OUT, Place, Resource, Role
from hermes_sim.metrics.timing import resource_use

if TYPE_CHECKING:
    from hermes_sim.chip.schema import Chip
    from hermes_sim.flow import Simulated

_HOSTS, _ACROSS = 8, 4


class Spot(NamedTuple):
    """One tile: its column and row from the top left, its label, and what is there.

    Parameters
    ----------
    core : index of the core; None for anything else
    resource : the digital unit, host or direction off the chip; None for a core, which has several
    """

    column: int
    row: int
    label: str
    core: int | None = None
    resource: Resource | None = None


def chip_spots(chip: Chip) -> list[Spot]:
    """Cores in their clusters, digital units below the cluster they are joined to, what is off the chip on the left."""
    clusters, per_cluster = chip.cores.clusters.n, chip.cores.per_cluster.n
    wide = max(1, math.isqrt(per_cluster))
    high = -(-per_cluster // wide)
    across = _ACROSS if clusters > 3 else clusters
    units_at: defaultdict[int, list[Place]] = defaultdict(list)
    for unit in chip.unit_places():
        if unit.role is Role.UNIT:
            units_at[unit.number[0] * clusters // chip.digital_units[unit.kind].count.n].append(unit)
    unit_rows = max((-(-len(found) // wide) for found in units_at.values()), default=0)
    spots = []
    for cluster in range(clusters):
        left = 2 + (cluster % across) * (wide + 1)
        top = (cluster // across) * (high + unit_rows + 1)
        spots += [
            Spot(left + i % wide, top + i // wide, str(core), core=core)
            for i, core in enumerate(range(cluster * per_cluster, (cluster + 1) * per_cluster))
        ]
        spots += [
            Spot(left + i % wide, top + high + i // wide, str(unit), resource=Resource(unit))
            for i, unit in enumerate(units_at[cluster])
        ]
    hosts = [unit for unit in chip.unit_places() if unit.role is Role.HOST_UNIT]
    beside = [(OFF_CHIP_IN, "in"), (OFF_CHIP_OUT, "out"), *((Resource(host), str(host)) for host in hosts[:_HOSTS])]
    return [*spots, *(Spot(0, row, label, resource=resource) for row, (resource, label) in enumerate(beside))]


def clusters_of(spots: list[Spot], chip: Chip) -> dict[int, list[Spot]]:
    """The cores of every cluster."""
    found: defaultdict[int, list[Spot]] = defaultdict(list)
    for spot in spots:
        if spot.core is not None:
            found[spot.core // chip.cores.per_cluster.n].append(spot)
    return dict(found)


def utilizations(source: Simulated) -> dict[Resource, float]:
    """Share of the time of the run that every resource was busy."""
    named = source.runs.all.lowered.resource_named
    return {named[use.resource]: use.utilization for use in resource_use(source.runs.all.record)}
