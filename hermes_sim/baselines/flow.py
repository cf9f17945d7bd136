"""The operator graph as a digital device sees it: what computes, and which values pass between what computes.

Operators of kind MEMORY only hold values until they are wanted; a digital device has memory for that, so their
edges are joined. Operators on a circle of feedback (an LSTM step) run token by token.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hermes_sim.program.ordering import strong_components
from hermes_sim.workload.graph import OpKind, Pattern

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hermes_sim.workload.graph import Edge, Operator, OpGraph

_ENDS = frozenset({OpKind.INPUT, OpKind.OUTPUT})


@dataclass(frozen=True)
class Flow:
    """Operators that compute, in an order in which sources come first, and edges without MEMORY operators."""

    operators: tuple[Operator, ...]
    into: Mapping[str, tuple[Edge, ...]]
    out_of: Mapping[str, tuple[Edge, ...]]
    sources: Mapping[str, Operator]
    recurrent: frozenset[str]

    def edge_values(self, edge: Edge) -> int:
        """Values that one inference moves along an edge: a state once, else one result per token."""
        source = self.sources[edge.source]
        if edge.pattern is Pattern.SEQUENCE and source.once_values:
            return edge.n_values
        return edge.n_values * source.tokens


def flow_of(graph: OpGraph) -> Flow:
    """Digital view of an operator graph."""
    by_name = {op.name: op for op in graph.operators}
    edges = _without_memory(graph, by_name)
    computing = tuple(op for op in graph.operators if op.kind not in _ENDS and op.kind is not OpKind.MEMORY)
    into: dict[str, list[Edge]] = {name: [] for name in by_name}
    out_of: dict[str, list[Edge]] = {name: [] for name in by_name}
    for edge in edges:
        into[edge.target].append(edge)
        out_of[edge.source].append(edge)
    return Flow(
        computing,
        {name: tuple(some) for name, some in into.items()},
        {name: tuple(some) for name, some in out_of.items()},
        by_name,
        _recurrent(edges),
    )


def _without_memory(graph: OpGraph, by_name: Mapping[str, Operator]) -> list[Edge]:
    """Edges that end at what computes, each drawn from what made its values."""
    into: dict[str, list[Edge]] = {}
    for edge in graph.edges:
        into.setdefault(edge.target, []).append(edge)
    edges = []
    waiting = [edge for edge in graph.edges if by_name[edge.target].kind is not OpKind.MEMORY]
    while waiting:
        edge = waiting.pop()
        held = by_name[edge.source]
        if held.kind is OpKind.MEMORY:
            waiting += [part for before in into.get(held.name, ()) if (part := _through(before, held, edge))]
        else:
            edges.append(edge)
    order = {edge.target: i for i, edge in enumerate(graph.edges)}
    return sorted(edges, key=lambda edge: (order[edge.target], edge.into, edge.source))


def _through(before: Edge, held: Operator, after: Edge) -> Edge | None:
    """The part of `before` that `after` takes out of memory; a whole sequence that was held is taken whole."""
    if held.once_values and after.pattern is Pattern.SEQUENCE:
        return replace(after, source=before.source, start=before.start, stop=before.stop)
    low = max(after.start, before.into)
    high = min(after.stop, before.into + before.n_values)
    if low >= high:
        return None
    shift = before.start - before.into
    return replace(
        after,
        source=before.source,
        start=low + shift,
        stop=high + shift,
        into=after.into + low - after.start,
    )


def _recurrent(edges: list[Edge]) -> frozenset[str]:
    if all(edge.pattern is not Pattern.PREVIOUS for edge in edges):
        return frozenset()
    names = list(dict.fromkeys(name for edge in edges for name in (edge.source, edge.target)))
    number = {name: i for i, name in enumerate(names)}
    source = np.array([number[edge.source] for edge in edges], dtype=np.int64)
    target = np.array([number[edge.target] for edge in edges], dtype=np.int64)
    label = strong_components(len(names), source, target)
    inside = label[source] == label[target]  # an edge of a circle, or from an operator to itself
    return frozenset(names[node] for node in source[inside])
