"""Pages: chapters that become Markdown or HTML, and the one HTML page with its style and script inside."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from hermes_sim.kit.markup import PageSection, listed, markdown_of, paragraph, preformatted
from hermes_sim.kit.tables import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

_POLICY = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:"


@dataclass(frozen=True)
class Bullets:
    """A list of texts."""

    items: Sequence[str]

    def html(self) -> str:
        """As HTML."""
        return listed(self.items)

    def markdown(self) -> str:
        """As Markdown."""
        return "\n".join(f"- {markdown_of(item)}" for item in self.items)


@dataclass(frozen=True)
class Command:
    """A command line that makes something."""

    line: str

    def html(self) -> str:
        """As HTML."""
        return preformatted(self.line)

    def markdown(self) -> str:
        """As Markdown."""
        return f"```sh\n{self.line}\n```"


@dataclass(frozen=True)
class Picture:
    """A picture that lies in a file beside the page; HTML carries it inside."""

    title: str
    file: str
    svg: str

    def html(self) -> str:
        """As HTML."""
        return f'<figure aria-label="{escape(self.title)}">{self.svg}</figure>'

    def markdown(self) -> str:
        """As Markdown."""
        return f"![{markdown_of(self.title)}]({self.file})"


Part = str | Bullets | Command | Picture | Table


@dataclass(frozen=True)
class Chapter:
    """Parts under a title; the first chapter of a page may have none."""

    title: str
    parts: Sequence[Part]

    def section(self) -> PageSection:
        """The chapter for an HTML page."""
        name = re.sub(r"\W+", "-", self.title.lower()).strip("-")
        return PageSection(name, self.title, "\n".join(map(_html, self.parts)))

    def markdown(self) -> str:
        """The chapter for a Markdown page."""
        return "\n\n".join([*([f"## {markdown_of(self.title)}"] if self.title else []), *map(_markdown, self.parts)])


def markdown_page(title: str, chapters: Sequence[Chapter]) -> str:
    """Whole Markdown page."""
    return "\n\n".join([f"# {markdown_of(title)}", *(chapter.markdown() for chapter in chapters)]) + "\n"


def html_page(title: str, about: Sequence[str], sections: Sequence[PageSection], *, version: str) -> str:
    """Whole HTML page that needs nothing from outside; the plotting library is inside where a plot needs it.

    about : paragraphs below the title
    """
    links = "".join(f'<li><a href="#{section.name}">{escape(section.title)}</a></li>' for section in sections)
    body = "\n".join(section.html() for section in sections)
    plotting = f"<script>{_plotly_js()}</script>\n" if " data-plot=" in body else ""
    return "\n".join(
        (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<link rel="icon" href="data:,">',
            f"<title>{escape(title)}</title>\n<style>\n{_asset('page.css')}</style>",
            f"{plotting}</head>\n<body>",
            f"<header><h1>{escape(title)}</h1>{''.join(map(paragraph, about))}</header>",
            f'<nav aria-label="Sections"><ul>{links}</ul></nav>',
            "<noscript><p>Plots and sorting need JavaScript; all numbers are here without it.</p></noscript>",
            f"<main>\n{body}\n</main>",
            f"<footer>Made by hermes_sim {escape(version)}. This page loads nothing from elsewhere.</footer>",
            f"<script>\n{_asset('page.js')}</script>\n</body>\n</html>\n",
        )
    )


def _html(part: Part) -> str:
    return paragraph(part) if isinstance(part, str) else part.html()


def _markdown(part: Part) -> str:
    if isinstance(part, str):
        return markdown_of(part)
    caption = f"{markdown_of(part.caption)}:\n\n" if isinstance(part, Table) and part.caption else ""
    return caption + part.markdown()


def _asset(name: str) -> str:
    return files("hermes_sim.kit").joinpath("assets", name).read_text(encoding="utf-8")


@cache
def _plotly_js() -> str:
    """The plotting library as shipped in the plotly package, ready to stand inside a script element."""
    text = files("plotly").joinpath("package_data", "plotly.min.js").read_text(encoding="utf-8")
    return text.replace("</script", "<\\/script")
