"""Hops are the links of the route, for every topology and every pair of nodes."""

from __future__ import annotations

import itertools
import random
from functools import cache

import pytest

from hermes_sim.chip.costs import bytes_per_value, output_bytes, partial_sum_bytes
from hermes_sim.chip.load import load_arch, read_with_parents, validate_chip
from hermes_sim.chip.network import Routes
from hermes_sim.chip.places import IO, Place
from hermes_sim.chip.schema import Chip
from hermes_sim.config.override import override
from hermes_sim.errors import ArchConfigError


@cache
def network_of(topology: str) -> Routes:
    if topology != "custom":
        return Routes(load_arch("hermes_64_hetero", {"network.topology": topology}))
    nodes = [str(node) for node in Routes(load_arch("hermes_64_hetero")).nodes]
    document = read_with_parents("hermes_64_hetero")
    document.data["network"] |= {"links": [[a, b] for a, b in zip(nodes, nodes[1:] + nodes[:1], strict=True)]}
    override(document, "network.topology", "custom", model=Chip, error=ArchConfigError)
    return Routes(validate_chip(document))


@pytest.mark.parametrize("topology", ["cluster_p2p", "mesh", "all_to_all", "bus", "custom"])
def test_hops_are_the_links_of_the_route(topology):
    network = network_of(topology)
    rng = random.Random(7)
    for _ in range(400):
        source, target = rng.choice(network.nodes), rng.choice(network.nodes)
        route = network.route(source, target)
        for _ in range(2):  # worked out, and remembered
            assert network.hops(source, target) == len(route)
        if topology != "bus" and route:  # the links join, end to end
            assert (route[0].source, route[-1].target) == (source, target)
            assert all(one.target == other.source for one, other in itertools.pairwise(route))


@pytest.mark.parametrize(
    ("topology", "source", "target", "hops"),
    [
        ("cluster_p2p", "core0", "core7", 1), ("cluster_p2p", "core0", "core8", 3), ("cluster_p2p", "io", "core63", 2),
        ("cluster_p2p", "core3", "gdpu0", 2), ("mesh", "core0", "core18", 6), ("mesh", "core0", "core1", 3),
        ("all_to_all", "core0", "core63", 1), ("bus", "io", "core63", 1), ("custom", "core0", "core4", 4),
        ("custom", "core4", "core0", 4), ("custom", "core0", "io", 1), ("custom", "core5", "core5", 0),
    ],
)  # fmt: skip
def test_hops_by_hand(topology, source, target, hops):
    network = network_of(topology)
    places = {str(node): node for node in network.nodes}
    assert network.hops(places[source], places[target]) == hops


def test_a_ring_is_as_long_as_half_of_it():
    network = network_of("custom")
    n = len(network.nodes)
    place = {node: i for i, node in enumerate(network.nodes)}
    for source in network.nodes[::7]:
        for target in network.nodes:
            way = abs(place[source] - place[target])
            assert network.hops(source, target) == min(way, n - way)


def test_cores_take_bytes_and_everything_else_takes_the_digital_format(hermes):
    core, *others = places = (Place.core(3), hermes.unit_place("gdpu", 0), IO)
    for source in places:
        assert [bytes_per_value(hermes, source, target) for target in places] == [1, 2, 2]
    assert (output_bytes(hermes), partial_sum_bytes(hermes)) == (2, 2)
    narrow = load_arch("hermes_64", {"core.output.format": "int8"})
    assert [bytes_per_value(narrow, core, target) for target in places] == [1, 1, 1]  # what leaves a core
    assert [bytes_per_value(narrow, others[0], target) for target in places] == [1, 2, 2]
    assert partial_sum_bytes(narrow) == 2  # added in FP16, before the format is applied
    assert (
        partial_sum_bytes(load_arch("hermes_64", {"core.output.format": "int8", "core.output.partial_sums": "after"}))
        == 1
    )
