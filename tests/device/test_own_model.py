"""Cells of one's own in a core: whatever answers as a `CellModel` does."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from hermes_sim.crossbar.spec import Effects
from hermes_sim.device.spec import Stuck
from hermes_sim.numerics.programmed import program_alone


@dataclass(frozen=True)
class Halved:
    """Cells that take half of their target, lose a fifth of that, and are never noisy."""

    n_devices: int = 1
    g_max_uS: float = 10.0
    stuck = Stuck()

    def held(self, target_uS):
        return target_uS

    def program(self, target_uS, rng):
        return 0.5 * target_uS

    def draw_drift(self, target_uS, rng):
        return np.full_like(target_uS, 0.2)

    def drift(self, programmed_uS, rate, *, t_s):
        return programmed_uS * (1 - rate)

    def read_noise_sd(self, programmed_uS, drifted_uS, *, t_s):
        return np.zeros_like(drifted_uS)


@pytest.mark.parametrize(("effects", "gain"), [((), 1), (("programming",), 0.5), (("programming", "drift"), 0.4)])
def test_a_core_takes_any_model_of_cells(spec, effects, gain):
    on = replace(Effects.none(), **dict.fromkeys(effects, True))
    rng = np.random.default_rng(0)
    w, x = rng.uniform(-1, 1, (50, 20)), rng.standard_normal((30, 50))
    y = program_alone(replace(spec, device=Halved(), effects=on), w, seed=1).matmul(x)
    np.testing.assert_allclose(y, gain * (x @ w), atol=1e-9)
