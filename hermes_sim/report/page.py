"""The page: one self-contained HTML file."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from hermes_sim.report.contents import baseline_table, energy_table
from hermes_sim.report.inputs import remake_command
from hermes_sim.report.summary import headline, title

if TYPE_CHECKING:
    from hermes_sim.report.source import ReportSource


def html_page(source: ReportSource) -> str:
    """The whole report as one HTML text."""
    name = escape(title(source))
    facts = "".join(
        f"<dt>{escape(fact.label)}</dt><dd>{escape(fact.value)} {escape(fact.interval)}</dd>"
        for fact in headline(source)
    )
    tables = [energy_table(source, "component"), energy_table(source, "operator"), baseline_table(source)]
    body = "\n".join(table.html() for table in tables)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name}</title></head>'
        f"<body><h1>{name}</h1><dl>{facts}</dl>{body}<pre>{escape(remake_command(source))}</pre></body></html>\n"
    )
