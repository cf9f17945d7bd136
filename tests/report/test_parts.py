from __future__ import annotations

import pytest

from hermes_sim.kit.formatting import crosses_one, percent, si, times, times_within
from hermes_sim.kit.tables import Cell, Table, number
from hermes_sim.kit.words import RatioKey, in_base_unit, range_words, shown, words_of
from hermes_sim.metrics.timing import StageTime
from hermes_sim.report.breakdowns import largest_parts, sum_of
from hermes_sim.report.markdown import markdown_report
from hermes_sim.report.summary import ends_text, interval_text, telling_interval
from hermes_sim.report.verdict import verdict_summary, verdicts
from hermes_sim.report.waiting import spent_of


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 s"),
        (1.2344e-6, "1.234 µs"),
        (9.9996e-4, "1 ms"),
        (999.9e-6, "999.9 µs"),
        (2.5e-16, "0.25 fs"),
        (4e13, "40 Ts"),
        (-3e-9, "-3 ns"),
    ],
)
def test_si(value, text):
    assert si(value, "s") == text


@pytest.mark.parametrize(
    ("ratio", "ends", "text", "is_open"),
    [
        (0.404, (0.0996, 0.555), "0.404x (0.0996x to 0.555x)", False),
        (0.05, (0.01, 0.2), "0.05x (0.01x to 0.2x)", False),
        (3.0, (0.02, 4.0), "3x (0.02x to 4x)", True),
        (1.2, (0.2, 0.8), "1.2x (0.2x to 0.8x)", True),
        (1.2, None, "1.2x", False),
    ],
)
def test_a_ratio_and_its_interval_are_written_in_one_way(ratio, ends, text, is_open):
    assert times_within(ratio, ends) == text
    assert crosses_one(ratio, ends) == is_open


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (None, "-"),
        (1, "1x"),
        (0.5, "0.5x"),
        (1 / 250, "0.004x"),
        (1234.5, "1,234x"),
        (999.4, "999x"),
        (999.6, "1,000x"),
        (1 / 3434, "0.000291x"),
        (1 / 23456, "0.0000426x"),
        (1e-4, "0.0001x"),
        (0, "0x"),
    ],
)
def test_times(ratio, text):
    assert times(ratio) == text


def test_small_shares_stay_visible():
    assert percent(1e-6) == "< 0.1 %"
    assert percent(0) == "0.0 %"


def test_largest_parts_lose_nothing():
    values = {f"part {i}": float(i) for i in range(30)}
    for limit in (2, 5, 29, 100):
        parts = largest_parts(values, limit)
        assert len(parts) <= limit
        assert sum_of(parts) == sum(values.values())
    assert sum_of(largest_parts(values, 100, smallest_frac=0.05)) == sum(values.values())


def row(ratio_optimistic, ratio_realistic, **more):
    ratios = {"optimistic": ratio_optimistic, "realistic": ratio_realistic}
    return {
        "name": "gpu", "precision": "int8", "batch": 1, "energy_ratio": ratios, "latency_ratio": ratios, **more,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "winner", "words"),
    [
        ([row(2, 5)], "chip", "gpu uses 2x (int8, optimistic) to 5x (int8, realistic) the energy of the chip"),
        (
            [row(0.1, 0.5)],
            "digital",
            "gpu uses 0.1x (int8, optimistic) to 0.5x (int8, realistic) the energy of the chip",
        ),
        ([row(0.5, 4)], "depends", "gpu uses 0.5x (int8, optimistic) to 4x (int8, realistic) the energy of the chip"),
        ([row(3, 3)], "chip", "gpu uses 3x the energy of the chip"),
    ],
)
def test_verdict_says_plainly_who_wins(rows, winner, words):
    verdict = verdicts(rows)[0]
    assert verdict.winner == winner
    assert words in verdict.sentence


