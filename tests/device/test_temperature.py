"""Temperature of programming, calibration and inference."""

from dataclasses import replace

import numpy as np
import pytest

from hermes_sim.chip.load import load_arch
from hermes_sim.chip.read_cost import read_cost
from hermes_sim.crossbar.spec import Effects, core_crossbar
from hermes_sim.device.conductance import CellEffects, Pair, age
from hermes_sim.device.spec import Warmth
from hermes_sim.errors import ArchConfigError
from hermes_sim.numerics.programmed import program_alone

AT = "core.analog.temperature."
HOT = {f"{AT}inference": 350, f"{AT}coefficient": 0.002, f"{AT}coefficient_spread": 0.001}
KELVIN = {"unit": "K", "kind": "assumed", "source": "test"}
HELD = CellEffects(programming=False, drift=False, read_noise=False, stuck_cells=False)


def aged(spec, warmth, effects=HELD):
    target = Pair(np.full((200, 300), 10.0), np.zeros((200, 300)))
    return age(spec.device, target, t_s=1.0, effects=effects, stuck_frac=0.0, seed=1, core=0, warmth=warmth).plus_uS


def test_conductances_change_by_the_coefficient_of_each_cell(spec):
    got = aged(spec, Warmth(kelvin=50, coefficient_per_k=0.002, spread_per_k=0.001))
    assert got.mean() == pytest.approx(11, rel=1e-3)
    assert got.std() == pytest.approx(10 * 50 * 0.001, rel=0.02)
    # a cell keeps its coefficient: further from programming it goes on in the same direction
    twice = aged(spec, Warmth(kelvin=100, coefficient_per_k=0.002, spread_per_k=0.001))
    np.testing.assert_allclose(twice - 10, 2 * (got - 10), rtol=1e-9)
    np.testing.assert_array_equal(aged(spec, Warmth(50, 0.002, 0.001), replace(HELD, temperature=False)), 10.0)
    assert aged(spec, Warmth(500, -0.01, 0.0)).max() == 0.0


def test_temperature_changes_no_other_draw(spec):
    effects = CellEffects()
    cold = aged(spec, Warmth(), effects)
    hot = aged(spec, Warmth(kelvin=50, coefficient_per_k=0.002), effects)
    np.testing.assert_allclose(hot, 1.1 * cold, rtol=1e-12)


@pytest.mark.parametrize(("compensation", "gain"), [(None, 1.0), (350, 1.0), (300, 1.1), (250, 1.1 / 0.9)])
def test_a_scale_found_at_another_temperature_leaves_a_gain(compensation, gain):
    changes = HOT | {f"{AT}coefficient_spread": 0}
    if compensation:
        changes[f"{AT}compensation"] = {"value": compensation, **KELVIN}
    spec = core_crossbar(load_arch("hermes_64", changes).core)
    effects = replace(Effects.none(), drift=True, drift_compensation=True, temperature=True)
    rng = np.random.default_rng(0)
    w, x = rng.standard_normal((100, 50)), rng.standard_normal((200, 100))
    y, exact = program_alone(spec.with_effects(effects), w, seed=1).matmul(x), x @ w
    assert float((y * exact).sum() / (exact**2).sum()) == pytest.approx(gain, rel=0.01)


def test_currents_of_the_array_follow_the_mean_conductance():
    def array_pj(changes):
        cost = read_cost(load_arch("hermes_64", changes), 256, 256)
        return next(part for part in cost.energies if part.component == "crossbar array")

    cold, hot = array_pj({}), array_pj(HOT)
    assert hot.value == pytest.approx(1.1 * cold.value)
    assert f"{AT}inference" in hot.paths
    assert array_pj({f"{AT}compensation": {"value": 350, **KELVIN}}) == cold
    assert (
        load_arch("hermes_64", {f"{AT}inference": 900, f"{AT}coefficient": -0.1}).core.analog.temperature.mean_factor
        == 0
    )


def test_equal_temperatures_move_nothing():
    base = core_crossbar(load_arch("hermes_64").core)
    both = core_crossbar(load_arch("hermes_64", {f"{AT}programming": 320, f"{AT}inference": 320}).core)
    assert both == base


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("inference", 0, "from 1 to 1000 K"),
        ("inference", "25 V", "another dimension"),
        ("coefficient_spread", -0.1, "no negative spread"),
    ],
)
def test_temperatures_that_cannot_be_are_refused(path, value, words):
    with pytest.raises(ArchConfigError, match=words):
        load_arch("hermes_64", {f"{AT}{path}": value})
