"""Accuracies where other parts take them: searches, stores side by side, comparisons, intervals, Python."""

import json
import sys

import jsonschema
import numpy as np
import pytest

import hermes_sim as hs
from hermes_sim.chip.load import load_arch
from hermes_sim.comparison.table import compare
from hermes_sim.crossbar.spec import Effects
from hermes_sim.errors import DataError
from hermes_sim.explore.compare import compare_studies
from hermes_sim.explore.study import Study
from hermes_sim.flow import map_workload
from hermes_sim.numerics.question import Question
from hermes_sim.numerics.training_data import training_data
from hermes_sim.uncertainty.accuracy import MOST_CHIPS, accuracy_interval, crossbar_assumptions
from hermes_sim.workload.load import load_workload
from tests.cli.conftest import hermes_sim

CHIP, NETWORK = "hermes_64_hetero", "mlp_digits"
STUDY = {
    "arch": CHIP,
    "workload": NETWORK,
    "mapping": "packed",
    "inferences": 2,
    "accuracy": True,
    "parameters": {"arch.core.analog.input_bits": [4, 8]},
    "objectives": {"accuracy_drop_pp": "minimize", "accuracy_simulated": "maximize"},
}


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning", "ignore::ResourceWarning")
def test_a_search_goes_for_the_accuracy_of_a_network(tmp_path):
    pytest.importorskip("optuna")
    study = Study.define(
        store=tmp_path / "s", **STUDY, search={"sampler": "random", "trials": 4, "seed": 1, "prune": False}
    )
    frame = study.run(workers=0)
    drops = frame.set_index("arch.core.analog.input_bits")["accuracy_drop_pp"]
    assert drops[4].min() > 20 > 3 > drops[8].max()
    assert (frame["accuracy_simulated"] * 100 + frame["accuracy_drop_pp"]).round(6).nunique() == 1


def test_a_drop_of_zero_or_below_has_no_ratio(tmp_path):
    pytest.importorskip("optuna")
    one = Study.define(store=tmp_path / "one", **STUDY)
    one.run(workers=0)
    ideal = {"arch.core.analog.input_bits": [8]}
    two = Study.define(store=tmp_path / "two", **{**STUDY, "parameters": ideal, "seed": 1})
    two.run(workers=0)
    drop, value = compare_studies(one, two)
    assert value["objective"] == "accuracy_simulated"
    assert 0.9 < value["ratio_of_best"] < 1.1
    frame = two.feasible().assign(accuracy_drop_pp=-0.1)
    two.feasible = lambda: frame
    drop, _ = compare_studies(one, two)
    assert drop["common_points"] == 1
    assert drop["ratio_of_best"] is drop["median_ratio"] is drop["largest_change"] is None
    json.dumps(drop, allow_nan=False)


def test_a_comparison_tells_the_accuracy_of_a_network():
    rows = compare([CHIP], [NETWORK], ["a100"], inferences=[1], precisions=["int8"], accuracy=True).rows
    assert {row.accuracy_metric for row in rows} == {"accuracy"}
    assert all(row.accuracy_fp32 > row.accuracy > 0.95 for row in rows)
    assert all(abs(row.accuracy_drop_pp) < 3 for row in rows)


@pytest.fixture(scope="module")
def ranged():
    return hs.simulate(CHIP, NETWORK, draws=1, inferences=2, uncertainty=2, mapping="packed", times_s=[3600, 3.2e7])


def test_ranges_of_the_chip_give_the_accuracy_an_interval(ranged):
    found = ranged.document["accuracy"]["interval"]
    assert found["samples"] == 2
    assert found["rows"] == 360
    assert found["value"] == ranged.document["accuracy"]["per_draw"][0]["simulated"]  # the same devices
    assert found["low"] < found["high"] <= 1
    assert "core.analog.adc.gain_spread" in found["paths"]
    assert not [path for path in found["paths"] if "power" in path or "energy" in path]
    schema = json.loads(hermes_sim("schema", "result").stdout)
    jsonschema.validate(ranged.metrics.to_dict(), schema)


def test_the_page_shows_interval_and_both_curves_over_time(ranged, tmp_path):
    folder = ranged.report(tmp_path / "r")
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Accuracy over ranges" in page
    picture = (folder / "drift.svg").read_text(encoding="utf-8")
    assert picture.strip() in page
    assert "scale renewed" in picture
    assert "first scale kept" in picture


def interval_of(chip, samples=3, effects="all"):
    mapped = map_workload(chip, load_workload(NETWORK), "packed")
    return accuracy_interval(
        load_workload(NETWORK), mapped, Question(samples=60), samples=samples, effects=Effects.of(effects)
    )


@pytest.mark.parametrize("name", ["kernel_ridge_breast_cancer", "performer_imdb_attention_layer"])
def test_what_trains_or_draws_what_it_tests_has_an_interval(name):
    result = hs.simulate(CHIP, name, draws=2, inferences=2, uncertainty=2, mapping="packed")
    accuracy = result.document["accuracy"]
    found = accuracy["interval"]
    assert found["samples"] == 2
    assert found["rows"] == accuracy["n_test"]
    assert found["value"] == accuracy["per_draw"][0]["simulated"]  # the same devices, projections and rows
    assert found["low"] < found["high"]
    assert "core.analog.adc.gain_spread" in found["paths"]


def test_no_interval_where_no_range_matters():
    found = interval_of(load_arch(CHIP), effects="none")
    assert found == {"interval_missing": "no value of the chip that accuracy depends on has a range"}


def test_values_of_effects_that_are_off_are_not_drawn():
    every = {one.label for one in crossbar_assumptions(load_arch(CHIP), Effects.of("all"))}
    analog = {name.removeprefix("core.analog.") for name in every}
    assert {"adc.four_phase_noise", "stuck_cells", "temperature.coefficient"} <= analog
    assert not {"adc.noise", "activity.weights"} & analog  # the chip reads in four phases
    alone = crossbar_assumptions(load_arch(CHIP), Effects.of("stuck_cells"))
    assert {one.label for one in alone} == {"core.analog.stuck_cells"}


def test_evaluations_are_limited():
    found = interval_of(load_arch(CHIP), samples=500)["interval"]
    assert found["samples"] == MOST_CHIPS
    assert found["rows"] == 60


def test_wider_ranges_give_a_wider_interval():
    def with_noise(low, high):
        field = {"value": 2.6, "unit": "1", "kind": "assumed", "source": "legallo2023", "range": [low, high]}
        return load_arch(CHIP, {"core.analog.adc.four_phase_noise": field | {"value": (low + high) / 2}})

    narrow, wide = (interval_of(with_noise(2.0, high), samples=6)["interval"] for high in (2.2, 40.0))
    assert wide["low"] < narrow["low"] - 0.05


def test_pictures_without_pillow_name_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    arrays = {"jpeg": np.zeros(4, np.uint8), "offset": np.array([0, 4]), "y": np.array([0]), "split": np.array([0])}
    np.savez(tmp_path / "cifar10_jpeg.npz", **arrays)
    with pytest.raises(DataError, match=r"Pillow(.|\n)*hermes-sim\[images\]"):
        _ = training_data("cifar10_jpeg", data_dir=tmp_path).validation