def test_summary_names_the_winner_of_each_quantity():
    sentences = verdict_summary([row(0.1, 0.2), row(2, 3, name="cpu")])
    assert sentences == [
        "Energy: of 2 comparisons (baseline, batch and timing) the chip wins 1; digital wins 1.",
        "Time: of 2 comparisons (baseline, batch and timing) the chip wins 1; digital wins 1.",
    ]
    assert "digital wins the one comparison" in verdict_summary([row(0.1, 0.2)])[0]
    assert "the chip wins both comparisons" in verdict_summary([row(2, 3), row(4, 5, name="cpu")])[0]
    assert "winner depends" in verdict_summary([row(0.5, 4)])[0]
    assert verdict_summary([]) == []


def test_the_summary_says_where_intervals_leave_the_winner_open():
    rows = [row(2, 3)]
    name = f"{rows[0]['name']} {rows[0]['precision']}, batch {rows[0]['batch']:,}.energy_ratio.realistic"
    document = {"uncertainty": {"quantities": {name: {"value": 3, "low": 0.5, "high": 4}}}}
    energy, time = verdict_summary(rows, document)
    assert "may change in 1 of 2 cases" in energy
    assert "may change" not in time


def test_unknown_energy_is_no_verdict():
    unknown = row(2, 3, energy_ratio={"optimistic": None, "realistic": None})
    assert [verdict.quantity for verdict in verdicts([unknown])] == ["Time per inference"]


def test_table_sorts_by_value_not_by_text():
    html = Table("t", "caption", ("name", number("size")), [["a", Cell("1 kB", 1000)]]).html()
    assert 'data-sort="1000"' in html
    assert 'class="num"' in html


def test_table_in_markdown_keeps_its_columns():
    text = Table("t", "", ("name", number("size")), [["a|b <i>", "1"]], ["Total", "1"]).markdown()
    lines = text.splitlines()
    assert lines[1] == "| --- | ---: |"
    assert r"a\|b \<i\>" in lines[2]
    assert lines[3] == "| **Total** | **1** |"


def test_markdown_report_has_the_numbers(rich):
    text = markdown_report(rich)
    for words in (
        "# kernel_ridge_digits on hermes_64",
        "| Latency |",
        "## Energy by component",
        "digital wins",
        "hermes-sim run",
    ):
        assert words in text
    assert rich.document["inputs"]["sha256"] in text


@pytest.mark.parametrize(
    ("name", "value", "words", "text"),
    [
        ("latency_ns", 1500.0, "latency of one inference", "1.5 µs"),
        ("energy_pj.per_inference", 2e6, "energy per inference", "2 µJ"),
        (
            "gpu v1.5 int8, batch 1.energy_ratio.realistic",
            2.5,
            "energy ratio to gpu v1.5 int8, batch 1 response, realistic",
            "2.5x",
        ),
        ("something_new", 2.0, "something_new", "2"),
    ],
)
def test_quantities_have_words_and_units(name, value, words, text):
    assert words_of(name) == words
    assert shown(name, value) == text


@pytest.mark.parametrize(
    ("value", "unit", "low", "high", "text"),
    [
        (133_000.0, "ps", 1e5, 2e6, "133 ns; 100 ns to 2 µs"),
        (0.1, "mW", 0.02, 5.0, "100 µW; 20 µW to 5 mW"),
        (2.0, "pJ/byte", 0.3, 2.5, "2 pJ/byte; 300 fJ/byte to 2.5 pJ/byte"),
        (4.0, "count", 1.0, 4.0, "4; 1 to 4"),
        (1.0, "GHz", 0.5, 2.0, "1 GHz; 0.5 to 2 GHz"),
    ],
)
def test_ranges_are_written_in_units_that_people_use(value, unit, low, high, text):
    assert f"{in_base_unit(value, unit)}; {range_words(low, high, unit)}" == text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("latency_ns", 1500.0, "1.5 µs"),
        ("throughput_inferences_per_s", 480769.2, "480,769 inferences/s"),
        ("throughput_inferences_per_s", 961.54, "961.5 inferences/s"),
        ("tops_per_w", 0.93671, "0.9367 TOPS/W"),
        ("energy_pj.on_chip_per_inference", 157_600.0, "157.6 nJ"),
    ],
)
def test_values_are_shown_with_their_units(name, value, text):
    assert shown(name, value) == text


