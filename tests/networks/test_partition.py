"""The search of `partition` beside every split there is, and on a transformer."""

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from hermes_sim.chip.load import load_arch
from hermes_sim.explore.partition import Splits, partition
from hermes_sim.flow import graph_of
from hermes_sim.numerics.network_accuracy import NetworkRun
from hermes_sim.numerics.network_data import network_data
from hermes_sim.workload.load import load_workload
from tests.cli.conftest import hermes_sim
from tests.networks.conftest import save_perceptron

CHIP = "hermes_64_hetero"
VIT = Path(__file__).parents[1] / "data" / "onnx" / "digits_vit.onnx"


class KnownSplits(Splits):
    """Splits whose evaluations are at hand, but that the search has to ask for."""

    def __init__(self, every):
        self.every = every
        super().__init__(
            every.chip, every.workload, every.data, None, None, every.strategy, every.draws, every.seed, 2,
            _costs=dict(every._costs),
        )  # fmt: skip

    def _all_analog(self):
        return self.every.all_analog

    def _on(self, seeds, key):
        assert seeds == self.every._seeds or key in self.found  # other chips, once it is chosen
        return self.every.found[key]


def every_split(tmp_path, hidden, *, n_rows):
    """A perceptron on digits, all its splits evaluated."""
    pixels, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    x, y = (pixels[order] / 16).astype(np.float32), labels[order]
    model = MLPClassifier(hidden, random_state=0, max_iter=300, tol=1e-3, learning_rate_init=0.003)
    model.fit(x[n_rows:-60], y[n_rows:-60])
    save_perceptron(tmp_path / "mlp.onnx", model.coefs_, model.intercepts_)
    np.savez(tmp_path / "test.npz", X=x[:n_rows], y=y[:n_rows], X_calibration=x[-60:])
    work = load_workload(tmp_path / "mlp.onnx")
    data = network_data(tmp_path / "test.npz", graph_of(work).network)
    chip = load_arch(CHIP, {"core.analog.device.g_max": "3 uS"})  # noisy enough for a choice to matter
    every = Splits(chip, work, data, None, None, "packed", draws=2, seed=0, inferences=2)
    for n in range(len(every.matrices) + 1):
        for some in combinations(every.matrices, n):
            every.evaluate(some)
    return every


@pytest.mark.parametrize(
    "hidden", [(40, 32, 24), pytest.param((32, 28, 28, 24, 24, 20, 20), marks=pytest.mark.slow)], ids=["4", "8"]
)
def test_the_search_comes_near_the_best_of_all_splits(tmp_path, hidden):
    every = every_split(tmp_path, hidden, n_rows=150)
    all_of_them = list(every.found.values())
    assert len(all_of_them) == 2 ** (len(hidden) + 1)
    drops = sorted(one.drop for one in all_of_them)
    floor = every.evaluate(every.matrices).drop
    ratios = []
    for bound in {max(floor, float(np.quantile(drops, share))) + 1e-9 for share in (0.1, 0.25, 0.5, 0.75, 1.0)}:
        best = min(one.energy_pj for one in all_of_them if one.drop <= bound)
        found = partition(KnownSplits(every), max_drop=bound)
        assert found.chosen.drop <= bound
        assert len(found.steps) <= len(all_of_them)
        ratios.append(found.chosen.energy_pj / best)
    assert max(ratios) <= 1.2


def test_fp32_and_calibration_are_those_of_the_network_however_it_is_split(digits, monkeypatch):
    chip, work = load_arch(CHIP), load_workload(digits.onnx)
    data = network_data(digits.npz, graph_of(work).network)
    splits = Splits(chip, work, data, None, None, "packed", draws=1, seed=0, inferences=2)
    mapped = splits.mapped(frozenset({"layer1"}))
    alone = NetworkRun(mapped.graph, mapped.mapping, chip, spec=splits.all_analog.spec, data=data)
    shared = splits.all_analog.remapped(mapped.graph, mapped.mapping)
    np.testing.assert_array_equal(shared.outputs(shared.programmed(5)), alone.outputs(alone.programmed(5)))
    monkeypatch.setattr("hermes_sim.numerics.network_accuracy.calibration_inputs", None)  # not once more
    assert splits.evaluate(["layer1"]).digital == ("layer1",)


def test_the_chosen_split_is_looked_at_again_on_other_chips(digits, tmp_path):
    rows, split = [digits.onnx, "--data", digits.npz, "--samples", 290], tmp_path / "split.yaml"
    rows += ["--set", "digital_units.dpu.functions.mac.energy=100 pJ"]  # so that crossbars are worth it
    done = hermes_sim("partition", CHIP, *rows, "--max-drop", 5, "--draws", 2, "--json", "--out", split)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    chosen, again = found["chosen"], found["again"]
    assert again["digital"] == chosen["digital"]
    assert again["energy_pj"] == chosen["energy_pj"]
    more = hermes_sim("run", CHIP, *rows, "--draws", 4, "--mapping", split, "--json")
    assert more.returncode == 0, more.stderr
    values = json.loads(more.stdout)["accuracy"]["simulated_values"]
    assert np.mean(values[:2]) == pytest.approx(chosen["accuracy"])
    assert np.mean(values[2:]) == pytest.approx(again["accuracy"])
    assert values[:2] != values[2:]


@pytest.mark.slow
def test_a_transformer_keeps_on_crossbars_what_its_accuracy_allows(tmp_path):
    pixels, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))  # the first 360 were not trained on
    x = (pixels[order] / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    np.savez(tmp_path / "digits.npz", X=x[:360], y=labels[order][:360], X_calibration=x[360:560])
    done = hermes_sim("partition", CHIP, VIT, "--data", tmp_path / "digits.npz", "--max-drop", 1, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["digital_fp32"] > 0.95
    assert len(found["sensitivity"]) == 8
    (start,) = (one for one in found["steps"] if not one["digital"])
    assert start["drop"] > 1 >= found["chosen"]["drop"]
    assert 0 < len(found["chosen"]["digital"]) < 8
    assert found["again"]["drop"] < start["drop"]
