"""Kernels, samplers and feature maps against closed forms and against each other."""

import numpy as np
import pytest

from hermes_sim.config.vocabulary import Kernel, Sampler
from hermes_sim.errors import WorkloadError, chosen
from hermes_sim.kernels.exact import kernel_error, kernel_matrix
from hermes_sim.kernels.features import SoftmaxMap, feature_map, n_features, projection_scale, softmax_features
from hermes_sim.kernels.performer import exact_attention, feature_attention
from hermes_sim.kernels.ridge import RidgeSums, predict_ridge
from hermes_sim.kernels.samplers import hadamard, projections


@pytest.fixture(scope="module")
def points():
    return np.random.default_rng(0).standard_normal((40, 8)) * 0.5


def test_exact_kernels_on_known_pairs():
    x, y = np.array([[1.0, 0.0]]), np.array([[0.0, 2.0], [3.0, 0.0], [-1.0, 0.0]])
    rbf = kernel_matrix(Kernel.RBF, x, y, gamma=0.5)
    np.testing.assert_allclose(rbf, np.exp([[-2.5, -2.0, -2.0]]))
    np.testing.assert_allclose(kernel_matrix(Kernel.ARCCOS0, x, y), [[0.5, 1.0, 0.0]], atol=1e-12)
    np.testing.assert_allclose(kernel_matrix(Kernel.ARCCOS1, x, y), [[2 / np.pi, 3.0, 0.0]], atol=1e-12)
    np.testing.assert_allclose(kernel_matrix(Kernel.ARCCOS2, x, y), [[2.0, 27.0, 0.0]], atol=1e-9)
    np.testing.assert_allclose(kernel_matrix(Kernel.SOFTMAX, x, y), np.exp([[0.0, 3.0, -1.0]]))


@pytest.mark.parametrize("sampler", [Sampler.RFF, Sampler.ORF, Sampler.SORF])
@pytest.mark.parametrize("kernel", [Kernel.RBF, Kernel.ARCCOS0, Kernel.ARCCOS1, Kernel.ARCCOS2])
def test_features_approach_the_kernel(points, kernel, sampler):
    rng = np.random.default_rng(1)
    errors = []
    for n in (64, 4096):
        w = projection_scale(kernel, 0.05) * projections(sampler, n, 8, rng)
        phases = 2 * np.pi * rng.standard_normal(n) if kernel is Kernel.RBF else 0.0
        z = feature_map(kernel, points @ w.T + phases)
        assert z.shape == (40, n_features(kernel, n))
        errors.append(kernel_error(kernel_matrix(kernel, points, points, gamma=0.05), z))
    # rows of SORF all have the same length: in few dimensions only close to normal, more so in higher powers
    floor = (0.2 if kernel is Kernel.ARCCOS2 else 0.04) if sampler is Sampler.SORF else 0.0
    assert errors[1] < 0.4 * errors[0] + floor


def test_step_of_zero_is_zero():
    assert (feature_map(Kernel.ARCCOS0, np.array([[0.0, 1.0]])) == [[0.0, 1.0]]).all()


@pytest.mark.parametrize("kind", [k for k in SoftmaxMap if k is not SoftmaxMap.RELU])
def test_softmax_features_approach_the_kernel(points, kind):
    points = points / 2  # their variance grows as exp(|x + y|^2)
    w = projections(Sampler.ORF, 8192, 8, np.random.default_rng(2))
    z = softmax_features(kind, points, points @ w.T)
    assert kernel_error(kernel_matrix(Kernel.SOFTMAX, points, points), z) < 0.05


def test_attention_from_features(points):
    points = points / 2
    value = np.random.default_rng(3).standard_normal((40, 3))
    exact = exact_attention(points, points, value)
    logits = points @ points.T
    weights = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(exact, weights @ value, rtol=1e-12)
    w = projections(Sampler.ORF, 8192, 8, np.random.default_rng(2))
    z = softmax_features(SoftmaxMap.POSITIVE_BOTH_SIGNS, points, points @ w.T)
    assert np.linalg.norm(feature_attention(z, z, value) - exact) < 0.05 * np.linalg.norm(exact)
    relu = softmax_features(SoftmaxMap.RELU, points, points @ w.T)
    assert np.isfinite(feature_attention(relu, relu, value)).all()


