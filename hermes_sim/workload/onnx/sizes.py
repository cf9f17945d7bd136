"""Sizes of a network's inputs: one sample per inference, every other dimension known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hermes_sim.errors import WorkloadError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

PICTURE_OPS = frozenset({"Conv", "MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool", "ConvTranspose"})
RECURRENT_OPS = frozenset({"LSTM", "GRU", "RNN"})
ONE_SAMPLE = "a batch of 1: an inference is one sample"


def size_inputs(graph: Any, inputs: list[Any], dimensions: Mapping[str, int], path: Path) -> None:
    """Give every dimension of the inputs its size: that of `dimensions`, else the file's, else 1 for a batch.

    Raises
    ------
    WorkloadError
        a dimension without a size, of no values, or a batch of several samples; a name that no dimension has
    """
    known = _names(inputs)
    for name in dimensions:
        if name not in known:
            raise WorkloadError(
                f"{path}: dimensions",
                got=repr(name),
                allowed=", ".join(known) or "nothing: the inputs have no dimensions",
                hint=nearest(name, known),
            )
    if sum([_size_input(graph, value, dimensions, path) for value in inputs]):
        _forget(graph)


def batch_axis(sizes: list[int | None], names: list[str], takers: Iterable[str]) -> int | None:
    """Axis of an input that counts samples.

    The one whose name says so; else the second of a sequence that comes step by step, [steps, batch, values]: where a
    recurrent layer takes it, or the second axis is 1 and no convolution takes it; else the first; a vector has none.
    """
    named = next((i for i, name in enumerate(names) if "batch" in name.lower()), None)
    if named is not None:
        return named
    if len(sizes) == 3 and not PICTURE_OPS & set(takers) and (RECURRENT_OPS & set(takers) or sizes[1] == 1):
        return 1
    return 0 if len(sizes) > 1 else None


def _names(inputs: list[Any]) -> list[str]:
    names: dict[str, None] = {}
    for value in inputs:
        for i, dim in enumerate(value.type.tensor_type.shape.dim):
            if dim.dim_param:
                names[dim.dim_param] = None
            names[f"{value.name}.{i}"] = None
    return list(names)


def _size_input(graph: Any, value: Any, dimensions: Mapping[str, int], path: Path) -> bool:
    """Size one input; whether that contradicts the file."""
    where = f"{path}: input {value.name}"
    tensor = value.type.tensor_type
    if not value.type.HasField("tensor_type") or not tensor.HasField("shape"):
        raise WorkloadError(where, got="an input without a shape", allowed="a tensor whose dimensions are listed")
    dims = tensor.shape.dim
    names = [dim.dim_param for dim in dims]
    fixed = [dim.dim_value if dim.HasField("dim_value") and dim.dim_value >= 0 else None for dim in dims]
    wanted = [dimensions.get(f"{value.name}.{i}", dimensions.get(name)) for i, name in enumerate(names)]
    sizes = [old if new is None else new for old, new in zip(fixed, wanted, strict=True)]
    takers = {node.op_type for node in graph.node if value.name in node.input and not _takes_samples_first(node)}
    batch = batch_axis(sizes, names, takers)
    for i, (dim, size) in enumerate(zip(dims, sizes, strict=True)):
        key = f"{value.name}.{i}"
        if size is None and i != batch:
            raise _no_size(where, names[i], key)
        if size == 0:
            raise WorkloadError(where, got=f"dimension {i} of size 0", allowed="at least 1: an input with values")
        tokens = len(dims) == 2 and wanted[i] is not None
        if i == batch and (size or 1) > 1 and not tokens:
            raise _several_samples(where, key, size or 1, rank=len(dims))
        dim.dim_value = size or 1
    return any(old is not None and old != size for old, size in zip(fixed, sizes, strict=True))


def _takes_samples_first(node: Any) -> bool:
    """Whether a recurrent layer wants [batch, steps, values]."""
    return any(attribute.name == "layout" and attribute.i == 1 for attribute in node.attribute)


def _no_size(where: str, name: str, key: str) -> WorkloadError:
    keys = [f'`dimensions: {{"{name}": SIZE}}`'] if name else []
    return WorkloadError(
        where,
        got=f"dimension {key.rpartition('.')[2]} ({name or 'without a name'}) without a size",
        allowed=" or, for this input alone, ".join([*keys, f'`dimensions: {{"{key}": SIZE}}`']),
        hint="in a workload file of kind onnx",
    )


def _several_samples(where: str, key: str, size: int, *, rank: int) -> WorkloadError:
    hint = f'`dimensions: {{"{key}": 1}}` in a workload file of kind onnx runs one sample'
    if rank == 2:
        hint += f'; {{"{key}": {size}}} takes the rows for {size} tokens of one sample'
    return WorkloadError(where, got=f"a batch of {size}", allowed=ONE_SAMPLE, hint=hint)


def _forget(graph: Any) -> None:
    """Shapes inside the network were made for other inputs."""
    del graph.value_info[:]
    for value in graph.output:
        value.type.tensor_type.ClearField("shape")
