"""Attention of one layer, linear (FAVOR+, Performer) or exact softmax, head by head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hermes_sim.config.vocabulary import Function
from hermes_sim.workload.graph import GraphBuilder, Matrix, Operator, OpKind, Pattern

if TYPE_CHECKING:
    from collections.abc import Callable

    from hermes_sim.workload.schema import PerformerAttention


@dataclass(frozen=True)
class Streams:
    """Operators that make keys, values and queries of one layer, and what the results of its heads go to."""

    keys: str
    values: str
    queries: str
    output: str


def feature_matrix(workload: PerformerAttention, prefix: str) -> Callable[[str, int], Matrix]:
    """Which projection a role (``"q"``, ``"k"``) and head uses; heads, or queries and keys, may share it."""

    def matrix(role: str, head: int) -> Matrix:
        name = {"shared": "W", "separate_qk": f"W_{role}", "per_head": f"W_{role}{head}"}[workload.projections]
        return Matrix(f"{prefix}{name}", workload.head_dim, workload.projection_rows)

    return matrix


def performer_heads(
    graph: GraphBuilder,
    workload: PerformerAttention,
    streams: Streams,
    *,
    prefix: str,
    matrix: Callable[[str, int], Matrix],
) -> None:
    """Non-causal FAVOR+ attention: out = z(Q) (z(K)^T V) / (z(Q) (z(K)^T 1)), BU24 Methods.

    Keys and values come first; their state counts once all of them are in. Queries use it after.
    """
    for head in range(workload.heads):
        lane = (head * workload.head_dim, (head + 1) * workload.head_dim)
        name = f"{prefix}h{head}"
        keys = _positive_features(graph, workload, f"{name}|k", streams.keys, lane, matrix("k", head))
        state = _add_state(graph, workload, name, keys, streams.values, lane)
        queries = _positive_features(graph, workload, f"{name}|q", streams.queries, lane, matrix("q", head))
        _attend(graph, workload, name, queries, state, streams.output, lane)


def _positive_features(
    graph: GraphBuilder,
    workload: PerformerAttention,
    label: str,
    source: str,
    lane: tuple[int, int],
    matrix: Matrix,
) -> str:
    """exp(+-W x - |x|^2 / 2), or max(W x, 0), of one head's vectors; the projection runs on the crossbars."""
    name, _, role = label.partition("|")
    n, width, rows = workload.sequence_length, workload.head_dim, workload.projection_rows
    use = f"{name.rpartition('h')[0]}project_{role}"
    project = graph.product(f"{name}.project_{role}", matrix, tokens=n, on_crossbar=True, use=use)
    functions = _feature_functions(workload, role)
    norm = Function.MAC in functions
    into = rows + width * norm
    features = graph.add(Operator(f"{name}.features_{role}", OpKind.NONLINEAR, n, into, workload.n_features, functions))
    graph.connect(source, project, values=lane)
    graph.connect(project, features)
    if norm:
        graph.connect(source, features, values=lane, into=rows)
    return features


def _feature_functions(workload: PerformerAttention, role: str) -> dict[Function, int]:
    """Per token: exponents are shifted by the largest so far, keys' with |x|^2 / 2, which cancels for queries."""
    rows = workload.projection_rows
    if workload.feature_map == "relu":
        return {Function.COMPARE: rows, Function.ADD: rows}
    functions = {Function.COMPARE: rows, Function.ADD: 2 * rows, Function.EXP: 2 * rows}
    return functions | ({Function.MAC: workload.head_dim} if role == "k" else {})


def _add_state(
    graph: GraphBuilder,
    workload: PerformerAttention,
    name: str,
    keys: str,
    values: str,
    lane: tuple[int, int],
) -> str:
    """z(K)^T [V, 1] of one head, summed over all keys."""
    n, width, m = workload.sequence_length, workload.head_dim, workload.n_features
    state = graph.add(
        Operator(
            f"{name}.state",
            OpKind.DYNAMIC_MATMUL,
            n,
            m + width,
            0,
            {Function.MAC: m * width, Function.ADD: m},
            once_values=m * (width + 1),
        )
    )
    graph.connect(keys, state)
    graph.connect(values, state, values=lane, into=m)
    return state


