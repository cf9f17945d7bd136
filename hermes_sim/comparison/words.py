"""What the rows of a comparison say, in words made from the numbers: who wins, by how much, and how surely."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes_sim.report.formatting import times, times_within

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hermes_sim.comparison.table import ComparisonRow

QUANTITIES = {"energy_ratio": "Energy", "latency_ratio": "Time"}
CASES = ("optimistic", "realistic")


def ratio_words(row: ComparisonRow, quantity: str) -> str:
    """A ratio with its interval; `**` around it where the chip wins, `?` behind it where the interval holds 1."""
    value = getattr(row, quantity)
    if value is None:
        return "-"
    text = times_within(value, row.ends(quantity))
    marks = {"chip": ("**", "**"), "open": ("", " ?"), "digital": ("", "")}
    before, after = marks[row.winner(quantity)]
    return f"{before}{text}{after}"


def verdict_lines(rows: Sequence[ComparisonRow]) -> list[str]:
    """One sentence per quantity and case about rows of one workload and number of inferences in flight."""
    return [
        f"{name}, {case}: {_verdict([row for row in rows if row.case == case], quantity)}."
        for quantity, name in QUANTITIES.items()
        for case in CASES
    ]


def _verdict(rows: Sequence[ComparisonRow], quantity: str) -> str:
    """Baselines by winner: the same in every design, or not."""
    sure: dict[str, list[str]] = {"chip": [], "digital": []}
    mixed: list[str] = []
    baselines = list(dict.fromkeys(row.baseline for row in rows))
    for baseline in baselines:
        mine = [row for row in rows if row.baseline == baseline]
        winners = {row.winner(quantity) for row in mine}
        spread = _spread(getattr(row, quantity) for row in mine)
        if len(winners) == 1 and winners <= sure.keys():
            sure[winners.pop()].append(f"{baseline} ({spread})")
        else:
            mixed.append(f"{baseline} ({spread}; {_tally(mine, quantity)})")
    designs = len({(row.chip, row.mapping) for row in rows})
    every = "in every design" if designs > 1 else "surely"
    parts = [
        f"{name} wins {every} against {_listed(found, len(baselines))}"
        for name, found in (("the chip", sure["chip"]), ("**digital**", sure["digital"]))
        if found
    ]
    if mixed:
        parts.append(f"no one answer against {_listed(mixed, len(baselines))}")
    return "; ".join(parts)


def _listed(found: Sequence[str], total: int) -> str:
    words = ", ".join(found)
    return f"all {total}: {words}" if len(found) == total > 1 else words


def _tally(rows: Sequence[ComparisonRow], quantity: str) -> str:
    winners = [row.winner(quantity) for row in rows]
    words = {"chip": "chip", "digital": "digital", "open": "open"}
    return ", ".join(f"{word} {winners.count(name)}" for name, word in words.items() if name in winners)


def _spread(values: Iterable[float | None]) -> str:
    found = [value for value in values if value is not None]
    if not found:
        return "not known"
    low, high = times(min(found)), times(max(found))
    return low if low == high else f"{low} to {high}"


def count_table(rows: Sequence[ComparisonRow]) -> list[str]:
    """Markdown table: how many comparisons either side wins, by inferences in flight, quantity and case."""
    lines = [
        "| in flight | quantity | case | comparisons | chip wins | digital wins | open |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for single, words in ((True, "one"), (False, "many")):
        some = [row for row in rows if (row.inferences == 1) == single]
        for quantity, name in QUANTITIES.items():
            for case in CASES:
                winners = [row.winner(quantity) for row in some if row.case == case]
                if winners:
                    counts = " | ".join(str(winners.count(side)) for side in ("chip", "digital", "open"))
                    lines.append(f"| {words} | {name.lower()} | {case} | {len(winners)} | {counts} |")
    return lines
