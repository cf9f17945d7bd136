"""The optional package onnx."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

from hermes_sim.errors import WorkloadError


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
