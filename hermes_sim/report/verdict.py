"""Who wins against each digital accelerator, in plain sentences."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hermes_sim.config.vocabulary import Timing
from hermes_sim.kit.formatting import count, crosses_one, times
from hermes_sim.kit.ratios import MODELLED, RATIO_OF, RatioKey
from hermes_sim.report.summary import interval_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

QUANTITIES = {ratio: f"{word.capitalize()} per inference" for ratio, word in RATIO_OF.items()}
WINNER_WORDS = {"chip": "chip wins", "digital": "digital wins", "depends": "it depends"}


@dataclass(frozen=True)
class Verdict:
    """One comparison over all precisions of a baseline.

    Parameters
    ----------
    quantity : what is compared, a value of `QUANTITIES`
    winner : ``chip``, ``digital`` or ``depends``
    sentence : by how much, and in which case
    """

    quantity: str
    winner: str
    sentence: str


def verdicts(rows: Sequence[Mapping[str, Any]], document: Mapping[str, Any] | None = None) -> list[Verdict]:
    """One sentence per baseline, batch, timing and quantity; with a document, also how sure it is."""
    groups: defaultdict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["name"], batch_words(row["batch"], RatioKey.of(row, "", "").timing)].append(row)
    return [
        replace(verdict, sentence=verdict.sentence + _doubt(quantity, group, document or {}))
        for quantity in QUANTITIES
        for (name, batch), group in groups.items()
        if (verdict := _verdict(name, batch, quantity, group)) is not None
    ]


def _doubt(quantity: str, rows: Sequence[Mapping[str, Any]], document: Mapping[str, Any]) -> str:
    """A sentence where intervals leave the winner open."""
    found = [
        crosses_one(ratio, interval_of(document, str(RatioKey.of(row, quantity, case))))
        for row in rows
        for case in MODELLED
        if (ratio := row[quantity].get(case)) is not None
    ]
    if not any(found):
        return ""
    return f" Within the ranges of the assumed values the winner may change in {sum(found)} of {len(found)} cases."


def _verdict(name: str, batch: str, quantity: str, rows: Sequence[Mapping[str, Any]]) -> Verdict | None:
    found = [
        (ratio, f"{row['precision']}, {case}")
        for row in rows
        for case in MODELLED
        if (ratio := row[quantity].get(case)) is not None
    ]
    if not found:
        return None
    low, high = min(found), max(found)
    winner = "chip" if low[0] >= 1 else "digital" if high[0] <= 1 else "depends"
    verb = "uses" if quantity == "energy_ratio" else "takes"
    sentence = (
        f"{QUANTITIES[quantity]} at {batch}: {name} {verb} {_range(low, high)} the {RATIO_OF[quantity]} of the chip."
    )
    return Verdict(QUANTITIES[quantity], winner, sentence)


def _range(low: tuple[float, str], high: tuple[float, str]) -> str:
    if times(low[0]) == times(high[0]):
        return times(low[0])
    return f"{times(low[0])} ({low[1]}) to {times(high[0])} ({high[1]})"


def batch_words(batch: int, timing: str) -> str:
    """Batch size in words; of a single inference whether it is a response or one of a stream."""
    return f"batch 1 ({Timing(timing).words})" if batch == 1 else f"batch {count(batch)}"


def verdict_summary(rows: Sequence[Mapping[str, Any]], document: Mapping[str, Any] | None = None) -> list[str]:
    """One plain sentence per quantity, with a document also how sure it is; none without baselines."""
    found = verdicts(rows)
    return [
        _summary_sentence(words.split()[0], [verdict.winner for verdict in found if verdict.quantity == words])
        + _doubt(quantity, rows, document or {})
        for quantity, words in QUANTITIES.items()
        if any(verdict.quantity == words for verdict in found)
    ]


def _summary_sentence(subject: str, winners: Sequence[str]) -> str:
    n = len(winners)
    all_of_them = {1: "the one comparison made", 2: "both comparisons"}.get(n, f"all {n} comparisons")
    every_case = "at every precision, optimistic and realistic"
    open_case = "the winner depends on precision and on the optimistic or realistic case"
    found = set(winners)
    if found == {"depends"}:
        return f"{subject}: in {all_of_them} (baseline, batch and timing) {open_case}."
    for winner, name in (("chip", "the chip"), ("digital", "digital")):
        if found == {winner}:
            return f"{subject}: {name} wins {all_of_them} (baseline, batch and timing), {every_case}."
    parts = [
        f"{words} {winners.count(winner)}"
        for winner, words in (("chip", "the chip wins"), ("digital", "digital wins"))
        if winner in found
    ]
    if "depends" in found:
        parts.append(f"in {winners.count('depends')} {open_case}")
    return f"{subject}: of {n} comparisons (baseline, batch and timing) {'; '.join(parts)}."
