"""Pictures in another size, one axis after the other: nearest pixels or straight lines between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hermes_sim.numerics.functions.axes import Array, along, axes_of, needed, numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hermes_sim.workload.origin import Node

    Inputs = Sequence[Array | None]
    F64 = npt.NDArray[np.float64]

# coordinate in the old axis, by place in the new one, scale, old size, new size
_COORDINATES: dict[str, Callable[[F64, float, int, int], F64]] = {
    "half_pixel": lambda x, scale, _old, _new: (x + 0.5) / scale - 0.5,
    "half_pixel_symmetric": lambda x, scale, old, new: old / 2 * (1 - new / (scale * old)) + (x + 0.5) / scale - 0.5,
    "pytorch_half_pixel": lambda x, scale, _old, new: (x + 0.5) / scale - 0.5 if new > 1 else 0 * x,
    "align_corners": lambda x, _scale, old, new: x * ((old - 1) / (new - 1)) if new > 1 else 0 * x,
    "asymmetric": lambda x, scale, _old, _new: x / scale,
}
_NEAREST: dict[str, Callable[[F64], F64]] = {
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}
_OURS: dict[str, list[Any]] = {
    "mode": ["nearest", "linear"],
    "coordinate_transformation_mode": list(_COORDINATES),
    "keep_aspect_ratio_policy": ["stretch"],
    "antialias": [0],
}


def is_ours(node: Node) -> bool:
    """Whether this module knows the way of resizing that a node asks for."""
    return all(node.get(name, values[0]) in values for name, values in _OURS.items())


def _resize(node: Node, inputs: Inputs) -> Array:
    x = needed(inputs, 0)
    old_set = len(inputs) == 2  # sets of operators before 11: input and scales
    scales, sizes = numbers(inputs, 1 if old_set else 2), numbers(inputs, 3)
    axes = axes_of(node.get("axes", None), x)
    way = "asymmetric" if old_set else node.get("coordinate_transformation_mode", "half_pixel")
    rounding = "floor" if old_set else node.get("nearest_mode", "round_prefer_floor")
    for i, axis in enumerate(axes):
        old = x.shape[axis]
        scale = scales[i] if scales else sizes[i] / old if sizes else 1.0
        new = int(np.floor(old * scale)) if scales else int(sizes[i]) if sizes else old
        if new == old and scale == 1:
            continue
        where = np.asarray(_COORDINATES[way](np.arange(new, dtype=np.float64), scale, old, new))
        x = _nearest(x, axis, where, rounding) if node.get("mode", "nearest") == "nearest" else _line(x, axis, where)
    return x


def _nearest(x: Array, axis: int, where: F64, rounding: str) -> Array:
    places = np.clip(_NEAREST[rounding](where), 0, x.shape[axis] - 1).astype(np.int64)
    return np.take(x, places, axis=axis)


def _line(x: Array, axis: int, where: F64) -> Array:
    """Between the two nearest; at the border the last one."""
    where = np.clip(where, 0, x.shape[axis] - 1)
    low = np.floor(where).astype(np.int64)
    high = np.minimum(low + 1, x.shape[axis] - 1)
    part = along((where - low).astype(np.float32)[None], axis, x.ndim)
    return np.asarray((1 - part) * np.take(x, low, axis=axis) + part * np.take(x, high, axis=axis))


def _upsample(node: Node, inputs: Inputs) -> Array:
    """The older operator: scales as input or attribute."""
    scales = numbers(inputs, 1) or node.get("scales", [])
    return _resize(node, [needed(inputs, 0), np.array([scales], dtype=np.float64)])


RESIZE: dict[str, Callable[[Node, Inputs], Array]] = {"Resize": _resize, "Upsample": _upsample}
