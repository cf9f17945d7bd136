"""`hermes-sim fit`: what it prints of fits and of profiles, and clear refusals."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer

from hermes_sim.validation.measurements import COLUMNS

from .conftest import hermes_sim as run_command


def hermes_sim(*arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of the command, in this process."""
    done = run_command(*arguments)
    return done.returncode, " ".join(done.stdout.split()), " ".join(done.stderr.split())


@pytest.fixture
def given(tmp_path):
    """Options of a small problem: two data sets, one of which says how its runs were driven."""
    cancer = load_breast_cancer()
    runs = "chip: {accuracy_noise: {value: 0.75, prior: [0.5, 1], reason: a test}}\n"
    for name, chip in (("one", ""), ("two", runs)):
        np.savez(tmp_path / f"{name}.npz", X=cancer.data[:120, :6], y=cancer.target[:120])
        (tmp_path / f"{name}.yaml").write_text(
            "target: {positive: [1]}\nnormalise: {kind: zscore, ddof: 1, fit: all}\nsplit: {kind: random_half}\n" + chip
        )
    rows = [
        (name, "rff", "rbf", 2.0, "chip", metric, value)
        for name in ("one", "two")
        for metric, values in (("approx_error", (0.2, 0.22, 0.21)), ("accuracy", (0.9, 0.92, 0.91)))
        for value in values
    ]
    pd.DataFrame(rows, columns=COLUMNS).to_csv(tmp_path / "measured.csv", index=False)
    table = ("--measurements", tmp_path / "measured.csv", "--data-dir", tmp_path, "--store", tmp_path / "store")
    return (*table, "--seeds", 2, "--chip-model", "calibrated_counts")


def test_a_profile_is_printed_written_and_drawn(tmp_path, given):
    wanted = ("--parameter", "accuracy_noise", "--parameter", "two: accuracy_noise", "--parameter", "read_mode")
    outputs = ("--csv", tmp_path / "p.csv", "--plot", tmp_path / "p.svg")
    code, out, err = hermes_sim("fit", "--profile", *given, *wanted, "--accuracy", *outputs, "--json")
    assert code == 0, err
    found = json.loads(out)["profiles"]["calibrated_counts"]
    assert list(found) == ["accuracy_noise", "two: accuracy_noise", "read_mode"]
    assert [point["value"] for point in found["two: accuracy_noise"]["points"]] == [0.5, 0.75, 1]
    assert (found["accuracy_noise"]["held"], found["two: accuracy_noise"]["held"]) == (0.5, 0.75)
    assert found["read_mode"]["within_2"]["interval"] is None
    for parameter in found.values():
        from_best = [point["from_best"] for point in parameter["points"]]
        assert max(from_best) == 0
        for point in parameter["points"]:
            assert point["log_likelihood"] == pytest.approx(sum(part["total"] for part in point["parts"]))
    assert min(point["from_best"] for point in found["read_mode"]["points"]) < 0
    # a setting of one set leaves the other alone
    of_one = [
        part["total"] for p in found["two: accuracy_noise"]["points"] for part in p["parts"] if part["dataset"] == "one"
    ]
    assert len(set(of_one)) == 2  # two measures, whatever the value
    table = pd.read_csv(tmp_path / "p.csv")
    assert len(table) == (3 + 3 + 2) * 4
    assert (tmp_path / "p.svg").read_text().startswith("<svg")
    code, out, err = hermes_sim("fit", "--profile", *given, *wanted, "--accuracy")
    assert code == 0, err
    assert "four_phase" in out
    assert "0.5 (held)" in out
    assert "decided by" in out


def test_a_fit_says_its_joint_likelihood_and_that_of_the_set_left_out(given):
    code, out, err = hermes_sim("fit", *given, "--iterations", 1, "--accuracy", "--json")
    assert code == 0, err
    report = json.loads(out)["models"]["calibrated_counts"]
    joint = report["log_likelihood"]
    assert joint["total"] == pytest.approx(joint["accuracy"]["total"] + joint["approx_error"]["total"])
    for fold in report["leave_one_out"]:
        assert {"accuracy", "approx_error", "log_likelihood", "log_likelihood_kept"} <= fold.keys()
    assert json.loads(out)["chosen_in_folds"][0]["by_log_likelihood"] == "calibrated_counts"
    assert report["settings"]["apart"]["two"]["accuracy_noise"] == 0.75
    code, out, err = hermes_sim("fit", *given, "--iterations", 1)
    assert code == 0, err
    assert "log-likelihood" in out


def test_validate_accuracy_sums_likelihoods_and_drives_a_set_as_its_file_says(given):
    code, out, err = hermes_sim("validate", "accuracy", *given, "--models", "full", "--json")
    assert code in (0, 1), err
    found = json.loads(out)
    joint = found["summary"]["log_likelihood"]["full"]
    of_cells = [row["predictors"]["full"] for row in found["rows"]]
    sums = sum((cell["log_density"] or 0) + (cell["log_density_of_spread"] or 0) for cell in of_cells)
    assert joint["total"] == pytest.approx(sums)
    assert found["settings"]["apart"]["two"]["accuracy_noise"] == 0.75
    code, out, err = hermes_sim("validate", "accuracy", *given, "--models", "full")
    assert "log-likelihood of full" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--csv", "p.csv"), "--csv got p.csv allowed together with --profile"),
        (("--plot", "p.svg"), "--plot got p.svg allowed together with --profile"),
        (("--accuracy-seeds", 2), "--accuracy-seeds got 2 allowed together with --profile"),
        (("--parameter", "read_mode"), "--parameter got"),
        (("--profile", "--parameter", "read_mod"), "did you mean 'read_mode'"),
        (("--profile", "--plot", "p.png"), "p.png"),
        (("--profile", "--read-mode", "two_phase"), "one_phase, four_phase"),
    ],
)
def test_fit_refuses(given, options, message):
    code, out, err = hermes_sim("fit", *given, *options)
    assert (code, out) == (2, "")
    assert message in err
