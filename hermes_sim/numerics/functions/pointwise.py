"""Functions of every value: activations, arithmetic, comparisons, casts."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import erf

from hermes_sim.numerics.functions.axes import Array, align, given, in_rank, needed, numbers, option

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hermes_sim.workload.origin import Node

    Inputs = Sequence[Array | None]
    Evaluate = Callable[[Node, Inputs], Array]

_SELU = (1.67326319217681884765625, 1.05070102214813232421875)
# element types of an ONNX file; floating-point ones are all float32 here
_TYPES: dict[int, type[np.generic]] = {
    **dict.fromkeys((1, 10, 11, 16), np.float32),
    2: np.uint8,
    3: np.int8,
    4: np.uint16,
    5: np.int16,
    6: np.int32,
    7: np.int64,
    9: np.bool_,
    12: np.uint32,
    13: np.uint64,
}


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    made: Array = 1 / (1 + np.exp(-x))
    return made


def softplus(x: Array) -> Array:
    """log(1 + exp(x))."""
    return np.asarray(np.logaddexp(x, np.zeros((), x.dtype)))


def _gelu(node: Node, x: Array) -> Array:
    if node.get("approximate", "none") == "tanh":
        inner = np.tanh(float(np.sqrt(2 / np.pi)) * (x + 0.044715 * x * x * x))
    else:
        inner = erf(x * float(np.sqrt(0.5)))
    made: Array = 0.5 * x * (1 + inner)
    return made


def _hard_sigmoid(x: Array, alpha: float, beta: float) -> Array:
    return np.clip(alpha * x + beta, 0, 1)


def _exponential(x: Array, alpha: float) -> Array:
    """The exponential branch of ELU and its kin."""
    return alpha * np.expm1(np.minimum(x, 0))


def _cast(node: Node, x: Array) -> Array:
    kind = _TYPES.get(node.get("to", 0))
    if kind is None:
        raise ValueError(f"element type {node.get('to', 0)}")
    return x.astype(kind)


def _relu(x: Array) -> Array:
    return np.maximum(x, 0)


_UNARY: dict[str, Callable[[Node, Array], Any]] = {
    "Relu": lambda _, x: _relu(x),
    "LeakyRelu": lambda node, x: np.where(x < 0, node.get("alpha", 0.01) * x, x),
    "ThresholdedRelu": lambda node, x: np.where(x > node.get("alpha", 1.0), x, 0),
    "Elu": lambda node, x: np.where(x < 0, _exponential(x, node.get("alpha", 1.0)), x),
    "Celu": lambda node, x: _relu(x) + _exponential(x / node.get("alpha", 1.0), node.get("alpha", 1.0)),
    "Selu": lambda node, x: (
        node.get("gamma", _SELU[1]) * np.where(x < 0, _exponential(x, node.get("alpha", _SELU[0])), x)
    ),
    "Abs": lambda _, x: np.abs(x),
    "Neg": lambda _, x: -x,
    "Round": lambda _, x: np.rint(x),
    "Floor": lambda _, x: np.floor(x),
    "Ceil": lambda _, x: np.ceil(x),
    "Sign": lambda _, x: np.sign(x),
    "Sigmoid": lambda _, x: sigmoid(x),
    "HardSigmoid": lambda node, x: _hard_sigmoid(x, node.get("alpha", 0.2), node.get("beta", 0.5)),
    "HardSwish": lambda _, x: x * _hard_sigmoid(x, 1 / 6, 0.5),
    "Swish": lambda node, x: x * sigmoid(node.get("alpha", 1.0) * x),
    "Mish": lambda _, x: x * np.tanh(softplus(x)),
    "Gelu": _gelu,
    "Softplus": lambda _, x: softplus(x),
    "Softsign": lambda _, x: x / (1 + np.abs(x)),
    "Tanh": lambda _, x: np.tanh(x),
    "Exp": lambda _, x: np.exp(x),
    "Log": lambda _, x: np.log(x),
    "Sin": lambda _, x: np.sin(x),
    "Cos": lambda _, x: np.cos(x),
    "Sqrt": lambda _, x: np.sqrt(x),
    "Reciprocal": lambda _, x: 1 / x,
    "Erf": lambda _, x: erf(x),
    "IsNaN": lambda _, x: np.isnan(x),
    "Not": lambda _, x: np.logical_not(x),
    "Identity": lambda _, x: x,
    "Dropout": lambda _, x: x,
    "Cast": _cast,
}


def _divide(left: Array, right: Array) -> Array:
    """Quotient; of whole numbers towards zero."""
    if left.dtype.kind == "f":
        return np.asarray(left / right)
    return np.asarray(np.sign(left) * np.sign(right) * (np.abs(left) // np.abs(right))).astype(left.dtype)


def _power(base: Array, exponent: Array) -> Array:
    """Power in the type of its base."""
    kind = base.dtype if base.dtype.kind == "f" else np.float64
    return np.asarray(np.power(base.astype(kind), exponent.astype(kind)), dtype=base.dtype)


_MANY: dict[str, Callable[[Array, Array], Any]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": _divide,
    "Pow": _power,
    "Sum": np.add,
    "Max": np.maximum,
    "Min": np.minimum,
    "PRelu": lambda x, slope: np.where(x < 0, slope * x, x),
    "Equal": np.equal,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "And": np.logical_and,
    "Or": np.logical_or,
    "Xor": np.logical_xor,
}


def _unary(function: Callable[[Node, Array], Any]) -> Evaluate:
    def evaluate(node: Node, inputs: Inputs) -> Array:
        return np.asarray(function(node, needed(inputs, 0)))

    return evaluate


def _many(function: Callable[[Array, Array], Any]) -> Evaluate:
    def evaluate(_node: Node, inputs: Inputs) -> Array:
        return np.asarray(reduce(function, align(given(inputs))))

    return evaluate


def _mean(_node: Node, inputs: Inputs) -> Array:
    arrays = align(given(inputs))
    return np.asarray(reduce(np.add, arrays) / len(arrays))


def _clip(node: Node, inputs: Inputs) -> Array:
    x = needed(inputs, 0)
    for function, name, i in ((np.maximum, "min", 1), (np.minimum, "max", 2)):
        bound = option(inputs, i)
        if bound is not None:
            x = function(x, in_rank(bound, x.ndim))
        elif name in node.attributes:
            x = function(x, x.dtype.type(node.attributes[name]))
    return x


def _modulo(node: Node, inputs: Inputs) -> Array:
    left, right = align(given(inputs))
    return np.asarray(np.fmod(left, right) if node.get("fmod", 0) else np.mod(left, right))


def _where(_node: Node, inputs: Inputs) -> Array:
    condition, yes, no = align(given(inputs))
    return np.where(condition, yes, no)


def _cast_like(_node: Node, inputs: Inputs) -> Array:
    return needed(inputs, 0).astype(needed(inputs, 1).dtype)


def _is_infinite(node: Node, inputs: Inputs) -> Array:
    x, made = needed(inputs, 0), np.zeros(needed(inputs, 0).shape, dtype=bool)
    for name, value in (("detect_positive", np.inf), ("detect_negative", -np.inf)):
        if node.get(name, 1):
            made |= x == value
    return made


def _sum_along(node: Node, inputs: Inputs) -> Array:
    """CumSum: of each value and those before it (behind it if `reverse`), without itself if `exclusive`."""
    x, axis = needed(inputs, 0), (numbers(inputs, 1) or [0])[0]
    axis = axis % (x.ndim - 1) + 1
    turned = np.flip(x, axis) if node.get("reverse", 0) else x
    made = np.cumsum(turned, axis=axis, dtype=x.dtype)
    if node.get("exclusive", 0):
        made = made - turned
    return np.flip(made, axis) if node.get("reverse", 0) else made


POINTWISE: dict[str, Evaluate] = {
    **{name: _unary(function) for name, function in _UNARY.items()},
    **{name: _many(function) for name, function in _MANY.items()},
    "Mean": _mean,
    "Clip": _clip,
    "Mod": _modulo,
    "Where": _where,
    "CastLike": _cast_like,
    "IsInf": _is_infinite,
    "CumSum": _sum_along,
}
