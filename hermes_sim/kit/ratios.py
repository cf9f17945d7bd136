"""Cases and ratios of a comparison with a baseline, and the names under which documents keep them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

OPTIMISTIC, REALISTIC = "optimistic", "realistic"
MODELLED = (OPTIMISTIC, REALISTIC)
CASES = (*MODELLED, "measured")
RATIO_OF = {"energy_ratio": "energy", "latency_ratio": "time"}  # what is compared, in words
RATIOS = tuple(RATIO_OF)


class RatioKey(NamedTuple):
    """One ratio to a baseline; its text is the name under which a result document keeps intervals of it."""

    baseline: str
    precision: str
    batch: int
    quantity: str
    case: str

    @classmethod
    def of(cls, row: Mapping[str, Any], quantity: str, case: str) -> RatioKey:
        """Key of a ratio of a row of the document's baselines."""
        return cls(str(row["name"]), str(row["precision"]), int(row["batch"]), quantity, case)

    @classmethod
    def read(cls, text: str) -> RatioKey | None:
        """Key of a text, None if it names no ratio."""
        label, _, rest = text.rpartition(", batch ")
        baseline, _, precision = label.rpartition(" ")
        parts = rest.split(".")
        if not baseline or len(parts) != 3 or parts[1] not in RATIOS or not parts[0].replace(",", "").isdecimal():
            return None
        return cls(baseline, precision, int(parts[0].replace(",", "")), parts[1], parts[2])

    @property
    def row(self) -> str:
        """Baseline, precision and batch in words."""
        return f"{self.baseline} {self.precision}, batch {self.batch:,}"

    @property
    def words(self) -> str:
        """``energy ratio``."""
        return f"{RATIO_OF[self.quantity]} ratio"

    def __str__(self) -> str:
        """Name in the document."""
        return f"{self.row}.{self.quantity}.{self.case}"
