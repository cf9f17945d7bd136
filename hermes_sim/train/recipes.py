"""How each data set's networks are trained: tables of settings, no code."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from hermes_sim.numerics.training_data import CIFAR10, CIFAR10_GRAY, DIGITS, IMDB, LISTOPS, PATHFINDER, PTB

PUBLISHED, HARDWARE_AWARE = "published", "hardware_aware"  # recipes; what the others are is in their names


class Optimiser(StrEnum):
    """Who makes the steps."""

    SGD = "sgd"  # Nesterov momentum of 0.9
    ADAM = "adam"


class Schedule(StrEnum):
    """How the learning rate falls from its peak."""

    LINEAR = "linear"  # to zero at the end
    INVERSE_ROOT = "inverse_root"  # with the root of the updates


@dataclass(frozen=True)
class Recipe:
    """Settings of a training run. The learning rate rises along a straight line to its peak and then falls.

    Parameters
    ----------
    batch : rows per step
    learning_rate : peak; rise_frac : part of the run until it is reached
    epochs : length of the run; updates : its length in steps instead
    warm_up : steps until the peak, instead of `rise_frac`; zero_at : steps until zero; 0: at the end of the run
    betas, epsilon : of Adam
    weight_decay : per step and learning rate
    noise_frac : standard deviation of what is added to the weights in every step, of the largest of each matrix, so
        that the network learns to bear the chip's errors
    clip_sd : weights are kept within so many standard deviations of their matrix, which makes better use of the cells
    crop_pixels : pictures are moved by up to so many pixels each way; mirrored : and turned left to right
    small_frac, small_pixels : a first part of the run sees cut-outs of so many pixels each way, which costs less
    easy_frac : a first part of the run sees rows that are easier, then harder and harder, where a data set has them
    smoothing : share of a label that is spread over all classes
    gradient_norm : to which longer gradients are cut; 0: never
    look_every : steps between looks at the validation rows; 0: an epoch
    mixed_precision : bfloat16 where it does no harm, on devices that are faster with it
    dropout, attention_dropout : of a Performer, see `PerformerModule`
    redraw_calls : after how many calls of its random features a Performer draws their W anew; 0: never
    projection_gradient : whether queries and keys of a Performer learn through W
    output_noise, largest_noise, input_levels : what analog products are given in hardware-aware training, see
        `HardwareAware`
    """

    batch: int
    learning_rate: float
    epochs: int = 0
    updates: int = 0
    optimiser: Optimiser = Optimiser.SGD
    schedule: Schedule = Schedule.LINEAR
    rise_frac: float = 0.2
    warm_up: int = 0
    zero_at: int = 0
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    weight_decay: float = 5e-4
    noise_frac: float = 0.05
    clip_sd: float = 3.0
    crop_pixels: int = 0
    mirrored: bool = False
    small_frac: float = 0.0
    small_pixels: int = 0
    easy_frac: float = 0.0
    smoothing: float = 0.0
    gradient_norm: float = 0.0
    look_every: int = 0
    mixed_precision: bool = False
    dropout: float = 0.0
    attention_dropout: float = 0.0
    redraw_calls: int = 0
    projection_gradient: bool = True
    output_noise: float = 0.0
    largest_noise: float = 0.0
    input_levels: int = 0


# Short runs see few epochs: nothing is learnt by heart, and dropout would only slow them down.
_PERFORMER = Recipe(
    batch=32, learning_rate=1e-3, updates=2000, optimiser=Optimiser.ADAM, rise_frac=0.0, warm_up=150, betas=(0.9, 0.98),
    epsilon=1e-9, weight_decay=0.1, noise_frac=0.0, clip_sd=0.0, gradient_norm=0.5, look_every=100, redraw_calls=1500,
)  # fmt: skip
_PUBLISHED = replace(
    _PERFORMER, batch=128, updates=16_000, learning_rate=6e-4, schedule=Schedule.INVERSE_ROOT, warm_up=4000,
    look_every=500, mixed_precision=True, dropout=0.1, projection_gradient=False,
)  # fmt: skip


def _performers(short: Recipe, published: Recipe, tuning_rate: float = 1e-4) -> dict[str, Recipe]:
    """Recipes of a task; the chip's imperfections are trained into FP32 weights at a rate of their own."""
    hardware_aware = replace(
        short, updates=short.updates // 4, learning_rate=tuning_rate, warm_up=0, noise_frac=0.12,
        clip_sd=2.0, output_noise=0.1, input_levels=254, redraw_calls=0, easy_frac=0.0,
        look_every=short.look_every // 4,
    )  # fmt: skip
    return {"short": short, PUBLISHED: published, HARDWARE_AWARE: hardware_aware}


