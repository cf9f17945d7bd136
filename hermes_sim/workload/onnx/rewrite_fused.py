"""Operators that hold their neighbours: activations behind products, transposes in front of them, sums before norms."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from math import pi, sqrt
from typing import TYPE_CHECKING

from hermes_sim.workload.onnx.rewrite_node import Rewriting, UntoldForm

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_EPSILON, _EPSILON_BEHIND_A_SUM = 1e-5, 1e-12  # where the node names none
_GELU_OPSET = 20
_ACTIVATIONS: dict[str, tuple[tuple[str, ...], int]] = {  # parameters, and the opset from which on it is there
    **dict.fromkeys(("Identity", "Relu", "Tanh", "Sigmoid", "Softplus", "Softsign"), ((), 1)),
    **dict.fromkeys(("LeakyRelu", "Elu", "ThresholdedRelu"), (("alpha",), 1)),
    "HardSigmoid": (("alpha", "beta"), 1),
    "Selu": (("alpha", "gamma"), 1),
    "HardSwish": ((), 14),
}


def _activated(to: Rewriting, x: str, name: bytes, parameters: Mapping[str, float] | Sequence[float]) -> None:
    """The activation of a node behind x as its result; parameters by name, or in their order."""
    function = name.decode() or "Identity"
    if function == "Clip":
        to.add(function, x, *(to.constant(limit, like=x) for limit in parameters), gives=to.result())
        return
    known, since = _ACTIVATIONS.get(function, ((), to.opset + 1))
    if to.opset < since or len(parameters) > len(known):
        raise UntoldForm
    given = parameters if isinstance(parameters, Mapping) else dict(zip(known, parameters, strict=False))
    to.add(function, x, gives=to.result(), **given)


def _conv(to: Rewriting) -> None:
    name, parameters = to.attributes.pop("activation", b""), to.attributes.pop("activation_params", ())
    made = to.main("Conv", *to.inputs[:3], **to.attributes)
    if to.input(3):
        made = to.add("Add", made, to.input(3))
    _activated(to, made, name, parameters)


def _gemm(to: Rewriting) -> None:
    own = {name: to.attributes.pop(name) for name in list(to.attributes) if name.startswith("activation")}
    name = own.pop("activation", b"")
    made = to.main("Gemm", *to.inputs, **to.attributes)
    _activated(to, made, name, {parameter.removeprefix("activation_"): value for parameter, value in own.items()})


def _matmul(to: Rewriting) -> None:
    """A product of matrices that may stand in the file with other axes, times a number."""
    sides = []
    for place, side in enumerate("AB"):
        name, stacks, turned = to.input(place), *(to.attributes.get(f"trans{what}{side}", 0) for what in ("Batch", ""))
        rank = len(to.shape(name)) if stacks or turned else 1
        if stacks:  # the first axis comes behind those of the stack
            name = to.add("Transpose", name, perm=[*range(1, rank - 1), 0, rank - 1])
        if turned and rank > 1:  # a vector stays as it is
            name = to.add("Transpose", name, perm=[*range(rank - 2), rank - 1, rank - 2])
        sides.append(name)
    factor = to.attributes.get("alpha", 1.0)
    if factor == 1:
        to.main("MatMul", *sides, gives=to.result())
    else:
        made = to.main("MatMul", *sides)
        to.add("Mul", made, to.constant(factor, like=to.input(0)), gives=to.result())


def _gelu(to: Rewriting, *, approximate: str) -> None:
    x = to.input(0)
    if to.input(1):
        x = to.add("Add", x, to.input(1))
    if to.opset >= _GELU_OPSET:
        to.main("Gelu", x, gives=to.result(), approximate=approximate)
        return

    def number(value: float) -> str:
        return to.constant(value, like=to.input(0))

    if approximate == "none":
        curve = to.main("Erf", to.add("Div", x, number(sqrt(2))))
    else:
        cube = to.add("Mul", to.add("Mul", x, x), x)
        inner = to.add("Add", x, to.add("Mul", cube, number(0.044715)))
        curve = to.main("Tanh", to.add("Mul", inner, number(sqrt(2 / pi))))
    half = to.add("Mul", x, number(0.5))
    to.add("Mul", half, to.add("Add", curve, number(1)), gives=to.result())


def _sigmoid_times(to: Rewriting) -> None:
    x, factor = to.input(0), to.attributes.get("alpha", 1.702)
    inner = x if factor == 1 else to.add("Mul", x, to.constant(factor, like=x))
    to.add("Mul", x, to.main("Sigmoid", inner), gives=to.result())


def _normalised(to: Rewriting, x: str, scale: str, shift: str, *, centred: bool, epsilon: float) -> None:
    """Write a norm over the last axis, by mean and mean square or by the mean square alone, as the node's result."""
    if centred:
        x = to.add("Sub", x, to.over_axes("ReduceMean", x, [-1]))
    square = to.over_axes("ReduceMean", to.add("Mul", x, x), [-1])
    spread = to.add("Sqrt", to.add("Add", square, to.constant(epsilon, like=to.input(0))))
    made = to.main("Div", x, spread)
    made = to.add("Mul", made, scale, gives="" if shift else to.result())
    if shift:
        to.add("Add", made, shift, gives=to.result())


