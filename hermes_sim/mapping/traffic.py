"""What a mapping moves and how far: flows between nodes, hops by topology, bytes x hops."""

from __future__ import annotations

from collections import defaultdict
from math import gcd, lcm
from typing import TYPE_CHECKING, NamedTuple

from hermes_sim.chip.costs import bytes_per_value, partial_sum_bytes
from hermes_sim.chip.network import Routes
from hermes_sim.chip.places import Place
from hermes_sim.mapping.blocks import strips
from hermes_sim.workload.graph import Pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hermes_sim.chip.schema import Chip
    from hermes_sim.mapping.mapping import Block, Mapping
    from hermes_sim.workload.graph import Edge, Operator, OpGraph


class NodeFlow(NamedTuple):
    """Bytes that one inference moves from one node to another, every target counted apart."""

    source: Place
    target: Place
    n_bytes: float


class _End(NamedTuple):
    """One end of an edge: replica `turn` of `n_replicas`, which takes tokens turn, turn + n_replicas, ..."""

    node: Place
    values: tuple[int, int]
    turn: int = 0
    n_replicas: int = 1


def flows(graph: OpGraph, mapping: Mapping, chip: Chip) -> list[NodeFlow]:
    """All flows of one inference: results along edges, and partial sums to the core that adds them."""
    graph = mapping.mapped(graph)
    total: defaultdict[tuple[Place, Place], float] = defaultdict(float)
    into: defaultdict[str, list[Edge]] = defaultdict(list)
    for edge in graph.edges:
        into[edge.target].append(edge)
    senders = {edge.source for edge in graph.edges}
    sends = {op.name: _sending(op, mapping) for op in graph.operators if op.name in senders}
    takes = {op.name: _taking(op, mapping, into[op.name]) for op in graph.operators}
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
                    total[Place.core(source_core), Place.core(target_core)] += n_bytes
    return [NodeFlow(source, target, n_bytes) for (source, target), n_bytes in total.items()]


def bytes_hops(graph: OpGraph, mapping: Mapping, chip: Chip) -> float:
    """Bytes times links of one inference."""
    routes = Routes(chip)
    return sum(flow.n_bytes * routes.hops(flow.source, flow.target) for flow in flows(graph, mapping, chip))


def values_made(op: Operator) -> tuple[int, int]:
    """Range of the values that an operator makes, per token or once."""
    return 0, max(op.out_values, op.once_values)


def values_needed(op: Operator, into: Iterable[Edge]) -> tuple[int, int]:
    """Range of the values that an operator takes in: those of a token, and the whole results that come once."""
    ends = (edge.into + edge.n_values * (edge.window.positions if edge.window else 1) for edge in into)
    return 0, max(op.in_values, *ends, 0)


def _sending(op: Operator, mapping: Mapping) -> list[_End]:
    if not op.on_crossbar:
        return [_End(mapping.units[op.name].node, values_made(op))]
    return [
        _End(Place.core(core), values, turn, n_replicas)
        for turn, n_replicas, blocks in _turns(op, mapping)
        for core, values in strip_homes(blocks)
    ]


def _taking(op: Operator, mapping: Mapping, into: Iterable[Edge]) -> list[_End]:
    if not op.on_crossbar:
        return [_End(mapping.units[op.name].node, values_needed(op, into))]
    return [
        _End(Place.core(core), values, turn, n_replicas)
        for turn, n_replicas, blocks in _turns(op, mapping)
        for core, values in dict.fromkeys((block.core, block.rows) for block in blocks)
    ]


def _turns(op: Operator, mapping: Mapping) -> list[tuple[int, int, list[Block]]]:
    """Turn, number of turns, and blocks of every replica that an operator uses."""
    replicas = mapping.replicas[op.name]
    return [(turn, len(replicas), mapping.blocks_of(op.matrix or "", r)) for turn, r in enumerate(replicas)]


def strip_homes(blocks: Sequence[Block]) -> list[tuple[int, tuple[int, int]]]:
    """Core that has the results of each range of columns."""
    return [(here[0].core, columns) for columns, here in strips(blocks)]


def _partial_sums(op: Operator, mapping: Mapping, chip: Chip) -> list[tuple[int, int, float]]:
    replicas = mapping.replicas[op.name]
    size = partial_sum_bytes(chip) * op.tokens / len(replicas)
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
    n_bytes = (shared[1] - shared[0]) * bytes_per_value(chip, source.node, target.node)
    return n_bytes * _times(edge.pattern, tokens, source, target)


def _times(pattern: Pattern, tokens: int, source: _End, target: _End) -> float:
    """How often a value goes from one replica to another in one inference, on average over many."""
    if pattern is Pattern.SEQUENCE:
        return 1
    if pattern is Pattern.WINDOW:  # pixels go to the line buffer of every replica
        return tokens / source.n_replicas
    if (source.turn - target.turn) % gcd(source.n_replicas, target.n_replicas):  # no token is the turn of both
        return 0
    return tokens / lcm(source.n_replicas, target.n_replicas)