def _networks(short: Recipe, published: Recipe, **tuning: Any) -> dict[str, Recipe]:
    """Recipes of a task; hardware-aware, FP32 weights learn to bear the chip.

    LG23 trained with noise of 10 % of the largest output and twice the cells' programming noise. Short runs do not get
    over that much: with 4 % cnn_digits keeps 2 points more on the chip, with one device per polarity and with two.
    """
    imperfect = {"noise_frac": 0.12, "largest_noise": 0.04, "input_levels": 254, "smoothing": 0.0}
    return {"short": short, PUBLISHED: published, HARDWARE_AWARE: replace(short, **(imperfect | tuning))}


RECIPES: dict[str, dict[str, Recipe]] = {
    DIGITS: _networks(
        Recipe(epochs=60, batch=64, learning_rate=0.1, noise_frac=0.06),
        Recipe(epochs=300, batch=64, learning_rate=0.1, noise_frac=0.06),
        learning_rate=0.02, epochs=30,
    ),
    CIFAR10: _networks(
        Recipe(
            epochs=10, batch=128, learning_rate=0.1, crop_pixels=4, mirrored=True, small_frac=0.4, small_pixels=16,
            smoothing=0.1, mixed_precision=True,
        ),
        Recipe(
            epochs=200, batch=128, learning_rate=0.1, crop_pixels=4, mirrored=True, clip_sd=2.5, smoothing=0.1,
            mixed_precision=True,
        ),
        learning_rate=0.03, epochs=3, noise_frac=0.08, largest_noise=0.02, clip_sd=2.5, small_frac=0.0, rise_frac=0.05,
        look_every=176,
    ),
    PTB: _networks(
        Recipe(
            epochs=5, batch=32, learning_rate=3e-3, optimiser=Optimiser.ADAM, rise_frac=0.1, weight_decay=0.0,
            gradient_norm=1.0, mixed_precision=True,
        ),
        Recipe(
            epochs=100, batch=64, learning_rate=2e-3, optimiser=Optimiser.ADAM, rise_frac=0.02, weight_decay=0.0,
            gradient_norm=1.0,
        ),
        learning_rate=1e-3, epochs=1, noise_frac=0.08, largest_noise=0.02, clip_sd=2.5, rise_frac=0.05, look_every=200,
    ),
    IMDB: _performers(replace(_PERFORMER, updates=5000, look_every=200, mixed_precision=True), _PUBLISHED),
    CIFAR10_GRAY: _performers(
        replace(_PERFORMER, updates=4000, look_every=200, gradient_norm=1.0, mixed_precision=True),
        replace(_PUBLISHED, updates=100_000, gradient_norm=1.0, attention_dropout=0.1),
        tuning_rate=5e-4,
    ),
    LISTOPS: _performers(
        replace(_PERFORMER, updates=8000, look_every=400),
        replace(_PUBLISHED, batch=256, updates=50_000, learning_rate=1e-3, warm_up=1000, epsilon=1e-6),
    ),
    PATHFINDER: _performers(
        replace(
            _PERFORMER, updates=20_000, learning_rate=5e-4, warm_up=300, easy_frac=0.32, look_every=200, redraw_calls=0,
            gradient_norm=1.0, weight_decay=0.01, mixed_precision=True,
        ),
        replace(
            _PUBLISHED, batch=256, updates=100_000, learning_rate=1e-4, schedule=Schedule.LINEAR, zero_at=1_000_000,
            betas=(0.9, 0.999), epsilon=1e-6, weight_decay=0.01, gradient_norm=1.0, dropout=0.0, redraw_calls=1000,
        ),
    ),
}  # fmt: skip
