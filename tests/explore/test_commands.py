from __future__ import annotations

import json
import shlex

import pandas as pd
import pytest
from typer.testing import CliRunner

from hermes_sim.cli.app import app
from hermes_sim.explore.errors import StoreError, StudyError
from hermes_sim.explore.report import write_study as write_study_folder
from hermes_sim.explore.study import Study

PICTURES = """\
findings:
  - question: Fewest lanes
    column: makespan_ns
    goal: minimize
    by: [arch.read_mode]
    knob: arch.core.ldpu.lanes
    within: 0.1
plots:
  - {title: Lines, kind: lines, x: arch.core.ldpu.lanes, y: makespan_ns, by: arch.read_mode, panel: inferences}
  - {title: Dots, kind: scatter, x: area_mm2, y: energy_pj_per_inference, by: arch.read_mode, log_y: true}
  - {title: Cells, kind: heatmap, x: arch.core.ldpu.lanes, y: arch.read_mode, color: makespan_ns}
  - {title: Nothing, kind: scatter, x: area_mm2, y: power_w, where: area_mm2 < 1}
conclusion: Words about it.
"""


def call(*arguments):
    return CliRunner().invoke(app, ["sweep", *map(str, arguments)])


@pytest.fixture
def store(write_study, tmp_path):
    result = call(write_study(extra=PICTURES), "--store", tmp_path / "s", "--workers", 0, "--json")
    assert result.exit_code == 0, result.output
    return tmp_path / "s"


def test_the_contract(write_study, tmp_path):
    result = call(write_study(), "--store", tmp_path / "s", "--workers", 0, "--json")
    document = json.loads(result.stdout)
    assert (document["points"], document["done"], document["skipped"], document["failed"]) == (8, 8, 0, 0)
    assert document["points_per_min"] > 0
    again = json.loads(call(write_study(), "--store", tmp_path / "s", "--workers", 0, "--json").stdout)
    assert (again["done"], again["skipped"]) == (0, 8)


def test_the_word_run_may_be_left_out_or_given(write_study, tmp_path):
    for arguments in ([write_study()], ["run", write_study()]):
        assert call(*arguments, "--store", tmp_path / "s", "--workers", 0).exit_code == 0
    assert call("--store", tmp_path / "s", "--workers", 0, write_study()).exit_code == 0


def test_resume_needs_the_store_only(store):
    document = json.loads(call("resume", store, "--workers", 0, "--json").stdout)
    assert (document["points"], document["skipped"]) == (8, 8)


def test_show(store, tmp_path):
    result = call("show", store, "--csv", tmp_path / "a.csv", "--parquet", tmp_path / "a.parquet")
    assert result.exit_code == 0, result.output
    for words in ("Pareto front", "Share of the variation", "Fewest lanes"):
        assert words in result.output
    assert len(pd.read_csv(tmp_path / "a.csv")) == len(pd.read_parquet(tmp_path / "a.parquet")) == 8
    document = json.loads(call("show", store, "--json").stdout)
    assert document["status"] == {"done": 8}
    assert document["findings"][0]["rows"]


def test_best(store):
    result = call("best", store, "--objective", "energy_pj_per_inference", "--where", "inferences == 2")
    assert "inferences = 2" in result.output
    document = json.loads(call("best", store, "--json").stdout)
    assert document["best"]["makespan_ns"] == 133_000 + 32  # ns, the search for the range of the first vector


BROKEN = """\
schema_version: 1
name: broken
description: ""
arch: mine.yaml
workload: peak_mvm
parameters: {inferences: [1, 2]}
objectives: {makespan_ns: minimize}
plots: [{title: Dots, kind: scatter, x: area_mm2, y: power_w, where: inferences == 1}]
"""


def test_points_that_all_failed_are_reported_and_run_again_once_the_file_is_mended(write_study, tmp_path):
    chip = tmp_path / "mine.yaml"
    chip.write_text("extends: hermes_64\nname: mine\nread_mode: five_phase\n", encoding="utf-8")
    arguments = (write_study(BROKEN), "--store", tmp_path / "s", "--workers", 0, "--out", tmp_path / "r")
    failed = call(*arguments)
    assert failed.exit_code == 1
    assert "2 failed" in failed.output
    assert "mine.yaml, line 3" in failed.output
    chip.write_text("extends: hermes_64\nname: mine\nread_mode: one_phase\n", encoding="utf-8")
    assert "2 run, 0 there already, 0 failed" in call(*arguments).output


def test_best_answers_for_each_scenario(write_study, tmp_path):
    call(write_study(extra="scenarios: [inferences]\n"), "--store", tmp_path / "s", "--workers", 0)
    result = call("best", tmp_path / "s", "--objective", "makespan_ns")
    assert "inferences = 1" in result.output
    assert "inferences = 2" in result.output
    document = json.loads(call("best", tmp_path / "s", "--json").stdout)
    assert [row["inferences"] for row in document["scenarios"]] == [1, 2]
    assert document["best"]["inferences"] == 1


def test_compare_with_itself_finds_no_change(store):
    result = call("compare", store, store, "--json")
    assert result.exit_code == 0, result.exception
    rows = json.loads(result.stdout)["objectives"]
    assert {row["median_ratio"] for row in rows} == {1.0}
    assert "makespan_ns" in call("compare", store, store).output


