"""Routes of every topology, and contention on links against cycle counts worked out by hand."""

from __future__ import annotations

import itertools

import pytest

from hermes_sim.chip.costs import hop_cost
from hermes_sim.chip.load import load_arch, read_with_parents, validate_chip
from hermes_sim.chip.network import Routes, find_circle
from hermes_sim.chip.places import BUS, IO, Link, Place, Role
from hermes_sim.chip.schema import Chip
from hermes_sim.config.override import override
from hermes_sim.engine.compiled import CompiledEngine
from hermes_sim.engine.reference import ReferenceEngine
from hermes_sim.errors import ArchConfigError
from hermes_sim.program.dataflow import Need, ProgramBuilder

CYCLE_PS = 1000


@pytest.fixture(scope="module")
def chip():
    """Links at 1 GHz with flits of 4 bytes and hops of 2 cycles, whatever the shipped chip has."""
    links = {"network.clock": "1 GHz", "network.flit": "4 byte", "network.hop_cycles": 2, "network.header": 0}
    return load_arch("hermes_64", links)


def network(topology: str, **overrides) -> Routes:
    return Routes(load_arch("hermes_64", {"network.topology": topology, **overrides}))


def route_of(net: Routes, source: str, target: str) -> list[str]:
    """Names of the links between two nodes of these names."""
    places = {str(node): node for node in net.nodes}
    return [str(link) for link in net.route(places[source], places[target])]


@pytest.mark.parametrize(
    ("source", "target", "route"),
    [
        ("core0", "core7", ["core0>core7"]),
        ("core0", "core8", ["core0>switch0", "switch0>switch1", "switch1>core8"]),
        ("io", "core63", ["io>switch7", "switch7>core63"]),
        ("core3", "gdpu0", ["core3>switch0", "switch0>gdpu0"]),
        ("gdpu1", "gdpu2", ["gdpu1>switch1", "switch1>switch2", "switch2>gdpu2"]),
        ("core5", "core5", []),
    ],
)
def test_cluster_routes(source, target, route):
    assert route_of(network("cluster_p2p"), source, target) == route


def test_mesh_goes_first_along_the_row_then_along_the_column():
    assert route_of(network("mesh"), "core0", "core18") == [
        "core0>router0,0", "router0,0>router1,0", "router1,0>router2,0", "router2,0>router2,1", "router2,1>router2,2",
        "router2,2>core18",
    ]  # fmt: skip


@pytest.mark.parametrize("topology", ["cluster_p2p", "mesh", "all_to_all"])
def test_every_pair_of_nodes_has_a_route_that_starts_and_ends_there(topology):
    net = network(topology)
    nodes = net.nodes
    for source in nodes[::7]:
        for target in nodes[::5]:
            links = net.route(source, target)
            if source != target:
                assert (links[0].source, links[-1].target) == (source, target)
                assert all(a.target == b.source for a, b in itertools.pairwise(links))


def test_one_bus_serves_all():
    net = network("bus")
    assert net.route(Place.core(1), Place.core(2)) == net.route(IO, Place.core(9)) == [BUS]


def custom(links: str, tmp_path) -> Routes:
    units = "digital_units: {gdpu: null}\n"
    small = "cores:\n" + "".join(
        f"  {k}: {{value: {v}, unit: count, kind: spec, source: test}}\n"
        for k, v in (("clusters", 1), ("per_cluster", 4))
    )
    path = tmp_path / "chip.yaml"
    path.write_text(f"extends: hermes_64\n{units}{small}network:\n  topology: custom\n{links}")
    return Routes(load_arch(str(path)))


def test_custom_topology_takes_the_fewest_hops(tmp_path):
    ring = "  links: [[io, core0], [core0, core1], [core1, core2], [core2, core3], [core3, core0]]\n"
    net = custom(ring, tmp_path)
    assert route_of(net, "core0", "core3") == ["core0>core3"]
    assert route_of(net, "core0", "core2") == ["core0>core1", "core1>core2"]  # the link named first wins a tie


def test_custom_topology_with_a_core_out_of_reach_is_refused(tmp_path):
    with pytest.raises(ArchConfigError, match="no way from io to core2, core3"):
        custom("  links: [[io, core0], [core0, core1], [core2, core3]]\n", tmp_path)


