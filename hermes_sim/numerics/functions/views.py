"""Functions that rename, reorder, cut or copy values and compute nothing."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from hermes_sim.numerics.functions.axes import (
    Array,
    axes_of,
    axis_of,
    given,
    in_rank,
    integers,
    needed,
    numbers,
    same_samples,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hermes_sim.workload.origin import Node

    Inputs = Sequence[Array | None]


def _reshape(node: Node, inputs: Inputs) -> Array:
    x = needed(inputs, 0)
    wanted = integers(node, "shape", inputs, 1) or []
    if not node.get("allowzero", 0):
        wanted = [x.shape[i + 1] if size == 0 else size for i, size in enumerate(wanted)]
    return x.reshape(len(x), *wanted)


def _flatten(node: Node, inputs: Inputs) -> Array:
    x = needed(inputs, 0)
    shape, axis = x.shape[1:], node.get("axis", 1)
    axis += len(shape) if axis < 0 else 0
    return x.reshape(len(x), prod(shape[:axis]), prod(shape[axis:]))


def _transpose(node: Node, inputs: Inputs) -> Array:
    x = needed(inputs, 0)
    order = node.get("perm", None) or range(x.ndim - 1)[::-1]
    return x.transpose(0, *(axis + 1 for axis in order))


def _squeeze(node: Node, inputs: Inputs) -> Array:
    x, axes = needed(inputs, 0), integers(node, "axes", inputs, 1)
    out = axes_of(axes, x) if axes is not None else tuple(i for i in range(1, x.ndim) if x.shape[i] == 1)
    return np.squeeze(x, axis=out)


def _unsqueeze(node: Node, inputs: Inputs) -> Array:
    x, axes = needed(inputs, 0), integers(node, "axes", inputs, 1) or []
    rank = x.ndim - 1 + len(axes)
    return np.expand_dims(x, tuple(axis % rank + 1 for axis in axes))


def _slice(node: Node, inputs: Inputs) -> Array:
    x = needed(inputs, 0)
    starts, ends = integers(node, "starts", inputs, 1) or [], integers(node, "ends", inputs, 2) or []
    axes = integers(node, "axes", inputs, 3) or list(range(len(starts)))
    steps = integers(node, "steps", inputs, 4) or [1] * len(starts)
    cut = [slice(None)] * x.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        cut[axis_of(axis, x)] = slice(start, end, step)
    return x[tuple(cut)]


def _split(node: Node, inputs: Inputs) -> tuple[Array, ...]:
    x = needed(inputs, 0)
    axis, n_parts = axis_of(node.get("axis", 0), x), len(node.outputs)
    size = -(-x.shape[axis] // n_parts)
    sizes = integers(node, "split", inputs, 1) or [size] * (n_parts - 1)
    return tuple(np.split(x, np.cumsum(sizes[: n_parts - 1]), axis=axis))


def _concat(node: Node, inputs: Inputs) -> Array:
    arrays = same_samples(given(inputs))
    return np.concatenate(arrays, axis=axis_of(node.get("axis", 0), arrays[0]))


def _expand(_node: Node, inputs: Inputs) -> Array:
    x, wanted = needed(inputs, 0), tuple(numbers(inputs, 1) or [])
    shape = np.broadcast_shapes(x.shape[1:], wanted)
    return np.broadcast_to(in_rank(x, len(shape) + 1), (len(x), *shape))


def _tile(_node: Node, inputs: Inputs) -> Array:
    return np.tile(needed(inputs, 0), (1, *(numbers(inputs, 1) or [])))


def _pad(node: Node, inputs: Inputs) -> Array:
    """Values around a tensor; negative numbers cut some off."""
    x = needed(inputs, 0)
    pads = integers(node, "pads", inputs, 1) or []
    axes = axes_of(numbers(inputs, 3), x)
    value = (numbers(inputs, 2) or [node.get("value", 0.0)])[0]
    mode = node.get("mode", "constant")
    around, cut = [(0, 0)] * x.ndim, [slice(None)] * x.ndim
    for axis, before, after in zip(axes, pads[: len(axes)], pads[len(axes) :], strict=True):
        around[axis] = (max(0, before), max(0, after))
        cut[axis] = slice(max(0, -before), x.shape[axis] - max(0, -after))
    if mode == "constant":
        return np.pad(x[tuple(cut)], around, constant_values=value)
    return np.pad(x[tuple(cut)], around, mode=mode)


def _gather(node: Node, inputs: Inputs) -> Array:
    """Entries of an axis; where table and indices both differ between samples, sample by sample."""
    table, picked = needed(inputs, 0), needed(inputs, 1)
    axis = axis_of(node.get("axis", 0), table)
    if picked.size and not -table.shape[axis] <= picked.min() <= picked.max() < table.shape[axis]:
        raise ValueError(f"indices {picked.min()} to {picked.max()} of {table.shape[axis]} entries")
    if len(picked) == 1:
        return np.asarray(np.take(table, picked[0], axis=axis))
    if len(table) == 1:
        return np.moveaxis(np.take(table[0], picked, axis=axis - 1), axis - 1, 0)
    return np.stack([np.take(one, i, axis=axis - 1) for one, i in zip(table, picked, strict=True)])


def _gather_elements(node: Node, inputs: Inputs) -> Array:
    table, picked = same_samples([needed(inputs, 0), needed(inputs, 1)])
    axis = axis_of(node.get("axis", 0), table)
    cut = tuple(slice(None) if i == axis else slice(size) for i, size in enumerate(picked.shape))
    return np.take_along_axis(table[cut], picked % table.shape[axis], axis=axis)


def _shape(node: Node, inputs: Inputs) -> Array:
    dims = np.array(needed(inputs, 0).shape[1:], dtype=np.int64)
    return dims[node.get("start", 0) : node.get("end", len(dims))][None]


def _size(_node: Node, inputs: Inputs) -> Array:
    return np.array([prod(needed(inputs, 0).shape[1:])], dtype=np.int64)


def _trilu(node: Node, inputs: Inputs) -> Array:
    x, k = needed(inputs, 0), (numbers(inputs, 1) or [0])[0]
    return np.triu(x, k) if node.get("upper", 1) else np.tril(x, k)


def _blocks(node: Node, inputs: Inputs) -> Array:
    """DepthToSpace: channels as pixels."""
    x, size = needed(inputs, 0), node.get("blocksize", 1)
    samples, n, channels, rows, columns = x.shape
    left = channels // size**2
    if node.get("mode", "DCR") == "DCR":
        made = x.reshape(samples, n, size, size, left, rows, columns).transpose(0, 1, 4, 5, 2, 6, 3)
    else:
        made = x.reshape(samples, n, left, size, size, rows, columns).transpose(0, 1, 2, 5, 3, 6, 4)
    return made.reshape(samples, n, left, rows * size, columns * size)


VIEWS: dict[str, Callable[[Node, Inputs], Array | tuple[Array, ...]]] = {
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Transpose": _transpose,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Slice": _slice,
    "Split": _split,
    "Concat": _concat,
    "Expand": _expand,
    "Tile": _tile,
    "Pad": _pad,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "Shape": _shape,
    "Size": _size,
    "Trilu": _trilu,
    "DepthToSpace": _blocks,
}
