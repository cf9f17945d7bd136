"""Performer: one attention layer on its own, and whole encoders with classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes_sim.config.vocabulary import Function
from hermes_sim.workload.builders.attention import (
    Streams,
    feature_matrix,
    performer_heads,
    softmax_heads,
)
from hermes_sim.workload.builders.performer_meaning import document_prefixes, layer_prefix, performer_meaning
from hermes_sim.workload.graph import GraphBuilder, Matrix, Operator, OpGraph, OpKind, Pattern

if TYPE_CHECKING:
    from hermes_sim.workload.schema import PerformerAttention, PerformerEncoder

# evaluations per value; GELU as x / 2 * (1 + tanh(x (a + b x^2)))
ACTIVATIONS = {
    "relu": {Function.COMPARE: 1},
    "gelu": {Function.MUL: 3, Function.MAC: 2, Function.TANH: 1},
    "silu": {Function.SIGMOID: 1, Function.MUL: 1},
}


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
    return graph.build()


def performer_encoder_graph(workload: PerformerEncoder) -> OpGraph:
    """Whole encoder: embedding, post-norm layers of attention and feed-forward, mean over the tokens, classifier."""
    graph = GraphBuilder(workload.name)
    n, d = workload.sequence_length, workload.d_model
    pooled = []
    for before in document_prefixes(workload):
        stream = _embedding(graph, workload, before)
        for layer in range(workload.layers):
            stream = _Layer(graph, workload, f"{before}L{layer}.", layer).build(stream)
        mean = graph.add(Operator(f"{before}pool", OpKind.POOLING, n, d, 0, {Function.ADD: d}, once_values=d))
        graph.connect(stream, mean)
        pooled.append(mean)
    _classifier(graph, workload, pooled)
    meaning = None if workload.attention == "softmax" else performer_meaning(graph, workload)
    return graph.build(network=meaning)


def _embedding(graph: GraphBuilder, workload: PerformerEncoder, before: str) -> str:
    """Vectors of the tokens: a row of a table, or a vector times the brightness, plus the position, normalised."""
    n, d = workload.sequence_length, workload.d_model
    tokens = graph.add(Operator(f"{before}tokens", OpKind.INPUT, n, 0, 1))
    name = f"{before}embedding"
    if workload.embedding == "symbols":
        made = Operator(name, OpKind.EMBEDDING, n, 1, d, {Function.ADD: d}, weight_values=2 * d)
    else:
        made = Operator(name, OpKind.ELEMENTWISE, n, 1, d, {Function.MAC: d, Function.ADD: d}, weight_values=3 * d)
    graph.connect(tokens, graph.add(made))
    normed = _norm(graph, f"{before}embedding_norm", n, d)
    graph.connect(name, normed)
    return normed


def _norm(graph: GraphBuilder, name: str, tokens: int, width: int) -> str:
    """Layer norm: mean and mean square, then scale and shift."""
    functions = {Function.ADD: width, Function.MAC: 2 * width, Function.RSQRT: 1}
    return graph.add(Operator(name, OpKind.NORMALISATION, tokens, width, width, functions, weight_values=2 * width))


def _activation(graph: GraphBuilder, name: str, function: str, *, tokens: int, width: int) -> str:
    functions = {part: count * width for part, count in ACTIVATIONS[function].items()}
    return graph.add(Operator(name, OpKind.NONLINEAR, tokens, width, width, functions))


def _classifier(graph: GraphBuilder, workload: PerformerEncoder, pooled: list[str]) -> None:
    d, width, full = workload.d_model, workload.classifier_width, workload.split == "full"
    first = Matrix("classifier.0.0", d * len(pooled), width)
    hidden = graph.product("classifier", first, tokens=1, on_crossbar=full)
    for i, mean in enumerate(pooled):
        graph.connect(mean, hidden, pattern=Pattern.SEQUENCE, into=i * d)
    active = _activation(graph, "classifier_activation", workload.classifier_activation, tokens=1, width=width)
    last = Matrix("sentence_projection_layer", width, workload.classes)
    logits = graph.product("sentence_projection", last, tokens=1, on_crossbar=full)
    result = graph.add(Operator("logits", OpKind.OUTPUT, 1, workload.classes, 0))
    for source, target in ((hidden, active), (active, logits), (logits, result)):
        graph.connect(source, target)


class _Layer:
    """One encoder layer of one document."""

    def __init__(self, graph: GraphBuilder, workload: PerformerEncoder, name: str, layer: int) -> None:
        self.graph, self.workload, self.name = graph, workload, name
        self.matrices = layer_prefix(workload, layer)
        self.full = workload.split == "full"

    def build(self, stream: str) -> str:
        """Attention and feed-forward, a residual around each and a layer norm behind; returns the result's name.

        Queries wait for the state over all keys, so the tokens are held meanwhile.
        """
        graph, n, d = self.graph, self.workload.sequence_length, self.workload.d_model
        held = graph.add(Operator(f"{self.name}sequence", OpKind.MEMORY, n, d, d))
        graph.connect(stream, held)
        keys, values = (self._dense(role, stream, d, d) for role in ("k_proj", "v_proj"))
        queries = self._dense("q_proj", held, d, d)
        output = self._dense("out_proj", "", d, d)
        self._attention(Streams(keys, values, queries, output))
        first = self._normed_sum("1", output, held)
        hidden = self._dense("fc1", first, d, self.workload.d_ff)
        function = self.workload.activation
        active = _activation(graph, f"{self.name}{function}", function, tokens=n, width=self.workload.d_ff)
        graph.connect(hidden, active)
        result = self._dense("fc2", active, self.workload.d_ff, d)
        return self._normed_sum("2", result, first)

    def _attention(self, streams: Streams) -> None:
        if self.workload.attention == "softmax":
            softmax_heads(self.graph, self.workload, streams, prefix=self.name)
        else:
            matrix = feature_matrix(self.workload, self.matrices)
            performer_heads(self.graph, self.workload, streams, prefix=self.name, matrix=matrix)

    def _dense(self, role: str, source: str, rows: int, columns: int) -> str:
        n, name = self.workload.sequence_length, f"{self.name}{role}"
        matrix = Matrix(f"{self.matrices}{role}", rows, columns)
        dense = self.graph.product(name, matrix, tokens=n, on_crossbar=self.full)
        if source:
            self.graph.connect(source, dense)
        return dense

    def _normed_sum(self, which: str, branch: str, trunk: str) -> str:
        """Residual and layer norm."""
        n, d = self.workload.sequence_length, self.workload.d_model
        add = Operator(f"{self.name}residual{which}", OpKind.ELEMENTWISE, n, 2 * d, d, {Function.ADD: d})
        name = self.graph.add(add)
        self.graph.connect(branch, name)
        self.graph.connect(trunk, name, into=d)
        normed = _norm(self.graph, f"{self.name}norm{which}", n, d)
        self.graph.connect(name, normed)
        return normed
