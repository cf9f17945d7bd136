"""One line of a validation: what was published, what we get, how far apart they may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class ValidationRow:
    """A comparison.

    Parameters
    ----------
    name : quantity and condition, with unit
    expected, simulated : the published figure and ours
    tolerance : largest allowed deviation, as a fraction of `expected`
    fitted : whether a parameter of the chip was set from this very figure (then it validates nothing)
    source, note : where the figure comes from; what a reader should know
    """

    name: str
    expected: float
    simulated: float
    tolerance: float
    fitted: bool = False
    source: str = ""
    note: str = ""

    @property
    def deviation(self) -> float:
        """Simulated over expected, minus one."""
        return self.simulated / self.expected - 1

    @property
    def passed(self) -> bool:
        """Whether the deviation is within tolerance."""
        return abs(self.deviation) <= self.tolerance

    def record(self) -> dict[str, Any]:
        """Plain row."""
        return {
            "name": self.name,
            "expected": self.expected,
            "simulated": self.simulated,
            "deviation": self.deviation,
            "tolerance": self.tolerance,
            "fitted": self.fitted,
            "pass": self.passed,
            "source": self.source,
            "note": self.note,
        }


def summary(rows: Sequence[ValidationRow]) -> dict[str, int]:
    """Counts; fitted rows are counted apart because they validate nothing."""
    return {
        "rows": len(rows),
        "passed": sum(row.passed for row in rows),
        "failed": sum(not row.passed for row in rows),
        "fitted": sum(row.fitted for row in rows),
    }
