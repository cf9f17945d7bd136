"""Throughput in steady state: free of filling and draining, never more than the hardware gives."""

from __future__ import annotations

import numpy as np
import pytest

from hermes_sim.api import simulate
from hermes_sim.metrics.timing import steady_throughput_per_s


def test_filling_and_draining_do_not_count():
    filling, steady, draining = [50, 80, 100], [110 + 10 * i for i in range(11)], [212, 213, 214]
    finish_ps = np.array([*filling, *steady, *draining]) * 10**9  # ms
    assert steady_throughput_per_s(finish_ps) == pytest.approx(100)


@pytest.mark.parametrize(("finish_ps", "per_s"), [([10**12], 1), ([10**12, 2 * 10**12], 1), ([10**12] * 3, 3)])
def test_few_completions(finish_ps, per_s):
    assert steady_throughput_per_s(np.array(finish_ps)) == pytest.approx(per_s)


@pytest.mark.parametrize("inferences", [1, 4, 20])
def test_a_shared_crossbar_gives_no_more_reads_than_it_has_time_for(inferences):
    """32,000 reads of 520 ns on one core: 60.1 sequences per second, however many are asked for."""
    result = simulate(
        "hermes_64", "performer_imdb_attention", mapping="packed", inferences=inferences, accuracy=False, baselines=()
    )
    assert result.document["throughput_inferences_per_s"] == pytest.approx(1 / (32_000 * 520e-9), rel=1e-3)
