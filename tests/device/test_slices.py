"""Weight slices: targets that cells can hold, and factors that put the weight together again."""

import numpy as np
import pytest

from hermes_sim.device.conductance import slices
from hermes_sim.errors import DeviceModelError

RATIO = np.concatenate([np.random.default_rng(0).uniform(-1, 1, 997), [-1.0, 0.0, 1.0]]).reshape(100, 10)


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_slices_put_the_weight_together_again(n, bits):
    cut = slices(RATIO, n, bits)
    assert len(cut) == n
    np.testing.assert_allclose(sum(factor * target for target, factor in cut), RATIO, rtol=0, atol=4e-16)
    for target, _ in cut:
        assert target.shape == RATIO.shape
        assert np.abs(target).max() <= 1
    factors = [factor for _, factor in cut]
    assert factors == pytest.approx([(2 * (2**bits - 1)) ** -i for i in range(n)], rel=1e-15)


def test_all_but_the_last_slice_take_the_nearest_level():
    (coarse, one), (rest, factor) = slices(np.array([0.4, -0.4, 0.62]), 2, 2)  # thirds
    np.testing.assert_array_equal(coarse, np.array([1, -1, 2]) / 3)
    assert (one, factor) == (1.0, 1 / 6)
    np.testing.assert_allclose(rest, [0.4, -0.4, -0.28], atol=1e-15)  # 6 (0.4 - 1/3), ..., 6 (0.62 - 2/3)


def test_one_slice_is_the_weight_itself():
    ((target, factor),) = slices(RATIO, 1, 4)
    assert target is RATIO
    assert factor == 1


@pytest.mark.parametrize(
    ("ratio", "n", "bits", "message"),
    [(0.5, 0, 2, "weight slices"), (0.5, 2, 0, "bits of a"), (1.01, 2, 2, "beyond 1"), (np.nan, 2, 2, "beyond 1")],
)
def test_what_cannot_be_sliced_is_refused(ratio, n, bits, message):
    with pytest.raises(DeviceModelError, match=message):
        slices(np.array([ratio]), n, bits)
