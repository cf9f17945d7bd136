"""One core, value by value: where its numbers come from, and what its place on the chip decides."""

from dataclasses import replace

import numpy as np
import pytest

from hermes_sim._jit import njit
from hermes_sim.config.vocabulary import ReadMode
from hermes_sim.crossbar.block import Scratch, part
from hermes_sim.crossbar.core import Weights, program_core, weight_scale
from hermes_sim.crossbar.matrix import AnalogMatrix, Piece
from hermes_sim.crossbar.phases import SIGNS, phases_of
from hermes_sim.crossbar.spec import MAX_CUBIC_FRAC, Effects
from hermes_sim.device.conductance import CellEffects, age, weights_to_targets
from hermes_sim.numerics.programmed import program_alone
from hermes_sim.rng import child_key, column_keys, gauss, generator, hash_bits, vector_key

ONE, FOUR = ReadMode.ONE_PHASE, ReadMode.FOUR_PHASE
NOISE = replace(Effects.none(), adc_noise=True, input_quantisation=True)
HALF = np.uint64(32)


@njit
def _normals(key, vectors, columns, out):
    for v in range(vectors.size):
        row = vector_key(key, vectors[v])
        for c in range(columns.size):
            out[v, c] = gauss(hash_bits(np.uint32(row), np.uint32(row >> HALF), columns[c]))


def conversions(seed, core, phase, vectors, first_column, n_columns):
    """Standard normal numbers of the conversions of a phase, from their names alone."""
    out = np.empty((len(vectors), n_columns), np.float32)
    key = np.uint64(child_key(child_key(seed, "conversions", core), phase))
    _normals(key, np.asarray(vectors, np.uint64), column_keys(first_column, n_columns), out)
    return out


def on(spec, **changes):
    return spec.with_effects(replace(Effects.none(), **changes))


def programmed(spec, weights, mode=ONE, **place):
    place = {"seed": 7, "core": 3, "first_row": 0, "first_column": 0} | place
    block = Weights(np.asarray(weights, float), place.pop("first_row"), place.pop("first_column"))
    return program_core(spec, [block], scale=1.0, mode=mode, **place)[0]


def test_phases_pair_every_sign_of_the_input_with_every_sign_of_the_weight():
    # part of the input, part of the cells (0 positive, 1 negative), sign of the counts: the product of the two
    assert SIGNS[ONE] == ((0, 0, 1),)
    assert sorted(SIGNS[FOUR]) == [(0, 0, 1), (0, 1, -1), (1, 0, -1), (1, 1, 1)]


@pytest.mark.parametrize("mode", [ONE, FOUR])
def test_the_converter_of_a_column_belongs_to_its_place_on_the_core(spec, mode):
    spec = replace(on(spec, adc_gain=True, adc_offset=True), adc_gain_sd=0.1, adc_offset_sd_counts=3.0)
    rng = generator(7, "converters", 3)
    gains, offsets = rng.standard_normal(256), rng.standard_normal(256)
    block = programmed(spec, np.ones((4, 20)), mode, first_row=9, first_column=17)
    np.testing.assert_allclose(block.gain[0], spec.counts_per_cell / 127 * (1 + 0.1 * gains[17:37]), rtol=1e-12)
    np.testing.assert_allclose(block.offset[0], 3.0 * offsets[17:37], rtol=1e-12)
    other = programmed(spec, np.ones((4, 20)), mode, first_column=17, core=4)
    assert abs(np.corrcoef(other.gain[0], block.gain[0])[0, 1]) < 0.9
    assert (other.offset != block.offset).all()
    off = programmed(on(spec), np.ones((4, 20)), mode)
    np.testing.assert_array_equal(off.gain, spec.counts_per_cell / 127)
    np.testing.assert_array_equal(off.offset, 0.0)
    assert off.first_column == 0


