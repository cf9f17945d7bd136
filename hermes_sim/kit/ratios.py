"""Cases and ratios of a comparison with a baseline, and the names under which documents keep them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from hermes_sim.config.vocabulary import Timing

if TYPE_CHECKING:
    from collections.abc import Mapping

OPTIMISTIC, REALISTIC = "optimistic", "realistic"
MODELLED = (OPTIMISTIC, REALISTIC)
CASES = (*MODELLED, "measured")
RATIO_OF = {"energy_ratio": "energy", "latency_ratio": "time"}  # what is compared, in words
RATIOS = tuple(RATIO_OF)
_BATCH, _BACK_TO_BACK = ", batch ", " back to back"


class RatioKey(NamedTuple):
    """One ratio to a baseline; its text is the name under which a result document keeps intervals of it."""

    baseline: str
    precision: str
    batch: int
    quantity: str
    case: str
    timing: Timing

    @classmethod
    def of(cls, row: Mapping[str, Any], quantity: str, case: str) -> RatioKey:
        """Key of a ratio of a row of the document's baselines."""
        batch = int(row["batch"])
        timing = Timing(row.get("timing", Timing.usual(batch)))
        return cls(str(row["name"]), str(row["precision"]), batch, quantity, case, timing)

    @classmethod
    def read(cls, text: str) -> RatioKey | None:
        """Key of a text, None if it names no ratio."""
        label, _, rest = text.rpartition(_BATCH)
        baseline, _, precision = label.rpartition(" ")
        parts = rest.split(".")
        number = parts[0].removesuffix(_BACK_TO_BACK).replace(",", "")
        if not baseline or len(parts) != 3 or parts[1] not in RATIOS or not number.isdecimal():
            return None
        batch = int(number)
        timing = Timing.BACK_TO_BACK if parts[0].endswith(_BACK_TO_BACK) else Timing.usual(batch)
        return cls(baseline, precision, batch, parts[1], parts[2], timing)

    @property
    def row(self) -> str:
        """Baseline, precision and batch in words; a single inference back to back says so."""
        unusual = "" if self.timing is Timing.usual(self.batch) else f" {self.timing.words}"
        return f"{self.baseline} {self.precision}{_BATCH}{self.batch:,}{unusual}"

    @property
    def label(self) -> str:
        """The same for readers: a single inference says what its time is in either case."""
        is_response = self.batch == 1 and self.timing is Timing.RESPONSE
        return f"{self.row} {self.timing.words}" if is_response else self.row

    @property
    def words(self) -> str:
        """``energy ratio``."""
        return f"{RATIO_OF[self.quantity]} ratio"

    def __str__(self) -> str:
        """Name in the document."""
        return f"{self.row}.{self.quantity}.{self.case}"
