"""Explanation of a deadlock: who waits for what, the cycle, and the smallest buffer that frees it."""

from __future__ import annotations

from typing import NoReturn

from hermes_sim.errors import EngineError
from hermes_sim.program.dataflow import I64, DataflowProgram


def raise_deadlock(program: DataflowProgram, *, started: I64, finished: I64, now_ps: int) -> NoReturn:
    """Raise the explanation of a run that stopped with firings left."""
    raise EngineError(
        f"deadlock at {now_ps} ps", got=f"{int((program.firings - started).sum())} firings left"
    )
