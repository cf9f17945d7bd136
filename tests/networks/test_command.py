"""`run --data`, `partition` and what they refuse, as a user has them."""

import json
from itertools import combinations

import numpy as np
import pytest

from hermes_sim.chip.load import load_arch
from hermes_sim.explore.partition import Splits, partition
from hermes_sim.flow import graph_of
from hermes_sim.mapping.mapping import DEFAULT_MAPPING
from hermes_sim.numerics.network_data import network_data
from hermes_sim.workload.load import load_workload
from tests.cli.conftest import hermes_sim

CHIP = "hermes_64_hetero"


def accuracy_of(*arguments):
    done = hermes_sim("run", CHIP, *arguments, "--inferences", 2, "--uncertainty", 0, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["accuracy"]


def test_accuracy_of_a_network_of_ones_own(digits):
    found = accuracy_of(digits.onnx, "--data", digits.npz, "--draws", 4, "--time", "1h,1y")
    assert found["metric"] == "accuracy"
    assert found["digital_fp32"] == pytest.approx(digits.fp32, abs=1e-9)
    assert found["draws"] == len(found["per_draw"]) == 4
    assert len({one["simulated"] for one in found["per_draw"]}) > 1
    assert abs(found["drop_pp"]) < 4
    assert found["paired_se_pp"] > 0
    assert found["data"]["rows"] == found["n_test"] == len(digits.X)
    assert found["data"]["calibration_rows"] == 200
    assert [layer["operator"] for layer in found["layers"]] == ["layer0", "layer1", "layer2"]
    assert all(0.05 < layer["relative_error"] < 0.4 for layer in found["layers"])
    assert all(layer["recovered_pp"] is not None for layer in found["layers"])
    points = {(one["time_s"], one["compensated"]): one["drop_pp"] for one in found["by_time"]}
    assert len(points) == 4
    assert points[3.1536e7, False] > points[3.1536e7, True]


def test_the_same_seed_gives_the_same_and_another_one_another_chip(digits):
    arguments = digits.onnx, "--data", digits.npz, "--draws", 2
    first = accuracy_of(*arguments)
    assert accuracy_of(*arguments) == first
    assert accuracy_of(*arguments, "--seed", 1)["per_draw"] != first["per_draw"]


def test_samples_are_the_same_rows_for_all_draws(digits):
    found = accuracy_of(digits.onnx, "--data", digits.npz, "--draws", 2, "--samples", 40)
    assert found["n_test"] == 40
    assert len({one["digital_fp32"] for one in found["per_draw"]}) == 1


def test_without_labels_it_is_agreement_with_fp32(digits, tmp_path):
    np.savez(tmp_path / "bare.npz", X=digits.X)
    found = accuracy_of(digits.onnx, "--data", tmp_path / "bare.npz", "--draws", 1)
    assert found["metric"] == "agreement"
    assert found["digital_fp32"] == 1
    assert found["data"]["calibration_rows"] == len(digits.X) // 5
    assert found["n_test"] == len(digits.X) - len(digits.X) // 5
    error = accuracy_of(digits.onnx, "--data", tmp_path / "bare.npz", "--draws", 1, "--metric", "output_error")
    assert error["drop_pp"] is None
    assert 0.02 < error["simulated"] < 0.5


def test_weights_of_a_file_take_the_place_of_the_networks_own(digits, tmp_path):
    zeros = {f"fc{i}.weight": np.zeros(shape, np.float32) for i, shape in enumerate(((64, 48), (48, 32), (32, 10)))}
    np.savez(tmp_path / "zeros.npz", **zeros)
    found = accuracy_of(digits.onnx, "--data", digits.npz, "--draws", 1, "--weights", tmp_path / "zeros.npz")
    assert found["digital_fp32"] < 0.2
    assert found["weights"]["name"] == "zeros.npz"


def test_several_models_of_the_chip_are_told_side_by_side(digits):
    models = "calibrated_counts", "fixed_counts"
    found = accuracy_of(
        digits.onnx, "--data", digits.npz, "--draws", 2, *(word for name in models for word in ("--chip-model", name))
    )
    assert [one["chip_model"] for one in found["by_model"]] == list(models)
    assert found["by_model"][0]["simulated"] == found["simulated"]
    alone = accuracy_of(digits.onnx, "--data", digits.npz, "--draws", 2, "--chip-model", "fixed_counts")
    assert alone["by_model"] == []
    assert alone["simulated"] == found["by_model"][1]["simulated"]


def test_the_page_and_the_terminal_tell_layers_and_times(digits, tmp_path):
    done = hermes_sim(
        "run", CHIP, digits.onnx, "--data", digits.npz, "--draws", 2, "--time", "1d", "--out", tmp_path / "r"
    )
    assert done.returncode == 0, done.stderr
    assert "Accuracy after programming" in done.stdout
    assert "points back if exact" in done.stdout
    page = (tmp_path / "r" / "report.html").read_text(encoding="utf-8")
    assert "accuracy-layers" in page
    assert "accuracy-times" in page
    assert "Ranges were set by 200 other rows" in page


def changed(digits, tmp_path, **arrays):
    kept = {"X": digits.X, "y": digits.y, "X_calibration": digits.X_calibration} | arrays
    path = tmp_path / "bad.npz"
    np.savez(path, **{name: values for name, values in kept.items() if values is not None})
    return path


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"X": np.zeros((20, 63), np.float32)}, ["(20, 63)", "(n, 64)"]),
        ({"X": np.full((20, 64), np.nan, np.float32), "y": np.zeros(20, int)}, ["NaN"]),
        ({"y": np.zeros(7, int)}, ["y", "300 rows"]),
        ({"y": np.full(300, 12)}, ["labels from 12 to 12", "0 to 9"]),
        ({"X": None}, ["no array 'X'"]),
        ({"Z": np.zeros(3)}, ["Z", "an array for nothing"]),
        ({"X": np.array(["a"] * 20)[:, None]}, ["bad.npz"]),
    ],
)
def test_data_that_do_not_fit_are_refused(digits, tmp_path, arrays, words):
    path = changed(digits, tmp_path, **arrays)
    done = hermes_sim("run", CHIP, digits.onnx, "--data", path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert all(word in done.stderr for word in words), done.stderr


def test_rows_that_calibrate_may_not_be_scored_unless_asked_for(digits, tmp_path):
    path = changed(digits, tmp_path, X_calibration=digits.X[:50])
    done = hermes_sim("run", CHIP, digits.onnx, "--data", path, "--draws", 1)
    assert done.returncode == 2
    assert "50 rows that calibrate the chip and are scored" in done.stderr
    assert hermes_sim("run", CHIP, digits.onnx, "--data", path, "--draws", 1, "--calibration-overlap").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--data", "nowhere.npz"), ["no such file"]),
        (("--weights", "w.txt"), [".npz or .safetensors"]),
        (("--metric", "acuracy"), ["accuracy"]),
        (("--time", "1 fortnight"), ["--time"]),
    ],
)
def test_options_that_cannot_be_used_are_refused(digits, arguments, words):
    given = arguments if "--data" in arguments else ("--data", digits.npz, *arguments)
    done = hermes_sim("run", CHIP, digits.onnx, *given)
    assert done.returncode == 2
    assert all(word in done.stderr for word in words), done.stderr


