"""Blocks that share a read: who does, how often a core is read, and what it costs in a run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from hermes_sim.chip.load import load_arch
from hermes_sim.chip.places import HOST_MEMORY
from hermes_sim.chip.read_cost import read_cost
from hermes_sim.engine.compiled import CompiledEngine
from hermes_sim.engine.reference import ReferenceEngine
from hermes_sim.mapping.mapping import Block, Mapping
from hermes_sim.mapping.place import map_graph
from hermes_sim.mapping.shared import read_groups
from hermes_sim.mapping.summary import mapping_document
from hermes_sim.metrics.energy import energy_rows
from hermes_sim.program.lower import lower
from hermes_sim.workload.graph import GraphBuilder, LifeCycle, Matrix, Operator, OpKind
from hermes_sim.workload.load import build_graph, load_workload

if TYPE_CHECKING:
    from hermes_sim.workload.graph import OpGraph

TOKENS = 6
NAMES = ("p", "q")


def two_products(*, second="x", chained=False, life_cycle=None) -> OpGraph:
    """Products p by A and q by B: of one input, of two (`second`), or the second of the first one's result."""
    graph = GraphBuilder("two")
    for name in dict.fromkeys(("x", second)):
        graph.add(Operator(name, OpKind.INPUT, TOKENS, 0, 64))
    for name, matrix in zip(NAMES, ("A", "B"), strict=True):
        graph.product(name, Matrix(matrix, 64, 64), tokens=TOKENS, on_crossbar=True)
        graph.add(Operator(f"{name} out", OpKind.OUTPUT, TOKENS, 64, 0))
        graph.connect(name, f"{name} out")
    graph.connect("x", "p")
    graph.connect("p" if chained else second, "q")
    return replace(graph.build(), life_cycle=life_cycle)


def placed(*, row=0, column=64, core=0, graph=None) -> Mapping:
    """A in the corner of core 0, B where it is said."""
    blocks = (Block("A", 0, (0, 64), (0, 64), 0, 0, 0), Block("B", 0, (0, 64), (0, 64), core, row, column))
    units = {op.name: HOST_MEMORY for op in (graph or two_products()).operators if not op.on_crossbar}
    return Mapping("test", blocks, {"p": (0,), "q": (0,)}, units)


def chip_with(shared_reads, **changes):
    return load_arch("hermes_64", {"core.shared_reads": shared_reads, "core.analog.range.per": "matrix", **changes})


def members(graph, mapping, chip):
    return sorted(sorted(m.operator for m in group.members) for group in read_groups(graph, mapping, chip))


TOGETHER, APART = [["p", "q"]], [["p"], ["q"]]


@pytest.mark.parametrize(
    ("graph", "place", "none", "same_input", "block_diagonal"),
    [
        ({}, {}, APART, TOGETHER, TOGETHER),  # side by side, one vector
        ({}, {"core": 1}, APART, APART, APART),
        ({}, {"row": 64, "column": 0}, APART, APART, APART),  # one above the other: the same columns
        ({}, {"row": 64}, APART, APART, TOGETHER),
        ({"second": "y"}, {}, APART, APART, APART),  # two vectors on the same rows
        ({"second": "y"}, {"row": 64}, APART, APART, TOGETHER),
        ({"chained": True}, {"row": 64}, APART, APART, APART),  # the second waits for the first
    ],
)
def test_who_shares_a_read(graph, place, none, same_input, block_diagonal):
    graph = two_products(**graph)
    mapping = placed(graph=graph, **place)
    found = [members(graph, mapping, chip_with(how)) for how in ("none", "same_input", "block_diagonal")]
    assert found == [none, same_input, block_diagonal]


def run(graph, mapping, chip, inferences=3):
    lowered = lower(graph, mapping, chip, inferences=inferences)
    record = CompiledEngine().run(lowered.program)
    other = ReferenceEngine().run(lowered.program)
    assert record.makespan_ps == other.makespan_ps
    return lowered, record


