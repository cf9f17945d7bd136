"""HTML tables that a reader can sort: cells carry their plain value beside the text."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Cell:
    """Text of a cell, and the value to sort by (default: the text)."""

    text: str
    sort: float | str | None = None
    css: str = ""


@dataclass(frozen=True)
class Table:
    """A table of the page.

    Parameters
    ----------
    caption : what it shows, in one sentence
    columns : heads; a head that ends in ``|`` is a column of numbers (set flush right)
    rows, foot : cells; `foot` is a line of totals that stays at the end however the rows are sorted
    name : identifier in the page
    filter_label : label of a box that filters the rows; without it there is none
    """

    name: str
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell | str]]
    foot: Sequence[Cell | str] = ()
    filter_label: str = ""

    def html(self) -> str:
        """The table as HTML."""
        right = [column.endswith("|") for column in self.columns]
        heads = "".join(
            f'<th scope="col"{_class("num" if is_right else "")} aria-sort="none">'
            f'<span role="button" tabindex="0">{escape(column.rstrip("|"))}</span></th>'
            for column, is_right in zip(self.columns, right, strict=True)
        )
        body = "\n".join(_row(cells, right) for cells in self.rows)
        foot = f"<tfoot>{_row(self.foot, right)}</tfoot>" if self.foot else ""
        box = (
            f'<label class="filter">{escape(self.filter_label)} '
            f'<input type="search" data-filters="{self.name}"></label>'
            if self.filter_label
            else ""
        )
        return (
            f'{box}<div class="table"><table id="{self.name}" class="sortable">'
            f"<caption>{escape(self.caption)}</caption>"
            f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}\n</tbody>{foot}</table></div>"
        )

    def markdown(self) -> str:
        """The table as Markdown."""
        lines = [
            _markdown_line([column.rstrip("|") for column in self.columns]),
            _markdown_line(["---:" if column.endswith("|") else "---" for column in self.columns]),
            *(_markdown_line([_text(cell) for cell in row]) for row in self.rows),
        ]
        if self.foot:
            lines.append(_markdown_line([f"**{_text(cell)}**" if _text(cell) else "" for cell in self.foot]))
        return "\n".join(lines)


def _row(cells: Sequence[Cell | str], right: Sequence[bool]) -> str:
    return f"<tr>{''.join(_cell(cell, is_right) for cell, is_right in zip(cells, right, strict=True))}</tr>"


def _cell(cell: Cell | str, is_right: bool) -> str:
    if isinstance(cell, str):
        cell = Cell(cell)
    sort = "" if cell.sort is None else f' data-sort="{escape(str(cell.sort))}"'
    css = " ".join(word for word in ("num" if is_right else "", cell.css) if word)
    return f"<td{_class(css)}{sort}>{escape(cell.text)}</td>"


def _class(css: str) -> str:
    return f' class="{css}"' if css else ""


def _text(cell: Cell | str) -> str:
    return cell if isinstance(cell, str) else cell.text


def _markdown_line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_markdown_cell(cell) for cell in cells)} |"


def _markdown_cell(text: str) -> str:
    for character in "\\|<>*_`":
        text = text.replace(character, f"\\{character}") if not text.startswith(("---", "**")) else text
    return " ".join(text.split())
