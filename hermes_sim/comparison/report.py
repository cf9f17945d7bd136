"""A comparison as a small folder: the page, all rows, plots, and the command that makes it again."""

from __future__ import annotations

import itertools
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING

from hermes_sim._version import __version__
from hermes_sim.comparison.changes import change_parts
from hermes_sim.comparison.plots import ratio_plot
from hermes_sim.comparison.table import frame_of
from hermes_sim.comparison.words import (
    QUANTITIES,
    best_line,
    count_table,
    crossover_words,
    ratio_words,
    verdict_lines,
)
from hermes_sim.config.files import write_text
from hermes_sim.config.vocabulary import Timing
from hermes_sim.kit.formatting import energy_of_pj, si, time_of_ns
from hermes_sim.kit.markup import Markdown
from hermes_sim.kit.page import Bullets, Chapter, Command, Part, Picture, markdown_page
from hermes_sim.kit.ratios import MODELLED, RATIO_OF, REALISTIC
from hermes_sim.kit.tables import Column, Table, number

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hermes_sim.comparison.study import Comparison
    from hermes_sim.comparison.table import ComparisonRow

Groups = dict[str, list["ComparisonRow"]]
HOW_TO_READ = (
    "A ratio is what the accelerator needs divided by what the chip needs, per inference: **above 1x (bold) the chip "
    "wins**, below 1x digital does, and `?` marks one that does not lie on one side of 1x with its whole interval, so "
    "that the assumed values decide. "
    "In brackets: 5 to 95 % of all draws of assumed and fitted values on both sides; host and off-chip channel, which "
    "both sides have, are drawn once for both. *Response*: one inference on an otherwise empty chip beside one request "
    "to the accelerator, copies, kernel starts and the wait for the result included. *Back to back*: one of a stream, "
    "the chip in its steady state beside batches of one. *Many* are run through the chip one behind the other beside "
    "one batch of as many. *Optimistic* takes the accelerator at its vendor's peak without any overhead, "
    "*realistic* with documented utilisation and the start of every kernel (`docs/baselines.md`)."
)


def write_comparison(found: Comparison, folder: Path, command: str) -> None:
    """Write page, rows and plots into a folder, each file whole or not at all.

    Raises
    ------
    OutputError
        if the folder cannot be written
    """
    groups = _groups(found)
    plots = {
        f"{name.lower()}_{case}.svg": ratio_plot(
            f"{name} of the accelerator over that of the chip, {case}, {found.file.precision}", groups, quantity, case
        )
        for quantity, name in QUANTITIES.items()
        for case in MODELLED
    }
    texts = {
        **plots,
        "rows.csv": frame_of(found.rows).to_csv(index=False, float_format="%.6g", lineterminator="\n"),
        "report.md": markdown_page(found.file.title, _chapters(found, groups, command, plots)),
    }
    for name, text in texts.items():
        write_text(folder / name, text)


def _groups(found: Comparison) -> Groups:
    """Rows by workload, number in flight and timing, in the order of the file."""
    groups: Groups = {}
    for work in found.file.workloads:
        for n in work.inferences:
            mine = [row for row in found.rows if (row.workload, row.inferences) == (work.workload, n)]
            for timing in dict.fromkeys(row.timing for row in mine):
                what = f"one inference, {Timing(timing).words}" if n == 1 else f"{n:,} in flight"
                some = [row for row in mine if row.timing == timing]
                groups[f"{work.label}, {what}"] = sorted(some, key=lambda row: found.file.chips.index(row.chip))
    return groups


def _chapters(found: Comparison, groups: Groups, command: str, plots: Mapping[str, str]) -> list[Chapter]:
    file = found.file
    about = Markdown(
        f"Chips {', '.join(file.chips)}; mappings {', '.join(file.mappings)}; accelerators at {file.precision}; "
        f"{file.samples} samples, seed {file.seed}; hermes_sim {__version__}. All rows: `rows.csv`."
    )
    notes = [Bullets([Markdown(note) for note in file.notes])] if file.notes else []
    verdicts: list[Part] = []
    for name, rows in groups.items():
        verdicts += [Markdown(f"**{name}**"), Bullets([*map(Markdown, verdict_lines(rows)), Markdown(best_line(rows))])]
    pictures = [Picture(name.removesuffix(".svg").replace("_", ", "), name, svg) for name, svg in plots.items()]
    crossovers = [Chapter("Where the winner changes", _crossover_tables(found))] if found.crossovers else []
    return [
        Chapter("", [Command(command), about, Markdown(HOW_TO_READ), *notes]),
        Chapter("Who wins", [count_table(found.rows), *verdicts, *pictures]),
        *_changed_chapter(found),
        *(
            Chapter(name, [_chip_table(rows), _baseline_table(rows), *_ratio_tables(rows)])
            for name, rows in groups.items()
        ),
        *crossovers,
    ]


