"""Nodes that rename, reorder, cut or copy values and compute nothing."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from hermes_sim.workload.graph import Operator, OpKind
from hermes_sim.workload.onnx.tensors import Stream, token_axes

if TYPE_CHECKING:
    from hermes_sim.workload.onnx.tensors import Importer
    from hermes_sim.workload.origin import Node


def view(at: Importer, node: Node, name: str) -> None:
    """Same values, other shape or order."""
    source = node.inputs[0]
    at.stream(source)
    if at.is_known(source) and at.is_known(node.outputs[0]):
        before, after = at.shape(source), at.shape(node.outputs[0])
        if prod(before) != prod(after):
            raise NotImplementedError(f"{list(before)} made {list(after)}: the file fixes sizes that its input has not")
    at.view(node, name)


def gather(at: Importer, node: Node, name: str) -> None:
    """Rows of a table: an embedding; one token of a sequence: a selection."""
    table, picked = node.inputs[0], node.inputs[1]
    if at.is_constant(table) and picked in at.streams:
        stream = at.streams[picked]
        width = -(-at.size(node.outputs[0]) // stream.tokens)
        op = Operator(name, OpKind.EMBEDDING, stream.tokens, 1, width, weight_values=width)
        at.connect(stream, at.result(node, node.outputs[0], op).parts[0].op)
        at.note(node, name, "digital", "embedding, off chip")
        return
    select(at, node, name)


def select(at: Importer, node: Node, name: str) -> None:
    """Part of a tensor: values of every token cost nothing, some of the tokens count at the end."""
    source = node.inputs[0]
    stream, shape, left = at.stream(source), at.shape(source), at.size(node.outputs[0])
    changed = _changed_axes(at, node)
    along = token_axes(shape, stream.tokens)
    of_tokens = bool(along & changed) if along else left % stream.tokens != 0
    if left == prod(shape):
        at.view(node, name)
    elif not of_tokens and left % stream.tokens == 0 and left // stream.tokens <= stream.values:
        values = left // stream.tokens
        start = _offset(at, node, changed, along)
        start = start if start + values <= stream.values else 0
        at.streams[node.outputs[0]] = stream.cut(start, start + values)
        at.note(node, name, "view")
    elif left <= stream.values:
        op = Operator(name, OpKind.REDUCTION, stream.tokens, stream.values, 0, once_values=left)
        at.connect(stream, at.result(node, node.outputs[0], op).parts[0].op)
        at.note(node, name, "digital", "selection of one token")
    else:
        raise NotImplementedError("a selection of several tokens")


def _changed_axes(at: Importer, node: Node) -> set[int]:
    """Axes that a Slice or Gather takes part of."""
    shape = at.shape(node.inputs[0])
    if node.op_type == "Gather":
        return {node.get("axis", 0) % len(shape)} if shape else set()
    after = at.shape(node.outputs[0])
    return {i for i, (old, new) in enumerate(zip(shape, after, strict=True)) if old != new}


def _offset(at: Importer, node: Node, changed: set[int], along: frozenset[int]) -> int:
    """First value of every token that is taken, if it is known and the values lie side by side; else the first."""
    shape = at.shape(node.inputs[0])
    if len(changed) != 1:
        return 0
    axis = next(iter(changed))
    if node.op_type == "Gather":
        starts = at.integers(node.inputs[1])
    else:
        starts = at.integers(node.inputs[1]) if len(node.inputs) > 1 else node.get("starts", None)
    if starts is None or len(starts) != 1 or prod(shape[i] for i in range(axis) if i not in along) != 1:
        return 0
    first = starts[0] + shape[axis] if starts[0] < 0 else starts[0]
    return int(max(0, first) * prod(shape[i] for i in range(axis + 1, len(shape)) if i not in along))


def split(at: Importer, node: Node, name: str) -> None:
    """Ranges of the values of every token."""
    stream, start = at.stream(node.inputs[0]), 0
    shape = at.shape(node.inputs[0])
    if stream.once or node.get("axis", 0) % max(1, len(shape)) in token_axes(shape, stream.tokens):
        raise NotImplementedError("a split of the tokens")
    for output in filter(None, node.outputs):
        values, rest = divmod(at.size(output), stream.tokens)
        if rest or start + values > stream.values:
            raise NotImplementedError("a split of the tokens")
        at.streams[output] = stream.cut(start, start + values)
        start += values
    at.note(node, name, "view")


def concat(at: Importer, node: Node, name: str) -> None:
    """Values of several tensors side by side; or their tokens one after the other, from a memory that holds them."""
    names = [i for i in node.inputs if i]
    inputs = [at.streams[i] for i in names if i in at.streams]
    if len(names) == 1:
        at.view(node, name)
        return
    axis, shape = node.get("axis", 0), at.shape(names[0])
    alike = len({(stream.tokens, stream.once) for stream in inputs}) == 1 and len(inputs) == len(names)
    if alike and (inputs[0].once or axis % max(1, len(shape)) not in token_axes(shape, inputs[0].tokens)):
        parts = tuple(part for stream in inputs for part in stream.parts)
        at.streams[node.outputs[0]] = Stream(parts, inputs[0].tokens, inputs[0].once)
        at.note(node, name, "view")
    elif all(at.shape(i)[axis] == at.streams[i].tokens for i in names if i in at.streams):
        _in_a_row(at, node, name, inputs)
    else:
        raise NotImplementedError("tensors of unequal tokens, or constants among them")


def _in_a_row(at: Importer, node: Node, name: str, inputs: list[Stream]) -> None:
    """Tokens of computed tensors and of constants, all of as many values: the class token of a vision transformer."""
    values = inputs[0].values
    tokens, rest = divmod(at.size(node.outputs[0]), values)
    if rest or any(stream.values != values or stream.once for stream in inputs):
        raise NotImplementedError("tokens of unequal values one after the other")
    constants = tokens - sum(stream.tokens for stream in inputs)
    read = -(-constants * values // tokens)
    op = Operator(name, OpKind.ELEMENTWISE, tokens, 0, values, weight_values=read)
    held = [at.collect(stream, f"{name}.held{i}") for i, stream in enumerate(inputs)]
    made = at.result(node, node.outputs[0], op).parts[0].op
    for stream in held:
        at.connect(stream, made)
    at.note(node, name, "digital", "tokens of several tensors one after the other")


def expand(at: Importer, node: Node, name: str) -> None:
    """Copies of values, or of a tensor that has one token."""
    stream, total = at.stream(node.inputs[0]), at.size(node.outputs[0])
    if total == at.size(node.inputs[0]):
        at.view(node, name)
        return
    if total % stream.tokens:
        raise NotImplementedError("copies of some tokens")
    op = Operator(name, OpKind.ELEMENTWISE, stream.tokens, stream.values, total // stream.tokens)
    at.connect(stream, at.result(node, node.outputs[0], op).parts[0].op)
    at.note(node, name, "digital", "copies")
