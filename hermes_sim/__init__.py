"""Event-level latency, energy and accuracy of analog in-memory-computing chips.

>>> import hermes_sim as hs
>>> result = hs.simulate("hermes_64", "kernel_ridge_digits", accuracy=False)
>>> result.document["latency_ns"]
3199.0
>>> result.document["bottleneck"]["resource"]
'host0'
>>> result.report("out/digits")  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from hermes_sim._version import __version__

if TYPE_CHECKING:
    from hermes_sim.api import Result, simulate
    from hermes_sim.baselines.load import load_baseline
    from hermes_sim.chip.load import load_arch
    from hermes_sim.errors import HermesSimError
    from hermes_sim.explore.study import Study
    from hermes_sim.workload.load import build_graph, load_workload

# Loaded on first use: `import hermes_sim` must not wait for Numba, pandas and scikit-learn.
_HOMES = {
    "HermesSimError": "errors",
    "Result": "api",
    "Study": "explore.study",
    "build_graph": "workload.load",
    "load_arch": "chip.load",
    "load_baseline": "baselines.load",
    "load_workload": "workload.load",
    "simulate": "api",
}

__all__ = [
    "HermesSimError",
    "Result",
    "Study",
    "__version__",
    "build_graph",
    "load_arch",
    "load_baseline",
    "load_workload",
    "simulate",
]


def __getattr__(name: str) -> Any:
    if name == "torch":
        return importlib.import_module(f"{__name__}.torch")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
