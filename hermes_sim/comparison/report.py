"""A comparison as a small folder: the page, all rows, plots, and the command that makes it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes_sim._version import __version__
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
from hermes_sim.config.files import written_whole
from hermes_sim.report.formatting import energy_of_pj, si, time_of_ns
from hermes_sim.report.words import MODELLED

if TYPE_CHECKING:
    from pathlib import Path

    from hermes_sim.comparison.study import Comparison
    from hermes_sim.comparison.table import ComparisonRow

Groups = dict[str, list["ComparisonRow"]]
HOW_TO_READ = (
    "A ratio is what the accelerator needs divided by what the chip needs, per inference: **above 1x (bold) the chip "
    "wins**, below 1x digital does, and `?` marks one that does not lie on one side of 1x with its whole interval, so "
    "that the assumed values decide. "
    "In brackets: 5 to 95 % of all draws of assumed and fitted values on both sides. *One in flight* is one "
    "inference on an otherwise empty chip beside a batch of one; *many* are run through the chip one behind the other "
    "beside one batch of as many. *Optimistic* takes the accelerator at its vendor's peak without any overhead, "
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
        "report.md": _page(found, groups, command, list(plots)),
    }
    for name, text in texts.items():
        with written_whole(folder / name) as path:
            path.write_text(text, encoding="utf-8", newline="\n")


def _groups(found: Comparison) -> Groups:
    """Rows by workload and number in flight, in the order of the file."""
    groups: Groups = {}
    for work in found.file.workloads:
        for n in work.inferences:
            name = f"{work.label}, {'one' if n == 1 else f'{n:,}'} in flight"
            mine = [row for row in found.rows if (row.workload, row.inferences) == (work.workload, n)]
            groups[name] = sorted(mine, key=lambda row: found.file.chips.index(row.chip))
    return groups


def _page(found: Comparison, groups: Groups, command: str, plots: list[str]) -> str:
    file = found.file
    lines = [
        f"# {file.title}",
        "",
        f"    {command}",
        "",
        (
            f"Chips {', '.join(file.chips)}; placements {', '.join(file.mappings)}; accelerators at {file.precision}; "
            f"{file.samples} samples, seed {file.seed}; hermes_sim {__version__}. All rows: `rows.csv`."
        ),
        "",
        HOW_TO_READ,
        "",
        *(f"- {note}" for note in file.notes),
        "",
        "## Who wins",
        "",
        *count_table(found.rows),
        "",
    ]
    for name, rows in groups.items():
        lines += [f"**{name}**", "", *(f"- {line}" for line in (*verdict_lines(rows), best_line(rows))), ""]
    lines += [line for plot in plots for line in (f"![{plot.removesuffix('.svg').replace('_', ', ')}]({plot})", "")]
    for name, rows in groups.items():
        lines += [f"## {name}", "", *_chip_table(rows), ""]
        for quantity, title in QUANTITIES.items():
            lines += [f"{title} ratio:", "", *_ratio_table(rows, quantity), ""]
    if found.crossovers:
        lines += ["## Where the winner changes", "", *_crossover_tables(found)]
    return "\n".join(lines)


def _chip_table(rows: list[ComparisonRow]) -> list[str]:
    """What the chip itself needs in every design."""
    lines = ["| chip, placement | time | energy | power | area |", "| --- | ---: | ---: | ---: | ---: |"]
    designs = {_design(row): row for row in rows}
    for design, row in designs.items():
        cells = (time_of_ns(row.chip_latency_ns), energy_of_pj(row.chip_energy_pj), si(row.chip_power_w, "W"))
        lines.append(f"| {design} | {' | '.join(cells)} | {row.chip_area_mm2:.3g} mm2 |")
    return lines


def _ratio_table(rows: list[ComparisonRow], quantity: str) -> list[str]:
    """A row per accelerator, two columns per design."""
    columns = [(design, case) for design in dict.fromkeys(map(_design, rows)) for case in MODELLED]
    lines = [
        f"| accelerator | {' | '.join(f'{design}, {case}' for design, case in columns)} |",
        f"| --- |{' ---: |' * len(columns)}",
    ]
    for baseline in dict.fromkeys(row.baseline for row in rows):
        mine = {(_design(row), row.case): row for row in rows if row.baseline == baseline}
        cells = " | ".join(ratio_words(mine[column], quantity) for column in columns)
        lines.append(f"| {baseline} | {cells} |")
    return lines


def _crossover_tables(found: Comparison) -> list[str]:
    """A table per line of the file that asks for one: a row per accelerator, a column per quantity and case."""
    lines: list[str] = []
    columns = [(quantity, case) for quantity in QUANTITIES for case in MODELLED]
    for ask in dict.fromkeys((one.chip, one.workload, one.axis, one.low, one.high) for one in found.crossovers):
        mine = [one for one in found.crossovers if (one.chip, one.workload, one.axis, one.low, one.high) == ask]
        chip, workload, axis, low, high = ask
        titles = [f"{QUANTITIES[quantity].lower()}, {case}" for quantity, case in columns]
        lines += [
            f"{workload} on {chip}, {axis.replace('_', ' ')} from {low:,} to {high:,}:",
            "",
            f"| accelerator | {' | '.join(titles)} |",
            f"| --- |{' --- |' * len(columns)}",
        ]
        for baseline in dict.fromkeys(one.baseline for one in mine):
            words = {(one.ratio, one.case): crossover_words(one) for one in mine if one.baseline == baseline}
            lines.append(f"| {baseline} | {' | '.join(words[column] for column in columns)} |")
        lines.append("")
    return lines


def _design(row: ComparisonRow) -> str:
    return f"{row.chip}, {row.mapping}"
