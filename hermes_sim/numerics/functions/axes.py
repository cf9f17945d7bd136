"""Arrays with an axis of samples in front: how shapes, axes and parameters of a node are read with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hermes_sim.errors import WorkloadError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hermes_sim.workload.origin import Node

Array = npt.NDArray[Any]
Inputs = "Sequence[Array | None]"


def align(arrays: Iterable[Array]) -> list[Array]:
    """Arrays of one rank: axes of one behind that of the samples, as NumPy would put them in front of a shape."""
    made = list(arrays)
    rank = max(array.ndim for array in made)
    return [in_rank(array, rank) for array in made]


def in_rank(array: Array, rank: int) -> Array:
    """An array with axes of one behind that of the samples, so that it has so many axes in all."""
    return array.reshape(len(array), *[1] * (rank - array.ndim), *array.shape[1:])


def given(inputs: Sequence[Array | None]) -> list[Array]:
    """Inputs that are there."""
    return [array for array in inputs if array is not None]


def needed(inputs: Sequence[Array | None], i: int) -> Array:
    """An input that must be there."""
    array = option(inputs, i)
    if array is None:
        raise ValueError(f"no input {i}")
    return array


def option(inputs: Sequence[Array | None], i: int) -> Array | None:
    """An input that may be left out."""
    return inputs[i] if i < len(inputs) else None


def numbers(inputs: Sequence[Array | None], i: int) -> list[Any] | None:
    """Numbers that an input holds as a parameter of the node: the same for every sample."""
    array = option(inputs, i)
    if array is None:
        return None
    if (array != array[:1]).any():
        raise ValueError(f"input {i} is a parameter of the node and differs between samples")
    values: list[Any] = array[0].reshape(-1).tolist()
    return values


def integers(node: Node, name: str, inputs: Sequence[Array | None], i: int) -> list[int] | None:
    """Whole numbers of an attribute, or of the input that took its place in newer sets of operators."""
    values = numbers(inputs, i)
    if values is None:
        values = node.get(name, None)
    return None if values is None else [int(value) for value in np.atleast_1d(values)]


def axis_of(axis: int, array: Array) -> int:
    """Axis of an array that an axis of the network's file is."""
    rank = array.ndim - 1
    if not -rank <= axis < rank:
        raise ValueError(f"axis {axis} of a tensor of {rank} axes")
    return axis % rank + 1


def axes_of(axes: Iterable[int] | None, array: Array) -> tuple[int, ...]:
    """Axes of an array that axes of the file are; all but that of the samples if none are given."""
    if axes is None:
        return tuple(range(1, array.ndim))
    return tuple(axis_of(axis, array) for axis in axes)


def along(values: Array, axis: int, rank: int) -> Array:
    """One number per entry of an axis, (samples, n), to be put together with arrays of that rank."""
    return values.reshape(len(values), *[1] * (axis - 1), -1, *[1] * (rank - axis - 1))


def same_samples(arrays: Iterable[Array]) -> list[Array]:
    """Arrays with as many samples as the largest has; constants are repeated."""
    made = list(arrays)
    samples = max(len(array) for array in made)
    return [np.broadcast_to(array, (samples, *array.shape[1:])) for array in made]


def refuse(node: Node, got: str, allowed: str) -> WorkloadError:
    """Error about a node."""
    domain = f"{node.domain}." if node.domain else ""
    return WorkloadError(f"node {node.name!r} ({domain}{node.op_type})", got=got, allowed=allowed)
