"""Cells by a table of measured means and deviations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hermes_sim.device.spec import Stuck, check_positive, check_targets, check_time, power_law

if TYPE_CHECKING:
    from hermes_sim.chip.device import CellTable
    from hermes_sim.device.spec import F64


@dataclass(frozen=True)
class TableSpec:
    """One polarity of a unit cell, straight lines between measured targets, a `CellModel`.

    Parameters
    ----------
    n_devices : devices per polarity
    g_max_uS : largest target; at most the last of `target_uS`
    t0_s : time after programming at which means and deviations were measured
    target_uS : rising from 0
    mean_uS, sd_uS : conductance after programming, per target
    nu_mean, nu_sd : drift exponent, per target
    read_noise : relative deviation between reads, per target
    """

    n_devices: int
    g_max_uS: float
    t0_s: float
    target_uS: tuple[float, ...]
    mean_uS: tuple[float, ...]
    sd_uS: tuple[float, ...]
    nu_mean: tuple[float, ...]
    nu_sd: tuple[float, ...]
    read_noise: tuple[float, ...]
    stuck = Stuck()  # at zero

    def __post_init__(self) -> None:
        check_positive({"g_max_uS": self.g_max_uS, "t0_s": self.t0_s})

    def held(self, target_uS: F64) -> F64:
        """Conductance of a cell without an error: its target."""
        return target_uS

    def program(self, target_uS: F64, rng: np.random.Generator) -> F64:
        """Conductance after programming: normal about the measured mean, never negative.

        Raises    DeviceModelError  if a target is negative, not finite, or above g_max
        """
        check_targets(target_uS, self.g_max_uS)
        mean_uS, sd_uS = self._at(target_uS, self.mean_uS), self._at(target_uS, self.sd_uS)
        return np.maximum(mean_uS + sd_uS * rng.standard_normal(target_uS.shape), 0.0)

    def draw_drift(self, target_uS: F64, rng: np.random.Generator) -> F64:
        """Drift exponent of each cell: |mean + sd * normal| at its target."""
        nu_mean, nu_sd = self._at(target_uS, self.nu_mean), self._at(target_uS, self.nu_sd)
        return np.abs(nu_mean + nu_sd * rng.standard_normal(target_uS.shape))

    def drift(self, programmed_uS: F64, rate: F64, *, t_s: float) -> F64:
        """Conductance `t_s` seconds after the reference time, `rate` being the exponents.

        Raises    DeviceModelError  if t_s is negative or not finite
        """
        return power_law(programmed_uS, rate, t_s=t_s, t0_s=self.t0_s)

    def read_noise_sd(self, programmed_uS: F64, drifted_uS: F64, *, t_s: float) -> F64:
        """Deviation of a conductance between reads: a share of it, at any age."""
        check_time(t_s)
        return drifted_uS * self._at(programmed_uS, self.read_noise)

    def _at(self, target_uS: F64, values: tuple[float, ...]) -> F64:
        return np.interp(target_uS, self.target_uS, values)


def table_spec(table: CellTable, *, g_max_uS: float) -> TableSpec:
    """Plain numbers of a measured table; what it does not list is zero.

    Raises    DeviceModelError  for values with which the model does not hold
    """
    columns = table.columns
    none = (0.0,) * len(columns.target_uS)
    return TableSpec(
        n_devices=table.devices.n,
        g_max_uS=g_max_uS,
        t0_s=table.reference_time.s,
        target_uS=columns.target_uS,
        mean_uS=columns.mean_uS,
        sd_uS=columns.sd_uS,
        nu_mean=columns.nu_mean or none,
        nu_sd=columns.nu_sd or none,
        read_noise=columns.read_noise or none,
    )
