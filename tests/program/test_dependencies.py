"""What waits for what, need by need: buffers, replicas, states, line buffers, arrivals.

`needs` are (num, off, den): firing k waits for floor((k num + off) / den) firings of its source.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest

from hermes_sim.chip.cost import Cost, Term
from hermes_sim.chip.load import load_arch, read_with_parents, validate_chip
from hermes_sim.chip.places import HOST_MEMORY
from hermes_sim.chip.schema import Chip
from hermes_sim.config.override import override
from hermes_sim.config.quantity import Kind
from hermes_sim.config.vocabulary import Function
from hermes_sim.engine.compiled import CompiledEngine
from hermes_sim.errors import ArchConfigError
from hermes_sim.mapping.place import map_graph
from hermes_sim.program.dataflow import Need
from hermes_sim.program.lower import lower
from hermes_sim.program.transfer import _under_way
from hermes_sim.workload.graph import GraphBuilder, Matrix, Operator, OpKind, Pattern, Window

EXACT = {
    "network.switching": "store_and_forward",
    "network.topology": "all_to_all", "network.flit": 16, "network.hop_cycles": 2,
    "network.header": 0, "network.credit": 0, "network.buffers": 2,
    "core.input_port.width": 8, "core.output_port.width": 8, "core.input_buffers": 3, "core.output_buffers": 4,
    "core.ldpu.lanes": 8, "core.ldpu.group_time": 10, "core.ldpu.add_group_time": 1,
    "off_chip.bandwidth": 8, "off_chip.latency": 500,
    "digital_units.gdpu.buffers": 5, "digital_units.host.buffers": 8,
}  # fmt: skip


@pytest.fixture(scope="module")
def chip():
    return load_arch("hermes_64", EXACT)


def needs(lowered):
    """(source, target) -> dependencies between two actors by name, sorted: need, True for buffer space."""
    program, found = lowered.program, defaultdict(list)
    names = program.actor_names
    for i in range(program.n_deps):
        need = (int(program.num[i]), int(program.off[i]), int(program.den[i]))
        found[names[program.source[i]], names[program.target[i]]].append((need, bool(program.is_space[i])))
    return found


def space(depth):
    return [((1, 1 - depth, 1), True)]


EACH = [((1, 1, 1), False)]


def named(lowered, *parts):
    """The one actor whose name holds all parts."""
    (name,) = [name for name in lowered.program.actor_names if all(part in name for part in parts)]
    return name


def digital(name, tokens=6, values_in=4, values_out=4, function=Function.ADD, **options):
    return Operator(name, OpKind.ELEMENTWISE, tokens, values_in, values_out, {function: 4}, **options)


def lowered_pair(chip, units, *, pattern=Pattern.EACH, inferences=2, functions=(Function.ADD, Function.ADD), **edge):
    graph = GraphBuilder("g")
    graph.add(digital("a", function=functions[0]))
    graph.add(digital("b", function=functions[1]))
    graph.connect("a", "b", pattern=pattern, **edge)
    built = graph.build()
    return lower(built, placed(built, chip, dict(zip("ab", units, strict=True))), chip, inferences=inferences)


def placed(graph, chip, units):
    """A packed mapping with the units of these names."""
    known = {str(place): place for place in (*chip.unit_places(), HOST_MEMORY)}
    return replace(map_graph(graph, chip, "packed"), units={op: known[name] for op, name in units.items()})


def test_operators_of_one_unit_share_the_smaller_buffer(chip):
    found = needs(lowered_pair(chip, ("gdpu0", "gdpu0")))
    assert found["a", "b"] == EACH
    assert found["b", "a"] == space(5)


def test_a_packet_between_units_waits_for_both_ends_and_links_hold_their_buffers(chip):
    """8 bytes in one flit: 1 cycle of body behind 2 of head, so that 2 more packets are under way on the last link."""
    lowered = lowered_pair(chip, ("gdpu0", "gdpu1"))
    link = named(lowered, "last link")
    found = needs(lowered)
    assert found["a", link] == EACH
    assert found[link, "a"] == space(5)
    assert found[link, "b"] == EACH
    assert found["b", link] == space(5)
    assert set(found) == {("a", link), (link, "a"), (link, "b"), ("b", link), ("b", "inference done")}
    assert lowered.program.resource_names == ("gdpu0", "gdpu1", "link gdpu0>gdpu1", "control")


def test_what_is_under_way_on_the_off_chip_channel_takes_no_buffer(chip):
    """64 values are 64 bytes for a core: 8 ns on the channel, 500 ns on the way, so 63 packets between its ends."""
    graph = GraphBuilder("g")
    graph.add(Operator("x", OpKind.INPUT, 4, 0, 64))
    graph.connect("x", graph.product("p", Matrix("W", 64, 8), tokens=4, on_crossbar=True))
    built = graph.build()
    lowered = lower(built, map_graph(built, chip, "packed"), chip)
    channel, link, load = named(lowered, "/off-chip "), named(lowered, "/last link"), named(lowered, "/load")
    read = named(lowered, "/read")
    found = needs(lowered)
    assert found["x", channel] == EACH
    assert found[channel, "x"] == space(64)  # vectors at hand in host memory
    assert found[channel, link] == EACH
    assert found[link, channel] == space(2 + 63 + 1)  # 4 flits behind 2 cycles: one more on the link
    assert found[link, load] == EACH
    assert found[load, link] == space(2 + 1 + 0)
    assert found[load, read] == EACH
    assert found[read, load] == space(3)
    actors = dict(zip(lowered.program.actor_names, lowered.program.latency_ps, strict=True))
    assert actors[channel] == (8 + 500) * 1000
    assert actors[link] == (2 + 4) * 1000
    assert actors[load] == 8 * 1000
    assert "p" not in lowered.program.actor_names
    assert not [name for name in lowered.program.actor_names if "ldpu" in name]  # nobody takes the result


@pytest.mark.parametrize(
    ("interval_ps", "latency_ps", "firings"), [(8, 508, 63), (4, 6, 1), (4, 4, 0), (4, 2, 0), (0, 5, 0)]
)
def test_firings_that_have_let_go_of_their_resource_are_under_way(interval_ps, latency_ps, firings):
    """Those that begin before the first one is done; a stage that holds nothing needs no buffer either."""
    assert _under_way(Cost(interval_ps, latency_ps, (Term(latency_ps, "t", (), Kind.ASSUMED),))) == firings


def test_a_read_hands_over_to_the_ldpu_through_the_output_buffers(chip):
    graph = GraphBuilder("g")
    graph.connect(graph.product("p", Matrix("W", 64, 8), tokens=4, on_crossbar=True), graph.add(digital("b", 4, 8)))
    built = graph.build()
    mapping = placed(built, chip, {"b": "gdpu0"})
    lowered = lower(built, mapping, chip)
    read, ldpu, send = named(lowered, "/read"), named(lowered, "/ldpu"), named(lowered, "/send")
    found = needs(lowered)
    assert found[read, ldpu] == EACH
    assert found[ldpu, read] == space(4)
    assert found[ldpu, send] == EACH
    assert found[send, ldpu] == space(4)


def test_feedback_needs_the_token_before(chip):
    found = needs(lowered_pair(chip, ("gdpu0", "gdpu0"), pattern=Pattern.PREVIOUS))
    assert found["a", "b"] == [((1, 0, 1), False)]
    assert found["b", "a"] == [((1, 1 - 5 + 1, 1), True)]


def test_feedback_between_units_needs_the_token_before(chip):
    lowered = lowered_pair(chip, ("gdpu0", "gdpu1"), pattern=Pattern.PREVIOUS)
    link = named(lowered, "last link", "to next")
    found = needs(lowered)
    assert found["a", link] == EACH
    assert found[link, "a"] == space(5)
    assert found[link, "b"] == [((1, 0, 1), False)]
    assert found["b", link] == [((1, 1 - 5 + 1, 1), True)]


def test_readers_of_a_memory_may_lag_behind_by_a_whole_sequence(chip):
    graph = GraphBuilder("g")
    graph.add(Operator("m", OpKind.MEMORY, 6, 4, 4))
    graph.connect("m", graph.add(digital("b")))
    built = graph.build()
    lowered = lower(built, placed(built, chip, {"m": "gdpu0", "b": "gdpu0"}), chip)
    found = needs(lowered)
    assert found["m", "b"] == EACH
    assert found["b", "m"] == space(6)
    assert lowered.program.resource_names[lowered.program.resource[0]] == "gdpu0.memory"
    apart = lower(built, placed(built, chip, {"m": "gdpu0", "b": "gdpu1"}), chip)
    assert needs(apart)[named(apart, "last link"), "m"] == space(6)


def test_a_state_counts_when_all_its_tokens_are_done_and_serves_all_tokens_of_the_target(chip):
    lowered = lowered_pair(chip, ("gdpu0", "gdpu0"), pattern=Pattern.SEQUENCE, inferences=4)
    published, released = named(lowered, "/publish"), named(lowered, "release")
    found = needs(lowered)
    assert found["a", published] == [((6, 6, 1), False)]
    assert found["b", released] == [((6, 6, 1), False)]
    assert found[published, "b"] == [((1, 6, 6), False)]
    assert found[released, published] == space(2)  # one in use, one being made
    assert found[released, "a"] == [((1, 6 * (1 - 2), 6), True)]


def test_a_state_that_travels_goes_once_per_inference_through_the_same_two_places(chip):
    lowered = lowered_pair(chip, ("gdpu0", "gdpu1"), pattern=Pattern.SEQUENCE, inferences=4)
    published, released, link = named(lowered, "/publish"), named(lowered, "release"), named(lowered, "last link")
    found = needs(lowered)
    assert found[published, link] == EACH
    assert found[released, link] == space(2)
    assert found[link, "b"] == [((1, 6, 6), False)]
    assert found[link, "a"] == [((1, 6 * (1 - 2), 6), True)]
    firings = dict(zip(lowered.program.actor_names, lowered.program.firings.tolist(), strict=True))
    assert (firings["a"], firings["b"], firings[link], firings[published], firings[released]) == (24, 24, 4, 4, 4)


def slowed(program, name, interval_ps):
    """The program with one actor that takes so long."""
    interval, latency = program.interval_ps.copy(), program.latency_ps.copy()
    at = program.actor_names.index(name)
    interval[at] = latency[at] = interval_ps
    return replace(program, interval_ps=interval, latency_ps=latency)


@pytest.mark.parametrize(("target", "states"), [("gdpu0", 2), ("gdpu1", 3)])
def test_states_stop_where_the_first_one_is_not_used_up(chip, target, states):
    """The target never ends: it holds two states, and a source on another unit one more that cannot leave."""
    lowered = lowered_pair(chip, ("gdpu0", target), pattern=Pattern.SEQUENCE, inferences=4)
    program = slowed(lowered.program, "b", 10**12)
    resource = program.resource.copy()
    resource[program.actor_names.index("b")] = program.resource_names.index("control")  # b competes with nobody
    record = CompiledEngine().run(replace(program, resource=resource), until_ps=10**12 - 1)
    assert record.started[program.actor_names.index("a")] == 6 * states


SMALL_WINDOW = Window(6, 5, 6, 5, 3, 1, 1, 9)  # 6 rows of 5 pixels, 3 x 3, stride 1, padding 1
STRIDED = Window(8, 5, 4, 3, 3, 2, 1, 9)


def windowed(window, inferences=1):
    graph = GraphBuilder("g")
    made, used = window.in_rows * window.in_columns, window.out_rows * window.out_columns
    graph.add(Operator("x", OpKind.ELEMENTWISE, made, 0, 1))
    graph.add(Operator("y", OpKind.POOLING, used, window.positions, 0))
    graph.connect("x", "y", pattern=Pattern.WINDOW, window=window)
    return graph.build()


@pytest.mark.parametrize(("window", "rows"), [(SMALL_WINDOW, 3 + 2 * 1 + 1), (STRIDED, 3 + 2 * 2 + 1)])
def test_a_line_buffer_holds_a_window_and_two_steps_of_rows(chip, window, rows):
    built = windowed(window)
    lowered = lower(built, map_graph(built, chip, "packed"), chip, inferences=3)
    made, used = window.in_rows * window.in_columns, window.out_rows * window.out_columns
    kept, depth = named(lowered, "/keep"), rows * window.in_columns
    found = needs(lowered)
    assert found["y", kept] == [((used, -depth * used, made), True)]
    assert found["x", kept] == EACH
    assert found[kept, "x"] == space(5)  # of the unit that makes them


def test_pixels_stop_where_the_line_buffer_is_full(chip):
    """Of three pictures of 6 x 5, with no window read: 6 rows of 5 pixels, and the one that follows them."""
    built = windowed(SMALL_WINDOW)
    lowered = lower(built, map_graph(built, chip, "packed"), chip, inferences=3)
    program = slowed(slowed(lowered.program, "y", 10**12), "x", 0)  # pixels are there before the unit is taken
    record = CompiledEngine().run(program, until_ps=10**12 - 1)
    assert record.started[program.actor_names.index(named(lowered, "/keep"))] == 6 * 5 + 1


def two_replicas(chip, n_source, n_target, tokens=6, inferences=2):
    """Two products with so many copies each, every block on a core of its own."""
    graph = GraphBuilder("g")
    graph.product("p", Matrix("V", 16, 8), tokens=tokens, on_crossbar=True)
    graph.product("q", Matrix("W", 8, 4), tokens=tokens, on_crossbar=True)
    graph.connect("p", "q")
    built = graph.build()
    mapping = map_graph(built, chip, "spread")
    one = {block.matrix: block for block in mapping.blocks}
    blocks = [replace(one["V"], replica=r, core=r) for r in range(n_source)]
    blocks += [replace(one["W"], replica=r, core=8 + r) for r in range(n_target)]
    replicas = {"p": tuple(range(n_source)), "q": tuple(range(n_target))}
    return lower(built, replace(mapping, blocks=tuple(blocks), replicas=replicas), chip, inferences=inferences)


def test_copies_take_tokens_in_turn(chip):
    """Token c + 6 j is firing (c - r) / R + 6 j / R of copy r of R: two copies give to three."""
    lowered = two_replicas(chip, 2, 3, tokens=7, inferences=1)
    firings = dict(zip(lowered.program.actor_names, lowered.program.firings.tolist(), strict=True))
    reads = {name.split("r")[1][0] + name[0]: n for name, n in firings.items() if name.endswith("/read")}
    assert reads == {"0p": 4, "1p": 3, "0q": 3, "1q": 2, "2q": 2}
    found = needs(lowered)
    ldpus = [named(lowered, "p[", f"r{r}/ldpu") for r in range(2)]
    readers = [named(lowered, "q[", f"r{r}/read") for r in range(3)]
    for c in range(6):
        ends = [name for name in firings if f" {c} of 6 r{c % 2}/" in name]
        send, load = (next(name for name in ends if stage in name) for stage in ("/send", "/load"))
        assert {firings[name] for name in ends} == {2 if c == 0 else 1}
        first, step = (c - c % 2) // 2, 3
        assert found[ldpus[c % 2], send] == [((step, first + 1, 1), False)]
        assert found[send, ldpus[c % 2]] == [((1, step - 4 - first, step), True)]
        first, step = (c - c % 3) // 3, 2
        assert found[load, readers[c % 3]] == [((1, step - first, step), False)]
        assert found[readers[c % 3], load] == [((step, first + 1 - 3, 1), True)]


def test_copies_on_one_core_hand_over_without_the_network(chip):
    graph = GraphBuilder("g")
    graph.product("p", Matrix("V", 16, 8), tokens=6, on_crossbar=True)
    graph.product("q", Matrix("W", 8, 4), tokens=6, on_crossbar=True)
    graph.connect("p", "q")
    built = graph.build()
    mapping = map_graph(built, chip, "spread")
    one = {block.matrix: block for block in mapping.blocks}
    blocks = (
        *(replace(one["V"], replica=r, core=r, core_row=0) for r in range(2)),
        replace(one["W"], core=0, core_row=16),
    )
    mapping = replace(mapping, blocks=blocks, replicas={"p": (0, 1), "q": (0,)})
    lowered = lower(built, mapping, chip)
    passed = named(lowered, "/pass core0")
    ldpu, read = named(lowered, "p[", "r0/ldpu"), named(lowered, "q[", "/read")
    found = needs(lowered)
    assert found[ldpu, passed] == [((1, 1, 1), False)]
    assert found[passed, ldpu] == space(4)
    assert found[passed, read] == [((1, 2, 2), False)]
    assert found[read, passed] == [((2, 1 - 3, 1), True)]
    assert CompiledEngine().run(lowered.program).is_complete


def test_what_several_cores_need_travels_once_along_the_way_they_share():
    """Two cores of another cluster: one packet over three of the links, two over the last."""
    chip = load_arch("hermes_64", EXACT | {"network.topology": "mesh"})
    graph = GraphBuilder("g")
    source = graph.product("p", Matrix("V", 8, 8), tokens=2, on_crossbar=True)
    for name in ("q", "s"):
        graph.connect(source, graph.product(name, Matrix(f"W{name}", 8, 4), tokens=2, on_crossbar=True))
    built = graph.build()
    mapping = map_graph(built, chip, "spread")
    places = {"V": 0, "Wq": 2, "Ws": 3}
    mapping = replace(mapping, blocks=tuple(replace(b, core=places[b.matrix]) for b in mapping.blocks))
    lowered = lower(built, mapping, chip)
    on_links = [info.stage for info in lowered.actors if info.stage in {"link", "last link"}]
    resources = [name for name in lowered.program.resource_names if name.startswith("link ")]
    shared = ["core0>router0,0", "router0,0>router1,0", "router1,0>router2,0"]
    assert resources == [
        f"link {name}" for name in (*shared, "router2,0>core2", "router2,0>router3,0", "router3,0>core3")
    ]
    assert on_links == ["link", "link", "link", "last link", "link", "last link"]
    assert sum(info.stage == "send" for info in lowered.actors) == 1


def test_a_link_costs_the_wire_between_its_ends():
    """Cores of 4 mm2 are 2 mm apart; from 0 to 3 that is 4 mm beyond one pitch, 4 cycles at 1 ns/mm."""
    document = read_with_parents("hermes_64")
    number = {"kind": "assumed", "source": "test"}
    document.data["network"]["wire"] = {
        "energy": {"value": 0.5, "unit": "pJ/byte/mm", **number},
        "delay": {"value": 1000, "unit": "ps/mm", **number},
    }
    for path, value in (EXACT | {"core.area": 4.0, "network.clock": 1}).items():
        override(document, path, value, model=Chip, error=ArchConfigError)
    chip = validate_chip(document)
    graph = GraphBuilder("g")
    source = graph.product("p", Matrix("V", 8, 8), tokens=2, on_crossbar=True)
    graph.connect(source, graph.product("q", Matrix("W", 8, 4), tokens=2, on_crossbar=True))
    built = graph.build()
    mapping = map_graph(built, chip, "spread")
    mapping = replace(mapping, blocks=tuple(replace(b, core={"V": 0, "W": 3}[b.matrix]) for b in mapping.blocks))
    lowered = lower(built, mapping, chip)
    at = lowered.program.actor_names.index(named(lowered, "last link", "core0>core3"))
    assert lowered.program.latency_ps[at] == (2 + 1 + 4) * 1000
    assert sum(part.value for part in lowered.actors[at].cost.energies) == pytest.approx(8 * (0.8 + 4 * 0.5))


def test_an_inference_is_done_when_every_copy_of_every_last_operator_is(chip):
    lowered = two_replicas(chip, 1, 3, tokens=7)
    found = needs(lowered)
    for r in range(3):
        reader = named(lowered, "q[", f"r{r}/read")
        assert found[reader, "inference done"] == [((7, 7 - r + 2, 3), False)]
    assert [source for source, target in found if target == "inference done"] == [
        named(lowered, "q[", f"r{r}/read") for r in range(3)
    ]
    assert lowered.program.firings[lowered.done] == 2


def with_input(tokens=3):
    graph = GraphBuilder("g")
    graph.add(Operator("x", OpKind.INPUT, tokens, 0, 4))
    graph.connect("x", graph.add(digital("a", tokens)))
    return graph.build()


def test_all_tokens_of_an_input_wait_for_their_inference(chip):
    built = with_input()
    mapping = map_graph(built, chip, "packed")
    lowered = lower(built, mapping, chip, inferences=2, arrivals_ps=np.array([5, 900]))
    ((source, tokens),) = lowered.sources
    assert (lowered.program.actor_names[source], tokens) == ("x", 3)
    assert lowered.program.releases_ps[source].tolist() == [5, 5, 5, 900, 900, 900]
    assert lower(built, mapping, chip).program.releases_ps == {}
    assert lower(built, mapping, chip).inferences == 1


@pytest.mark.parametrize("in_flight", [1, 2])
def test_no_more_inferences_are_in_flight_than_asked_for(chip, in_flight):
    built = with_input()
    lowered = lower(built, map_graph(built, chip, "packed"), chip, inferences=4, in_flight=in_flight)
    assert needs(lowered)["inference done", "x"] == [((1, 3 * (1 - in_flight), 3), True)]
    assert ("inference done", "x") not in needs(lower(built, map_graph(built, chip, "packed"), chip, inferences=4))


def test_the_host_holds_many_input_vectors_and_moves_them_for_free(chip):
    built = with_input()
    lowered = lower(built, placed(built, chip, {"x": "host memory", "a": "host0"}), chip)
    found = needs(lowered)
    arrived = named(lowered, "x")
    assert found[arrived, "a"] == EACH  # host memory and host are one place
    assert found["a", "x"] == space(8)
    assert lowered.program.interval_ps[0] == lowered.program.latency_ps[0] == 0


@pytest.mark.parametrize(("tokens", "replicas"), [(7, 1), (7, 3), (6, 3), (5, 4), (2, 4)])
def test_needs_of_a_whole_turn_count_the_tokens_of_each_replica(tokens, replicas):
    """Token t is made or taken by replica t mod R, as its firing t // R."""
    for r in range(replicas):
        after, before = Need.all_of_turn(tokens, r, replicas), Need.turn_before(tokens, r, replicas)
        for k in range(12):
            made = sum(t % replicas == r for t in range((k + 1) * tokens))
            assert (k * after.num + after.off) // after.den == made
            token = k * replicas + r
            assert (k * before.num + before.off) // before.den == token // tokens + 1
