"""Latency against offered load: requests arrive whether or not the chip keeps up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hermes_sim.errors import WorkloadError
from hermes_sim.program.arrivals import poisson_arrivals
from hermes_sim.program.dataflow import I64

RunArrivals = Callable[[I64], I64]


@dataclass(frozen=True)
class LoadPoint:
    """What requests see at one offered load.

    Parameters
    ----------
    offered_per_s, completed_per_s : requests per second that arrive, and that are answered
    p50_ns, p95_ns, p99_ns, mean_ns : from arrival to answer
    n_requests : requests that count (those of the warm-up do not)
    """

    offered_per_s: float
    completed_per_s: float
    p50_ns: float
    p95_ns: float
    p99_ns: float
    mean_ns: float
    n_requests: int


@dataclass(frozen=True)
class LoadCurve:
    """Latency and throughput over the offered load.

    Parameters
    ----------
    points : in order of offered load
    capacity_per_s : answers per second when all requests are there from the start
    unloaded_ns : ns     latency of a single request
    knee_per_s : load with the most throughput per mean latency, beyond which waiting costs more than it brings
        (Kleinrock's power, 1979)
    """

    points: tuple[LoadPoint, ...]
    capacity_per_s: float
    unloaded_ns: float
    knee_per_s: float

    def to_frame(self) -> pd.DataFrame:
        """One row per load."""
        return pd.DataFrame([vars(point) for point in self.points])


def measure_load(run: RunArrivals, arrivals_ps: I64, *, offered_per_s: float, warmup_frac: float = 0.1) -> LoadPoint:
    """Latency and throughput of one arrival pattern.

    Parameters
    ----------
    run : takes (n,) ps arrival times, returns (n,) ps completion times
    warmup_frac : share of the requests at the beginning that do not count

    Raises
    ------
    WorkloadError
        if there are fewer than two requests, or `run` does not answer each
    """
    if len(arrivals_ps) < 2:
        raise WorkloadError("open loop: requests", got=len(arrivals_ps), allowed="at least 2")
    finish_ps = run(arrivals_ps)
    if finish_ps.shape != arrivals_ps.shape:
        raise WorkloadError(
            "open loop", got=f"{finish_ps.shape} completions", allowed=f"one per request: {arrivals_ps.shape}"
        )
    first = min(int(len(arrivals_ps) * warmup_frac), max(len(arrivals_ps) - 2, 0))
    latency_ns = (finish_ps - arrivals_ps)[first:] / 1e3
    p50, p95, p99 = np.percentile(latency_ns, [50, 95, 99])
    return LoadPoint(
        offered_per_s=offered_per_s,
        completed_per_s=_rate_per_s(finish_ps[first:]),
        p50_ns=float(p50),
        p95_ns=float(p95),
        p99_ns=float(p99),
        mean_ns=float(latency_ns.mean()),
        n_requests=len(latency_ns),
    )


def load_curve(
    run: RunArrivals,
    *,
    n_requests: int,
    seed: int,
    load_fracs: Sequence[float] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0, 1.05),
    progress: Callable[[str, float], None] | None = None,
) -> LoadCurve:
    """Poisson arrivals from nearly idle to overload.

    Parameters
    ----------
    run : takes (n,) ps arrival times, returns (n,) ps completion times
    n_requests : per load; at least 20, a few thousand for a steady 99th percentile
    load_fracs : offered loads as shares of the capacity, which is measured first
    progress : called with a stage name and the fraction done

    Raises
    ------
    WorkloadError
        if there are too few requests
    """
    if n_requests < 20:
        raise WorkloadError("open loop: n_requests", got=n_requests, allowed="a whole number >= 20")
    capacity_per_s = _rate_per_s(run(np.zeros(n_requests, dtype=np.int64)))
    unloaded_ns = float(run(np.zeros(1, dtype=np.int64))[0]) / 1e3
    points = []
    for frac in sorted(load_fracs):
        arrivals_ps = poisson_arrivals(frac * capacity_per_s, n_requests, seed=seed)
        points.append(measure_load(run, arrivals_ps, offered_per_s=frac * capacity_per_s))
        if progress:
            progress("loads", len(points) / len(load_fracs))
    return LoadCurve(tuple(points), capacity_per_s, unloaded_ns, _knee(points))


def _knee(points: Sequence[LoadPoint]) -> float:
    """Load of the largest throughput per latency, from a parabola through the best point and its neighbours."""
    load = np.array([point.offered_per_s for point in points])
    power = np.array([point.completed_per_s / point.mean_ns for point in points])
    best = int(np.argmax(power))
    if best in (0, len(points) - 1):
        return float(load[best])
    curvature, slope, _ = np.polyfit(load[best - 1 : best + 2] - load[best], power[best - 1 : best + 2], 2)
    shift = -slope / (2 * curvature) if curvature < 0 else 0.0
    return float(np.clip(load[best] + shift, load[best - 1], load[best + 1]))


def _rate_per_s(finish_ps: I64) -> float:
    """Completions per second between the first and the last, ps to s."""
    span_ps = int(finish_ps[-1] - finish_ps[0])
    return (len(finish_ps) - 1) / span_ps * 1e12 if span_ps > 0 else float("inf")