def test_custom_topology_with_a_misspelt_core_is_refused(tmp_path):
    with pytest.raises(ArchConfigError, match="node 'core33'"):
        custom("  links: [[io, core0], [core0, core1], [core1, core2], [core2, core33]]\n", tmp_path)


@pytest.mark.parametrize(
    ("links", "field", "got", "hint"),
    [
        # corex in place of a core: an end of one link, or of all links of that core
        ("[core2, corex], [core2, core3]", "line 12: network.links.3", "node 'corex', which is none of the chip", ""),
        ("[core2, core_3]", "line 12: network.links.3", "node 'core_3'", "did you mean 'core3'?"),
        ("[core2, corf3], [corf3, core0]", "line 8: network.links", "no way from io to core3",
         "'corf3' of network.links.3 is none of the chip: did you mean 'core3'?"),
        ("[core2, hub], [core2, core3]", "line 12: network.links.3", "node 'hub'", "nodes of your own that two links"),
        ("[core2, core7], [core2, core3]", "line 12: network.links.3", "node 'core7'", "did you mean 'core"),
        ("[core2, a>b], [core2, core3]", "line 12: network.links.3", "node 'a>b'", "names without >"),
        # links without effect
        ("[core2, core3], [core3, core3]", "line 13: network.links.4", "a link of 'core3' to itself", ""),
        ("[core2, core3], [core0, core1]", "line 13: network.links.4", "core0, core1: as in links.1", ""),
        ("[core2, core3], [core1, core0]", "line 13: network.links.4", "core1, core0: as in links.1", "both ways"),
        ("[core2, core1]", "line 12: network.links.3", "core2, core1: as in links.2", ""),
    ],
)  # fmt: skip
def test_an_error_in_custom_links_names_file_line_and_link_when_the_file_is_read(links, field, got, hint, tmp_path):
    every = f"[io, core0], [core0, core1], [core1, core2], {links}".replace("], [", "]\n  - [")
    with pytest.raises(ArchConfigError) as refusal:
        custom(f"  links:\n  - {every}\n", tmp_path)
    assert str(refusal.value).startswith(f"ArchConfigError: {tmp_path / 'chip.yaml'}, {field}\n")
    assert got in str(refusal.value)
    assert hint in str(refusal.value)


def test_links_of_a_parent_file_are_named_by_its_lines_and_set_ones_by_the_option(tmp_path):
    with pytest.raises(ArchConfigError):
        custom("  links:\n  - [io, core0]\n  - [core0, core0]\n", tmp_path)
    child = tmp_path / "child.yaml"
    child.write_text("extends: chip.yaml\n\n\nname: child\n")
    with pytest.raises(ArchConfigError, match=r"/chip\.yaml, line 10: network\.links\.1\n"):
        load_arch(str(child))
    with pytest.raises(
        ArchConfigError, match=r"override network\.links=.*: network\.links\.0\n  got      a link of 'io'"
    ):
        load_arch(str(child), {"network.links": [["io", "io"]]})


RING = "  links: [[io, core0], [core0, core1], [core1, core2], [core2, core3], [core3, io]]\n"
TREE = "  links: [[io, hub], [hub, core0], [hub, core1], [hub, hub2], [hub2, core2], [hub2, core3]]\n"


def test_a_ring_with_one_buffer_per_link_can_deadlock_and_is_refused(tmp_path):
    custom(RING, tmp_path)  # fine with a buffer per stream
    with pytest.raises(ArchConfigError) as refusal:
        custom(RING + "  buffering: link\n", tmp_path)
    message = str(refusal.value)
    assert "network.buffering\n" in message
    assert "core0>core1 -> core1>core2 -> core2>core3 -> core3>io -> io>core0 -> core0>core1\n" in message
    assert "buffering: stream, or links whose routes have no circle" in message


def test_a_tree_with_one_buffer_per_link_cannot_deadlock(tmp_path):
    net = custom(TREE + "  buffering: link\n", tmp_path)
    assert find_circle(net.waits()) == []


