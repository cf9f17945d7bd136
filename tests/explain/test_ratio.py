"""Factors of an energy ratio: their product is the ratio, and each is what it says."""

from __future__ import annotations

import math

import pytest

from hermes_sim.api import simulate
from hermes_sim.baselines.load import baseline_names, load_baseline
from hermes_sim.baselines.sizing import beside
from hermes_sim.chip.costs import static_powers
from hermes_sim.chip.load import load_arch
from hermes_sim.chip.read_cost import read_pj
from hermes_sim.explain.ratio import STEPS, ratio_factors


def factors(result, names):
    devices = beside([load_baseline(name) for name in names], result.chip)
    return ratio_factors(result.document["baselines"], devices, result.graph, result.chip, result.runs)


@pytest.mark.parametrize("workload", ["kernel_ridge_digits", "performer_pathfinder_full", "lstm_ptb", "peak_mvm"])
def test_the_product_of_the_factors_is_the_ratio(workload):
    names = baseline_names()
    result = simulate("hermes_64_hetero", workload, inferences=2, accuracy=False, baselines=names)
    records = factors(result, names)
    assert len(records) == 2 * len(result.document["baselines"])
    for record in records:
        assert list(record["factors"]) == list(STEPS)
        assert math.prod(record["factors"].values()) == pytest.approx(record["ratio"], rel=1e-9)
        assert all(value > 0 for value in record["factors"].values())
        for side in ("chip_pj", "baseline_pj"):
            work, moved, static = list(record[side].values())[3:]
            assert work <= moved * (1 + 1e-9)
            assert moved <= static * (1 + 1e-9)


@pytest.mark.parametrize(("mode", "published"), [("one_phase", 6.26), ("four_phase", 1.59)])
def test_at_peak_nothing_but_the_peaks_is_left(mode, published):
    chip = load_arch("hermes_64", {"read_mode": mode, "core.analog.range.per": "matrix"})
    result = simulate(chip, "peak_mvm", accuracy=False)
    record = next(r for r in factors(result, ["a100"]) if r["baseline"] == "a100 int8, batch 1, optimistic")
    assert record["factors"]["peak"] == pytest.approx(published, rel=0.01)
    for step in ("precision", "utilisation", "other work", "data movement"):
        assert record["factors"][step] == pytest.approx(1.0, rel=1e-9)
    # the published figure leaves static power out, that of the host more than that of the chip
    static_mw = sum(part.value for part in static_powers(chip))
    reads_mw = 64 * read_pj(chip) / (chip.reading().read_ps(chip.core.read) / 1000)
    *_, moved_pj, with_static_pj = record["chip_pj"].values()
    assert moved_pj / with_static_pj == pytest.approx(reads_mw / (reads_mw + static_mw), rel=1e-9)


def test_each_factor_answers_to_what_it_is_named_for():
    def found(result, baseline="a100 int8, batch 1, realistic"):
        return next(r["factors"] for r in factors(result, ["a100"]) if r["baseline"] == baseline)

    def run(overrides=None):
        return simulate(load_arch("hermes_64", overrides or {}), "kernel_ridge_digits", inferences=2, accuracy=False)

    base = found(run())
    for overrides, step in (
        ({"off_chip.energy": 400}, "data movement"),
        ({"off_chip.static_power": 500}, "static power"),
        ({"core.ldpu.affine_energy": 100}, "other work"),
    ):
        other = found(run(overrides))
        assert other[step] < base[step]
        assert other["peak"] == base["peak"]
    assert found(run(), "a100 fp16, batch 1, realistic")["precision"] == pytest.approx(2.0)
    assert found(run(), "a100 int8, batch 1, optimistic")["static power"] < base["static power"]


def test_baselines_without_a_device_are_left_out():
    result = simulate("hermes_64", "kernel_ridge_digits", inferences=2, accuracy=False)
    assert factors(result, []) == []
