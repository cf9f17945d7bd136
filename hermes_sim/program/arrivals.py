"""Release times of open-loop requests: regular, Poisson, or from a recorded trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hermes_sim.config.units import parse_unit
from hermes_sim.errors import WorkloadError, nearest
from hermes_sim.rng import generator

if TYPE_CHECKING:
    from pathlib import Path

    from hermes_sim.program.dataflow import I64

_PS_PER_S = 10**12
_PS_PER_UNIT = {unit: int(_PS_PER_S * parse_unit(unit)[0]) for unit in ("ps", "ns", "us", "ms", "s")}
_CLOCK_LIMIT_PS = 2**61


def regular_arrivals(rate_per_s: float, n_requests: int) -> I64:
    """(n_requests,) ps, one request every 1 / rate, rounded to whole picoseconds; the first at 0.

    Raises
    ------
    WorkloadError
        if the rate is not positive, or the last arrival is beyond the clock
    """
    _check_rate(rate_per_s, n_requests)
    return _whole_ps(np.arange(n_requests) * (_PS_PER_S / rate_per_s))


def poisson_arrivals(rate_per_s: float, n_requests: int, *, seed: int) -> I64:
    """(n_requests,) ps, requests of a Poisson process: independent, exponentially distributed gaps.

    The same seed gives the same pattern at every rate, stretched in time, so that curves over the load are smooth.

    Raises
    ------
    WorkloadError
        if the rate is not positive, or the last arrival is beyond the clock
    """
    _check_rate(rate_per_s, n_requests)
    gaps = generator(seed, "poisson arrivals").standard_exponential(n_requests)
    return _whole_ps(np.cumsum(gaps) * (_PS_PER_S / rate_per_s))


def read_arrivals(path: Path) -> I64:
    """(n,) ps, release times of a recorded trace.

    The first line of the text file is ``release_UNIT``, every other line is one time; UNIT is ps, ns, us, ms or s.
    Times are rounded to whole picoseconds.

    Raises
    ------
    WorkloadError
        naming the line: no header, an unknown unit, no number, a negative or a decreasing time
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise WorkloadError(str(path), got=error, allowed="a text file that can be read") from error
    header = lines[0] if lines else ""
    name, _, unit = header.rpartition("_")
    if name != "release" or unit not in _PS_PER_UNIT:
        allowed = [f"release_{u}" for u in _PS_PER_UNIT]
        raise WorkloadError(
            f"{path}: line 1", got=header or "nothing", allowed=", ".join(allowed), hint=nearest(header, allowed)
        )
    times_ps: list[int] = []
    for number, line in enumerate(lines[1:], start=2):
        if not line:
            continue
        time_ps = _parse_time(line, unit, f"{path}: line {number}")
        if times_ps and time_ps < times_ps[-1]:
            raise WorkloadError(f"{path}: line {number}", got=line, allowed="times that do not decrease")
        times_ps.append(time_ps)
    return np.array(times_ps, dtype=np.int64)


def _whole_ps(times_ps: npt.NDArray[np.floating[Any]]) -> I64:
    whole: I64 = np.rint(times_ps).astype(np.int64)
    return whole


def _parse_time(text: str, unit: str, where: str) -> int:
    try:
        time_ps = float(text) * _PS_PER_UNIT[unit]
    except ValueError:
        time_ps = -1.0
    if not 0 <= time_ps < _CLOCK_LIMIT_PS:
        raise WorkloadError(where, got=text, allowed=f"a number of {unit}, 0 to {_CLOCK_LIMIT_PS} ps")
    return int(text) if unit == "ps" and text.isdigit() else round(time_ps)


def _check_rate(rate_per_s: float, n_requests: int) -> None:
    if not (np.isfinite(rate_per_s) and rate_per_s > 0):
        raise WorkloadError("arrivals: rate_per_s", got=rate_per_s, allowed="a number > 0")
    if n_requests < 0:
        raise WorkloadError("arrivals: n_requests", got=n_requests, allowed="a whole number >= 0")
    # exponential gaps: 8 times the mean time of all is out of reach
    if n_requests / rate_per_s * _PS_PER_S * 8 >= _CLOCK_LIMIT_PS:
        raise WorkloadError(
            "arrivals",
            got=f"{n_requests} requests at {rate_per_s} per s",
            allowed="an end within the 64-bit clock of ps",
        )
