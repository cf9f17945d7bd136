"""The page of a result: all its sections, in order."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from hermes_sim.kit.markup import PageSection
from hermes_sim.kit.page import html_page
from hermes_sim.report.section_accuracy import accuracy_section
from hermes_sim.report.section_chip import chip_section
from hermes_sim.report.section_comparison import comparison_section
from hermes_sim.report.section_energy import energy_section
from hermes_sim.report.section_inputs import inputs_section
from hermes_sim.report.section_latency import latency_section
from hermes_sim.report.section_provenance import provenance_section
from hermes_sim.report.section_ratio import ratio_section
from hermes_sim.report.section_roofline import roofline_section
from hermes_sim.report.section_timeline import timeline_section
from hermes_sim.report.section_uncertainty import uncertainty_section
from hermes_sim.report.summary import headline, title
from hermes_sim.report.verdict import verdict_summary

if TYPE_CHECKING:
    from collections.abc import Callable

    from hermes_sim.flow import Simulated

_SECTIONS: tuple[Callable[[Simulated], PageSection | None], ...] = (
    chip_section,
    latency_section,
    energy_section,
    comparison_section,
    ratio_section,
    timeline_section,
    roofline_section,
    accuracy_section,
    uncertainty_section,
    provenance_section,
    inputs_section,
)


def report_page(source: Simulated) -> str:
    """The whole report as one HTML text that needs nothing from outside."""
    sections = [_headline(source), *(section for make in _SECTIONS if (section := make(source)) is not None)]
    about = f"{source.workload.description}; {source.chip.description}"
    return html_page(title(source), about, sections, version=str(source.document["hermes_sim_version"]))


def _headline(source: Simulated) -> PageSection:
    def fact_html(label: str, value: str, interval: str, detail: str) -> str:
        spread = f'<dd class="interval">{escape(interval)}</dd>' if interval else ""
        return (
            f'<div><dt>{escape(label)}</dt><dd class="value">{escape(value)}</dd>{spread}'
            f'<dd class="detail">{escape(detail)}</dd></div>'
        )

    facts = "".join(fact_html(fact.label, fact.value, fact.interval, fact.detail) for fact in headline(source))
    columns = "three" if len(headline(source)) % 4 else "four"
    found = verdict_summary(source.document["baselines"], source.document)
    sentences = "".join(f"<p>{escape(text)}</p>" for text in found)
    against = f'<div class="verdict"><p>Against digital accelerators:</p>{sentences}</div>' if sentences else ""
    return PageSection("summary", "Summary", f'<dl class="facts {columns}">{facts}</dl>{against}')