@pytest.mark.parametrize("topology", ["mesh", "cluster_p2p", "all_to_all", "bus"])
def test_routes_of_the_chips_own_topologies_never_wait_in_a_circle(topology):
    net = network(topology, **{"network.buffering": "link"})
    assert find_circle(net.waits()) == []


def test_virtual_channels_are_for_links_with_one_buffer():
    channels = {"value": 2, "unit": "count", "kind": "assumed", "source": "test"}
    load_arch("hermes_64", {"network.buffering": "link", "network.virtual_channels": channels})
    with pytest.raises(ArchConfigError, match="only with buffering: link"):
        load_arch("hermes_64", {"network.virtual_channels": channels})


def test_custom_topology_needs_links(tmp_path):
    with pytest.raises(ArchConfigError, match="links for, and only for"):
        custom("", tmp_path)


# Cycle counts by hand. A packet of n flits over h hops of 2 cycles: the head needs 2 h cycles, the tail n more.


def chain(builder: ProgramBuilder, chip, name: str, links: list[str], *, n_bytes: int, packets: int, depth: int = 2):
    """Actors of a route, with `depth` packets of buffer between links; returns the last one."""
    previous = None
    for i, link in enumerate(links):
        cost = hop_cost(chip, n_bytes)
        cost = cost.until(cost) if i < len(links) - 1 else cost
        actor = builder.actor(
            f"{name}{i}", builder.resource(link), firings=packets,
            interval_ps=cost.interval_ps, latency_ps=cost.latency_ps,
        )  # fmt: skip
        if previous is not None:
            builder.depend(previous, actor, Need.each())
            builder.depend(actor, previous, Need.space(depth), is_space=True)
        previous = actor
    return previous


