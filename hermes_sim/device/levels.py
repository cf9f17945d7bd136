"""Cells with a spread about their levels: RRAM, for example."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hermes_sim.device.spec import Stuck, check_positive, check_targets, check_time
from hermes_sim.errors import DeviceModelError

if TYPE_CHECKING:
    from hermes_sim.chip.device import Levels
    from hermes_sim.device.spec import F64


@dataclass(frozen=True)
class LevelSpec:
    """One polarity of a unit cell: devices in parallel with equal shares of it, a `CellModel`.

    Parameters
    ----------
    n_devices : devices per polarity
    g_max_uS : largest target; it is held on top of `lowest_uS`
    lowest_uS : what a cell with a target of zero conducts
    n_levels : evenly spaced conductances that a cell can take; None for any
    spread_uS, relative_spread : deviation after programming, constant and as a share of the conductance
    read_noise : relative deviation between reads
    stuck_high_frac : share of cells that always conduct as much as they can
    drift_per_decade, drift_spread : share of its conductance that a cell loses per decade of time
    t0_s : time from which the decades count
    """

    n_devices: int
    g_max_uS: float
    lowest_uS: float
    n_levels: int | None
    spread_uS: float
    relative_spread: float
    read_noise: float
    stuck_high_frac: float
    drift_per_decade: float
    drift_spread: float
    t0_s: float

    def __post_init__(self) -> None:
        check_positive({"g_max_uS": self.g_max_uS, "t0_s": self.t0_s})
        if not abs(self.drift_per_decade) <= 1:
            raise DeviceModelError(
                "device drift_per_decade (core.analog.device.levels.drift.per_decade)",
                got=self.drift_per_decade,
                allowed="-1 to 1, a share of the conductance",
            )

    @property
    def stuck(self) -> Stuck:
        """At the ends of the range."""
        return Stuck(self.lowest_uS, self.lowest_uS + self.g_max_uS, self.stuck_high_frac)

    def held(self, target_uS: F64) -> F64:
        """Conductance of a cell without an error: its target above the lowest one."""
        return self.lowest_uS + target_uS

    def program(self, target_uS: F64, rng: np.random.Generator) -> F64:
        """Conductance after programming: normal about the nearest level, never negative.

        Raises    DeviceModelError  if a target is negative, not finite, or above g_max
        """
        check_targets(target_uS, self.g_max_uS)
        level_uS = target_uS
        if self.n_levels is not None:
            step_uS = self.g_max_uS / (self.n_levels - 1)
            level_uS = np.rint(target_uS / step_uS) * step_uS
        held_uS = self.lowest_uS + level_uS
        sd_uS = self.spread_uS + self.relative_spread * held_uS
        return np.maximum(held_uS + sd_uS * rng.standard_normal(target_uS.shape), 0.0)

    def draw_drift(self, target_uS: F64, rng: np.random.Generator) -> F64:
        """Share of its conductance that each cell loses per decade."""
        return self.drift_per_decade + self.drift_spread * rng.standard_normal(target_uS.shape)

    def drift(self, programmed_uS: F64, rate: F64, *, t_s: float) -> F64:
        """Conductance `t_s` seconds after programming: g (1 - rate log10((t + t0) / t0)), never negative.

        Raises    DeviceModelError  if t_s is negative or not finite
        """
        check_time(t_s)
        return np.maximum(programmed_uS * (1 - rate * math.log10((t_s + self.t0_s) / self.t0_s)), 0.0)

    def read_noise_sd(self, programmed_uS: F64, drifted_uS: F64, *, t_s: float) -> F64:  # noqa: ARG002 - `CellModel`
        """Deviation of a conductance between reads: a share of it, at any age."""
        return self.read_noise * drifted_uS


def level_spec(levels: Levels, *, n_devices: int, g_max_uS: float) -> LevelSpec:
    """Plain numbers of devices in parallel: what they hold adds up, their errors do so independently.

    Raises    DeviceModelError  for values with which the model does not hold
    """
    drift, root = levels.drift, math.sqrt(n_devices)
    return LevelSpec(
        n_devices=n_devices,
        g_max_uS=g_max_uS,
        lowest_uS=n_devices * levels.lowest.u_s,
        n_levels=None if levels.count is None else n_devices * (levels.count.n - 1) + 1,
        spread_uS=root * levels.spread.u_s,
        relative_spread=levels.relative_spread.ratio / root,
        read_noise=levels.read_noise.ratio / root,
        stuck_high_frac=levels.stuck_high.ratio,
        drift_per_decade=0.0 if drift is None else drift.per_decade.ratio,
        drift_spread=0.0 if drift is None else drift.spread.ratio / root,
        t0_s=1.0 if drift is None else drift.reference_time.s,
    )
