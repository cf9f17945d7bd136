"""Comparison tables and crossovers: the same numbers as a run, and changes of winner where they are."""

from __future__ import annotations

import shutil

import pytest
from typer.testing import CliRunner

from hermes_sim.api import simulate
from hermes_sim.cli.app import app
from hermes_sim.comparison.chips import chip_tables
from hermes_sim.comparison.crossover import find_crossovers
from hermes_sim.comparison.table import compare, frame_of
from hermes_sim.config.files import shipped_dir
from hermes_sim.errors import ArchConfigError, ComparisonError, WorkloadError
from hermes_sim.kit.formatting import times

BASELINES = ("a100", "systolic_same_area")


@pytest.fixture(scope="module")
def rows():
    return compare(["hermes_64"], ["kernel_ridge_digits"], BASELINES, inferences=[1, 200], precisions=["int8"]).rows


def test_rows_are_those_of_a_run(rows):
    for n in (1, 200):
        document = simulate(
            "hermes_64", "kernel_ridge_digits", inferences=n, accuracy=False, baselines=BASELINES
        ).document
        for row in (r for r in rows if r.inferences == n):
            key = (row.baseline, "int8", n, row.timing)
            theirs = next(
                b for b in document["baselines"] if (b["name"], b["precision"], b["batch"], b["timing"]) == key
            )
            assert row.energy_ratio == pytest.approx(theirs["energy_ratio"][row.case], rel=1e-12)
            assert row.latency_ratio == pytest.approx(theirs["latency_ratio"][row.case])
            if n > 1 or row.timing == "response":
                assert row.chip_energy_pj == document["energy_pj"]["per_inference"]


def test_products_of_time_and_energy_fit(rows):
    assert [(row.inferences, row.timing) for row in rows if (row.baseline, row.case) == ("a100", "realistic")] == [
        (1, "response"), (1, "back_to_back"), (200, "back_to_back"),
    ]  # fmt: skip
    assert len(rows) == 12
    for row in rows:
        parts = row.baseline_device_pj, row.baseline_link_pj, row.baseline_host_pj
        assert sum(parts) == pytest.approx(row.baseline_energy_pj)
        places = row.chip_on_chip_pj, row.chip_link_pj, row.chip_host_pj
        assert sum(places) == pytest.approx(row.chip_energy_pj)
        assert row.edp_ratio == pytest.approx(row.baseline_edp_pj_ns / row.chip_edp_pj_ns)
        assert row.baseline_power_w == pytest.approx(1e-3 * row.baseline_energy_pj / row.baseline_latency_ns)
        assert row.winner() == ("chip" if row.energy_ratio > 1 else "digital")
        assert (row.baseline_area_mm2 is None) == (row.baseline == "a100")
        assert row.energy_ratio_low is None


def test_a_winner_whose_interval_holds_one_is_open():
    rows = compare(
        ["hermes_64"], ["kernel_ridge_digits"], ["a100"], inferences=[200], precisions=["int8"], samples=24
    ).rows
    for row in rows:
        assert row.energy_ratio_low < row.energy_ratio_high
        inside = row.energy_ratio_low < 1 < row.energy_ratio_high
        assert (row.winner() == "open") == inside


def test_the_frame_has_a_column_per_field(rows):
    frame = frame_of(rows)
    assert len(frame) == len(rows)
    assert {"energy_ratio", "edp_ratio", "accuracy_drop_pp", "chip_area_mm2"} <= set(frame.columns)
    assert list(frame_of([]).columns) == list(frame.columns)


def test_the_winner_changes_where_the_crossover_says():
    found = find_crossovers("hermes_64", "kernel_ridge_digits", ["a100"], axis="inferences", low=1, high=1000)
    one = next(c for c in found if (c.case, c.ratio) == ("realistic", "energy_ratio"))
    (change,) = one.changes
    assert (change.before, change.after) == ("the chip", "digital")
    below, above = (
        compare(["hermes_64"], ["kernel_ridge_digits"], ["a100"], inferences=[n], precisions=[one.precision]).rows
        for n in (change.at - 1, change.at)
    )
    assert next(r for r in below if r.case == "realistic").energy_ratio > 1
    assert next(r for r in above if r.case == "realistic").energy_ratio <= 1
    assert f"{change.at:,}" in one.sentence


def test_a_side_that_always_wins_is_named():
    found = find_crossovers("hermes_64", "kernel_ridge_digits", ["a100"], axis="features", low=8, high=64)
    one = next(c for c in found if (c.case, c.ratio) == ("optimistic", "latency_ratio"))
    assert one.changes == ()
    assert "digital wins from features 8 to 64" in one.sentence
    assert one.record()["changes"] == []


def test_sizes_that_do_not_fit_end_the_range():
    found = find_crossovers("hermes_64", "kernel_ridge_digits", ["a100"], axis="features", low=8, high=8192)
    assert {c.low for c in found} == {8}
    assert all(c.high < 8192 for c in found)