def test_kernel_ridge_takes_no_network_data(digits):
    done = hermes_sim("run", CHIP, "kernel_ridge_digits", "--data", digits.npz)
    assert done.returncode == 2
    assert "trains or draws what it tests" in done.stderr


def test_weights_that_do_not_fit_are_refused(digits, tmp_path):
    for key, shape, words in (
        ("layer0.weight", (3, 3), "(64, 48)"), ("fc0.weight", (3, 3), "(64, 48)"),
        ("layer9.weight", (64, 48), "allowed  layer0.weight"),
    ):  # fmt: skip
        np.savez(tmp_path / "w.npz", **{key: np.zeros(shape, np.float32)})
        done = hermes_sim("run", CHIP, digits.onnx, "--data", digits.npz, "--weights", tmp_path / "w.npz")
        assert done.returncode == 2
        assert words in done.stderr


def test_partition_finds_what_exhaustive_search_finds(digits):
    chip = load_arch(CHIP, {"core.analog.device.g_max": "3 uS"})  # noisy enough for a choice to matter
    work = load_workload(digits.onnx)
    data = network_data(digits.npz, graph_of(work).network)

    def splits():
        return Splits(chip, work, data, None, None, DEFAULT_MAPPING, draws=3, seed=0, inferences=4)

    every = splits()
    names = every.matrices
    all_of_them = [every.evaluate(some) for n in range(len(names) + 1) for some in combinations(names, n)]
    for bound in sorted({max(one.drop, 0.0) + 0.01 for one in all_of_them}):
        best = min(one.energy_pj for one in all_of_them if one.drop <= bound)
        found = partition(splits(), max_drop=bound)
        assert found.chosen.drop <= bound
        assert found.chosen.energy_pj <= 1.2 * best
    assert max(found.sensitivity.values()) > 0


def test_partition_writes_a_mapping_that_run_takes(digits, tmp_path):
    paths = [tmp_path / name for name in ("split.yaml", "split.csv", "split.svg")]
    done = hermes_sim(
        "partition", CHIP, digits.onnx, "--data", digits.npz, "--max-drop", 0.2, "--draws", 2, "--json",
        "--out", paths[0], "--csv", paths[1], "--plot", paths[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert all(path.is_file() for path in paths)
    assert found["chosen"]["drop"] <= 0.2
    again = accuracy_of(digits.onnx, "--data", digits.npz, "--draws", 2, "--mapping", paths[0])
    assert again["simulated"] == found["chosen"]["accuracy"]
    assert [layer["operator"] for layer in again["layers"]] == [
        f"layer{i}" for i in range(3) if f"layer{i}" not in found["chosen"]["digital"]
    ]


def test_partition_refuses_a_bound_that_no_split_meets(digits):
    done = hermes_sim("partition", CHIP, digits.onnx, "--data", digits.npz, "--max-drop", -50, "--draws", 1)
    assert done.returncode == 2
    assert "--max-drop" in done.stderr


def test_data_of_another_scale_are_pointed_at(digits, tmp_path):
    path = changed(digits, tmp_path, X=digits.X * 0, X_calibration=digits.X_calibration)
    done = hermes_sim("run", CHIP, digits.onnx, "--data", path, "--draws", 1, "--inferences", 1)
    assert done.returncode == 0, done.stderr
    assert "at chance" not in hermes_sim("run", CHIP, digits.onnx, "--data", digits.npz, "--draws", 1).stdout
    assert "commonest label" in " ".join(done.stdout.split())
