"""The device model against its own formulas, evaluated by hand."""

import numpy as np
import pytest

from hermes_sim.device.conductance import CellEffects, Pair, age, weights_to_targets
from hermes_sim.errors import DeviceModelError

OFF = CellEffects(programming=False, drift=False, read_noise=False, stuck_cells=False)


@pytest.fixture
def device(spec):
    return spec.device


def test_programming_error_follows_the_polynomial(device):
    # r = 0.5: 0.16603222 + 4.71806468/2 - 8.48101252/4 + 4.68961419/8
    expected = 0.16603222 + 2.35903234 - 2.12025313 + 0.58620177
    target = np.full(200_000, 0.5 * device.g_max_uS)
    programmed = device.program(target, np.random.default_rng(0))
    assert programmed.std() == pytest.approx(expected, rel=4 / np.sqrt(2 * len(target)))
    assert programmed.mean() == pytest.approx(target[0], abs=4 * expected / np.sqrt(len(target)))


def test_no_cell_conducts_negatively(device):
    assert device.program(np.zeros(10_000), np.random.default_rng(0)).min() == 0


def test_drift_exponent_at_full_conductance(device):
    nu = device.draw_drift(np.full(200_000, device.g_max_uS), np.random.default_rng(0))
    assert nu.mean() == pytest.approx(-0.0436 - 0.0126 + 0.0736, rel=0.02)


def test_drift_is_a_power_law(device):
    g = device.drift(np.array([10.0]), np.array([0.05]), t_s=9 * device.t0_s)
    assert g[0] == pytest.approx(10.0 * 10**-0.05)
    assert device.drift(np.array([10.0]), np.array([0.05]), t_s=0.0)[0] == 10.0


@pytest.mark.parametrize("t_s", [-1.0, np.nan, np.inf])
def test_times_before_programming_are_refused(device, t_s):
    with pytest.raises(DeviceModelError, match="time after programming"):
        device.drift(np.ones(1), np.ones(1), t_s=t_s)


@pytest.mark.parametrize("target", [-0.1, 20.8, np.nan])
def test_targets_outside_the_device_are_refused(device, target):
    with pytest.raises(DeviceModelError, match="target conductance"):
        device.program(np.array([target]), np.random.default_rng(0))


def test_weights_use_the_polarity_of_their_sign(device):
    pair = weights_to_targets(np.array([[0.5, -0.25, 2.0]]), weight_per_g_max=1.0, g_max_uS=20.0)
    np.testing.assert_allclose(pair.plus_uS, [[10.0, 0.0, 20.0]])
    np.testing.assert_allclose(pair.minus_uS, [[0.0, 5.0, 0.0]])
    with pytest.raises(DeviceModelError, match="weight scale"):
        weights_to_targets(np.ones((1, 1)), weight_per_g_max=0.0, g_max_uS=20.0)
    with pytest.raises(DeviceModelError, match="weights"):
        weights_to_targets(np.full((1, 1), np.nan), weight_per_g_max=1.0, g_max_uS=20.0)


def test_each_cell_effect_acts_alone(device):
    target = Pair(np.full((64, 64), 10.0), np.zeros((64, 64)))
    arguments = {"t_s": 3600.0, "stuck_frac": 0.1, "seed": 1, "core": 0}
    ideal = age(device, target, effects=OFF, **arguments)
    np.testing.assert_array_equal(ideal.plus_uS, target.plus_uS)
    stuck = age(device, target, effects=CellEffects(False, False, False, True), **arguments)
    assert (stuck.plus_uS == 0).mean() == pytest.approx(0.1, abs=0.02)
    drifted = age(device, target, effects=CellEffects(False, True, False, False), **arguments)
    assert (drifted.plus_uS < 10).all()
    noisy = age(device, target, effects=CellEffects(False, False, True, False), **arguments)
    assert noisy.plus_uS.mean() == pytest.approx(10, rel=0.01)
    assert noisy.plus_uS.std() > 0.2
    both = age(device, target, effects=CellEffects(False, True, False, True), **arguments)
    np.testing.assert_array_equal(both.plus_uS[stuck.plus_uS > 0], drifted.plus_uS[stuck.plus_uS > 0])
