"""Rows of a benchmark, and how they are printed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Row:
    """One measurement, or none where the name says why; `reference` is what the value is held against."""

    name: str
    value: float | None
    unit: str
    reference: float | None = None
    threads: int = 1

    @property
    def ratio(self) -> float | None:
        """Value over reference."""
        return None if self.reference is None or self.value is None else self.value / self.reference

    def as_dict(self) -> dict[str, object]:
        """The contract of all benchmarks."""
        row = asdict(self)
        row["ratio"] = self.ratio
        return row


def print_rows(rows: Iterable[Row], *, as_json: bool) -> None:
    """Print a table, or the rows as JSON."""
    if as_json:
        print(json.dumps([row.as_dict() for row in rows], indent=1))
        return
    for row in rows:
        goal = "" if row.ratio is None else f"   goal {row.reference:,g}, ratio {row.ratio:.2f}"
        value = "-" if row.value is None else f"{row.value:,.4g}"
        print(f"{row.name:<58} {value:>16} {row.unit}{goal}")
