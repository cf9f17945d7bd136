"""A comparison from a file: rows, words that follow from them, a folder that is the same when made again, bad files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from hermes_sim.cli.app import app
from hermes_sim.comparison.changes import ChangedVerdict
from hermes_sim.comparison.crossover import Change, Crossover
from hermes_sim.comparison.report import write_comparison
from hermes_sim.comparison.study import load_comparison, run_comparison
from hermes_sim.comparison.table import compare
from hermes_sim.comparison.words import best_line, count_table, crossover_words, ratio_words, verdict_lines
from hermes_sim.errors import ArchConfigError, ComparisonError, WorkloadError

ROOT = Path(__file__).parents[2]
STUDY = """
schema_version: 1
kind: comparison
title: A small comparison
chips: [hermes_64]
mappings: [packed, balanced]
workloads:
  - {workload: kernel_projection, label: Kernel projection, inferences: [1, 100]}
baselines: [a100, systolic_same_area]
precision: int8
samples: 8
crossovers:
  - {chip: hermes_64, workload: kernel_projection, axis: inferences, high: 500}
notes: [A note.]
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY, encoding="utf-8")
    return tmp_path


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "study.yaml"
    path.write_text(STUDY, encoding="utf-8")
    return run_comparison(load_comparison(path))


def test_every_design_workload_baseline_and_case_has_a_row_with_intervals(found):
    # mappings, one alone or of a stream or a hundred, baselines, cases
    assert len(found.rows) == 2 * 3 * 2 * 2
    assert {(row.mapping, row.inferences) for row in found.rows} == {
        (mapping, n) for mapping in ("packed", "balanced") for n in (1, 100)
    }
    for row in found.rows:
        assert row.energy_ratio_low < row.energy_ratio_high
        assert row.latency_ratio_low <= row.latency_ratio_high
    names = ["a100", "systolic_same_area"]
    alone = compare(
        ["hermes_64"], ["kernel_projection"], names,
        mapping="packed", inferences=[1], precisions=["int8"], samples=8,
    ).rows  # fmt: skip
    assert [row for row in found.rows if (row.mapping, row.inferences) == ("packed", 1)] == alone


def test_the_folder_is_the_same_when_made_again(found, tmp_path):
    for name in ("one", "two"):
        write_comparison(found, tmp_path / name, "hermes-sim compare --study x")
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == [
        "energy_optimistic.svg", "energy_realistic.svg", "report.md", "rows.csv", "time_optimistic.svg",
        "time_realistic.svg",
    ]  # fmt: skip
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    page = (tmp_path / "one" / "report.md").read_text(encoding="utf-8")
    assert "hermes-sim compare --study x" in page
    assert "- A note." in page
    for row in found.rows:
        assert ratio_words(row, "energy_ratio") in page
        assert ratio_words(row, "latency_ratio") in page
    assert len(pd.read_csv(tmp_path / "one" / "rows.csv")) == len(found.rows)


@pytest.mark.parametrize(
    ("ratio", "ends", "winner", "text"),
    [
        (3.0, (2.0, 4.0), "chip", "**3x (2x to 4x)**"),
        (3.0, (0.5, 4.0), "open", "3x (0.5x to 4x) ?"),
        (1.5, (0.2, 0.8), "open", "1.5x (0.2x to 0.8x) ?"),  # the files' values and the draws disagree
        (0.5, (0.05, 0.9), "digital", "0.5x (0.05x to 0.9x)"),
        (0.05, (0.01, 0.2), "digital", "0.05x (0.01x to 0.2x)"),
        (None, (None, None), "open", "-"),
    ],
)
def test_a_winner_is_named_only_where_value_and_interval_agree(found, ratio, ends, winner, text):
    row = replace(found.rows[0], energy_ratio=ratio, energy_ratio_low=ends[0], energy_ratio_high=ends[1])
    assert row.winner() == winner
    assert ratio_words(row, "energy_ratio") == text


def test_words_follow_from_the_numbers(found):
    base = replace(found.rows[0], case="realistic", latency_ratio=0.5, latency_ratio_low=0.4, latency_ratio_high=0.6)
    rows = [
        replace(base, chip=chip, baseline=name, energy_ratio=ratio, energy_ratio_low=low, energy_ratio_high=high)
        for chip, name, ratio, low, high in (
            ("one", "gpu", 4, 2, 8), ("two", "gpu", 2, 1.5, 3),
            ("one", "array", 0.2, 0.1, 0.4), ("two", "array", 0.25, 0.1, 0.4),
            ("one", "cpu", 3, 0.9, 9), ("two", "cpu", 0.5, 0.3, 0.7),
        )
    ]  # fmt: skip
    lines = verdict_lines(rows)
    energy = next(line for line in lines if line.startswith("Energy, realistic"))
    assert energy == (
        "Energy, realistic: the chip wins in every design against gpu (2x to 4x); **digital wins** in every design "
        "against array (0.2x to 0.25x); it depends on the design or on assumed values against cpu (0.5x to 3x)."
    )
    time = next(line for line in lines if line.startswith("Time, realistic"))
    assert time == "Time, realistic: **digital wins** in every design against all 3 (0.5x)."
    rows = [replace(row, chip_energy_pj=2e6 if row.chip == "two" else 3e6) for row in rows]
    assert best_line(rows) == (
        f"Least energy: two, {base.mapping}, 2 µJ per inference; realistic: the chip wins against gpu (2x); "
        "**digital wins** against array, cpu (0.25x to 0.5x)."
    )
    assert "| one, response | energy | realistic | 6 | 2 | 3 | 1 |" in count_table(rows).markdown()


