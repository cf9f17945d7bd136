"""Parameters of the device model as plain numbers; the chip file holds them with unit and source."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hermes_sim.errors import DeviceModelError

if TYPE_CHECKING:
    from hermes_sim.chip.analog import Curve, Device

F64 = NDArray[np.float64]

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
    """One polarity of a unit cell: one or two PCM devices seen as one conductance.

    Parameters
    ----------
    n_devices : devices per polarity
    g_max_uS : largest conductance a weight may ask for
    t0_s : time between programming and the reference conductance
    t_read_s : time of one read, the short end of the 1/f band; at most `t0_s`
    programming_sd_uS : polynomial coefficients of the programming error, lowest power first
    nu_mean, nu_sd : drift exponent
    read_noise : relative 1/f noise amplitude
    """

    n_devices: int
    g_max_uS: float
    t0_s: float
    t_read_s: float
    programming_sd_uS: tuple[float, ...]
    nu_mean: Piecewise
    nu_sd: Piecewise
    read_noise: Piecewise

    def __post_init__(self) -> None:
        for name in ("g_max_uS", "t0_s", "t_read_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise DeviceModelError(f"device {name}", got=value, allowed="a finite number above 0")
        if self.t_read_s > self.t0_s:
            raise DeviceModelError("device t_read_s", got=self.t_read_s, allowed=f"up to t0_s, {self.t0_s:g} s")
        for name in ("programming_sd_uS", "nu_mean", "nu_sd", "read_noise"):
            if not np.isfinite(_numbers(getattr(self, name))).all():
                raise DeviceModelError(f"device {name}", got="NaN or infinity", allowed="finite numbers")


def _numbers(curve: Piecewise | tuple[float, ...]) -> list[float]:
    if isinstance(curve, tuple):
        return list(curve)
    *others, polynomial = astuple(curve)
    return [*others, *polynomial]


def device_spec(device: Device) -> DeviceSpec:
    """Plain numbers from the chip file's section.

    Raises    DeviceModelError  for values with which the model does not hold
    """
    return DeviceSpec(
        n_devices=device.devices.n,
        g_max_uS=device.g_max.u_s,
        t0_s=device.reference_time.s,
        t_read_s=device.read_time.s,
        programming_sd_uS=device.programming_error.coefficients,
        nu_mean=_piecewise(device.drift_mean),
        nu_sd=_piecewise(device.drift_sd),
        read_noise=_piecewise(device.read_noise),
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