def test_projections_have_the_published_structure():
    rng = np.random.default_rng(4)
    rff = projections(Sampler.RFF, 500, 16, rng)
    assert np.abs(rff).max() <= 3
    assert rff.std() == pytest.approx(0.987, abs=0.02)
    orf = projections(Sampler.ORF, 48, 16, rng)
    unit = orf[:16] / np.linalg.norm(orf[:16], axis=1, keepdims=True)
    np.testing.assert_allclose(unit @ unit.T, np.eye(16), atol=1e-12)
    assert (np.linalg.norm(projections(Sampler.ORF, 4000, 16, rng), axis=1) ** 2).mean() == pytest.approx(16, rel=0.03)
    sorf = projections(Sampler.SORF, 40, 16, rng)
    np.testing.assert_allclose(np.linalg.norm(sorf, axis=1), 4.0)
    assert projections(Sampler.SORF, 30, 10, rng).shape == (30, 10)


def test_fast_hadamard_is_the_matrix_product():
    h = np.ones((1, 1))
    for _ in range(4):
        h = np.block([[h, h], [h, -h]])
    x = np.random.default_rng(5).standard_normal((16, 3))
    np.testing.assert_allclose(hadamard(x), h @ x / 4, atol=1e-12)


def test_ridge_is_the_closed_form_in_any_batches():
    rng = np.random.default_rng(6)
    z, t = rng.standard_normal((60, 5)), rng.standard_normal((60, 2))
    a = np.c_[np.ones(60), z]
    expected = np.linalg.solve(a.T @ a + 0.5 * np.eye(6), a.T @ t)
    sums = RidgeSums(5, 2)
    for rows in (slice(0, 13), slice(13, None)):
        sums.add(z[rows], t[rows])
    weights = sums.solve(0.5)
    np.testing.assert_allclose(weights, expected, rtol=1e-9)
    np.testing.assert_allclose(predict_ridge(weights, z), a @ expected, rtol=1e-9)
    with pytest.raises(Exception, match="ridge_alpha"):
        RidgeSums(3, 1).solve(0.0)


def test_unknown_names_are_refused():
    with pytest.raises(WorkloadError, match="did you mean 'sorf'"):
        chosen("sampler", "sorff", Sampler, error=WorkloadError)
    with pytest.raises(WorkloadError, match="projections"):
        projections(Sampler.RFF, 0, 3, np.random.default_rng(0))
    with pytest.raises(WorkloadError, match="kernel"):
        feature_map(Kernel.SOFTMAX, np.ones((1, 1)))


def test_published_orthogonal_projections_lean_against_the_axes_and_arc_cosines_see_it():
    def of(sampler):
        return projections(sampler, 8192, 8, np.random.default_rng(2))

    points = np.random.default_rng(0).standard_normal((40, 8))
    rows = np.arange(8192) % 8
    means = {s: of(s)[np.arange(8192), rows].mean() for s in (Sampler.ORF, Sampler.ORF_PUBLISHED)}
    assert abs(means[Sampler.ORF]) < 0.05
    assert means[Sampler.ORF_PUBLISHED] < -0.5
    for kernel, floor in ((Kernel.RBF, False), (Kernel.ARCCOS0, True)):
        scale = projection_scale(kernel, 0.05)
        phases = 2 * np.pi * np.random.default_rng(3).standard_normal(8192) if kernel is Kernel.RBF else 0.0
        exact = kernel_matrix(kernel, points, points, gamma=0.05)
        plain, published = (
            kernel_error(exact, feature_map(kernel, scale * points @ of(s).T + phases))
            for s in (Sampler.ORF, Sampler.ORF_PUBLISHED)
        )
        assert (published > 1.5 * plain) is floor
