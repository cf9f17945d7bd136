"""One design point of a mapping study: latency, throughput, energy and what binds."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from hermes_sim.chip.places import Link, ResourcePart, Role
from hermes_sim.mapping.traffic import bytes_hops

if TYPE_CHECKING:
    from collections.abc import Callable

    from hermes_sim.chip.places import Resource
    from hermes_sim.flow import Mapped

RESOURCE_KINDS = ("crossbar", "LDPU", "port", "digital unit", "link", "off-chip")
_CORE_PARTS = {
    ResourcePart.CROSSBAR: "crossbar",
    ResourcePart.LDPU: "LDPU",
    ResourcePart.IN: "port",
    ResourcePart.OUT: "port",
}


@dataclass(frozen=True)
class Point:
    """What one mapping does with one workload.

    Parameters
    ----------
    latency_us : one inference on an empty chip
    inferences : half of those run
    throughput_per_s : steady state
    energy_uj : per inference of the run
    bottleneck : resource and its utilisation over the whole run
    busiest : utilisation of the busiest resource of each kind
    """

    mapping: str
    inferences: int
    in_flight: int | None
    cores_used: int
    pieces: int
    latency_us: float
    throughput_per_s: float
    energy_uj: float
    bytes_hops: float
    bottleneck: str
    utilization: float
    busiest: dict[str, float]
    wall_time_s: float

    def record(self) -> dict[str, Any]:
        """Plain row."""
        return asdict(self)


def measure(
    mapped: Mapped,
    *,
    inferences: int,
    in_flight: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> Point:
    """Run one inference alone, twice `inferences`, and look for the steady state.

    `progress` is told the fraction done of the longest of these, the steady state.
    """
    started_s = time.perf_counter()
    mapping = mapped.mapping
    figures = mapped.figures(2 * inferences, in_flight=in_flight, progress=progress)
    assert figures.throughput_inferences_per_s is not None
    busiest: dict[str, float] = {}
    named = figures.lowered.resource_named
    for use in figures.uses:
        kind = resource_kind(named[use.resource])
        busiest[kind] = max(busiest.get(kind, 0.0), use.utilization)
    return Point(
        mapping.strategy,
        inferences,
        in_flight,
        mapping.cores_used,
        len(mapping.blocks),
        figures.alone.makespan_ps / 1e6,
        figures.throughput_inferences_per_s,
        figures.total_pj / 1e6 / (2 * inferences),
        bytes_hops(mapped.graph, mapping, mapped.chip),
        *figures.bottleneck,
        {kind: busiest.get(kind, 0.0) for kind in RESOURCE_KINDS},
        time.perf_counter() - started_s,
    )


def resource_kind(resource: Resource) -> str:
    """Which kind of resource it is."""
    if isinstance(resource.at, Link):
        return "link"
    if resource.at.is_core:
        return _CORE_PARTS[resource.part]
    return "off-chip" if resource.at.role is Role.PORT else "digital unit"
