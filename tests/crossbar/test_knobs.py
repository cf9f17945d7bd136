"""Every field of `core.analog` at the ends of what a chip file may say: a finite result or one clear error."""

import math

import numpy as np
import pytest

from hermes_sim.chip.load import load_arch
from hermes_sim.config.parameters import quantities
from hermes_sim.config.section import Section
from hermes_sim.config.vocabulary import ReadMode
from hermes_sim.crossbar.spec import core_crossbar
from hermes_sim.errors import ArchConfigError, DeviceModelError
from hermes_sim.numerics.chip_models import with_model
from hermes_sim.numerics.programmed import program_alone

ANALOG = load_arch(with_model("hermes_64", "fixed_counts")).core.analog
# Statistics of a number of devices that is not in use.
UNREAD = ("device.statistics.one_device",)
FIELDS = [q for q in quantities(ANALOG) if not q.path.removeprefix("core.analog.").startswith(UNREAD)]


def outputs(chip):
    """Outputs of a small matrix in both read modes, calibrated a while before the inference where that may be."""
    spec = core_crossbar(chip.core)
    rng = np.random.default_rng(0)
    w, x = rng.standard_normal((12, 9)), rng.standard_normal((30, 12))
    return [program_alone(spec, w, mode=mode, seed=1).matmul(x) for mode in ReadMode]


def result_or_error(changes):
    """Whether there is a result; anything but finite numbers or an error of the house fails."""
    try:
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            found = outputs(load_arch(with_model("hermes_64", "fixed_counts"), changes))
    except (ArchConfigError, DeviceModelError):
        return False
    assert all(np.isfinite(y).all() for y in found)
    return True


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.path)
def test_ends_of_a_field_give_a_result_or_an_error(field):
    dimension = field.dimension
    ends = {dimension.low, dimension.high, 0, 1, 1e-9 * max(1.0, field.value), field.value, 1e3 * field.value}
    results = [
        result_or_error(
            {field.path: {"value": float(end), "unit": dimension.unit, "kind": "assumed", "source": "test"}}
        )
        for end in sorted(ends)
        if dimension.low <= end <= dimension.high
    ]
    assert any(results)


CURVES = [
    f"core.analog.device.statistics.two_devices.{name}.{key}"
    for name, section in ANALOG.device.statistics["two_devices"]
    if isinstance(section, Section)
    for key, value in section
    if isinstance(value, (float, tuple))
]


@pytest.mark.parametrize("path", CURVES)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_curves_of_the_cells_are_finite_numbers(path, value):
    changes = {path: [value, 0.1] if path.endswith("coefficients") else value}
    assert not result_or_error(changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"read_voltage": "0 V"}, "read_voltage"),
        ({"device.g_max": "0 uS"}, "g_max_uS"),
        ({"device.statistics.two_devices.reference_time": "0 s"}, "t0_s"),
        ({"device.read_time": "1000 s"}, "up to t0_s"),
        ({"adc.cubic_loss": 0.5}, "from 0 to 0.333333"),
        ({"adc.noise": -1}, "core.analog.adc.noise"),
        ({"weight_limit": -3}, "core.analog.weight_limit"),
        ({"adc.counts_per_cell": 0}, "core.analog.adc.counts_per_cell"),
    ],
)
def test_what_no_core_can_be_is_refused_by_name(changes, message):
    with pytest.raises(DeviceModelError, match=message):
        core_crossbar(
            load_arch(
                with_model("hermes_64", "fixed_counts"),
                {f"core.analog.{path}": value for path, value in changes.items()},
            ).core
        )


@pytest.mark.parametrize("changes", [{"input_step": "0 ns"}, {"input_bits": 2}])
def test_pulses_are_never_shorter_than_twice_the_dead_time(changes):
    spec = core_crossbar(
        load_arch(
            with_model("hermes_64", "fixed_counts"), {f"core.analog.{path}": value for path, value in changes.items()}
        ).core
    )
    assert spec.input_dead_levels == pytest.approx(spec.input_levels / 2)
    assert spec.counts_per_cell == pytest.approx(41 * 3 / 127)


def test_a_core_of_stuck_cells_gives_noise():
    spec = core_crossbar(load_arch(with_model("hermes_64", "fixed_counts"), {"core.analog.stuck_cells": 1}).core)
    w = np.random.default_rng(0).standard_normal((50, 40))
    x = np.random.default_rng(1).standard_normal((400, 50))
    y = program_alone(spec, w).matmul(x)
    assert abs(np.corrcoef(y.ravel(), (x @ w).ravel())[0, 1]) < 0.05
    assert y.std() > 0
