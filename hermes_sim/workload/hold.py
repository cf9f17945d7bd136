"""Memories where streams that took different ways meet: the one that came straight waits for the one that did not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hermes_sim.workload.graph import Edge, Operator, OpKind, Pattern

if TYPE_CHECKING:
    from hermes_sim.workload.graph import GraphBuilder

Lag = tuple[int, int]  # barriers and windows between the inputs and an operator


def hold_streams(graph: GraphBuilder) -> None:
    """Put a memory for the whole sequence on every token-by-token edge that meets one with a longer way.

    Behind a barrier (a state over all tokens) tokens come only when all have gone in, behind a window rows later; a
    stream that went straight would block the very source that both need.
    """
    lags: dict[str, Lag] = {}
    incoming: dict[str, list[Edge]] = {}
    for edge in graph.edges:
        incoming.setdefault(edge.target, []).append(edge)
    for name in graph.order():
        edges = [edge for edge in incoming.get(name, []) if edge.pattern is not Pattern.PREVIOUS]
        lag = max((_behind(edge, lags[edge.source]) for edge in edges), default=(0, 0))
        lags[name] = lag
        for edge in edges:
            if edge.pattern is Pattern.EACH and lags[edge.source] != lag:
                _hold(graph, edge)


def _behind(edge: Edge, lag: Lag) -> Lag:
    if edge.pattern is Pattern.SEQUENCE:
        return lag[0] + 1, 0
    return (lag[0], lag[1] + 1) if edge.pattern is Pattern.WINDOW else lag


def _hold(graph: GraphBuilder, edge: Edge) -> None:
    n, tokens = edge.n_values, graph.operator(edge.source).tokens
    memory = f"{edge.source}.for.{edge.target}.{edge.into}"
    graph.add(Operator(memory, OpKind.MEMORY, tokens, n, n))
    graph.replace_edge(
        edge, replace(edge, target=memory, into=0), Edge(memory, edge.target, 0, n, Pattern.EACH, edge.into)
    )
