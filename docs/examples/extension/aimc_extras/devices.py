"""A model of cells: a function that takes the section `core.analog.device` and gives a `CellModel`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from hermes_sim.device.spec import Stuck, check_targets, check_time

if TYPE_CHECKING:
    from hermes_sim.chip.device import Device
    from hermes_sim.device.spec import F64


@dataclass(frozen=True)
class SteadyCells:
    """Cells that miss their target by one per cent of the range when they are written, and then stay as they are."""

    n_devices: int
    g_max_uS: float
    stuck: Stuck = field(default_factory=Stuck)

    def held(self, target_uS: F64) -> F64:
        """The target."""
        return target_uS

    def program(self, target_uS: F64, rng: np.random.Generator) -> F64:
        """The target with an error, never negative."""
        check_targets(target_uS, self.g_max_uS)
        return np.maximum(target_uS + 0.01 * self.g_max_uS * rng.standard_normal(target_uS.shape), 0.0)

    def draw_drift(self, target_uS: F64, rng: np.random.Generator) -> F64:
        """No drift."""
        return np.zeros_like(target_uS)

    def drift(self, programmed_uS: F64, rate: F64, *, t_s: float) -> F64:
        """What was written."""
        check_time(t_s)
        return programmed_uS

    def read_noise_sd(self, programmed_uS: F64, drifted_uS: F64, *, t_s: float) -> F64:
        """No noise."""
        return np.zeros_like(programmed_uS)


def steady_cells(device: Device) -> SteadyCells:
    """Cells over the range of the chip file."""
    return SteadyCells(n_devices=device.devices.n, g_max_uS=device.range_uS)