def _norm(to: Rewriting, *, centred: bool) -> None:
    axis, epsilon = to.attributes.get("axis", -1), to.attributes.get("epsilon", _EPSILON)
    if to.result(1) or to.result(2) or (axis != -1 and axis != len(to.shape(to.input(0))) - 1):
        raise UntoldForm
    _normalised(to, to.input(0), to.input(1), to.input(2), centred=centred, epsilon=epsilon)


def _norm_of_sum(to: Rewriting, *, centred: bool) -> None:
    """Norm of a sum that may be a result, too."""
    if to.result(1) or to.result(2):
        raise UntoldForm
    shift, bias = (to.input(3), to.input(4)) if centred else ("", to.input(3))
    left = to.add("Add", to.input(0), bias) if bias else to.input(0)
    total = to.add("Add", left, to.input(1), gives=to.result(3))
    epsilon = to.attributes.get("epsilon", _EPSILON_BEHIND_A_SUM)
    _normalised(to, total, to.input(2), shift, centred=centred, epsilon=epsilon)


def _embedding(to: Rewriting) -> None:
    """Sum of the rows of two or three tables, and its norm."""
    symbols, segments, words, positions, kinds, scale, shift, mask, places = (to.input(i) for i in range(9))
    total = to.main("Gather", words, symbols)
    if not places:
        places = counted(to, symbols, 1)
    total = to.add("Add", total, to.add("Gather", positions, places))
    if segments:
        total = to.add("Add", total, to.add("Gather", kinds, segments))
    if to.result(2):
        to.add("Identity", total, gives=to.result(2))
    if to.result(1):  # how many symbols count, of which without a mask nothing is told
        lengths = to.over_axes("ReduceSum", mask, [1], keepdims=0) if mask else to.constant([0])
        to.add("Identity", lengths, gives=to.result(1))
    epsilon = to.attributes.get("epsilon", _EPSILON_BEHIND_A_SUM)
    _normalised(to, total, scale, shift, centred=True, epsilon=epsilon)


def counted(to: Rewriting, x: str, axis: int) -> str:
    """Write the numbers from 0 on along an axis of a tensor."""
    size = to.add("Gather", to.add("Shape", x), to.constant(axis))
    return to.add("Range", to.constant(0), size, to.constant(1))


FUSED: dict[str, Callable[[Rewriting], None]] = {
    "FusedConv": _conv,
    "FusedGemm": _gemm,
    "FusedMatMul": _matmul,
    "Gelu": partial(_gelu, approximate="none"),
    "BiasGelu": partial(_gelu, approximate="none"),
    "FastGelu": partial(_gelu, approximate="tanh"),
    "QuickGelu": _sigmoid_times,
    "LayerNormalization": partial(_norm, centred=True),
    "SimplifiedLayerNormalization": partial(_norm, centred=False),
    "SkipLayerNormalization": partial(_norm_of_sum, centred=True),
    "SkipSimplifiedLayerNormalization": partial(_norm_of_sum, centred=False),
    "EmbedLayerNormalization": _embedding,
}
