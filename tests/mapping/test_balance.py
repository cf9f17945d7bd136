"""Replicas on free cores, step by step, with loads worked out by hand."""

from __future__ import annotations

import time

from hermes_sim.chip.load import load_arch
from hermes_sim.mapping.balance import lay_out_balanced, recurrent_operators
from hermes_sim.mapping.mapping import Block, Mapping
from hermes_sim.mapping.place import map_graph
from hermes_sim.mapping.strategies import Layout, core_loads_ps
from hermes_sim.workload.graph import GraphBuilder, Matrix, Operator, OpKind, Pattern
from hermes_sim.workload.load import build_graph, load_workload

from .conftest import READ_PS, chip_of, products, units_of


def as_mapping(layout):
    """A layout as a mapping without digital units."""
    return Mapping("test", tuple(layout.blocks), layout.replicas, {}, layout.aliases)


FULL = "stopped: no free cores for another replica of the busiest stage"
SERIAL = "stopped: the busiest stage has too few tokens for more replicas, or needs each result for its next token"
DIGITAL = "stopped: a digital unit is busier than any core"


def loads(graph, chip, layout):
    return sorted((ps // READ_PS for ps in core_loads_ps(graph, chip, as_mapping(layout)).values()), reverse=True)


def test_the_busiest_operator_doubles_its_replicas_until_cores_run_out():
    chip = chip_of(16, 16, 1, 6)
    graph = products((16, 16, 100), (16, 16, 10))
    layout = lay_out_balanced(graph, chip, {})
    # 100 and 10; then 50, 50, 10; then 4 x 25 and 10 on five cores; eight replicas would want nine
    assert layout.replicas == {"p0": (0, 1, 2, 3), "p1": (0,)}
    assert loads(graph, chip, layout) == [25, 25, 25, 25, 10]
    assert layout.note == FULL
    assert [(b.matrix, b.replica, b.core) for b in layout.blocks] == [
        ("W0", 0, 0), ("W1", 0, 1), ("W0", 1, 2), ("W0", 2, 3), ("W0", 3, 4),
    ]  # fmt: skip


def test_of_two_equal_stages_the_one_on_the_first_core_is_relieved_first():
    chip = chip_of(16, 16, 1, 3)
    graph = products((16, 16, 8), (16, 16, 8))
    layout = lay_out_balanced(graph, chip, {})
    # one more replica does not help while the other stage is as busy: the layout before it counts
    assert layout.replicas == {"p0": (0,), "p1": (0,)}
    assert loads(graph, chip, layout) == [8, 8]
    four = lay_out_balanced(graph, chip_of(16, 16, 1, 4), {})
    assert four.replicas == {"p0": (0, 1), "p1": (0, 1)}
    assert loads(graph, chip_of(16, 16, 1, 4), four) == [4, 4, 4, 4]


def test_replicas_never_outnumber_the_tokens():
    chip = chip_of(16, 16, 1, 6)
    graph = products((16, 16, 3))
    layout = lay_out_balanced(graph, chip, {})
    assert layout.replicas == {"p0": (0, 1)}  # four replicas would be more than three tokens
    assert loads(graph, chip, layout) == [2, 2]
    assert layout.note == SERIAL
    two = lay_out_balanced(products((16, 16, 2)), chip, {})
    assert two.replicas == {"p0": (0, 1)}  # as many replicas as tokens are allowed


def shared(tokens, more=(4, 4, 1)):
    graph = GraphBuilder("shared")
    for i, n in enumerate(tokens):
        graph.product(f"p{i}", Matrix("W", 16, 16), tokens=n, on_crossbar=True)
    graph.product("q", Matrix("V", *more[:2]), tokens=more[2], on_crossbar=True)
    return graph.build()


def test_operators_that_share_a_matrix_get_copies_of_their_own_first():
    """Five cores: from a copy each (12, 4, 1) one replica more gives 6, 6, 4, 1."""
    chip = chip_of(16, 16, 1, 4)
    graph = shared((12, 4))
    layout = lay_out_balanced(graph, chip, {})
    assert layout.replicas == {"p0": (0, 2), "p1": (1,), "q": (0,)}
    assert loads(graph, chip, layout) == [6, 6, 4, 1]


def test_one_copy_per_matrix_is_the_better_start_where_one_stage_needs_the_cores():
    """Four operators of one token share W, V has 64: a copy each leaves V two cores, one copy leaves it four."""
    chip = chip_of(16, 16, 1, 6)
    graph = shared((1, 1, 1, 1), more=(16, 16, 64))
    layout = lay_out_balanced(graph, chip, {})
    assert layout.replicas == {"p0": (0,), "p1": (0,), "p2": (0,), "p3": (0,), "q": (0, 1, 2, 3)}
    assert loads(graph, chip, layout) == [16, 16, 16, 16, 4]


def test_from_a_shared_copy_the_operator_with_most_tokens_leaves():
    chip = chip_of(16, 16, 1, 4)
    graph = shared((12, 4))
    base = Layout(
        [Block("W", 0, (0, 16), (0, 16), 0), Block("V", 0, (0, 4), (0, 4), 1)], {"p0": (0,), "p1": (0,), "q": (0,)}
    )
    layout = lay_out_balanced(graph, chip, {}, base)
    # 16 on core 0; p0 leaves it for core 2 (12, 4, 1); then a second replica of p0 on core 3
    assert layout.replicas == {"p0": (1, 2), "p1": (0,), "q": (0,)}
    assert loads(graph, chip, layout) == [6, 6, 4, 1]
    assert [(b.matrix, b.replica, b.core) for b in layout.blocks[2:]] == [("W", 1, 2), ("W", 2, 3)]


def test_a_busier_digital_unit_ends_it():
    chip = chip_of(16, 16, 1, 6)
    graph = GraphBuilder("g")
    graph.product("p", Matrix("W", 16, 16), tokens=4, on_crossbar=True)
    graph.product("d", Matrix("V", 16, 16 * 1000), tokens=4, on_crossbar=False)
    built = graph.build()
    # 256,000 multiply-adds a token: 1,000 cycles of 1 ns on a dpu, 4 us in all, against 2.08 us of reads
    layout = lay_out_balanced(built, chip, units_of({"d": "dpu0"}))
    assert (layout.replicas, layout.note) == ({"p": (0,)}, DIGITAL)
    # without that load: a replica per token
    four = lay_out_balanced(built, chip, {})
    assert (len(four.replicas["p"]), four.note) == (4, SERIAL)


def test_a_feedback_loop_keeps_its_one_copy():
    graph = GraphBuilder("loop")
    graph.product("p", Matrix("W", 16, 16), tokens=9, on_crossbar=True)
    graph.add(Operator("cell", OpKind.ELEMENTWISE, 9, 16, 16))
    graph.connect("p", "cell")
    graph.connect("cell", "p", pattern=Pattern.PREVIOUS)
    built = graph.build()
    assert recurrent_operators(built) == {"p", "cell"}
    layout = lay_out_balanced(built, chip_of(16, 16, 1, 6), {})
    assert (layout.replicas, layout.note) == ({"p": (0,)}, SERIAL)


def test_a_wide_replica_needs_all_of_its_cores():
    """Two blocks a copy: with five cores there is room for one more copy, with three for none."""
    graph = products((16, 32, 8))
    five = lay_out_balanced(graph, chip_of(16, 16, 1, 5), {})
    assert (five.replicas["p0"], len(five.blocks)) == ((0, 1), 4)
    assert lay_out_balanced(graph, chip_of(16, 16, 1, 3), {}).replicas["p0"] == (0,)
    assert lay_out_balanced(graph, chip_of(16, 16, 1, 4), {}).replicas["p0"] == (0, 1)


def test_copies_of_a_matrix_that_shares_cells_are_those_of_its_owner():
    graph = products((16, 16, 8), (16, 16, 2))
    base = Layout([Block("W0", 0, (0, 16), (0, 16), 0)], {"p0": (0,), "p1": (0,)}, aliases={"W1": "W0"})
    layout = lay_out_balanced(graph, chip_of(16, 16, 1, 2), {}, base)
    assert layout.replicas == {"p0": (1,), "p1": (0,)}  # p0 leaves the cells that both use
    assert [(b.matrix, b.replica, b.core) for b in layout.blocks] == [("W0", 0, 0), ("W0", 1, 1)]
    assert layout.aliases == {"W1": "W0"}


def test_where_more_blocks_than_cores_are_packed_the_note_says_both():
    layout = lay_out_balanced(products(*[(8, 8, 2)] * 4), chip_of(16, 16, 1, 2), {})
    assert layout.note == f"more blocks than cores: packed; {FULL}"
    # all four on core 0 (8 reads), then a replica of p0 on core 1 (7 and 1); p1 finds no free core
    assert [(b.matrix, b.replica, b.core) for b in layout.blocks] == [
        ("W0", 0, 0), ("W1", 0, 0), ("W2", 0, 0), ("W3", 0, 0), ("W0", 1, 1),
    ]  # fmt: skip


def test_a_network_without_products_on_crossbars_is_left_alone():
    graph = GraphBuilder("g")
    graph.product("d", Matrix("V", 4, 4), tokens=4, on_crossbar=False)
    layout = lay_out_balanced(graph.build(), chip_of(16, 16, 1, 2), units_of({"d": "dpu0"}))
    assert (layout.blocks, layout.replicas, layout.note) == ([], {}, DIGITAL)


def test_a_hundred_layers_are_placed_in_seconds(hetero):
    graph = build_graph(load_workload("performer_imdb_full", {"layers": 100}))
    for strategy in ("packed", "balanced"):
        started_s = time.process_time()
        assert map_graph(graph, hetero, strategy).cores_used == 63
        assert time.process_time() - started_s < 8


def test_balanced_is_never_busier_than_spread():
    for arch in ("hermes_64", "hermes_64_hetero"):
        chip = load_arch(arch)
        for name in ("performer_imdb_full", "resnet9_cifar10", "performer_aan_attention"):
            graph = build_graph(load_workload(name))
            peaks = []
            for strategy in ("balanced", "spread"):
                mapping = map_graph(graph, chip, strategy)
                layout = Layout(list(mapping.blocks), dict(mapping.replicas))
                peaks.append(max(core_loads_ps(graph, chip, as_mapping(layout)).values()))
            assert peaks[0] <= peaks[1]
