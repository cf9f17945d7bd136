"""Which input gets a full pulse: policies and scopes by hand, and what the published runs are simulated with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hermes_sim.chip.analog import RangePolicy, RangeScope
from hermes_sim.chip.load import load_arch
from hermes_sim.config.files import Changed
from hermes_sim.config.vocabulary import ReadMode
from hermes_sim.crossbar.spec import Effects, core_crossbar
from hermes_sim.errors import ArchConfigError
from hermes_sim.mapping.mapping import Block, Mapping
from hermes_sim.numerics.chip_models import as_published, chip_model, chip_models, differences, with_model
from hermes_sim.numerics.datasets import load_dataset
from hermes_sim.numerics.kernel_ridge import SeedRun
from hermes_sim.numerics.programmed import ProgrammedChip
from hermes_sim.numerics.ranges import RangeRule
from hermes_sim.numerics.settings import setup_for
from hermes_sim.workload.graph import GraphBuilder, Matrix

X = np.array([[1.0, -3.0], [0.5, 0.0], [-8.0, 2.0], [0.0, 0.0]])


@pytest.mark.parametrize(
    ("policy", "value", "expected"),
    [
        (RangePolicy.LARGEST, 0.0, 8.0),
        (RangePolicy.QUANTILE, 1.0, 8.0),
        (RangePolicy.QUANTILE, 0.5, 0.75),  # sizes 0 0 0 0.5 1 2 3 8: half way between the fourth and the fifth
        (RangePolicy.DEVIATIONS, 2.0, 2 * np.sqrt((1 + 9 + 0.25 + 64 + 4) / 8)),
        (RangePolicy.FIXED, 5.0, 5.0),
    ],
)
def test_policies_by_hand(policy, value, expected):
    rule = RangeRule(policy, RangeScope.MATRIX, value)
    assert rule.known(X) == pytest.approx(expected)
    assert rule.known(X, clip_std=0.1) == 0.1
    assert rule.searched(X, vectors=1) is None


def test_ranges_that_are_searched_for_belong_to_groups_of_vectors():
    assert RangeRule().searched(X, vectors=1).tolist() == [3, 0.5, 8, 1]  # nothing to see in zeros
    assert RangeRule().searched(X, vectors=2).tolist() == [3, 3, 8, 8]
    deviations = RangeRule(RangePolicy.DEVIATIONS, RangeScope.VECTOR, 1.0)
    assert deviations.searched(X, vectors=3).tolist() == pytest.approx([np.sqrt(78.25 / 6)] * 3 + [1.0])


def test_all_zero_calibration_data_give_a_range():
    for policy in RangePolicy:
        rule = RangeRule(policy, RangeScope.MATRIX, 0.5)
        assert rule.known(np.zeros((3, 2))) == (0.5 if policy is RangePolicy.FIXED else 1.0)


def two_on_cores(core):
    """Products a and b, the second on a core of its own or beside the first."""
    graph = GraphBuilder("two")
    for name in ("a", "b"):
        graph.product(name, Matrix(name.upper(), 4, 3), tokens=1, on_crossbar=True)
    blocks = (Block("A", 0, (0, 4), (0, 3), 0), Block("B", 0, (0, 4), (0, 3), core, 0, 3))
    return graph.build(), Mapping("two", blocks, {"a": (0,), "b": (0,)}, {})


@pytest.mark.parametrize(
    ("per", "core", "ranges"), [("matrix", 0, (1, 5)), ("matrix", 1, (1, 5)), ("core", 0, (5, 5)), ("core", 1, (1, 5))]
)
def test_matrices_that_share_a_core_share_its_range(per, core, ranges):
    graph, mapping = two_on_cores(core)
    spec = replace(core_crossbar(load_arch("hermes_64").core), range_per=RangeScope(per)).with_effects(
        replace(Effects.none(), input_clipping=True)
    )
    chip = ProgrammedChip(graph, mapping, spec=spec, mode=ReadMode.FOUR_PHASE, seed=0)
    eye = np.eye(4, 3)
    chip.program({"A": eye, "B": eye})
    chip.calibrate("a", np.full((2, 4), 1.0))
    chip.calibrate("b", np.full((2, 4), -5.0))
    found = [chip.project(name, np.full((1, 4), 9.0))[0, 0] for name in ("a", "b")]
    assert found == pytest.approx(ranges)  # clipped there


@pytest.mark.parametrize("sums", ["before", "after"])
def test_outputs_of_eight_bits_are_steps_of_the_calibrated_scale(sums):
    changes = {"core.output.format": "int8", "core.output.partial_sums": sums, "core.output.full_scale": 2}
    spec = core_crossbar(load_arch("hermes_64", changes).core)
    graph, mapping = two_on_cores(1)
    chip = ProgrammedChip(graph, mapping, spec=spec, mode=ReadMode.FOUR_PHASE, seed=0)
    rng = np.random.default_rng(1)
    w, x = rng.standard_normal((4, 3)), rng.standard_normal((500, 4))
    chip.program({"A": w, "B": w})
    chip.calibrate("a", x)
    full = 2 * (x.astype(np.float32) @ w.astype(np.float32)).std()
    steps = chip.project("a", x) * 127 / full
    assert steps == pytest.approx(np.rint(steps), abs=1e-3)
    assert np.abs(steps).max() == pytest.approx(127, abs=1e-3)  # 5 % of normal outputs lie beyond
    exact = ProgrammedChip(graph, mapping, spec=spec.ideal(), mode=ReadMode.FOUR_PHASE, seed=0)
    exact.program({"A": w, "B": w})
    exact.calibrate("a", x)
    assert exact.project("a", x) == pytest.approx(x @ w)


def test_what_differs_from_the_published_runs_is_named(hermes):
    assert differences(hermes) == {
        "read_mode": ("four_phase", "one_phase"),
        "core.analog.polarity_error": ("0.1 count", "0"),
        "core.analog.wire_resistance": ("1 ohm", "0"),
        "core.analog.range.per": ("vector", "matrix"),
    }
    assert list(differences(hermes, "fixed_counts")) == list(differences(hermes))[:-1]
    for name, model in chip_models().models.items():
        assert differences(load_arch(as_published("hermes_64", name)), name) == {}
        assert all(setting.reason for setting in (model.chip | model.runs).values())


def test_an_unknown_model_is_refused_by_name():
    with pytest.raises(ArchConfigError, match=r"fixed_count'(.|\n)*did you mean 'fixed_counts'"):
        with_model("hermes_64", "fixed_count")


def test_what_a_user_sets_stays_in_a_published_run():
    chip = load_arch(
        as_published(Changed("hermes_64", {"core.analog.polarity_error": 0.05, "read_mode": "four_phase"}))
    )
    assert chip.core.analog.polarity_error.ratio == 0.05
    assert chip.read_mode is ReadMode.FOUR_PHASE
    assert chip.core.analog.wire_resistance.value == 0


def test_one_phase_results_of_the_published_runs_are_what_was_fitted():
    """To the last bit, whatever else a read has learnt: polarity, wires, ranges, converters."""
    chip = load_arch(as_published("hermes_64", "fixed_counts"))
    dataset = load_dataset("digits")
    experiment = setup_for(dataset).changed(kernel="rbf", log2_ratio=4).experiment
    found = SeedRun(experiment, dataset, 11).on_chip(
        core_crossbar(chip.core), chip.read_mode, kernel_batch=chip_model("fixed_counts").kernel_vectors.value
    )
    assert found.accuracy == 0.96440489432703
    assert found.kernel_error == pytest.approx(0.26816437357963135, rel=1e-6)