@pytest.mark.parametrize(
    ("axis", "low", "high", "message"),
    [
        ("inferencs", None, None, "did you mean 'inferences'"),
        ("sequence_length", None, None, "no field 'sequence_length'"),
        ("inferences", 10, 10, "low < high"),
        ("features", 0, 4, "low < high"),
        ("features", 4096, 8192, "fit on the chip"),
    ],
)
def test_bad_ranges_are_refused(axis, low, high, message):
    with pytest.raises(WorkloadError, match=message):
        find_crossovers("hermes_64", "kernel_ridge_digits", ["a100"], axis=axis, low=low, high=high)


def test_a_precision_that_no_baseline_has_is_refused():
    with pytest.raises(ArchConfigError, match="int8"):
        compare(["hermes_64"], ["kernel_projection"], ["tpu_v4"], precisions=["fp16"])
    rows = compare(["hermes_64"], ["kernel_projection"], ["tpu_v4", "t4"], inferences=[1], precisions=["fp16"]).rows
    assert {row.baseline for row in rows} == {"t4"}


def test_two_baselines_of_one_name_are_refused(tmp_path):
    own = shutil.copy(shipped_dir("arch_configs/baselines") / "t4.yaml", tmp_path)
    with pytest.raises(ArchConfigError, match="name of another baseline"):
        compare(["hermes_64"], ["kernel_projection"], ["t4", own])
    with pytest.raises(ArchConfigError, match="given twice"):
        compare(["hermes_64"], ["kernel_projection"], ["t4", "t4"])


@pytest.fixture(scope="module")
def beside():
    return compare(
        ["hermes_64", "hermes_64_hetero"], ["kernel_ridge_digits"], [], inferences=[1, 200], accuracy=True
    ).chips


def test_chips_stand_beside_each_other_without_a_baseline(beside):
    assert [(row.chip, row.inferences, row.timing) for row in beside] == [
        (chip, n, timing)
        for chip in ("hermes_64", "hermes_64_hetero")
        for n, timing in ((1, "response"), (1, "back_to_back"), (200, "back_to_back"))
    ]
    for row, first in zip(beside, beside[:3] * 2, strict=True):
        assert row.ratios == {
            name: getattr(row, name) / getattr(first, name)
            for name in ("latency_ns", "energy_pj", "power_w", "tops_per_w", "area_mm2")
        }
    many = beside[-1]
    document = simulate("hermes_64_hetero", "kernel_ridge_digits", inferences=200, baselines=()).document
    assert many.energy_pj == document["energy_pj"]["per_inference"]
    assert many.tops_per_w == pytest.approx(document["tops_per_w"])
    assert many.power_w == pytest.approx(document["power_w"])
    assert many.accuracy == document["accuracy"]["simulated"] != beside[0].accuracy


def test_the_table_of_chips_has_a_column_each_and_ratios_to_the_first(beside):
    (table,) = chip_tables(beside)
    lines = {label.strip(): cells for label, *cells in table.texts()}
    assert [column.head for column in table.heads] == ["per inference", "hermes_64", "hermes_64_hetero"]
    assert lines["time, one inference, response"][0].endswith(" (1x)")
    assert lines["area"][1].endswith(f"({times(beside[3].ratios['area_mm2'])})")
    assert lines["accuracy"] == [f"{beside[0].accuracy:.4f}", f"{beside[3].accuracy:.4f}"]
    assert {"time, one inference, back to back", "time, 200 inferences", "accuracy, FP32"} <= set(lines)
    (alone,) = chip_tables(beside[:3])
    assert "times" not in alone.caption
    assert "(" not in "".join(cell for _, *cells in alone.texts() for cell in cells)


def test_two_chips_of_one_name_are_refused(tmp_path):
    own = shutil.copy(shipped_dir("arch_configs") / "hermes_64.yaml", tmp_path)
    with pytest.raises(ArchConfigError, match="a name that no other chip has"):
        compare(["hermes_64", own], ["kernel_projection"], [])


def test_the_command_without_baselines_prints_the_chips_alone():
    chips = ("compare", "hermes_64", "hermes_64_hetero", "--workload", "kernel_projection", "--inferences", "1")
    done = CliRunner().invoke(app, [*chips, "--baseline", "none"])
    assert done.exit_code == 0, done.output
    assert "in brackets how many times the value of hermes_64" in done.output
    assert "a100" not in done.output
    assert "the chip wins" not in done.output
    both = CliRunner().invoke(app, [*chips, "--baseline", "a100", "--precision", "int8"])
    assert "in brackets" in both.output
    assert "a100 int8 realistic" in both.output


@pytest.mark.parametrize(
    "more", [("--baseline", "a100"), ("--crossover", "inferences"), ("--csv", "x.csv"), ("--precision", "int8"),
             ("--uncertainty", "4")],
)  # fmt: skip
def test_no_baseline_goes_with_nothing_that_needs_one(more):
    chip = ("compare", "hermes_64", "--workload", "kernel_projection", "--baseline", "none")
    with pytest.raises(ComparisonError, match=f"none and {more['--baseline' in more]}"):
        CliRunner().invoke(app, [*chip, *more], catch_exceptions=False)


def test_bad_names_are_refused():
    with pytest.raises(WorkloadError, match="at least one"):
        compare([], ["kernel_ridge_digits"], ["a100"])
    with pytest.raises(ArchConfigError, match="did you mean 'a100'"):
        compare(["hermes_64"], ["kernel_ridge_digits"], ["a10"])