def energy_of(lowered, record, component):
    return sum(row.energy_pj for row in energy_rows(lowered, record) if row.component == component)


def test_a_shared_read_is_made_once_and_costs_what_one_read_of_its_columns_does():
    graph, mapping = two_products(), placed()
    once, twice = (run(graph, mapping, chip_with(how)) for how in ("same_input", "none"))
    reads = [sum(info.stage == "read" for info in lowered.actors) for lowered, _ in (once, twice)]
    assert reads == [1, 2]
    # 6 tokens, 3 inferences: rows are driven once, columns and cells are as many
    read, block = (read_cost(chip_with("none"), 64, n) for n in (128, 64))
    for component, one, other in (
        ("crossbar drivers", 1, 2), ("crossbar control", 1, 2), ("crossbar array", 2, 2), ("crossbar converters", 2, 2),
    ):  # fmt: skip
        each = next(e.value for e in block.energies if e.component == component)
        assert energy_of(*once, component) == pytest.approx(18 * one * each)
        assert energy_of(*twice, component) == pytest.approx(18 * other * each)
    assert sum(e.value for e in read.energies) < 2 * sum(e.value for e in block.energies)
    assert once[1].makespan_ps < twice[1].makespan_ps
    # the vector comes into the core once, either way
    assert energy_of(*once, "input port") == pytest.approx(energy_of(*twice, "input port"))


def test_a_read_of_two_vectors_waits_for_both():
    graph = two_products(second="y")
    mapping = placed(row=64, graph=graph)
    lowered, record = run(graph, mapping, chip_with("block_diagonal"))
    assert sum(info.stage == "read" for info in lowered.actors) == 1
    apart = run(graph, mapping, chip_with("same_input"))[1]
    assert record.makespan_ps < apart.makespan_ps


def test_a_shared_read_waits_for_the_writing_of_all_its_blocks():
    events = LifeCycle(program_first=True, compensate_every=2, redraw_every=1, redraw=("B",))
    graph = two_products(life_cycle=events)
    shared = run(graph, placed(graph=graph), chip_with("same_input"))[1]
    assert shared.makespan_ps > run(two_products(), placed(), chip_with("same_input"))[1].makespan_ps


def test_blocks_of_one_operator_side_by_side_are_read_at_once():
    graph = two_products()
    left, right = Block("A", 0, (0, 64), (0, 32), 0, 0, 0), Block("A", 0, (0, 64), (32, 64), 0, 0, 100)
    other = Block("B", 0, (0, 64), (0, 64), 1, 0, 0)
    mapping = Mapping("test", (left, right, other), {"p": (0,), "q": (0,)}, placed().units)
    groups = read_groups(graph, mapping, chip_with("same_input"))
    assert [[m.block for m in group.members] for group in groups] == [[left, right], [other]]
    assert groups[0].size == (64, 64, 64 * 64)
    run(graph, mapping, chip_with("same_input"))


def test_the_document_counts_the_reads_of_every_core():
    graph = two_products()
    for how, reads in (("same_input", TOKENS), ("none", 2 * TOKENS)):
        (core,) = mapping_document(graph, placed(), chip_with(how))["cores"]
        assert core["reads_per_inference"] == reads
        assert core["load_ns"] == max(reads * 520, 2 * TOKENS * 8 * 19.75)


def test_the_published_placement_reads_a_core_as_often_as_the_chip_does(shared):
    path = shared / "reference" / "hermes_mappings" / "imdb_mapping_full.json"
    graph = build_graph(load_workload("performer_imdb_full"))
    reads = {}
    for how in ("same_input", "none"):
        chip = load_arch("hermes_64_hetero", {"core.shared_reads": how})
        cores = mapping_document(graph, map_graph(graph, chip, str(path)), chip)["cores"]
        reads[how] = next(c["reads_per_inference"] for c in cores if (c["cluster"], c["core"]) == (0, 0))
    # keys and values lie side by side and take the same 4,000 vectors
    assert reads == {"same_input": 20_002, "none": 24_002}
