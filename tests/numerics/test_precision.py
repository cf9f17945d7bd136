"""What a bit, a device and a mode are worth in accuracy, on the bundled digits."""

from __future__ import annotations

import numpy as np
import pytest

from hermes_sim.chip.load import load_arch
from hermes_sim.config.vocabulary import ReadMode
from hermes_sim.crossbar.spec import core_crossbar
from hermes_sim.numerics.chip_models import with_model
from hermes_sim.numerics.datasets import load_dataset
from hermes_sim.numerics.kernel_ridge import SeedRun
from hermes_sim.numerics.programmed import program_alone
from hermes_sim.numerics.settings import setup_for

A = "core.analog."


@pytest.fixture(scope="module")
def scores():
    dataset = load_dataset("digits")
    run = SeedRun(setup_for(dataset).experiment, dataset, 3)

    def of(mode=ReadMode.FOUR_PHASE, **changes):
        chip = load_arch(with_model("hermes_64", "fixed_counts"), {A + name: value for name, value in changes.items()})
        return run.on_chip(core_crossbar(chip.core), mode)

    return of


def test_two_bits_are_far_above_chance_and_longer_pulses_make_up_for_most(scores):
    two, four, eight = (scores(input_bits=bits) for bits in (2, 4, 8))
    assert 0.2 < two.accuracy < four.accuracy < eight.accuracy  # chance is 0.1
    assert eight.accuracy == pytest.approx(0.966, abs=0.01)
    kept = [scores(input_bits=bits, input_keeps="counts") for bits in (2, 4)]
    assert kept[0].accuracy > two.accuracy + 0.3
    assert kept[1].accuracy == pytest.approx(eight.accuracy, abs=0.015)
    assert eight.kernel_error < kept[1].kernel_error < four.kernel_error


def product_error(mode, **changes):
    """Of a full core of normal weights and inputs, relative to the exact product, mean of four draws."""
    spec = core_crossbar(
        load_arch(with_model("hermes_64", "fixed_counts"), {A + name: value for name, value in changes.items()}).core
    )
    found = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        w, x = rng.standard_normal((256, 256)), rng.standard_normal((64, 256))
        exact = x @ w
        y = program_alone(spec, w, mode=mode, seed=seed).matmul(x, input_range=4.0)
        found.append(np.linalg.norm(y - exact) / np.linalg.norm(exact))
    return float(np.mean(found))


ONE, FOUR = ReadMode.ONE_PHASE, ReadMode.FOUR_PHASE


def test_four_phases_are_the_more_accurate_mode_from_some_polarity_error_on():
    one = [product_error(ONE, polarity_error=error) for error in (0, 0.1, 0.2)]
    four = product_error(FOUR)
    assert sorted(one) == one
    assert four < one[1]  # as shipped
    assert product_error(FOUR, **{"adc.four_phase_noise": 1.65}) > one[0]  # neither is forced to win
    assert product_error(FOUR, polarity_error=0.2) == four  # every cell is driven with one sign


def test_directions_of_what_a_read_is_made_of():
    base = product_error(FOUR)
    assert product_error(FOUR, **{"device.devices": 1}) > 1.2 * base
    assert product_error(FOUR, **{"device.g_max": 10.35}) > 1.2 * base
    assert product_error(FOUR, read_voltage=0.1) > base
    assert product_error(FOUR, input_step=2, **{"adc.bits": 13}) < base
    assert product_error(FOUR, wire_resistance=3) > base > product_error(FOUR, wire_resistance=0)
    assert product_error(FOUR, adc={"type": "ideal"}) < base
    # full columns of gross currents in four phases go beyond the range of fast oscillators
    assert product_error(FOUR, **{"adc.saturation_current": 42.7}) > 1.5 * base
    assert product_error(ONE, **{"adc.saturation_current": 42.7}) < 1.1 * product_error(ONE)
