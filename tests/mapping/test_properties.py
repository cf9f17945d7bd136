"""Any small graph on any small chip: every weight once per replica, nothing overlaps, everything lies inside a core."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes_sim.chip.load import load_arch, read_with_parents, validate_chip
from hermes_sim.chip.network import Routes
from hermes_sim.chip.schema import Chip, Topology
from hermes_sim.config.override import override
from hermes_sim.errors import ArchConfigError, MappingInfeasible
from hermes_sim.mapping.balance import recurrent_operators
from hermes_sim.mapping.mapping import Strategy
from hermes_sim.mapping.pins import write_pins
from hermes_sim.mapping.place import map_graph
from hermes_sim.mapping.traffic import bytes_hops, flows
from hermes_sim.workload.graph import GraphBuilder, Matrix, Operator, OpKind, Pattern

from .conftest import chip_of

CHIPS = [(16, 16, 2, 3), (8, 24, 1, 4), (32, 10, 3, 2), (7, 7, 4, 4)]


@st.composite
def graphs(draw):
    """Products, some with shared matrices, some in a chain, one perhaps in a feedback loop."""
    sizes = draw(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=5))
    tokens = draw(st.integers(1, 30))
    graph = GraphBuilder("random")
    for i in range(draw(st.integers(1, 7))):
        which = draw(st.integers(0, len(sizes) - 1))
        graph.product(f"p{i}", Matrix(f"W{which}", *sizes[which]), tokens=tokens, on_crossbar=True)
        if draw(st.booleans()):
            graph.add(Operator(f"f{i}", OpKind.ELEMENTWISE, tokens, sizes[which][1], sizes[which][0]))
            graph.connect(f"p{i}", f"f{i}")
            if draw(st.booleans()):
                graph.connect(f"f{i}", f"p{i}", pattern=Pattern.PREVIOUS)
    return graph.build()


@settings(deadline=None, max_examples=60)
@given(graphs(), st.sampled_from(CHIPS), st.sampled_from(Strategy), st.integers(0, 3))
def test_every_weight_lies_once_per_replica_in_cells_of_its_own(graph, size, strategy, seed):
    chip = chip_of(*size)
    try:
        mapping = map_graph(graph, chip, strategy, seed=seed)
    except MappingInfeasible as refusal:
        assert refusal.demand > refusal.capacity == chip.n_cores  # noqa: PT017 - refusing is one of two right answers
        return
    cells, weights = Counter(), Counter()
    for block in mapping.blocks:
        assert 0 <= block.core < chip.n_cores
        for row in range(block.n_rows):
            for column in range(block.n_columns):
                place = (block.core_row + row, block.core_column + column)
                assert 0 <= place[0] < size[0]
                assert 0 <= place[1] < size[1]
                cells[block.core, *place] += 1
                weights[block.matrix, block.replica, block.rows[0] + row, block.columns[0] + column] += 1
    assert set(cells.values()) <= {1}
    used = {(graph.operator(op).matrix, replica) for op, replicas in mapping.replicas.items() for replica in replicas}
    assert set(mapping.replicas) == {op.name for op in graph.operators if op.on_crossbar}
    for name, replica in used:
        matrix = graph.matrix(name)
        mine = {key[2:] for key in weights if key[:2] == (name, replica)}
        assert mine == {(row, column) for row in range(matrix.rows) for column in range(matrix.columns)}
    assert set(weights.values()) == {1}
    for op in graph.operators:
        if op.on_crossbar:
            replicas = mapping.replicas[op.name]
            assert len(set(replicas)) == len(replicas) <= op.tokens
            assert len(replicas) == 1 or op.name not in recurrent_operators(graph)
    assert map_graph(graph, chip, strategy, seed=seed) == mapping


@settings(deadline=None, max_examples=25)
@given(graphs(), st.sampled_from(CHIPS), st.sampled_from(Strategy))
def test_a_written_mapping_reads_back(tmp_path_factory, graph, size, strategy):
    chip = chip_of(*size)
    try:
        mapping = map_graph(graph, chip, strategy)
    except MappingInfeasible:
        return
    path = tmp_path_factory.mktemp("written") / "whole.yaml"
    write_pins(path, mapping)
    again = map_graph(graph, chip, str(path))
    used = {(graph.operator(op).matrix, replica) for op, replicas in mapping.replicas.items() for replica in replicas}
    assert again.replicas == mapping.replicas
    assert again.units == mapping.units
    assert sorted(b for b in again.blocks if (b.matrix, b.replica) in used) == sorted(
        b for b in mapping.blocks if (b.matrix, b.replica) in used
    )


def small_chip(topology):
    """Two clusters of three cores of 16 x 16; custom links make a tree over cores, units and port."""
    sizes = {"core.rows": 16, "core.columns": 16, "cores.clusters": 2, "cores.per_cluster": 3}
    if topology is not Topology.CUSTOM:
        return load_arch("hermes_64_hetero", {**sizes, "network.topology": str(topology)})
    document = read_with_parents("hermes_64_hetero")
    nodes = [str(node) for node in Routes(load_arch("hermes_64_hetero", sizes)).nodes]
    document.data["network"] |= {"links": [[nodes[i // 2], nodes[i]] for i in range(1, len(nodes))]}
    for path, value in {**sizes, "network.topology": "custom"}.items():
        override(document, path, value, model=Chip, error=ArchConfigError)
    return validate_chip(document)


SMALL = {topology: small_chip(topology) for topology in Topology}


@settings(deadline=None, max_examples=60)
@given(graphs(), st.sampled_from(Topology), st.sampled_from(Strategy))
def test_hops_are_the_links_of_the_routes_for_every_topology(graph, topology, strategy):
    chip = SMALL[topology]
    try:
        mapping = map_graph(graph, chip, strategy)
    except MappingInfeasible:
        return
    routes, n_bytes_hops = Routes(chip), 0.0
    for source, target, n_bytes in flows(graph, mapping, chip):
        route = routes.route(source, target)
        assert routes.hops(source, target) == len(route) >= 1
        if topology is not Topology.BUS:
            assert (route[0].source, route[-1].target) == (source, target)
            assert all(one.target == other.source for one, other in pairwise(route))
        n_bytes_hops += n_bytes * len(route)
    assert bytes_hops(graph, mapping, chip) == pytest.approx(n_bytes_hops)
