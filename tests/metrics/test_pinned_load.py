"""Load curves by hand: percentiles, rates, knee, and where the picture draws them."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from hermes_sim.errors import WorkloadError
from hermes_sim.metrics.load_plot import load_curve_svg
from hermes_sim.metrics.open_loop import LoadCurve, LoadPoint, load_curve, measure_load

US = 10**6  # ps


def test_percentiles_and_rate_of_hundred_and_one_requests_by_hand():
    """Latencies of 0, 1, ..., 100 us: percentile q is q us; nothing is left out."""
    arrivals_ps = np.arange(101) * 1000 * US
    point = measure_load(lambda at: at + np.arange(101) * US, arrivals_ps, offered_per_s=7.0, warmup_frac=0.0)
    assert (point.p50_ns, point.p95_ns, point.p99_ns) == pytest.approx((50e3, 95e3, 99e3))
    assert point.mean_ns == pytest.approx(50e3)
    assert point.n_requests == 101
    assert point.offered_per_s == 7.0
    assert point.completed_per_s == pytest.approx(100 / 100.1e-3)  # 100 gaps of 1001 us


def test_a_tenth_of_the_requests_is_warm_up():
    arrivals_ps = np.arange(40) * US
    latency_ps = np.where(np.arange(40) < 4, 500, 2) * US
    point = measure_load(lambda at: at + latency_ps, arrivals_ps, offered_per_s=1.0)
    assert (point.n_requests, point.mean_ns) == (36, 2e3)
    late = measure_load(lambda at: at + latency_ps, arrivals_ps, offered_per_s=1.0, warmup_frac=1.0)
    assert late.n_requests == 2  # two are left, or there would be no rate


@pytest.mark.parametrize(("n", "fits"), [(1, False), (2, True)])
def test_a_rate_takes_two_requests(n, fits):
    def measure():
        return measure_load(lambda at: at + US, np.arange(n) * US, offered_per_s=1.0)

    if fits:
        assert measure().completed_per_s == pytest.approx(1e6)
        return
    with pytest.raises(WorkloadError, match="at least 2"):
        measure()


def one_server(arrivals_ps):
    """One request after the other, 3 us each."""
    finish, now = [], 0
    for at in arrivals_ps.tolist():
        now = max(now, at) + 3 * US
        finish.append(now)
    return np.array(finish)


def test_loads_are_shares_of_the_capacity_in_order():
    curve = load_curve(one_server, n_requests=20, seed=1, load_fracs=(0.5, 0.25))
    assert curve.capacity_per_s == pytest.approx(1 / 3e-6)
    assert curve.unloaded_ns == 3e3
    assert [p.offered_per_s for p in curve.points] == pytest.approx([0.25 / 3e-6, 0.5 / 3e-6])
    assert [p.n_requests for p in curve.points] == [18, 18]
    assert list(curve.to_frame()["offered_per_s"]) == [p.offered_per_s for p in curve.points]
    again = load_curve(one_server, n_requests=20, seed=2, load_fracs=(0.5, 0.25))
    assert again.points != curve.points


def points_with(powers, loads=(1.0, 2.0, 3.0, 4.0, 5.0)):
    """Points whose throughput over mean latency is as given."""
    return tuple(LoadPoint(load, 10.0, 1, 2, 3, 10.0 / p, 9) for load, p in zip(loads, powers, strict=True))


@pytest.mark.parametrize(
    ("powers", "knee"),
    [
        ([2, 5, 6, 5, 2], 3.0),
        ([0.25, 3.25, 4.25, 3.25, 0.25], 3.0),
        ([1.0 - 1.25**2 / 8, 1 - 0.25**2 / 8, 1 - 0.75**2 / 8, 0.5, 0.25], 2.25),  # a parabola with its top at 2.25
        ([5, 4, 3, 2, 1], 1.0),
        ([1, 2, 3, 4, 5], 5.0),
        ([1, 2, 2, 1, 1], 2.5),
    ],
)
def test_the_knee_is_the_top_of_a_parabola_through_the_best_three(monkeypatch, powers, knee):
    points = points_with(powers)
    by_load = {point.offered_per_s: point for point in points}
    monkeypatch.setattr(
        "hermes_sim.metrics.open_loop.measure_load", lambda _run, _at, *, offered_per_s: by_load[offered_per_s]
    )
    rate = 1.0  # capacity: ends one second apart
    curve = load_curve(
        lambda at: np.arange(len(at)) * 10**12,
        n_requests=20,
        seed=0,
        load_fracs=[p.offered_per_s / rate for p in points],
    )
    assert curve.knee_per_s == pytest.approx(knee)


CURVE = LoadCurve(
    (LoadPoint(0.0, 1, 10.0, 100.0, 1000.0, 1, 9), LoadPoint(100.0, 1, 10.0, 100.0, 1000.0, 1, 9)),
    capacity_per_s=200.0,
    unloaded_ns=10.0,
    knee_per_s=105.0,
)


def test_the_picture_draws_every_percentile_over_load():
    """Loads go to 210, so 100 lies at 80 + 100 / 210 of 660 pixels; three decades lie on 340 pixels."""
    root = ET.fromstring(load_curve_svg(CURVE, title="words"))  # noqa: S314 - our own text
    space = "{http://www.w3.org/2000/svg}"
    assert root.get("viewBox") == "0 0 760 420"
    lines = [line.get("points") for line in root.iter(f"{space}polyline")]
    x = 80 + 100 / 210 * 660
    assert lines == [f"80.0,{y} {x:.1f},{y}" for y in ("370.0", "200.0", "30.0")]
    texts = {text.text: text for text in root.iter(f"{space}text")}
    assert {"words", "p50", "p95", "p99", "knee", "capacity", "10 ns", "100 ns", "1000 ns"} <= set(texts)
    assert "1e+04 ns" not in texts
    assert float(texts["10 ns"].get("y")) == 370 + 4
    ticks = [texts[name] for name in ("0", "52.5", "105", "158", "210")]
    assert [float(tick.get("x")) for tick in ticks] == [80, 245, 410, 575, 740]
    assert [tick.get("text-anchor") for tick in ticks] == ["middle"] * 4 + ["end"]
    marks = [line for line in root.iter(f"{space}line") if line.get("stroke-dasharray")]
    assert [float(mark.get("x1")) for mark in marks] == [410, pytest.approx(80 + 200 / 210 * 660, abs=0.06)]
    grid = [line for line in root.iter(f"{space}line") if not line.get("stroke-dasharray")]
    assert [(float(line.get("x1")), float(line.get("x2"))) for line in grid] == [(80, 740)] * 3


def test_equal_latencies_still_have_an_axis():
    flat = LoadCurve((LoadPoint(1.0, 1, 10.0, 10.0, 10.0, 10.0, 9),), 1.0, 10.0, 1.0)
    text = load_curve_svg(flat)
    assert ">10 ns<" in text
    assert ">100 ns<" in text
    assert text.endswith("</svg>\n")
