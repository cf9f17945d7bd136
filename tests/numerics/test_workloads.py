"""Which workloads have an accuracy, what it says beside it, and the reason where there is none."""

from dataclasses import replace

import numpy as np
import pytest

from hermes_sim.api import simulate
from hermes_sim.config.vocabulary import Kernel, ReadMode, Sampler
from hermes_sim.crossbar.spec import Effects
from hermes_sim.errors import DataError, DeviceModelError, WorkloadError
from hermes_sim.kernels.exact import constant_kernel_error, kernel_error
from hermes_sim.mapping.place import map_graph
from hermes_sim.numerics.datasets import load_dataset
from hermes_sim.numerics.kernel_ridge import SeedRun, evaluate_kernel_ridge
from hermes_sim.numerics.settings import PUBLISHED, Experiment, setup_for
from hermes_sim.numerics.workloads import workload_accuracy
from hermes_sim.workload.load import build_graph, load_workload

DIGITS = "kernel_ridge_digits"
MISSING = {
    "performer_imdb_softmax": "exact softmax attention is there for its time and energy",
    "performer_imdb_full": "performer_imdb_full: weights: none",
    "performer_imdb_attention": "performer_imdb_attention: weights: none",
    "performer_listops_full": "a file of weights of this network, by --weights FILE",
    "performer_aan_full": "performer_aan_full: weights: none",
    "performer_pathfinder_attention": "performer_pathfinder_attention: weights: none",
    "resnet9_cifar10": "it takes --data-dir DIR with cifar10_jpeg.npz",
    "lstm_ptb": "it takes --data-dir DIR with ptb_char.npz",
    "lstm_caption": "kind lstm",
    "peak_mvm": "kind matmul_list",
    "kernel_ridge_ijcnn1": "not on this machine; `hermes-sim data get ijcnn1`, or name its folder",
}


def accuracy_of(work, chip, mapping="packed", **options):
    graph = build_graph(work)
    return workload_accuracy(work, chip, graph, map_graph(graph, chip, mapping), **({"seed": 0} | options))


@pytest.mark.parametrize(("name", "reason"), MISSING.items())
def test_what_is_not_simulated_has_no_accuracy_and_says_why(hermes, name, reason):
    found = accuracy_of(load_workload(name), hermes)
    assert found.accuracy is None
    assert reason in found.missing
    with pytest.raises((WorkloadError, DataError)):
        accuracy_of(load_workload(name), hermes, wanted=True)


def test_the_document_holds_the_accuracy_or_the_reason():
    quick = {"accuracy_seeds": 1}
    for changes, reason in (
        ({"readout": "crossbar"}, None),
        ({"dataset": "mnist"}, "data set 'mnist': no such data set"),
        ({}, None),
    ):
        work = load_workload(DIGITS, quick | changes)
        document = simulate("hermes_64", work, inferences=1, baselines=()).document
        assert (document["accuracy"] is None) == (reason is not None)
        assert (reason or "") in (document["accuracy_missing"] or "")
    unasked = simulate("hermes_64", DIGITS, inferences=1, baselines=(), accuracy=False).document
    assert (unasked["accuracy"], unasked["accuracy_missing"]) == (None, "it was not asked for")


def test_an_unknown_data_set_is_an_error_where_accuracy_is_wanted():
    with pytest.raises(DataError, match="mnist"):
        simulate("hermes_64", load_workload(DIGITS, {"dataset": "mnist"}), inferences=1, baselines=(), accuracy=True)


@pytest.mark.parametrize(
    ("name", "changes", "allowed"),
    [
        (DIGITS, {"outputs": 3}, "10, as in digits"),
        (DIGITS, {"features": 32}, "64, as in digits"),
        ("kernel_ridge_breast_cancer", {"outputs": 2}, "1, as in breast_cancer"),
    ],
)
def test_sizes_of_the_workload_are_those_of_the_data(hermes, name, changes, allowed):
    with pytest.raises(WorkloadError, match=rf"{next(iter(changes))}(.|\n)*{allowed}"):
        accuracy_of(load_workload(name, changes), hermes)


