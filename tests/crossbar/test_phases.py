"""Signs, bits and slices as phases: exact without imperfections, and each with the errors of its own."""

from dataclasses import replace

import numpy as np
import pytest

from hermes_sim.chip.load import load_arch
from hermes_sim.config.vocabulary import ReadMode
from hermes_sim.crossbar.core import Weights, program_core
from hermes_sim.crossbar.phases import phases_of
from hermes_sim.crossbar.spec import Effects, core_crossbar
from hermes_sim.numerics.chip_models import with_model
from hermes_sim.numerics.programmed import program_alone

ONE, FOUR = ReadMode.ONE_PHASE, ReadMode.FOUR_PHASE


def slices(over, bits=4):
    record = {"unit": "count", "kind": "assumed", "source": "test"}
    found = {name: {"value": value, **record} for name, value in (("weight_bits", 8), ("bits", bits))}
    return {"core.analog.slices": found | {"over": over}}


CHIPS = {
    "pulses": {},
    "bits": {"core.analog.input_coding": "bit_serial"},
    "slices over cells": slices("cells", bits=3),
    "slices over columns": slices("columns"),
    "bits and slices": {"core.analog.input_coding": "bit_serial"} | slices("columns", bits=3),
}
ALL = pytest.mark.parametrize("name", CHIPS)
MODES = pytest.mark.parametrize("mode", list(ReadMode))


def core_of(name, effects=None, **changes):
    return core_crossbar(
        load_arch(with_model("hermes_64", "fixed_counts"), CHIPS[name] | changes).core, effects=effects
    )


@ALL
@MODES
def test_without_imperfections_any_read_is_the_float64_product(name, mode):
    rng = np.random.default_rng(0)
    w, x = rng.standard_normal((300, 200)), rng.standard_normal((20, 300))
    y = program_alone(core_of(name, Effects.none()), w, mode=mode, bias=np.arange(200.0)).matmul(x)
    np.testing.assert_allclose(y, x @ w + np.arange(200.0), rtol=1e-11, atol=1e-10)
    clipped = program_alone(core_of(name, Effects.none()), w, mode=mode).matmul(x, input_range=0.5)
    np.testing.assert_allclose(clipped, x @ w, rtol=1e-11, atol=1e-10)


@ALL
@MODES
def test_any_read_is_the_same_however_it_is_cut(name, mode):
    rng = np.random.default_rng(1)
    w, x = rng.standard_normal((70, 60)), rng.standard_normal((300, 70))
    matrix = program_alone(core_of(name), w, mode=mode, seed=3)
    whole = matrix.matmul(x, input_range=3.0)
    np.testing.assert_array_equal(matrix.matmul(x, input_range=3.0, n_threads=2), whole)
    cut = [matrix.matmul(x[i : i + 37], input_range=3.0, first_vector=i) for i in range(0, 300, 37)]
    np.testing.assert_array_equal(np.vstack(cut), whole)


def test_bits_of_an_input_are_those_of_its_magnitude():
    effects = replace(Effects.none(), input_quantisation=True, input_clipping=True)
    serial, pulses = core_of("bits", effects), core_of("pulses", effects)
    assert (serial.planes, serial.input_levels, serial.largest_input) == (7, 1, 127)
    assert phases_of(serial, ONE).factors.tolist() == [2.0**-k for k in range(7)]
    rng = np.random.default_rng(2)
    w, x = rng.standard_normal((40, 30)), rng.standard_normal((50, 40))
    same = [program_alone(spec, w).matmul(x, input_range=2.0) for spec in (serial, pulses)]
    np.testing.assert_allclose(*same, rtol=1e-3, atol=2e-3)  # the grid of the cells is another
    # an input of 5 of 127 steps: bits 4 and 1, the one quarter of the other
    counting = replace(effects, adc_quantisation=True)
    core = replace(core_of("bits", counting), counts_per_cell=2.0, weight_limit_sd=0.0)
    y = program_alone(core, [[1.0], [0.2]]).matmul([[5 / 127, 0], [0, 5 / 127]], input_range=1.0)
    np.testing.assert_allclose(y[:, 0], [5 / 127, 0], rtol=1e-6)  # 0.4 counts of a small cell are lost, bit by bit


