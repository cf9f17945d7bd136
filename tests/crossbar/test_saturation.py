"""Limits of the converters, against currents followed in plain NumPy through all pulses of all columns."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from hermes_sim.chip.load import load_arch
from hermes_sim.config.vocabulary import ReadMode
from hermes_sim.crossbar.spec import Effects, core_crossbar
from hermes_sim.numerics.chip_models import with_model
from hermes_sim.numerics.programmed import program_alone

ONE, FOUR = ReadMode.ONE_PHASE, ReadMode.FOUR_PHASE
# Nothing but pulses and the limit, in whole numbers.
LIMITED = replace(Effects.none(), weight_clipping=True, input_quantisation=True, input_clipping=True)
SATURATING = replace(LIMITED, adc_saturation=True)


def integral(widths, cells, limit):
    """Charge of columns whose current is clipped at every instant: pulses start together, and end at their widths."""
    charge = np.zeros((len(widths), cells.shape[1]))
    for vector, row in enumerate(widths):
        ends = np.unique([0, *np.abs(row)])
        for begin, end in pairwise(ends):
            current = (np.sign(row) * (np.abs(row) > begin)) @ cells
            charge[vector] += np.clip(current, -limit, limit) * (end - begin)
    return charge


def charges(block, widths, *, limited):
    """What the four or the one conversion of a read add up to, exactly."""
    limit = np.rint(block.spec.current_limit_cells * block.grid) if limited else np.inf
    cells = block.cells.astype(float)
    if block.mode is ONE:
        return integral(widths, cells[:, 0], limit)
    parts = np.maximum(widths, 0), np.maximum(-widths, 0)
    pairs = ((0, 0, 1), (1, 1, 1), (0, 1, -1), (1, 0, -1))
    return sum(sign * integral(parts[i], cells[:, j], limit) for i, j, sign in pairs)


def relative(found, wanted):
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def relu(rng, n, rows):
    return np.maximum(rng.standard_normal((n, rows)), 0)


def signed(rng, n, rows):
    return rng.standard_normal((n, rows))


def outlier(rng, n, rows):
    x = np.abs(rng.standard_normal((n, rows)))
    x[:, 0] = 30.0
    return x


CASES = {
    "positive, four-phase, 42.7 uA": (relu, FOUR, "42.7 uA", (256, 256), 2.5),
    "positive, four-phase, 100 uA": (relu, FOUR, "100 uA", (256, 256), 2.5),
    "positive, one-phase, 42.7 uA": (relu, ONE, "42.7 uA", (256, 256), 2.5),
    "signed, one-phase, 42.7 uA": (signed, ONE, "42.7 uA", (256, 256), 2.5),
    "one outlier, four-phase, 42.7 uA": (outlier, FOUR, "42.7 uA", (256, 256), 30.0),
    "small block, four-phase, 10 uA": (relu, FOUR, "10 uA", (24, 20), 2.5),
}


@pytest.mark.parametrize("name", CASES)
def test_limit_of_the_current_against_the_currents_of_all_columns(name):
    inputs, mode, current, shape, full = CASES[name]
    chip = load_arch(
        with_model("hermes_64", "fixed_counts"),
        {"core.analog.adc.saturation_current": current, "core.analog.adc.bits": 14},
    )
    spec = core_crossbar(chip.core, effects=SATURATING)
    rng = np.random.default_rng(1)
    weights, x = rng.standard_normal(shape), inputs(rng, 40, shape[0])
    matrix, free = (program_alone(spec.with_effects(effects), weights, mode=mode) for effects in (SATURATING, LIMITED))
    block = matrix.pieces[0].block
    widths = np.rint(np.clip(x / full, -1, 1) * 127)
    exact, unlimited = (charges(block, widths, limited=limited) for limited in (True, False))
    found, without = (one.matmul(x, input_range=full) for one in (matrix, free))
    scale = block.weight_scale / block.grid / 127 * full
    effect, error = relative(exact, unlimited), relative(found, exact * scale)
    print(f"{name}: the limit moves outputs by {effect:.4f}, the simulation misses {error:.2e}")
    np.testing.assert_allclose(without, unlimited * scale, rtol=1e-5, atol=1e-4)
    # of what the limit does, next to nothing is missed, and nothing is added where it does nothing
    assert error <= max(0.02 * effect, 2e-6)
    untouched = exact == unlimited
    np.testing.assert_array_equal(found[untouched], without[untouched])
    assert effect > 0 or name.startswith("positive, one-phase")


def test_a_limit_that_nothing_reaches_changes_no_bit(spec):
    rng = np.random.default_rng(2)
    weights, x = rng.standard_normal((256, 64)), rng.standard_normal((200, 256))
    for mode in ReadMode:
        far = replace(spec, adc_saturation_counts=1e6, adc_count_limit=1e6)
        without = far.with_effects(Effects().without("adc_saturation"))
        one, other = (program_alone(each, weights, mode=mode, seed=1).matmul(x) for each in (far, without))
        np.testing.assert_array_equal(one, other)


def test_the_counter_ends_although_no_current_is_too_large(spec):
    # 20 full cells at half of the largest current: 820 counts, of which a counter of 9 bits holds 511
    core = replace(spec, counts_per_cell=41.0, adc_saturation_counts=41.0 * 40, adc_count_limit=511.0)
    core = replace(core, weight_limit_sd=0.0).with_effects(SATURATING)
    y = program_alone(core, np.ones((20, 1))).matmul(np.ones((1, 20)), input_range=1.0)
    assert y[0, 0] == pytest.approx(511 / 41, rel=1e-5)
    half = program_alone(core, np.ones((20, 1))).matmul(np.full((1, 20), 0.5), input_range=1.0)
    assert half[0, 0] == pytest.approx(20 * 64 / 127, rel=1e-5)


def test_short_pulses_saturate_an_oscillator_but_not_what_holds_the_charge(spec):
    # 20 full cells for a short time: too much current at once, little charge
    short = np.full((1, 20), 0.1)
    core = replace(spec, counts_per_cell=41.0, weight_limit_sd=0.0).with_effects(SATURATING)
    oscillator = replace(core, adc_saturation_counts=41.0 * 5, adc_count_limit=4095.0)
    held = replace(core, adc_saturation_counts=np.inf, adc_count_limit=41.0 * 5)
    weights, exact = np.ones((20, 1)), 20 * 13 / 127
    assert program_alone(oscillator, weights).matmul(short, input_range=1.0)[0, 0] == pytest.approx(exact / 4, rel=1e-4)
    assert program_alone(held, weights).matmul(short, input_range=1.0)[0, 0] == pytest.approx(exact, rel=1e-4)


SAR = {
    "core.analog.adc": {
        "type": "sar",
        **{name: {"value": value, "unit": "count", "kind": "assumed", "source": "test"} for name, value in {
            "noise": 0.5, "four_phase_noise": 0.5, "gain_spread": 0.0, "offset_spread": 0.0, "cubic_loss": 0.0,
            "columns": 8, "bits": 8, "full_scale": 10.0}.items()},
        "step_energy": {"value": 0.01, "unit": "pJ", "kind": "assumed", "source": "test"},
        "area": {"value": 0.0002, "unit": "mm**2", "kind": "assumed", "source": "test"},
        "bit_time": {"value": 1, "unit": "ns", "kind": "assumed", "source": "test"},
    }
}  # fmt: skip


def test_converters_that_hold_the_charge_and_exact_ones():
    rng = np.random.default_rng(3)
    weights, x = rng.standard_normal((64, 32)), rng.standard_normal((100, 64))
    sar = core_crossbar(load_arch(with_model("hermes_64", "fixed_counts"), SAR).core)
    assert (sar.adc_saturation_counts, sar.adc_count_limit) == (np.inf, 127)
    assert sar.counts_per_cell == pytest.approx(12.7)
    only = replace(Effects.none(), adc_quantisation=True, adc_saturation=True)
    y = program_alone(sar.with_effects(only), weights).matmul(x)
    step = program_alone(sar, weights).pieces[0].block.weight_scale / sar.counts_per_cell * np.abs(x).max()
    steps = y / step
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-6)
    assert np.abs(steps).max() <= 127 + 1e-6
    ideal = core_crossbar(
        load_arch(with_model("hermes_64", "fixed_counts"), {"core.analog.adc": {"type": "ideal"}}).core
    )
    converters = replace(
        Effects.none(), adc_gain=True, adc_offset=True, adc_noise=True, adc_nonlinearity=True, adc_saturation=True,
        adc_quantisation=True,
    )  # fmt: skip
    exact = program_alone(ideal.with_effects(converters), weights).matmul(x)
    np.testing.assert_allclose(exact, x @ weights, rtol=1e-10, atol=1e-9)


FITS = {
    # inputs, their mean pulse as the chip file states it, limit: the error falls to less than this part of it
    "evenly spread, 42.7 uA": (lambda rng: rng.uniform(0, 1, (200, 256)), 0.5, "42.7 uA", 0.4),
    "evenly spread, 100 uA": (lambda rng: rng.uniform(0, 1, (200, 256)), 0.5, "100 uA", 0.75),
    "after a ReLU, 42.7 uA": (lambda rng: relu(rng, 200, 256), 0.25, "42.7 uA", 0.7),
}


@pytest.mark.parametrize("name", FITS)
def test_weights_scaled_to_the_converters_keep_positive_inputs_within_them(name):
    draw, activity, current, part = FITS[name]
    rng = np.random.default_rng(4)
    weights, x = np.clip(rng.standard_normal((256, 256)), -3, 3), draw(rng)
    errors = {}
    for fits in (False, True):
        changes = {"fit_to_converter": fits, "adc.saturation_current": current, "activity.inputs": activity}
        spec = core_crossbar(
            load_arch(
                with_model("hermes_64", "fixed_counts"), {f"core.analog.{key}": each for key, each in changes.items()}
            ).core
        )
        errors[fits] = relative(program_alone(spec, weights, mode=FOUR, seed=1).matmul(x), x @ weights)
    print(f"{name}: relative error {errors[False]:.3f}, with weights scaled to the converters {errors[True]:.3f}")
    assert errors[True] < part * errors[False]


def test_scaling_to_the_converters_does_nothing_where_all_fits():
    weights, x = np.random.default_rng(5).standard_normal((2, 32, 32))
    found = [
        program_alone(
            core_crossbar(
                load_arch(with_model("hermes_64", "fixed_counts"), {"core.analog.fit_to_converter": fits}).core
            ),
            weights,
            seed=1,
        ).matmul(x)
        for fits in (False, True)
    ]
    np.testing.assert_array_equal(*found)
