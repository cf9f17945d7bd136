"""Small pieces of HTML and Markdown; every text is escaped here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from hermes_sim.kit.formatting import percent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Markdown(str):
    """Text in which ``**bold**`` and ```code``` are marked; any other text stands as it is."""

    __slots__ = ()


def html_of(text: str) -> str:
    """Text inside an HTML element."""
    safe = escape(text)
    if not isinstance(text, Markdown):
        return safe
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", safe))


def markdown_of(text: str) -> str:
    """Text inside a Markdown page, on one line."""
    if not isinstance(text, Markdown):
        text = re.sub(r"([\\|<>*`]|(?<!\w)_|_(?!\w))", r"\\\1", text)
    return " ".join(text.split())


@dataclass(frozen=True)
class PageSection:
    """A part of the page with a title of its own."""

    name: str
    title: str
    body: str

    def html(self) -> str:
        """The section as HTML."""
        return (
            f'<section id="{self.name}" aria-labelledby="{self.name}-title">'
            f'<h2 id="{self.name}-title">{escape(self.title)}</h2>\n{self.body}\n</section>'
        )


def paragraph(text: str) -> str:
    """One paragraph."""
    return f"<p>{html_of(text)}</p>"


def terms(definitions: Mapping[str, str]) -> str:
    """Words and what they mean."""
    rows = "".join(f"<dt>{escape(word)}</dt><dd>{escape(meaning)}</dd>" for word, meaning in definitions.items())
    return f'<dl class="terms">{rows}</dl>'


def pair(left: str, right: str) -> str:
    """Two blocks beside each other where there is room."""
    return f'<div class="pair"><div>{left}</div><div>{right}</div></div>'


class SharePart(NamedTuple):
    """One part of a whole: its name, its value in words, its share of 1, its colour."""

    name: str
    value: str
    frac: float
    colour: str


def share_bar(title: str, shares: Sequence[SharePart]) -> str:
    """A whole as one bar cut into its shares, and under it what each part is."""
    cuts = "".join(f'<i style="width:{100 * one.frac:.3f}%;background:{one.colour}"></i>' for one in shares)
    rows = "".join(
        f'<tr><td><i style="background:{one.colour}"></i>{escape(one.name)}</td>'
        f'<td class="num">{escape(one.value)}</td><td class="num">{percent(one.frac)}</td></tr>'
        for one in shares
    )
    return (
        f'<figure class="shares"><figcaption>{escape(title)}</figcaption><div class="bar" aria-hidden="true">{cuts}'
        f"</div><table><tbody>{rows}</tbody></table></figure>"
    )


def folded(summary: str, body: str, *, is_open: bool = False) -> str:
    """A block that opens on a click."""
    return f"<details{' open' if is_open else ''}><summary>{escape(summary)}</summary>{body}</details>"


def listed(items: Sequence[str]) -> str:
    """Bullet list."""
    return f"<ul>{''.join(f'<li>{html_of(item)}</li>' for item in items)}</ul>"


def link(target: str, text: str) -> str:
    """Link to a file of the same folder."""
    return f'<a href="{escape(target)}">{escape(text)}</a>'


def preformatted(text: str, *, is_long: bool = False) -> str:
    """Text as it stands."""
    css = ' class="long"' if is_long else ""
    return f"<pre{css}>{escape(text)}</pre>"
