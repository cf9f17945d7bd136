"""One line of a validation: what was published, what we get, how far apart they may be, and what that proves."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class RowKind(StrEnum):
    """What a row that passes proves.

    IDENTITY: ours is arithmetic on values of the config that say the same as the published figure, or two ways to
    the same number: a check of the code. FITTED: a parameter was set from that figure: nothing. PREDICTED: no fit used
    the figure, and the row can fail: that the model holds there.
    """

    IDENTITY = "identity"
    FITTED = "fitted"
    PREDICTED = "predicted"


@dataclass(frozen=True)
class ValidationRow:
    """A comparison.

    Parameters
    ----------
    name : quantity and condition, with unit
    expected, simulated : the published figure and ours
    tolerance : largest allowed deviation, as a fraction of `expected`
    kind : what it proves
    source, note : where the figure comes from; what a reader should know
    at_least : whether only a figure below `expected` misses
    interval : 5 and 95 % of ours over draws of assumed values, where there were any
    """

    name: str
    expected: float
    simulated: float
    tolerance: float
    kind: RowKind
    source: str = ""
    note: str = ""
    at_least: bool = False
    interval: tuple[float, float] | None = None

    @property
    def deviation(self) -> float:
        """Simulated over expected, minus one."""
        return self.simulated / self.expected - 1

    @property
    def passed(self) -> bool:
        """Whether the deviation is within tolerance."""
        return -self.tolerance <= self.deviation and (self.at_least or self.deviation <= self.tolerance)

    def record(self) -> dict[str, Any]:
        """Plain row."""
        return {
            "name": self.name,
            "expected": self.expected,
            "simulated": self.simulated,
            "deviation": self.deviation,
            "tolerance": self.tolerance,
            **kind_record(self.kind),
            "pass": self.passed,
            "source": self.source,
            "note": self.note,
            "at_least": self.at_least,
            "interval": list(self.interval) if self.interval else None,
        }


def kind_record(kind: RowKind) -> dict[str, Any]:
    """Entries of a row that say its kind; `fitted` is the older name of one of them."""
    return {"kind": str(kind), "fitted": kind is RowKind.FITTED}


def summary(rows: Sequence[ValidationRow]) -> dict[str, int]:
    """Counts of rows, of those of each kind, and of predictions that came true."""
    return {
        "rows": len(rows),
        "passed": sum(row.passed for row in rows),
        "failed": sum(not row.passed for row in rows),
        **count_kinds(row.kind for row in rows),
        "predicted_passed": sum(row.passed for row in rows if row.kind is RowKind.PREDICTED),
    }


def count_kinds(kinds: Iterable[RowKind]) -> dict[str, int]:
    """Rows of each kind, in the order of `RowKind`."""
    found = Counter(kinds)
    return {str(kind): found[kind] for kind in RowKind}


def kinds_words(counts: dict[str, Any]) -> str:
    """Counts by kind in words: ``12 identity, 3 fitted, 1 predicted``."""
    return ", ".join(f"{counts[kind]} {kind}" for kind in RowKind)
