"""One layer on a core beside aihwkit's tile."""

from __future__ import annotations

import importlib
import re
import sys

import numpy as np
import pytest

import hermes_sim as hs
from hermes_sim.errors import DeviceModelError, HermesSimError

# aihwkit's own modules
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture(scope="module")
def kit():
    for package in ("torch", "aihwkit"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    return importlib.import_module("hermes_sim.torch.aihwkit")


@pytest.fixture(scope="module")
def layer():
    rng = np.random.default_rng(0)
    return rng.normal(size=(96, 64)), rng.normal(size=(128, 96))


def test_a_missing_aihwkit_is_said(monkeypatch):
    pytest.importorskip("torch", reason="torch is not installed")
    monkeypatch.setitem(sys.modules, "aihwkit", None)
    monkeypatch.delitem(sys.modules, "hermes_sim.torch.aihwkit", raising=False)
    with pytest.raises(HermesSimError, match=r"aihwkit is not installed\n.*pip install --no-deps aihwkit"):
        hs.torch.compare_layer(np.eye(2), inputs=np.eye(2))


@pytest.mark.parametrize("time_s", [0.0, 3600.0])
def test_the_same_cells_give_the_same_errors(kit, layer, time_s):
    weights, inputs = layer
    ours, theirs, *_ = kit.compare_layer(weights, inputs=inputs, draws=6, time_s=time_s, effects=kit.CELLS)
    assert ours.output_mean == pytest.approx(theirs.output_mean, rel=0.04)
    assert ours.weight_sd == pytest.approx(theirs.weight_sd, rel=0.04)
    assert 0 < ours.output_sd < 0.1 * ours.output_mean


def test_the_same_converters_add_the_same_error(kit, layer):
    weights, inputs = layer
    bare, whole, finite = (
        kit.compare_layer(weights, inputs=inputs, draws=4, effects=effects)
        for effects in (kit.CELLS, kit.SHARED, f"{kit.CELLS},input_quantisation,input_clipping")
    )
    for one in (bare.aihwkit, finite.aihwkit):
        assert whole.aihwkit.output_mean > 1.1 * one.output_mean
    assert whole.ours.output_mean == pytest.approx(whole.aihwkit.output_mean, rel=0.06)


def test_both_are_exact_but_for_clipping(kit, layer):
    weights, inputs = layer
    ours, theirs, tile, version = kit.compare_layer(weights, inputs=inputs, draws=2, effects="weight_clipping")
    assert ours.output_mean == pytest.approx(theirs.output_mean, rel=1e-3)  # of the weights beyond g_max alone
    assert (ours.output_sd, theirs.output_sd) == (0, 0)
    assert max(ours.weight_sd, theirs.weight_sd) < 1e-6
    assert tile in {"compiled", "PyTorch"}
    assert re.match(r"\d+\.\d+", version)


def test_its_standard_cells_err_otherwise(kit, layer):
    weights, inputs = layer
    published, standard = (
        kit.compare_layer(weights, inputs=inputs, draws=3, effects=kit.CELLS, noise_model=name)
        for name in ("hermes", "pcm")
    )
    assert published.ours == standard.ours
    assert standard.aihwkit.weight_sd < 0.95 * published.aihwkit.weight_sd


def test_a_seed_gives_the_same_numbers(kit, layer):
    weights, inputs = layer
    state = kit.torch.random.get_rng_state()
    first, second, other = (kit.compare_layer(weights, inputs=inputs, draws=2, seed=seed) for seed in (1, 1, 2))
    assert first.ours == second.ours != other.ours
    assert first.aihwkit.output_mean != other.aihwkit.output_mean
    if first.tile == "PyTorch":
        assert first.aihwkit == second.aihwkit
    assert kit.torch.equal(kit.torch.random.get_rng_state(), state)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"weights": np.ones(3)}, "weights"),
        ({"weights": np.ones((300, 3)), "inputs": np.ones((2, 300))}, "weights"),
        ({"inputs": np.ones((2, 3))}, "inputs"),
        ({"inputs": np.full((2, 96), np.nan)}, "inputs"),
        ({"inputs": np.zeros((2, 96))}, "inputs"),
        ({"draws": 1}, "draws"),
        ({"noise_model": "ideal"}, "noise_model"),
        ({"effects": "magic"}, "effects"),
        ({"time_s": -1.0}, "inference"),
    ],
)
def test_what_cannot_be_compared(kit, layer, change, where):
    with pytest.raises(DeviceModelError, match=where):
        kit.compare_layer(**{"weights": layer[0], "inputs": layer[1], "draws": 2} | change)
