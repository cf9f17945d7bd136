"""Converters that calibration data set, counts that are cut towards zero, and runs that share one setting."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hermes_sim.chip.load import load_arch
from hermes_sim.config.vocabulary import ReadMode
from hermes_sim.crossbar.spec import Effects, core_crossbar
from hermes_sim.mapping.mapping import Block, Mapping
from hermes_sim.numerics.chip_models import as_published, chip_model, with_model
from hermes_sim.numerics.datasets import load_dataset
from hermes_sim.numerics.estimators import AnalogKernelSampler
from hermes_sim.numerics.kernel_ridge import SeedRun
from hermes_sim.numerics.programmed import CALIBRATION_VECTORS, PROJECT, ProgrammedChip, W, one_product
from hermes_sim.numerics.settings import setup_for
from hermes_sim.validation.accuracy import CellComparison
from hermes_sim.validation.fit import chosen_in_folds
from hermes_sim.workload.graph import GraphBuilder, Matrix

RNG = np.random.default_rng(3)
WEIGHTS, X = RNG.standard_normal((24, 10)), RNG.standard_normal((500, 24)).astype(np.float32)
# Only the converters, so that every count can be told from a result.
COUNTING = replace(Effects.none(), adc_quantisation=True)


def spec_of(**changes):
    chip = load_arch("hermes_64", {"core.analog.range.per": "matrix", **changes})
    return core_crossbar(chip.core).with_effects(COUNTING)


def programmed(spec, mode=ReadMode.ONE_PHASE, weights=WEIGHTS, rows=256):
    graph, mapping = one_product(*weights.shape, rows=rows, columns=spec.columns)
    chip = ProgrammedChip(graph, mapping, spec=spec, mode=mode, seed=1)
    chip.program({W: weights})
    return chip


def steps_of(chip, x, largest):
    return chip.project(PROJECT, x) / (largest / 127)


@pytest.mark.parametrize("largest_output", [None, 100.0])
def test_the_largest_output_gives_the_calibrated_counts_and_only_finished_ones_count(largest_output):
    chip = programmed(spec_of())
    chip.calibrate(PROJECT, X, largest_output=largest_output)
    exact = X.astype(np.float64) @ WEIGHTS
    largest = np.abs(exact).max() if largest_output is None else largest_output
    found = steps_of(chip, X, largest)
    wanted = exact / (largest / 127)
    clear = np.abs(wanted - np.rint(wanted)) > 1e-3  # where rounding of floats decides nothing
    np.testing.assert_allclose(found[clear], np.trunc(wanted)[clear], atol=1e-4)
    assert np.abs(found).max() == pytest.approx(127 if largest_output is None else np.abs(wanted).max() // 1, abs=1.01)


def test_counts_go_to_the_nearest_if_a_chip_says_so():
    chip = programmed(spec_of(**{"core.analog.adc.rounding": "nearest"}))
    chip.calibrate(PROJECT, X)
    largest = np.abs(X.astype(np.float64) @ WEIGHTS).max()
    wanted = X.astype(np.float64) @ WEIGHTS / (largest / 127)
    clear = np.abs(wanted % 1 - 0.5) > 1e-3
    np.testing.assert_allclose(steps_of(chip, X, largest)[clear], np.rint(wanted)[clear], atol=1e-4)


def test_before_a_calibration_the_gain_is_that_of_the_chip_file():
    chip = programmed(spec_of())
    fixed = programmed(spec_of(**{"core.analog.adc.calibrated_counts": 0}))
    np.testing.assert_array_equal(chip.project(PROJECT, X), fixed.project(PROJECT, X))
    fixed.calibrate(PROJECT, X)
    assert fixed.replica(PROJECT).pieces[0].block.count_factor == 1


def test_noise_is_a_share_of_the_largest_output_whatever_the_weights_are():
    for size in (1.0, 50.0):
        spec = spec_of().with_effects(replace(Effects.none(), adc_noise=True))
        chip = programmed(spec, weights=size * WEIGHTS)
        chip.calibrate(PROJECT, X)
        exact = X.astype(np.float64) @ (size * WEIGHTS)
        share = (chip.project(PROJECT, X) - exact).std() / np.abs(exact).max()
        assert share == pytest.approx(spec.adc_noise_counts / 127, rel=0.05)


def test_converters_are_set_for_cells_that_have_drifted():
    effects = replace(Effects.none(), drift=True, drift_compensation=True, adc_noise=True)
    spec = spec_of(**{"core.analog.inference_time": 1e6, "core.analog.compensation_time": 1e6}).with_effects(effects)
    chip = programmed(spec)
    chip.calibrate(PROJECT, X)
    block = chip.replica(PROJECT).pieces[0].block
    assert block.output_scale > 1.2
    twice = [chip.replica(PROJECT).matmul(X, input_range=4.0, first_vector=first) for first in (0, 10_000)]
    noise = (twice[0] - twice[1]).std() / np.sqrt(2)
    wanted = 4.0 / np.abs(X).max() * spec.adc_noise_counts / 127 * np.abs(X @ WEIGHTS).max()
    assert noise == pytest.approx(wanted, rel=0.06)


def test_pieces_are_set_by_what_they_convert_and_stay_set_when_weights_are_written_again():
    weights = np.concatenate([WEIGHTS, 9 * WEIGHTS])
    x = np.concatenate([X, X], axis=1)
    chip = programmed(spec_of(), weights=weights, rows=24)
    chip.calibrate(PROJECT, x)
    pieces = chip.replica(PROJECT).pieces
    assert [piece.rows for piece in pieces] == [(0, 24), (24, 48)]
    factors = [piece.block.count_factor for piece in pieces]
    assert factors[0] == pytest.approx(factors[1])  # weights of both fill their cells
    chip.program({W: weights})
    assert [piece.block.count_factor for piece in chip.replica(PROJECT).pieces] == factors


def test_operators_that_read_one_matrix_share_the_larger_setting():
    graph = GraphBuilder("two readers")
    shared = Matrix("A", 24, 10)
    for name in ("small", "large"):
        graph.product(name, shared, tokens=1, on_crossbar=True)
    mapping = Mapping("by hand", (Block("A", 0, (0, 24), (0, 10), 0),), {"small": (0,), "large": (0,)}, {})
    factors = []
    for order in (("small", "large"), ("large", "small")):
        chip = ProgrammedChip(graph.build(), mapping, spec=spec_of(), mode=ReadMode.ONE_PHASE, seed=1)
        chip.program({"A": WEIGHTS})
        for name in order:
            chip.calibrate(name, X if name == "large" else X[:3])
        factors.append(chip.replica("large").pieces[0].block.count_factor)
    assert factors[0] == factors[1]


def test_every_replica_is_set_for_the_weights_that_share_its_core():
    graph = GraphBuilder("a copy beside large weights")
    graph.product("a", Matrix("A", 24, 10), tokens=2, on_crossbar=True)
    graph.product("b", Matrix("B", 24, 10), tokens=1, on_crossbar=True)
    blocks = (
        Block("A", 0, (0, 24), (0, 10), 0),
        Block("A", 1, (0, 24), (0, 10), 1),
        Block("B", 0, (0, 24), (0, 10), 1, core_row=0, core_column=10),
    )
    mapping = Mapping("by hand", blocks, {"a": (0, 1), "b": (0,)}, {})
    spec = spec_of().with_effects(replace(Effects.none(), adc_noise=True))
    chip = ProgrammedChip(graph.build(), mapping, spec=spec, mode=ReadMode.ONE_PHASE, seed=1)
    chip.program({"A": WEIGHTS, "B": 20 * WEIGHTS})
    chip.calibrate("a", X)
    errors = chip.project("a", X) - X.astype(np.float64) @ WEIGHTS
    # tokens go to the copies in turn: the one beside large weights has as much noise as the other
    assert errors[1::2].std() == pytest.approx(errors[::2].std(), rel=0.1)


def test_only_the_first_vectors_calibrate():
    many = np.concatenate([np.resize(X, (CALIBRATION_VECTORS, 24)), 30 * X])
    few, all_ = programmed(spec_of()), programmed(spec_of())
    few.calibrate(PROJECT, np.resize(X, (CALIBRATION_VECTORS, 24)))
    all_.calibrate(PROJECT, many)
    # the input that gets a full pulse is that of all rows, thirty times as large: so is what counts are worth
    ratio = all_.replica(PROJECT).pieces[0].block.count_factor / few.replica(PROJECT).pieces[0].block.count_factor
    assert ratio == pytest.approx(30, rel=1e-4)


def test_estimators_set_their_converters_by_the_rows_they_are_fitted_to():
    sampler = AnalogKernelSampler(n_projections=32, arch="hermes_64", random_state=0).fit(X)
    assert sampler.matrix_.pieces[0].block.count_factor != 1
    fixed = load_arch(with_model("hermes_64", "fixed_counts"))
    plain = AnalogKernelSampler(
        n_projections=32, arch=core_crossbar(fixed.core), read_mode="one_phase", random_state=0
    ).fit(X)
    assert plain.matrix_.pieces[0].block.count_factor == 1


def test_published_runs_have_one_output_range_for_all_draws_and_less_noise_in_training_and_test():
    dataset = load_dataset("breast_cancer")
    experiment = setup_for(dataset).changed(kernel="rbf", log2_ratio=3).experiment
    model = chip_model()
    chip = load_arch(as_published("hermes_64"))
    spec = core_crossbar(chip.core)
    driven = {"one_output_range": True, "kernel_batch": 1}
    runs = [SeedRun(experiment, dataset, seed, split_seed=0) for seed in (0, 1)]
    assert runs[0]._output_of_normal_weights == runs[1]._output_of_normal_weights
    assert not np.array_equal(runs[0].weights, runs[1].weights)
    noisy = runs[0].on_chip(spec, chip.read_mode, **driven)
    quiet = runs[0].on_chip(spec, chip.read_mode, accuracy_noise=model.accuracy_noise.value, **driven)
    assert quiet.kernel_error == noisy.kernel_error
    half = replace(spec, adc_noise_counts=spec.adc_noise_counts * model.accuracy_noise.value)
    assert quiet.accuracy == runs[0].on_chip(half, chip.read_mode, **driven).accuracy


def test_the_model_that_fits_the_other_sets_best_predicts_a_set():
    def report(**folds):
        return {
            "leave_one_out": [
                {"left_out": name, "chi2_per_cell_kept": chi2, "log_likelihood_kept": likelihood}
                for name, (chi2, likelihood) in folds.items()
            ]
        }

    folds = chosen_in_folds({"a": report(x=(1.0, 5.0), y=(3.0, 7.0)), "b": report(x=(2.0, 4.0), y=(2.5, 6.0))})
    assert [(fold["left_out"], fold["model"]) for fold in folds] == [("x", "a"), ("y", "b")]
    assert [fold["by_log_likelihood"] for fold in folds] == ["a", "a"]


def test_log_score_by_hand():
    comparison = CellComparison(0.5, 0.3, 0.5, 1.3, 0.4, 1.3)
    # z = 0.8 / 0.5; log of the normal density with deviation 0.5
    assert comparison.log_score == pytest.approx(-(1.6**2) / 2 - np.log(0.5 * np.sqrt(2 * np.pi)))
