"""One step of training: the rows of a batch, noise on the weights, the loss, the weights kept in bounds."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from hermes_sim.torch.performer import PerformerModule
from hermes_sim.train.recipes import Optimiser, Recipe, Schedule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from hermes_sim.numerics.training_data import Rows

_EVALUATED = 64  # rows at a time
_SORTED = 50  # batches whose rows are ordered by their lengths
_MOMENTUM = 0.9
_EASIEST_FRAC = 0.2  # of a part with easier rows that sees the easiest ones alone
_DEGREES = 12  # of ease


def optimiser_of(module: Any, recipe: Recipe) -> Any:
    """Optimiser of all parameters; the rate is set step by step."""
    if recipe.optimiser is Optimiser.ADAM:
        return torch.optim.AdamW(
            module.parameters(),
            lr=recipe.learning_rate,
            betas=recipe.betas,
            eps=recipe.epsilon,
            weight_decay=recipe.weight_decay,
        )
    return torch.optim.SGD(
        module.parameters(),
        lr=recipe.learning_rate,
        momentum=_MOMENTUM,
        nesterov=True,
        weight_decay=recipe.weight_decay,
    )


def rate_at(recipe: Recipe, done_frac: float, updates: int = 0) -> float:
    """Learning rate after a part of the run, and after so many steps."""
    rising = done_frac / recipe.rise_frac if recipe.rise_frac else 1.0
    if recipe.warm_up:
        rising = (updates + 1) / recipe.warm_up
    if recipe.schedule is Schedule.INVERSE_ROOT:
        falling = float(np.sqrt(recipe.warm_up / (updates + 1)))
    else:
        done_frac = updates / recipe.zero_at if recipe.zero_at else done_frac
        falling = (1 - done_frac) / (1 - recipe.rise_frac)
    return recipe.learning_rate * max(min(rising, falling, 1.0), 1e-3)


def ease_at(done_frac: float) -> float:
    """How easy rows are after a fraction of the part of a run that has easier ones: 1 at first, then less and less."""
    falling = min((1 - done_frac) / (1 - _EASIEST_FRAC), 1.0)
    return float(np.ceil(falling * _DEGREES)) / _DEGREES


def prepare(module: Any, recipe: Recipe) -> None:
    """Tell a Performer what of a recipe concerns it alone."""
    if isinstance(module, PerformerModule):
        module.regularise(recipe.dropout, recipe.attention_dropout)
        for projection in module.projections:
            projection.passes_gradient = recipe.projection_gradient


def redraw(module: Any, recipe: Recipe, *, seed: int, updates: int) -> None:
    """Draw every W of a Performer anew when it has been called often enough."""
    if not recipe.redraw_calls or not updates:
        return
    now, before = (count * module.calls_per_pass // recipe.redraw_calls for count in (updates, updates - 1))
    if now > before:
        for i, projection in enumerate(module.projections):
            projection.draw(np.random.default_rng([seed, 2, now, i]))


def order_of(rows: Rows, batch: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Order of the rows in an epoch; where they have lengths, those of a batch have similar ones."""
    order = rng.permutation(len(rows))
    if rows.lengths is None:
        return order
    for start in range(0, len(order), _SORTED * batch):
        part = order[start : start + _SORTED * batch]
        part[:] = part[np.argsort(rows.lengths[part], kind="stable")]
    full = len(order) // batch * batch
    order[:full] = rng.permutation(order[:full].reshape(-1, batch)).reshape(-1)
    return order


def given_of(rows: Rows, at: NDArray[np.int64] | slice, device: str) -> tuple[Any, ...]:
    """What a module takes: the inputs of some rows and, where they have lengths, these."""
    given = [rows.inputs(at)] if rows.lengths is None else [rows.inputs(at), rows.lengths[at]]
    return tuple(torch.from_numpy(np.ascontiguousarray(array)).to(device) for array in given)


def step(module: Any, optimiser: Any, given: tuple[Any, ...], labels: Any, *, recipe: Recipe) -> float:
    """Change the weights by the gradient of one batch; returns the loss."""
    device = labels.device.type
    mixed = torch.autocast(device, torch.bfloat16, enabled=recipe.mixed_precision and is_faster_in_bfloat16(device))
    with noise_on(module, recipe.noise_frac):
        with mixed:
            scores = module(*given).float().flatten(0, -2)
        loss = nn.functional.cross_entropy(scores, labels.flatten(), label_smoothing=recipe.smoothing)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
    if recipe.gradient_norm:
        nn.utils.clip_grad_norm_(module.parameters(), recipe.gradient_norm)
    optimiser.step()
    clip_weights(module, recipe.clip_sd)
    return float(loss.detach())


def is_faster_in_bfloat16(device: str) -> bool:
    """Whether a device multiplies in bfloat16 by instructions of its own: every GPU, and CPUs that have them.

    PyTorch before 2.13 may not tell what a CPU has; it then counts as one that has not.
    """
    of_cpu: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return device == "cuda" or bool(of_cpu.get("avx512_bf16", False))


def matrices_of(module: Any) -> list[Any]:
    """Weights of all products on crossbars."""
    return [part.weight for _, part in module.products()]


@contextmanager
def noise_on(module: Any, noise_frac: float) -> Iterator[None]:
    """Add normal numbers to all weights, `noise_frac` of the largest of each matrix, and take them away again."""
    matrices = matrices_of(module) if noise_frac else []
    clean = [matrix.detach().clone() for matrix in matrices]
    with torch.no_grad():
        for matrix in matrices:
            noise = torch.randn(matrix.shape, device=matrix.device)
            matrix.add_(noise, alpha=noise_frac * float(matrix.abs().max()))
    try:
        yield
    finally:
        with torch.no_grad():
            for matrix, values in zip(matrices, clean, strict=True):
                matrix.copy_(values)


def clip_weights(module: Any, clip_sd: float) -> None:
    """Keep weights that are learnt within so many standard deviations of their matrix."""
    if not clip_sd:
        return
    with torch.no_grad():
        for matrix in filter(_is_learnt, matrices_of(module)):
            end = clip_sd * float(matrix.std())
            matrix.clamp_(-end, end)


def _is_learnt(matrix: Any) -> bool:
    return bool(matrix.requires_grad)


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
            scores = module(*given_of(rows, here, device)).flatten(0, -2)
            labels = torch.from_numpy(rows.labels[here]).to(device).flatten()
            right += int((scores.argmax(-1) == labels).sum())
            nats += float(nn.functional.cross_entropy(scores, labels, reduction="sum"))
            count += len(labels)
    module.train()
    return nats / count / float(np.log(2)) if rows.labels.ndim > 1 else right / count
