"""Weights as differential conductance pairs, and what becomes of them: programmed, stuck, drifted, noisy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hermes_sim.device import pcm
from hermes_sim.errors import DeviceModelError
from hermes_sim.rng import generator

if TYPE_CHECKING:
    from hermes_sim.device.spec import F64, DeviceSpec


@dataclass(frozen=True)
class CellEffects:
    """Which imperfections of the cells are on."""

    programming: bool = True
    drift: bool = True
    read_noise: bool = True
    stuck_cells: bool = True


@dataclass(frozen=True)
class Pair:
    """Both polarities of a block of cells, uS, shape (rows, columns)."""

    plus_uS: F64
    minus_uS: F64

    @property
    def difference_uS(self) -> F64:
        """Signed conductance."""
        return self.plus_uS - self.minus_uS


def weights_to_targets(weights: F64, *, weight_per_g_max: float, g_max_uS: float) -> Pair:
    """Target conductances: a weight uses the polarity of its sign, the other one stays at zero [LG23].

    Weights beyond `weight_per_g_max` are clipped: no cell can hold more than g_max.

    Raises    DeviceModelError  if the scale is not positive or a weight is not finite
    """
    if not weight_per_g_max > 0:
        raise DeviceModelError("weight scale", got=weight_per_g_max, allowed="> 0")
    if not np.isfinite(weights).all():
        raise DeviceModelError("weights", got="a value that is not finite", allowed="finite weights")
    ratio = np.clip(weights / weight_per_g_max, -1.0, 1.0)
    return Pair(np.maximum(ratio, 0.0) * g_max_uS, np.maximum(-ratio, 0.0) * g_max_uS)


def slices(ratio: F64, n: int, bits: int) -> list[tuple[F64, float]]:
    """Cut relative weights into slices for cells, or columns, of their own, the coarsest first.

    All but the last take the nearest of 2^bits - 1 levels per sign; the last holds what they leave, unrounded, and
    spread over its full range. So ``ratio = sum(factor * target)`` to rounding.

    Parameters
    ----------
    ratio : any shape, -1 to 1    weights over the weight that a cell at g_max stands for
    n : slices per weight
    bits : of a slice

    Returns
    -------
    (target, factor) per slice: relative weights, -1 to 1, of the same shape, and what 1 of them counts in the sum

    Raises    DeviceModelError  for less than one slice or bit, or ratios beyond 1
    """
    for name, value in (("weight slices", n), ("bits of a weight slice", bits)):
        if value < 1:
            raise DeviceModelError(name, got=value, allowed="a whole number from 1")
    if not (np.abs(ratio) <= 1).all():
        raise DeviceModelError("weights to slice", got="a value beyond 1, or NaN", allowed="-1 to 1")
    levels = 2**bits - 1
    cut: list[tuple[F64, float]] = []
    rest, factor = ratio, 1.0
    for _ in range(n - 1):
        target = np.rint(rest * levels) / levels
        cut.append((target, factor))
        # half a level is left at most, either way
        rest = np.clip((rest - target) * (2 * levels), -1.0, 1.0)
        factor /= 2 * levels
    return [*cut, (rest, factor)]


def age(
    spec: DeviceSpec,
    target: Pair,
    *,
    t_s: float,
    effects: CellEffects,
    stuck_frac: float,
    seed: int,
    core: int,
) -> Pair:
    """Conductances of a programmed block as an inference at `t_s` seconds finds them.

    A stuck cell stays in its high-resistance state: no pulse makes it conduct (assumed; only the yield is public).
    The read-noise part is frozen: 1/f noise over the age of a cell is slow beside one inference batch.
    """
    polarities = []
    for name, target_uS in (("plus", target.plus_uS), ("minus", target.minus_uS)):
        rng = generator(seed, "cells", name, core)
        # every draw is made whatever is switched on, so that switching one effect changes no other
        programmed_uS = pcm.program(spec, target_uS, rng)
        nu = pcm.draw_drift_exponents(spec, target_uS, rng)
        noise = rng.standard_normal(target_uS.shape)
        stuck = rng.random(target_uS.shape) < stuck_frac
        g_uS = programmed_uS if effects.programming else target_uS.copy()
        if effects.stuck_cells:
            g_uS = np.where(stuck, 0.0, g_uS)
        start_uS = g_uS
        if effects.drift:
            g_uS = pcm.drift(spec, g_uS, nu, t_s=t_s)
        if effects.read_noise:
            g_uS = g_uS + pcm.read_noise_sd(spec, start_uS, g_uS, t_s=t_s) * noise
        polarities.append(np.maximum(g_uS, 0.0))
    return Pair(*polarities)
