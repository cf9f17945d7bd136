import numpy as np
import pytest
from scipy import stats

from hermes_sim._jit import njit
from hermes_sim.rng import child_key, gauss, generator, hash_bits


@njit
def _draw(key, n_vectors, n_columns, out):
    for v in range(n_vectors):
        for c in range(n_columns):
            out[v, c] = gauss(hash_bits(key, np.uint64(v), np.uint64(c)))


@pytest.fixture(scope="module")
def normals():
    out = np.empty((4000, 256), np.float32)
    _draw(np.uint64(child_key(0, "test")), *out.shape, out)
    return out


def test_normal_to_the_eye_of_a_million_numbers(normals):
    flat = normals.ravel().astype(float)
    assert abs(flat.mean()) < 4 / np.sqrt(flat.size)
    assert flat.std() == pytest.approx(1, abs=0.004)
    assert stats.kurtosis(flat) == pytest.approx(-0.03, abs=0.03)
    grid = np.linspace(-3.5, 3.5, 141)
    empirical = np.searchsorted(np.sort(flat), grid) / flat.size
    assert np.abs(empirical - stats.norm.cdf(grid)).max() < 0.004


def test_neighbours_are_independent(normals):
    for a, b in (
        (normals[1:], normals[:-1]),
        (normals[:, 1:], normals[:, :-1]),
        (normals[1:, 1:], normals[:-1, :-1]),
    ):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 5e-3
        assert abs(np.corrcoef(a.ravel() ** 2, b.ravel() ** 2)[0, 1]) < 5e-3


def test_streams_are_named():
    assert child_key(1, "a", 2) == child_key(1, "a", 2)
    assert len({child_key(1, "a", 2), child_key(1, "a", 3), child_key(2, "a", 2), child_key(1, "b", 2)}) == 4
    assert child_key(1, "ab") != child_key(1, "a", "b")
    a, b = (generator(3, "x").standard_normal(4) for _ in range(2))
    np.testing.assert_array_equal(a, b)