def test_every_bit_has_noise_of_its_own():
    only = replace(Effects.none(), adc_noise=True)
    core = replace(core_of("bits", only), adc_noise_counts=2.0, counts_per_cell=40.0)
    y = program_alone(core, np.ones((4, 50))).matmul(np.zeros((2000, 4)), input_range=1.0)
    expected = 2.0 / 40 * np.sqrt(sum(4.0**k for k in range(7))) / 127
    assert y.std() == pytest.approx(expected, rel=0.02)


def test_slices_hold_weights_in_cells_of_their_own_and_have_factors():
    spec = core_of("slices over cells", Effects.none())
    assert (spec.cell_slices, spec.column_slices) == (3, 1)
    assert spec.slice_factors == pytest.approx((1, 1 / 14, 1 / 196))
    weights = np.random.default_rng(3).uniform(-1, 1, (30, 20))
    (block,) = program_core(spec, [Weights(weights)], mode=ONE, seed=1, core=0, scale=1.0)
    assert block.cells.shape == (30, 3, 20)
    np.testing.assert_allclose(np.einsum("s,ist->it", spec.slice_factors, block.cells), weights, atol=1e-12)
    np.testing.assert_allclose(block.cells[:, 0] * 7, np.rint(block.cells[:, 0] * 7), atol=1e-12)
    rounded = spec.with_effects(replace(Effects.none(), weight_quantisation=True))
    (whole,) = program_core(rounded, [Weights(weights)], mode=ONE, seed=1, core=0, scale=1.0)
    found = np.einsum("s,ist->it", spec.slice_factors, whole.cells)
    np.testing.assert_allclose(found, np.rint(weights * 127) / 127, atol=1e-12)
    # cells of the slices miss their targets independently
    real = spec.with_effects(replace(Effects.none(), programming=True))
    (block,) = program_core(real, [Weights(np.zeros((60, 50)))], mode=FOUR, seed=1, core=0, scale=1.0)
    assert abs(np.corrcoef(block.cells[:, 0].ravel(), block.cells[:, 2].ravel())[0, 1]) < 0.1


def test_slices_over_columns_have_their_converters():
    spec = replace(core_of("slices over columns"), adc_gain_sd=0.1)
    assert (spec.column_slices, spec.weight_columns) == (2, 128)
    block = Weights(np.ones((4, 20)), 0, 10)
    (whole,) = program_core(spec, [block], mode=ONE, seed=1, core=0)
    plain = replace(spec, column_slices=1, slice_bits=0, weight_bits=0)
    (columns,) = program_core(plain, [Weights(np.ones((4, 40)), 0, 20)], mode=ONE, seed=1, core=0)
    ratio = columns.gain[0].reshape(20, 2).T / columns.gain.mean()
    np.testing.assert_allclose(whole.gain / whole.gain.mean(), ratio, rtol=1e-5)
    # over cells both slices go through the converter of their column
    (cells,) = program_core(replace(spec, column_slices=1, cell_slices=2), [block], mode=ONE, seed=1, core=0)
    np.testing.assert_array_equal(cells.gain[0], cells.gain[1])
    part = whole.of_columns(5, 9)
    assert (part.first_column, part.n_columns) == (15, 4)


def test_slices_make_weights_more_accurate():
    rng = np.random.default_rng(4)
    w, x = rng.standard_normal((64, 64)), rng.standard_normal((200, 64))

    def error(name):
        spec = replace(core_of(name), polarity_frac=0.0, wire_ohm=0.0)
        spec = spec.with_effects(replace(Effects.device_only(), weight_clipping=False))
        return np.linalg.norm(program_alone(spec, w, seed=2).matmul(x) - x @ w) / np.linalg.norm(x @ w)

    # what the second slice's cells err counts a thirtieth; the first one's stay
    assert error("slices over columns") < 1.05 * error("pulses")


