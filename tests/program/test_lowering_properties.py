"""Any products, copies and inferences: what goes in comes out, every token once, and the run ends."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes_sim.chip.load import load_arch
from hermes_sim.engine.compiled import CompiledEngine
from hermes_sim.mapping.place import map_graph
from hermes_sim.program.lower import lower
from hermes_sim.workload.graph import GraphBuilder, Matrix, Operator, OpKind

CHIP = load_arch("hermes_64", {"cores.clusters": 32})  # 256 cores
INPUT_BYTES, DIGITAL_BYTES = 1, 2
COPIES = st.integers(1, 4)


def two_products(rows, between, columns, tokens, copies):
    """input -> p -> q -> output, with so many copies of p and q, every block on a core of its own."""
    graph = GraphBuilder("g")
    graph.add(Operator("x", OpKind.INPUT, tokens, 0, rows))
    graph.connect("x", graph.product("p", Matrix("V", rows, between), tokens=tokens, on_crossbar=True))
    graph.connect("p", graph.product("q", Matrix("W", between, columns), tokens=tokens, on_crossbar=True))
    graph.connect("q", graph.add(Operator("y", OpKind.OUTPUT, tokens, columns, 0)))
    built = graph.build()
    mapping = map_graph(built, CHIP, "spread")
    blocks = [
        replace(block, replica=r)
        for matrix, n in zip("VW", copies, strict=True)
        for r in range(n)
        for block in mapping.blocks
        if block.matrix == matrix
    ]
    placed = tuple(replace(block, core=core) for core, block in enumerate(blocks))
    replicas = {"p": tuple(range(copies[0])), "q": tuple(range(copies[1]))}
    return built, replace(mapping, blocks=placed, replicas=replicas)


def bytes_through(lowered, record, component, pj_per_byte, operator=None):
    """Bytes that all stages with energy of this name have moved."""
    return sum(
        int(started) * part.value / pj_per_byte
        for info, started in zip(lowered.actors, record.started, strict=True)
        for part in info.cost.energies
        if part.component == component and operator in {None, info.operator}
    )


def strips(length):
    return -(-length // 256)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 600),
    between=st.integers(1, 600),
    columns=st.integers(1, 600),
    tokens=st.integers(1, 9),
    copies=st.tuples(COPIES, COPIES),
    inferences=st.integers(1, 3),
)
def test_bytes_in_are_bytes_out_and_copies_share_the_tokens(rows, between, columns, tokens, copies, inferences):
    graph, mapping = two_products(rows, between, columns, tokens, copies)
    lowered = lower(graph, mapping, CHIP, inferences=inferences)
    record = CompiledEngine().run(lowered.program)
    assert record.is_complete
    vectors = tokens * inferences
    reads = Counter()
    for name, info, started in zip(lowered.program.actor_names, lowered.actors, record.started, strict=True):
        if info.stage == "read":
            place = name.partition("]")[0]  # operator, rows and columns
            reads[place] += int(started)
            copy, n = int(name.partition("]r")[2].partition("/")[0]), copies["pq".index(info.operator)]
            assert int(started) == len(range(copy, vectors, n))
    assert len(reads) == strips(rows) * strips(between) + strips(between) * strips(columns)
    assert set(reads.values()) == {vectors}
    # what q needs leaves p once for all columns of q, and the sums of further row blocks go to the first
    between_bytes = between * INPUT_BYTES
    sums = [(strips(rows) - 1) * between * DIGITAL_BYTES, (strips(between) - 1) * columns * DIGITAL_BYTES]
    out = CHIP.core.output_port.energy.pj_per_byte
    assert bytes_through(lowered, record, "output port", out) == pytest.approx(
        vectors * (between_bytes + columns * DIGITAL_BYTES + sum(sums))
    )
    into = CHIP.core.input_port.energy.pj_per_byte
    assert bytes_through(lowered, record, "input port", into) == pytest.approx(
        vectors * (strips(between) * rows + strips(columns) * between + sum(sums))
    )
    off_chip = CHIP.off_chip.energy.pj_per_byte
    assert bytes_through(lowered, record, "off-chip", off_chip, "x") == pytest.approx(vectors * rows * INPUT_BYTES)
    assert bytes_through(lowered, record, "off-chip", off_chip, "q") == pytest.approx(vectors * columns * DIGITAL_BYTES)
