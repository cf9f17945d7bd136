"""One table for page, Markdown and terminal: rows hold values, columns say how they are written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, NamedTuple

from hermes_sim.kit.markup import html_of, markdown_of

Show = Callable[[Any], str]
NO_VALUE = "-"


class Column(NamedTuple):
    """Head of a column, how its values are written, and whether they are numbers (set flush right)."""

    head: str
    show: Show = str
    is_number: bool = False


def number(head: str, show: Show = str) -> Column:
    """Column of numbers."""
    return Column(head, show, is_number=True)


@dataclass(frozen=True)
class Cell:
    """Text of a cell, and the value to sort by (default: the text)."""

    text: str
    sort: float | str | None = None
    css: str = ""


@dataclass(frozen=True)
class Table:
    """A table of a page.

    Parameters
    ----------
    name : identifier in the page
    caption : what it shows, in one sentence
    columns : a mere text is the head of a column of texts
    rows, foot : values (None: there is none), texts, or cells; `foot` is a line of totals that stays at the end
        however the rows are sorted
    filter_label : label of a box that filters the rows; without it there is none
    """

    name: str
    caption: str
    columns: Sequence[Column | str]
    rows: Sequence[Sequence[Any]]
    foot: Sequence[Any] = ()
    filter_label: str = ""

    @property
    def heads(self) -> list[Column]:
        """The columns, all as records."""
        return [Column(column) if isinstance(column, str) else column for column in self.columns]

    def cells(self, row: Sequence[Any]) -> list[Cell]:
        """Values of a row as they are written."""
        return [_cell(value, column) for value, column in zip(row, self.heads, strict=True)]

    def texts(self) -> list[list[str]]:
        """All rows as they are written, for a terminal."""
        return [[cell.text for cell in self.cells(row)] for row in (*self.rows, *([self.foot] if self.foot else []))]

    def html(self) -> str:
        """The table as HTML; heads sort, cells carry the value to sort by."""
        heads = "".join(
            f'<th scope="col"{_class("num" if column.is_number else "")} aria-sort="none">'
            f'<span role="button" tabindex="0">{html_of(column.head)}</span></th>'
            for column in self.heads
        )
        body = "\n".join(map(self._html_row, self.rows))
        foot = f"<tfoot>{self._html_row(self.foot)}</tfoot>" if self.foot else ""
        box = (
            f'<label class="filter">{escape(self.filter_label)} '
            f'<input type="search" data-filters="{self.name}"></label>'
            if self.filter_label
            else ""
        )
        return (
            f'{box}<div class="table"><table id="{self.name}" class="sortable">'
            f"<caption>{html_of(self.caption)}</caption>"
            f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}\n</tbody>{foot}</table></div>"
        )

    def markdown(self) -> str:
        """The table as Markdown, without its caption."""
        lines = [
            _markdown_line([markdown_of(column.head) for column in self.heads]),
            _markdown_line(["---:" if column.is_number else "---" for column in self.heads]),
            *(_markdown_line([markdown_of(cell.text) for cell in self.cells(row)]) for row in self.rows),
        ]
        if self.foot:
            totals = [markdown_of(cell.text) for cell in self.cells(self.foot)]
            lines.append(_markdown_line([f"**{text}**" if text else "" for text in totals]))
        return "\n".join(lines)

    def _html_row(self, row: Sequence[Any]) -> str:
        cells = zip(self.cells(row), self.heads, strict=True)
        return f"<tr>{''.join(_html_cell(cell, is_number=column.is_number) for cell, column in cells)}</tr>"


def _cell(value: Any, column: Column) -> Cell:
    if isinstance(value, Cell):
        return value
    if value is None:
        return Cell(NO_VALUE, -1)
    return Cell(value) if isinstance(value, str) else Cell(column.show(value), value)


def _html_cell(cell: Cell, *, is_number: bool) -> str:
    sort = "" if cell.sort is None else f' data-sort="{escape(str(cell.sort))}"'
    css = " ".join(word for word in ("num" if is_number else "", cell.css) if word)
    return f"<td{_class(css)}{sort}>{html_of(cell.text)}</td>"


def _class(css: str) -> str:
    return f' class="{css}"' if css else ""


def _markdown_line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
