"""The busiest resource of each kind: what binds a run, and what would bind it next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes_sim.chip.places import Link, ResourcePart, Role

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hermes_sim.chip.places import Resource
    from hermes_sim.metrics.timing import ResourceUse

# Kind of resource -> column of a table of results.
RESOURCE_KINDS = {
    "crossbar": "utilization_crossbar",
    "LDPU": "utilization_ldpu",
    "port": "utilization_port",
    "digital unit": "utilization_digital_unit",
    "link": "utilization_link",
    "off-chip": "utilization_off_chip",
}
_CORE_PARTS = {
    ResourcePart.CROSSBAR: "crossbar",
    ResourcePart.LDPU: "LDPU",
    ResourcePart.IN: "port",
    ResourcePart.OUT: "port",
}


def busiest_by_kind(uses: Iterable[ResourceUse], named: Mapping[str, Resource]) -> dict[str, float]:
    """Share of the time of the run that the busiest resource of each kind was busy, the busiest kind first."""
    busiest = dict.fromkeys(RESOURCE_KINDS, 0.0)
    for use in uses:
        kind = resource_kind(named[use.resource])
        busiest[kind] = max(busiest[kind], use.utilization)
    return dict(sorted(busiest.items(), key=lambda item: -item[1]))


def resource_kind(resource: Resource) -> str:
    """Which kind of resource it is."""
    if isinstance(resource.at, Link):
        return "link"
    if resource.at.is_core:
        return _CORE_PARTS[resource.part]
    return "off-chip" if resource.at.role is Role.PORT else "digital unit"
