"""Every row of a validation says what it proves: identity, fitted or predicted; summaries count them apart."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from hermes_sim.cli.app import app
from hermes_sim.validation.accuracy import kind_of_cells
from hermes_sim.validation.baselines import validate_baselines
from hermes_sim.validation.engines import validate_engines
from hermes_sim.validation.reproduce import reproduce, write_reproduction
from hermes_sim.validation.reproduce_base import Sources
from hermes_sim.validation.rows import RowKind, ValidationRow, kinds_words, summary

IDENTITY, FITTED, PREDICTED = RowKind


def row(kind, simulated=1.0):
    return ValidationRow("a", 1.0, simulated, 0.1, kind)


def test_a_summary_counts_kinds_apart_and_predictions_that_came_true():
    rows = [row(IDENTITY), row(FITTED), row(FITTED), row(PREDICTED), row(PREDICTED, 2.0)]
    counts = summary(rows)
    assert counts == {
        "rows": 5, "passed": 4, "failed": 1, "identity": 1, "fitted": 2, "predicted": 2, "predicted_passed": 1,
    }  # fmt: skip
    assert kinds_words(counts) == "1 identity, 2 fitted, 2 predicted"
    assert [one.record()["fitted"] for one in rows] == [False, True, True, False, False]


def test_vendor_peaks_are_identities_and_cycles_of_another_program_are_predictions():
    for one in validate_baselines():
        assert one.kind is (PREDICTED if one.name.startswith("cycles") else IDENTITY)


def test_engines_that_agree_are_one_thing_said_twice():
    (one,) = validate_engines(["hermes_64"], ["kernel_projection"], max_firings=2000)
    assert one.kind is IDENTITY


@pytest.mark.parametrize(
    ("dataset", "kind"),
    [
        ("ijcnn1", FITTED),
        ("letter", FITTED),
        ("magic", FITTED),
        ("eeg", FITTED),
        ("cod-rna", FITTED),
        ("skin", PREDICTED),
    ],
)
def test_cells_of_the_fit_are_fitted_and_others_predicted(dataset, kind):
    assert kind_of_cells(dataset) is kind


def test_device_statistics_are_identities():
    done = CliRunner().invoke(app, ["validate", "device", "--samples", "2000", "--json"])
    document = json.loads(done.stdout)
    assert {one["kind"] for one in document["rows"]} == {"identity"}
    assert document["summary"]["identity"] == document["summary"]["rows"]
    assert document["summary"]["predicted"] == 0


def test_tables_and_pages_show_kinds(tmp_path):
    done = CliRunner().invoke(app, ["validate", "baselines"])
    assert "16 identity, 0 fitted, 12 predicted" in done.output
    assert "kind" in done.output
    sources, folder = Sources(), tmp_path / "out"
    write_reproduction(reproduce(["a100_at_peak"], sources), folder, sources)
    page = (folder / "README.md").read_text(encoding="utf-8")
    assert "2 identity, 2 of them within tolerance" in page
    assert "| identity | ok |" in page
    old = json.loads((folder / "reproduction.json").read_text(encoding="utf-8"))
    for one in old["figures"]["a100_at_peak"]["rows"]:
        del one["kind"]  # as older versions wrote them
    (folder / "reproduction.json").write_text(json.dumps(old), encoding="utf-8")
    write_reproduction(reproduce(["peak"], sources), folder, sources)
    assert list(json.loads((folder / "reproduction.json").read_text(encoding="utf-8"))["figures"]) == ["peak"]
