"""The estimators keep scikit-learn's contract and survive a pipeline, a search and a pickle."""

import pickle

import numpy as np
import pytest
from sklearn.datasets import make_moons
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from hermes_sim.accuracy.estimators import AnalogKernelRidgeClassifier, AnalogKernelSampler

pytestmark = pytest.mark.filterwarnings("ignore")


@parametrize_with_checks(
    [AnalogKernelSampler(n_projections=32), AnalogKernelRidgeClassifier(n_projections=64, random_state=0)]
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def test_pipeline_and_pickle():
    x, y = make_moons(300, noise=0.1, random_state=0)
    sampler = AnalogKernelSampler(gamma=1.0, n_projections=128, random_state=0)
    model = make_pipeline(StandardScaler(), sampler, RidgeClassifier())
    assert cross_val_score(model, x, y, cv=3).mean() > 0.9
    model.fit(x, y)
    copy = pickle.loads(pickle.dumps(model))  # noqa: S301 - our own bytes
    np.testing.assert_array_equal(copy[:-1].transform(x), model[:-1].transform(x))


def test_classifier_and_exact_projection():
    x, y = make_moons(300, noise=0.1, random_state=0)
    scores = [
        AnalogKernelRidgeClassifier(gamma=1.0, arch=arch, random_state=0).fit(x[::2], y[::2]).score(x[1::2], y[1::2])
        for arch in (None, "hermes_64")
    ]
    assert scores[0] > 0.95
    assert scores[1] > scores[0] - 0.05
