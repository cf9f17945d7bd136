"""Convolution, pooling, padding and resizing: windows that slide over the pixels of a picture."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

from hermes_sim.config.vocabulary import Function
from hermes_sim.workload.builders.conv_net import Pixels, add_window
from hermes_sim.workload.graph import Matrix, Operator, OpKind
from hermes_sim.workload.onnx.sizes import ONE_SAMPLE
from hermes_sim.workload.onnx.tensors import Stream, token_axes

if TYPE_CHECKING:
    from hermes_sim.workload.onnx.tensors import Importer
    from hermes_sim.workload.origin import Node

_NEIGHBOURS = {"nearest": 1, "linear": 2, "cubic": 4}  # pixels along one axis that make one


def conv(at: Importer, node: Node, name: str) -> None:
    """Convolution as a matrix product with a sliding window; grouped ones on digital units."""
    if not at.is_constant(node.inputs[1]):
        raise NotImplementedError("weights that are computed")
    channels_out, channels_in, *kernel = at.shape(node.inputs[1])
    pixels = _check_window(at, node, kernel) // channels_out
    has_bias = node.op_type == "Conv" and len(node.inputs) > 2 and node.inputs[2]
    if has_bias and not at.is_constant(node.inputs[2]):
        raise NotImplementedError("a bias that is computed")
    groups, rows = node.get("group", 1), channels_in * prod(kernel)
    if groups == 1:
        made = at.product(node, name, Matrix(node.inputs[1], rows, channels_out), tokens=pixels)
        outcome, reason = "crossbar", f"{rows} x {channels_out}, {pixels} products"
    else:
        weights = rows * channels_out
        op = Operator(name, OpKind.STATIC_MATMUL, pixels, rows * groups, channels_out, {Function.MAC: weights})
        made = at.add(replace(op, weight_values=weights))
        at.graph.computes(made, node)
        outcome, reason = "digital", f"{groups} groups"
    _slide(at, node, made, kernel)
    at.streams[node.outputs[0]] = Stream.of(made, pixels, channels_out)
    at.note(node, name, outcome, reason)


def pool(at: Importer, node: Node, name: str, function: Function) -> None:
    """Max or average over a sliding window."""
    kernel = node.get("kernel_shape", [])
    channels = (*at.shape(node.outputs[0]), 1, 1)[1]
    pixels, positions = _check_window(at, node, kernel) // channels, prod(kernel)
    functions = {function: (positions - 1) * channels} if positions > 1 else {}
    if function is Function.ADD:
        functions[Function.MUL] = channels
    op = Operator(name, OpKind.POOLING, pixels, positions * channels, channels, functions)
    _slide(at, node, at.result(node, node.outputs[0], op).parts[0].op, kernel)
    at.note(node, name, "digital")


def resize(at: Importer, node: Node, name: str) -> None:
    """Another number of pixels, read from a memory that holds them all: nearest ones, or sums of neighbours."""
    source = node.inputs[0]
    before, after = at.shape(source), at.shape(node.outputs[0])
    if before == after:
        at.view(node, name)
        return
    if not 3 <= len(before) <= 4 or before[:2] != after[:2]:
        raise NotImplementedError(f"{list(before)} made {list(after)}, allowed another number of pixels")
    _one_sample(before)
    mode, sides = node.get("mode", "nearest"), sum(old != new for old, new in zip(before, after, strict=True))
    read = _NEIGHBOURS[mode] ** sides * before[1]
    functions = {} if mode == "nearest" else {Function.MAC: read}
    held = at.collect(at.stream(source), f"{name}.held")
    op = Operator(name, OpKind.POOLING, prod(after[2:]), 0, before[1], functions, weight_values=read)
    at.connect(held, at.result(node, node.outputs[0], op).parts[0].op)
    at.note(node, name, "digital", f"{list(before[2:])} pixels made {list(after[2:])}")


def spread(at: Importer, node: Node, name: str) -> None:
    """ConvTranspose on digital units: every pixel times all weights of its channels, the sums held until all are in."""
    weights = node.inputs[1]
    if not at.is_constant(weights) or any(i in at.streams for i in node.inputs[2:]):
        raise NotImplementedError("weights that are computed")
    shape, after = at.shape(node.inputs[0]), at.shape(node.outputs[0])
    _one_sample(shape)
    if not 3 <= len(shape) <= 4:
        raise NotImplementedError(f"{len(shape) - 2} spatial dimensions")
    source, pixels, macs = _pixels(at, node), prod(after[2:]), at.size(weights)
    tokens = source.height * source.width
    made = -(-pixels * after[1] // tokens)
    op = Operator(name, OpKind.STATIC_MATMUL, tokens, shape[1], made, {Function.MAC: macs}, weight_values=macs)
    spread_out = at.add(op)
    at.graph.computes(spread_out, node)
    at.connect(Stream.of(source.op, tokens, shape[1]), spread_out)
    held = at.collect(Stream.of(spread_out, tokens, made), f"{name}.held")
    again = at.add(Operator(f"{name}.pixels", OpKind.ELEMENTWISE, pixels, 0, after[1]))
    at.connect(held, again)
    at.streams[node.outputs[0]] = Stream.of(again, pixels, after[1])
    at.note(node, name, "digital", f"{tokens * macs:,} multiply-accumulates")


def pad(at: Importer, node: Node, name: str) -> None:
    """Empty pixels around a picture: a window of one pixel; empty tokens or values elsewhere: copies."""
    source = node.inputs[0]
    stream, before, after = at.stream(source), at.shape(source), at.shape(node.outputs[0])
    changed = {i for i, (old, new) in enumerate(zip(before, after, strict=True)) if old != new}
    along = token_axes(before, stream.tokens)
    if any(after[i] < before[i] for i in changed):
        raise NotImplementedError("negative padding")
    if not changed:
        at.view(node, name)
        return
    if changed <= {2, 3} and 3 <= len(before) <= 4 and prod(before[2:]) == stream.tokens:
        _one_sample(before)
        rows, columns = (*after[2:], 1)[:2]
        op = Operator(name, OpKind.POOLING, rows * columns, before[1], before[1])
        made = at.result(node, node.outputs[0], op).parts[0].op
        axes = range(2, len(before))
        above, left = (*(min(_empty_before(at, node, axis), after[axis] - before[axis]) for axis in axes), 0)[:2]
        target = Pixels(made, rows, columns, before[1])
        add_window(at.graph, _pixels(at, node), target, kernel=(1, 1), padding=(above, left))
    else:
        tokens = prod(after[i] for i in along) if changed & along else stream.tokens
        values = -(-prod(after) // tokens)
        op = Operator(name, OpKind.ELEMENTWISE, tokens, stream.values, values)
        at.connect(stream, at.result(node, node.outputs[0], op).parts[0].op)
    at.note(node, name, "digital", "copies into empty space")


def _empty_before(at: Importer, node: Node, axis: int) -> int:
    """Empty rows above a picture, or columns left of it; none if the file does not say."""
    rank = len(at.shape(node.inputs[0]))
    pads = node.get("pads", None)
    if pads is None and len(node.inputs) > 1:
        pads = at.integers(node.inputs[1])
    axes = at.integers(node.inputs[3]) if len(node.inputs) > 3 and node.inputs[3] else None
    order = [axis % rank for axis in axes] if axes else list(range(rank))
    if pads is None or axis not in order:
        return 0
    return max(0, int(pads[order.index(axis)]))


def _two(numbers: list[int]) -> tuple[int, int]:
    """Rows and columns of a window; a sequence has rows of one."""
    return numbers[0], numbers[1] if len(numbers) > 1 else 1


def _one_sample(shape: tuple[int, ...]) -> None:
    if shape[0] != 1:
        raise NotImplementedError(f"a batch of {shape[0]}, allowed {ONE_SAMPLE}")


def _check_window(at: Importer, node: Node, kernel: list[int]) -> int:
    """Values that a window makes of its pictures.

    Raises    NotImplementedError  for a window that does not fit them
    """
    shape_in, shape_out = at.shape(node.inputs[0]), at.shape(node.outputs[0])
    if not kernel or len(shape_in) != len(kernel) + 2 or len(shape_out) != len(shape_in):
        raise NotImplementedError(f"a window of {len(kernel)} dimensions over {list(shape_in)}")
    return prod(shape_out)


def _slide(at: Importer, node: Node, made: str, kernel: list[int]) -> None:
    """Let an operator slide over the first input: row by row, or several pictures, or deep ones, from a memory."""
    shape, after, n = at.shape(node.inputs[0]), at.shape(node.outputs[0]), len(kernel)
    target = at.graph.operator(made)
    if shape[0] != 1 or n > 2:
        held = at.collect(at.stream(node.inputs[0]), f"{made}.held")
        windows = at.add(Operator(f"{made}.windows", OpKind.ELEMENTWISE, target.tokens, 0, target.in_values))
        at.connect(held, windows)
        at.graph.connect(windows, made)
        return
    strides, dilations = node.get("strides", [1] * n), node.get("dilations", [1] * n)
    pads = node.get("pads", [0] * 2 * n)
    if node.get("auto_pad", "NOTSET") not in {"NOTSET", "VALID"}:
        sizes = zip(shape[2:], after[2:], kernel, strides, dilations, strict=True)
        spare = [max(0, (n_out - 1) * step + (k - 1) * apart + 1 - n_in) for n_in, n_out, k, step, apart in sizes]
        pads = [-(-size // 2) if node.get("auto_pad", "") == "SAME_LOWER" else size // 2 for size in spare]
    rows, columns = (*after[2:], 1)[:2]
    add_window(
        at.graph,
        _pixels(at, node),
        Pixels(made, rows, columns, target.out_values),
        kernel=_two(kernel),
        stride=_two(strides),
        padding=(max(0, pads[0]), max(0, pads[1]) if n > 1 else 0),
        dilation=_two(dilations),
    )


def _pixels(at: Importer, node: Node) -> Pixels:
    """The first input as a picture, gathered into pixels if it comes otherwise."""
    shape, stream = at.shape(node.inputs[0]), at.stream(node.inputs[0])
    rows, columns = (*shape[2:], 1)[:2]
    pixels = rows * columns
    if stream.once or stream.tokens != pixels or len(stream.parts) > 1 or stream.parts[0].start:
        gathered = at.add(Operator(f"{node.outputs[0]}.pixels", OpKind.ELEMENTWISE, pixels, 0, shape[1]))
        at.connect(stream, gathered)
        stream = Stream.of(gathered, pixels, shape[1])
    return Pixels(stream.parts[0].op, rows, columns, shape[1])
