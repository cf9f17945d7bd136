"""Performer: one attention layer on its own, and whole encoders with classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes_sim.config.vocabulary import Function
from hermes_sim.workload.builders.attention import Streams, feature_matrix, performer_heads, softmax_heads
from hermes_sim.workload.graph import GraphBuilder, Matrix, Operator, OpGraph, OpKind, Pattern

if TYPE_CHECKING:
    from hermes_sim.workload.schema import PerformerAttention, PerformerEncoder


def performer_attention_graph(workload: PerformerAttention) -> OpGraph:
    """One attention layer: keys, values and queries come from outside, queries after the keys."""
    n, d = workload.sequence_length, workload.d_model
    graph = GraphBuilder(workload.name)
    streams = Streams(
        graph.add(Operator("keys", OpKind.INPUT, n, 0, d)),
        graph.add(Operator("values", OpKind.INPUT, n, 0, d)),
        graph.add(Operator("queries", OpKind.INPUT, n, 0, d)),
        graph.add(Operator("attention", OpKind.OUTPUT, n, d, 0)),
    )
    performer_heads(graph, workload, streams, prefix="", matrix=feature_matrix(workload, ""))
    return graph.build(workload.events())


def performer_encoder_graph(workload: PerformerEncoder) -> OpGraph:
    """Whole encoder: pre-norm layers of attention and feed-forward, mean over the tokens, classifier."""
    graph = GraphBuilder(workload.name)
    n, d = workload.sequence_length, workload.d_model
    pooled = []
    for document in range(workload.documents):
        before = f"doc{document}." if workload.documents > 1 else ""
        stream = graph.add(Operator(f"{before}tokens", OpKind.INPUT, n, 0, d))
        for layer in range(workload.layers):
            stream = _Layer(graph, workload, f"{before}L{layer}.", layer).build(stream)
        normed = _norm(graph, f"{before}final_norm", n, d)
        graph.connect(stream, normed)
        mean = graph.add(Operator(f"{before}pool", OpKind.POOLING, n, d, 0, {Function.ADD: d}, once_values=d))
        graph.connect(normed, mean)
        pooled.append(mean)
    _classifier(graph, workload, pooled)
    return graph.build(workload.events())


def _norm(graph: GraphBuilder, name: str, tokens: int, width: int) -> str:
    """Layer norm: mean and mean square, then scale and shift."""
    functions = {Function.ADD: width, Function.MAC: 2 * width, Function.RSQRT: 1}
    return graph.add(Operator(name, OpKind.NORMALISATION, tokens, width, width, functions, weight_values=2 * width))


def _classifier(graph: GraphBuilder, workload: PerformerEncoder, pooled: list[str]) -> None:
    d, width, full = workload.d_model, workload.classifier_width, workload.split == "full"
    first = Matrix("classifier.0.0", d * len(pooled), width)
    hidden = graph.product("classifier", first, tokens=1, on_crossbar=full)
    for i, mean in enumerate(pooled):
        graph.connect(mean, hidden, pattern=Pattern.SEQUENCE, into=i * d)
    relu = graph.add(Operator("classifier_relu", OpKind.NONLINEAR, 1, width, width, {Function.COMPARE: width}))
    last = Matrix("sentence_projection_layer", width, workload.classes)
    logits = graph.product("sentence_projection", last, tokens=1, on_crossbar=full)
    result = graph.add(Operator("logits", OpKind.OUTPUT, 1, workload.classes, 0))
    for source, target in ((hidden, relu), (relu, logits), (logits, result)):
        graph.connect(source, target)


class _Layer:
    """One encoder layer of one document."""

    def __init__(self, graph: GraphBuilder, workload: PerformerEncoder, name: str, layer: int) -> None:
        self.graph, self.workload, self.name = graph, workload, name
        self.matrices = f"layers.{0 if workload.share_layers else layer}."
        self.full = workload.split == "full"

    def build(self, stream: str) -> str:
        """Attention and feed-forward, each with layer norm before and residual after; returns the result's name.

        Queries wait for the state over all keys, so the tokens, before and after the norm, are held meanwhile.
        """
        graph, n, d = self.graph, self.workload.sequence_length, self.workload.d_model
        normed = _norm(graph, f"{self.name}norm1", n, d)
        held = graph.add(Operator(f"{self.name}sequence", OpKind.MEMORY, n, 2 * d, 2 * d))
        graph.connect(stream, normed)
        graph.connect(stream, held)
        graph.connect(normed, held, into=d)
        keys, values = (self._dense(role, normed, d, d) for role in ("k_proj", "v_proj"))
        queries = self._dense("q_proj", held, d, d, values=(d, 2 * d))
        output = self._dense("out_proj", "", d, d)
        self._attention(Streams(keys, values, queries, output))
        first = self._add_residual("residual1", output, held, values=(0, d))
        return self._feed_forward(first)

    def _attention(self, streams: Streams) -> None:
        if self.workload.attention == "softmax":
            softmax_heads(self.graph, self.workload, streams, prefix=self.name)
        else:
            matrix = feature_matrix(self.workload, self.matrices)
            performer_heads(self.graph, self.workload, streams, prefix=self.name, matrix=matrix)

    def _feed_forward(self, stream: str) -> str:
        graph, n, work = self.graph, self.workload.sequence_length, self.workload
        normed = _norm(graph, f"{self.name}norm2", n, work.d_model)
        graph.connect(stream, normed)
        hidden = self._dense("fc1", normed, work.d_model, work.d_ff)
        functions = {Function.COMPARE: work.d_ff}
        if work.activation == "gelu":  # x / 2 * (1 + tanh(x (a + b x^2)))
            functions = {Function.MUL: 3 * work.d_ff, Function.MAC: 2 * work.d_ff, Function.TANH: work.d_ff}
        active = graph.add(
            Operator(f"{self.name}{work.activation}", OpKind.NONLINEAR, n, work.d_ff, work.d_ff, functions)
        )
        graph.connect(hidden, active)
        result = self._dense("fc2", active, work.d_ff, work.d_model)
        return self._add_residual("residual2", result, stream)

    def _dense(self, role: str, source: str, rows: int, columns: int, *, values: tuple[int, int] | None = None) -> str:
        n, name = self.workload.sequence_length, f"{self.name}{role}"
        matrix = Matrix(f"{self.matrices}{role}", rows, columns)
        dense = self.graph.product(name, matrix, tokens=n, on_crossbar=self.full)
        if source:
            self.graph.connect(source, dense, values=values)
        return dense

    def _add_residual(self, name: str, branch: str, trunk: str, *, values: tuple[int, int] | None = None) -> str:
        n, d = self.workload.sequence_length, self.workload.d_model
        add = self.graph.add(Operator(f"{self.name}{name}", OpKind.ELEMENTWISE, n, 2 * d, d, {Function.ADD: d}))
        self.graph.connect(branch, add)
        self.graph.connect(trunk, add, values=values, into=d)
        return add
