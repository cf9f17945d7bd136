"""Packing, spreading and loads, with values worked out by hand."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes_sim.chip.load import load_arch
from hermes_sim.errors import MappingInfeasible
from hermes_sim.mapping.first_fit import Bins
from hermes_sim.mapping.mapping import Block, Mapping
from hermes_sim.mapping.place import map_graph
from hermes_sim.mapping.strategies import (
    Layout,
    core_loads_ps,
    core_order,
    count_blocks,
    cut_replicas,
    lay_out_packed,
    lay_out_spread,
    one_replica_per_matrix,
    one_replica_per_operator,
    pack,
    replica_times_ps,
    replicas_of,
)
from hermes_sim.workload.graph import GraphBuilder, Matrix, Operator, OpKind

from .conftest import ADD_PS, GROUP_PS, READ_PS, chip_of, products


def as_mapping(layout):
    """A layout as a mapping without digital units."""
    return Mapping("test", tuple(layout.blocks), layout.replicas, {}, layout.aliases)


def shared(tokens=(3, 5)):
    """Two operators that share a matrix, and one with a matrix of its own."""
    graph = GraphBuilder("shared")
    for i, n in enumerate(tokens):
        graph.product(f"p{i}", Matrix("W", 16, 16), tokens=n, on_crossbar=True)
    graph.product("q", Matrix("V", 4, 4), tokens=1, on_crossbar=True)
    return graph.build()


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), max_size=40))
def test_bins_give_the_first_one_with_room(needs):
    bins, rooms = Bins(), []
    for need in needs:
        expected = next((i for i, room in enumerate(rooms) if room >= need), None)
        assert bins.first(need) == expected
        if expected is None:
            expected = bins.add(10)
            rooms.append(10)
            assert expected == len(rooms) - 1
        bins.take(expected, need)
        rooms[expected] -= need
        assert [bins.room(i) for i in range(len(bins))] == rooms


def places(blocks):
    return {(b.matrix, b.rows, b.columns): (b.core, b.core_row, b.core_column) for b in blocks}


def test_shelves_by_hand(tiny):
    """16 x 16 cores: heights 10, 6, 6, 5, 5 and widths 16, 9, 7, 9, 8."""
    graph = products((5, 8, 1), (6, 7, 1), (10, 16, 1), (5, 9, 1), (6, 9, 1))
    layout = lay_out_packed(graph, tiny)
    assert {name: place for (name, *_), place in places(layout.blocks).items()} == {
        "W2": (0, 0, 0),  # the tallest fills the width of a shelf of 10 rows
        "W4": (0, 10, 0),  # 6 rows are left under it
        "W1": (0, 10, 9),  # beside it
        "W3": (1, 0, 0),  # of the two lower ones first the wider
        "W0": (1, 5, 0),  # 9 + 8 columns are more than 16: a shelf of its own
    }
    assert layout.replicas == {f"p{i}": (0,) for i in range(5)}
    assert layout.note == ""


def test_a_shelf_with_room_is_used_before_a_new_one_is_opened(tiny):
    graph = products((16, 9, 1), (16, 8, 1), (9, 7, 1), (7, 8, 1))
    found = {name: place for (name, *_), place in places(lay_out_packed(graph, tiny).blocks).items()}
    assert found == {"W0": (0, 0, 0), "W1": (1, 0, 0), "W2": (0, 0, 9), "W3": (1, 0, 8)}


def test_packing_counts_the_cores_it_wants(tiny):
    graph = products(*[(16, 9, 1)] * 7)  # none fits beside another
    with pytest.raises(MappingInfeasible) as refusal:
        map_graph(graph, tiny, "packed")
    assert (refusal.value.demand, refusal.value.capacity, refusal.value.gap) == (7, 6, 1)
    assert refusal.value.unit == "cores"
    assert pack(cut_replicas(graph, chip_of(16, 16, 7, 1), one_replica_per_matrix(graph)), graph, chip_of(16, 16, 7, 1))


def test_levers_name_only_what_the_chip_allows(tiny):
    text = "raise cores.clusters or cores.per_cluster to at least 7 cores in all"
    for chip, digital in ((tiny, True), (without_mac(), False)):
        with pytest.raises(MappingInfeasible) as refusal:
            map_graph(products(*[(16, 9, 1)] * 7), chip, "packed")
        assert refusal.value.levers[:2] == (text, "use larger cores (core.rows, core.columns)")
        assert ("digital: [NAME, ...]" in str(refusal.value)) is digital


def without_mac():
    chip = chip_of(16, 16, 2, 3, "hermes_64")
    units = {kind: unit for kind, unit in chip.digital_units.items() if kind != "host"}
    return chip.model_copy(update={"digital_units": units})


def test_cores_are_taken_cluster_after_cluster(tiny):
    assert core_order(tiny) == [0, 3, 1, 4, 2, 5]


def test_copies_by_operator_and_by_matrix():
    graph = shared()
    assert one_replica_per_matrix(graph) == {"p0": (0,), "p1": (0,), "q": (0,)}
    assert one_replica_per_operator(graph) == {"p0": (0,), "p1": (1,), "q": (0,)}
    found = replicas_of(graph, {"p0": (0, 2), "p1": (1, 2), "q": (4,)})
    assert [(matrix.name, replicas) for matrix, replicas in found] == [("W", [0, 1, 2]), ("V", [4])]
    assert replicas_of(graph, {"q": (0,)}) == [(Matrix("V", 4, 4), [0])]


def test_blocks_are_counted_as_they_are_cut():
    graph = products((33, 17, 1), (16, 16, 1), (1, 32, 1))
    chip = chip_of(16, 16, 2, 3)
    copies = {"p0": (0, 1), "p1": (0,), "p2": (3,)}
    assert count_blocks(graph, chip, copies) == len(cut_replicas(graph, chip, copies)) == 2 * 3 * 2 + 1 + 2


def test_spread_takes_a_core_per_block_and_a_copy_per_operator(tiny):
    layout = lay_out_spread(shared(), tiny)
    assert [(b.matrix, b.replica, b.core) for b in layout.blocks] == [("W", 0, 0), ("W", 1, 3), ("V", 0, 1)]
    assert layout.replicas == {"p0": (0,), "p1": (1,), "q": (0,)}
    assert layout.note == ""


def test_spread_shares_copies_and_then_packs_where_cores_run_out(tiny):
    two, one = chip_of(16, 16, 1, 2), chip_of(16, 32, 1, 1)
    layout = lay_out_spread(shared(), two)
    assert [(b.matrix, b.replica, b.core) for b in layout.blocks] == [("W", 0, 0), ("V", 0, 1)]
    assert (layout.replicas, layout.note) == ({"p0": (0,), "p1": (0,), "q": (0,)}, "")
    layout = lay_out_spread(shared(), one)
    assert [(b.matrix, b.core, b.core_column) for b in layout.blocks] == [("W", 0, 0), ("V", 0, 16)]
    assert layout.note == "more blocks than cores: packed"
    exactly = lay_out_spread(shared(), chip_of(16, 16, 1, 3))  # three blocks, three cores
    assert len({block.core for block in exactly.blocks}) == 3


def test_a_copy_reads_corrects_and_adds(tiny):
    """20 x 18 on cores of 16 x 16: 2 x 2 blocks of 10 x 9; the upper ones add what the lower ones have."""
    upper, lower = Block("W", 0, (0, 10), (0, 9), 0), Block("W", 0, (10, 20), (0, 9), 1)
    right = Block("W", 0, (0, 20), (9, 18), 2)
    correct_ps = 2 * GROUP_PS  # nine columns, eight at a time
    assert replica_times_ps(tiny, [upper, lower, right], sends=True) == [
        (0, READ_PS, correct_ps),
        (1, READ_PS, correct_ps),
        (2, READ_PS, correct_ps),
        (0, 0, 2 * ADD_PS),
    ]
    assert replica_times_ps(tiny, [upper], sends=False) == [(0, READ_PS, 0)]


def test_loads_are_those_of_the_busier_of_crossbar_and_ldpu(tiny, slow):
    graph = products((16, 16, 10), (20, 4, 7))
    blocks = [
        Block("W0", 0, (0, 16), (0, 16), 0),
        Block("W0", 1, (0, 16), (0, 16), 1),
        Block("W1", 0, (0, 10), (0, 4), 2),
        Block("W1", 0, (10, 20), (0, 4), 1),
    ]
    layout = Layout(blocks, {"p0": (0, 1), "p1": (0,)})
    assert core_loads_ps(graph, tiny, as_mapping(layout)) == {0: 5 * READ_PS, 1: (5 + 7) * READ_PS, 2: 7 * READ_PS}
    three = Layout(blocks, {"p0": (0, 1, 1), "p1": (0,)})  # a third of ten tokens is four
    assert core_loads_ps(graph, tiny, as_mapping(three))[0] == 4 * READ_PS
    # core 2 is the first of two: it corrects (100 us) and adds (1 ns) 7 times
    assert core_loads_ps(graph, slow, as_mapping(layout)) == {
        0: 5 * 2 * 100_000_000,
        1: 5 * 2 * 100_000_000 + 7 * 100_000_000,
        2: 7 * (100_000_000 + ADD_PS),
    }


@pytest.fixture(scope="module")
def slow():
    """Two clusters of three cores of 16 x 16, whose LDPUs take 100 us for eight columns."""
    sizes = {"core.rows": 16, "core.columns": 16, "cores.clusters": 2, "cores.per_cluster": 3}
    return load_arch("hermes_64_hetero", {**sizes, "core.ldpu.group_time": "100 us"})


def test_loads_count_cells_that_a_matrix_shares_with_another(tiny):
    graph = products((16, 16, 10), (16, 16, 3))
    layout = Layout([Block("W0", 0, (0, 16), (0, 16), 4)], {"p0": (0,), "p1": (0,)}, aliases={"W1": "W0"})
    assert core_loads_ps(graph, tiny, as_mapping(layout)) == {4: 13 * READ_PS}


def test_an_ldpu_whose_result_nobody_takes_has_nothing_to_do(slow):
    graph = GraphBuilder("g")
    graph.product("p", Matrix("W", 16, 16), tokens=2, on_crossbar=True)
    layout = Layout([Block("W", 0, (0, 16), (0, 16), 0)], {"p": (0,)})
    assert core_loads_ps(graph.build(), slow, as_mapping(layout)) == {0: 2 * READ_PS}


@pytest.mark.parametrize("strategy", ["packed", "spread", "balanced", "local"])
@pytest.mark.parametrize(("rows", "columns", "cores"), [(4096, 4_000_000, 250_000), (64, 10**11, 97_656_250)])
def test_what_cannot_fit_is_refused_at_once(strategy, rows, columns, cores, hetero):
    graph = GraphBuilder("huge")
    graph.product("p", Matrix("W", rows, columns), tokens=1, on_crossbar=True)
    started_s = time.perf_counter()
    with pytest.raises(MappingInfeasible) as refusal:
        map_graph(graph.build(), hetero, strategy)
    assert time.perf_counter() - started_s < 1
    assert (refusal.value.demand, refusal.value.capacity) == (cores, 64)


def test_as_many_weights_as_cells_are_not_refused(tiny):
    full = products(*[(16, 16, 1)] * 6)
    assert map_graph(full, tiny, "packed").cores_used == 6
    with pytest.raises(MappingInfeasible) as refusal:
        map_graph(products(*[(16, 16, 1)] * 6, (1, 1, 1)), tiny, "packed")
    assert refusal.value.demand == 7


@pytest.mark.parametrize("strategy", ["packed", "spread", "balanced", "local"])
def test_sixteen_thousand_blocks_are_placed_in_seconds(strategy):
    """Both in one matrix and in many; the limit is process time, with room for a busy machine."""
    chip = chip_of(256, 256, 2500, 8)
    graph = GraphBuilder("many")
    graph.product("p", Matrix("W", 256, 256 * 8000), tokens=1, on_crossbar=True)
    for i in range(800):
        graph.product(f"p{i}", Matrix(f"W{i}", 256, 2560), tokens=3, on_crossbar=True)
    graph.add(Operator("x", OpKind.INPUT, 1, 0, 256))
    graph.connect("x", "p")
    built = graph.build()
    started_s = time.process_time()
    mapping = map_graph(built, chip, strategy)
    assert time.process_time() - started_s < 4
    assert len(mapping.blocks) >= 16_000