def _changed_chapter(found: Comparison) -> list[Chapter]:
    if found.file.changes is None:
        return []
    labels = {work.workload: work.label for work in found.file.workloads}
    since = f" since {found.file.changed_since}" if found.file.changed_since else ""
    about = (
        f"{len(found.changes)} verdicts changed{since}: the winner (chip, digital, or open where the interval holds 1) "
        f"is another; the item after which it stayed so is in the last column. All: `{found.file.changes}`."
    )
    return [Chapter("Verdicts that changed", [Markdown(about), *change_parts(found.changes, found.rows, labels)])]


def _chip_table(rows: list[ComparisonRow]) -> Table:
    """What the chip itself needs in every design."""
    figures = [
        (
            *(design, row.chip_latency_ns, row.chip_energy_pj, row.chip_on_chip_pj, row.chip_link_pj, row.chip_host_pj),
            *(row.chip_power_w, row.chip_area_mm2),
        )
        for design, row in {_design(row): row for row in rows}.items()
    ]
    columns = [Column("chip, mapping"), number("time", time_of_ns), number("energy", energy_of_pj)]
    columns += [number(f"of it {place}", energy_of_pj) for place in ("on the chip", "in the channel", "in the host")]
    columns += [number("power", partial(si, unit="W")), number("area", "{:.3g} mm2".format)]
    return Table("chip", "", columns, figures)


def _baseline_table(rows: list[ComparisonRow]) -> Table:
    """What the accelerators need, realistic, within the same boundary; beside the first design of the table."""
    design = _design(rows[0])
    figures = [
        (row.baseline, row.baseline_latency_ns, row.baseline_energy_pj, row.baseline_device_pj, row.baseline_link_pj,
         row.baseline_host_pj)
        for row in rows
        if (_design(row), row.case) == (design, REALISTIC)
    ]  # fmt: skip
    columns = [Column(f"accelerator, realistic, beside {design}"), number("time", time_of_ns)]
    columns += [number(head, energy_of_pj) for head in ("energy", "of it device", "of it link", "of it host")]
    return Table("accelerators", "", columns, figures)


def _ratio_tables(rows: list[ComparisonRow]) -> list[Table]:
    """A row per accelerator, two columns per design; a table per ratio."""
    columns = [(design, case) for design in dict.fromkeys(map(_design, rows)) for case in MODELLED]
    heads = [Column("accelerator"), *(number(f"{design}, {case}") for design, case in columns)]
    found = {(row.baseline, _design(row), row.case): row for row in rows}
    baselines = dict.fromkeys(row.baseline for row in rows)
    return [
        Table(
            quantity,
            f"{title} ratio",
            heads,
            [[name, *(ratio_words(found[name, *column], quantity) for column in columns)] for name in baselines],
        )
        for quantity, title in QUANTITIES.items()
    ]


def _crossover_tables(found: Comparison) -> list[Table]:
    """A table per line of the file that asks for one: a row per accelerator, a column per quantity and case."""
    columns = list(itertools.product(RATIO_OF, MODELLED))
    heads = ("accelerator", *(f"{RATIO_OF[quantity]}, {case}" for quantity, case in columns))
    asks: defaultdict[str, defaultdict[str, dict[tuple[str, str], str]]] = defaultdict(lambda: defaultdict(dict))
    for one in found.crossovers:
        ask = f"{one.workload} on {one.chip}, {one.axis.replace('_', ' ')} from {one.low:,} to {one.high:,}"
        asks[ask][one.baseline][one.ratio, one.case] = crossover_words(one)
    return [
        Table(f"crossover-{i}", ask, heads, [[name, *(cells[c] for c in columns)] for name, cells in mine.items()])
        for i, (ask, mine) in enumerate(asks.items())
    ]


def _design(row: ComparisonRow) -> str:
    return f"{row.chip}, {row.mapping}"