def _attend(
    graph: GraphBuilder,
    workload: PerformerAttention,
    name: str,
    queries: str,
    state: str,
    output: str,
    lane: tuple[int, int],
) -> None:
    """Numerator, normaliser and division of one head."""
    n, width, m = workload.sequence_length, workload.head_dim, workload.n_features
    numerator = graph.add(
        Operator(
            f"{name}.numerator",
            OpKind.DYNAMIC_MATMUL,
            n,
            m,
            width,
            {Function.MAC: m * width},
            weight_values=m * width,
        )
    )
    normaliser = graph.add(
        Operator(f"{name}.normaliser", OpKind.REDUCTION, n, m, 1, {Function.MAC: m}, weight_values=m)
    )
    divide = graph.add(
        Operator(f"{name}.divide", OpKind.ELEMENTWISE, n, width + 1, width, {Function.DIV: 1, Function.MUL: width})
    )
    parts = ((numerator, (0, m * width), 0), (normaliser, (m * width, m * (width + 1)), width))
    for part, share, into in parts:
        graph.connect(queries, part)
        graph.connect(state, part, values=share, pattern=Pattern.SEQUENCE, into=m)
        graph.connect(part, divide, into=into)
    graph.connect(divide, output, into=lane[0])


@dataclass(frozen=True)
class SoftmaxHead:
    """Operators of one head: memories that take keys and values, the three that compute."""

    keys: str
    values: str
    scores: str
    softmax: str
    weighted: str


def softmax_head(
    graph: GraphBuilder,
    name: str,
    *,
    tokens: tuple[int, int],
    widths: tuple[int, int],
    n_masks: int = 0,
    windows: int = 1,
) -> SoftmaxHead:
    """Exact attention softmax(Q K^T / sqrt(d)) V of one head: every query meets every key, all of it digital.

    Parameters
    ----------
    tokens : queries, and keys (as many as values)
    widths : values of a key (as many as of a query), and of a value
    n_masks : masks that are added to the scores
    windows : that share the tokens; a query meets the keys of its own, and all are there before the first does
    """
    (n_queries, n_keys), (width, value_width), n = tokens, widths, tokens[1] // windows
    keys, values = (
        graph.add(Operator(graph.free(f"{name}.{role}"), OpKind.MEMORY, n_keys, size, 0, once_values=n_keys * size))
        for role, size in (("keys", width), ("values", value_width))
    )
    functions = {Function.MAC: n * width, Function.MUL: n}
    if n_masks:
        functions[Function.ADD] = n * n_masks
    scores = graph.add(
        Operator(
            graph.free(f"{name}.scores"),
            OpKind.DYNAMIC_MATMUL,
            n_queries,
            width,
            n,
            functions,
            weight_values=n * width,
        )
    )
    functions = {Function.COMPARE: n, Function.EXP: n, Function.ADD: 2 * n, Function.DIV: 1, Function.MUL: n}
    softmax = graph.add(Operator(graph.free(f"{name}.softmax"), OpKind.NONLINEAR, n_queries, n, n, functions))
    weighted = graph.add(
        Operator(
            graph.free(f"{name}.weighted"),
            OpKind.DYNAMIC_MATMUL,
            n_queries,
            n,
            value_width,
            {Function.MAC: n * value_width},
            weight_values=n * value_width,
        )
    )
    graph.connect(keys, scores, pattern=Pattern.SEQUENCE, into=width)
    graph.connect(scores, softmax)
    graph.connect(softmax, weighted)
    graph.connect(values, weighted, pattern=Pattern.SEQUENCE, into=n)
    return SoftmaxHead(keys, values, scores, softmax, weighted)


def softmax_heads(graph: GraphBuilder, workload: PerformerAttention, streams: Streams, *, prefix: str) -> None:
    """Exact attention, head by head, each on its own values of queries, keys and values."""
    n, width = workload.sequence_length, workload.head_dim
    for head in range(workload.heads):
        lane = (head * width, (head + 1) * width)
        made = softmax_head(graph, f"{prefix}h{head}", tokens=(n, n), widths=(width, width))
        graph.connect(streams.keys, made.keys, values=lane)
        graph.connect(streams.values, made.values, values=lane)
        graph.connect(streams.queries, made.scores, values=lane)
        graph.connect(made.weighted, streams.output, into=lane[0])