def test_where_the_weights_lie_decides_the_accuracy(hermes):
    work = load_workload(DIGITS, {"accuracy_seeds": 1})
    graph = build_graph(work)
    even = map_graph(graph, hermes, "packed")
    (first, *others) = even.blocks
    assert first.rows == (0, 64)
    upper, lower = replace(first, rows=(0, 32)), replace(first, rows=(32, 64), core=40)
    cut = replace(even, blocks=(upper, lower, *others))
    moved = replace(even, blocks=tuple(replace(block, core=block.core + 1) for block in even.blocks))
    errors = {}
    for name, mapping in (("even", even), ("cut", cut), ("moved", moved)):
        found = workload_accuracy(work, hermes, graph, mapping, seed=0).accuracy
        errors[name] = found["kernel_error"]
        exact = workload_accuracy(work, hermes, graph, mapping, seed=0, effects=Effects.none()).accuracy
        assert exact["kernel_error"] == pytest.approx(exact["digital_kernel_error"], rel=1e-5)
    assert len(set(errors.values())) == 3
    for error in errors.values():
        assert error == pytest.approx(errors["even"], rel=0.2)  # converters of each piece are set by its own outputs


def test_a_readout_on_crossbars_is_read_there(hermes):
    work = load_workload(DIGITS, {"accuracy_seeds": 1, "readout": "crossbar"})
    digital = accuracy_of(load_workload(DIGITS, {"accuracy_seeds": 1}), hermes).accuracy
    found = accuracy_of(work, hermes).accuracy
    assert [layer["operator"] for layer in found["layers"]] == ["project", "readout"]
    assert 0.01 < found["layers"][1]["relative_error"] < 0.2
    assert [layer["operator"] for layer in digital["layers"]] == ["project"]
    assert found["digital_fp32"] == digital["digital_fp32"]
    exact = accuracy_of(work, hermes, effects=Effects.none()).accuracy
    assert (exact["simulated"], exact["drop_pp"], exact["effects"]) == (found["digital_fp32"], 0.0, "none")


def test_products_kept_off_the_crossbars_are_exact(hermes):
    found = accuracy_of(load_workload(DIGITS, {"accuracy_seeds": 1, "digital": ["project"]}), hermes).accuracy
    assert found["layers"] == []
    assert found["simulated"] == found["digital_fp32"]
    assert found["kernel_error"] == pytest.approx(found["digital_kernel_error"], rel=1e-6)


def test_a_redrawn_projection_is_another_one(hermes):
    # the readout was trained for the features before: 359 test rows, of which only the first hundred have them
    redrawn = {"life_cycle": {"redraw_every": 100, "redraw": ["W"]}, "accuracy_seeds": 1}
    plain = accuracy_of(load_workload(DIGITS, {"accuracy_seeds": 1}), hermes).accuracy
    found = accuracy_of(load_workload(DIGITS, redrawn), hermes).accuracy
    for value in ("simulated", "digital_fp32"):
        assert found[value] < plain[value] * 100 / found["n_test"] + 0.2
    kept = accuracy_of(load_workload(DIGITS, redrawn | {"digital": ["project"]}), hermes).accuracy
    assert kept["simulated"] > 0.9  # there is nothing on the chip to draw again, as time and energy say
    late = redrawn | {"life_cycle": {"redraw_every": 100_000, "redraw": ["W"]}}
    assert accuracy_of(load_workload(DIGITS, late), hermes).accuracy["simulated"] == plain["simulated"]


