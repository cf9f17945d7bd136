"""Operators on whole numbers with their scales in one: values from whole numbers, the operator, whole numbers again."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from hermes_sim.workload.onnx.rewrite_node import Rewriting, UntoldForm

if TYPE_CHECKING:
    from collections.abc import Callable


def _values(to: Rewriting, place: int, *, axis: int | None = None) -> str:
    """Values of an input of whole numbers; scale and zero point are the two inputs behind it.

    With an axis there may be one of each per entry of it.
    """
    x, scale, zero = (to.input(place + i) for i in range(3))
    told = [to.shape(name) for name in (scale, zero) if name]
    if all(size == 1 for sizes in told for size in sizes):
        return to.add("DequantizeLinear", x, scale, zero)
    if axis is None:
        raise UntoldForm
    rank = len(to.shape(x))
    others = [i for i in range(rank) if i != axis % rank]
    return _scaled(to, x, scale, zero, others)


def _scaled(to: Rewriting, x: str, scale: str, zero: str, axes: list[int]) -> str:
    """(x - zero point) * scale, of which there are as many as x has entries but for some axes, or one."""

    def in_rank(name: str) -> str:
        sizes = to.shape(name)
        has_axes = len(sizes) + len(axes) != len(to.shape(x)) or set(sizes) <= {1}
        return name if has_axes else to.over_axes("Unsqueeze", name, axes)

    steps = to.cast(x)
    if zero:
        steps = to.add("Sub", steps, to.cast(in_rank(zero)))
    return to.add("Mul", steps, in_rank(scale))


def _rounded(to: Rewriting, x: str, place: int) -> None:
    """Whole numbers as the result of the node; their scale is the input at a place, the zero point that behind it."""
    if not to.input(place + 1):
        raise UntoldForm  # the type is not told
    to.add("QuantizeLinear", x, to.input(place), to.input(place + 1), gives=to.result())


def _pointwise(to: Rewriting, *, op_type: str, operands: int) -> None:
    given = [_values(to, 3 * i) for i in range(operands)]
    _rounded(to, to.main(op_type, *given, **to.attributes), 3 * operands)


def _pool(to: Rewriting, *, op_type: str) -> None:
    if to.attributes.pop("channels_last", 0):
        raise UntoldForm
    _rounded(to, to.main(op_type, _values(to, 0), **to.attributes), 3)


def _softmax(to: Rewriting) -> None:
    axis, before = to.attributes.get("axis", -1), to.attributes.get("opset", 0)
    since = 13  # from here on the axes behind the one that is named are left alone
    if (before < since) != (to.opset < since) and axis not in {-1, len(to.shape(to.input(0))) - 1}:
        raise UntoldForm
    _rounded(to, to.main("Softmax", _values(to, 0), axis=axis), 3)


def _concat(to: Rewriting) -> None:
    given = [_values(to, place) for place in range(2, len(to.inputs), 3)]
    _rounded(to, to.main("Concat", *given, **to.attributes), 0)


def _where(to: Rewriting) -> None:
    _rounded(to, to.main("Where", to.input(0), _values(to, 1), _values(to, 4)), 7)


def _conv(to: Rewriting) -> None:
    if to.attributes.pop("channels_last", 0):
        raise UntoldForm
    x, weights = _values(to, 0), _values(to, 3, axis=0)
    bias = _bias(to, 8) if to.input(8) else ""
    _rounded(to, to.main("Conv", x, weights, bias, **to.attributes), 6)


def _bias(to: Rewriting, place: int) -> str:
    """Values of a bias, whose scale is the product of those of the first two operands."""
    scales = to.add("Mul", to.input(1), to.input(4))
    return to.add("Mul", to.cast(to.input(place)), scales)


def _matmul(to: Rewriting) -> None:
    _rounded(to, to.main("MatMul", _values(to, 0), _values(to, 3, axis=-1)), 6)


def _gemm(to: Rewriting) -> None:
    turned = to.attributes.get("transB", 0)
    x, weights = _values(to, 0), _values(to, 3, axis=0 if turned else -1)
    bias = ""
    if to.input(6):
        bias = _bias(to, 6)
        if to.attributes.get("alpha", 1.0) != 1:
            bias = to.add("Mul", bias, to.constant(to.attributes["alpha"], like=x))
    if to.input(7):
        _rounded(to, to.main("Gemm", x, weights, bias, **to.attributes), 7)
    else:
        to.main("Gemm", x, weights, bias, gives=to.result(), **to.attributes)


def _product(to: Rewriting, left: tuple[str, str], right: tuple[str, str], scale: str, bias: str) -> None:
    """Product of whole numbers with their zero points, times a scale, plus a bias."""
    steps = to.main("MatMulInteger", left[0], right[0], left[1], right[1])
    made = to.add("Mul", to.cast(steps), scale, gives="" if bias else to.result())
    if bias:
        to.add("Add", made, bias, gives=to.result())


def _product_to_values(to: Rewriting) -> None:
    scale = to.add("Mul", to.input(2), to.input(3))
    _product(to, (to.input(0), to.input(4)), (to.input(1), to.input(5)), scale, to.input(6))


def _product_of_rounded(to: Rewriting) -> None:
    x, scale, zero = to.add_several("DynamicQuantizeLinear", 3, to.input(0))
    scales = to.add("Mul", scale, to.input(2))
    _product(to, (x, zero), (to.input(1), to.input(3)), scales, to.input(4))


def _lstm(to: Rewriting) -> None:
    """The layer with the values of its weights; inputs and states, which ONNX Runtime rounds, stay as they are."""
    weights = [_turned(to, 1, 8), _turned(to, 2, 10)]
    to.whole("LSTM", to.input(0), *weights, *to.inputs[3:8], **to.attributes)


def _turned(to: Rewriting, place: int, scale: int) -> str:
    """Values of recurrent weights (directions, inputs, gates) as the standard has them, gates in front."""
    factor, zero = to.input(scale), to.input(scale + 1)
    axes = [1] if len(to.shape(factor)) > 1 else [1, 2]  # one per direction and gate, or per direction
    return to.add("Transpose", _scaled(to, to.input(place), factor, zero, axes), perm=[0, 2, 1])


QUANTISED: dict[str, Callable[[Rewriting], None]] = {
    "QLinearConv": _conv,
    "QLinearMatMul": _matmul,
    "QGemm": _gemm,
    "QLinearAdd": partial(_pointwise, op_type="Add", operands=2),
    "QLinearMul": partial(_pointwise, op_type="Mul", operands=2),
    "QLinearSigmoid": partial(_pointwise, op_type="Sigmoid", operands=1),
    "QLinearLeakyRelu": partial(_pointwise, op_type="LeakyRelu", operands=1),
    "QLinearAveragePool": partial(_pool, op_type="AveragePool"),
    "QLinearGlobalAveragePool": partial(_pool, op_type="GlobalAveragePool"),
    "QLinearSoftmax": _softmax,
    "QLinearConcat": _concat,
    "QLinearWhere": _where,
    "DynamicQuantizeLSTM": _lstm,
    "MatMulIntegerToFloat": _product_to_values,
    "DynamicQuantizeMatMul": _product_of_rounded,
}
