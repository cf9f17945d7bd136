"""One step of training: pictures moved and mirrored, noise on the weights, the loss, the weights kept in bounds."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from hermes_sim.train.recipes import Optimiser, Recipe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_EVALUATED = 500  # rows at a time
_MOMENTUM = 0.9


def optimiser_of(module: Any, recipe: Recipe) -> Any:
    """Optimiser of all parameters; the rate is set step by step."""
    if recipe.optimiser is Optimiser.ADAM:
        return torch.optim.AdamW(module.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    return torch.optim.SGD(
        module.parameters(),
        lr=recipe.learning_rate,
        momentum=_MOMENTUM,
        nesterov=True,
        weight_decay=recipe.weight_decay,
    )


def rate_at(recipe: Recipe, done_frac: float) -> float:
    """Learning rate after a part of the run."""
    rising = done_frac / recipe.rise_frac
    falling = (1 - done_frac) / (1 - recipe.rise_frac)
    return recipe.learning_rate * max(min(rising, falling), 1e-3)


def step(module: Any, optimiser: Any, inputs: Any, labels: Any, *, recipe: Recipe, generator: Any) -> float:
    """Change the weights by the gradient of one batch; returns the loss."""
    with noise_on(module, recipe.noise_frac, generator):
        scores = module(inputs)
        loss = nn.functional.cross_entropy(scores.flatten(0, -2), labels.flatten(), label_smoothing=recipe.smoothing)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
    if recipe.gradient_norm:
        nn.utils.clip_grad_norm_(module.parameters(), recipe.gradient_norm)
    optimiser.step()
    clip_weights(module, recipe.clip_sd)
    return float(loss.detach())


def matrices_of(module: Any) -> list[Any]:
    """Weights of all products; tables of embeddings are none."""
    tables = {id(part.weight) for part in module.modules() if isinstance(part, nn.Embedding)}
    return [p for p in module.parameters() if p.dim() > 1 and id(p) not in tables]


@contextmanager
def noise_on(module: Any, noise_frac: float, generator: Any) -> Iterator[None]:
    """Add normal numbers to all weights, `noise_frac` of the largest of each matrix, and take them away again."""
    matrices = matrices_of(module) if noise_frac else []
    clean = [matrix.detach().clone() for matrix in matrices]
    with torch.no_grad():
        for matrix in matrices:
            noise = torch.randn(matrix.shape, generator=generator, device=matrix.device)
            matrix.add_(noise, alpha=noise_frac * float(matrix.abs().max()))
    try:
        yield
    finally:
        with torch.no_grad():
            for matrix, values in zip(matrices, clean, strict=True):
                matrix.copy_(values)


def clip_weights(module: Any, clip_sd: float) -> None:
    """Keep weights within so many standard deviations of their matrix."""
    if not clip_sd:
        return
    with torch.no_grad():
        for matrix in matrices_of(module):
            end = clip_sd * float(matrix.std())
            matrix.clamp_(-end, end)


def moved(pictures: NDArray[Any], recipe: Recipe, rng: np.random.Generator, *, pixels: int) -> NDArray[Any]:
    """Cut-outs of pictures (n, channels, rows, columns), each moved and mirrored by chance.

    Parameters
    ----------
    pixels : rows and columns of a cut-out; 0: as many as the pictures have
    """
    if not (recipe.crop_pixels or recipe.mirrored or pixels):
        return pictures
    room = recipe.crop_pixels
    height, width = pixels or pictures.shape[2], pixels or pictures.shape[3]
    padded = np.pad(pictures, ((0, 0), (0, 0), (room, room), (room, room)))
    top = rng.integers(0, padded.shape[2] - height + 1, len(pictures))
    left = rng.integers(0, padded.shape[3] - width + 1, len(pictures))
    turned = rng.random(len(pictures)) < (0.5 if recipe.mirrored else 0.0)
    columns = np.arange(width)
    at = np.where(turned[:, None], columns[::-1], columns) + left[:, None]
    rows = np.arange(height) + top[:, None]
    n = np.arange(len(pictures))[:, None, None, None]
    channel = np.arange(pictures.shape[1])[None, :, None, None]
    return np.asarray(padded[n, channel, rows[:, None, :, None], at[:, None, None, :]])


def score(module: Any, rows: Any, device: str) -> float:
    """Accuracy of a classifier, or bits per symbol of a network that predicts the next one."""
    right, nats, count = 0, 0.0, 0
    module.eval()
    with torch.inference_mode():
        for start in range(0, len(rows), _EVALUATED):
            here = slice(start, start + _EVALUATED)
            scores = module(torch.from_numpy(rows.inputs(here)).to(device)).flatten(0, -2)
            labels = torch.from_numpy(rows.labels[here]).to(device).flatten()
            right += int((scores.argmax(-1) == labels).sum())
            nats += float(nn.functional.cross_entropy(scores, labels, reduction="sum"))
            count += len(labels)
    module.train()
    return nats / count / float(np.log(2)) if rows.labels.ndim > 1 else right / count
