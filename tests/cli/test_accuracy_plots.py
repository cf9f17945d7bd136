"""`hermes-sim drift` and `hermes-sim validate accuracy --plot`: tables, files, and clear refusals."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer

from .conftest import hermes_sim as run_command

DRIFT = ("drift", "digits", "--seeds", 1, "--log2-ratio", 1, "--gamma", 0.005)


def hermes_sim(*arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of the command, in this process."""
    done = run_command(*arguments)
    return done.returncode, done.stdout, done.stderr


def nodes(path, tag):
    return list(ET.parse(path).iter(f"{{http://www.w3.org/2000/svg}}{tag}"))  # noqa: S314 - our own file


def texts(path):
    return [node.text for node in nodes(path, "text")]


def test_drift_writes_what_it_prints(tmp_path):
    csv, svg = tmp_path / "d.csv", tmp_path / "d.svg"
    code, out, err = hermes_sim(*DRIFT, "--times", "1y, 3600,1h", "--csv", csv, "--plot", svg, "--json")
    assert code == 0, err
    document = json.loads(out)
    points = document["points"]
    assert document["first_calibration_s"] == 3600
    assert [(p["time_s"], p["compensated"]) for p in points] == [
        (3600, True),
        (31536000, True),
        (3600, False),
        (31536000, False),
    ]
    hour, year, hour_kept, year_kept = (p["kernel_error"] for p in points)
    assert hour == hour_kept  # the first scale is that of the hour
    assert year > hour
    assert year_kept not in (year, hour)
    written = pd.read_csv(csv)
    pd.testing.assert_frame_equal(written, pd.DataFrame(points).astype(written.dtypes), rtol=1e-5)
    assert {"accuracy", "kernel error", "scale renewed", "first scale kept", "10", "1000"} <= set(texts(svg))
    assert any(text.endswith(", 1 seed") for text in texts(svg))
    assert {point["accuracy_sd"] for point in points} == {point["kernel_error_sd"] for point in points} == {None}
    assert len(nodes(svg, "circle")) == 2 * len(points) + 2  # two panels and a legend
    assert sorted(tmp_path.iterdir()) == [csv, svg]


def test_drift_table_names_times_and_first_calibration():
    code, out, err = hermes_sim(*DRIFT, "--times", "10d,35h", "--first-calibration", "1d", "--seed", 3)
    assert code == 0, err
    assert "first scale at 1 d" in out
    assert out.count("10 d") == out.count("35 h") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("drift", "digit"), "did you mean 'digits'"),
        ((*DRIFT, "--times", "60"), "times_s\n  got      60.0 s\n  allowed  >= 3600.0 s"),
        ((*DRIFT, "--times", "2d", "--first-calibration", "3d"), "allowed  >= 259200.0 s"),
        ((*DRIFT, "--times", "1h,10x"), "--times\n  got      '10x'\n  allowed  seconds, or a number with s, min"),
        ((*DRIFT, "--times", "1h,,1d"), "--times\n  got      ''"),
        ((*DRIFT, "--times", "-1h"), "--times\n  got      '-1h'"),
        ((*DRIFT, "--times", "1e999y"), "--times"),
        ((*DRIFT, "--first-calibration", "0s"), "--first-calibration\n  got      '0s'"),
        ((*DRIFT, "--kernel", "rfb"), "did you mean 'rbf'"),
        ((*DRIFT, "--read-mode", "two_phase"), "one_phase, four_phase"),
    ],
)
def test_drift_refuses_and_writes_nothing(tmp_path, arguments, message):
    code, out, err = hermes_sim(*arguments, "--csv", tmp_path / "d.csv", "--plot", tmp_path / "d.svg")
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("option", "name"), [("--plot", "d.png"), ("--csv", "d.svg"), ("--plot", "file/d.svg")])
def test_drift_checks_its_files_before_the_work(tmp_path, option, name):
    (tmp_path / "file").touch()
    code, out, err = hermes_sim("drift", "no_such_set", option, tmp_path / name)
    assert (code, out) == (2, "")
    assert "OutputError" in err  # before the unknown data set is noticed


@pytest.fixture
def measured(tmp_path):
    """Two tiny data sets and a table of two kernel errors of the chip for each."""
    data = load_breast_cancer()
    rows = []
    for name, columns in (("one", slice(0, 5)), ("two", slice(5, 10))):
        np.savez(tmp_path / f"{name}.npz", X=data.data[:120, columns], y=data.target[:120])
        (tmp_path / f"{name}.yaml").write_text(
            f"name: {name}\nfile: {name}.npz\ntarget: {{positive: [1]}}\n"
            "normalise: {kind: zscore, ddof: 1, fit: all}\nsplit: {kind: random_half}\npublished_split: unknown\n"
        )
        rows += [(name, "rff", "rbf", ratio, "chip", "approx_error", 0.4) for ratio in (1, 2)]
    columns = ["dataset", "sampler", "kernel", "log2_ratio", "platform", "metric", "value"]
    frame = pd.DataFrame(rows, columns=columns)
    frame.to_csv(tmp_path / "measured.csv", index=False)
    return tmp_path, frame


def _validate(folder, *arguments):
    return hermes_sim(
        *("validate", "accuracy", "--data-dir", folder, "--measurements", folder / "measured.csv"),
        *("--seeds", 1, "--store", folder / "store.jsonl", "--models", "fp32", *arguments),
    )


def test_validate_plots_every_cell_of_chip_and_fp32(measured):
    folder, _ = measured
    svg = folder / "out" / "errors.svg"
    code, out, err = _validate(folder, "--plot", svg, "--json")
    assert code in {0, 1}, err  # 1: the made-up values are missed
    names = ["one, whole chip", "one, FP32", "two, whole chip", "two, FP32"]
    assert [text for text in texts(svg) if text in names] == names
    assert {"measured on the chip", "simulated"} <= set(texts(svg))
    circles = nodes(svg, "circle")
    hollow = [circle for circle in circles if circle.get("fill") == "none"]
    assert len(circles) == 2 * 4 + 4  # cells x predictors, legend
    assert len(hollow) == len(circles) / 2
    assert len({circle.get("stroke") for circle in circles}) == 2
    simulated = [row["simulated"] for row in json.loads(out)["rows"] if row["metric"] == "approx_error"]
    filled = [float(c.get("cy")) for c in circles if c.get("fill") != "none"]
    assert len(simulated) == 4
    assert np.argmin(filled[:4]) == np.argmax(simulated)  # the largest error is the highest point
    assert [path.name for path in svg.parent.iterdir()] == ["errors.svg"]


def test_validate_refuses_a_plot_without_measured_errors(measured):
    folder, frame = measured
    frame.assign(metric="accuracy").to_csv(folder / "measured.csv", index=False)
    code, out, err = _validate(folder, "--plot", folder / "errors.svg", "--csv", folder / "rows.csv")
    assert (code, out) == (2, "")
    assert "measured.csv\n  got      no measured kernel error in the wanted cells" in err
    assert not {"errors.svg", "rows.csv", "store.jsonl"} & {path.name for path in folder.iterdir()}
    code, _, err = _validate(folder, "--plot", folder / "errors.png")
    assert code == 2
    assert "allowed  .svg" in err
