"""Profiles: intervals by hand, and a parameter found again in measurements that a simulation made."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from joblib import Memory
from sklearn.datasets import load_breast_cancer

from hermes_sim.config.files import Changed
from hermes_sim.errors import ArchConfigError, DataError
from hermes_sim.numerics.chip_models import Assumed, Profiled, chip_model, chip_models
from hermes_sim.numerics.datasets import load_dataset
from hermes_sim.validation import profile as profiling
from hermes_sim.validation.cells import run_cells
from hermes_sim.validation.figures import plot_profiles
from hermes_sim.validation.measurements import COLUMNS, MeasuredCell
from hermes_sim.validation.plans import with_fields
from hermes_sim.validation.profile import Profile, ProfilePoint, Profiling, number_of, plan_at, profile_model
from hermes_sim.validation.store import open_store
from hermes_sim.validation.tables import write_profiles

LETTER, MAGIC = ("approx_error", "letter"), ("accuracy", "magic")
MODEL = "calibrated_counts"
MODE = "read_mode"


def point(value, letter, magic=0.0, chi2=1.0):
    parts = {LETTER: letter, MAGIC: magic}
    return ProfilePoint(value, {key: {"level": t, "spread": 0.0, "total": t} for key, t in parts.items()}, chi2)


def parabola(*values, top=2.5, square=50.0, chi2=1.0):
    return Profile("x", "", 3, tuple(point(v, -square * (v - top) ** 2, chi2=chi2) for v in values))


def test_a_parabola_gives_its_own_interval():
    assert parabola(1, 2, 3, 4).interval() == (pytest.approx(2.3), pytest.approx(2.7))
    assert parabola(4, 1, 3, 2.2).interval(8.0) == (pytest.approx(2.1), pytest.approx(2.9))
    # the top is at 2.5, which was not tried: the interval is open there
    assert parabola(2.6, 3, 4).interval() == (None, pytest.approx(2.7))
    assert parabola(1, 2, 2.4).interval() == (pytest.approx(2.3), None)


def test_no_interval_of_words_of_two_values_or_of_a_valley():
    assert parabola(1, 2).interval() is None
    assert parabola(1, 2, 3, square=-1.0).interval() is None
    words = Profile("x", "", None, (point("a", -5.0), point("b", -1.0), point("c", -2.5)))
    assert words.interval() is None
    assert words.kept() == ["b", "c"]
    assert words.best.value == "b"


def test_misfit_widens_what_is_kept():
    record = parabola(1, 2, 3, chi2=4.0, square=2.0).record()
    assert record["within_2"]["values"] == [2, 3]
    assert record["allowing_for_misfit"] == {
        "drop": 8.0,
        "values": [1, 2, 3],
        "interval": (None, None),
    }
    assert parabola(1, 2, 3, chi2=0.5).record()["allowing_for_misfit"]["drop"] == 2.0
    json.dumps(record, allow_nan=False)


def test_what_decides_prefers_the_best_value_most():
    one = Profile("x", "", None, (point(1, -10.0, -1.0), point(2, -2.0, -4.0), point(3, -6.0, -3.0)))
    assert one.best.value == 2
    assert one.decided_by() == [(*LETTER, 6.0), (*MAGIC, -2.0)]
    assert (one.best.total, one.best.of("accuracy"), one.best.of(dataset="letter")) == (-6.0, -4.0, -2.0)


def test_numbers_of_values():
    assert [number_of(value) for value in (2.6, "1.5 ns", "nearest", True)] == [2.6, 1.5, None, None]


@pytest.fixture
def folder(tmp_path):
    cancer = load_breast_cancer()
    np.savez(tmp_path / "toy.npz", X=cancer.data[:200, :8], y=cancer.target[:200])
    (tmp_path / "toy.yaml").write_text(
        "name: toy\nfile: toy.npz\ntarget: {positive: [1]}\n"
        "normalise: {kind: zscore, ddof: 1, fit: all}\nsplit: {kind: random_half}\npublished_split: fixed\n"
    )
    return tmp_path


def shared(cells=(), datasets=None, source="hermes_64", apart=None):
    return Profiling(source, MODEL, apart or {}, cells, datasets or {}, None, Memory(None), {"approx_error": 3})


def read(folder, measured, **seeds):
    return Profiling.read(
        source="hermes_64",
        model=MODEL,
        apart={},
        data_dir=folder,
        measurements_path=measured,
        wanted={},
        store=open_store(folder / "store"),
        **seeds,
    )


@pytest.fixture
def measured(folder):
    """What chips with more noise than ours give."""
    cells = [MeasuredCell("toy", "rbf", "rff", k) for k in (2.0, 3.0)]
    base = shared(cells, {"toy": load_dataset("toy", folder)})
    values = run_cells(
        replace(plan_at(base, "core.analog.adc.noise", 5.0), seed=77, n_seeds=6), cells, base.datasets, store=base.store
    )
    rows = [
        (v.cell.dataset, v.cell.sampler, v.cell.kernel, v.cell.log2_ratio, "chip", metric, x)
        for v in values
        for metric, series in (("accuracy", v.accuracy), ("approx_error", v.error))
        for x in series["full"]
    ]
    pd.DataFrame(rows, columns=COLUMNS).to_csv(folder / "measured.csv", index=False)
    return folder / "measured.csv"


@pytest.fixture
def listed(monkeypatch):
    entries = {
        "core.analog.adc.noise": Profiled(values=[1.0, 2.6, 5.0, 9.0], reason="a test"),
        "accuracy_noise": Profiled(values=[0.5, 1.0], reason="a test"),
    }
    model = chip_model(MODEL).model_copy(update={"profile": entries})
    monkeypatch.setattr(profiling, "chip_model", lambda _: model)


@pytest.mark.usefixtures("listed")
def test_a_profile_finds_the_noise_of_the_chip_that_was_measured(folder, measured):
    def run(accuracy_seeds=0):
        return profile_model(read(folder, measured, n_seeds=4, n_accuracy_seeds=accuracy_seeds))

    noise, quiet = run()
    assert (noise.best.value, noise.held) == (5.0, 2.6)
    low, high = noise.interval()
    assert 2.6 < low < 5.0 < high < 9.0
    assert noise.decided_by()[0][:2] == ("approx_error", "toy")
    # noise of training and test alone has no part in kernel errors
    assert quiet.points[0].total == quiet.points[1].total
    assert quiet.held == 0.5
    stored = len(list((folder / "store").rglob("output.pkl")))
    assert run()[0].record() == noise.record()
    assert len(list((folder / "store").rglob("output.pkl"))) == stored
    noise_and_accuracy, quiet = run(2)
    assert noise_and_accuracy.best.of("approx_error") == noise.best.total
    assert quiet.points[0].of("accuracy") != quiet.points[1].of("accuracy")
    write_profiles({MODEL: [noise_and_accuracy, quiet]}, folder / "out.csv")
    table = pd.read_csv(folder / "out.csv")
    assert len(table) == (4 + 2) * 2
    at_best = table[(table.parameter == "core.analog.adc.noise") & (table.value == 5.0)]
    assert at_best.total.sum() == pytest.approx(noise_and_accuracy.best.total, rel=1e-4)
    plot_profiles({MODEL: [noise, quiet]}, folder / "out.svg")
    assert {"adc.noise", "accuracy_noise", "all", "accuracy"} <= set(
        (folder / "out.svg").read_text().replace("<", ">").split(">")
    )


def test_fields_that_a_user_sets_hold_while_others_move():
    source = with_fields(Changed("hermes_64", {"core.analog.adc.noise": 3.0}), {"core.analog.polarity_error": 0.05})
    plan = plan_at(shared(source=source), "core.analog.adc.gain_spread", 0.14)
    assert plan_at(shared(source=source), "core.analog.adc.noise", 9.0).spec.adc_noise_counts == 3.0
    assert (plan.spec.adc_noise_counts, plan.spec.polarity_frac, plan.spec.adc_gain_sd) == (3.0, 0.05, 0.14)
    assert plan_at(shared(), "one_output_range", False).one_output_range is False


def test_a_data_set_that_says_a_field_itself_keeps_it():
    runs = {
        "own": {
            name: Assumed(value=value, reason="test")
            for name, value in (("accuracy_noise", 0.75), (MODE, "four_phase"))
        }
    }
    base = shared(apart=runs)
    assert plan_at(base, "accuracy_noise", 0.25).of("own").accuracy_noise == 0.75
    assert plan_at(base, "accuracy_noise", 0.25).of("other").accuracy_noise == 0.25
    assert plan_at(base, MODE, "one_phase").of("own").read_mode == "four_phase"
    assert plan_at(base, "core.analog.adc.noise", 9.0).of("own").spec.adc_noise_counts == 9.0


def test_everything_listed_is_a_field_and_one_value_is_the_model_itself():
    for name, model in chip_models().models.items():
        base = replace(shared(), model=name)
        for parameter, one in model.profile.items():
            plans = [plan_at(base, parameter, value) for value in one.values]
            assert plans.count(plan_at(base)) == 1, parameter
            assert all(a != b for i, a in enumerate(plans) for b in plans[:i]), parameter


def test_a_field_that_no_chip_has_is_refused():
    with pytest.raises(ArchConfigError, match="noize"):
        plan_at(shared(), "core.analog.adc.noize", 1.0)


def test_measurements_without_a_chip_are_refused(folder, measured):
    frame = pd.read_csv(measured)
    frame.assign(platform="fp32").to_csv(measured, index=False)
    with pytest.raises(DataError, match="rows with platform chip"):
        read(folder, measured, n_seeds=1)
