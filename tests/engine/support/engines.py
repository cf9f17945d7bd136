"""The engines under test."""

from __future__ import annotations

import numba

from hermes_sim.engine.compiled import CompiledEngine
from hermes_sim.engine.reference import ReferenceEngine

ENGINES = {
    "simpy": ReferenceEngine(),
    "compiled": CompiledEngine(fast_forward=False),
    "fast_forward": CompiledEngine(fast_forward=True),
}
COMPILED = not numba.config.DISABLE_JIT


def n_programs(compiled: int, interpreted: int = 10) -> int:
    """How many random programs to try, with and without compilation."""
    return compiled if COMPILED else interpreted
