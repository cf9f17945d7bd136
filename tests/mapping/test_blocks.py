"""Cutting matrices, strips of columns, and the check of what lies where."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes_sim.chip.load import load_arch
from hermes_sim.errors import MappingError
from hermes_sim.mapping.blocks import _overlap, check_blocks, cut_matrix, cut_range, strips
from hermes_sim.mapping.mapping import Block, Strategy
from hermes_sim.mapping.place import map_graph
from hermes_sim.workload.graph import GraphBuilder, Matrix

from .conftest import products


def test_ranges_are_cut_into_few_even_pieces():
    assert cut_range(10, 10) == [(0, 10)]
    assert cut_range(11, 10) == [(0, 5), (5, 11)]
    assert cut_range(25, 10) == [(0, 8), (8, 16), (16, 25)]
    assert cut_range(1, 4) == [(0, 1)]


def test_a_matrix_is_cut_column_by_column():
    blocks = cut_matrix(Matrix("W", 20, 18), core_rows=16, core_columns=16, replica=3)
    assert [(b.matrix, b.replica, b.rows, b.columns, b.core, b.core_row, b.core_column) for b in blocks] == [
        ("W", 3, (0, 10), (0, 9), -1, 0, 0),
        ("W", 3, (10, 20), (0, 9), -1, 0, 0),
        ("W", 3, (0, 10), (9, 18), -1, 0, 0),
        ("W", 3, (10, 20), (9, 18), -1, 0, 0),
    ]
    assert cut_matrix(Matrix("W", 3, 2), core_rows=16, core_columns=16) == [Block("W", 0, (0, 3), (0, 2))]


def test_a_block_knows_its_size_and_its_place():
    block = Block("W", 0, (2, 7), (10, 13), 4, 100, 50)
    assert (block.n_rows, block.n_columns, block.n_cells) == (5, 3, 15)
    assert block.on_core == ((100, 105), (50, 53))


@pytest.mark.parametrize(
    ("core", "row", "column", "overlap"),
    [
        (0, 0, 0, True), (0, 4, 4, True), (0, 5, 0, False), (0, 0, 5, False), (0, 4, 5, False), (0, 5, 4, False),
        (1, 0, 0, False), (0, 2, 3, True),
    ],
)  # fmt: skip
def test_blocks_overlap_if_they_use_one_cell_of_one_core(core, row, column, overlap):
    one = Block("A", 0, (0, 5), (0, 5), 0, 0, 0)
    other = Block("B", 0, (0, 5), (0, 5), core, row, column)
    assert one.overlaps(other) is overlap
    assert other.overlaps(one) is overlap


def both_ranges(a, b):
    return a[0] < b[1] and b[0] < a[1]


spans = st.tuples(st.integers(0, 12), st.integers(1, 5)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@settings(deadline=None)
@given(st.lists(st.tuples(spans, spans), max_size=9))
def test_the_sweep_finds_an_overlap_wherever_there_is_one(rectangles):
    pairs = {
        (i, j)
        for (i, a), (j, b) in combinations(enumerate(rectangles), 2)
        if both_ranges(a[0], b[0]) and both_ranges(a[1], b[1])
    }
    found = _overlap(rectangles)
    assert found in pairs if pairs else found is None


def test_strips_of_an_uneven_cut():
    wide, left, right = (
        Block("W", 0, (0, 4), (0, 10), 1),
        Block("W", 0, (4, 8), (0, 3), 2),
        Block("W", 0, (4, 8), (3, 10), 3),
    )
    assert strips([wide, left, right]) == [((0, 3), [wide, left]), ((3, 10), [wide, right])]
    assert strips([left]) == [((0, 3), [left])]
    assert strips([left, replace(left, columns=(5, 9))]) == [
        ((0, 3), [left]),
        ((5, 9), [replace(left, columns=(5, 9))]),
    ]
    assert strips([]) == []


def graph():
    return products((8, 10, 1))


WHOLE = Block("W0", 0, (0, 8), (0, 10), 0, 2, 3)


def refused(blocks, chip, text, **options):
    with pytest.raises(MappingError, match=re.escape(text)):
        check_blocks(blocks, graph(), chip, **options)


def test_a_whole_matrix_and_two_whole_copies_are_right(tiny):
    check_blocks([WHOLE], graph(), tiny)
    check_blocks([WHOLE, replace(WHOLE, replica=1, core=5)], graph(), tiny)
    check_blocks([replace(WHOLE, core_row=8, core_column=6)], graph(), tiny)  # up to the last row and column
    halves = [replace(WHOLE, rows=(0, 4)), replace(WHOLE, rows=(4, 8), core_row=6)]
    check_blocks(halves, graph(), tiny)


def test_what_leaves_the_core_or_the_weight_is_refused(tiny):
    refused([replace(WHOLE, core_row=9)], tiny, "core rows 9:17")
    refused([replace(WHOLE, core_column=7)], tiny, "core columns 7:17")
    refused([replace(WHOLE, rows=(0, 9))], tiny, "weight rows 0:9")
    refused([replace(WHOLE, columns=(1, 11))], tiny, "weight columns 1:11")
    refused([replace(WHOLE, core_row=-1)], tiny, "core rows -1:7")
    refused([replace(WHOLE, rows=(3, 3))], tiny, "weight rows 3:3")
    refused([replace(WHOLE, core=6)], tiny, "core 6")
    refused([replace(WHOLE, core=-1)], tiny, "core -1")
    refused([replace(WHOLE, matrix="V")], tiny, "no such matrix in the workload")


def test_weights_left_out_or_placed_twice_are_refused(tiny):
    refused([], tiny, "not placed")
    refused([replace(WHOLE, columns=(0, 9))], tiny, "72 of 80 weights placed in replica 0")
    refused([WHOLE, replace(WHOLE, rows=(7, 8), core=1)], tiny, "hold the same weights")
    refused([WHOLE, replace(WHOLE, replica=2, rows=(0, 7), core=1)], tiny, "70 of 80 weights placed in replica 2")
    check_blocks([], graph(), tiny, aliases={"W0": "other"})


def test_an_overlap_names_core_and_blocks(tiny):
    other = replace(WHOLE, replica=1, core_row=9 - 8 + 1)
    refused(
        [WHOLE, other],
        tiny,
        "core 0\n  got      W0 (replica 0) rows 0:8 columns 0:10 overlaps W0 (replica 1) rows 0:8 columns 0:10",
    )


@pytest.mark.parametrize("strategy", list(Strategy))
def test_weights_in_slices_beside_each_other_take_the_columns_of_a_core(strategy):
    def quantity(value):
        return {"value": value, "unit": "count", "kind": "assumed", "source": "test"}

    slices = {"weight_bits": quantity(8), "bits": quantity(2), "over": "columns"}  # 7 bits in 4 slices
    chip = load_arch("hermes_64", {"core.analog.slices": slices})
    graph = GraphBuilder("wide")
    graph.product("product", Matrix("W", 256, 256), tokens=1, on_crossbar=True)
    blocks = map_graph(graph.build(), chip, strategy).blocks
    columns = sorted(block.columns for block in blocks if not block.replica)
    assert columns == [(0, 64), (64, 128), (128, 192), (192, 256)]
    assert len({block.core for block in blocks}) == len(blocks)
