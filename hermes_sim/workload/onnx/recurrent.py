"""LSTM, GRU and plain recurrent nodes: gates on crossbars, cells on digital units, hidden state fed back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hermes_sim.config.vocabulary import Function
from hermes_sim.workload.builders.lstm import CELL
from hermes_sim.workload.graph import Matrix, Operator, OpKind, Pattern
from hermes_sim.workload.onnx.sizes import ONE_SAMPLE
from hermes_sim.workload.onnx.tensors import Part, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hermes_sim.workload.onnx.tensors import Importer
    from hermes_sim.workload.origin import Node

_GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
# per hidden unit of a GRU: sums of both products, sigmoid of two gates, r * n, tanh, (1 - z) * n + z * h
_GRU_CELL = {Function.ADD: 5, Function.SIGMOID: 2, Function.MUL: 3, Function.TANH: 1}
# the same in two steps: gates and r * h; candidate and blend
_GRU_RESET = {Function.ADD: 2, Function.SIGMOID: 2, Function.MUL: 1}
_GRU_BLEND = {Function.ADD: 3, Function.TANH: 1, Function.MUL: 2}


def lstm(at: Importer, node: Node, name: str) -> None:
    """One or two directions; the backward one starts when the whole sequence is there."""
    _recurrent(at, node, name, _lstm_direction)


def gru(at: Importer, node: Node, name: str) -> None:
    """As an LSTM, but the input and the hidden state have a matrix each, since the reset gate acts on one alone.

    With `linear_before_reset` 1 that of the hidden state makes all three gates. Else the candidate's share waits for
    the reset gate: two products in each step, one after the other.
    """
    _recurrent(at, node, name, _gru_direction if node.get("linear_before_reset", 0) else _gru_reset_first)


def rnn(at: Importer, node: Node, name: str) -> None:
    """As an LSTM, with one sum and one function per hidden unit."""
    _recurrent(at, node, name, _rnn_direction)


def _recurrent(
    at: Importer, node: Node, name: str, add_direction: Callable[[Importer, Node, str, _Recurrence], str]
) -> None:
    layer, stream = _layer(at, node)
    parts = []
    for direction in range(layer.directions):
        label = name if layer.directions == 1 else f"{name}.{direction}"
        label += at.graph.free(f"{label}.cell").removeprefix(f"{label}.cell")  # a file may use a name twice
        backward = direction == 1 or node.get("direction", "forward") == "reverse"
        source = _turned(at, stream, label) if backward else stream
        cell = add_direction(at, node, label, replace(layer, source=source))
        parts.append(Part(cell, 0, layer.hidden))
    _name_results(at, node, name, tuple(parts), layer.steps)
    rows, columns = layer.inputs + layer.hidden, at.shape(node.inputs[1])[1]
    at.note(node, name, "crossbar", f"{layer.directions} x {rows} x {columns}, {layer.steps} steps")


@dataclass(frozen=True)
class _Recurrence:
    """Sizes of a recurrent layer, and the sequence that goes in."""

    directions: int
    steps: int
    inputs: int
    hidden: int
    source: Stream


def _layer(at: Importer, node: Node) -> tuple[_Recurrence, Stream]:
    inputs, weights, recurrent = node.inputs[:3]
    if not at.is_constant(weights) or not at.is_constant(recurrent):
        raise NotImplementedError("weights that are computed")
    if any(i in at.streams for i in node.inputs[3:]):
        raise NotImplementedError("initial states or lengths that are computed")
    directions, gate_rows, width_in = at.shape(weights)
    axis, shape = (1 if node.get("layout", 0) else 0), at.shape(inputs)
    if len(shape) != 3:
        raise NotImplementedError(f"a sequence of shape {list(shape)}")
    tokens, samples = shape[axis], shape[1 - axis]
    if samples != 1:
        raise NotImplementedError(f"a batch of {samples}, allowed {ONE_SAMPLE}")
    stream = at.stream(inputs)
    if stream.tokens * stream.values != tokens * width_in:
        raise NotImplementedError(f"{stream.tokens * stream.values} values for {tokens} steps of {width_in}")
    return _Recurrence(directions, tokens, width_in, gate_rows // _GATES[node.op_type], stream), stream


def _lstm_direction(at: Importer, node: Node, label: str, layer: _Recurrence) -> str:
    """All gates in one product of the input beside the last hidden state."""
    hidden = layer.hidden
    matrix = Matrix(f"{label}.WR", layer.inputs + hidden, 4 * hidden)
    gates = at.product(node, f"{label}.gates", matrix, tokens=layer.steps)
    at.connect(layer.source, gates)
    cell = _cell(at, node, label, layer, 4 * hidden, CELL)
    at.graph.connect(gates, cell)
    at.graph.connect(cell, gates, pattern=Pattern.PREVIOUS, into=layer.inputs)
    return cell


def _rnn_direction(at: Importer, node: Node, label: str, layer: _Recurrence) -> str:
    """The product of the input beside the last hidden state, and the function of it."""
    hidden = layer.hidden
    made = at.product(node, f"{label}.sums", Matrix(f"{label}.WR", layer.inputs + hidden, hidden), tokens=layer.steps)
    at.connect(layer.source, made)
    function = Function.COMPARE if "Relu" in (node.get("activations", None) or []) else Function.TANH
    cell = _cell(at, node, label, layer, hidden, {function: 1}, kind=OpKind.NONLINEAR)
    at.graph.connect(made, cell)
    at.graph.connect(cell, made, pattern=Pattern.PREVIOUS, into=layer.inputs)
    return cell


def _gru_direction(at: Importer, node: Node, label: str, layer: _Recurrence) -> str:
    """Gates and candidate of the input, and of the last hidden state; reset gate behind the product."""
    hidden = layer.hidden
    inputs = _product(at, node, f"{label}.W", layer.steps, layer.inputs, 3 * hidden)
    state = _product(at, node, f"{label}.R", layer.steps, hidden, 3 * hidden)
    at.connect(layer.source, inputs)
    cell = _cell(at, node, label, layer, 6 * hidden, _GRU_CELL)
    at.graph.connect(inputs, cell)
    at.graph.connect(state, cell, into=3 * hidden)
    at.graph.connect(cell, state, pattern=Pattern.PREVIOUS)
    return cell


def _gru_reset_first(at: Importer, node: Node, label: str, layer: _Recurrence) -> str:
    """Gates first; then the candidate, from a hidden state that the reset gate has been at."""
    hidden = layer.hidden
    inputs = _product(at, node, f"{label}.W", layer.steps, layer.inputs, 3 * hidden)
    gates = _product(at, node, f"{label}.R.gates", layer.steps, hidden, 2 * hidden)
    candidate = _product(at, node, f"{label}.R.candidate", layer.steps, hidden, hidden)
    at.connect(layer.source, inputs)
    functions = {function: count * hidden for function, count in _GRU_RESET.items()}
    reset = at.add(Operator(f"{label}.reset", OpKind.NONLINEAR, layer.steps, 5 * hidden, 2 * hidden, functions))
    at.graph.computes(reset, node)
    at.graph.connect(inputs, reset, values=(0, 2 * hidden))
    at.graph.connect(gates, reset, into=2 * hidden)
    at.graph.connect(reset, candidate, values=(hidden, 2 * hidden))
    cell = _cell(at, node, label, layer, 3 * hidden, _GRU_BLEND)
    at.graph.connect(inputs, cell, values=(2 * hidden, 3 * hidden))
    at.graph.connect(candidate, cell, into=hidden)
    at.graph.connect(reset, cell, values=(0, hidden), into=2 * hidden)
    at.graph.connect(cell, gates, pattern=Pattern.PREVIOUS)
    at.graph.connect(cell, reset, pattern=Pattern.PREVIOUS, into=4 * hidden)
    return cell


def _product(at: Importer, node: Node, name: str, tokens: int, rows: int, columns: int) -> str:
    return at.product(node, f"{name}.product", Matrix(name, rows, columns), tokens=tokens)


def _cell(
    at: Importer,
    node: Node,
    label: str,
    layer: _Recurrence,
    in_values: int,
    functions: Mapping[Function, int],
    *,
    kind: OpKind = OpKind.LSTM_CELL,
) -> str:
    counts = {function: count * layer.hidden for function, count in functions.items()}
    op = Operator(f"{label}.cell", kind, layer.steps, in_values, layer.hidden, counts)
    cell = at.add(op)
    at.graph.computes(cell, node)
    return cell


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
