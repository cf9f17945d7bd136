"""PyTorch: networks on the chip's numerics, their import, and modules of workload files. Needs the extra `torch`.

>>> analog = hs.torch.convert(module, "hermes_64", example_input=x)

Nothing is loaded before it is used: `import hermes_sim.torch` works without PyTorch, its functions then say what is
missing.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

from hermes_sim.errors import HermesSimError

if TYPE_CHECKING:
    from hermes_sim.torch.aihwkit import compare_layer
    from hermes_sim.torch.analog import AnalogChip, Training
    from hermes_sim.torch.converting import convert
    from hermes_sim.torch.importing import onnx_of
    from hermes_sim.torch.networks import export_weights, load_weights, module_of

_HOMES = {
    "AnalogChip": "analog",
    "Training": "analog",
    "compare_layer": "aihwkit",
    "convert": "converting",
    "export_weights": "networks",
    "load_weights": "networks",
    "module_of": "networks",
    "onnx_of": "importing",
}

_MISSING = {
    "aihwkit": "pip install --no-deps aihwkit beside PyTorch",
    "torch": "pip install 'hermes-sim[torch]'",
}

__all__ = [
    "AnalogChip",
    "Training",
    "compare_layer",
    "convert",
    "export_weights",
    "load_weights",
    "module_of",
    "onnx_of",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_part(_HOMES[name]), name)


def _part(name: str) -> Any:
    try:
        return importlib.import_module(f"{__name__}.{name}")
    except ModuleNotFoundError as cause:
        if cause.name not in _MISSING:
            raise
        missing = cause.name if importlib.util.find_spec("torch") is not None else "torch"
        what = "PyTorch" if missing == "torch" else missing
        raise HermesSimError(what, got=f"the package {missing} is not installed", allowed=_MISSING[missing]) from None


def __dir__() -> list[str]:
    return __all__
