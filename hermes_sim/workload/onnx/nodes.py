"""One handler per ONNX operator. A handler that cannot do a node raises NotImplementedError with the reason."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from hermes_sim.functions import Function
from hermes_sim.workload.builders.conv_net import Picture, add_window
from hermes_sim.workload.graph import Matrix, Operator, OpKind
from hermes_sim.workload.onnx.recurrent import lstm
from hermes_sim.workload.onnx.tensors import Stream, attribute

if TYPE_CHECKING:
    from collections.abc import Callable

    from hermes_sim.workload.onnx.tensors import Importer


def _tensor_values(at: Importer, node: Any) -> tuple[int, int]:
    """Tokens of the longest computed input, and values per token of the result."""
    tokens = max(at.streams[i].tokens for i in node.input if i in at.streams)
    return tokens, -(-at.size(node.output[0]) // tokens)


def dense(at: Importer, node: Any, name: str) -> None:
    """MatMul or Gemm with constant weights: a matrix on the crossbars; of two computed tensors: digital."""
    left, right = node.input[0], node.input[1]
    if right not in at.constants:
        if left in at.constants:
            raise NotImplementedError("constant weights on the left of a computed matrix")
        attend(at, node, name)
        return
    shape = at.constants[right]
    if len(shape) != 2:
        raise NotImplementedError(f"weights of shape {list(shape)}")
    rows, columns = reversed(shape) if attribute(node, "transB", 0) else shape
    if attribute(node, "transA", 0):
        raise NotImplementedError("transA")
    tokens = at.size(left) // rows
    matrix = Matrix(right, rows, columns)
    product = at.graph.product(name, matrix, tokens=tokens, on_crossbar=True)
    at.connect(at.stream(left), product)
    at.streams[node.output[0]] = Stream.of(product, tokens, columns)
    at.note(node, name, "crossbar", f"{rows} x {columns}, {tokens} products")


def attend(at: Importer, node: Any, name: str) -> None:
    """Product of two computed tensors: every token of the left one meets all of the right one, which is held."""
    left, right = node.input[0], node.input[1]
    k, n = at.shape(left)[-1], at.shape(right)[-1]
    macs = at.size(node.output[0]) * k
    stream = at.stream(left)
    m = at.shape(left)[-2]
    tokens = stream.tokens if stream.tokens % m == 0 or m % stream.tokens == 0 else m
    held = at.collect(at.stream(right), f"{name}.held")
    op = Operator(
        name,
        OpKind.DYNAMIC_MATMUL,
        tokens,
        at.size(left) // tokens,
        at.size(node.output[0]) // tokens,
        {Function.MAC: macs // tokens},
        weight_values=at.size(right),
    )
    made = at.result(node.output[0], op).parts[0].op
    at.connect(stream, made)
    at.connect(held, made, into=op.in_values)
    at.note(node, name, "digital", f"{macs:,} multiply-accumulates, {n} columns")


def conv(at: Importer, node: Any, name: str) -> None:
    """Convolution as a matrix product with a sliding window; grouped ones on digital units."""
    channels_out, channels_in, *kernel = at.constants.get(node.input[1], ())
    if not kernel:
        raise NotImplementedError("weights that are computed")
    source, target, stride, pads = _geometry(at, node, kernel, channels_out)
    groups = attribute(node, "group", 1)
    positions = at.product(kernel)
    rows = channels_in * positions
    if groups == 1:
        at.graph.product(name, Matrix(node.input[1], rows, channels_out), tokens=target.pixels, on_crossbar=True)
        outcome, reason = "crossbar", f"{rows} x {channels_out}, {target.pixels} products"
    else:
        at.graph.add(
            Operator(
                name,
                OpKind.STATIC_MATMUL,
                target.pixels,
                rows * groups,
                channels_out,
                {Function.MAC: rows * channels_out},
                weight_values=rows * channels_out,
            )
        )
        outcome, reason = "digital", f"{groups} groups"
    add_window(at.graph, source, replace(target, op=name), kernel=_two(kernel), stride=stride, padding=pads)
    at.streams[node.output[0]] = Stream.of(name, target.pixels, channels_out)
    at.note(node, name, outcome, reason)


def pool(at: Importer, node: Any, name: str, function: Function) -> None:
    """Max or average over a sliding window."""
    kernel = attribute(node, "kernel_shape", [])
    channels = at.shape(node.output[0])[1]
    source, target, stride, pads = _geometry(at, node, kernel, channels)
    positions = at.product(kernel)
    functions = {function: (positions - 1) * channels}
    if function is Function.ADD:
        functions[Function.MUL] = channels
    at.graph.add(Operator(name, OpKind.POOLING, target.pixels, positions * channels, channels, functions))
    add_window(at.graph, source, replace(target, op=name), kernel=_two(kernel), stride=stride, padding=pads)
    at.streams[node.output[0]] = Stream.of(name, target.pixels, channels)
    at.note(node, name, "digital")


def _two(kernel: list[int]) -> tuple[int, int]:
    """Rows and columns of a window; a sequence has rows of one."""
    return kernel[0], kernel[1] if len(kernel) > 1 else 1


def _geometry(at: Importer, node: Any, kernel: list[int], channels_out: int) -> tuple[Picture, Picture, int, int]:
    """Picture before and after, stride and padding of the rows."""
    if len(kernel) not in {1, 2}:
        raise NotImplementedError(f"{len(kernel)} spatial dimensions")
    if any(d != 1 for d in attribute(node, "dilations", [1])):
        raise NotImplementedError("dilation")
    strides = attribute(node, "strides", [1] * len(kernel))
    if len(set(strides)) > 1:
        raise NotImplementedError(f"strides {strides}")
    shape_in, shape_out = at.shape(node.input[0]), at.shape(node.output[0])
    rows_in, columns_in = (*shape_in[2:], 1)[:2]
    rows_out, columns_out = (*shape_out[2:], 1)[:2]
    pads = attribute(node, "pads", [0] * 2 * len(kernel))
    if attribute(node, "auto_pad", "NOTSET") not in {"NOTSET", "VALID"}:
        pads = [((rows_out - 1) * strides[0] + kernel[0] - rows_in) // 2]
    stream = at.stream(node.input[0])
    pixels = rows_in * columns_in
    if stream.once or stream.tokens != pixels or len(stream.parts) > 1 or stream.parts[0].start:
        gathered = at.add(Operator(f"{node.output[0]}.pixels", OpKind.ELEMENTWISE, pixels, 0, shape_in[1]))
        at.connect(stream, gathered)
        stream = Stream.of(gathered, pixels, shape_in[1])
    source = Picture(stream.parts[0].op, rows_in, columns_in, shape_in[1])
    return source, Picture("", rows_out, columns_out, channels_out), strides[0], max(0, pads[0])


def pool_all(at: Importer, node: Any, name: str, function: Function) -> None:
    """Over all tokens: one vector at the end."""
    stream = at.stream(node.input[0])
    values = at.size(node.output[0])
    op = Operator(name, OpKind.POOLING, stream.tokens, stream.values, 0, {function: stream.values}, once_values=values)
    at.connect(stream, at.result(node.output[0], op).parts[0].op)
    at.note(node, name, "digital")


def reduce_(at: Importer, node: Any, name: str, function: Function) -> None:
    """Reduction over the values of each token, or over the tokens."""
    stream = at.stream(node.input[0])
    total, left = at.size(node.input[0]), at.size(node.output[0])
    if (left % stream.tokens == 0 and stream.tokens > 1) or stream.tokens == 1:
        at.digital(
            node, name, OpKind.REDUCTION, {function: total // stream.tokens}, out_values=max(1, left // stream.tokens)
        )
    else:
        pool_all(at, node, name, function)


def elementwise(at: Importer, node: Any, name: str, functions: dict[Function, int]) -> None:
    """The same functions on every value; a constant added to a product on the crossbars is the LDPU's offset."""
    computed = [i for i in node.input if i in at.streams]
    if node.op_type in {"Add", "Sub"} and len(computed) == 1 and _is_fresh_product(at, computed[0]):
        at.streams[node.output[0]] = at.streams[computed[0]]
        at.note(node, name, "folded", "bias in the LDPU")
        return
    _, values = _tensor_values(at, node)
    counts = {function: count * values for function, count in functions.items()}
    kind = OpKind.ELEMENTWISE if set(functions) <= {Function.ADD, Function.MUL, Function.DIV} else OpKind.NONLINEAR
    at.digital(node, name, kind, counts, out_values=values)


