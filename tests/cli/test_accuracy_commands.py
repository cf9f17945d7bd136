"""`hermes-sim accuracy`, `drift`, `validate`, `run`: one accuracy, how it was simulated, or why there is none."""

from __future__ import annotations

import json
import re
import shutil

import pytest

from hermes_sim.cli.console import accuracy_rows
from hermes_sim.config.files import shipped_dir
from hermes_sim.validation.reference import CHIP_MEASUREMENTS, DEVICE_STATISTICS, FITTED_SETS, measured_sets

from .conftest import hermes_sim as run_command


def hermes_sim(*arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of the command, in this process."""
    done = run_command(*arguments)
    return done.returncode, " ".join(done.stdout.split()), " ".join(done.stderr.split())


@pytest.fixture(scope="module")
def digits():
    code, out, err = hermes_sim("run", "hermes_64", "kernel_ridge_digits", "--inferences", 2, "--json")
    assert code == 0, err
    return json.loads(out)


def test_accuracy_is_that_of_run_on_the_same_chip_and_data(digits):
    code, out, err = hermes_sim("accuracy", "digits", "--arch", "hermes_64", "--json")
    assert code == 0, err
    found = json.loads(out)
    for name, value in digits["accuracy"].items():
        assert found[name] == value, name
    assert found["defaults_from"] == "workload kernel_ridge_digits"
    assert found["settings"]["read_mode"] == "four_phase"
    assert (found["gamma"], found["sampler"]) == (0.005, "orf")


def test_options_change_what_chip_and_workload_say():
    options = ("--read-mode", "one_phase", "--gamma", 0.02, "--sampler", "rff", "--log2-ratio", 1, "--seeds", 1)
    code, out, err = hermes_sim("accuracy", "breast_cancer", *options, "--json")
    assert code == 0, err
    settings = json.loads(out)["settings"]
    assert settings == {
        "dataset": "breast_cancer", "kernel": "rbf", "sampler": "rff", "log2_ratio": 1, "gamma": 0.02,
        "ridge_alpha": 0.5, "read_mode": "one_phase", "range_batch": 1,
        "range": {"policy": "largest", "per": "vector", "value": None},
        "published": {
            "core.analog.polarity_error": ["0.1 count", "0"], "core.analog.wire_resistance": ["1 ohm", "0"],
            "core.analog.range.per": ["vector", "matrix"],
        },
    }  # fmt: skip
    code, out, err = hermes_sim("accuracy", "breast_cancer", *options)
    for word in ("one_phase", "one input range per vector", "gamma 0.02", "sampler rff", "best constant kernel"):
        assert word in out


def test_drift_is_driven_as_accuracy_is_and_compensation_helps():
    code, out, err = hermes_sim("drift", "digits", "--log2-ratio", 2, "--seeds", 2, "--times", "1h,1y", "--json")
    assert code == 0, err
    document = json.loads(out)
    assert (document["read_mode"], document["range_batch"], document["gamma"]) == ("four_phase", 1, 0.005)
    error = {(p["time_s"], p["compensated"]): p["kernel_error"] for p in document["points"]}
    year = 365 * 24 * 3600
    assert error[year, True] < 0.5 * error[year, False]


@pytest.mark.parametrize(
    "command",
    [
        ("drift", "digits", "--log2-ratio", 1, "--times", "1h,1y", "--seeds"),
        ("accuracy", "digits", "--log2-ratio", 1, "--seeds"),
        ("run", "hermes_64", "kernel_ridge_digits", "--inferences", 2, "--set", "log2_ratio=1", "--set"),
    ],
    ids=lambda command: command[0],
)
def test_a_single_draw_has_no_deviation(command):
    for n in (1, 2):
        code, out, err = hermes_sim(*command, f"accuracy_seeds={n}" if command[0] == "run" else n)
        assert code == 0, err
        assert ("+-" in out) == (n > 1)
        assert ("1 seed" if n == 1 else "2 seeds") in out
        assert "1 seeds" not in out


def test_the_console_shows_the_kernel_error_beside_the_accuracy(digits):
    rows = dict(accuracy_rows(digits))
    assert re.match(r"0\.96\d\d \+- 0\.00\d\d, FP32 0\.9675, drop \+0\.\d\d points \(5 seeds\)", rows["accuracy"])
    assert re.fullmatch(r"0\.0[12]\d\d, FP32 0\.0096, best constant kernel 0\.2455", rows["kernel error"])
    published = "read_mode one_phase, polarity_error 0, wire_resistance 0, range.per matrix (validate accuracy)"
    assert rows["checked by experiment"] == f"only with {published}"
    assert rows["accuracy assumes"].startswith("four_phase reads, one input range per vector, data digits")


def test_an_error_is_told_as_an_error():
    accuracy = {
        "metric": "attention_relative_error", "higher_is_better": False, "simulated": 0.05, "digital_fp32": 0.04,
        "drop_pp": None, "seeds": 3, "std": 0.01,
    }  # fmt: skip
    (row,) = accuracy_rows({"accuracy": accuracy})
    assert row == ("attention relative error", "0.0500 +- 0.0100, FP32 0.0400, +0.0100, lower is better (3 seeds)")


def test_a_kernel_worse_than_a_constant_one_is_called_so():
    accuracy = {
        "metric": "accuracy", "higher_is_better": True, "simulated": 0.9, "digital_fp32": 0.9, "drop_pp": 0.0,
        "seeds": 1, "std": 0.0, "kernel_error": 0.59, "digital_kernel_error": 0.01, "constant_kernel_error": 0.25,
    }  # fmt: skip
    assert dict(accuracy_rows({"accuracy": accuracy}))["kernel error"].endswith("best constant kernel 0.2500 (better)")


@pytest.mark.parametrize(
    ("workload", "options", "reason"),
    [
        ("peak_mvm", (), "none: a workload of kind matmul_list is simulated in time and energy only"),
        ("kernel_ridge_digits", ("--no-accuracy",), "none: it was not asked for"),
    ],
)
def test_the_console_says_why_there_is_no_accuracy(workload, options, reason):
    code, out, err = hermes_sim("run", "hermes_64", workload, "--inferences", 1, "--baseline", "t4", *options)
    assert code == 0, err
    assert f"accuracy {reason}" in out


def test_accuracy_that_cannot_be_had_is_an_error_where_it_is_wanted():
    code, out, err = hermes_sim("run", "hermes_64", "peak_mvm", "--accuracy")
    assert (code, out) == (2, "")
    assert "peak_mvm: accuracy got a workload of kind matmul_list" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("field", "options", "note"),
    [
        ("core.analog.adc.noise=2", (), "it changes nothing here, since read_mode is four_phase"),
        ("core.analog.adc.four_phase_noise=2", ("--no-accuracy",), "has no accuracy: it changed nothing"),
        ("core.analog.polarity_error=0.2", (), "it changes nothing here, since read_mode is four_phase"),
        ("core.analog.bit_pulse=32", (), "it changes nothing here, since input_coding is pulse_width"),
        ("core.output.full_scale=3", (), "it changes nothing here, since core.output.format is fp16"),
        (
            "core.analog.input_bits=2",
            ("--set", "core.analog.input_dead_time=1.5"),
            "full pulses of 1 ns are lengthened to 3 ns",
        ),
        ("core.analog.adc.rounding=nearest", ("--no-accuracy",), "has no accuracy: it changed nothing"),
        ("core.analog.input_bits=4", (), "a read takes 40 ns and the LDPU behind it 632 ns for 256 columns"),
        ("core.ldpu.lanes=32", (), None),
    ],
)
def test_what_a_changed_read_does_not_show_is_noted(field, options, note):
    run = ("run", "hermes_64", "kernel_ridge_breast_cancer", "--inferences", 1, "--json", "--set", field)
    code, out, err = hermes_sim(*run, *options)
    assert code == 0, err
    json.loads(out)  # the note is on standard error
    assert ((note or "note:") in err) == (note is not None)


SMALL = ("--kernel", "rbf", "--sampler", "rff", "--log2-ratio", 1, "--seeds", 1, "--models", "full")


def test_validate_accuracy_runs_on_data_that_ship(tmp_path):
    """From a clone, with nothing beside it; the same numbers as from a folder with the same file."""
    run = ("validate", "accuracy", "--dataset", "letter", *SMALL, "--json")
    code, out, err = hermes_sim(*run, "--store", tmp_path / "ships")
    assert code in (0, 1), err  # 1: the one cell is not within two standard errors
    found = json.loads(out)
    assert {row["name"] for row in found["rows"]} == {f"letter rbf rff 1 {m}" for m in ("accuracy", "approx_error")}
    assert "left_out" not in found
    for name in ("letter.npz", "letter.yaml"):
        shutil.copy(shipped_dir("datasets") / name, tmp_path / name)
    _, again, _ = hermes_sim(*run, "--data-dir", tmp_path, "--store", tmp_path / "folder")
    assert json.loads(again)["rows"] == found["rows"]


def test_validate_accuracy_says_what_it_leaves_out(tmp_path):
    code, out, err = hermes_sim("validate", "accuracy", *SMALL, "--store", tmp_path, "--json")
    assert code in (0, 1), err
    assert {row["dataset"] for row in json.loads(out)["rows"]} == {"eeg", "letter", "magic"}
    assert json.loads(out)["left_out"] == ["cod-rna", "ijcnn1"]
    assert "`hermes-sim data get cod-rna ijcnn1`" in err


def test_a_named_set_that_is_not_here_is_an_error_that_says_how_to_get_it():
    for command in (("validate", "accuracy", "--dataset", "ijcnn1"), ("fit", "--dataset", "ijcnn1")):
        code, out, err = hermes_sim(*command)
        assert (code, out) == (2, "")
        assert "hermes-sim data get ijcnn1" in err


def test_reference_tables_ship(tmp_path):
    assert CHIP_MEASUREMENTS.is_file()
    assert DEVICE_STATISTICS.is_file()
    notice = (CHIP_MEASUREMENTS.parent / "NOTICE.md").read_text(encoding="utf-8")
    assert "MIT licence" in notice
    assert "Apache License 2.0" in notice
    assert measured_sets(None, []) == (CHIP_MEASUREMENTS, list(FITTED_SETS))
    assert measured_sets(None, ["eeg"]) == (CHIP_MEASUREMENTS, ["eeg"])
    assert measured_sets(tmp_path, []) == (tmp_path, [])


def test_validate_device_needs_no_options():
    code, out, err = hermes_sim("validate", "device", "--samples", 20_000)
    assert code == 0, err
    assert "500 of 500 rows pass" in out
