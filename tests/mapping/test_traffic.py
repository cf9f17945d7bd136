"""Bytes between nodes, by hand and against the transfers of the lowered program."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes_sim.chip.load import load_arch
from hermes_sim.chip.network import Routes
from hermes_sim.chip.places import HOST_MEMORY, Place
from hermes_sim.mapping.mapping import Block, Mapping
from hermes_sim.mapping.place import map_graph
from hermes_sim.mapping.traffic import _edge_bytes, _End, bytes_hops, flows, shared_values, values_needed
from hermes_sim.program.lower import lower
from hermes_sim.workload.graph import Edge, GraphBuilder, Matrix, Operator, OpKind, Pattern, Window
from hermes_sim.workload.load import build_graph, load_workload

from .conftest import chip_of, products, ring_chip, units_of


@pytest.mark.parametrize("name", ["resnet9_cifar10", "performer_imdb_full"])
def test_a_ring_counts_the_links_of_its_routes(name):
    """From one node of a ring to another it is the shorter way round."""
    graph, chip = build_graph(load_workload(name)), ring_chip()
    mapping = map_graph(graph, chip, "spread")
    around = {str(node): i for i, node in enumerate(Routes(load_arch("hermes_64")).nodes)}
    expected = 0
    for source, target, n_bytes in flows(graph, mapping, chip):
        apart = abs(around[str(source)] - around[str(target)])
        expected += n_bytes * min(apart, len(around) - apart)
    assert expected > 10**7
    assert bytes_hops(graph, mapping, chip) == expected


def test_annealing_on_a_ring_shortens_the_routes():
    graph, chip = build_graph(load_workload("resnet9_cifar10")), ring_chip()
    spread, local = (map_graph(graph, chip, strategy) for strategy in ("spread", "local"))
    assert bytes_hops(graph, local, chip) < 0.4 * bytes_hops(graph, spread, chip)


WINDOW = Window(4, 4, 4, 4, 3, 1, 1, 9)


@pytest.mark.parametrize(
    ("source", "target", "edge", "shared"),
    [
        ((0, 10), (0, 10), Edge("a", "b", 0, 10), (0, 10)),
        ((0, 10), (0, 10), Edge("a", "b", 2, 7), (2, 7)),
        ((3, 10), (0, 10), Edge("a", "b", 2, 7), (3, 7)),
        ((0, 5), (0, 10), Edge("a", "b", 2, 7), (2, 5)),
        ((0, 10), (1, 4), Edge("a", "b", 2, 7), (3, 6)),  # inputs 1 to 4 are values 3 to 6
        ((0, 10), (20, 24), Edge("a", "b", 2, 7, into=21), (2, 5)),  # inputs 21 to 24 are values 2 to 5
        ((0, 10), (30, 40), Edge("a", "b", 2, 7, into=21), None),
        ((7, 10), (0, 10), Edge("a", "b", 2, 7), None),
        ((0, 8), (0, 36), Edge("a", "b", 0, 8, Pattern.WINDOW, window=WINDOW), (0, 4)),
        ((0, 8), (8, 37), Edge("a", "b", 0, 8, Pattern.WINDOW, window=WINDOW), (0, 5)),
        ((0, 8), (18, 36), Edge("a", "b", 1, 8, Pattern.WINDOW, window=WINDOW), (3, 5)),
        ((4, 8), (0, 36), Edge("a", "b", 0, 8, Pattern.WINDOW, window=WINDOW), None),
    ],
)
def test_values_that_one_end_has_and_the_other_needs(source, target, edge, shared):
    assert shared_values(source, target, edge) == shared


def test_what_shares_no_values_moves_no_bytes(hermes, hetero):
    """Of 8 values, core 0 makes the first 4; cores take a byte for each, four tokens a time."""
    edge, source = Edge("a", "b", 0, 8), _End(Place.core(0), (0, 4))
    assert _edge_bytes(edge, 4, source, _End(Place.core(1), (4, 8)), hermes) == 0
    assert _edge_bytes(edge, 4, source, _End(Place.core(1), (3, 8)), hermes) == 4 * 1
    assert _edge_bytes(edge, 4, source, _End(hetero.unit_place("dpu", 0), (3, 8)), hermes) == 4 * 2


def chain(tokens, *, pattern=Pattern.EACH, window=None):
    """Two products of 8 x 8, one behind the other."""
    graph = GraphBuilder("chain")
    graph.product("a", Matrix("A", 8, 8), tokens=tokens, on_crossbar=True)
    graph.product("b", Matrix("B", 8, 8), tokens=tokens, on_crossbar=True)
    graph.connect("a", "b", pattern=pattern, window=window)
    return graph.build()


def copies(graph, a, b, units=None):
    """Copy i of A on core i, copy j of B on core 10 + j."""
    blocks = [Block("A", i, (0, 8), (0, 8), i) for i in range(a)] + [
        Block("B", j, (0, 8), (0, 8), 10 + j) for j in range(b)
    ]
    return Mapping("test", tuple(blocks), {"a": tuple(range(a)), "b": tuple(range(b))}, units or {})


def bytes_between(graph, mapping, chip):
    return {(str(flow.source), str(flow.target)): flow.n_bytes for flow in flows(graph, mapping, chip)}


def test_copies_send_to_those_whose_turn_it_is(hermes):
    graph = chain(12)
    assert bytes_between(graph, copies(graph, 1, 1), hermes) == {("core0", "core10"): 12 * 8}
    assert bytes_between(graph, copies(graph, 2, 2), hermes) == {
        ("core0", "core10"): 6 * 8,
        ("core1", "core11"): 6 * 8,
    }
    assert bytes_between(graph, copies(graph, 2, 4), hermes) == {
        ("core0", "core10"): 3 * 8, ("core1", "core11"): 3 * 8, ("core0", "core12"): 3 * 8, ("core1", "core13"): 3 * 8,
    }  # fmt: skip
    assert set(bytes_between(graph, copies(graph, 2, 3), hermes).values()) == {2 * 8}
    assert len(bytes_between(graph, copies(graph, 2, 3), hermes)) == 6


def test_a_state_goes_once_to_every_copy(hermes):
    graph = chain(12, pattern=Pattern.SEQUENCE)
    assert bytes_between(graph, copies(graph, 1, 2), hermes) == {("core0", "core10"): 8, ("core0", "core11"): 8}


def test_pixels_go_to_the_line_buffer_of_every_copy(hermes):
    graph = GraphBuilder("conv")
    graph.product("a", Matrix("A", 8, 8), tokens=16, on_crossbar=True)
    graph.product("b", Matrix("B", 72, 8), tokens=16, on_crossbar=True)
    graph.connect("a", "b", pattern=Pattern.WINDOW, window=WINDOW)
    built = graph.build()
    upper, lower = Block("B", 0, (0, 36), (0, 8), 10), Block("B", 0, (36, 72), (0, 8), 11)
    other = [Block("B", 1, (0, 72), (0, 8), 12)]
    blocks = [Block("A", 0, (0, 8), (0, 8), 0), Block("A", 1, (0, 8), (0, 8), 1), upper, lower, *other]
    mapping = Mapping("test", tuple(blocks), {"a": (0, 1), "b": (0, 1)}, {})
    # 16 pixels, half of them from each copy of A; 8 channels, cut into two halves on cores 10 and 11
    assert bytes_between(built, mapping, hermes) == {
        ("core0", "core10"): 8 * 4, ("core1", "core10"): 8 * 4, ("core0", "core11"): 8 * 4, ("core1", "core11"): 8 * 4,
        ("core0", "core12"): 8 * 8, ("core1", "core12"): 8 * 8,
    }  # fmt: skip


def test_digital_ends_lie_at_their_unit_or_at_the_port(hetero):
    graph = GraphBuilder("g")
    graph.add(Operator("x", OpKind.INPUT, 3, 0, 8))
    graph.product("a", Matrix("A", 8, 8), tokens=3, on_crossbar=True)
    graph.add(Operator("f", OpKind.ELEMENTWISE, 3, 8, 4))
    graph.add(Operator("h", OpKind.ELEMENTWISE, 3, 4, 4))
    graph.connect("x", "a")
    graph.connect("a", "f")
    graph.connect("f", "h")
    graph.connect("h", "f", pattern=Pattern.PREVIOUS)
    built = graph.build()
    block = (Block("A", 0, (0, 8), (0, 8), 5),)
    units = units_of({"x": "host memory", "f": "dpu2", "h": "host0"})
    mapping = Mapping("test", block, {"a": (0,)}, units)
    assert bytes_between(built, mapping, hetero) == {
        ("io", "core5"): 3 * 8,
        ("core5", "dpu2"): 3 * 8 * 2,
        ("dpu2", "io"): 3 * 4 * 2,
        ("io", "dpu2"): 3 * 4 * 2,
    }
    same = Mapping("test", block, {"a": (0,)}, units | {"h": units["f"]})
    assert ("dpu2", "dpu2") not in bytes_between(built, same, hetero)


def test_partial_sums_go_to_the_first_block_of_their_columns(hermes):
    graph = products((24, 8, 4))
    blocks = [Block("W0", 0, (i, i + 8), (0, 8), core) for i, core in ((0, 3), (8, 4), (16, 3))]
    mapping = Mapping("test", tuple(blocks), {"p0": (0,)}, {"x0": HOST_MEMORY, "y0": HOST_MEMORY})
    assert bytes_between(graph, mapping, hermes) == {
        ("io", "core3"): 4 * 16,
        ("io", "core4"): 4 * 8,
        ("core4", "core3"): 4 * 8 * 2,  # the third block lies where the sums are
        ("core3", "io"): 4 * 8 * 2,
    }
    two = Mapping("test", (*blocks, Block("W0", 1, (0, 24), (0, 8), 9)), {"p0": (0, 1)}, dict(mapping.units))
    assert bytes_between(graph, two, hermes)["core4", "core3"] == 2 * 8 * 2  # two of the four tokens
    unread = GraphBuilder("unread")
    unread.product("p0", Matrix("W0", 24, 8), tokens=4, on_crossbar=True)
    assert flows(unread.build(), mapping, hermes) == []


def test_bytes_x_hops_weighs_every_flow(hermes):
    graph = products((24, 8, 4))
    blocks = [Block("W0", 0, (0, 24), (0, 8), 9)]
    mapping = Mapping("test", tuple(blocks), {"p0": (0,)}, {"x0": HOST_MEMORY, "y0": HOST_MEMORY})
    assert bytes_hops(graph, mapping, hermes) == 4 * 24 * 2 + 4 * 8 * 2 * 2


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=4),
    st.sampled_from(["packed", "spread", "balanced"]),
    st.sampled_from([4, 6, 12]),
)
def test_flows_are_what_the_program_sends(shapes, strategy, tokens):
    """A chain of products in which every result has one taker: no part of a way is shared between targets."""
    chip = chip_of(64, 64, 2, 4)
    graph = GraphBuilder("chain")
    graph.add(Operator("x", OpKind.INPUT, tokens, 0, shapes[0][0]))
    before, width = "x", shapes[0][0]
    for i, (_, columns) in enumerate(shapes):
        graph.product(f"p{i}", Matrix(f"W{i}", width, columns), tokens=tokens, on_crossbar=True)
        graph.connect(before, f"p{i}")
        before, width = f"p{i}", columns
    graph.add(Operator("y", OpKind.OUTPUT, tokens, width, 0))
    graph.connect(before, "y")
    built = graph.build()
    mapping = map_graph(built, chip, strategy)
    many = 8  # copies take turns over all tokens of all inferences, so that each sends the same in the end
    lowered = lower(built, mapping, chip, inferences=many)
    sent: defaultdict[str, float] = defaultdict(float)
    for name, info, firings in zip(lowered.program.actor_names, lowered.actors, lowered.program.firings, strict=True):
        if info.stage == "last link":
            link_pj = next(part.value for part in info.cost.energies if part.component == "network")
            sent[name.rpartition(">")[2]] += int(firings) * link_pj / chip.network.energy.pj_per_byte / many
    expected: defaultdict[str, float] = defaultdict(float)
    for flow in flows(built, mapping, chip):
        expected[str(flow.target)] += flow.n_bytes
    assert dict(sent) == pytest.approx(dict(expected))


def test_partial_sums_are_those_of_the_columns_they_have(hermes):
    graph = products((16, 16, 4))
    upper, lower = (Block("W0", 0, (0, 8), (0, 16), 1), Block("W0", 0, (8, 16), (0, 6), 2))
    right = Block("W0", 0, (8, 16), (6, 16), 3)
    mapping = Mapping("test", (upper, lower, right), {"p0": (0,)}, {"x0": HOST_MEMORY, "y0": HOST_MEMORY})
    found = bytes_between(graph, mapping, hermes)
    assert found["core2", "core1"] == 4 * 6 * 2
    assert found["core3", "core1"] == 4 * 10 * 2
    assert found["core1", "io"] == 4 * 16 * 2


def test_what_an_operator_needs_ends_with_its_last_edge():
    op = Operator("b", OpKind.ELEMENTWISE, 1, 4, 4)
    assert values_needed(op, [Edge("a", "b", 0, 3, into=5)]) == (0, 8)
    assert values_needed(op, [Edge("a", "b", 2, 4)]) == (0, 4)
    assert values_needed(op, []) == (0, 4)
    assert values_needed(op, [Edge("a", "b", 0, 3, into=5, window=WINDOW)]) == (0, 5 + 3 * WINDOW.positions)
