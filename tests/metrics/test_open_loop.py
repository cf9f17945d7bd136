"""Latency over offered load, against queueing theory."""

from __future__ import annotations

import re

import numpy as np
import pytest

from hermes_sim.engine.compiled import CompiledEngine
from hermes_sim.errors import WorkloadError
from hermes_sim.metrics.load_plot import load_curve_page
from hermes_sim.metrics.open_loop import load_curve, measure_load
from hermes_sim.program.arrivals import poisson_arrivals
from hermes_sim.program.dataflow import ProgramBuilder

SERVICE_PS = 100_000


def single_server(arrivals_ps):
    b = ProgramBuilder()
    n = len(arrivals_ps)
    actor = b.actor("server", b.resource("r"), firings=n, interval_ps=SERVICE_PS, latency_ps=SERVICE_PS)
    b.release(actor, arrivals_ps)
    return CompiledEngine().run(b.build(), watch=[actor]).finish_ps[actor]


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_mean_latency_is_that_of_an_m_d_1_queue(load):
    """Pollaczek-Khinchine for constant service: W = S (1 + load / (2 (1 - load)))."""
    rate = load * 1e12 / SERVICE_PS
    n = 200_000
    point = measure_load(single_server, poisson_arrivals(rate, n, seed=5), offered_per_s=rate)
    expected_ns = SERVICE_PS / 1e3 * (1 + load / (2 * (1 - load)))
    assert point.mean_ns == pytest.approx(expected_ns, rel=0.05)
    assert point.completed_per_s == pytest.approx(rate, rel=0.02)
    assert point.p50_ns <= point.p95_ns <= point.p99_ns


def test_the_curve_finds_capacity_and_knee():
    """Throughput over latency of an M/D/1 queue is largest at a load of 2 - sqrt(2) = 0.586."""
    curve = load_curve(single_server, n_requests=100_000, seed=2)
    assert curve.capacity_per_s == pytest.approx(1e12 / SERVICE_PS)
    assert curve.unloaded_ns == SERVICE_PS / 1e3
    assert curve.knee_per_s / curve.capacity_per_s == pytest.approx(2 - 2**0.5, abs=0.05)
    overload = curve.points[-1]
    assert overload.offered_per_s > curve.capacity_per_s
    assert overload.completed_per_s == pytest.approx(curve.capacity_per_s, rel=0.02)
    frame = curve.to_frame()
    assert len(frame) == 13
    assert (np.diff(frame["p95_ns"]) >= 0).all()
    page = load_curve_page(curve, title="a < b")
    assert "<h1>a &lt; b</h1>" in page
    assert re.findall(r'"mode":"lines\+markers","name":"(\w+)"', page) == ["p50", "p95", "p99"]


def test_too_few_requests_are_refused():
    with pytest.raises(WorkloadError, match="n_requests"):
        load_curve(single_server, n_requests=3, seed=0)


def test_a_run_must_answer_every_request():
    with pytest.raises(WorkloadError, match="one per request"):
        measure_load(lambda arrivals_ps: arrivals_ps[:-1], np.arange(5), offered_per_s=1.0)
