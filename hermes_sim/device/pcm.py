"""Statistical PCM model of [NA19], fitted to the HERMES chip: programming error, drift, 1/f read noise."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from hermes_sim.errors import DeviceModelError

if TYPE_CHECKING:
    from hermes_sim.device.spec import F64, DeviceSpec


def program(spec: DeviceSpec, target_uS: F64, rng: np.random.Generator) -> F64:
    """Conductance after programming: normal about the target, never negative.

    Parameters
    ----------
    target_uS : any shape, uS     wanted conductance, 0 to g_max

    Returns
    -------
    same shape, uS

    Raises    DeviceModelError  if a target is negative, not finite, or above g_max
    Source    [NA19] as fitted to HERMES
    """
    _check_targets(spec, target_uS)
    ratio = target_uS / spec.g_max_uS
    sd_uS = np.maximum(np.polynomial.polynomial.polyval(ratio, spec.programming_sd_uS), 0.0)
    return np.maximum(target_uS + sd_uS * rng.standard_normal(target_uS.shape), 0.0)


def draw_drift_exponents(spec: DeviceSpec, target_uS: F64, rng: np.random.Generator) -> F64:
    """Drift exponent of each cell: |mean + sd * normal|, both curves of the target conductance."""
    ratio = target_uS / spec.g_max_uS
    return np.abs(spec.nu_mean(ratio) + spec.nu_sd(ratio) * rng.standard_normal(target_uS.shape))


def drift(spec: DeviceSpec, programmed_uS: F64, nu: F64, *, t_s: float) -> F64:
    """Conductance `t_s` seconds after the reference time: g ((t + t0) / t0)^-nu.

    Raises    DeviceModelError  if t_s is negative or not finite
    Source    [NA19], [LG23] Methods
    """
    _check_time(t_s)
    return programmed_uS * ((t_s + spec.t0_s) / spec.t0_s) ** (-nu)


def read_noise_sd(spec: DeviceSpec, programmed_uS: F64, drifted_uS: F64, *, t_s: float) -> F64:
    """Standard deviation of a cell's conductance between reads `t_s` seconds after programming, uS.

    1/f noise integrated from the read time to the cell's age: |g| q sqrt(ln((t + t0 + t_read) / (2 t_read))),
    with q at the conductance the cell was really programmed to.
    """
    _check_time(t_s)
    log_ages = math.log((t_s + spec.t0_s + spec.t_read_s) / (2 * spec.t_read_s))
    return np.abs(drifted_uS) * spec.read_noise(programmed_uS / spec.g_max_uS) * math.sqrt(log_ages)


def _check_targets(spec: DeviceSpec, target_uS: F64) -> None:
    if not np.isfinite(target_uS).all():
        raise DeviceModelError("target conductance", got="a value that is not finite", allowed="finite uS")
    low, high = float(target_uS.min(initial=0.0)), float(target_uS.max(initial=0.0))
    if low < 0 or high > spec.g_max_uS * (1 + 1e-9):
        raise DeviceModelError(
            "target conductance", got=f"{low:g} to {high:g} uS", allowed=f"0 to {spec.g_max_uS:g} uS"
        )


def _check_time(t_s: float) -> None:
    if not (math.isfinite(t_s) and t_s >= 0):
        raise DeviceModelError("time after programming", got=f"{t_s} s", allowed="a finite time >= 0 s")