def relative(spec, mode, size, seeds=4):
    errors = []
    for seed in range(seeds):
        rng = np.random.default_rng(100 + seed)
        w, x = rng.standard_normal((size, size)), rng.standard_normal((200, size))
        y = program_alone(spec, w, mode=mode, seed=seed).matmul(x)
        errors.append(np.linalg.norm(y - x @ w) / np.linalg.norm(x @ w))
    return float(np.mean(errors))


@pytest.mark.parametrize("size", [64, 256])
def test_where_the_read_modes_cross(spec, size):
    fracs = [0.0, 0.02, 0.05, 0.1, 0.2]
    one = [relative(replace(spec, polarity_frac=frac), ONE, size) for frac in fracs]
    four = [relative(replace(spec, polarity_frac=frac), FOUR, size) for frac in fracs]
    crossing = np.interp(0, np.array(one) - np.array(four), fracs)
    table = ", ".join(f"{frac:g}: {a:.4f}" for frac, a in zip(fracs, one, strict=True))
    print(f"{size}: one-phase {table}; four-phase {four[0]:.4f}; they cross at {crossing:.3f}")
    assert len(set(four)) == 1
    assert (np.diff(one) > 0).all()
    assert one[fracs.index(spec.polarity_frac if spec.polarity_frac in fracs else 0.1)] > four[0]


def test_polarity_error_scales_negative_inputs_and_its_mean_is_compensated(spec):
    core = replace(spec, polarity_frac=0.2, weight_limit_sd=0.0)
    x = np.array([[1.0], [-1.0]])
    for extra, factor in (({}, 1.0), ({"drift_compensation": True}, 1 / 0.9)):
        for quantised in (False, True):
            only = replace(Effects.none(), polarity=True, input_quantisation=quantised, **extra)
            y = program_alone(core.with_effects(only), [[1.0]]).matmul(x, input_range=1.0)
            np.testing.assert_allclose(y[:, 0], [factor, -0.8 * factor], rtol=1e-3)
            four = program_alone(core.with_effects(only), [[1.0]], mode=FOUR).matmul(x, input_range=1.0)
            np.testing.assert_allclose(four[:, 0], [1.0, -1.0], rtol=1e-6)


def test_noise_and_counts_move_the_error_the_right_way():
    rng = np.random.default_rng(6)
    w, x = rng.standard_normal((64, 64)), rng.standard_normal((200, 64))

    def error(**changes):
        spec = core_crossbar(
            load_arch(with_model("hermes_64", "fixed_counts"), {f"core.analog.{k}": v for k, v in changes.items()}).core
        )
        spec = replace(spec, polarity_frac=0.0).with_effects(Effects().without("programming", "cell_read_noise"))
        return np.linalg.norm(program_alone(spec, w, seed=1).matmul(x) - x @ w) / np.linalg.norm(x @ w)

    base = error()
    # more charge for each cell, so more counts over the same noise
    assert error(read_voltage="0.3 V") < base < error(read_voltage="0.1 V")
    assert error(input_step="2 ns") < base < error(input_step="0.5 ns")
    assert error(input_bits=6) > base


def test_outputs_of_one_phase_without_polarity_error_are_as_ever(spec):
    # outputs of the crossbar before polarity, wires, bits and slices were there, bit for bit
    core = replace(spec, polarity_frac=0.0, wire_ohm=0.0)
    rng = np.random.default_rng(7)
    w, x = rng.standard_normal((5, 3)), rng.standard_normal((2, 5))
    y = program_alone(core, w, seed=9).matmul(x, input_range=2.5)
    np.testing.assert_array_equal(
        y, [[1.953125, 0.260498046875, 1.0419921875], [0.1302490234375, -1.5625, 1.302734375]]
    )
