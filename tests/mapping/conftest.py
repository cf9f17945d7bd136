"""Small chips and graphs whose figures are easy to work out by hand."""

from __future__ import annotations

from functools import cache

import pytest

from hermes_sim.chip.load import load_arch, read_with_parents, validate_chip
from hermes_sim.chip.network import Routes
from hermes_sim.chip.places import HOST_MEMORY, Place
from hermes_sim.chip.schema import Chip
from hermes_sim.config.override import override
from hermes_sim.errors import ArchConfigError
from hermes_sim.workload.graph import GraphBuilder, Matrix, Operator, OpGraph, OpKind

READ_PS = 520_000  # one four-phase read of hermes_64
GROUP_PS, ADD_PS, LANES = 19_750, 1_000, 8  # LDPU: correction, addition, columns at a time


@cache
def chip_of(rows: int, columns: int, clusters: int, per_cluster: int, arch: str = "hermes_64_hetero") -> Chip:
    """A chip with cores of another size, and another number of them."""
    sizes = {"core.rows": rows, "core.columns": columns}
    counts = {"cores.clusters": clusters, "cores.per_cluster": per_cluster}
    return load_arch(arch, {**sizes, **counts})


@cache
def ring_chip(arch: str = "hermes_64") -> Chip:
    """A chip whose cores, units and port form a ring, in the order of the network's nodes."""
    nodes = [str(node) for node in Routes(load_arch(arch)).nodes]
    document = read_with_parents(arch)
    document.data["network"] |= {"links": [[a, b] for a, b in zip(nodes, nodes[1:] + nodes[:1], strict=True)]}
    override(document, "network.topology", "custom", model=Chip, error=ArchConfigError)
    return validate_chip(document)


def units_of(names: dict[str, str], arch: str = "hermes_64_hetero") -> dict[str, Place]:
    """Digital units of these names."""
    places = {str(place): place for place in (*load_arch(arch).unit_places(), HOST_MEMORY)}
    return {op: places[name] for op, name in names.items()}


def names_of(units: dict[str, Place]) -> dict[str, str]:
    """Names of digital units."""
    return {op: str(place) for op, place in units.items()}


def products(*sizes: tuple[int, int, int], name: str = "g") -> OpGraph:
    """Products p0, p1, ... of matrices W0, W1, ... with rows, columns and tokens, each from x0, ... to y0, ..."""
    graph = GraphBuilder(name)
    for i, (rows, columns, tokens) in enumerate(sizes):
        graph.add(Operator(f"x{i}", OpKind.INPUT, tokens, 0, rows))
        graph.product(f"p{i}", Matrix(f"W{i}", rows, columns), tokens=tokens, on_crossbar=True)
        graph.add(Operator(f"y{i}", OpKind.OUTPUT, tokens, columns, 0))
        graph.connect(f"x{i}", f"p{i}")
        graph.connect(f"p{i}", f"y{i}")
    return graph.build()


@pytest.fixture(scope="session")
def tiny() -> Chip:
    """Two clusters of three cores of 16 x 16."""
    return chip_of(16, 16, 2, 3)