@pytest.mark.parametrize("mode", [ONE, FOUR])
@pytest.mark.parametrize("first_column", [0, 31])
def test_conversion_noise_is_that_of_core_phase_vector_and_column(spec, mode, first_column):
    spec = replace(spec, adc_noise_counts=2.5, adc_four_phase_noise_counts=2.5, counts_per_cell=40.0).with_effects(
        NOISE
    )
    (block,) = program_core(spec, [Weights(np.zeros((6, 10)), 0, first_column)], mode=mode, seed=7, core=5)
    matrix = AnalogMatrix((6, 10), [Piece((0, 6), (0, 10), block)], np.zeros(10))
    y = matrix.matmul(np.ones((3, 6)), input_range=2.0, first_vector=100)
    expected = sum(
        sign * conversions(7, 5, phase, [100, 101, 102], first_column, 10)
        for phase, (_, _, sign) in enumerate(SIGNS[mode])
    )
    # weight per count: a weight scale of 1 (zeros have no largest) over 40 counts, times the input of a full pulse
    np.testing.assert_allclose(y, 2.5 * expected / 40 * 2.0, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("place", [{}, {"core": 1}, {"first_row": 8}, {"first_column": 8}, {"seed": 6}])
def test_cells_are_those_of_their_place(spec, place):
    weights = np.random.default_rng(0).uniform(-1, 1, (12, 10))
    spec = replace(spec.with_effects(Effects.device_only()), inference_s=5000.0, compensation_s=1000.0)
    core = programmed(spec, weights, **place)
    names = {"seed": 7, "core": 3, "first_row": 0, "first_column": 0} | place
    target = weights_to_targets(weights, weight_per_g_max=1.0, g_max_uS=spec.device.g_max_uS)
    key = child_key(names["seed"], "core", names["core"], names["first_row"], names["first_column"])
    found = {
        t_s: age(
            spec.device, target, t_s=t_s, effects=CellEffects(), stuck_frac=spec.stuck_frac, seed=key,
            core=names["core"],
        )
        for t_s in (5000.0, 1000.0)
    }  # fmt: skip
    np.testing.assert_array_equal(core.cells[:, 0], found[5000.0].difference_uS / spec.device.g_max_uS)
    # the scale is set where the chip was calibrated: least squares of what is read on what was wanted
    wanted, read = target.difference_uS, found[1000.0].difference_uS
    assert core.output_scale == pytest.approx((wanted**2).sum() / (wanted * read).sum(), rel=1e-12)
    assert core.output_scale > 1
    four = programmed(spec, weights, FOUR, **place)
    np.testing.assert_array_equal(four.cells[:, 0], found[5000.0].plus_uS / spec.device.g_max_uS)
    np.testing.assert_array_equal(four.cells[:, 1], found[5000.0].minus_uS / spec.device.g_max_uS)


@pytest.mark.parametrize("name", ["programming", "drift", "cell_read_noise", "stuck_cells"])
def test_every_effect_of_the_cells_has_its_switch(spec, name):
    weights = np.random.default_rng(1).uniform(-1, 1, (40, 30))
    target = weights_to_targets(weights, weight_per_g_max=1.0, g_max_uS=spec.device.g_max_uS)
    spec = replace(spec, stuck_frac=0.2)
    core = programmed(on(spec, **{name: True}), weights)
    effects = CellEffects(**{field: field == name.removeprefix("cell_") for field in CellEffects.__dataclass_fields__})
    key = child_key(7, "core", 3, 0, 0)
    found = age(spec.device, target, t_s=spec.inference_s, effects=effects, stuck_frac=0.2, seed=key, core=3)
    np.testing.assert_array_equal(core.cells[:, 0], found.difference_uS / spec.device.g_max_uS)
    assert (core.cells[:, 0] != target.difference_uS / spec.device.g_max_uS).any()


@pytest.mark.parametrize("changes", [{}, {"drift": True}, {"drift_compensation": True}])
def test_without_drift_and_compensation_there_is_no_scale(spec, changes):
    assert programmed(on(spec, **changes), [[1.0, -0.5]]).output_scale == 1.0


@pytest.mark.parametrize("weights", [np.zeros((3, 2)), np.ones((3, 2))])
def test_cells_that_answer_with_nothing_leave_the_scale_as_it_is(spec, weights):
    dead = replace(spec, stuck_frac=1.0, polarity_frac=0.0)
    core = programmed(dead, weights)
    assert core.output_scale == 1.0
    assert np.isfinite(program_alone(dead, weights).matmul(np.ones((5, 3)))).all()


@pytest.mark.parametrize(
    ("mode", "weights", "grid"),
    [
        # 2^24 / (127 * 2 parts of a step) = 66,052.03, less one rounding per part, over the largest column sum
        (ONE, [[1.0]], 2**16),
        (ONE, [[1.0], [1.0]], 2**15),
        (ONE, [[1.0], [-1.0]], 2**15),
        (ONE, [[0.0]], 2**25),  # no cell at all: a sum of a thousandth
        (FOUR, [[1.0], [-1.0]], 2**16),
        # a column of 2^24 / (127 * 2) / 2^8 = 258.01 full cells would still fit
        (ONE, np.ones((256, 1)), 2**8),
    ],
)
def test_cells_lie_on_the_finest_grid_with_exact_sums(spec, mode, weights, grid):
    spec = on(spec, input_quantisation=True, input_dead_time=True)
    assert spec.width_steps(mode) == 2
    core = programmed(spec, weights, mode)
    assert core.cells.dtype == np.float32
    assert np.abs(core.cells).max() == (grid if np.any(weights) else 0)
    np.testing.assert_allclose(core.gain, spec.counts_per_cell / 127 / (grid * 2), rtol=1e-6)
    assert core.gain.dtype == core.offset.dtype == core.dtype == np.float32


def test_without_quantised_inputs_cells_and_numbers_stay_as_they_are(spec):
    core = programmed(on(spec, input_dead_time=True), [[0.3], [-0.7]])
    np.testing.assert_array_equal(core.cells[:, 0, 0] * spec.device.g_max_uS, np.array([0.3, -0.7]) * 20.7)
    assert not core.exact
    assert core.gain.dtype == core.offset.dtype == core.dtype == np.float64
    np.testing.assert_array_equal(core.gain, spec.counts_per_cell / 127)


def test_weight_scale():
    weights = np.array([[3.0, -4.0], [1.0, 0.0]])
    assert weight_scale([weights], limit_sd=0.0) == 4.0
    assert weight_scale([weights], limit_sd=0.5) == pytest.approx(0.5 * weights.std())
    assert weight_scale([np.zeros((2, 2))], limit_sd=0.0) == 1.0
    assert weight_scale([np.full((2, 2), 5.0)], limit_sd=3.0) == 5.0  # no spread: the largest


def test_full_scale_of_one_cell_by_hand(spec):
    # one cell at g_max under a full pulse of 127 steps: 41 counts, then 41 x (weight / counts) x input
    core = on(replace(spec, counts_per_cell=41.0), input_quantisation=True, adc_quantisation=True)
    matrix = program_alone(core, [[8.0]], seed=1)
    np.testing.assert_allclose(matrix.matmul([[2.0], [1.0], [-2.0]], input_range=2.0)[:, 0], [16, 8 * 2 * 21 / 41, -16])
    halved = on(replace(spec, counts_per_cell=41.0, input_levels=63), input_quantisation=True)
    np.testing.assert_allclose(program_alone(halved, [[8.0]]).matmul([[2.0]], input_range=2.0), [[16.0]], rtol=1e-6)


def test_saturation_comes_before_compression_and_never_turns_back(spec):
    spec = replace(spec, counts_per_cell=100.0, adc_saturation_counts=250.0, adc_cubic_frac=0.2)
    x = np.array([[1.0], [-1.0]])
    four = np.full((5, 1), 1.0)  # 500 counts, clipped at 250
    inputs = np.repeat(x, 5, axis=1)
    clipped = program_alone(on(spec, adc_saturation=True), four).matmul(inputs, input_range=1.0)
    np.testing.assert_allclose(clipped[:, 0], [2.5, -2.5])
    both = program_alone(on(spec, adc_saturation=True, adc_nonlinearity=True), four).matmul(inputs, input_range=1.0)
    np.testing.assert_allclose(both[:, 0], [2.5 * 0.8, -2.5 * 0.8])
    one = program_alone(on(spec, adc_nonlinearity=True), [[1.0]]).matmul(x, input_range=1.0)
    np.testing.assert_allclose(one[:, 0], [1 - 0.2 * 0.4**2, -1 + 0.2 * 0.4**2])  # 100 counts are 0.4 of the limit
    steepest = on(replace(spec, adc_cubic_frac=MAX_CUBIC_FRAC), adc_saturation=True, adc_nonlinearity=True)
    rising = program_alone(steepest, four).matmul(np.linspace(0, 1, 50)[:, None] * np.ones(5), input_range=1.0)
    assert (np.diff(rising[:, 0]) >= 0).all()


def test_ldpu_scale_is_an_fp16_number_within_its_range(spec):
    fine = replace(spec, counts_per_cell=3.0)
    exact = on(fine, input_quantisation=True)
    rounded = on(fine, input_quantisation=True, ldpu_fp16=True)
    x = np.array([[1.0]])
    assert program_alone(exact, [[1.0]]).matmul(x)[0, 0] == pytest.approx(1.0, rel=1e-6)
    third = float(np.float16(1 / 3))
    assert program_alone(rounded, [[1.0]]).matmul(x)[0, 0] == np.float16(3 * third)
    huge = program_alone(rounded, [[3e6]]).matmul(x)  # a scale of 1e6 has no FP16 number: the largest there is
    assert huge[0, 0] == pytest.approx(3 * 65504, rel=1e-3)


def test_work_arrays(spec):
    scratch = Scratch(6, 5, 4, phases_of(spec, FOUR), np.float32)
    assert (scratch.widths.size, scratch.sums.size, scratch.counts.size) == (2 * 6 * 5, 4 * 6 * 4, 4)
    assert {a.dtype for a in (scratch.widths, scratch.sums, scratch.counts)} == {np.dtype(np.float32)}
    one = Scratch(6, 5, 4, phases_of(spec, ONE), np.float64)
    assert (one.widths.size, one.sums.size, one.counts.dtype) == (30, 24, np.float64)
    view = part(scratch.sums, 2, 3)
    assert view.shape == (2, 3)
    assert view.base is not None
    assert programmed(spec, [[1.0]]).exact


def test_one_place_of_one_chip_has_one_set_of_imperfections(spec):
    rng = np.random.default_rng(3)
    one, other = rng.standard_normal((64, 64)), rng.standard_normal((64, 64))
    x = rng.standard_normal((200, 64))

    def error(weights, seed=0):
        return (program_alone(spec, weights, seed=seed).matmul(x) - x @ weights).ravel()

    np.testing.assert_array_equal(error(one), error(one.copy()))
    assert np.corrcoef(error(one), error(other))[0, 1] > 0.3
    assert abs(np.corrcoef(error(one), error(other, seed=1))[0, 1]) < 0.03


def test_the_same_vectors_have_the_same_noise_until_their_number_moves(spec):
    matrix = program_alone(spec, np.random.default_rng(4).standard_normal((20, 10)))
    x = np.ones((3, 20))
    np.testing.assert_array_equal(matrix.matmul(x), matrix.matmul(x))
    assert (matrix.matmul(x, first_vector=3) != matrix.matmul(x)).mean() > 0.5


def test_a_few_dead_cells_are_not_taken_for_drift(spec):
    # what a dead pair answers is noise: a scale of one over it would make every output a hundred times too large
    dying = replace(spec, stuck_frac=0.5)
    scales = [
        program_core(dying, [Weights(np.ones((1, 1)))], mode=FOUR, seed=s, core=0)[0].output_scale for s in range(300)
    ]
    assert max(scales) < 10
    assert scales.count(1.0) > 100
    assert 1.0 < np.median([scale for scale in scales if scale != 1.0]) < 1.5
