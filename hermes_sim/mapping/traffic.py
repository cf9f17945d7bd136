"""What a mapping moves and how far: flows between nodes, hops by topology, bytes x hops."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from hermes_sim.arch.schema import Topology
from hermes_sim.mapping.units import HOST_MEMORY
from hermes_sim.workload.graph import Pattern

if TYPE_CHECKING:
    from hermes_sim.arch.schema import Chip
    from hermes_sim.mapping.blocks import Block
    from hermes_sim.mapping.placement import Mapping
    from hermes_sim.workload.graph import Edge, Operator, OpGraph

IO = "io"
_ALL = 2**62


class Flow(NamedTuple):
    """Bytes that one inference moves from one node to another, every target counted apart."""

    source: str
    target: str
    n_bytes: float


class _End(NamedTuple):
    node: str
    values: tuple[int, int]
    share: float  # of the tokens


class Hops:
    """Number of links between two nodes, as the network's routes have them."""

    def __init__(self, chip: Chip) -> None:
        self._topology = chip.network.topology
        self._per_cluster = chip.cores.per_cluster.n
        self._homes = {
            f"{kind}{i}": i * chip.n_cores // unit.count.n
            for kind, unit in chip.digital_units.items()
            if unit.place == "on_chip"
            for i in range(unit.count.n)
        }

    def between(self, source: str, target: str) -> int:
        """Links of the route; 0 if both are the same node."""
        if source == target:
            return 0
        if self._topology in {Topology.BUS, Topology.ALL_TO_ALL}:
            return 1
        one, two = self._home(source), self._home(target)
        if self._topology is Topology.MESH:
            (y, x), (y_end, x_end) = divmod(one, self._per_cluster), divmod(two, self._per_cluster)
            return abs(x - x_end) + abs(y - y_end) + 2
        same = one // self._per_cluster == two // self._per_cluster
        if same and source.startswith("core") and target.startswith("core"):
            return 1
        return 2 if same or IO in {source, target} else 3

    def _home(self, node: str) -> int:
        if node == IO:
            return 0
        return self._homes[node] if node in self._homes else int(node.removeprefix("core"))


def flows(graph: OpGraph, mapping: Mapping, chip: Chip) -> list[Flow]:
    """All flows of one inference: results along edges, and partial sums to the core that adds them."""
    total: defaultdict[tuple[str, str], float] = defaultdict(float)
    for edge in graph.edges:
        for source in _ends(graph.operator(edge.source), mapping, chip, sends=True):
            for target in _ends(graph.operator(edge.target), mapping, chip, sends=False):
                n_bytes = _edge_bytes(graph, edge, source, target, chip)
                if n_bytes and source.node != target.node:
                    total[source.node, target.node] += n_bytes
    for op in graph.operators:
        if op.on_crossbar and any(edge.source == op.name for edge in graph.edges):
            for source_core, target_core, n_bytes in _partial_sums(op, mapping, chip):
                if source_core != target_core:
                    total[f"core{source_core}", f"core{target_core}"] += n_bytes
    return [Flow(source, target, n_bytes) for (source, target), n_bytes in total.items()]


def bytes_hops(graph: OpGraph, mapping: Mapping, chip: Chip) -> float:
    """Bytes times links of one inference."""
    hops = Hops(chip)
    return sum(flow.n_bytes * hops.between(flow.source, flow.target) for flow in flows(graph, mapping, chip))


def _ends(op: Operator, mapping: Mapping, chip: Chip, *, sends: bool) -> list[_End]:
    if not op.on_crossbar:
        name = mapping.units[op.name]
        on_chip = name != HOST_MEMORY and chip.digital_units[name.rstrip("0123456789")].place == "on_chip"
        return [_End(name if on_chip else IO, (0, _ALL), 1.0)]
    replicas = mapping.replicas[op.name]
    share = 1 / len(replicas)
    ends = []
    for replica in replicas:
        blocks = mapping.blocks_of(op.matrix or "", replica)
        if sends:
            ends += [_End(f"core{core}", columns, share) for core, columns in strip_homes(blocks)]
        else:
            ends += [_End(f"core{core}", rows, share) for core, rows in dict.fromkeys((b.core, b.rows) for b in blocks)]
    return ends


def strips(blocks: list[Block]) -> list[tuple[tuple[int, int], list[Block]]]:
    """Ranges of columns with the blocks that hold them; a block cut unevenly may take part in several."""
    edges = sorted({edge for block in blocks for edge in block.columns})
    result: list[tuple[tuple[int, int], list[Block]]] = []
    for low, high in pairwise(edges):
        here = [block for block in blocks if block.columns[0] <= low and high <= block.columns[1]]
        if result and result[-1][1] == here:
            result[-1] = ((result[-1][0][0], high), here)
        elif here:
            result.append(((low, high), here))
    return result


def strip_homes(blocks: list[Block]) -> list[tuple[int, tuple[int, int]]]:
    """Core that has the results of each range of columns."""
    return [(here[0].core, columns) for columns, here in strips(blocks)]


def _partial_sums(op: Operator, mapping: Mapping, chip: Chip) -> list[tuple[int, int, float]]:
    replicas = mapping.replicas[op.name]
    size = chip.numbers.digital.n_bytes * op.tokens / len(replicas)
    return [
        (block.core, here[0].core, (columns[1] - columns[0]) * size)
        for replica in replicas
        for columns, here in strips(mapping.blocks_of(op.matrix or "", replica))
        for block in here[1:]
    ]


def _edge_bytes(graph: OpGraph, edge: Edge, source: _End, target: _End, chip: Chip) -> float:
    made = graph.operator(edge.source)
    size = chip.numbers.core_input.n_bytes if target.node.startswith("core") else chip.numbers.digital.n_bytes
    low, high = target.values
    if edge.window is not None:  # pixels go to every replica's line buffer
        low, high = low // edge.window.positions, -(-high // edge.window.positions)
        shared = min(source.values[1], edge.stop, edge.start + high) - max(source.values[0], edge.start + low)
        return max(0, shared) * size * made.tokens * source.share
    shift = edge.start - edge.into
    shared = min(source.values[1], edge.stop, shift + high) - max(source.values[0], edge.start, shift + low)
    if edge.pattern is Pattern.SEQUENCE:
        return max(0, shared) * size
    return max(0, shared) * size * made.tokens * source.share * target.share
