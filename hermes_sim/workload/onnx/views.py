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
        _look_up(at, node, name)
    else:
        select(at, node, name)


def _look_up(at: Importer, node: Node, name: str) -> None:
    """Entries of a constant table at computed places."""
    stream = at.stream(node.inputs[1])
    width = -(-at.size(node.outputs[0]) // stream.tokens)
    op = Operator(name, OpKind.EMBEDDING, stream.tokens, 1, width, weight_values=width)
    at.connect(stream, at.result(node, node.outputs[0], op).parts[0].op)
    at.note(node, name, "digital", "embedding, off chip")


def select(at: Importer, node: Node, name: str) -> None:
    """Part of a tensor: values of every token cost nothing, one token counts at the end, several are read again."""
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
        _one_token(at, node, name, node.outputs[0])
        at.note(node, name, "digital", "selection of one token")
    else:
        read_again(at, node, name, node.outputs[0])
        at.note(node, name, "digital", "selection of several tokens")


def _one_token(at: Importer, node: Node, name: str, output: str) -> None:
    """What one token has, or a part of it, once all have come by."""
    stream = at.stream(node.inputs[0])
    op = Operator(name, OpKind.REDUCTION, stream.tokens, stream.values, 0, once_values=at.size(output))
    at.connect(stream, at.result(node, output, op).parts[0].op)


def move(at: Importer, node: Node, name: str) -> None:
    """Values put where computed or constant indices say: read again from memories that hold all of the inputs."""
    if at.is_constant(node.inputs[0]) and len(node.inputs) == 2:
        _look_up(at, node, name)
        return
    constants = at.size(node.inputs[0]) if at.is_constant(node.inputs[0]) else 0
    read_again(at, node, name, node.outputs[0], constants=constants)
    at.note(node, name, "digital", "values in another order")


def read_again(at: Importer, node: Node, name: str, output: str, *, constants: int = 0) -> None:
    """Tokens of a tensor from memories that hold all computed inputs, which are in before the first is read.

    The tokens have as many values as those of the first input, or as the last axis has. `constants` of the values are.
    """
    sources = [at.streams[i] for i in node.inputs if i in at.streams]
    values, left = sources[0].values, at.size(output)
    if sources[0].once or left % values:
        values = (at.shape(output) or (1,))[-1]
    tokens = left // values
    held = [at.whole(stream, f"{name}.held{i}") for i, stream in enumerate(sources)]
    op = Operator(name, OpKind.ELEMENTWISE, tokens, 0, values, weight_values=-(-constants // tokens))
    made = at.result(node, output, op).parts[0].op
    for stream in held:
        at.connect(stream, made)


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
    behind = prod(shape[i] for i in range(axis + 1, len(shape)) if i not in along)
    return int(max(0, first) * (behind if along else max(1, behind // at.stream(node.inputs[0]).tokens)))


def split(at: Importer, node: Node, name: str) -> None:
    """Ranges of the values of every token; or one token each; or several each, from a memory that holds them all."""
    source = node.inputs[0]
    stream, start = at.stream(source), 0
    outputs = [output for output in node.outputs if output]
    along = token_axes(at.shape(source), stream.tokens)
    if node.get("axis", 0) % max(1, len(at.shape(source))) in along or any(at.size(i) % stream.tokens for i in outputs):
        for i, output in enumerate(outputs):
            made = _one_token if at.size(output) <= stream.values else read_again
            made(at, node, f"{name}.{i}", output)
        at.note(node, name, "digital", "a split of the tokens")
        return
    for output in outputs:
        values = at.size(output) // stream.tokens
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
    first, shape = inputs[0], at.shape(next(i for i in names if i in at.streams))
    beside = first.once or node.get("axis", 0) % max(1, len(shape)) not in token_axes(shape, first.tokens)
    alike = beside and all((stream.tokens, stream.once) == (first.tokens, first.once) for stream in inputs)
    constants = sum(at.size(i) for i in names if i not in at.streams)
    if alike and not constants:
        parts = tuple(part for stream in inputs for part in stream.parts)
        at.streams[node.outputs[0]] = Stream(parts, first.tokens, first.once)
        at.note(node, name, "view")
    elif alike and not first.once and at.size(node.outputs[0]) % first.tokens == 0:
        values = at.size(node.outputs[0]) // first.tokens
        read = -(-constants // first.tokens)
        at.digital(node, name, OpKind.ELEMENTWISE, {}, out_values=values, weight_values=read, reason="constants beside")
    else:
        read_again(at, node, name, node.outputs[0], constants=constants)
        at.note(node, name, "digital", "tokens of several tensors one after the other")


def expand(at: Importer, node: Node, name: str) -> None:
    """Copies of values, or of a tensor that has one token."""
    stream, total = at.stream(node.inputs[0]), at.size(node.outputs[0])
    if total == at.size(node.inputs[0]):
        at.view(node, name)
        return
    if total % stream.tokens:
        read_again(at, node, name, node.outputs[0])
    else:
        op = Operator(name, OpKind.ELEMENTWISE, stream.tokens, stream.values, total // stream.tokens)
        at.connect(stream, at.result(node, node.outputs[0], op).parts[0].op)
    at.note(node, name, "digital", "copies")