def batch_norm(at: Importer, node: Any, name: str) -> None:
    """Scale and offset per channel: the LDPU's behind a product on the crossbars."""
    if _is_fresh_product(at, node.input[0]):
        at.streams[node.output[0]] = at.streams[node.input[0]]
        at.note(node, name, "folded", "scale and offset in the LDPU")
        return
    _, values = _tensor_values(at, node)
    at.digital(node, name, OpKind.NORMALISATION, {Function.MAC: values}, out_values=values)


def _is_fresh_product(at: Importer, tensor: str) -> bool:
    """Whether a tensor is the result of a product on the crossbars that nobody else takes."""
    stream = at.streams[tensor]
    op = at.graph.operator(stream.parts[0].op)
    return op.on_crossbar and len(stream.parts) == 1 and len(at.takers.get(tensor, ())) == 1


def layer_norm(at: Importer, node: Any, name: str) -> None:
    """Mean and mean square, then scale and shift."""
    _, values = _tensor_values(at, node)
    functions = {Function.ADD: values, Function.MAC: 2 * values, Function.RSQRT: 1}
    at.digital(node, name, OpKind.NORMALISATION, functions, out_values=values, weight_values=2 * values)


def softmax(at: Importer, node: Any, name: str) -> None:
    """Largest value, exponentials, sum, one division per row, products."""
    tokens, values = _tensor_values(at, node)
    rows = max(1, at.size(node.output[0]) // at.shape(node.output[0])[-1] // tokens)
    functions = {
        Function.COMPARE: values,
        Function.EXP: values,
        Function.ADD: 2 * values,
        Function.DIV: rows,
        Function.MUL: values,
    }
    at.digital(node, name, OpKind.NONLINEAR, functions, out_values=values)


def gather(at: Importer, node: Any, name: str) -> None:
    """Rows of a table: an embedding; one token of a sequence: a selection."""
    table, picked = node.input[0], node.input[1]
    if table in at.constants and picked in at.streams:
        stream = at.streams[picked]
        width = at.size(node.output[0]) // stream.tokens
        op = Operator(name, OpKind.EMBEDDING, stream.tokens, 1, width, weight_values=width)
        at.connect(stream, at.result(node.output[0], op).parts[0].op)
        at.note(node, name, "digital", "embedding, off chip")
        return
    select(at, node, name)


def select(at: Importer, node: Any, name: str) -> None:
    """Part of a tensor: values of every token cost nothing, some of the tokens count at the end."""
    stream, left = at.stream(node.input[0]), at.size(node.output[0])
    if left == at.size(node.input[0]):
        at.view(node, name)
    elif left % stream.tokens == 0 and stream.tokens > 1:
        values = left // stream.tokens
        at.streams[node.output[0]] = Stream(_cut(stream, 0, values), stream.tokens)
        at.note(node, name, "view")
    elif left <= stream.values:
        op = Operator(name, OpKind.REDUCTION, stream.tokens, stream.values, 0, once_values=left)
        at.connect(stream, at.result(node.output[0], op).parts[0].op)
        at.note(node, name, "digital", "selection of one token")
    else:
        raise NotImplementedError("a selection of several tokens")


def split(at: Importer, node: Any, name: str) -> None:
    """Ranges of the values of every token."""
    stream, start = at.stream(node.input[0]), 0
    for output in node.output:
        values, rest = divmod(at.size(output), stream.tokens)
        if rest or stream.once:
            raise NotImplementedError("a split of the tokens")
        at.streams[output] = Stream(_cut(stream, start, start + values), stream.tokens)
        start += values
    at.note(node, name, "view")


def concat(at: Importer, node: Any, name: str) -> None:
    """Values of several tensors side by side."""
    inputs = [at.streams[i] for i in node.input if i in at.streams]
    if len({(stream.tokens, stream.once) for stream in inputs}) > 1 or len(inputs) < len(node.input):
        raise NotImplementedError("tensors of unequal tokens, or constants among them")
    parts = tuple(part for stream in inputs for part in stream.parts)
    at.streams[node.output[0]] = Stream(parts, inputs[0].tokens, inputs[0].once)
    at.note(node, name, "view")


def view(at: Importer, node: Any, name: str) -> None:
    """Same values, other shape or order."""
    at.view(node, name)


def _cut(stream: Stream, start: int, stop: int) -> tuple[Any, ...]:
    parts, offset = [], 0
    for part in stream.parts:
        width = part.stop - part.start
        low, high = max(start, offset), min(stop, offset + width)
        if low < high:
            parts.append(type(part)(part.op, part.start + low - offset, part.start + high - offset))
        offset += width
    return tuple(parts)


_F = Function
_UNARY = {
    "Relu": {_F.COMPARE: 1},
    "LeakyRelu": {_F.COMPARE: 1, _F.MUL: 1},
    "PRelu": {_F.COMPARE: 1, _F.MUL: 1},
    "Clip": {_F.COMPARE: 2},
    "Abs": {_F.COMPARE: 1},
    "Neg": {_F.MUL: 1},
    "Sigmoid": {_F.SIGMOID: 1},
    "HardSigmoid": {_F.MAC: 1, _F.COMPARE: 2},
    "HardSwish": {_F.MAC: 1, _F.COMPARE: 2, _F.MUL: 1},
    "Tanh": {_F.TANH: 1},
    "Exp": {_F.EXP: 1},
    "Sin": {_F.SIN: 1},
    "Cos": {_F.COS: 1},
    "Sqrt": {_F.RSQRT: 1, _F.MUL: 1},
    "Reciprocal": {_F.DIV: 1},
    "Erf": {_F.EXP: 1, _F.MAC: 5, _F.DIV: 1},
    "Gelu": {_F.MUL: 3, _F.MAC: 2, _F.TANH: 1},
    "Elu": {_F.EXP: 1, _F.COMPARE: 1, _F.ADD: 1},
    "Softplus": {_F.EXP: 2, _F.ADD: 1},
    "Pow": {_F.MUL: 1},
    "Add": {_F.ADD: 1},
    "Sub": {_F.ADD: 1},
    "Mul": {_F.MUL: 1},
    "Div": {_F.DIV: 1},
    "Max": {_F.COMPARE: 1},
    "Min": {_F.COMPARE: 1},
    "Where": {_F.COMPARE: 1},
}
_VIEWS = ("Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Cast", "Dropout")
HANDLERS: dict[str, Callable[[Importer, Any, str], None]] = {
    "Gemm": dense,
    "MatMul": dense,
    "Conv": conv,
    "LSTM": lstm,
    "MaxPool": partial(pool, function=_F.COMPARE),
    "AveragePool": partial(pool, function=_F.ADD),
    "GlobalMaxPool": partial(pool_all, function=_F.COMPARE),
    "GlobalAveragePool": partial(pool_all, function=_F.ADD),
    "ReduceMean": partial(reduce_, function=_F.ADD),
    "ReduceSum": partial(reduce_, function=_F.ADD),
    "ReduceMax": partial(reduce_, function=_F.COMPARE),
    "BatchNormalization": batch_norm,
    "LayerNormalization": layer_norm,
    "Softmax": softmax,
    "Gather": gather,
    "Slice": select,
    "Split": split,
    "Concat": concat,
    **{name: partial(elementwise, functions=functions) for name, functions in _UNARY.items()},
    **dict.fromkeys(_VIEWS, view),
}
