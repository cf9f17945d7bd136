"""The estimators keep scikit-learn's contract and survive a pipeline, a search and a pickle."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import make_moons
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from hermes_sim.chip.analog import RangeScope
from hermes_sim.chip.load import load_arch
from hermes_sim.crossbar.spec import core_crossbar
from hermes_sim.numerics.estimators import AnalogKernelSampler, analog_kernel_ridge

pytestmark = pytest.mark.filterwarnings("ignore")


@parametrize_with_checks([AnalogKernelSampler(n_projections=32)])
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
        analog_kernel_ridge(gamma=1.0, arch=arch, random_state=0).fit(x[::2], y[::2]).score(x[1::2], y[1::2])
        for arch in (None, "hermes_64")
    ]
    assert scores[0] > 0.95
    assert scores[1] > scores[0] - 0.05


BAD = [
    ("gamma", -1), ("gamma", 0), ("gamma", float("nan")), ("gamma", "scale"), ("clip_inputs_std", 0),
    ("clip_inputs_std", float("nan")), ("n_projections", 2.5), ("n_projections", "auto"), ("n_projections", 0),
    ("kernel", "softmax"), ("sampler", "orff"), ("read_mode", "two_phase"), ("arch", 3), ("random_state", "x"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), BAD)
@pytest.mark.parametrize("arch", [None, "hermes_64"])
def test_a_bad_parameter_is_one_value_error_that_names_it(name, value, arch):
    x, y = make_moons(20, random_state=0)
    for make in (AnalogKernelSampler, analog_kernel_ridge):
        with pytest.raises(ValueError, match=f"The '{name}' parameter of AnalogKernelSampler must be"):
            make(**({"arch": arch} | {name: value})).fit(x, y)


@pytest.mark.parametrize("alpha", [-1, "x"])
def test_a_bad_penalty_is_refused(alpha):
    x, y = make_moons(20, random_state=0)
    with pytest.raises(ValueError, match="The 'alpha' parameter"):
        analog_kernel_ridge(alpha=alpha).fit(x, y)


def test_chips_that_cannot_be_had_are_value_errors(spec):
    x, _ = make_moons(20, random_state=0)
    with pytest.raises(ValueError, match="did you mean 'hermes_64'"):
        AnalogKernelSampler(arch="hermes64").fit(x)
    with pytest.raises(ValueError, match="read_mode=None takes the chip's"):
        AnalogKernelSampler(arch=spec).fit(x)
    assert AnalogKernelSampler(arch=spec, read_mode="one_phase").fit(x).read_mode_ == "one_phase"


def test_the_read_mode_is_the_chips(hermes):
    x, _ = make_moons(20, random_state=0)
    assert AnalogKernelSampler(n_projections=4).fit(x).read_mode_ == str(hermes.read_mode)
    assert AnalogKernelSampler(n_projections=4, arch=None).fit(x).read_mode_ is None


def test_ranges_are_those_of_the_chip():
    x = np.random.default_rng(0).standard_normal((40, 6))
    known = replace(core_crossbar(load_arch("hermes_64").core), range_per=RangeScope.MATRIX)
    searched = replace(known, range_per=RangeScope.VECTOR)
    options = {"n_projections": 16, "read_mode": "four_phase", "random_state": 0}
    one, each = (AnalogKernelSampler(arch=spec, **options).fit(x) for spec in (known, searched))
    assert one.input_range_ == pytest.approx(np.abs(x).max())
    assert each.input_range_ is None
    small = 0.01 * x  # of the full pulse of all rows; each row of its own fills it
    exact = AnalogKernelSampler(arch=None, **options | {"read_mode": None}).fit(x).transform(small)
    errors = [np.linalg.norm(sampler.transform(small) - exact) for sampler in (one, each)]
    assert errors[1] < 0.5 * errors[0]
