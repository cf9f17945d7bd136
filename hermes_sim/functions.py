"""The functions a digital unit can compute: the words that workloads and chips share."""

from __future__ import annotations

from enum import StrEnum


class Function(StrEnum):
    """What a digital unit computes on one value (mac: one multiply and one add)."""

    MAC = "mac"
    ADD = "add"
    MUL = "mul"
    COMPARE = "compare"
    EXP = "exp"
    COS = "cos"
    SIN = "sin"
    DIV = "div"
    RSQRT = "rsqrt"
    SIGMOID = "sigmoid"
    TANH = "tanh"

    @property
    def ops(self) -> int:
        """Operations one evaluation counts for (the field counts a multiply-accumulate as two)."""
        return 2 if self is Function.MAC else 1
