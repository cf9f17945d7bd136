"""Workload -> operator graph, one function per kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes_sim.functions import Function as F
from hermes_sim.workload.graph import GraphBuilder, Operator, OpGraph, OpKind, Pattern

if TYPE_CHECKING:
    from hermes_sim.workload.schema import KernelRidge, MatmulList, PerformerAttention


def kernel_ridge_graph(workload: KernelRidge) -> OpGraph:
    """Projection, feature functions, readout of one sample (BU24, Methods: only W x runs on the chip)."""
    d, s, n_out = workload.features, workload.n_projections, workload.outputs
    graph = GraphBuilder(workload.name)
    sample = graph.add(Operator("sample", OpKind.INPUT, 1, 0, d))
    project = graph.project("project", graph.matrix("W", rows=d, columns=s), tokens=1)
    if workload.kernel == "rbf":  # cos(Wx + b), sin(Wx + b)
        n_features, functions = 2 * s, {F.ADD: s, F.COS: s, F.SIN: s}
    else:  # step(Wx)
        n_features, functions = s, {F.COMPARE: s}
    features = graph.add(Operator("features", OpKind.NONLINEAR, 1, s, n_features, functions))
    matrix = graph.matrix("ridge", rows=n_features, columns=n_out)
    if workload.readout == "crossbar":
        readout = graph.project("readout", matrix, tokens=1)
    else:
        readout = graph.digital_matmul("readout", matrix, tokens=1)
    result = graph.add(Operator("scores", OpKind.OUTPUT, 1, n_out, 0))
    for source, target in ((sample, project), (project, features), (features, readout), (readout, result)):
        graph.connect(source, target)
    return graph.build()


def performer_attention_graph(workload: PerformerAttention) -> OpGraph:
    """Non-causal FAVOR+ attention: out = z(Q) (z(K)^T V) / (z(Q) (z(K)^T 1)), BU24 Methods.

    Keys and values come first, queries after; only the feature projections are meant for the crossbars.
    """
    n, d = workload.sequence_length, workload.d_model
    graph = GraphBuilder(workload.name)
    keys = graph.add(Operator("keys", OpKind.INPUT, n, 0, d))
    values = graph.add(Operator("values", OpKind.INPUT, n, 0, d))
    queries = graph.add(Operator("queries", OpKind.INPUT, n, 0, d))
    output = graph.add(Operator("attention", OpKind.OUTPUT, n, d, 0))
    for head in range(workload.heads):
        lane = (head * workload.head_dim, (head + 1) * workload.head_dim)
        state = _state(graph, workload, head, (keys, values), lane)
        _attend(graph, workload, head, queries, lane, state, output)
    return graph.build()


def _state(
    graph: GraphBuilder,
    workload: PerformerAttention,
    head: int,
    sources: tuple[str, str],
    lane: tuple[int, int],
) -> str:
    """z(K)^T [V, 1] of one head, summed over all keys."""
    n, width = workload.sequence_length, workload.head_dim
    keys, values = sources
    features = _positive_features(graph, workload, head, "k", keys, lane)
    m = 2 * workload.projection_rows
    state = graph.add(
        Operator(
            f"h{head}.state",
            OpKind.DYNAMIC_MATMUL,
            n,
            m + width,
            0,
            {F.MAC: m * width, F.ADD: m},
            weight_values=m * (width + 1),
            once_values=m * (width + 1),
        )
    )
    graph.connect(features, state)
    graph.connect(values, state, values=lane)
    return state


def _attend(
    graph: GraphBuilder,
    workload: PerformerAttention,
    head: int,
    queries: str,
    lane: tuple[int, int],
    state: str,
    output: str,
) -> None:
    """Numerator, normaliser and division of one head."""
    n, width, m = workload.sequence_length, workload.head_dim, 2 * workload.projection_rows
    features = _positive_features(graph, workload, head, "q", queries, lane)
    numerator = graph.add(
        Operator(
            f"h{head}.numerator",
            OpKind.DYNAMIC_MATMUL,
            n,
            m,
            width,
            {F.MAC: m * width},
            weight_values=m * width,
        )
    )
    normaliser = graph.add(
        Operator(f"h{head}.normaliser", OpKind.REDUCTION, n, m, 1, {F.MAC: m}, weight_values=m)
    )
    divide = graph.add(
        Operator(f"h{head}.divide", OpKind.ELEMENTWISE, n, width + 1, width, {F.DIV: 1, F.MUL: width})
    )
    for part, share in ((numerator, (0, m * width)), (normaliser, (m * width, m * (width + 1)))):
        graph.connect(features, part)
        graph.connect(state, part, values=share, pattern=Pattern.SEQUENCE)
        graph.connect(part, divide)
    graph.connect(divide, output)


def _positive_features(
    graph: GraphBuilder,
    workload: PerformerAttention,
    head: int,
    role: str,
    source: str,
    lane: tuple[int, int],
) -> str:
    """exp(+-W x - |x|^2 / 2) of one head's vectors; the projection runs on the crossbars."""
    n, width, rows = workload.sequence_length, workload.head_dim, workload.projection_rows
    name = {"shared": "W", "separate_qk": f"W_{role}", "per_head": f"W_{role}{head}"}[workload.projections]
    project = graph.project(f"h{head}.project_{role}", graph.matrix(name, rows=width, columns=rows), tokens=n)
    features = graph.add(
        Operator(
            f"h{head}.features_{role}",
            OpKind.NONLINEAR,
            n,
            rows + width,
            2 * rows,
            {F.MAC: width, F.ADD: 2 * rows, F.EXP: 2 * rows},
        )
    )
    graph.connect(source, project, values=lane)
    graph.connect(project, features)
    graph.connect(source, features, values=lane)
    return features


def matmul_list_graph(workload: MatmulList) -> OpGraph:
    """Independent products; with scope `crossbar` nothing is moved in or out."""
    graph = GraphBuilder(workload.name)
    for entry in workload.matrices:
        for copy in range(entry.copies):
            name = f"{entry.name}{copy}" if entry.copies > 1 else entry.name
            matrix = graph.matrix(name, rows=entry.rows, columns=entry.columns)
            project = graph.project(f"{name}.product", matrix, tokens=entry.vectors)
            if workload.scope == "core":
                vectors = graph.add(Operator(f"{name}.in", OpKind.INPUT, entry.vectors, 0, entry.rows))
                result = graph.add(Operator(f"{name}.out", OpKind.OUTPUT, entry.vectors, entry.columns, 0))
                graph.connect(vectors, project)
                graph.connect(project, result)
    return graph.build()
