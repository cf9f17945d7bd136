"""How each data set's networks are trained: tables of settings, no code."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hermes_sim.numerics.training_data import CIFAR10, DIGITS, PTB


class Optimiser(StrEnum):
    """Who makes the steps."""

    SGD = "sgd"  # Nesterov momentum of 0.9
    ADAM = "adam"


@dataclass(frozen=True)
class Recipe:
    """Settings of a training run. The learning rate rises to its peak and falls to zero, both along straight lines.

    Parameters
    ----------
    batch : rows per step
    learning_rate : peak; rise_frac : part of the run until it is reached
    weight_decay : per step and learning rate
    noise_frac : standard deviation of what is added to the weights in every step, of the largest of each matrix, so
        that the network learns to bear the chip's errors
    clip_sd : weights are kept within so many standard deviations of their matrix, which makes better use of the cells
    crop_pixels : pictures are moved by up to so many pixels each way; mirrored : and turned left to right
    small_frac, small_pixels : a first part of the run sees cut-outs of so many pixels each way, which costs less
    smoothing : share of a label that is spread over all classes
    gradient_norm : to which longer gradients are cut; 0: never
    """

    epochs: int
    batch: int
    learning_rate: float
    optimiser: Optimiser = Optimiser.SGD
    rise_frac: float = 0.2
    weight_decay: float = 5e-4
    noise_frac: float = 0.05
    clip_sd: float = 3.0
    crop_pixels: int = 0
    mirrored: bool = False
    small_frac: float = 0.0
    small_pixels: int = 0
    smoothing: float = 0.0
    gradient_norm: float = 0.0


RECIPES: dict[str, dict[str, Recipe]] = {
    DIGITS: {
        "short": Recipe(epochs=60, batch=64, learning_rate=0.1, noise_frac=0.06),
        "published": Recipe(epochs=300, batch=64, learning_rate=0.1, noise_frac=0.06),
    },
    CIFAR10: {
        "short": Recipe(
            epochs=10, batch=128, learning_rate=0.1, crop_pixels=4, mirrored=True, small_frac=0.75, small_pixels=16,
            smoothing=0.1,
        ),
        "published": Recipe(
            epochs=200, batch=128, learning_rate=0.1, crop_pixels=4, mirrored=True, clip_sd=2.5, smoothing=0.1,
        ),
    },
    PTB: {
        "short": Recipe(
            epochs=5, batch=32, learning_rate=3e-3, optimiser=Optimiser.ADAM, rise_frac=0.1, weight_decay=0.0,
            gradient_norm=1.0,
        ),
        "published": Recipe(
            epochs=100, batch=64, learning_rate=2e-3, optimiser=Optimiser.ADAM, rise_frac=0.02, weight_decay=0.0,
            gradient_norm=1.0,
        ),
    },
}  # fmt: skip
