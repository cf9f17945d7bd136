"""Who wins against each digital accelerator, in plain sentences."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hermes_sim.report.formatting import count, times

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CASES = ("optimistic", "realistic")
QUANTITIES = {"energy_ratio": "energy per inference", "latency_ratio": "time per inference"}


@dataclass(frozen=True)
class Verdict:
    """One comparison over all precisions of a baseline.

    Parameters
    ----------
    winner : ``chip``, ``digital`` or ``depends``
    sentence : who wins, by how much
    """

    winner: str
    sentence: str


def verdicts(rows: Sequence[Mapping[str, Any]]) -> list[Verdict]:
    """One sentence per baseline, batch and quantity."""
    groups: defaultdict[tuple[str, int], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["name"], row["batch"]].append(row)
    return [
        verdict
        for quantity in QUANTITIES
        for (name, batch), group in groups.items()
        if (verdict := _verdict(name, batch, quantity, group)) is not None
    ]


def _verdict(name: str, batch: int, quantity: str, rows: Sequence[Mapping[str, Any]]) -> Verdict | None:
    found = [
        (ratio, f"{row['precision']}, {case}")
        for row in rows
        for case in CASES
        if (ratio := row[quantity].get(case)) is not None
    ]
    if not found:
        return None
    low, high = min(found), max(found)
    subject = f"{QUANTITIES[quantity]} against {name} at {batch_words(batch)}"
    if low[0] >= 1:
        spread = _range(low, high)
        return Verdict("chip", f"The chip wins on {subject}: it needs {spread} less.")
    if high[0] <= 1:
        spread = _range((1 / high[0], high[1]), (1 / low[0], low[1]))
        return Verdict("digital", f"Digital wins on {subject}: it needs {spread} less than the chip.")
    return Verdict(
        "depends",
        f"On {subject} it depends: digital wins by {times(1 / low[0])} in its best case ({low[1]}), "
        f"the chip wins by {times(high[0])} in its ({high[1]}).",
    )


def _range(low: tuple[float, str], high: tuple[float, str]) -> str:
    if times(low[0]) == times(high[0]):
        return times(low[0])
    return f"{times(low[0])} ({low[1]}) to {times(high[0])} ({high[1]})"


def batch_words(batch: int) -> str:
    """Batch size in words."""
    return "batch 1" if batch == 1 else f"batch {count(batch)}"


def verdict_summary(rows: Sequence[Mapping[str, Any]]) -> str:
    """All verdicts in one sentence; empty without baselines."""
    found = verdicts(rows)
    if not found:
        return ""
    number = {winner: sum(v.winner == winner for v in found) for winner in ("chip", "digital", "depends")}
    for winner, subject in (("chip", "The chip"), ("digital", "Digital")):
        if number[winner] == len(found):
            every = "at every precision, in the optimistic and in the realistic case"
            return f"{subject} wins every comparison made here, {every}."
    parts = [
        f"the chip wins {number['chip']}",
        f"digital wins {number['digital']}",
        f"{number['depends']} depend on precision or case",
    ]
    return f"Of {len(found)} comparisons (energy and time, each baseline and batch), {', '.join(parts)}."