@pytest.fixture(params=[CompiledEngine, ReferenceEngine], ids=["compiled", "simpy"])
def run(request):
    def go(builder: ProgramBuilder, *actors: int) -> list[list[int]]:
        record = request.param().run(builder.build(), watch=actors)
        return [[int(t) // CYCLE_PS for t in record.finish_ps[actor]] for actor in actors]

    return go


@pytest.mark.parametrize(("hops", "n_bytes", "cycles"), [(1, 4, 3), (1, 256, 66), (3, 4, 7), (3, 256, 70), (3, 5, 8)])
def test_single_packet_is_cut_through(hops, n_bytes, cycles, chip, run):
    builder = ProgramBuilder()
    last = chain(builder, chip, "p", [f"link{i}" for i in range(hops)], n_bytes=n_bytes, packets=1)
    assert run(builder, last) == [[cycles]]


def test_packets_of_one_flow_follow_each_other_at_the_rate_of_the_link(chip, run):
    builder = ProgramBuilder()
    last = chain(builder, chip, "p", ["a", "b"], n_bytes=64, packets=4)
    assert run(builder, last) == [[20, 36, 52, 68]]  # 2 * 2 + 16, then every 16


def test_two_flows_share_a_link_in_turn(chip, run):
    builder = ProgramBuilder()
    one = chain(builder, chip, "p", ["a", "shared"], n_bytes=32, packets=2)
    two = chain(builder, chip, "q", ["b", "shared"], n_bytes=32, packets=2)
    # heads reach the shared link at 2; p goes first (lower index): busy 2-10, 10-18, 18-26, 26-34
    assert run(builder, one, two) == [[12, 28], [20, 36]]


def test_a_hot_spot_serves_one_packet_per_packet_time(chip, run):
    builder = ProgramBuilder()
    lasts = [chain(builder, chip, f"p{i}", [f"in{i}", "hot"], n_bytes=16, packets=1) for i in range(6)]
    assert run(builder, *lasts) == [[2 + 4 * i + 2 + 4] for i in range(6)]


# depth 1: packet k starts when the consumer has finished packet k - 1; 2: when it has finished packet k - 2
@pytest.mark.parametrize(("depth", "cycles"), [(1, [6, 112, 218, 324]), (2, [6, 10, 112, 212]), (4, [6, 10, 14, 18])])
def test_a_slow_consumer_holds_back_the_sender_through_the_buffer(depth, cycles, chip, run):
    """The consumer takes 100 cycles a packet, the link 4."""
    builder = ProgramBuilder()
    link = chain(builder, chip, "p", ["link"], n_bytes=16, packets=4)
    slow = builder.actor("slow", builder.resource("slow"), firings=4, interval_ps=100_000, latency_ps=100_000)
    builder.depend(link, slow, Need.each())
    builder.depend(slow, link, Need.space(depth), is_space=True)
    assert run(builder, link) == [cycles]


def test_blocked_one_picosecond_before_ready_at_it(chip):
    """The second packet on a link starts exactly when the first one's last flit has left."""
    builder = ProgramBuilder()
    last = chain(builder, chip, "p", ["link"], n_bytes=64, packets=2)
    program = builder.build()
    record = CompiledEngine().run(program, trace=True)
    assert record.trace is not None
    assert record.trace.starts(last).tolist() == [0, 16 * CYCLE_PS]
    early = CompiledEngine().run(program, until_ps=16 * CYCLE_PS - 1)
    assert early.started[last] == 1
    assert CompiledEngine().run(program, until_ps=16 * CYCLE_PS).started[last] == 2


WIRED = {"value": 0.8, "unit": "pJ/byte/mm", "kind": "assumed", "source": "test"}
DELAY = {"value": 1000, "unit": "ps/mm", "kind": "assumed", "source": "test"}


def wired(topology: str, area_mm2: float = 4.0):
    """Chip whose cores are 2 mm apart."""
    document = read_with_parents("hermes_64")
    document.data["network"] |= {"topology": topology, "wire": {"energy": WIRED, "delay": DELAY}}
    override(document, "core.area", area_mm2, model=Chip, error=ArchConfigError)
    override(document, "network.clock", 1, model=Chip, error=ArchConfigError)
    return validate_chip(document)


@pytest.mark.parametrize(
    ("topology", "link", "pitches"),
    [
        ("mesh", Link(Place.core(0), Place.router(0, 0)), 0),
        ("mesh", Link(Place.router(3, 4), Place.router(3, 5)), 1),
        ("all_to_all", Link(Place.core(0), Place.core(1)), 1),
        ("all_to_all", Link(Place.core(0), Place.core(63)), 14),
        ("all_to_all", Link(Place.core(5), IO), 5),
        ("cluster_p2p", Link(Place.core(0), Place.core(7)), 7),
        ("cluster_p2p", Link(Place.switch(0), Place.switch(7)), 7),
        ("cluster_p2p", Link(Place.core(0), Place.switch(0)), 3.5),
    ],
)
def test_links_are_as_long_as_their_ends_are_apart(topology, link, pitches):
    chip = wired(topology)
    span = Routes(chip).floorplan.span(link)
    assert span.charged_mm == span.travelled_mm == pytest.approx(2.0 * max(0, pitches - 1))


def test_a_bus_charges_all_of_its_wire():
    span = Routes(wired("bus")).floorplan.span(BUS)
    assert span.charged_mm == pytest.approx(2.0 * 62)
    assert span.travelled_mm == pytest.approx(2.0 * (7 + 7 + 7 - 1))


def test_a_node_without_a_place_has_links_of_one_pitch():
    assert Routes(wired("all_to_all")).floorplan.span(Link(Place.core(0), Place(Role.NODE, "hub"))) == (0, 0)


def test_length_costs_energy_and_whole_cycles_but_no_throughput():
    chip = wired("all_to_all")
    near, far = (
        hop_cost(chip, 32, span=Routes(chip).floorplan.span(Link(Place.core(0), Place.core(i)))) for i in (1, 2)
    )
    assert far.interval_ps == near.interval_ps
    assert far.latency_ps - near.latency_ps == 2 * CYCLE_PS  # 2 mm at 1 ns/mm
    total = [sum(part.value for part in cost.energies) for cost in (near, far)]
    assert total[1] - total[0] == pytest.approx((32 + 4 + 1) * 2.0 * 0.8)  # with header and credit
    assert sum(part.value for part in far.times) == far.latency_ps


def test_without_wires_a_hop_costs_the_same_at_any_length(chip):
    network = Routes(chip)
    links = [Link(Place.core(0), Place.core(i)) for i in range(1, 8)]
    costs = {hop_cost(chip, 64, span=network.floorplan.span(link)) for link in links}
    assert len(costs) == 1
