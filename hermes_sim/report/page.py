"""The page of a result: all its sections, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes_sim.kit.page import html_page
from hermes_sim.report.section_accuracy import accuracy_section
from hermes_sim.report.section_chip import chip_section
from hermes_sim.report.section_comparison import comparison_section
from hermes_sim.report.section_energy import energy_section
from hermes_sim.report.section_inputs import inputs_section
from hermes_sim.report.section_latency import latency_section
from hermes_sim.report.section_overview import overview_section
from hermes_sim.report.section_provenance import provenance_section
from hermes_sim.report.section_ratio import ratio_section
from hermes_sim.report.section_roofline import roofline_section
from hermes_sim.report.section_timeline import timeline_section
from hermes_sim.report.section_uncertainty import uncertainty_section
from hermes_sim.report.summary import title

if TYPE_CHECKING:
    from collections.abc import Callable

    from hermes_sim.flow import Simulated
    from hermes_sim.kit.markup import PageSection

_SECTIONS: tuple[Callable[[Simulated], PageSection | None], ...] = (
    overview_section,
    comparison_section,
    ratio_section,
    chip_section,
    latency_section,
    energy_section,
    timeline_section,
    roofline_section,
    accuracy_section,
    uncertainty_section,
    provenance_section,
    inputs_section,
)


def report_page(source: Simulated) -> str:
    """The whole report as one HTML text that needs nothing from outside."""
    sections = [section for make in _SECTIONS if (section := make(source)) is not None]
    about = f"{source.workload.description}; {source.chip.description}"
    return html_page(title(source), [about], sections, version=str(source.document["hermes_sim_version"]))