def test_a_readout_that_is_written_again_keeps_its_weights(hermes):
    changes = {"readout": "crossbar", "accuracy_seeds": 1}
    plain = accuracy_of(load_workload(DIGITS, changes), hermes).accuracy
    again = changes | {"life_cycle": {"redraw_every": 100, "redraw": ["ridge"]}}
    found = accuracy_of(load_workload(DIGITS, again), hermes).accuracy
    assert found["layers"][1] != plain["layers"][1]  # other devices' errors
    assert found["simulated"] == pytest.approx(plain["simulated"], abs=0.02)


def test_one_effect_more_costs_more(hermes):
    """The weight that g_max stands for is the same whichever effects are on, so that their errors add up."""
    work = load_workload("kernel_ridge_breast_cancer", {"accuracy_seeds": 3})
    steps = ("none", "adc_noise", "adc_noise,programming", "adc_noise,programming,adc_gain,input_quantisation")
    found = [accuracy_of(work, hermes, effects=Effects.of(text)).accuracy["layers"][0] for text in steps]
    errors = [layer["relative_error"] for layer in found]
    assert errors == sorted(errors)
    assert errors[0] < 1e-6 < errors[1]
    # counts that are cut towards zero shrink results, which takes some of the noise with it
    cut = accuracy_of(work, hermes, effects=Effects.of(f"{steps[2]},adc_quantisation")).accuracy["layers"][0]
    assert cut["relative_error"] == pytest.approx(errors[2], rel=0.03)


def test_attention_takes_a_redrawn_projection_as_well_as_the_first(hermes):
    changes = {"accuracy_seeds": 4, "heads": 1, "d_model": 64}
    name = "performer_imdb_attention_layer"
    plain = accuracy_of(load_workload(name, changes), hermes).accuracy
    redrawn = changes | {"life_cycle": {"redraw_every": 1, "redraw": ["W"]}}
    found = accuracy_of(load_workload(name, redrawn), hermes).accuracy
    assert found["simulated_values"] != plain["simulated_values"]
    assert found["simulated"] == pytest.approx(plain["simulated"], rel=0.5)
    assert found["digital_fp32"] == pytest.approx(plain["digital_fp32"], rel=0.5)


@pytest.mark.parametrize(("text", "on"), [("none", ()), ("adc_noise, programming", ("programming", "adc_noise"))])
def test_effects_by_name(text, on):
    assert Effects.of(text).names == on
    assert Effects.of(text).named() == (on or "none")
    assert Effects.of("all").named() == "all"


def test_an_unknown_effect_is_refused_by_name():
    with pytest.raises(DeviceModelError, match=r"'adc_noize'(.|\n)*did you mean 'adc_noise'"):
        Effects.of("programming,adc_noize")
    for text in ("all,adc_noise", "none,programming"):
        with pytest.raises(DeviceModelError, match="none alone, all alone"):
            Effects.of(text)
    with pytest.raises(DeviceModelError, match="did you mean 'none'"):
        Effects.of("NONE")


def test_settings_say_how_it_was_simulated(hermes):
    work = load_workload("kernel_ridge_breast_cancer", {"accuracy_seeds": 1})
    accuracy = accuracy_of(work, hermes).accuracy
    assert accuracy["settings"] == {
        "dataset": "breast_cancer", "kernel": "rbf", "sampler": "orf", "log2_ratio": 5, "gamma": 0.05,
        "ridge_alpha": 0.5, "read_mode": "four_phase", "range_batch": 1,
        "range": {"policy": "largest", "per": "vector", "value": None},
        "published": {
            "read_mode": ("four_phase", "one_phase"), "core.analog.polarity_error": ("0.1 count", "0"),
            "core.analog.wire_resistance": ("1 ohm", "0"), "core.analog.range.per": ("vector", "matrix"),
        },
    }  # fmt: skip
    assert accuracy["higher_is_better"]
    assert accuracy["kernel_error"] < 0.15 < accuracy["constant_kernel_error"]