def test_verdicts_that_changed_are_a_section_of_the_page(found, tmp_path):
    row = found.rows[0]
    names = ("chip", "mapping", "workload", "inferences", "timing", "baseline", "precision", "case")
    change = ChangedVerdict(*(getattr(row, name) for name in names), "latency_ratio", "chip", "digital", "links")
    named = found.file.model_copy(update={"changes": "changed.csv", "changed_since": "version 0.0"})
    write_comparison(replace(found, file=named, changes=(change,)), tmp_path / "with", "hermes-sim compare --study x")
    page = (tmp_path / "with" / "report.md").read_text(encoding="utf-8")
    assert "## Verdicts that changed" in page
    assert "1 verdicts changed since version 0.0" in page
    assert "| links | chip | digital | 1 |" in page
    write_comparison(found, tmp_path / "without", "hermes-sim compare --study x")
    assert "Verdicts that changed" not in (tmp_path / "without" / "report.md").read_text(encoding="utf-8")


def test_crossovers_in_a_few_words():
    base = Crossover("chip", "work", "axis", "gpu", "int8", "realistic", "energy_ratio", 1, 9, 3.0, 0.5, ())
    assert crossover_words(replace(base, changes=(Change(4, "the chip", "digital"),))) == "**chip**, digital from 4"
    assert crossover_words(replace(base, ratio_high=5.0)) == "**chip**, 3x to 5x"
    assert crossover_words(replace(base, ratio_low=0.02, ratio_high=0.01)) == "digital, 0.01x to 0.02x"


def test_the_command_writes_beside_the_file(folder):
    done = CliRunner().invoke(app, ["compare", "--study", str(folder)])
    assert done.exit_code == 0, done.output
    assert (folder / "report.md").is_file()
    assert "of 24 comparisons" in done.output


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ("precision: int8", "precision: fp16", ComparisonError, "systolic_same_area"),
        ("precision: int8", "precison: int8", ComparisonError, "did you mean 'precision'"),
        ("samples: 8", "samples: 1", ComparisonError, "samples"),
        ("inferences: [1, 100]", "inferences: [0]", ComparisonError, "inferences"),
        ("baselines: [a100,", "baselines: [a10,", ArchConfigError, "did you mean 'a100'"),
        ("chips: [hermes_64]", "chips: []", ComparisonError, "chips"),
        ("workload: kernel_projection, label", "workload: kernel_projektion, label", WorkloadError, "did you mean"),
        ("axis: inferences", "axis: inferencs", WorkloadError, "did you mean 'inferences'"),
    ],
)
def test_bad_files_are_refused_before_anything_runs(folder, old, new, error, message):
    assert old in STUDY
    (folder / "study.yaml").write_text(STUDY.replace(old, new), encoding="utf-8")
    with pytest.raises(error, match=message):
        load_comparison(folder / "study.yaml")


def test_a_missing_file_and_mixed_options_are_refused(folder):
    with pytest.raises(ComparisonError, match=r"no such file"):
        load_comparison(folder / "other.yaml")
    for arguments in (["hermes_64", "--study", str(folder)], ["hermes_64", "--out", "x"], []):
        done = CliRunner().invoke(app, ["compare", *arguments])
        assert done.exit_code != 0
    assert not (folder / "report.md").exists()


def test_the_shipped_table_is_of_this_code():
    """One design and accelerator of the table once more, without intervals: no table outlives the model behind it."""
    file = load_comparison(ROOT / "reports" / "comparison")
    shipped = pd.read_csv(ROOT / "reports" / "comparison" / "rows.csv")
    assert set(shipped["baseline"]) == set(file.baselines)
    changes = {"chips": file.chips[-1:], "mappings": file.mappings[-1:], "baselines": file.baselines[:1]}
    rows = run_comparison(file.model_copy(update={**changes, "samples": 0, "crossovers": []})).rows
    names = ["chip", "mapping", "workload", "inferences", "timing", "baseline", "case"]
    keyed = shipped.set_index(names)
    assert len(rows) == len(shipped) / (len(file.chips) * len(file.mappings) * len(file.baselines))
    for row in rows:
        told = keyed.loc[tuple(getattr(row, name) for name in names)]
        for name in ("chip_latency_ns", "chip_energy_pj", "energy_ratio", "latency_ratio"):
            assert told[name] == pytest.approx(getattr(row, name), rel=5e-4), (
                "hermes-sim compare --study reports/comparison"
            )
