"""Release times: regular, Poisson, recorded."""

from __future__ import annotations

import numpy as np
import pytest

from hermes_sim.errors import WorkloadError
from hermes_sim.program.arrivals import poisson_arrivals, read_arrivals, regular_arrivals


def test_regular_arrivals_are_exact():
    assert regular_arrivals(1e9, 4).tolist() == [0, 1000, 2000, 3000]
    assert regular_arrivals(3e9, 4).tolist() == [0, 333, 667, 1000]  # rounded, never drifting


def test_poisson_gaps_are_exponential():
    gaps_ps = np.diff(poisson_arrivals(1e6, 20_001, seed=3))
    mean = gaps_ps.mean() / 1e6
    assert abs(mean - 1) < 5 / np.sqrt(20_000)  # five standard errors
    assert abs(gaps_ps.std() / gaps_ps.mean() - 1) < 0.05
    assert (gaps_ps >= 0).all()


def test_poisson_is_reproducible_and_stretches_with_the_rate():
    slow, fast = poisson_arrivals(1e6, 100, seed=1), poisson_arrivals(2e6, 100, seed=1)
    np.testing.assert_array_equal(slow, poisson_arrivals(1e6, 100, seed=1))
    np.testing.assert_allclose(slow, 2 * fast, atol=2)
    assert (slow != poisson_arrivals(1e6, 100, seed=2)).any()


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf")])
def test_bad_rates_are_refused(rate):
    with pytest.raises(WorkloadError, match="rate_per_s"):
        poisson_arrivals(rate, 10, seed=0)


def test_arrivals_beyond_the_clock_are_refused():
    with pytest.raises(WorkloadError, match="64-bit clock"):
        regular_arrivals(1e-6, 10**6)


def test_recorded_arrivals(tmp_path):
    path = tmp_path / "arrivals.txt"
    path.write_text("release_ns\n0\n1.5\n\n2000\n")
    assert read_arrivals(path).tolist() == [0, 1500, 2_000_000]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"line 1\n  got +nothing"),
        ("release_us2\n1\n", r"line 1\n  got +release_us2\n.*\n  try +did you mean 'release_us'"),
        ("release_ns\n1\nx\n", r"line 3\n  got +x\n  allowed +a number of ns"),
        ("release_ns\n5\n4\n", r"line 3\n  got +4\n  allowed +times that do not decrease"),
        ("release_ns\n-5\n", r"line 2\n  got +-5"),
        ("release_ns\nnan\n", r"line 2\n  got +nan"),
        ("release_s\n1e30\n", r"line 2\n  got +1e30"),
    ],
)
def test_bad_recordings_are_refused(tmp_path, text, message):
    path = tmp_path / "arrivals.txt"
    path.write_text(text)
    with pytest.raises(WorkloadError, match=message):
        read_arrivals(path)


def test_missing_recording(tmp_path):
    with pytest.raises(WorkloadError, match="a text file that can be read"):
        read_arrivals(tmp_path / "none.txt")
