"""Functions over some of the axes: sums and extremes, normalisations, softmax."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from hermes_sim.numerics.functions.axes import Array, along, axes_of, axis_of, in_rank, integers, needed, option

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hermes_sim.workload.origin import Node

    Inputs = Sequence[Array | None]
    Axes = tuple[int, ...]

_COERCED = range(1, 13)  # sets of operators in which a softmax takes all axes from `axis` on


def _log_sum(x: Array, axes: Axes) -> Array:
    largest = x.max(axis=axes, keepdims=True)
    return np.asarray(np.log(np.exp(x - largest).sum(axis=axes, keepdims=True)) + largest)


_REDUCE: dict[str, Callable[[Array, Axes], Any]] = {
    "ReduceMean": lambda x, axes: x.mean(axis=axes, keepdims=True),
    "ReduceSum": lambda x, axes: x.sum(axis=axes, keepdims=True, dtype=x.dtype),
    "ReduceMax": lambda x, axes: x.max(axis=axes, keepdims=True),
    "ReduceMin": lambda x, axes: x.min(axis=axes, keepdims=True),
    "ReduceProd": lambda x, axes: x.prod(axis=axes, keepdims=True, dtype=x.dtype),
    "ReduceL1": lambda x, axes: np.abs(x).sum(axis=axes, keepdims=True),
    "ReduceL2": lambda x, axes: np.sqrt((x * x).sum(axis=axes, keepdims=True)),
    "ReduceSumSquare": lambda x, axes: (x * x).sum(axis=axes, keepdims=True),
    "ReduceLogSumExp": _log_sum,
}


def _reduce(function: Callable[[Array, Axes], Any]) -> Callable[[Node, Inputs], Array]:
    def evaluate(node: Node, inputs: Inputs) -> Array:
        x, given = needed(inputs, 0), integers(node, "axes", inputs, 1)
        if not given and node.get("noop_with_empty_axes", 0):
            return x
        axes = axes_of(given or None, x)
        made = np.asarray(function(x, axes))
        return made if node.get("keepdims", 1) else np.squeeze(made, axis=axes)

    return evaluate


def _place(largest: bool) -> Callable[[Node, Inputs], Array]:
    """ArgMax and ArgMin."""

    def evaluate(node: Node, inputs: Inputs) -> Array:
        x = needed(inputs, 0)
        axis, find = axis_of(node.get("axis", 0), x), np.argmax if largest else np.argmin
        if node.get("select_last_index", 0):
            found = x.shape[axis] - 1 - find(np.flip(x, axis), axis=axis)
        else:
            found = find(x, axis=axis)
        return np.expand_dims(found, axis) if node.get("keepdims", 1) else np.asarray(found)

    return evaluate


def _in_rows(node: Node, x: Array) -> tuple[Array, int]:
    """An array and its axis for a softmax; older sets of operators take all axes behind it together."""
    if node.opset not in _COERCED:
        return x, axis_of(node.get("axis", -1), x)
    axis = node.get("axis", 1) % max(1, x.ndim - 1) + 1
    return x.reshape(*x.shape[:axis], prod(x.shape[axis:])), axis


def softmax(x: Array, axis: int = -1) -> Array:
    """Exponentials over their sum along an axis; a row of minus infinity alone has no probabilities but NaN."""
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    return np.asarray(powers / powers.sum(axis=axis, keepdims=True))


def _softmax(node: Node, inputs: Inputs) -> Array:
    x = needed(inputs, 0)
    rows, axis = _in_rows(node, x)
    return softmax(rows, axis).reshape(x.shape)


def _log_softmax(node: Node, inputs: Inputs) -> Array:
    x = needed(inputs, 0)
    rows, axis = _in_rows(node, x)
    return np.asarray(rows - _log_sum(rows, (axis,))).reshape(x.shape)


def standardise(x: Array, axes: Axes, epsilon: float) -> Array:
    """Values less their mean, over their deviation."""
    centred = x - x.mean(axis=axes, keepdims=True)
    variance = (centred * centred).mean(axis=axes, keepdims=True)
    return np.asarray(centred / np.sqrt(variance + np.float32(epsilon)))


def _scaled(x: Array, scale: Array | None, bias: Array | None) -> Array:
    """Times scale, plus bias, as far as they are there."""
    made = x if scale is None else x * in_rank(scale, x.ndim)
    return made if bias is None else made + in_rank(bias, x.ndim)


def _layer_norm(node: Node, inputs: Inputs) -> Array:
    x = needed(inputs, 0)
    axes = tuple(range(axis_of(node.get("axis", -1), x), x.ndim))
    return _scaled(standardise(x, axes, node.get("epsilon", 1e-5)), option(inputs, 1), option(inputs, 2))


def _rms_norm(node: Node, inputs: Inputs) -> Array:
    x = needed(inputs, 0)
    axes = tuple(range(axis_of(node.get("axis", -1), x), x.ndim))
    square = (x * x).mean(axis=axes, keepdims=True)
    return _scaled(x / np.sqrt(square + np.float32(node.get("epsilon", 1e-5))), option(inputs, 1), None)


def _batch_norm(node: Node, inputs: Inputs) -> Array:
    x = needed(inputs, 0)
    scale, bias, mean, variance = (along(needed(inputs, i), 2, x.ndim) for i in range(1, 5))
    factor = scale / np.sqrt(variance + np.float32(node.get("epsilon", 1e-5)))
    return np.asarray((x - mean) * factor + bias)


def _instance_norm(node: Node, inputs: Inputs) -> Array:
    x = needed(inputs, 0)
    scale, bias = (along(needed(inputs, i), 2, x.ndim) for i in (1, 2))
    return np.asarray(standardise(x, tuple(range(3, x.ndim)), node.get("epsilon", 1e-5)) * scale + bias)


def _group_norm(node: Node, inputs: Inputs) -> Array:
    """Scale and bias are per channel, in sets of operators before 21 per group."""
    x, groups = needed(inputs, 0), node.get("num_groups", 1)
    parts = x.reshape(*x.shape[:2], groups, -1)
    made = standardise(parts, (3,), node.get("epsilon", 1e-5)).reshape(x.shape)
    each = x.shape[2] // needed(inputs, 1).shape[1]
    scale, bias = (along(np.repeat(needed(inputs, i), each, axis=1), 2, x.ndim) for i in (1, 2))
    return np.asarray(made * scale + bias)


REDUCTIONS: dict[str, Callable[[Node, Inputs], Array]] = {
    **{name: _reduce(function) for name, function in _REDUCE.items()},
    "ArgMax": _place(largest=True),
    "ArgMin": _place(largest=False),
    "Softmax": _softmax,
    "LogSoftmax": _log_softmax,
    "LayerNormalization": _layer_norm,
    "RMSNormalization": _rms_norm,
    "BatchNormalization": _batch_norm,
    "InstanceNormalization": _instance_norm,
    "GroupNormalization": _group_norm,
}
