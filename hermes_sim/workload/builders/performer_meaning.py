"""What a Performer encoder computes: its nodes, in ONNX's terms where ONNX has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hermes_sim.workload.origin import OWN, Node, NodeGraph

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from hermes_sim.workload.graph import GraphBuilder
    from hermes_sim.workload.schema import PerformerEncoder

_ACTIVATIONS = {"relu": "Relu", "gelu": "Gelu", "silu": "Swish"}
_FLOAT = 1  # ONNX's number of float32
_LONGEST_PERIOD = 10_000.0  # of sinusoidal positions, over 2 pi
_POSITIONS, _PLACES, _ZERO, _LAST_AXIS, _TOKEN_AXIS = "positions", "places", "zero", "last_axis", "token_axis"


def document_prefixes(workload: PerformerEncoder) -> list[str]:
    """What names of operators and tensors of each document begin with."""
    return [f"doc{i}." for i in range(workload.documents)] if workload.documents > 1 else [""]


def layer_prefix(workload: PerformerEncoder, layer: int) -> str:
    """What names of a layer's weights begin with."""
    return f"layers.{0 if workload.share_layers else layer}."


def sinusoidal_positions(n_tokens: int, width: int) -> NDArray[np.float32]:
    """Positions (n_tokens, width): sines in the first half of a vector, cosines in the second; counted from 1.

    Source    Vaswani et al., NIPS 2017, section 3.5, in the order of the code published with [BU24]
    """
    half = width // 2
    rates = np.exp(-np.log(_LONGEST_PERIOD) * np.arange(half) / max(half - 1, 1))
    angles = np.arange(1, n_tokens + 1)[:, None] * rates
    positions = np.zeros((n_tokens, width), np.float32)
    positions[:, :half], positions[:, half : 2 * half] = np.sin(angles), np.cos(angles)
    return positions


def performer_meaning(graph: GraphBuilder, workload: PerformerEncoder) -> NodeGraph:
    """Nodes of the whole encoder; takes down at every operator what it computes.

    Inputs: `tokens`, symbols or the brightness of pixels, and `length`, how many of them count; of each document.
    """
    said = _Nodes(graph)
    n, shapes, whole = workload.sequence_length, dict[str, tuple[int, ...]](), set[str]()
    pooled = []
    for before in document_prefixes(workload):
        shapes |= {f"{before}tokens": (1, n), f"{before}length": (1,)}
        whole |= {f"{before}length"} | ({f"{before}tokens"} if workload.embedding == "symbols" else set())
        pooled.append(_document(said, workload, before))
    mean = pooled[0]
    if len(pooled) > 1:
        mean = said("", "Concat", pooled, "pooled", axis=-1)
    hidden = said("classifier", "MatMul", [mean], "classifier")
    active = said("classifier_activation", _ACTIVATIONS[workload.classifier_activation], [hidden], "classifier.active")
    logits = said("sentence_projection", "MatMul", [active], "logits")
    constants: dict[str, Callable[[], NDArray[Any]]] = {
        _POSITIONS: lambda: sinusoidal_positions(n, workload.d_model)[None],
        _PLACES: lambda: np.arange(n, dtype=np.int64)[None],
        _ZERO: lambda: np.zeros((), np.float32),
        _LAST_AXIS: lambda: np.array([-1], np.int64),
        _TOKEN_AXIS: lambda: np.array([1], np.int64),
    }

    def constant(name: str) -> NDArray[Any] | None:
        return constants[name]() if name in constants else None

    return NodeGraph(shapes, (logits,), tuple(said.nodes), workload.name, constant, frozenset(whole))


class _Nodes:
    """Collects nodes and says which operators compute them."""

    def __init__(self, graph: GraphBuilder) -> None:
        self.graph = graph
        self.nodes: list[Node] = []

    def __call__(
        self, operators: str | Sequence[str], op_type: str, inputs: Sequence[str], output: str, **attributes: Any
    ) -> str:
        """Add a node; returns the name of its result. An empty name: a view, which no operator needs to compute."""
        domain = OWN if op_type in {"RandomFeatures", "KeyState", "Quotient"} else ""
        node = Node(output, op_type, domain, tuple(inputs), (output,), attributes)
        return self.add(operators, node)[0]

    def add(self, operators: str | Sequence[str], node: Node) -> tuple[str, ...]:
        """Add a node that may have several results."""
        self.nodes.append(node)
        for operator in filter(None, [operators] if isinstance(operators, str) else operators):
            self.graph.computes(operator, node)
        return node.outputs


