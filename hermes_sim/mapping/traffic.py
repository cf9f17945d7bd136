"""What a mapping moves and how far: flows between nodes, hops by topology, bytes x hops."""

from __future__ import annotations

from collections import defaultdict
from math import gcd, lcm
from typing import TYPE_CHECKING, NamedTuple

from hermes_sim.chip.costs import bytes_per_value
from hermes_sim.chip.network import IO, Network
from hermes_sim.mapping.blocks import strips
from hermes_sim.mapping.mapping import HOST_MEMORY
from hermes_sim.workload.graph import Pattern

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hermes_sim.chip.schema import Chip
    from hermes_sim.mapping.mapping import Block, Mapping
    from hermes_sim.workload.graph import Edge, Operator, OpGraph

_ALL = 2**62


class Flow(NamedTuple):
    """Bytes that one inference moves from one node to another, every target counted apart."""

    source: str
    target: str
    n_bytes: float


class _End(NamedTuple):
    """One end of an edge: copy `turn` of `n_copies`, which takes tokens turn, turn + n_copies, ..."""

    node: str
    values: tuple[int, int]
    turn: int = 0
    n_copies: int = 1


def flows(graph: OpGraph, mapping: Mapping, chip: Chip) -> list[Flow]:
    """All flows of one inference: results along edges, and partial sums to the core that adds them."""
    graph = mapping.mapped(graph)
    total: defaultdict[tuple[str, str], float] = defaultdict(float)
    senders = {edge.source for edge in graph.edges}
    sends = {op.name: _ends(op, mapping, chip, sends=True) for op in graph.operators if op.name in senders}
    takes = {op.name: _ends(op, mapping, chip, sends=False) for op in graph.operators}
    for edge in graph.edges:
        tokens = graph.operator(edge.source).tokens
        for source in sends[edge.source]:
            for target in takes[edge.target]:
                n_bytes = _edge_bytes(edge, tokens, source, target, chip)
                if n_bytes and source.node != target.node:
                    total[source.node, target.node] += n_bytes
    for op in graph.operators:
        if op.on_crossbar and op.name in senders:
            for source_core, target_core, n_bytes in _partial_sums(op, mapping, chip):
                if source_core != target_core:
                    total[f"core{source_core}", f"core{target_core}"] += n_bytes
    return [Flow(source, target, n_bytes) for (source, target), n_bytes in total.items()]


def bytes_hops(graph: OpGraph, mapping: Mapping, chip: Chip) -> float:
    """Bytes times links of one inference."""
    network = Network(chip)
    return sum(flow.n_bytes * network.hops(flow.source, flow.target) for flow in flows(graph, mapping, chip))


def _ends(op: Operator, mapping: Mapping, chip: Chip, *, sends: bool) -> list[_End]:
    if not op.on_crossbar:
        name = mapping.units[op.name]
        on_chip = name != HOST_MEMORY and chip.digital_units[name.rstrip("0123456789")].place == "on_chip"
        return [_End(name if on_chip else IO, (0, _ALL))]
    replicas = mapping.replicas[op.name]
    ends = []
    for turn, replica in enumerate(replicas):
        blocks = mapping.blocks_of(op.matrix or "", replica)
        places = strip_homes(blocks) if sends else list(dict.fromkeys((block.core, block.rows) for block in blocks))
        ends += [_End(f"core{core}", values, turn, len(replicas)) for core, values in places]
    return ends


def strip_homes(blocks: Sequence[Block]) -> list[tuple[int, tuple[int, int]]]:
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


def shared_values(source: tuple[int, int], target: tuple[int, int], edge: Edge) -> tuple[int, int] | None:
    """Values (numbered as the source makes them) that one end of an edge has and the other needs.

    Parameters
    ----------
    source, target : half-open ranges of what is made there and of the inputs needed there

    Returns
    -------
    half-open range; None if there is nothing to send
    """
    if edge.window is None:
        shift = edge.start - edge.into
        first, end = shift + target[0], shift + target[1]
    else:  # input value i of a window belongs to channel i // positions
        n = edge.window.positions
        first, end = edge.start + target[0] // n, edge.start - (-target[1] // n)
    low, high = max(source[0], edge.start, first), min(source[1], edge.stop, end)
    return (low, high) if low < high else None


def _edge_bytes(edge: Edge, tokens: int, source: _End, target: _End, chip: Chip) -> float:
    shared = shared_values(source.values, target.values, edge)
    if shared is None:
        return 0.0
    n_bytes = (shared[1] - shared[0]) * bytes_per_value(chip, target.node)
    return n_bytes * _times(edge.pattern, tokens, source, target)


def _times(pattern: Pattern, tokens: int, source: _End, target: _End) -> float:
    """How often a value goes from one copy to another in one inference, on average over many."""
    if pattern is Pattern.SEQUENCE:
        return 1
    if pattern is Pattern.WINDOW:  # pixels go to the line buffer of every copy
        return tokens / source.n_copies
    if (source.turn - target.turn) % gcd(source.n_copies, target.n_copies):  # no token is the turn of both
        return 0
    return tokens / lcm(source.n_copies, target.n_copies)
