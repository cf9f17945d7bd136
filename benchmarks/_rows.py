"""Rows of a benchmark, and how they are printed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Row:
    """One measurement, or none where the name says why.

    `reference` was measured beside it and in its unit, so that value over reference says something on any machine.
    `goal` is what is asked for: of that ratio, and of the value where there is none.
    """

    name: str
    value: float | None
    unit: str
    reference: float | None = None
    threads: int = 1
    goal: float | None = None

    @property
    def ratio(self) -> float | None:
        """Value over reference."""
        return None if not self.reference or self.value is None else self.value / self.reference

    def as_dict(self) -> dict[str, object]:
        """The contract of all benchmarks."""
        return {**asdict(self), "ratio": self.ratio}


def print_rows(rows: Iterable[Row], *, as_json: bool) -> None:
    """Print a table, or the rows as JSON."""
    if as_json:
        print(json.dumps([row.as_dict() for row in rows], indent=1))
        return
    for row in rows:
        value = "-" if row.value is None else f"{row.value:,.4g}"
        threads = "" if row.threads == 1 else f"  {row.threads} threads"
        ratio = "" if row.ratio is None else f"  ratio {row.ratio:.3g}"
        goal = "" if row.goal is None else f"  goal {row.goal:,g}"
        print(f"{row.name:<66} {value:>12} {row.unit:<12}{threads}{ratio}{goal}")
