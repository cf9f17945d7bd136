"""The drawer of SVG and its charts: where things lie, by hand."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from hermes_sim.kit.plots import Axis, LegendItem, Panel, Style, axis_of, names_axis, picture
from hermes_sim.kit.svg import Canvas

SPACE = "{http://www.w3.org/2000/svg}"


def drawn(text):
    return ET.fromstring(text)  # noqa: S314 - our own text


@pytest.mark.parametrize(
    ("axis", "texts"),
    [
        (Axis("", 0, 10), ["0", "2", "4", "6", "8", "10"]),
        (Axis("", 0.02, 0.07), ["0.02", "0.03", "0.04", "0.05", "0.06", "0.07"]),
        (Axis("", 1, 1000, log=True), ["1", "10", "100", "1000"]),
        (Axis("", 0.9, 110, log=True), ["1", "3", "10", "30", "100"]),
        (Axis("", 2, 30, log=True), ["2", "5", "10", "20"]),
        (Axis("", 95, 105, log=True), ["96", "98", "100", "102", "104"]),
        (Axis("", 1e-9, 1e9, log=True), ["1e-9", "1e-6", "0.001", "1", "1000", "1e6", "1e9"]),
        (Axis("", 0, 2.2e6), ["0", "5e5", "1e6", "1.5e6", "2e6"]),
        (Axis("", 0, 4, marks=(1.0, 3.0)), ["1", "3"]),
        (names_axis("", ["a", "b"]), ["a", "b"]),
    ],
)
def test_ticks_are_round_and_neither_few_nor_many(axis, texts):
    assert [text for _, text in axis.ticks()] == texts


def test_an_axis_holds_its_values_with_room():
    both = axis_of("x", [2.0, 4.0])
    assert (both.low, both.high) == pytest.approx((1.88, 4.12))
    assert axis_of("x", [2.0, 4.0], from_zero=True).low == 0
    log = axis_of("x", [1.0, 100.0], log=True)
    assert log.frac(1.0) == pytest.approx(0.06 / 1.12)
    assert log.frac(10.0) == pytest.approx(0.5)
    one = axis_of("x", [5.0])
    assert one.low < 5 < one.high


def test_marks_and_hints():
    canvas = Canvas(10, 10)
    for shape in ("circle", "square", "triangle", "diamond"):
        canvas.mark((5, 5), "#123456", shape=shape, hollow=shape == "circle", hint="a < b")
    root = drawn(canvas.svg())
    circle = root.find(f"{SPACE}circle")
    assert (circle.get("fill"), circle.get("stroke")) == ("none", "#123456")
    corners = [len(mark.get("points").split()) for mark in root.iter(f"{SPACE}polygon")]
    assert corners == [4, 3, 4]
    assert [title.text for title in root.iter(f"{SPACE}title")] == ["a < b"] * 4


def test_a_panel_places_points_between_its_axes():
    """360 x 280 pixels less 74, 14, 30 and 46 at the sides: the middle lies at 74 + 136, 30 + 102."""
    panel = Panel("", Axis("x", 0, 2), Axis("y", 0, 2))
    assert panel.at(0, 0) == (74, 234)
    assert panel.at(2, 2) == (346, 30)
    panel.series([(1.0, 1.0)], Style("#123456"))
    (circle,) = drawn(panel.canvas().svg()).iter(f"{SPACE}circle")
    assert (circle.get("cx"), circle.get("cy")) == ("210", "132")


def test_series_on_each_other_are_both_seen():
    panel = Panel("", Axis("x", 0, 2), Axis("y", 0, 2))
    panel.series([(0.0, 1.0), (1.0, 1.0), (2.0, 1.0)], Style("#000001"), joined=True)
    assert not panel.has_overlap
    panel.series([(0.0, 1.0), (1.0, 1.0), (2.0, 2.0)], Style("#000002"), joined=True)
    assert panel.has_overlap
    root = drawn(panel.canvas().svg())
    lines = [line for line in root.iter(f"{SPACE}polyline") if line.get("stroke").startswith("#00000")]
    assert [(line.get("stroke")[-1], line.get("stroke-dasharray")) for line in lines] == [
        ("1", None), ("2", "7 7"), ("2", None),
    ]  # fmt: skip
    sizes = [float(mark.get("r")) for mark in root.iter(f"{SPACE}circle")]
    assert sizes == pytest.approx([3.2, 3.2, 3.2, 3.2 * 0.62, 3.2 * 0.62, 3.2])


def test_marks_in_one_place_are_no_overlap_of_lines():
    panel = Panel("", Axis("x", 0, 2), Axis("y", 0, 2))
    for i in range(2):
        panel.series([(0.0, float(i)), (1.0, 1.0), (2.0, 2.0 - i)], Style.number(i), joined=True)
    assert not panel.has_overlap


def test_ticks_without_room_keep_their_line_and_lose_their_text():
    close = Axis("x", 0, 64, marks=(0.0, 1.0, 2.0, 4.0, 16.0, 64.0))
    root = drawn(Panel("", close, Axis("y", 0, 64, marks=close.marks)).canvas().svg())
    texts = [text.text for text in root.iter(f"{SPACE}text")]
    assert [text for text in texts if text and text.isdigit()] == ["0", "2", "4", "16", "64", "0", "4", "16", "64"]
    assert len([line for line in root.iter(f"{SPACE}polyline") if line.get("stroke-width") == "1"]) == 12


def test_long_names_are_slanted_and_short_ones_are_not():
    for names, is_turned in ((["a", "b"], False), (["a" * 40, "b" * 40], True)):
        svg = Panel("", names_axis("", names), Axis("y", 0, 1)).canvas().svg()
        assert ("rotate(-25" in svg) is is_turned


def test_panels_stand_in_rows_and_the_legend_goes_on_below():
    panels = [Panel(str(i), Axis("x", 0, 1), Axis("y", 0, 1)) for i in range(4)]
    legend = [LegendItem("one " * 20, Style.number(0)), LegendItem("two " * 60)]
    root = drawn(picture("t", panels, legend))
    places = [group.get("transform") for group in root.iter(f"{SPACE}g")]
    assert places == ["translate(0 30)", "translate(360 30)", "translate(720 30)", "translate(0 310)"]
    texts = {text.text: float(text.get("y")) for text in root.iter(f"{SPACE}text")}
    assert texts["two " * 60] - texts["one " * 20] == 18
    assert float(root.get("height")) > texts["two " * 60]


def test_styles_differ_for_32_groups():
    assert len({Style.number(i) for i in range(32)}) == 32
