import numpy as np
import pytest
from scipy import stats

from hermes_sim._jit import njit
from hermes_sim.rng import child_key, column_keys, gauss, generator, hash_bits, vector_key

HALF_KEY = np.uint64(32)


@njit
def _draw(key, vectors, columns, out):
    for v in range(vectors.size):
        row = vector_key(key, vectors[v])
        for c in range(columns.size):
            out[v, c] = gauss(hash_bits(np.uint32(row), np.uint32(row >> HALF_KEY), columns[c]))


@njit
def _quantiles(bits, out):
    for i in range(bits.size):
        out[i] = gauss(bits[i])


def draw(name, vectors, n_columns=256, first_column=0):
    out = np.empty((vectors.size, n_columns), np.float32)
    _draw(np.uint64(child_key(0, name)), vectors, column_keys(first_column, n_columns), out)
    return out


@pytest.fixture(scope="module")
def normals():
    return draw("test", np.arange(32_000, dtype=np.uint64))


def test_every_value_is_the_normal_quantile():
    # all 2^23 values that can occur: none far from the quantile, none out of order, moments of the normal distribution
    bits = np.arange(2**23, dtype=np.uint32) << np.uint32(9)
    values = np.empty(bits.size, np.float32)
    _quantiles(bits, values)
    exact = stats.norm.ppf((np.arange(bits.size) + 0.5) / bits.size)
    assert (np.abs(values - exact) <= 3e-4 * np.maximum(np.abs(exact), 0.3)).all()
    assert (np.diff(values) >= 0).all()
    assert values.max() == -values.min() == pytest.approx(5.294, abs=1e-3)
    wide = values.astype(float)
    assert abs(wide.mean()) < 1e-9
    assert wide.var() == pytest.approx(1, abs=1e-4)
    assert stats.kurtosis(wide) == pytest.approx(0, abs=1e-3)


def test_normal_to_the_tails_of_eight_million_numbers(normals):
    flat = normals.ravel().astype(float)
    n = flat.size
    assert abs(flat.mean()) < 4 / np.sqrt(n)
    assert flat.var() == pytest.approx(1, abs=4 * np.sqrt(2 / n) + 1e-4)
    assert stats.skew(flat) == pytest.approx(0, abs=4 * np.sqrt(6 / n))
    assert stats.kurtosis(flat) == pytest.approx(0, abs=4 * np.sqrt(24 / n) + 1e-3)
    assert stats.kstest(flat, "norm").pvalue > 1e-3
    for sigma in (2, 3, 4, 4.5, 5):
        for tail in (flat > sigma, flat < -sigma):
            expected = n * stats.norm.sf(sigma)
            assert abs(tail.sum() - expected) < 4 * np.sqrt(expected) + 1, sigma


def test_neighbours_are_independent(normals):
    n = normals.size
    for rows, columns in ((1, 0), (0, 1), (1, 1), (2, 0), (0, 2), (0, 16), (512, 0)):
        a = normals[rows:, columns:].ravel().astype(float)
        b = normals[: len(normals) - rows, : normals.shape[1] - columns].ravel().astype(float)
        assert abs(np.corrcoef(a, b)[0, 1]) < 4.5 / np.sqrt(n)
        assert abs(np.corrcoef(a**2, b**2)[0, 1]) < 4.5 / np.sqrt(n)
        # joint distribution: 8 x 8 cells of equal probability
        edges = stats.norm.ppf(np.arange(1, 8) / 8)
        cells = np.bincount(8 * np.searchsorted(edges, a) + np.searchsorted(edges, b), minlength=64)
        assert stats.chisquare(cells).pvalue > 1e-5


def test_sums_over_a_vector_and_over_a_column_are_normal(normals):
    for axis in (0, 1):
        sums = normals.sum(axis=axis, dtype=float) / np.sqrt(normals.shape[axis])
        assert stats.kstest(sums, "norm").pvalue > 1e-3


def test_keys_and_far_names_do_not_share_numbers():
    near = np.arange(2000, dtype=np.uint64)
    streams = [
        draw("a", near),
        draw("b", near),
        draw("a", near + np.uint64(2**40)),
        draw("a", near << np.uint64(32)),
        draw("a", near + np.uint64(10_000), first_column=256),
    ]
    for i, a in enumerate(streams):
        for b in streams[:i]:
            assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 4.5 / np.sqrt(a.size)
    np.testing.assert_array_equal(draw("a", near[:5], 6, first_column=3), draw("a", near[:5], 9)[:, 3:])


def test_streams_are_named():
    assert child_key(1, "a", 2) == child_key(1, "a", 2)
    assert len({child_key(1, "a", 2), child_key(1, "a", 3), child_key(2, "a", 2), child_key(1, "b", 2)}) == 4
    assert child_key(1, "ab") != child_key(1, "a", "b")
    a, b = (generator(3, "x").standard_normal(4) for _ in range(2))
    np.testing.assert_array_equal(a, b)
