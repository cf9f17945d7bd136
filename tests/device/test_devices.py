"""Devices in use per polarity: statistics, reference time, range, counts and programming follow one number."""

from dataclasses import replace

import numpy as np
import pytest

from hermes_sim.chip.costs import programming_cost
from hermes_sim.chip.load import load_arch
from hermes_sim.crossbar.spec import core_crossbar
from hermes_sim.device.cells import device_spec, published_specs
from hermes_sim.errors import ArchConfigError, DeviceModelError

DEVICE = "core.analog.device."
ONE = {f"{DEVICE}devices": 1}


def device(changes=None):
    return load_arch("hermes_64", changes).core.analog.device


def test_one_device_has_its_own_statistics_and_half_of_the_range():
    two, one = device_spec(device()), device_spec(device(ONE))
    assert (two.n_devices, two.g_max_uS, two.curves_g_max_uS, two.t0_s) == (2, 20.7, 20.7, 300)
    assert (one.n_devices, one.g_max_uS, one.curves_g_max_uS, one.t0_s) == (1, 10.35, 10.35, 200)
    assert (one.reset_sd_uS, two.reset_sd_uS) == (0.15781817, 0.16603222)
    assert one.programming_sd_uS[1] == 2.32443916
    assert one.read_noise.polynomial[3] == 0.0664
    assert published_specs(device(ONE)) == published_specs(device()) == {1: one, 2: two}


def test_one_device_gives_half_the_counts_and_takes_half_the_programming():
    two, one = load_arch("hermes_64"), load_arch("hermes_64", ONE)
    counts = [core_crossbar(chip.core).counts_per_cell for chip in (two, one)]
    assert counts == [41, 20.5]
    costs = [programming_cost(chip, 256, 256) for chip in (two, one)]
    assert costs[1].interval_ps * 2 == costs[0].interval_ps
    pulses_pj = [sum(part.value for part in cost.energies if "pulses" in part.component) for cost in costs]
    assert pulses_pj[1] == pytest.approx(pulses_pj[0] / 2)
    assert all(f"{DEVICE}devices" in part.paths for cost in costs for part in cost.times)


def test_a_number_alone_changes_devices_and_range_on_the_command_line():
    assert device({f"{DEVICE}devices": 1, f"{DEVICE}g_max": 16}).range_uS == 8


def test_a_smaller_range_keeps_the_absolute_errors():
    target = np.full(200_000, 5.0)
    full, small = (device_spec(device({f"{DEVICE}g_max": g})) for g in (20.7, 10))
    assert small.g_max_uS == 10
    drawn = [spec.program(target, np.random.default_rng(1)) for spec in (full, small)]
    np.testing.assert_array_equal(*drawn)  # the same conductance, though half instead of a quarter of g_max
    with pytest.raises(DeviceModelError, match="0 to 10 uS"):
        small.program(np.array([10.1]), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"g_max": 25}, ("g_max", "25 uS with 2 of 2", "up to 20.7 uS", "statistics.two_devices")),
        ({"g_max": "30 uS", "devices": 1}, ("15 uS with 1 of 2", "up to 10.35 uS", "statistics.one_device")),
        ({"devices": 3}, ("device.devices", "at most 2", "cell_devices")),
        ({"devices": 3, "cell_devices": 4}, ("device.devices", "1 (statistics.one_device), 2 (statistics.two_dev")),
        ({"cell_devices": 1}, ("device.devices", "at most 1")),
        ({"statistics.one_device.devices": 2}, ("statistics.two_devices.devices", "another number", "one_device")),
        ({"model": "levels"}, ("device.levels", "nothing")),
        ({"model": "table"}, ("device.tables", "nothing")),
        ({"model": "flash"}, ("device.model", "'pcm', 'levels' or 'table'")),
        ({"statistics": None}, ("device.statistics", "nothing", "model: pcm")),
    ],
)
def test_cells_that_cannot_be_are_one_error(changes, words):
    with pytest.raises(ArchConfigError) as caught:
        device({f"{DEVICE}{path}": value for path, value in changes.items()})
    assert all(word in str(caught.value) for word in words), caught.value


def test_a_reset_cell_has_an_error_of_its_own():
    spec = replace(device_spec(device()), reset_sd_uS=3.0)
    target = np.array([0.0, 1e-9] * 50_000)
    programmed = spec.program(target, np.random.default_rng(2))
    reset, tuned = programmed[::2], programmed[1::2]
    # a normal of deviation sd, cut at zero, has the mean sd / sqrt(2 pi)
    assert reset.mean() == pytest.approx(3 / np.sqrt(2 * np.pi), rel=0.03)
    assert tuned.mean() == pytest.approx(0.16603222 / np.sqrt(2 * np.pi), rel=0.03)


def test_shipped_cells_are_drawn_as_the_published_formulas_say():
    spec = device_spec(device())
    target = np.random.default_rng(3).uniform(0, 20.7, (40, 30))
    target[::3] = 0.0
    ratio, normal = target / 20.7, np.random.default_rng(4).standard_normal(target.shape)
    c = (0.16603222, 4.71806468, -8.48101252, 4.68961419)
    sd = np.maximum(np.polynomial.polynomial.polyval(ratio, c), 0)
    np.testing.assert_array_equal(spec.program(target, np.random.default_rng(4)), np.maximum(target + sd * normal, 0.0))


def test_statistics_of_pcm_are_needed_to_compare_with_published_ones():
    with pytest.raises(DeviceModelError, match=r"device\.statistics"):
        published_specs(load_arch("rram_64").core.analog.device)
