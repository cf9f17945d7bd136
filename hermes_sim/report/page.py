"""The page: one self-contained HTML file with its style, its script and the plotting library inside."""

from __future__ import annotations

from functools import cache
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from hermes_sim.report.markup import Section
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

_SECTIONS: tuple[Callable[[Simulated], Section | None], ...] = (
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


def html_page(source: Simulated) -> str:
    """The whole report as one HTML text that needs nothing from outside."""
    name = escape(title(source))
    sections = [_headline(source), *(section for make in _SECTIONS if (section := make(source)) is not None)]
    links = "".join(f'<li><a href="#{section.name}">{escape(section.title)}</a></li>' for section in sections)
    body = "\n".join(section.html() for section in sections)
    policy = (
        "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:"
    )
    about = f"{source.workload.description}; {source.chip.description}"
    version = escape(str(source.document["hermes_sim_version"]))
    return "\n".join(
        (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<link rel="icon" href="data:,">',
            f"<title>{name}</title>\n<style>\n{_asset('page.css')}</style>",
            f"<script>{_plotly_js()}</script>\n</head>\n<body>",
            f"<header><h1>{name}</h1><p>{escape(about)}</p></header>",
            f'<nav aria-label="Sections"><ul>{links}</ul></nav>',
            "<noscript><p>Plots and sorting need JavaScript; all numbers are here without it.</p></noscript>",
            f"<main>\n{body}\n</main>",
            f"<footer>Made by hermes_sim {version}. This page loads nothing from elsewhere.</footer>",
            f"<script>\n{_asset('page.js')}</script>\n</body>\n</html>\n",
        )
    )


def _headline(source: Simulated) -> Section:
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
    return Section("summary", "Summary", f'<dl class="facts {columns}">{facts}</dl>{against}')


def _asset(name: str) -> str:
    return files("hermes_sim.report").joinpath("assets", name).read_text(encoding="utf-8")


@cache
def _plotly_js() -> str:
    """The plotting library as shipped in the plotly package, ready to stand inside a script element."""
    text = files("plotly").joinpath("package_data", "plotly.min.js").read_text(encoding="utf-8")
    return text.replace("</script", "<\\/script")
