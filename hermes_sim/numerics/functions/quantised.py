"""Whole numbers for values and back, as the files of quantised networks have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hermes_sim.numerics.functions.axes import Array, axis_of, in_rank, needed, option

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hermes_sim.workload.origin import Node

    Inputs = Sequence[Array | None]

_TYPES: dict[int, type[np.generic]] = {2: np.uint8, 3: np.int8, 4: np.uint16, 5: np.int16, 6: np.int32}


def _spread(node: Node, x: Array, values: Array) -> Array:
    """Scales or zero points in the shape of a tensor: one, one per entry of an axis, or one per block of an axis."""
    if values[0].size == 1:
        return in_rank(values.reshape(len(values)), x.ndim)
    axis, block = axis_of(node.get("axis", 1), x), node.get("block_size", 0)
    if block:
        return np.repeat(values, block, axis=axis).take(range(x.shape[axis]), axis=axis)
    return values.reshape(len(values), *[1] * (axis - 1), -1, *[1] * (x.ndim - axis - 1))


def _quantise(node: Node, inputs: Inputs) -> Array:
    """Nearest whole number (halves to the even one) of x / scale, plus the zero point, within the type's range."""
    x, scale, zero = needed(inputs, 0), needed(inputs, 1), option(inputs, 2)
    kind = np.dtype(zero.dtype if zero is not None else _TYPES[node.get("output_dtype", 0) or 2])
    steps = np.rint(x / _spread(node, x, scale))
    if zero is not None:
        steps = steps + _spread(node, x, zero).astype(np.float32)
    limits = np.iinfo(kind)
    return np.clip(steps, limits.min, limits.max).astype(kind)


def _dequantise(node: Node, inputs: Inputs) -> Array:
    """(x - zero point) * scale."""
    x, scale, zero = needed(inputs, 0), needed(inputs, 1), option(inputs, 2)
    steps = x.astype(np.float32)
    if zero is not None:
        steps = (x.astype(np.int64) - _spread(node, x, zero)).astype(np.float32)
    return np.asarray(steps * _spread(node, x, scale))


QUANTISED: dict[str, Callable[[Node, Inputs], Array]] = {"QuantizeLinear": _quantise, "DequantizeLinear": _dequantise}
