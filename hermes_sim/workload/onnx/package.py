"""The optional package onnx."""

from __future__ import annotations

import importlib
from functools import cache
from math import prod
from typing import TYPE_CHECKING, Any

from hermes_sim.errors import WorkloadError

if TYPE_CHECKING:
    from collections.abc import Iterable

FLOAT = 1  # float32 in TensorProto
SMALL = 64  # values; indices, axes, shapes and scalars have fewer


@cache
def onnx_package() -> Any:
    """Package onnx with the modules used here.

    Raises
    ------
    WorkloadError
        if it is not installed
    """
    try:
        onnx = importlib.import_module("onnx")
        for name in ("checker", "helper", "inliner", "numpy_helper", "reference", "shape_inference"):
            importlib.import_module(f"onnx.{name}")
    except ImportError:
        raise WorkloadError(
            "onnx", got="the package is not installed", allowed="pip install 'hermes-sim[onnx]'"
        ) from None
    return onnx


def standard_opset(opsets: Any) -> int:
    """Version of the standard operators among a file's opsets; 0 without any."""
    return next((one.version for one in opsets if one.domain in {"", "ai.onnx"}), 0)


def is_small(tensor: Any) -> bool:
    """Whether a tensor of a file has few values, and has them in the file itself."""
    external = tensor.data_location == onnx_package().TensorProto.EXTERNAL
    return not external and prod(tensor.dims) <= SMALL


def refill(field: Any, items: Iterable[Any]) -> None:
    """Let a repeated field hold copies of items, which may be its own."""
    copies = [type(item).FromString(item.SerializeToString()) for item in items]
    del field[:]
    field.extend(copies)
