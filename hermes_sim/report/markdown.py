"""The report as Markdown, for pasting into documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes_sim.report.contents import baseline_table, chip_words, energy_table, places_words
from hermes_sim.report.formatting import percent
from hermes_sim.report.inputs import remake_command
from hermes_sim.report.section_provenance import shares_by_kind
from hermes_sim.report.section_uncertainty import tornado_table
from hermes_sim.report.summary import headline, title
from hermes_sim.report.tables import Table
from hermes_sim.report.verdict import WINNER_WORDS, verdict_summary, verdicts

if TYPE_CHECKING:
    from hermes_sim.flow import Simulated


def markdown_report(source: Simulated) -> str:
    """All main numbers and breakdowns as one Markdown text."""
    document = source.document
    inputs = document["inputs"]
    rows = document["baselines"]
    facts = Table(
        "headline",
        "",
        ("Quantity", "Value|", "Interval", "Meaning"),
        [(fact.label, fact.value, fact.interval or "-", fact.detail) for fact in headline(source)],
    )
    shares = [
        f"- {what}: " + ", ".join(f"{kind} {percent(share)}" for kind, share in found.items())
        for what, found in shares_by_kind(source).items()
    ]
    parts = [
        f"# {_escaped(title(source))}",
        _escaped(source.workload.description + "; " + source.chip.description + "."),
        facts.markdown(),
        "## Energy by component",
        f"Per inference: {places_words(source)}.",
        energy_table(source, "component").markdown(),
        "## Energy by operator",
        energy_table(source, "operator", limit=30).markdown(),
        "## Against digital accelerators",
        *_comparison(source),
        *_tornados(source),
        "## What the numbers rest on",
        "\n".join(shares),
        "Every config value with unit, kind and source: `parameters.csv`.",
        "## Inputs",
        (
            f"Chip `{inputs['arch']}`, workload `{inputs['workload']}`, mapping `{inputs['mapping']}`, "
            f"engine `{inputs['engine']}`, seed {inputs['seed']}, {inputs['inferences']:,} inferences, "
            f"hermes_sim {document['hermes_sim_version']}, inputs sha256 `{inputs['sha256']}`."
        ),
        f"```sh\n{remake_command(source)}\n```",
    ]
    if not rows:
        parts = [part for part in parts if part != "## Against digital accelerators"]
    return "\n\n".join(parts) + "\n"


def _comparison(source: Simulated) -> list[str]:
    rows = source.document["baselines"]
    if not rows:
        return []
    found = verdicts(rows, source.document)
    sentences = "\n".join(f"- **{WINNER_WORDS[one.winner]}**: {_escaped(one.sentence)}" for one in found)
    chip = f"The chip: {'; '.join(chip_words(source))}."
    summary = map(_escaped, verdict_summary(rows, source.document))
    return [*summary, sentences, _escaped(chip), baseline_table(source).markdown()]


def _tornados(source: Simulated) -> list[str]:
    """What moves latency and energy most; nothing without an uncertainty analysis."""
    tables = [tornado_table(source, quantity) for quantity in ("latency_ns", "energy_pj.per_inference")]
    texts = [f"{table.caption}:\n\n{table.markdown()}" for table in tables if table is not None]
    return ["## Assumptions that move the results most", *texts] if texts else []


def _escaped(text: str) -> str:
    for character in "\\*_`<>#":
        text = text.replace(character, f"\\{character}")
    return text
