"""Whose word counts of how published runs were driven: a user's, then a data set's own, then the model's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from joblib import Memory
from sklearn.datasets import load_breast_cancer

from hermes_sim.config.files import Changed
from hermes_sim.errors import ArchConfigError, DataError
from hermes_sim.numerics.chip_models import Assumed, chip_model
from hermes_sim.numerics.datasets import load_dataset
from hermes_sim.validation.cells import run_cells
from hermes_sim.validation.fit import fit_chip
from hermes_sim.validation.measurements import COLUMNS, MeasuredCell
from hermes_sim.validation.plans import published_plan, runs_apart, with_fields
from hermes_sim.validation.profile import Profiling, listed, plan_at

MODEL = "calibrated_counts"
COUNTS = {"n_seeds": 2, "seed": 0, "models": ("full",)}
RULES = "target: {positive: [1]}\nnormalise: {kind: zscore, ddof: 1, fit: all}\nsplit: {kind: random_half}\n"


def apart(**settings):
    fields = {"mode": "read_mode", "policy": "core.analog.range.policy"}
    return {"own": {fields.get(n, n): Assumed(value=v, reason="test") for n, v in settings.items()}}


def test_a_model_drives_all_sets_alike_without_a_word_of_their_own():
    plan, model = published_plan("hermes_64", MODEL, **COUNTS), chip_model(MODEL)
    assert plan.of("own") is plan
    assert (plan.accuracy_noise, plan.one_output_range) == (model.accuracy_noise.value, model.one_output_range.value)
    assert (plan.kernel_batch, plan.read_mode, plan.spec.polarity_frac) == (1, "one_phase", 0.0)
    assert "apart" not in plan.record()


def test_a_data_set_is_driven_as_its_file_says_and_only_that_set():
    settings = apart(mode="four_phase", accuracy_noise=0.25, kernel_vectors=8, one_output_range=False)
    plan = published_plan("hermes_64", MODEL, apart=settings, **COUNTS)
    own, other = plan.of("own"), plan.of("other")
    assert (own.read_mode, own.accuracy_noise, own.kernel_batch, own.one_output_range) == ("four_phase", 0.25, 8, False)
    assert other.read_mode == "one_phase"
    assert replace(plan, apart={}) == published_plan("hermes_64", MODEL, **COUNTS)
    assert plan.record()["apart"]["own"]["read_mode"] == "four_phase"


def test_a_user_counts_more_than_a_data_set():
    settings = apart(mode="four_phase", kernel_vectors=8, accuracy_noise=0.25)
    source = with_fields(Changed("hermes_64", {"core.analog.adc.noise": 3.0}), {"read_mode": "one_phase"})
    plan = published_plan(source, MODEL, apart=settings, over={"kernel_vectors": 4}, **COUNTS).of("own")
    assert (plan.read_mode, plan.kernel_batch, plan.accuracy_noise) == ("one_phase", 4, 0.25)
    assert plan.spec.adc_noise_counts == 3.0


def test_a_value_that_a_chip_cannot_have_names_the_data_set():
    with pytest.raises(ArchConfigError, match=r"chip section of own core.analog.range.policy=widest"):
        published_plan("hermes_64", MODEL, apart=apart(policy="widest"), **COUNTS)


@pytest.fixture
def folder(tmp_path):
    cancer = load_breast_cancer()
    for name, chip in (("own", "chip:\n  read_mode: {value: four_phase, reason: a test}\n"), ("other", "")):
        np.savez(tmp_path / f"{name}.npz", X=cancer.data[:120, :6], y=cancer.target[:120])
        (tmp_path / f"{name}.yaml").write_text(RULES + chip)
    rows = [
        (name, "rff", "rbf", 2.0, "chip", "approx_error", value)
        for name in ("own", "other")
        for value in (0.2, 0.21, 0.22)
    ]
    pd.DataFrame(rows, columns=COLUMNS).to_csv(tmp_path / "measured.csv", index=False)
    return tmp_path


def test_cells_of_a_set_run_as_its_file_says(folder):
    found = runs_apart(folder, folder / "measured.csv", [])
    assert list(found) == ["own"]
    assert runs_apart(folder, folder / "measured.csv", ["other"]) == {}
    with pytest.raises(DataError, match="did you mean 'other'"):
        runs_apart(folder, folder / "measured.csv", ["othr"])
    cells = [MeasuredCell(name, "rbf", "rff", 2.0) for name in ("own", "other")]
    sets = {name: load_dataset(name, folder) for name in ("own", "other")}

    def errors(plan):
        quick = plan.changed(lambda one: replace(one, accuracy=False))
        return [v.error["full"].tolist() for v in run_cells(quick, cells, sets, store=Memory(None))]

    mixed = errors(published_plan("hermes_64", MODEL, apart=found, **COUNTS))
    one_phase = errors(published_plan("hermes_64", MODEL, **COUNTS))
    four_phase = errors(published_plan(with_fields("hermes_64", {"read_mode": "four_phase"}), MODEL, **COUNTS))
    assert mixed == [four_phase[0], one_phase[1]]
    assert one_phase[0] != four_phase[0]


def test_a_fit_moves_the_parameters_of_all_sets(folder):
    def noise(apart):
        plan = published_plan("hermes_64", MODEL, apart=apart, accuracy=False, **COUNTS)
        report = fit_chip(
            plan=plan, fitted=chip_model(MODEL).fitted, data_dir=folder, measurements_path=folder / "measured.csv",
            wanted={}, store=Memory(None), iterations=1, leave_one_out=True,
        )  # fmt: skip
        assert report["log_likelihood"].keys() == {"approx_error", "total"}
        return report["parameters"]["adc_noise_counts"]["value"]

    assert noise(runs_apart(folder, folder / "measured.csv", [])) != noise({})


def test_the_ends_of_what_a_file_allows_are_profiled_for_that_set_alone():
    settings = {"own": {"accuracy_noise": Assumed(value=0.5, prior=[0.25, 1], reason="a test")}}
    shared = Profiling("hermes_64", MODEL, settings, (), {}, None, Memory(None), {})
    entry = listed(shared)["own: accuracy_noise"]
    assert (entry.values, entry.reason) == ([0.25, 0.5, 1], "a test")
    plan = plan_at(shared, "own: accuracy_noise", 0.25)
    assert (plan.of("own").accuracy_noise, plan.of("other").accuracy_noise) == (0.25, 0.5)
    assert plan_at(shared, "own: accuracy_noise", 0.5) == plan_at(shared)
    without = {"own": {"accuracy_noise": Assumed(value=0.5, reason="a test")}}
    assert "own: accuracy_noise" not in listed(replace(shared, apart=without))
