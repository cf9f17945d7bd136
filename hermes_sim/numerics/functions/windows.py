"""Windows over pictures and sequences: convolutions, pooling, responses of neighbouring channels."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from hermes_sim._jit import njit
from hermes_sim.numerics.functions.axes import Array, along, needed, option, refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from hermes_sim.workload.origin import Node

    Inputs = Sequence[Array | None]

_FIRST = 3  # axes before the spatial ones: samples, the file's batch, channels


@dataclass(frozen=True)
class _Side:
    """One spatial axis: sizes, how far the window goes, empty pixels before and behind, those behind that only
    `ceil_mode` needs.
    """

    size: int
    kernel: int
    stride: int
    dilation: int
    before: int
    after: int
    out: int

    @property
    def beyond(self) -> int:
        """Pixels that the last window reaches behind the padding."""
        return max(0, (self.out - 1) * self.stride + self.reach - self.size - self.before - self.after)

    @property
    def reach(self) -> int:
        return (self.kernel - 1) * self.dilation + 1

    def cut(self, position: int) -> slice:
        """Pixels that meet one position of the window, in the padded axis."""
        start = position * self.dilation
        return slice(start, start + (self.out - 1) * self.stride + 1, self.stride)


def _sides(node: Node, sizes: Sequence[int], kernel: Sequence[int]) -> list[_Side]:
    """Geometry of a node, one spatial axis after the other."""
    n = len(kernel)
    if len(sizes) != n:
        raise ValueError(f"a window of {n} dimensions over {list(sizes)}")
    strides, dilations = node.get("strides", [1] * n), node.get("dilations", [1] * n)
    pads, auto = node.get("pads", [0] * 2 * n), node.get("auto_pad", "NOTSET")
    made = []
    for i, (size, k, stride, dilation) in enumerate(zip(sizes, kernel, strides, dilations, strict=True)):
        reach = (k - 1) * dilation + 1
        if auto in {"SAME_UPPER", "SAME_LOWER"}:
            out = -(-size // stride)
            spare = max(0, (out - 1) * stride + reach - size)
            before = -(-spare // 2) if auto == "SAME_LOWER" else spare // 2
            made.append(_Side(size, k, stride, dilation, before, spare - before, out))
            continue
        before, after = (0, 0) if auto == "VALID" else (pads[i], pads[n + i])
        steps, rest = divmod(size + before + after - reach, stride)
        out = steps + 1
        if node.get("ceil_mode", 0) and rest and out * stride < size + before:
            out += 1  # one window more, unless it would begin behind the picture
        if out < 1:
            raise ValueError(f"a window that reaches {reach} pixels over {size + before + after}")
        made.append(_Side(size, k, stride, dilation, before, after, out))
    return made


def _padded(x: Array, sides: Sequence[_Side], value: float) -> Array:
    around = [(0, 0)] * _FIRST + [(side.before, side.after + side.beyond) for side in sides]
    return np.pad(x, around, constant_values=value) if any(map(any, around)) else x


def _positions(padded: Array, sides: Sequence[_Side]) -> Iterator[Array]:
    """For every position of the window a view of the values that it meets, (samples, batch, channels, *out)."""
    for place in product(*(range(side.kernel) for side in sides)):
        cuts = tuple(side.cut(i) for side, i in zip(sides, place, strict=True))
        yield padded[(slice(None),) * _FIRST + cuts]


def window_vectors(node: Node, x: Array, kernel: Sequence[int]) -> tuple[Array, tuple[int, ...]]:
    """What a window meets, one vector per place of it, and how many places there are along each axis.

    Parameters
    ----------
    x : (samples, batch, channels, *picture)
    kernel : sizes of the window

    Returns
    -------
    vectors : (samples * batch * places, channels * window), channel by channel
    sizes : of the result
    """
    sides = _sides(node, x.shape[_FIRST:], kernel)
    sizes = tuple(side.out for side in sides)
    padded = np.ascontiguousarray(_padded(x, sides, 0))
    picture = padded.shape[_FIRST:]
    starts = _numbers([np.arange(side.out) * side.stride for side in sides], picture)
    window = _numbers([np.arange(side.kernel) * side.dilation for side in sides], picture)
    channels = np.arange(x.shape[2]) * prod(picture)
    made = np.empty((prod(x.shape[:2]), len(starts), x.shape[2] * prod(kernel)), x.dtype)
    _gather(padded.reshape(len(made), -1), starts, np.add.outer(channels, window).reshape(-1), made)
    return made.reshape(-1, made.shape[-1]), sizes


def _numbers(along_axes: Sequence[NDArray[np.int64]], sizes: Sequence[int]) -> NDArray[np.int64]:
    """Number of each pixel of a grid in a picture of those sizes, row by row."""
    return np.ravel_multi_index(np.meshgrid(*along_axes, indexing="ij"), tuple(sizes)).reshape(-1)


@njit
def _gather(values: Array, starts: NDArray[np.int64], offsets: NDArray[np.int64], out: Array) -> None:
    """Values at every start plus every offset: (n, size) to (n, starts, offsets)."""
    for i in range(out.shape[0]):
        for place in range(starts.size):
            for j in range(offsets.size):
                out[i, place, j] = values[i, starts[place] + offsets[j]]


def _conv(node: Node, inputs: Inputs) -> Array:
    """Sum over the positions of the window of one product each, group by group."""
    x, weights, bias = needed(inputs, 0), needed(inputs, 1), option(inputs, 2)
    groups, kernel = node.get("group", 1), weights.shape[_FIRST:]
    made_of, each = weights.shape[1] // groups, weights.shape[2]
    if x.shape[2] != groups * each:
        raise ValueError(f"{x.shape[2]} channels for {groups} groups of {each}")
    sides = _sides(node, x.shape[_FIRST:], kernel)
    out = [side.out for side in sides]
    by_place = np.moveaxis(weights.reshape(len(weights), 1, groups, made_of, each, prod(kernel)), -1, 0)
    by_place = np.ascontiguousarray(by_place)
    times = np.multiply if each == 1 else np.matmul
    shape = (max(len(x), len(weights)), x.shape[1], groups, made_of, prod(out))
    total, term = np.zeros(shape, x.dtype), np.empty(shape, x.dtype)
    for factor, seen in zip(by_place, _positions(_padded(x, sides, 0), sides), strict=True):
        total += times(factor, seen.reshape(*x.shape[:2], groups, each, prod(out)), out=term)
    made = total.reshape(*total.shape[:2], groups * made_of, *out)
    return made if bias is None else made + along(bias, 2, made.ndim)


def _conv_transpose(node: Node, inputs: Inputs) -> Array:
    """Every pixel spread over a window."""
    x, weights, bias = needed(inputs, 0), needed(inputs, 1), option(inputs, 2)
    groups, kernel, sizes = node.get("group", 1), weights.shape[_FIRST:], x.shape[_FIRST:]
    each, made_of = weights.shape[1] // groups, weights.shape[2]
    sides = _spread(node, sizes, kernel)
    by_place = np.moveaxis(weights.reshape(len(weights), 1, groups, each, made_of, prod(kernel)), -1, 0)
    by_place = np.ascontiguousarray(by_place.swapaxes(-1, -2))
    values = x.reshape(*x.shape[:2], groups, each, prod(sizes))
    samples = max(len(x), len(weights))
    full = np.zeros((samples, x.shape[1], groups * made_of, *(side.size for side in sides)), dtype=x.dtype)
    for factor, reached in zip(by_place, _positions(full, sides), strict=True):
        term = (factor @ values).reshape(reached.shape)
        np.add(reached, term, out=reached)
    made = full[(slice(None),) * _FIRST + tuple(slice(side.before, side.size - side.after) for side in sides)]
    return made if bias is None else made + along(bias, 2, made.ndim)


def _spread(node: Node, sizes: Sequence[int], kernel: Sequence[int]) -> list[_Side]:
    """Geometry of a transposed convolution: `size` is its result before `before` and `after` are cut off."""
    n = len(kernel)
    strides, dilations = node.get("strides", [1] * n), node.get("dilations", [1] * n)
    more, pads = node.get("output_padding", [0] * n), node.get("pads", [0] * 2 * n)
    wanted, auto = node.get("output_shape", None), node.get("auto_pad", "NOTSET")
    if not wanted and auto in {"SAME_UPPER", "SAME_LOWER"}:
        wanted = [size * stride for size, stride in zip(sizes, strides, strict=True)]
    made = []
    for i, (n_in, k, stride, dilation) in enumerate(zip(sizes, kernel, strides, dilations, strict=True)):
        size = (n_in - 1) * stride + (k - 1) * dilation + 1 + more[i]
        before, after = (0, 0) if auto == "VALID" else (pads[i], pads[n + i])
        if wanted:
            spare = size - wanted[-n:][i]
            before = spare // 2 if auto == "SAME_UPPER" else -(-spare // 2)
            after = spare - before
        if min(before, after) < 0:
            raise ValueError(f"a result of {wanted}, larger than what the windows reach")
        made.append(_Side(size, k, stride, dilation, before, after, n_in))
    return made


def _max_pool(node: Node, inputs: Inputs) -> tuple[Array, ...]:
    """Largest value in the window and, if asked for, its place in the tensor as the file has it."""
    x = needed(inputs, 0)
    sides = _sides(node, x.shape[_FIRST:], node.get("kernel_shape", []))
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    made = np.full((*x.shape[:_FIRST], *(side.out for side in sides)), lowest, x.dtype)
    if not any(node.outputs[1:]):
        for seen in _positions(_padded(x, sides, lowest), sides):
            np.maximum(made, seen, out=made)
        return (made,)
    if node.get("storage_order", 0):
        raise refuse(node, "places column by column", "storage_order 0")
    numbers, places = np.arange(x[0].size).reshape(1, *x.shape[1:]), np.zeros(made.shape, np.int64)
    seen_numbers = _positions(_padded(numbers, sides, 0), sides)
    for seen, number in zip(_positions(_padded(x, sides, lowest), sides), seen_numbers, strict=True):
        np.copyto(places, number, where=seen > made)
        np.maximum(made, seen, out=made)
    return made, places


def _average_pool(node: Node, inputs: Inputs) -> Array:
    """Over the pixels in the window, those of the padding among them if `count_include_pad`."""
    x = needed(inputs, 0)
    sides = _sides(node, x.shape[_FIRST:], node.get("kernel_shape", []))
    counted = np.ones((1, 1, 1, *x.shape[_FIRST:]), dtype=x.dtype)
    padding = [(0, 0)] * _FIRST + [(side.before, side.after) for side in sides]
    beyond = [(0, 0)] * _FIRST + [(0, side.beyond) for side in sides]
    counted = np.pad(np.pad(counted, padding, constant_values=node.get("count_include_pad", 0)), beyond)
    total, count = (sum(_positions(array, sides)) for array in (_padded(x, sides, 0), counted))
    return np.asarray(total / count)


def _over_all(function: Callable[..., Array]) -> Callable[[Node, Inputs], Array]:
    def evaluate(_node: Node, inputs: Inputs) -> Array:
        x = needed(inputs, 0)
        return np.asarray(function(x, axis=tuple(range(_FIRST, x.ndim)), keepdims=True))

    return evaluate


def _local_response(node: Node, inputs: Inputs) -> Array:
    """LRN: over a power of the sum of squares of neighbouring channels."""
    x, size = needed(inputs, 0), node.get("size", 1)
    before, n = (size - 1) // 2, x.shape[2]
    around = [(0, 0)] * x.ndim
    around[2] = (before, size - 1 - before)
    squares = np.pad(x * x, around)
    total: Array = np.asarray(sum(squares[:, :, i : i + n] for i in range(size)))
    factor = np.float32(node.get("alpha", 1e-4) / size)
    return np.asarray(x / (np.float32(node.get("bias", 1.0)) + factor * total) ** np.float32(node.get("beta", 0.75)))


WINDOWS: dict[str, Callable[[Node, Inputs], Array | tuple[Array, ...]]] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalMaxPool": _over_all(np.max),
    "GlobalAveragePool": _over_all(np.mean),
    "LRN": _local_response,
}