def _document(said: _Nodes, workload: PerformerEncoder, before: str) -> str:
    """Tokens -> mean of the vectors that count."""
    counted = said("", "Less", [_PLACES, f"{before}length"], f"{before}counted")
    counted_vectors = said("", "Unsqueeze", [counted, _LAST_AXIS], f"{before}counted_vectors")
    x = _embedded(said, workload, before, counted_vectors)
    for layer in range(workload.layers):
        x = _layer(said, workload, (before, layer), x, (counted, counted_vectors))
    total = said(f"{before}pool", "ReduceSum", [x, _TOKEN_AXIS], f"{before}total", keepdims=0)
    length = said("", "Cast", [f"{before}length"], f"{before}length_float", to=_FLOAT)
    return said(f"{before}pool", "Div", [total, length], f"{before}pool")


def _embedded(said: _Nodes, workload: PerformerEncoder, before: str, counted: str) -> str:
    op, tokens = f"{before}embedding", f"{before}tokens"
    if workload.embedding == "symbols":
        x = said(op, "Gather", ["embedding.weight", tokens], f"{op}.rows")
    else:
        column = said("", "Unsqueeze", [tokens, _LAST_AXIS], f"{op}.column")
        scaled = said(op, "Mul", [column, "embedding.weight"], f"{op}.scaled")
        x = said(op, "Add", [scaled, "embedding.bias"], f"{op}.shifted")
    x = said(op, "Add", [x, _POSITIONS], op)
    return _masked_norm(said, f"{before}embedding_norm", "embedding_norm", x, counted)


def _masked_norm(said: _Nodes, operator: str, weights: str, x: str, counted: str) -> str:
    """Layer norm, and zeros for tokens that do not count."""
    normed = said(operator, "LayerNormalization", [x, f"{weights}.weight", f"{weights}.bias"], operator, axis=-1)
    return said("", "Where", [counted, normed, _ZERO], f"{operator}.counted")


def _layer(said: _Nodes, workload: PerformerEncoder, which: tuple[str, int], x: str, counted: tuple[str, str]) -> str:
    before, layer = which
    name, weights = f"{before}L{layer}.", layer_prefix(workload, layer)
    merged = _heads(said, workload, name, x, counted[0])
    output = said(f"{name}out_proj", "MatMul", [merged], f"{name}out_proj")
    total = said(f"{name}residual1", "Add", [output, x], f"{name}residual1")
    x = _masked_norm(said, f"{name}norm1", f"{weights}norm1", total, counted[1])
    hidden = said(f"{name}fc1", "MatMul", [x], f"{name}fc1")
    function = workload.activation
    active = said(f"{name}{function}", _ACTIVATIONS[function], [hidden], f"{name}active")
    result = said(f"{name}fc2", "MatMul", [active], f"{name}fc2")
    total = said(f"{name}residual2", "Add", [result, x], f"{name}residual2")
    return _masked_norm(said, f"{name}norm2", f"{weights}norm2", total, counted[1])


def _heads(said: _Nodes, workload: PerformerEncoder, name: str, x: str, counted: str) -> str:
    """Attention of all heads, side by side."""
    parts = {}
    for role in "qkv":
        projected = said(f"{name}{role}_proj", "MatMul", [x], f"{name}{role}_proj")
        outputs = tuple(f"{name}h{head}.{role}" for head in range(workload.heads))
        heads = {"axis": -1, "num_outputs": workload.heads}
        split = Node(f"{projected}.heads", "Split", "", (projected,), outputs, heads)
        parts[role] = said.add("", split)
    made = []
    for head, (q, k, v) in enumerate(zip(*parts.values(), strict=True)):
        h = f"{name}h{head}."
        how = {"scale": workload.head_dim**-0.25, "feature_map": workload.feature_map}
        keys = said((f"{h}project_k", f"{h}features_k"), "RandomFeatures", [k, counted], f"{h}features_k", **how)
        state = said(f"{h}state", "KeyState", [keys, v], f"{h}state")
        queries = said((f"{h}project_q", f"{h}features_q"), "RandomFeatures", [q], f"{h}features_q", **how)
        sums = said((f"{h}numerator", f"{h}normaliser"), "MatMul", [queries, state], f"{h}sums")
        made.append(said(f"{h}divide", "Quotient", [sums], f"{h}divide"))
    return said("", "Concat", made, f"{name}attention", axis=-1) if len(made) > 1 else made[0]
