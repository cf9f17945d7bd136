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


def test_progress_names_the_stage_and_the_fraction_done():
    told = []
    load_curve(one_server, n_requests=20, seed=1, load_fracs=(0.5, 0.25), progress=lambda *at: told.append(at))
    assert told == [("loads", 0.5), ("loads", 1.0)]


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
    """Loads go to 210, so 100 lies at 74 + 100 / 210 of 672 pixels; 12 % of two decades are left free of 314 pixels."""
    root = ET.fromstring(load_curve_svg(CURVE, title="a < b"))  # noqa: S314 - our own text
    space = "{http://www.w3.org/2000/svg}"
    assert root.get("viewBox") == "0 0 760 446"
    lines = [(line.get("stroke"), line.get("points")) for line in root.iter(f"{space}polyline")]
    x, low = 74 + 100 / 210 * 672, 30 + 314 * (1 - 0.06 / 1.12)
    curves = [points for stroke, points in lines if stroke in {"#0072B2", "#E69F00", "#D55E00"}]
    assert curves == [f"74,{y:.2f} {x:.0f},{y:.2f}".replace(".00", "") for y in (low, 187, 374 - low)]
    texts = {text.text: text for text in root.iter(f"{space}text")}
    assert {"a < b", "p50", "p95", "p99", "knee", "capacity", "10", "100", "1000", "latency, ns"} <= set(texts)
    assert float(texts["100"].get("y")) in (187 + 4, 344 + 15)  # the load axis has a 100, too
    marks = [line for line in root.iter(f"{space}polyline") if line.get("stroke-dasharray")]
    places = [float(mark.get("points").partition(",")[0]) for mark in marks]
    assert places == [74 + 105 / 210 * 672, 74 + 200 / 210 * 672]


def test_equal_latencies_still_have_an_axis():
    flat = LoadCurve((LoadPoint(1.0, 1, 10.0, 10.0, 10.0, 10.0, 9),), 1.0, 10.0, 1.0)
    text = load_curve_svg(flat)
    assert ">10<" in text
    assert text.endswith("</svg>\n")
