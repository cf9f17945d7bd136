"""LSTM nodes: gates on crossbars, cells on digital units, hidden state fed back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes_sim.workload.builders.lstm import CELL
from hermes_sim.workload.graph import Matrix, Operator, OpKind, Pattern
from hermes_sim.workload.onnx.sizes import ONE_SAMPLE
from hermes_sim.workload.onnx.tensors import Part, Stream

if TYPE_CHECKING:
    from hermes_sim.workload.onnx.tensors import Importer
    from hermes_sim.workload.origin import Node


def lstm(at: Importer, node: Node, name: str) -> None:
    """One or two directions; the backward one starts when the whole sequence is there."""
    inputs, weights, recurrent = node.inputs[:3]
    if not at.is_constant(weights) or not at.is_constant(recurrent):
        raise NotImplementedError("weights that are computed")
    if any(i in at.streams for i in node.inputs[3:]):
        raise NotImplementedError("initial states or lengths that are computed")
    directions, gate_rows, width_in = at.shape(weights)
    hidden = gate_rows // 4
    axis, shape = (1 if node.get("layout", 0) else 0), at.shape(inputs)
    if len(shape) != 3:
        raise NotImplementedError(f"a sequence of shape {list(shape)}")
    tokens, samples = shape[axis], shape[1 - axis]
    if samples != 1:
        raise NotImplementedError(f"a batch of {samples}, allowed {ONE_SAMPLE}")
    stream = at.stream(inputs)
    if stream.tokens * stream.values != tokens * width_in:
        raise NotImplementedError(f"{stream.tokens * stream.values} values for {tokens} steps of {width_in}")
    parts = []
    for direction in range(directions):
        label = name if directions == 1 else f"{name}.{direction}"
        matrix = Matrix(f"{label}.WR", width_in + hidden, 4 * hidden)
        gates = at.product(node, f"{label}.gates", matrix, tokens=tokens)
        backward = direction == 1 or node.get("direction", "forward") == "reverse"
        at.connect(_turned(at, stream, label) if backward else stream, gates)
        functions = {function: count * hidden for function, count in CELL.items()}
        cell = at.add(Operator(f"{label}.cell", OpKind.LSTM_CELL, tokens, 4 * hidden, hidden, functions))
        at.graph.computes(cell, node)
        at.graph.connect(gates, cell)
        at.graph.connect(cell, gates, pattern=Pattern.PREVIOUS, into=width_in)
        parts.append(Part(cell, 0, hidden))
    _name_results(at, node, name, tuple(parts), tokens)
    at.note(node, name, "crossbar", f"{directions} x {width_in + hidden} x {4 * hidden}, {tokens} steps")


def _turned(at: Importer, stream: Stream, label: str) -> Stream:
    """The sequence in the other order: held until its last token is there."""
    held = at.collect(stream, f"{label}.held")
    again = at.add(Operator(f"{label}.reversed", OpKind.ELEMENTWISE, stream.tokens, 0, stream.values))
    at.connect(held, again)
    return Stream.of(again, stream.tokens, stream.values)


def _name_results(at: Importer, node: Node, name: str, parts: tuple[Part, ...], tokens: int) -> None:
    """All hidden states; the last hidden state and cell state, if somebody takes them."""
    results = [*node.outputs, "", "", ""][:3]
    if results[0]:
        at.streams[results[0]] = Stream(parts, tokens)
    values = sum(part.stop for part in parts)
    for i, result in enumerate(results[1:]):
        if result:
            last = Operator(f"{name}.last{i}", OpKind.REDUCTION, tokens, values, 0, once_values=values)
            at.connect(Stream(parts, tokens), at.result(node, result, last).parts[0].op)
