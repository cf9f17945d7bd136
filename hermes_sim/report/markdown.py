"""The report as Markdown, for pasting into documents."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hermes_sim.kit.formatting import percent
from hermes_sim.kit.markup import Markdown, markdown_of
from hermes_sim.kit.page import Bullets, Chapter, Command, markdown_page
from hermes_sim.report.contents import baseline_table, boundary_table, chip_words, energy_table, places_words
from hermes_sim.report.inputs import remake_command
from hermes_sim.report.section_overview import fact_table
from hermes_sim.report.section_provenance import shares_by_kind
from hermes_sim.report.section_uncertainty import tornado_table
from hermes_sim.report.summary import headline, title
from hermes_sim.report.verdict import WINNER_WORDS, verdict_summary, verdicts

if TYPE_CHECKING:
    from hermes_sim.flow import Simulated
    from hermes_sim.kit.tables import Table


def markdown_report(source: Simulated) -> str:
    """All main numbers and breakdowns as one Markdown text."""
    about = f"{source.workload.description}; {source.chip.description}."
    shares = [
        f"{what}: " + ", ".join(f"{kind} {percent(share)}" for kind, share in found.items())
        for what, found in shares_by_kind(source).items()
    ]
    chapters = [
        Chapter("", [about, fact_table(headline(source))]),
        *_comparison(source),
        Chapter("Energy by component", [f"Per inference: {places_words(source)}.", _energy(source, "component")]),
        Chapter("Energy by operator", [_energy(source, "operator", limit=30)]),
        *_tornados(source),
        Chapter(
            "What the numbers rest on",
            [Bullets(shares), Markdown("Every config value with unit, kind and source: `parameters.csv`.")],
        ),
        Chapter("Inputs", [_inputs(source), Command(remake_command(source))]),
    ]
    return markdown_page(title(source), chapters)


def _energy(source: Simulated, key: str, limit: int = 1000) -> Table:
    return replace(energy_table(source, key, limit), caption="")  # the chapter is called so


def _inputs(source: Simulated) -> Markdown:
    inputs = source.metrics.inputs
    return Markdown(
        f"Chip `{inputs.arch}`, workload `{inputs.workload}`, mapping `{inputs.mapping}`, "
        f"engine `{inputs.engine}`, seed {inputs.seed}, {inputs.inferences:,} inferences, "
        f"hermes_sim {source.metrics.hermes_sim_version}, inputs sha256 `{inputs.sha256}`."
    )


def _comparison(source: Simulated) -> list[Chapter]:
    rows = source.document["baselines"]
    if not rows:
        return []
    found = verdicts(rows, source.document)
    sentences = [Markdown(f"**{WINNER_WORDS[one.winner]}**: {markdown_of(one.sentence)}") for one in found]
    chip = f"The chip: {'; '.join(chip_words(source))}."
    summary = verdict_summary(rows, source.document)
    tables = [boundary_table(source), replace(baseline_table(source), caption="")]
    return [Chapter("Against digital accelerators", [*summary, Bullets(sentences), chip, *tables])]


def _tornados(source: Simulated) -> list[Chapter]:
    """What moves latency and energy most; nothing without an uncertainty analysis."""
    tables = [tornado_table(source, quantity) for quantity in ("latency_ns", "energy_pj.per_inference")]
    found = [table for table in tables if table is not None]
    return [Chapter("Assumptions that move the results most", found)] if found else []