def test_the_key_of_a_ratio_reads_back_what_it_says():
    key = RatioKey.of({"name": "gpu v1.5, x", "precision": "int8", "batch": 1000}, "latency_ratio", "realistic")
    assert str(key) == "gpu v1.5, x int8, batch 1,000.latency_ratio.realistic"
    assert RatioKey.read(str(key)) == key == ("gpu v1.5, x", "int8", 1000, "latency_ratio", "realistic", "back_to_back")
    for other in (
        "latency_ns",
        "energy_pj.per_inference",
        "gpu int8, batch 1.speed.realistic",
        "gpu int8, batch x.energy_ratio.o",
        "",
    ):
        assert RatioKey.read(other) is None


@pytest.mark.parametrize(
    ("record", "is_telling"),
    [
        ({"value": 5.0, "low": 4.0, "median": 5.0, "high": 8.0, "p25": 4.5, "p75": 6.0}, False),
        ({"value": 5.0, "low": 4.0, "median": 5.0, "high": 8.1, "p25": 4.5, "p75": 6.0}, True),  # wide
        ({"value": 4.4, "low": 4.0, "median": 5.0, "high": 8.0, "p25": 4.5, "p75": 6.0}, True),  # at the low end
        ({"value": 6.1, "low": 4.0, "median": 5.0, "high": 8.0, "p25": 4.5, "p75": 6.0}, True),  # at the high end
        ({"value": 5.0, "low": 1.0, "high": 9.0}, False),  # no median to show
    ],
)
def test_a_median_is_told_where_it_says_something_else_than_the_value(record, is_telling):
    document = {"latency_ns": 5.0, "uncertainty": {"quantities": {"latency_ns": record}}}
    assert (telling_interval(document, "latency_ns") is not None) == is_telling
    text = interval_text(document, "latency_ns", lambda value: f"{value:g} ns")
    assert text == (
        f"median 5 ns, 5 to 95 %: {record['low']:g} to {record['high']:g} ns"
        if is_telling
        else f"{record['low']:g} to {record['high']:g} ns"
    )
    assert interval_text({}, "latency_ns", str) == ""


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        ("1 us", "2 us", "1 to 2 us"),
        ("900 ns", "2 us", "900 ns to 2 us"),
        ("1x", "2x", "1x to 2x"),
        ("5 s", "7 us", "5 s to 7 us"),
    ],
)
def test_a_unit_that_both_ends_share_is_written_once(low, high, text):
    assert ends_text(low, high) == text


@pytest.mark.parametrize(
    ("busy", "data", "space", "resource", "first", "waits"),
    [
        (50, 0, 0, 50, 0, (0, 0, 0)),  # a bottleneck waits for itself: that is busy
        (10, 80, 0, 0, 0, (70, 0, 0)),  # busy while the next data have not come yet
        (10, 0, 80, 0, 0, (0, 70, 0)),
        (20, 30, 5, 10, 0, (25, 0, 0)),  # off the resource 10, off space 5, off data 5
        (20, 0, 0, 60, 0, (0, 0, 40)),  # another stage holds the resource
        (100, 0, 0, 90, 0, (0, 0, 0)),
        (10, 80, 0, 0, 30, (40, 0, 0)),  # the first 30 lie before the row
        (10, 20, 30, 0, 25, (0, 15, 0)),  # 20 of them waited for data, 5 for space
    ],
)
def test_time_of_a_stage_is_busy_or_waiting_and_counted_once(busy, data, space, resource, first, waits):
    stage = StageTime("o", "s", "r", 1, 1.0, 1.0, busy, data, space, resource, first)
    found = spent_of(stage)
    assert list(found) == ["busy", "waits for data", "waits for space", "waits for the resource"]
    assert tuple(found.values()) == (busy, *waits)
