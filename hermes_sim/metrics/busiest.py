"""The busiest resource of each kind: what binds a run, and what would bind it next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes_sim.metrics.timing import resource_use

if TYPE_CHECKING:
    from hermes_sim.engine.base import RunRecord

# Kind of resource -> column of a table of results.
RESOURCE_KINDS = {
    "crossbar": "utilization_crossbar",
    "LDPU": "utilization_ldpu",
    "port": "utilization_port",
    "digital unit": "utilization_digital_unit",
    "link": "utilization_link",
    "off-chip": "utilization_off_chip",
}


def busiest_by_kind(record: RunRecord) -> dict[str, float]:
    """Share of the time of the run that the busiest resource of each kind was busy, the busiest kind first."""
    busiest = dict.fromkeys(RESOURCE_KINDS, 0.0)
    for use in resource_use(record):
        kind = resource_kind(use.resource)
        busiest[kind] = max(busiest[kind], use.utilization)
    return dict(sorted(busiest.items(), key=lambda item: -item[1]))


def resource_kind(name: str) -> str:
    """Which kind of resource a name stands for."""
    for end, kind in ((".crossbar", "crossbar"), (".ldpu", "LDPU"), (".in", "port"), (".out", "port")):
        if name.startswith("core") and name.endswith(end):
            return kind
    if name.startswith("link "):
        return "link"
    return "off-chip" if name.startswith("off-chip") else "digital unit"
