"""What every model of a cell answers; its numbers come from the chip file, with unit and source."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from hermes_sim.errors import DeviceModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class Stuck:
    """States of cells that cannot be programmed, and the share of those that always conduct."""

    low_uS: float = 0.0
    high_uS: float = 0.0
    high_frac: float = 0.0


class CellModel(Protocol):
    """One polarity of a unit cell: targets become conductances, which drift and are noisy when they are read.

    Arrays of any shape, uS; a cell keeps its place in all of them.
    """

    @property
    def n_devices(self) -> int:
        """Devices in use, seen as one conductance."""

    @property
    def g_max_uS(self) -> float:
        """Largest target, for which the largest weight stands."""

    @property
    def stuck(self) -> Stuck:
        """Where cells stay that no pulse moves."""

    def held(self, target_uS: F64) -> F64:
        """Conductance of a cell that takes its target without an error."""

    def program(self, target_uS: F64, rng: np.random.Generator) -> F64:
        """Conductance after programming.

        Raises    DeviceModelError  if a target is negative, not finite, or above g_max
        """

    def draw_drift(self, target_uS: F64, rng: np.random.Generator) -> F64:
        """How fast each cell drifts, in the model's own measure."""

    def drift(self, programmed_uS: F64, rate: F64, *, t_s: float) -> F64:
        """Conductance `t_s` seconds after programming.

        Raises    DeviceModelError  if t_s is negative or not finite
        """

    def read_noise_sd(self, programmed_uS: F64, drifted_uS: F64, *, t_s: float) -> F64:
        """Deviation of a conductance between reads `t_s` seconds after programming."""


@dataclass(frozen=True)
class Warmth:
    """How much warmer than at programming the cells are read, and what a kelvin does to them."""

    kelvin: float = 0.0
    coefficient_per_k: float = 0.0
    spread_per_k: float = 0.0

    def factor(self, normal: F64) -> F64:
        """Factor on the conductance of cells of any shape, from standard normal numbers of that shape."""
        return np.maximum(1 + (self.coefficient_per_k + self.spread_per_k * normal) * self.kelvin, 0.0)


AS_PROGRAMMED = Warmth()


def check_targets(target_uS: F64, g_max_uS: float) -> None:
    """Refuse targets that no cell can hold.

    Raises    DeviceModelError  if a target is negative, not finite, or above g_max
    """
    if not np.isfinite(target_uS).all():
        raise DeviceModelError("target conductance", got="a value that is not finite", allowed="finite uS")
    low, high = float(target_uS.min(initial=0.0)), float(target_uS.max(initial=0.0))
    if low < 0 or high > g_max_uS * (1 + 1e-9):
        raise DeviceModelError("target conductance", got=f"{low:g} to {high:g} uS", allowed=f"0 to {g_max_uS:g} uS")


def check_time(t_s: float) -> None:
    """Refuse times before programming.

    Raises    DeviceModelError  if t_s is negative or not finite
    """
    if not (math.isfinite(t_s) and t_s >= 0):
        raise DeviceModelError("time after programming", got=f"{t_s} s", allowed="a finite time >= 0 s")


def check_positive(values: Mapping[str, float]) -> None:
    """Refuse parameters that are not finite numbers above 0.

    Raises    DeviceModelError  naming the parameter
    """
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise DeviceModelError(f"device {name}", got=value, allowed="a finite number above 0")


def power_law(programmed_uS: F64, nu: F64, *, t_s: float, t0_s: float) -> F64:
    """Conductance `t_s` seconds after the reference time: g ((t + t0) / t0)^-nu.

    Raises    DeviceModelError  if t_s is negative or not finite
    Source    [NA19], [LG23] Methods
    """
    check_time(t_s)
    return programmed_uS * ((t_s + t0_s) / t0_s) ** (-nu)
