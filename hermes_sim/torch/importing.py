"""PyTorch module -> ONNX file, for the import that all networks share.

`torch.export` comes first; what it cannot follow goes through TorchScript. Batch norms stay nodes of their own: their
scales belong to the LDPU's affine, not into the weights of a core.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from hermes_sim.errors import WorkloadError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOUD = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")


def onnx_of(module: Any, example: Any, path: Path) -> Path:
    """Write a module as an ONNX file for one sample.

    Parameters
    ----------
    module : in whatever mode; it is exported as for inference, and left as it was
    example : input of the module, (n, ...) of which the first sample counts; several inputs as a tuple
    path : of the file

    Raises
    ------
    WorkloadError
        a module that neither exporter can follow, packages that are missing
    """
    if not isinstance(module, torch.nn.Module):
        raise WorkloadError("module", got=type(module).__name__, allowed="a torch.nn.Module")
    inputs = tuple(one[:1] for one in example_inputs(example))
    modes = {name: part.training for name, part in module.named_modules()}
    module.eval()
    try:
        with _quiet(), torch.no_grad():
            _exported(module, inputs, path)
    finally:
        for name, part in module.named_modules():
            part.training = modes[name]
    return path


def example_inputs(example: Any) -> tuple[Any, ...]:
    """Inputs of a module, each (n, ...), as tensors.

    Raises    WorkloadError  for anything else
    """
    if example is None or isinstance(example, Mapping):
        raise WorkloadError(
            "example_input", got=type(example).__name__, allowed="a tensor (n, ...), or a tuple of one per input"
        )
    inputs = tuple(torch.as_tensor(one) for one in (example if isinstance(example, (tuple, list)) else (example,)))
    sizes = {len(one) if one.dim() else 0 for one in inputs}
    if len(sizes) != 1 or 0 in sizes:
        raise WorkloadError(
            "example_input",
            got=", ".join(str(tuple(one.shape)) for one in inputs) or "nothing",
            allowed="arrays with as many samples each, at least one",
        )
    return inputs


def _exported(module: Any, inputs: tuple[Any, ...], path: Path) -> None:
    try:
        _by_export(module, inputs, path)
    except ImportError as cause:
        raise WorkloadError(
            "PyTorch import",
            got=f"the package {cause.name} is not installed",
            allowed="pip install 'hermes-sim[torch]'",
        ) from None
    except Exception as first:  # noqa: BLE001 - exporters raise whatever a module raises
        try:
            torch.onnx.export(module, inputs, path, dynamo=False, do_constant_folding=False)
        except Exception as second:  # noqa: BLE001 - the same
            raise WorkloadError(
                f"module {type(module).__name__}",
                got=f"a module that cannot be exported: {_line(first)}; by TorchScript: {_line(second)}",
                allowed="a module that torch.export can follow",
                hint="export it to ONNX yourself and name the file",
            ) from None


def _by_export(module: Any, inputs: tuple[Any, ...], path: Path) -> None:
    from onnxscript import optimizer  # noqa: PLC0415 - of the same extra

    program = torch.onnx.export(module, inputs, dynamo=True, optimize=False, verbose=False)
    optimizer.fold_constants(program.model, onnx_shape_inference=True)
    optimizer.remove_unused_nodes(program.model)
    program.save(path)


def _line(cause: Exception) -> str:
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0][:120]


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporters' own messages: what matters comes as an error."""
    loggers = [logging.getLogger(name) for name in _LOUD]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
