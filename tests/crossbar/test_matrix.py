"""Products on crossbars: exact when ideal, each effect on its own, the same for any cut and any threads."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes_sim.config.vocabulary import ReadMode
from hermes_sim.crossbar.matrix import TILE
from hermes_sim.crossbar.spec import Effects
from hermes_sim.device.spec import Warmth
from hermes_sim.errors import DeviceModelError
from hermes_sim.numerics.programmed import program_alone

MODES = list(ReadMode)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return rng.standard_normal((300, 400)), rng.standard_normal((2 * TILE + 100, 300))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(10, 18), (300, 400), (256, 256), (600, 3)])
def test_ideal_core_is_the_float64_product(spec, mode, shape):
    rng = np.random.default_rng(1)
    w, x, bias = rng.standard_normal(shape), rng.standard_normal((50, shape[0])), rng.standard_normal(shape[1])
    y = program_alone(spec.ideal(), w, mode=mode, bias=bias).matmul(x)
    assert y.dtype == np.float64
    np.testing.assert_allclose(y, x @ w + bias, rtol=1e-12, atol=1e-11)


@pytest.mark.parametrize("mode", MODES)
def test_result_does_not_depend_on_cut_or_threads(spec, data, mode):
    w, x = data
    spec = replace(spec, adc_gain_sd=0.02, adc_offset_sd_counts=0.5, adc_cubic_frac=0.01)
    matrix = program_alone(spec, w, mode=mode, seed=3)
    full = float(np.abs(x).max())
    whole = matrix.matmul(x, input_range=full)
    for n_threads in (2, 3, 8):
        np.testing.assert_array_equal(matrix.matmul(x, input_range=full, n_threads=n_threads), whole)
    for size in (7, TILE // 2 + 1, TILE, TILE + 1):
        parts = [matrix.matmul(x[i : i + size], input_range=full, first_vector=i) for i in range(0, len(x), size)]
        np.testing.assert_array_equal(np.vstack(parts), whole)
    again = program_alone(spec, w, mode=mode, seed=3).matmul(x, input_range=full)
    np.testing.assert_array_equal(again, whole)
    assert (program_alone(spec, w, mode=mode, seed=4).matmul(x, input_range=full) != whole).any()


@settings(max_examples=15, deadline=None)
@given(cut=st.integers(1, 40), threads=st.integers(1, 3), quantised=st.booleans())
def test_any_cut(spec, cut, threads, quantised):
    rng = np.random.default_rng(2)
    w, x = rng.standard_normal((20, 30)), rng.standard_normal((40, 20))
    effects = Effects() if quantised else Effects().without("input_quantisation")
    matrix = program_alone(spec.with_effects(effects), w, seed=1)
    whole = matrix.matmul(x, input_range=3.0, n_threads=threads)
    parts = [matrix.matmul(x[i : i + cut], input_range=3.0, first_vector=i) for i in range(0, 40, cut)]
    np.testing.assert_array_equal(np.vstack(parts), whole)


@pytest.mark.parametrize("mode", MODES)
def test_sums_are_exact_integers(spec, data, mode):
    # what makes the product independent of the order of its additions, so of the BLAS behind it
    w, _ = data
    matrix = program_alone(spec, 100 * np.abs(w), mode=mode, seed=0)
    for block in (piece.block for piece in matrix.pieces):
        assert block.cells.dtype == np.float32
        np.testing.assert_array_equal(block.cells, np.rint(block.cells))
        assert np.abs(block.cells).sum(axis=0).max() * spec.input_levels * spec.width_steps(mode) < 2**24


@pytest.mark.parametrize("name", [n for n in Effects.__dataclass_fields__ if n != "drift_compensation"])
def test_each_effect_acts_alone(spec, name):
    rng = np.random.default_rng(4)
    w, x = rng.standard_normal((64, 64)), rng.standard_normal((64, 64)) * 40
    spec = replace(spec, adc_gain_sd=0.05, adc_offset_sd_counts=2.0, adc_cubic_frac=0.3, adc_saturation_counts=200.0)
    spec = replace(spec, inference_warmth=Warmth(kelvin=40, coefficient_per_k=0.002, spread_per_k=0.001))
    spec = replace(spec, cell_slices=2, weight_bits=7, slice_bits=3, output_int8=True)
    only = spec.with_effects(replace(Effects.none(), **{name: True}))
    matrix, exact = program_alone(only, w, seed=5), x @ w
    matrix.output_scale_full = 3 * float(exact.std())
    y = matrix.matmul(x, input_range=60.0)
    error = np.std(y - exact) / np.std(exact)
    assert 1e-6 < error < 0.9, name


def test_drift_compensation_undoes_the_loss(spec):
    rng = np.random.default_rng(6)
    w, x = rng.standard_normal((200, 50)), rng.standard_normal((200, 200))
    spec = replace(spec, inference_s=1e6, compensation_s=1e6)
    slope = {}
    for on in (True, False):
        effects = replace(Effects.none(), drift=True, drift_compensation=on)
        y = program_alone(spec.with_effects(effects), w).matmul(x)
        slope[on] = float((y * (x @ w)).sum() / ((x @ w) ** 2).sum())
    assert slope[True] == pytest.approx(1, abs=0.01)
    assert slope[False] < 0.75
    late = program_alone(
        replace(spec, compensation_s=1e3).with_effects(replace(Effects.none(), drift=True, drift_compensation=True)), w
    ).matmul(x)
    assert slope[False] < float((late * (x @ w)).sum() / ((x @ w) ** 2).sum()) < 1


def test_counts_noise_and_ties_in_counts(spec):
    # one input at full range on one cell of a tenth of g_max: a tenth of counts_per_cell, then whole counts
    on = replace(Effects.none(), input_quantisation=True, adc_quantisation=True)
    core = replace(spec, counts_per_cell=40.0, weight_limit_sd=0.0).with_effects(on)
    w = np.array([[1.0, 0.1, 0.012]])
    y = program_alone(core, w).matmul(np.array([[1.0], [0.5]]), input_range=1.0)
    np.testing.assert_allclose(y, [[40 / 40, 4 / 40, 0], [20 / 40, 2 / 40, 0]], rtol=1e-6)
    noise = replace(core, adc_noise_counts=2.0).with_effects(replace(Effects.none(), adc_noise=True))
    y = program_alone(noise, w).matmul(np.zeros((20_000, 1)), input_range=1.0)
    assert y.std() * 40 == pytest.approx(2.0, rel=0.02)


def test_pulses_lose_the_rise_time(spec):
    on = replace(Effects.none(), input_quantisation=True, input_dead_time=True)
    core = replace(spec, input_dead_levels=1.25, weight_limit_sd=0.0).with_effects(on)
    assert core.width_steps(ReadMode.ONE_PHASE) == 4
    x = np.array([[1.0], [-0.5], [1 / 127], [0.0]])
    y = program_alone(core, np.ones((1, 1))).matmul(x, input_range=1.0)
    np.testing.assert_allclose(y[:, 0] * 127, [125.75, -62.75, 0, 0], atol=1e-3)


def test_inputs_beyond_the_range_are_clipped(spec):
    only = spec.with_effects(replace(Effects.none(), input_clipping=True))
    y = program_alone(replace(only, weight_limit_sd=0.0), np.ones((1, 1))).matmul([[3.0], [-9.0]], input_range=2.0)
    np.testing.assert_allclose(y[:, 0], [2.0, -2.0])


def test_bad_arguments_are_refused(spec):
    matrix = program_alone(spec, np.ones((3, 2)))
    with pytest.raises(DeviceModelError, match="inputs"):
        matrix.matmul(np.ones((4, 2)))
    with pytest.raises(DeviceModelError, match="inputs"):
        matrix.matmul(np.full((4, 3), np.nan))
    with pytest.raises(DeviceModelError, match="input_range"):
        matrix.matmul(np.ones((4, 3)), input_range=-1.0)
    with pytest.raises(DeviceModelError, match="input_range"):
        matrix.matmul(np.ones((4, 3)), input_range=np.ones(3))
    with pytest.raises(DeviceModelError, match="names"):
        matrix.matmul(np.ones((4, 3)), names=np.zeros(3, np.uint64))
    with pytest.raises(DeviceModelError, match="out"):
        matrix.matmul(np.ones((4, 3)), out=np.empty((4, 2)))
    for weights in (np.ones(3), np.ones((0, 3)), np.full((2, 2), np.inf)):
        with pytest.raises(DeviceModelError, match="weights"):
            program_alone(spec, weights)
    with pytest.raises(DeviceModelError, match="bias"):
        program_alone(spec, np.ones((3, 2)), bias=np.ones(3))
    with pytest.raises(DeviceModelError, match="counts_per_cell"):
        replace(spec, counts_per_cell=0.0)
    with pytest.raises(DeviceModelError, match="compensation_s"):
        replace(spec, compensation_s=1e9)


def chain(core, x, full, bias):
    """What a core does to vectors without noise, in plain NumPy and integers."""
    spec, signs = core.spec, np.sign(x)
    widths = np.minimum(np.rint(np.abs(x) * (spec.input_levels / full)), spec.input_levels)
    widths = signs * np.maximum(widths - spec.dead_levels, 0) * spec.width_steps(core.mode)
    if core.mode is ReadMode.ONE_PHASE:  # negative pulses see less, to the nearest eighth of a step
        widths = np.where(widths < 0, np.rint(widths * (1 - spec.polarity_frac)), widths)
    parts = [widths] if core.mode is ReadMode.ONE_PHASE else [np.maximum(widths, 0), np.maximum(-widths, 0)]
    counts = np.zeros((len(x), core.n_columns), np.float32)
    for i, pulses in enumerate(parts):
        for j in range(len(parts)):
            sums = (pulses.astype(np.int64) @ core.cells[:, j].astype(np.int64)).astype(np.float32)
            limit = np.float32(spec.adc_saturation_counts)
            y = np.clip(sums * core.gain[0] + core.offset[0], -limit, limit)
            counts += np.float32(1 if i == j else -1) * np.rint(y)
    scale = np.float16(core.weight_scale / spec.counts_per_cell * core.output_scale).astype(np.float32)
    return (counts * scale * np.float32(full) + bias.astype(np.float32)).astype(np.float16)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_chain_in_plain_numpy(spec, mode, dtype):
    # every step against an independent account of it; outputs are FP16 numbers
    rng = np.random.default_rng(11)
    w, x, bias = rng.standard_normal((90, 70)), rng.standard_normal((200, 90)).astype(dtype), rng.standard_normal(70)
    spec = replace(spec, adc_gain_sd=0.02, adc_offset_sd_counts=0.5).with_effects(Effects().without("adc_noise"))
    matrix = program_alone(spec, w, mode=mode, bias=bias, seed=2)
    y = matrix.matmul(x, input_range=2.5)
    np.testing.assert_array_equal(y, chain(matrix.pieces[0].block, x, dtype(2.5), bias).astype(np.float32))


def test_numbers_that_are_not_finite_are_found_anywhere(spec):
    matrix = program_alone(spec, np.ones((3, 2)))
    for dtype in (np.float32, np.float64):
        for bad in (np.nan, -np.nan, np.inf, -np.inf):
            x = np.ones((5, 6), dtype)
            x[4, 4] = bad
            with pytest.raises(DeviceModelError, match="inputs"):
                matrix.matmul(x[:, ::2], input_range=1.0)
        x = np.full((5, 6), -2, dtype)
        np.testing.assert_array_equal(matrix.matmul(x[:, ::2]), matrix.matmul(x[:, ::2], input_range=2.0))


def test_zeros_give_the_bias(spec):
    matrix = program_alone(spec.with_effects(Effects().without("adc_noise")), np.ones((3, 2)), bias=[1.0, -2.0])
    np.testing.assert_array_equal(matrix.matmul(np.zeros((2, 3))), [[1, -2], [1, -2]])
    assert matrix.matmul(np.zeros((0, 3))).shape == (0, 2)
