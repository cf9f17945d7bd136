"""Statistical PCM model of [NA19], fitted to the HERMES chip: programming error, drift, 1/f read noise."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

import numpy as np

from hermes_sim.device.spec import Stuck, check_positive, check_targets, check_time, power_law
from hermes_sim.errors import DeviceModelError

if TYPE_CHECKING:
    from hermes_sim.chip.device import Curve, Statistics
    from hermes_sim.device.spec import F64

# Below this relative conductance the logarithm is cut off; all curves are clipped constants there.
SMALLEST_RATIO = 1e-7


@dataclass(frozen=True)
class Piecewise:
    """A curve of the relative conductance r: clipped logarithm below `split`, polynomial above.

    ``clip(log_slope * ln r + log_offset, low, high)`` for r < split, else ``sum_k polynomial[k] r^k``.
    """

    split: float
    log_slope: float
    log_offset: float
    low: float
    high: float
    polynomial: tuple[float, ...]

    def __call__(self, ratio: F64) -> F64:
        """Value at relative conductances of any shape."""
        small = self.log_slope * np.log(np.maximum(ratio, SMALLEST_RATIO)) + self.log_offset
        return np.where(
            ratio < self.split,
            np.clip(small, self.low, self.high),
            np.polynomial.polynomial.polyval(ratio, self.polynomial),
        )


@dataclass(frozen=True)
class DeviceSpec:
    """One polarity of a unit cell: one or two PCM devices seen as one conductance, a `CellModel`.

    Parameters
    ----------
    n_devices : devices per polarity
    g_max_uS : largest conductance a weight may ask for
    curves_g_max_uS : conductance at which the relative conductance of the curves is 1
    t0_s : time between programming and the reference conductance
    t_read_s : time of one read, the short end of the 1/f band; at most `t0_s`
    programming_sd_uS : polynomial coefficients of the programming error, lowest power first
    reset_sd_uS : error of a cell with a target of zero
    nu_mean, nu_sd : drift exponent
    read_noise : relative 1/f noise amplitude
    """

    n_devices: int
    g_max_uS: float
    curves_g_max_uS: float
    t0_s: float
    t_read_s: float
    programming_sd_uS: tuple[float, ...]
    reset_sd_uS: float
    nu_mean: Piecewise
    nu_sd: Piecewise
    read_noise: Piecewise
    stuck = Stuck()  # a stuck cell stays RESET: no pulse makes it conduct (assumed; only the yield is public)

    def __post_init__(self) -> None:
        check_positive({name: getattr(self, name) for name in ("g_max_uS", "curves_g_max_uS", "t0_s", "t_read_s")})
        if self.t_read_s > self.t0_s:
            raise DeviceModelError("device t_read_s", got=self.t_read_s, allowed=f"up to t0_s, {self.t0_s:g} s")
        for name in ("programming_sd_uS", "nu_mean", "nu_sd", "read_noise"):
            if not np.isfinite(_numbers(getattr(self, name))).all():
                raise DeviceModelError(f"device {name}", got="NaN or infinity", allowed="finite numbers")

    def held(self, target_uS: F64) -> F64:
        """Conductance of a cell without an error: its target."""
        return target_uS

    def program(self, target_uS: F64, rng: np.random.Generator) -> F64:
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
        check_targets(target_uS, self.g_max_uS)
        ratio = target_uS / self.curves_g_max_uS
        sd_uS = np.maximum(np.polynomial.polynomial.polyval(ratio, self.programming_sd_uS), 0.0)
        sd_uS = np.where(target_uS == 0, self.reset_sd_uS, sd_uS)
        return np.maximum(target_uS + sd_uS * rng.standard_normal(target_uS.shape), 0.0)

    def draw_drift(self, target_uS: F64, rng: np.random.Generator) -> F64:
        """Drift exponent of each cell: |mean + sd * normal|, both curves of the target conductance."""
        ratio = target_uS / self.curves_g_max_uS
        return np.abs(self.nu_mean(ratio) + self.nu_sd(ratio) * rng.standard_normal(target_uS.shape))

    def drift(self, programmed_uS: F64, rate: F64, *, t_s: float) -> F64:
        """Conductance `t_s` seconds after the reference time, `rate` being the exponents.

        Raises    DeviceModelError  if t_s is negative or not finite
        """
        return power_law(programmed_uS, rate, t_s=t_s, t0_s=self.t0_s)

    def read_noise_sd(self, programmed_uS: F64, drifted_uS: F64, *, t_s: float) -> F64:
        """Standard deviation of a cell's conductance between reads `t_s` seconds after programming, uS.

        1/f noise integrated from the read time to the cell's age: |g| q sqrt(ln((t + t0 + t_read) / (2 t_read))),
        with q at the conductance the cell was really programmed to.
        """
        check_time(t_s)
        log_ages = math.log((t_s + self.t0_s + self.t_read_s) / (2 * self.t_read_s))
        return np.abs(drifted_uS) * self.read_noise(programmed_uS / self.curves_g_max_uS) * math.sqrt(log_ages)


def _numbers(curve: Piecewise | tuple[float, ...]) -> list[float]:
    if isinstance(curve, tuple):
        return list(curve)
    *others, polynomial = astuple(curve)
    return [*others, *polynomial]


def pcm_spec(statistics: Statistics, *, g_max_uS: float, t_read_s: float) -> DeviceSpec:
    """Plain numbers of published statistics, for cells that weights drive up to `g_max_uS`.

    Raises    DeviceModelError  for values with which the model does not hold
    """
    return DeviceSpec(
        n_devices=statistics.devices.n,
        g_max_uS=g_max_uS,
        curves_g_max_uS=statistics.g_max.u_s,
        t0_s=statistics.reference_time.s,
        t_read_s=t_read_s,
        programming_sd_uS=statistics.programming_error.coefficients,
        reset_sd_uS=statistics.reset_error.u_s,
        nu_mean=_piecewise(statistics.drift_mean),
        nu_sd=_piecewise(statistics.drift_sd),
        read_noise=_piecewise(statistics.read_noise),
    )


def _piecewise(curve: Curve) -> Piecewise:
    return Piecewise(
        split=curve.split,
        log_slope=curve.log_slope,
        log_offset=curve.log_offset,
        low=curve.low,
        high=curve.high,
        polynomial=curve.coefficients,
    )