def test_an_attention_error_is_no_accuracy(hermes):
    work = load_workload("performer_imdb_attention_layer", {"accuracy_seeds": 1})
    accuracy = accuracy_of(work, hermes).accuracy
    assert accuracy["metric"] == "attention_relative_error"
    assert accuracy["drop_pp"] is None
    assert accuracy["higher_is_better"] is False
    settings = accuracy["settings"]
    assert (settings["tokens_simulated"], settings["tokens_of_workload"]) == (512, 4000)
    assert settings["projections"] == "shared"
    assert "synthetic" in settings["vectors"]


def test_replicas_of_the_projection_are_programmed_as_the_workload_says(hermes):
    sizes = {"sequence_length": 40, "d_model": 32, "projection_rows": 31, "heads": 2, "accuracy_seeds": 2}
    found = {
        matrices: accuracy_of(
            load_workload("performer_imdb_attention_layer", sizes | {"projections": matrices}), hermes, seed=3
        ).accuracy
        for matrices in ("shared", "separate_qk", "per_head")
    }
    # the same W in FP32 whether it is programmed once or twice; another for each head
    assert found["shared"]["digital_values"] == found["separate_qk"]["digital_values"]
    assert found["shared"]["digital_values"] != found["per_head"]["digital_values"]
    assert len({tuple(one["simulated_values"]) for one in found.values()}) == 3


def test_the_kernel_is_measured_as_the_classifier_is_driven(spec):
    dataset = load_dataset("digits")
    experiment = replace(setup_for(load_dataset("digits")).experiment, log2_ratio=2)
    run = SeedRun(experiment, dataset, 5)
    same = run.on_chip(spec, ReadMode.FOUR_PHASE, accuracy=False)[1]
    assert same == run.on_chip(spec, ReadMode.FOUR_PHASE, accuracy=False, kernel_batch=spec.range_batch)[1]
    # one range for 256 vectors, the setting of the published experiment, is three times worse on these data
    shared = run.on_chip(spec, ReadMode.FOUR_PHASE, accuracy=False, kernel_batch=256)[1]
    assert shared > 2 * same
    assert shared == run.on_chip(replace(spec, range_batch=256), ReadMode.FOUR_PHASE, accuracy=False)[1]


def test_the_best_constant_kernel_is_the_yardstick():
    # [[1, 0], [0, 1]]: the mean, 0.5, errs by 4 x 0.25 of a square sum of 2
    assert constant_kernel_error(np.eye(2)) == pytest.approx(np.sqrt(1 / 2))
    exact = np.random.default_rng(0).random((6, 6))
    errors = [kernel_error(exact, np.full((6, 1), np.sqrt(c))) for c in np.linspace(0.01, 1, 200)]
    assert constant_kernel_error(exact) == pytest.approx(min(errors), rel=1e-3)
    assert constant_kernel_error(exact) <= min(errors)


def test_a_data_set_stands_for_its_shipped_workload():
    digits = setup_for(load_dataset("digits"))
    assert digits.experiment == Experiment(Kernel.RBF, Sampler.ORF, 4, 0.005, 0.5)
    assert (digits.n_seeds, digits.source) == (5, "workload kernel_ridge_digits")
    other = setup_for(replace(load_dataset("digits"), name="mine"))
    assert (other.experiment, other.source) == (PUBLISHED, "published experiment")
    changed = digits.changed(gamma=0.1, n_seeds=2)
    assert (changed.experiment, changed.n_seeds) == (replace(digits.experiment, gamma=0.1), 2)


def test_huge_jobs_are_no_larger_than_the_data(spec):
    dataset = load_dataset("breast_cancer")
    one, other = (
        evaluate_kernel_ridge(
            chip_of=lambda run, batch=batch: run.alone(replace(spec, range_batch=batch), ReadMode.ONE_PHASE),
            dataset=dataset, experiment=replace(PUBLISHED, log2_ratio=1), n_seeds=1, seed=0,
        )
        for batch in (10_000, 2**40)
    )  # fmt: skip
    assert one.simulated == other.simulated
