"""LSTM nodes: gates on crossbars, cells on digital units, hidden state fed back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hermes_sim.workload.builders.lstm import CELL
from hermes_sim.workload.graph import Matrix, Operator, OpKind, Pattern
from hermes_sim.workload.onnx.tensors import Part, Stream, attribute

if TYPE_CHECKING:
    from hermes_sim.workload.onnx.tensors import Importer


def lstm(at: Importer, node: Any, name: str) -> None:
    """One or two directions; the backward one starts when the whole sequence is there."""
    inputs, weights, recurrent = node.input[0], node.input[1], node.input[2]
    if weights not in at.constants or recurrent not in at.constants:
        raise NotImplementedError("weights that are computed")
    if any(i in at.streams for i in node.input[3:]):
        raise NotImplementedError("initial states or lengths that are computed")
    directions, gate_rows, width_in = at.constants[weights]
    hidden = gate_rows // 4
    axis = 1 if attribute(node, "layout", 0) else 0
    tokens = at.shape(inputs)[axis]
    stream = at.stream(inputs)
    parts = []
    for direction in range(directions):
        label = name if directions == 1 else f"{name}.{direction}"
        gates = at.graph.product(
            f"{label}.gates",
            Matrix(f"{label}.WR", width_in + hidden, 4 * hidden),
            tokens=tokens,
            on_crossbar=True,
        )
        backward = direction == 1 or attribute(node, "direction", "forward") == "reverse"
        at.connect(_turned(at, stream, label) if backward else stream, gates)
        functions = {function: count * hidden for function, count in CELL.items()}
        cell = at.graph.add(Operator(f"{label}.cell", OpKind.LSTM_CELL, tokens, 4 * hidden, hidden, functions))
        at.graph.connect(gates, cell)
        at.graph.connect(cell, gates, pattern=Pattern.PREVIOUS, into=width_in)
        parts.append(Part(cell, 0, hidden))
    _name_results(at, node, name, tuple(parts), tokens)
    at.note(node, name, "crossbar", f"{directions} x {width_in + hidden} x {4 * hidden}, {tokens} steps")


def _turned(at: Importer, stream: Stream, label: str) -> Stream:
    """The sequence in the other order: held until its last token is there."""
    held = at.collect(stream, f"{label}.held")
    again = at.add(Operator(f"{label}.reversed", OpKind.ELEMENTWISE, stream.tokens, 0, stream.values))
    at.graph.connect(held.parts[0].op, again, pattern=Pattern.SEQUENCE)
    return Stream.of(again, stream.tokens, stream.values)


def _name_results(at: Importer, node: Any, name: str, parts: tuple[Part, ...], tokens: int) -> None:
    """All hidden states; the last hidden state and cell state, if somebody takes them."""
    results = [*node.output, "", "", ""][:3]
    if results[0]:
        at.streams[results[0]] = Stream(parts, tokens)
    values = sum(part.stop for part in parts)
    for i, result in enumerate(results[1:]):
        if result:
            last = Operator(f"{name}.last{i}", OpKind.REDUCTION, tokens, values, 0, once_values=values)
            at.connect(Stream(parts, tokens), at.result(result, last).parts[0].op)
