"""What leaves a core in a format of 8 bits."""

from dataclasses import replace

import numpy as np
import pytest

from hermes_sim.crossbar.spec import Effects
from hermes_sim.numerics.programmed import program_alone

ONLY = replace(Effects.none(), output_format=True)


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    return rng.standard_normal((300, 40)), rng.standard_normal((60, 300))


def outputs(spec, w, x, full, *, after):
    core = replace(spec, output_int8=True, output_after=after).with_effects(ONLY)
    matrix = program_alone(core, w)
    matrix.output_scale_full = full
    return matrix, matrix.matmul(x)


def whole(y, full):
    return np.clip(np.rint(y / (full / 127)), -127, 127) * (full / 127)


def test_before_the_sum_of_all_pieces_is_rounded_and_clipped(spec, case):
    w, x = case
    _, y = outputs(spec, w, x, 30.0, after=False)
    np.testing.assert_allclose(y, whole(x @ w, 30.0), atol=1e-9)
    assert np.abs(y).max() == pytest.approx(30.0)


def test_after_every_piece_is_rounded_and_the_sum_is_clipped(spec, case):
    w, x = case
    matrix, y = outputs(spec, w, x, 30.0, after=True)
    rows = sorted({piece.rows for piece in matrix.pieces})
    assert len(rows) == 2
    pieces = [whole(x[:, low:high] @ w[low:high], 30.0) for low, high in rows]
    np.testing.assert_allclose(y, np.clip(sum(pieces), -30.0, 30.0), atol=1e-9)
    _, before = outputs(spec, w, x, 30.0, after=False)
    errors = [np.linalg.norm(found - np.clip(x @ w, -30, 30)) for found in (before, y)]
    print(f"partial sums after the format err {errors[1] / errors[0]:.2f} times as much")
    assert errors[1] > 1.1 * errors[0]


@pytest.mark.parametrize("changes", [{"output_int8": False}, {"full": None}, {"off": True}])
def test_fp16_no_full_scale_or_no_effect_leave_outputs_as_they_are(spec, case, changes):
    w, x = case
    effects = Effects.none() if changes.get("off") else ONLY
    core = replace(spec, output_int8=changes.get("output_int8", True)).with_effects(effects)
    matrix = program_alone(core, w)
    matrix.output_scale_full = changes.get("full", 30.0)
    np.testing.assert_array_equal(matrix.matmul(x), program_alone(spec.ideal(), w).matmul(x))


@pytest.mark.parametrize("after", [False, True])
def test_result_does_not_depend_on_threads(spec, case, after):
    w, x = case
    x = np.vstack([x] * 20)
    core = replace(spec, output_int8=True, output_after=after)
    matrix = program_alone(core, w, seed=1)
    matrix.output_scale_full = 100.0
    y = matrix.matmul(x, input_range=3.0)
    np.testing.assert_array_equal(matrix.matmul(x, input_range=3.0, n_threads=2), y)
    finer = replace(core, output_int8=False)
    plain = program_alone(finer, w, seed=1).matmul(x, input_range=3.0)
    step = 100 / 127
    assert np.abs(y - plain).max() <= (1.01 if after else 0.51) * step + 0.02