def test_a_report_has_pictures_tables_and_words(store, tmp_path):
    assert call("show", store, "--out", tmp_path / "r").exit_code == 0
    names = {path.name for path in (tmp_path / "r").iterdir()}
    assert names == {"points.csv", "plot1.svg", "plot2.svg", "plot3.svg", "report.html", "report.md"}
    page = (tmp_path / "r" / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 3
    assert "read_mode one_phase" in page  # a parameter by its name, not in words
    for words in ("Words about it.", "Pareto front", "hermes-sim sweep", "Fewest lanes"):
        assert words in page
        assert words in (tmp_path / "r" / "report.md").read_text(encoding="utf-8")


def test_the_report_names_the_command_that_made_it(write_study, tmp_path):
    study, out = write_study(extra=PICTURES), tmp_path / "a report"
    assert call(study, "--store", tmp_path / "s", "--workers", 0, "--out", out).exit_code == 0
    page = (out / "report.md").read_text(encoding="utf-8")
    assert page.startswith("# small\n")
    assert "\n\nChip: hermes_64. Workload: peak_mvm.\n\n8 design points, " in page
    html = (out / "report.html").read_text(encoding="utf-8")
    assert "</p><p>Chip: hermes_64. Workload: peak_mvm.</p><p>8 design points, " in html
    assert f"\nhermes-sim sweep {study} --store STORE --out '{out}'\n" in page
    assert "Words about it." in page


SETTINGS = ("workload=kernel_projection", "core.input_buffers=3", "arch.name=my chip")


@pytest.mark.parametrize("source", ["run", "resume", "show"])
def test_a_changed_study_says_so_and_has_no_conclusion_of_another(source, write_study, tmp_path):
    study, out, html = write_study(extra=PICTURES), tmp_path / source, tmp_path / "p.html"
    options = [word for setting in SETTINGS for word in ("--set", setting)]
    first = call(study, *options, "--store", tmp_path / "s", "--workers", 0, "--out", tmp_path / "run")
    assert first.exit_code == 0, first.exception
    if source != "run":
        assert call(source, tmp_path / "s", "--out", out).exit_code == 0
    assert call("show", tmp_path / "s", "--html", html).exit_code == 0
    changes = ", ".join(SETTINGS)
    for path in (out / "report.md", out / "report.html", html):
        page = path.read_text(encoding="utf-8")
        assert f"small with {changes}" in page
        assert "Chip: hermes_64. Workload: kernel_projection." in page
        assert "Words about it." not in page
        assert "Conclusion" not in page
    [command] = [line for line in (out / "report.md").read_text().splitlines() if line.startswith("hermes-sim sweep ")]
    again = shlex.split(command)[2:]
    assert again == [str(study), *options, "--store", "STORE", "--out", str(out)]
    again[again.index("STORE")] = str(tmp_path / "other")
    points = pd.read_csv(out / "points.csv")
    assert call(*again, "--workers", 0).exit_code == 0
    pd.testing.assert_frame_equal(pd.read_csv(out / "points.csv"), points)
    document = json.loads(call("show", tmp_path / "s", "--json").stdout)
    assert document["changes"] == dict(setting.split("=") for setting in SETTINGS) | {"core.input_buffers": 3}


def test_a_study_from_python_names_no_command(tmp_path):
    study = Study.define(
        store=tmp_path / "s",
        arch="hermes_64",
        workload="peak_mvm",
        parameters={"inferences": [1, 2]},
        objectives={"makespan_ns": "minimize"},
        conclusion="Words about it.",
    )
    study.run(workers=0)
    write_study_folder(study, tmp_path / "r")
    page = (tmp_path / "r" / "report.md").read_text(encoding="utf-8")
    assert "hermes-sim sweep" not in page
    assert "Words about it." in page


def test_an_interactive_page_needs_no_network(store, tmp_path):
    assert call("show", store, "--html", tmp_path / "p.html").exit_code == 0
    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert "Parcoords" in page or "parcoords" in page
    assert "cdn.plot.ly" not in page.split("</script>")[-1]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("nothing.yaml", "--store", "x"), StudyError, "no such file"),
        (("resume", "nothing"), StoreError, "no study"),
        (("best", "{store}", "--objective", "speed"), StudyError, "latency_ns"),
        (("best", "{store}", "--where", "speed > 3"), StudyError, "speed"),
        (("show", "{store}", "--study", "other"), StoreError, "small"),
        (("show", "{store}", "--csv", "x.txt"), Exception, ".csv or .parquet"),
    ],
)
def test_wrong_calls_have_one_clear_error(store, arguments, error, message):
    result = call(*(str(a).format(store=store) for a in arguments))
    assert isinstance(result.exception, error)
    assert message in str(result.exception)


def test_a_study_without_any_result_ends_with_code_1(write_study, tmp_path):
    path = write_study()
    path.write_text(path.read_text(encoding="utf-8").replace("[4, 8]", "[0]"), encoding="utf-8")
    result = call(path, "--store", tmp_path / "s", "--workers", 0, "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["failed"] == 4
    assert "core.ldpu.lanes" in document["failures"][0]["error"]
