"""What the rows of a comparison say, in words made from the numbers: who wins, by how much, and how surely."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from hermes_sim.comparison.crossover import winner
from hermes_sim.config.vocabulary import Timing
from hermes_sim.kit.formatting import energy_of_pj, times, times_within
from hermes_sim.kit.markup import Markdown
from hermes_sim.kit.ratios import MODELLED, RATIO_OF
from hermes_sim.kit.tables import NO_VALUE, Column, Table, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hermes_sim.comparison.crossover import Crossover
    from hermes_sim.comparison.table import ComparisonRow

QUANTITIES = {ratio: word.capitalize() for ratio, word in RATIO_OF.items()}


def ratio_words(row: ComparisonRow, quantity: str) -> Markdown:
    """A ratio with its interval; `**` around it where the chip wins, `?` behind it where the interval holds 1."""
    value = getattr(row, quantity)
    if value is None:
        return Markdown(NO_VALUE)
    text = times_within(value, row.ends(quantity))
    marks = {"chip": ("**", "**"), "open": ("", " ?"), "digital": ("", "")}
    before, after = marks[row.winner(quantity)]
    return Markdown(f"{before}{text}{after}")


def verdict_lines(rows: Sequence[ComparisonRow]) -> list[str]:
    """One sentence per quantity and case about rows of one workload and number of inferences in flight."""
    return [
        f"{name}, {case}: {_verdict([row for row in rows if row.case == case], quantity)}."
        for quantity, name in QUANTITIES.items()
        for case in MODELLED
    ]


def best_line(rows: Sequence[ComparisonRow]) -> str:
    """The design with the least energy, and whom it beats in the realistic case."""
    best = min(rows, key=lambda row: row.chip_energy_pj)
    mine = [row for row in rows if (row.chip, row.mapping, row.case) == (best.chip, best.mapping, "realistic")]
    energy = energy_of_pj(best.chip_energy_pj)
    verdict = _verdict(mine, "energy_ratio")
    return f"Least energy: {best.chip}, {best.mapping}, {energy} per inference; realistic: {verdict}."


def _verdict(rows: Sequence[ComparisonRow], quantity: str) -> str:
    """Baselines by winner: the same in every design, or not."""
    groups: dict[str, list[ComparisonRow]] = {"chip": [], "digital": [], "open": []}
    for baseline in dict.fromkeys(row.baseline for row in rows):
        mine = [row for row in rows if row.baseline == baseline]
        winners = {row.winner(quantity) for row in mine}
        groups[winners.pop() if len(winners) == 1 else "open"] += mine
    several = len({(row.chip, row.mapping) for row in rows}) > 1
    every = " in every design" if several else ""
    depends = "it depends on the design or on assumed values" if several else "it depends on assumed values"
    words = {"chip": f"the chip wins{every}", "digital": f"**digital wins**{every}", "open": depends}
    n_all = len({row.baseline for row in rows})
    return "; ".join(
        f"{words[side]} against {_against(some, quantity, n_all)}" for side, some in groups.items() if some
    )


def _against(rows: Sequence[ComparisonRow], quantity: str, n_all: int) -> str:
    """Names of the accelerators, and the smallest and largest ratio."""
    names = list(dict.fromkeys(row.baseline for row in rows))
    found = [value for row in rows if (value := getattr(row, quantity)) is not None]
    whom = f"all {n_all}" if len(names) == n_all > 1 else ", ".join(names)
    if not found:
        return f"{whom} (not known)"
    low, high = times(min(found)), times(max(found))
    return f"{whom} ({low})" if low == high else f"{whom} ({low} to {high})"


def crossover_words(found: Crossover) -> Markdown:
    """Winners along an axis in a few words: ``chip, digital from 387``, or ``digital, 0.3x to 0.4x``."""
    sides = {"the chip": "**chip**", "digital": "digital"}
    if not found.changes:
        ends = sorted((found.ratio_low, found.ratio_high))
        return Markdown(f"{sides[winner(found.ratio_low)]}, {times(ends[0])} to {times(ends[1])}")
    first = sides[found.changes[0].before]
    return Markdown(", ".join([first, *(f"{sides[change.after]} from {change.at:,}" for change in found.changes)]))


def count_table(rows: Sequence[ComparisonRow]) -> Table:
    """How many comparisons either side wins, by inferences in flight, timing, quantity and case."""
    counts: list[list[str | int]] = []
    flights = {(True, timing): f"one, {timing.words}" for timing in Timing} | {(False, Timing.BACK_TO_BACK): "many"}
    for flight, words in flights.items():
        some = [row for row in rows if (row.inferences == 1, row.timing) == flight]
        for quantity, case in itertools.product(RATIO_OF, MODELLED):
            winners = [row.winner(quantity) for row in some if row.case == case]
            if winners:
                sides = [winners.count(side) for side in ("chip", "digital", "open")]
                counts.append([words, RATIO_OF[quantity], case, len(winners), *sides])
    by, won = ("in flight", "quantity", "case"), ("comparisons", "chip wins", "digital wins", "open")
    columns = [*map(Column, by), *map(number, won)]
    return Table("counts", "", columns, counts)
