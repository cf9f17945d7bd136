"""Weights as differential conductance pairs, and what becomes of them: programmed, stuck, drifted, noisy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hermes_sim.device.spec import AS_PROGRAMMED, Warmth
from hermes_sim.errors import DeviceModelError
from hermes_sim.rng import generator

if TYPE_CHECKING:
    from hermes_sim.device.spec import F64, CellModel


@dataclass(frozen=True)
class CellEffects:
    """Which imperfections of the cells are on."""

    programming: bool = True
    drift: bool = True
    read_noise: bool = True
    stuck_cells: bool = True
    temperature: bool = True


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
    model: CellModel,
    target: Pair,
    *,
    t_s: float,
    effects: CellEffects,
    stuck_frac: float,
    seed: int,
    core: int,
    warmth: Warmth = AS_PROGRAMMED,
) -> Pair:
    """Conductances of a programmed block as an inference at `t_s` seconds finds them.

    The read-noise part is frozen: 1/f noise over the age of a cell is slow beside one inference batch.

    Parameters
    ----------
    stuck_frac : share of cells that stay in their low state; the model has that of cells that stay in their high one
    warmth : how much warmer they are than when they were programmed

    Raises    DeviceModelError  for targets, times or shares that cannot be
    """
    if stuck_frac + model.stuck.high_frac > 1:
        raise DeviceModelError(
            "stuck cells (core.analog.stuck_cells, core.analog.device.levels.stuck_high)",
            got=f"{stuck_frac:g} + {model.stuck.high_frac:g}",
            allowed="shares that do not add up to more than 1",
        )
    polarities = []
    for name, target_uS in (("plus", target.plus_uS), ("minus", target.minus_uS)):
        rng = generator(seed, "cells", name, core)
        # every draw is made whatever is switched on, so that switching one effect changes no other
        programmed_uS = model.program(target_uS, rng)
        rate = model.draw_drift(target_uS, rng)
        noise = rng.standard_normal(target_uS.shape)
        fate = rng.random(target_uS.shape)
        g_uS = programmed_uS if effects.programming else model.held(target_uS)
        if effects.stuck_cells:
            g_uS = np.where(fate < stuck_frac, model.stuck.low_uS, g_uS)
            g_uS = np.where(fate >= 1 - model.stuck.high_frac, model.stuck.high_uS, g_uS)
        start_uS = g_uS
        if effects.drift:
            g_uS = model.drift(g_uS, rate, t_s=t_s)
        if effects.read_noise:
            g_uS = g_uS + model.read_noise_sd(start_uS, g_uS, t_s=t_s) * noise
        g_uS = np.maximum(g_uS, 0.0)
        if effects.temperature and warmth.kelvin:
            g_uS = g_uS * warmth.factor(generator(seed, "temperature", name, core).standard_normal(g_uS.shape))
        polarities.append(g_uS)
    return Pair(*polarities)
