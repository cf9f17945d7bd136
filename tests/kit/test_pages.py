"""One table, one chapter, one page: what HTML, Markdown and terminals get."""

from __future__ import annotations

import io

import pytest

from hermes_sim.cli.console import _Terminal
from hermes_sim.kit.formatting import percent
from hermes_sim.kit.markup import Markdown, html_of, markdown_of
from hermes_sim.kit.page import Bullets, Chapter, Command, Picture, html_page, markdown_page
from hermes_sim.kit.tables import Cell, Column, Table, number
from hermes_sim.kit.words import shown, unit_of


def table():
    columns = ("name", number("share", percent), Column("note", "<{}>".format))
    return Table("t", "How much", columns, [["a|b", 0.5, 1], ["c", None, Markdown("**2**")]], ["Total", 1.0, ""])


def test_columns_write_values_and_the_page_sorts_by_them():
    html = table().html()
    assert '<td class="num" data-sort="0.5">50.0 %</td>' in html
    assert '<td class="num" data-sort="-1">-</td>' in html
    assert '<td data-sort="1">&lt;1&gt;</td>' in html
    assert "<td><strong>2</strong></td>" in html
    assert "<tfoot><tr><td>Total</td>" in html
    assert 'data-sort="3"' in Table("t", "", ["x"], [[Cell("three", 3)]]).html()


def test_the_same_rows_in_markdown_and_on_a_terminal():
    assert table().markdown().splitlines() == [
        "| name | share | note |",
        "| --- | ---: | --- |",
        r"| a\|b | 50.0 % | \<1\> |",
        "| c | - | **2** |",
        "| **Total** | **100.0 %** |  |",
    ]
    assert table().texts() == [["a|b", "50.0 %", "<1>"], ["c", "-", "**2**"], ["Total", "100.0 %", ""]]


@pytest.mark.parametrize(
    ("text", "html", "markdown"),
    [
        ("a < b_c *d* _e_", "a &lt; b_c *d* _e_", r"a \< b_c \*d\* \_e\_"),
        (Markdown("**a** `b < c`"), "<strong>a</strong> <code>b &lt; c</code>", "**a** `b < c`"),
    ],
)
def test_texts_are_escaped_unless_they_are_markdown(text, html, markdown):
    assert html_of(text) == html
    assert markdown_of(text) == markdown


def test_a_chapter_has_the_same_parts_in_both_pages():
    chapter = Chapter(
        "What it < is", ["words", Bullets(["one"]), table(), Command("run it"), Picture("p", "p.svg", "<svg/>")]
    )
    markdown = markdown_page("T", [Chapter("", ["first"]), chapter])
    assert markdown.startswith("# T\n\nfirst\n\n## What it \\< is\n\nwords\n\n- one\n\nHow much:\n\n| name |")
    assert markdown.endswith("```sh\nrun it\n```\n\n![p](p.svg)\n")
    html = html_page("T", ["about", "and more"], [chapter.section()], version="1")
    assert "<p>about</p><p>and more</p>" in html
    for part in ('<section id="what-it-is"', "<h2", "<p>words</p>", "<li>one</li>", "<pre>run it</pre>", "<svg/>"):
        assert part in html
    assert "Plotly.newPlot" in html
    assert len(html) < 50_000  # no plots: the plotting library stays out


def test_terminals_write_the_micro_of_a_unit_as_u():
    screen = io.StringIO()
    _Terminal(file=screen, width=80).print("1.5 µs", "2 µJ/byte", "out/µx", "latency (µs)", highlight=False)
    assert screen.getvalue() == "1.5 us 2 uJ/byte out/µx latency (us)\n"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("utilization_ldpu", 0.985, "98.5 %"),
        ("bottleneck_utilization", 1.0, "100 %"),
        ("energy_pj_static", 2.5e6, "2.5 µJ"),
        ("accuracy_drop_pp", -0.123, "-0.123 points"),
        ("area_mm2", 12345.6, "12,346 mm2"),
        ("latency_ns", float("nan"), "-"),
        ("bottleneck_resource", "core1", "core1"),
    ],
)
def test_units_follow_from_names(name, value, text):
    assert shown(name, value) == text


def test_a_scale_gives_numbers_that_can_be_read():
    assert unit_of("makespan_ns").scale(2.5e6) == (pytest.approx(1e-6), "ms")
    assert unit_of("area_mm2").scale(2.5e6) == (1.0, "mm2")
