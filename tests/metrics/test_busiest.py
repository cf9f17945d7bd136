"""The busiest resource of each kind."""

from __future__ import annotations

import pytest

from hermes_sim.chip.places import CONTROL, OFF_CHIP_IN, Link, Place, Resource, ResourcePart
from hermes_sim.flow import map_workload
from hermes_sim.metrics.busiest import RESOURCE_KINDS, busiest_by_kind, resource_kind

CORE = Place.core(3)


@pytest.mark.parametrize(
    ("resource", "kind"),
    [
        (Resource(CORE, ResourcePart.CROSSBAR), "crossbar"),
        (Resource(CORE, ResourcePart.LDPU), "LDPU"),
        (Resource(CORE, ResourcePart.IN), "port"),
        (Resource(CORE, ResourcePart.OUT), "port"),
        (Resource(Link(CORE, Place.core(4))), "link"),
        (OFF_CHIP_IN, "off-chip"),
        (CONTROL, "digital unit"),
    ],
)
def test_kinds(resource, kind):
    assert resource_kind(resource) == kind
    assert kind in RESOURCE_KINDS


def test_the_busiest_kind_comes_first_and_every_kind_is_there(hermes):
    figures = map_workload(hermes, "kernel_ridge_digits").figures(8)
    found = figures.busiest
    assert set(found) == set(RESOURCE_KINDS)
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert next(iter(found.values())) == figures.bottleneck.utilization
    named = figures.lowered.resource_named
    uses = figures.uses
    reads = [use.utilization for use in uses if use.resource.endswith(".crossbar")]
    assert busiest_by_kind(uses, named)["crossbar"] == max(reads) > 0
