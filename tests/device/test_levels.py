"""Cells with a spread about their levels, against their formulas."""

from dataclasses import replace

import numpy as np
import pytest

from hermes_sim.chip.load import load_arch
from hermes_sim.config.vocabulary import ReadMode
from hermes_sim.crossbar.spec import Effects, core_crossbar
from hermes_sim.device.cells import device_spec
from hermes_sim.device.conductance import CellEffects, Pair, age
from hermes_sim.errors import ArchConfigError, DeviceModelError
from hermes_sim.numerics.programmed import program_alone

N = 200_000
LEVELS = "core.analog.device.levels."


def cells(**changes):
    return replace(device_spec(load_arch("rram_64").core.analog.device), **changes)


def test_spread_is_constant_plus_a_share_of_the_conductance():
    model = cells(spread_uS=0.05, relative_spread=0.02)
    for target_uS in (0.0, 2.0):
        programmed = model.program(np.full(N, target_uS), np.random.default_rng(0))
        sd = 0.05 + 0.02 * (1 + target_uS)
        assert programmed.mean() == pytest.approx(1 + target_uS, abs=4 * sd / np.sqrt(N))
        assert programmed.std() == pytest.approx(sd, rel=0.01)


def test_targets_take_the_nearest_level():
    model = cells(n_levels=4, spread_uS=0.0, relative_spread=0.0)  # 1, 2, 3 and 4 uS
    got = model.program(np.array([0.0, 0.4, 0.6, 1.7, 3.0]), np.random.default_rng(0))
    np.testing.assert_allclose(got, [1, 1, 2, 3, 4])
    assert cells().program(np.array([0.4]), np.random.default_rng(0)) != 1


def test_drift_is_a_share_per_decade():
    model = cells(drift_per_decade=0.1, drift_spread=0.0, t0_s=10.0)
    rate = model.draw_drift(np.zeros(3), np.random.default_rng(0))
    np.testing.assert_allclose(model.drift(np.full(3, 2.0), rate, t_s=990.0), 2 * (1 - 0.1 * 2))
    none = device_spec(load_arch("rram_64", {f"{LEVELS}drift": None}).core.analog.device)
    np.testing.assert_array_equal(none.drift(np.full(3, 2.0), none.draw_drift(np.zeros(3), np.random), t_s=1e9), 2.0)
    assert cells(drift_spread=0.02).draw_drift(np.zeros(N), np.random.default_rng(0)).std() == pytest.approx(0.02, 0.01)


def test_cells_stick_at_both_ends():
    model = cells(stuck_high_frac=0.2)
    target = Pair(np.full((300, 300), 1.5), np.zeros((300, 300)))
    only = CellEffects(programming=False, drift=False, read_noise=False)
    aged = age(model, target, t_s=1.0, effects=only, stuck_frac=0.1, seed=1, core=0)
    for got, free in ((aged.plus_uS, 2.5), (aged.minus_uS, 1.0)):
        assert set(np.unique(got)) <= {1.0, 4.0, free}
        assert (got == 4.0).mean() == pytest.approx(0.2, abs=0.01)
    assert (aged.plus_uS == 1.0).mean() == pytest.approx(0.1, abs=0.01)
    with pytest.raises(DeviceModelError, match="more than 1"):
        age(model, target, t_s=1.0, effects=only, stuck_frac=0.9, seed=1, core=0)


def test_read_noise_is_a_share_at_any_age():
    model, g = cells(read_noise=0.05), np.array([1.0, 4.0])
    for t_s in (0.0, 1e6):
        np.testing.assert_allclose(model.read_noise_sd(g, 0.5 * g, t_s=t_s), 0.05 * 0.5 * g)


def test_devices_in_parallel_average_their_errors():
    changes = {"core.analog.device.cell_devices": 4, "core.analog.device.devices": 4}
    changes[f"{LEVELS}count"] = {"value": 5, "unit": "count", "kind": "assumed", "source": "test"}
    one, four = cells(), device_spec(load_arch("rram_64", changes).core.analog.device)
    assert (four.lowest_uS, four.n_levels) == (4 * one.lowest_uS, 4 * 4 + 1)
    assert four.spread_uS == pytest.approx(2 * one.spread_uS)
    for name in ("relative_spread", "read_noise", "drift_spread"):
        assert getattr(four, name) == pytest.approx(getattr(one, name) / 2)


@pytest.mark.parametrize("mode", ReadMode)
def test_without_effects_the_product_is_exact_whatever_cells_hold_at_zero(mode):
    spec = core_crossbar(load_arch("rram_64").core).ideal()
    rng = np.random.default_rng(0)
    w, x = rng.standard_normal((50, 20)), rng.standard_normal((30, 50))
    y = program_alone(spec, w, mode=mode, seed=1).matmul(x)
    assert np.abs(y - x @ w).max() / np.abs(x @ w).max() < 1e-12


@pytest.mark.parametrize("mode", ReadMode)
def test_errors_of_the_product_follow_the_spread(mode):
    chip = load_arch("rram_64")
    rng = np.random.default_rng(0)
    w, x = rng.standard_normal((200, 50)), rng.standard_normal((300, 200))
    errors = []
    for spread_uS in (0.03, 0.12):
        spec = core_crossbar(chip.core)
        spec = replace(spec, device=replace(spec.device, spread_uS=spread_uS, relative_spread=0.0))
        spec = spec.with_effects(replace(Effects.none(), programming=True))
        y = program_alone(spec, w, mode=mode, seed=1).matmul(x)
        errors.append(np.std(y - x @ w))
    # both polarities of a weight miss by spread / g_max of three standard deviations of the weights
    expected = 0.03 / 3 * 3 * w.std() * np.sqrt(2 * 200)
    assert errors[0] == pytest.approx(expected, rel=0.05)
    assert errors[1] == pytest.approx(4 * errors[0], rel=0.05)


@pytest.mark.parametrize(
    ("path", "value", "error", "message"),
    [
        ("count", {"value": 1, "unit": "count", "kind": "assumed", "source": "t"}, ArchConfigError, "at least 2"),
        ("spread", "-1 uS", ArchConfigError, "0 to"),
        ("drift.per_decade", 2, DeviceModelError, "drift_per_decade"),
        ("drift.reference_time", 0, DeviceModelError, "t0_s"),
    ],
)
def test_levels_that_cannot_be_are_refused(path, value, error, message):
    with pytest.raises(error, match=message):
        device_spec(load_arch("rram_64", {f"{LEVELS}{path}": value}).core.analog.device)
