"""One handler per ONNX operator. A handler that cannot do a node raises NotImplementedError with the reason."""

from __future__ import annotations

from functools import partial
from math import prod
from typing import TYPE_CHECKING

from hermes_sim.config.vocabulary import Function
from hermes_sim.workload.graph import Operator, OpKind
from hermes_sim.workload.onnx.attention import attention
from hermes_sim.workload.onnx.pictures import conv, pad, pool, resize, spread
from hermes_sim.workload.onnx.products import dense, einsum
from hermes_sim.workload.onnx.recurrent import gru, lstm, rnn
from hermes_sim.workload.onnx.tensors import Part, Stream, token_axes
from hermes_sim.workload.onnx.views import concat, expand, gather, move, select, split, view

if TYPE_CHECKING:
    from collections.abc import Callable

    from hermes_sim.workload.onnx.tensors import Importer
    from hermes_sim.workload.origin import Node


def _tensor_values(at: Importer, node: Node) -> tuple[int, int]:
    """Tokens of the longest computed input, and values per token of the result."""
    tokens = max(at.streams[i].tokens for i in node.inputs if i in at.streams)
    return tokens, -(-at.size(node.outputs[0]) // tokens)


def pool_all(at: Importer, node: Node, name: str, function: Function) -> None:
    """Over all tokens: one vector at the end."""
    stream = at.stream(node.inputs[0])
    values = at.size(node.outputs[0])
    op = Operator(name, OpKind.POOLING, stream.tokens, stream.values, 0, {function: stream.values}, once_values=values)
    at.connect(stream, at.result(node, node.outputs[0], op).parts[0].op)
    at.note(node, name, "digital")


def reduce_(at: Importer, node: Node, name: str, function: Function) -> None:
    """Reduction over the values of each token, or over the tokens."""
    stream = at.stream(node.inputs[0])
    shape, left = at.shape(node.inputs[0]), at.size(node.outputs[0])
    axes = node.get("axes", None)
    if node.op_type in {"ArgMax", "ArgMin"}:
        axes = [node.get("axis", 0)]
    elif axes is None and len(node.inputs) > 1 and node.inputs[1]:
        axes = at.integers(node.inputs[1])
    over = {axis % len(shape) for axis in axes} if axes and shape else set(range(len(shape)))
    along = token_axes(shape, stream.tokens)
    if left == prod(shape):
        at.view(node, name)
    elif along & over or left % stream.tokens:
        pool_all(at, node, name, function)
    else:
        functions = {function: prod(shape) // stream.tokens}
        at.digital(node, name, OpKind.REDUCTION, functions, out_values=left // stream.tokens)


def elementwise(at: Importer, node: Node, name: str, functions: dict[Function, int]) -> None:
    """The same functions on every value; a constant added to a product on the crossbars is the LDPU's offset."""
    computed = [i for i in node.inputs if i in at.streams]
    if node.op_type in {"Add", "Sub"} and len(computed) == 1 and _is_offset(at, node, computed[0]):
        at.streams[node.outputs[0]] = at.streams[computed[0]]
        at.graph.computes(at.streams[computed[0]].parts[0].op, node)
        at.note(node, name, "folded", "bias in the LDPU")
        return
    _, values = _tensor_values(at, node)
    times = max(1, len([i for i in node.inputs if i]) - 1) if node.op_type in _OF_MANY else 1
    counts = {function: count * values * times for function, count in functions.items()}
    kind = OpKind.ELEMENTWISE if set(functions) <= {Function.ADD, Function.MUL, Function.DIV} else OpKind.NONLINEAR
    at.digital(node, name, kind, counts, out_values=values)


def sum_(at: Importer, node: Node, name: str) -> None:
    """Any number of tensors added up; of one, that one."""
    if len(node.inputs) == 1:
        at.view(node, name)
    else:
        elementwise(at, node, name, {Function.ADD: 1})


def mean(at: Importer, node: Node, name: str) -> None:
    """Any number of tensors added up and divided by how many there are; of one, that one."""
    if len(node.inputs) == 1:
        at.view(node, name)
        return
    _, values = _tensor_values(at, node)
    functions = {Function.ADD: (len(node.inputs) - 1) * values, Function.MUL: values}
    at.digital(node, name, OpKind.ELEMENTWISE, functions, out_values=values)


def _is_offset(at: Importer, node: Node, computed: str) -> bool:
    """Whether a node adds one constant per column, or one for all, to a product on the crossbars."""
    constant = next(i for i in node.inputs if i != computed)
    columns = at.streams[computed].values
    known = at.is_known(constant) and at.size(constant) in {1, columns}
    return known and _is_fresh_product(at, computed)


def batch_norm(at: Importer, node: Node, name: str) -> None:
    """Scale and offset per channel: the LDPU's behind a product on the crossbars."""
    if _is_fresh_product(at, node.inputs[0]):
        at.streams[node.outputs[0]] = at.streams[node.inputs[0]]
        at.graph.computes(at.streams[node.inputs[0]].parts[0].op, node)
        at.note(node, name, "folded", "scale and offset in the LDPU")
        return
    _, values = _tensor_values(at, node)
    at.digital(node, name, OpKind.NORMALISATION, {Function.MAC: values}, out_values=values)


def _is_fresh_product(at: Importer, tensor: str) -> bool:
    """Whether a tensor is the result of a product on the crossbars that nobody else takes."""
    stream = at.stream(tensor)
    op = at.graph.operator(stream.parts[0].op)
    alone = len(at.takers.get(tensor, ())) == 1 and tensor not in at.network.outputs
    return op.on_crossbar and len(stream.parts) == 1 and alone


def layer_norm(at: Importer, node: Node, name: str) -> None:
    """Mean and mean square, then scale and shift."""
    _, values = _tensor_values(at, node)
    functions = {Function.ADD: values, Function.MAC: 2 * values, Function.RSQRT: 1}
    at.digital(node, name, OpKind.NORMALISATION, functions, out_values=values, weight_values=2 * values)


def rms_norm(at: Importer, node: Node, name: str) -> None:
    """Mean square, then scale."""
    _, values = _tensor_values(at, node)
    functions = {Function.MAC: values, Function.MUL: values, Function.RSQRT: 1}
    at.digital(node, name, OpKind.NORMALISATION, functions, out_values=values, weight_values=values)


def norm_over_tokens(at: Importer, node: Node, name: str) -> None:
    """Mean and mean square over all tokens first; then scale and shift of each."""
    stream = at.stream(node.inputs[0])
    n, functions = stream.values, {Function.ADD: stream.values, Function.MAC: stream.values}
    op = Operator(f"{name}.statistics", OpKind.REDUCTION, stream.tokens, n, 0, functions, once_values=2 * n)
    statistics = at.add(op)
    at.graph.computes(statistics, node)
    at.connect(stream, statistics)
    op = Operator(name, OpKind.NORMALISATION, stream.tokens, n, n, {Function.MAC: 2 * n}, weight_values=4 * n)
    made = at.result(node, node.outputs[0], op).parts[0].op
    at.connect(stream, made)
    at.connect(Stream.of(statistics, 1, 2 * n, once=True), made, into=n)
    at.note(node, name, "digital", "statistics over all tokens")


def neighbour_norm(at: Importer, node: Node, name: str) -> None:
    """LRN: squares, their sum over the channels beside, a power of it, the quotient."""
    _, values = _tensor_values(at, node)
    functions = {
        Function.MUL: 2 * values,
        Function.ADD: 2 * values,
        Function.EXP: 2 * values,
        Function.DIV: values,
    }
    at.digital(node, name, OpKind.NORMALISATION, functions, out_values=values)


def quantize(at: Importer, node: Node, name: str) -> None:
    """DynamicQuantizeLinear: the range of all values first; the numbers themselves are those of the chip's units."""
    stream = at.stream(node.inputs[0])
    n, functions = stream.values, {Function.COMPARE: 2 * stream.values}
    range_of = at.add(Operator(f"{name}.range", OpKind.REDUCTION, stream.tokens, n, 0, functions, once_values=2))
    at.graph.computes(range_of, node)
    at.connect(stream, range_of)
    at.streams[node.outputs[0]] = stream
    for i, output in enumerate(node.outputs[1:]):
        at.streams[output] = Stream((Part(range_of, i, i + 1),), 1, once=True)
    at.note(node, name, "digital", "the range of all values; they stay as they are")


def softmax(at: Importer, node: Node, name: str) -> None:
    """Largest value, exponentials, sum, one division per row, products."""
    tokens, values = _tensor_values(at, node)
    shape = at.shape(node.outputs[0])
    length = shape[node.get("axis", -1)] if shape else 1
    functions = {
        Function.COMPARE: values,
        Function.EXP: values,
        Function.ADD: 2 * values,
        Function.DIV: max(1, prod(shape) // length // tokens),
        Function.MUL: values,
    }
    at.digital(node, name, OpKind.NONLINEAR, functions, out_values=values)


_F = Function
_OF_MANY = frozenset({"Sum", "Max", "Min"})
_COMPARISONS = (
    *("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Xor", "Not"),
    *("Sign", "IsNaN", "IsInf", "OneHot"),
)
_FUNCTIONS = {
    "Relu": {_F.COMPARE: 1},
    "LeakyRelu": {_F.COMPARE: 1, _F.MUL: 1},
    "PRelu": {_F.COMPARE: 1, _F.MUL: 1},
    "Clip": {_F.COMPARE: 2},
    "Abs": {_F.COMPARE: 1},
    "Neg": {_F.MUL: 1},
    "Round": {_F.ADD: 1},
    "Floor": {_F.ADD: 1},
    "Ceil": {_F.ADD: 1},
    "Sigmoid": {_F.SIGMOID: 1},
    "HardSigmoid": {_F.MAC: 1, _F.COMPARE: 2},
    "HardSwish": {_F.MAC: 1, _F.COMPARE: 2, _F.MUL: 1},
    "Swish": {_F.SIGMOID: 1, _F.MUL: 1},
    "Tanh": {_F.TANH: 1},
    "Exp": {_F.EXP: 1},
    "Log": {_F.EXP: 1},  # a table as large
    "Sin": {_F.SIN: 1},
    "Cos": {_F.COS: 1},
    "Sqrt": {_F.RSQRT: 1, _F.MUL: 1},
    "Reciprocal": {_F.DIV: 1},
    "Erf": {_F.EXP: 1, _F.MAC: 5, _F.DIV: 1},
    "Gelu": {_F.MUL: 3, _F.MAC: 2, _F.TANH: 1},
    "Elu": {_F.EXP: 1, _F.COMPARE: 1, _F.ADD: 1},
    "Selu": {_F.EXP: 1, _F.COMPARE: 1, _F.ADD: 1, _F.MUL: 1},
    "Mish": {_F.EXP: 2, _F.ADD: 1, _F.TANH: 1, _F.MUL: 1},
    "Softplus": {_F.EXP: 2, _F.ADD: 1},
    "Softsign": {_F.COMPARE: 1, _F.ADD: 1, _F.DIV: 1},
    "Celu": {_F.EXP: 1, _F.COMPARE: 2, _F.ADD: 1, _F.MUL: 1},
    "ThresholdedRelu": {_F.COMPARE: 1},
    "Pow": {_F.MUL: 1},
    "Add": {_F.ADD: 1},
    "Sub": {_F.ADD: 1},
    "Mul": {_F.MUL: 1},
    "Div": {_F.DIV: 1},
    "Max": {_F.COMPARE: 1},
    "Min": {_F.COMPARE: 1},
    "Where": {_F.COMPARE: 1},
    "Mod": {_F.DIV: 1, _F.MAC: 1},
    "CumSum": {_F.ADD: 1},
    **{name: {_F.COMPARE: 1} for name in _COMPARISONS},
}
_VIEWS = (
    *("Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Cast", "CastLike", "Dropout", "Trilu"),
    *("DepthToSpace", "SpaceToDepth"),
    *("QuantizeLinear", "DequantizeLinear"),  # numbers of a chip are those of its units, whatever a file says
)
_REDUCTIONS = {
    **dict.fromkeys(("ReduceMean", "ReduceSum", "ReduceL1"), _F.ADD),
    **dict.fromkeys(("ReduceMax", "ReduceMin", "ArgMax", "ArgMin"), _F.COMPARE),
    **dict.fromkeys(("ReduceL2", "ReduceSumSquare"), _F.MAC),
    "ReduceProd": _F.MUL,
    **dict.fromkeys(("ReduceLogSum", "ReduceLogSumExp"), _F.EXP),
}
HANDLERS: dict[str, Callable[[Importer, Node, str], None]] = {
    "Gemm": dense,
    "MatMul": dense,
    "MatMulInteger": dense,
    "Einsum": einsum,
    "ConvInteger": conv,
    "DynamicQuantizeLinear": quantize,
    "Conv": conv,
    "ConvTranspose": spread,
    "LSTM": lstm,
    "GRU": gru,
    "RNN": rnn,
    "MaxPool": partial(pool, function=_F.COMPARE),
    "AveragePool": partial(pool, function=_F.ADD),
    "GlobalMaxPool": partial(pool_all, function=_F.COMPARE),
    "GlobalAveragePool": partial(pool_all, function=_F.ADD),
    "BatchNormalization": batch_norm,
    "LayerNormalization": layer_norm,
    "RMSNormalization": rms_norm,
    "InstanceNormalization": norm_over_tokens,
    "GroupNormalization": norm_over_tokens,
    "LRN": neighbour_norm,
    "Attention": attention,
    "Softmax": softmax,
    "LogSoftmax": softmax,
    "Sum": sum_,
    "Mean": mean,
    "Pad": pad,
    **dict.fromkeys(("Resize", "Upsample"), resize),
    "Expand": expand,
    "Tile": expand,
    "Gather": gather,
    "Slice": select,
    "Split": split,
    "Concat": concat,
    **dict.fromkeys(("GatherElements", "GatherND", "ScatterElements", "ScatterND"), move),
    **{name: partial(reduce_, function=function) for name, function in _REDUCTIONS.items()},
    **{name: partial(elementwise, functions=functions) for name, functions in _FUNCTIONS.items()},
    **dict.fromkeys(_VIEWS, view),
}
