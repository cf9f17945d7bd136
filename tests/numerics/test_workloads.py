"""Which workloads have an accuracy, what it says beside it, and the reason where there is none."""

from dataclasses import replace

import numpy as np
import pytest

from hermes_sim.api import simulate
from hermes_sim.config.vocabulary import Kernel, ReadMode, Sampler
from hermes_sim.errors import DataError, WorkloadError
from hermes_sim.kernels.exact import constant_kernel_error, kernel_error
from hermes_sim.mapping.place import map_graph
from hermes_sim.numerics.attention import evaluate_attention_error
from hermes_sim.numerics.datasets import load_dataset
from hermes_sim.numerics.kernel_ridge import SeedRun, evaluate_kernel_ridge
from hermes_sim.numerics.settings import PUBLISHED, Experiment, setup_for
from hermes_sim.numerics.workloads import workload_accuracy
from hermes_sim.workload.load import build_graph, load_workload

DIGITS = "kernel_ridge_digits"
MISSING = {
    "performer_imdb_softmax": "exact softmax attention has no random features",
    "performer_imdb_full": "a whole encoder (layers: 2, split: full)",
    "performer_imdb_attention": "a whole encoder (layers: 2, split: attention)",
    "performer_listops_full": "a whole encoder",
    "performer_aan_full": "a whole encoder",
    "performer_pathfinder_attention": "a whole encoder (layers: 1",
    "resnet9_cifar10": "kind conv_net",
    "lstm_ptb": "kind lstm",
    "peak_mvm": "kind matmul_list",
    "kernel_ridge_letter": "no such data set; known: breast_cancer, digits",
}


@pytest.mark.parametrize(("name", "reason"), MISSING.items())
def test_what_is_not_simulated_has_no_accuracy_and_says_why(hermes, name, reason):
    found = workload_accuracy(load_workload(name), hermes, seed=0)
    assert found.accuracy is None
    assert reason in found.missing
    with pytest.raises((WorkloadError, DataError)):
        workload_accuracy(load_workload(name), hermes, seed=0, wanted=True)


def test_the_document_holds_the_accuracy_or_the_reason():
    quick = {"accuracy_seeds": 1}
    for changes, reason in (
        ({"readout": "crossbar"}, "the readout runs on crossbars"),
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
        workload_accuracy(load_workload(name, changes), hermes, seed=0)


def test_a_placement_that_cuts_the_projection_otherwise_has_no_accuracy(hermes):
    work = load_workload(DIGITS, {"accuracy_seeds": 1})
    even = map_graph(build_graph(work), hermes, "packed")
    assert workload_accuracy(work, hermes, seed=0, placement=even).accuracy is not None
    (first, *others) = even.blocks
    upper = replace(first, rows=(0, 32))
    lower = replace(first, rows=(32, 64), core=40)
    other = replace(even, blocks=(upper, lower, *others))
    found = workload_accuracy(work, hermes, seed=0, placement=other)
    assert found.accuracy is None
    assert found.missing.startswith("the placement cuts W into 5 blocks, and only the even cut (here 4)")


def test_settings_say_how_it_was_simulated(hermes):
    work = load_workload("kernel_ridge_breast_cancer", {"accuracy_seeds": 1})
    accuracy = workload_accuracy(work, hermes, seed=0).accuracy
    assert accuracy["settings"] == {
        "dataset": "breast_cancer", "kernel": "rbf", "sampler": "orf", "log2_ratio": 5, "gamma": 0.05,
        "ridge_alpha": 0.5, "read_mode": "four_phase", "range_batch": 1,
    }  # fmt: skip
    assert accuracy["higher_is_better"]
    assert accuracy["kernel_error"] < 0.15 < accuracy["constant_kernel_error"]


def test_an_attention_error_is_no_accuracy(hermes):
    work = load_workload("performer_imdb_attention_layer", {"accuracy_seeds": 1})
    accuracy = workload_accuracy(work, hermes, seed=0).accuracy
    assert accuracy["metric"] == "attention_relative_error"
    assert accuracy["drop_pp"] is None
    assert accuracy["higher_is_better"] is False
    settings = accuracy["settings"]
    assert (settings["tokens_simulated"], settings["tokens_of_workload"]) == (512, 4000)
    assert settings["projections"] == "shared"
    assert "synthetic" in settings["vectors"]


def test_copies_of_the_projection_are_programmed_as_the_workload_says(spec):
    sizes = {"sequence_length": 40, "head_dim": 16, "n_rows": 31, "n_heads": 2, "n_seeds": 2, "seed": 3}
    results = {
        matrices: evaluate_attention_error(spec=spec, read_mode=ReadMode.ONE_PHASE, matrices=matrices, **sizes)
        for matrices in ("shared", "separate_qk", "per_head")
    }
    # the same W in FP32 whether it is programmed once or twice; another for each head
    assert results["shared"].digital_values == results["separate_qk"].digital_values
    assert results["shared"].digital_values != results["per_head"].digital_values
    assert len({result.simulated_values for result in results.values()}) == 3


def test_the_kernel_is_measured_as_the_classifier_is_driven(spec):
    dataset = load_dataset("digits")
    experiment = replace(setup_for("digits").experiment, log2_ratio=2)
    run = SeedRun(experiment, dataset, 5)
    same = run.on_chip(spec, ReadMode.FOUR_PHASE, accuracy=False)[1]
    assert same == run.on_chip(spec, ReadMode.FOUR_PHASE, accuracy=False, kernel_batch=spec.range_batch)[1]
    # one range for 256 vectors, the setting of the published experiment, is ten times worse on these data
    shared = run.on_chip(spec, ReadMode.FOUR_PHASE, accuracy=False, kernel_batch=256)[1]
    assert shared > 5 * same
    assert shared == run.on_chip(replace(spec, range_batch=256), ReadMode.FOUR_PHASE, accuracy=False)[1]


def test_the_best_constant_kernel_is_the_yardstick():
    # [[1, 0], [0, 1]]: the mean, 0.5, errs by 4 x 0.25 of a square sum of 2
    assert constant_kernel_error(np.eye(2)) == pytest.approx(np.sqrt(1 / 2))
    exact = np.random.default_rng(0).random((6, 6))
    errors = [kernel_error(exact, np.full((6, 1), np.sqrt(c))) for c in np.linspace(0.01, 1, 200)]
    assert constant_kernel_error(exact) == pytest.approx(min(errors), rel=1e-3)
    assert constant_kernel_error(exact) <= min(errors)


def test_a_data_set_stands_for_its_shipped_workload():
    digits = setup_for("digits")
    assert digits.experiment == Experiment(Kernel.RBF, Sampler.ORF, 4, 0.005, 0.5)
    assert (digits.n_seeds, digits.source) == (5, "workload kernel_ridge_digits")
    other = setup_for("mine")
    assert (other.experiment, other.source) == (PUBLISHED, "published experiment")
    changed = digits.changed(gamma=0.1, n_seeds=2)
    assert (changed.experiment, changed.n_seeds) == (replace(digits.experiment, gamma=0.1), 2)


def test_huge_jobs_are_no_larger_than_the_data(spec):
    dataset = load_dataset("breast_cancer")
    one, other = (
        evaluate_kernel_ridge(
            spec=replace(spec, range_batch=batch), dataset=dataset, experiment=replace(PUBLISHED, log2_ratio=1),
            read_mode=ReadMode.ONE_PHASE, n_seeds=1, seed=0,
        )
        for batch in (10_000, 2**40)
    )  # fmt: skip
    assert one.simulated == other.simulated
