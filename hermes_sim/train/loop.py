"""The training loop: steps until the epochs or the minutes are over, a checkpoint beside, the best weights kept."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from hermes_sim.config.files import written_whole
from hermes_sim.errors import HermesSimError
from hermes_sim.train.steps import (
    ease_at,
    given_of,
    moved,
    noise_on,
    optimiser_of,
    order_of,
    prepare,
    rate_at,
    redraw,
    score,
    step,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from hermes_sim.numerics.training_data import Rows, TrainingData
    from hermes_sim.train.recipes import Recipe

_CHECKPOINT_S = 60.0
_SHOWN_S = 1.0
_MOST_VALIDATION = 2000  # rows per look, where looks come more often than epochs


@dataclass
class State:
    """What a run has reached.

    Parameters
    ----------
    elapsed_s : of all its parts
    curve : epochs and score of the validation rows, one pair per look
    best : state of the module with the best score so far
    """

    steps: int = 0
    elapsed_s: float = 0.0
    curve: list[tuple[float, float]] = field(default_factory=list)
    best: dict[str, Any] | None = None


@dataclass
class TrainingRun:
    """One training run.

    Parameters
    ----------
    key : what the run is, for its checkpoint: one of another run is refused
    minutes : after which it ends even if epochs are left; the learning rate falls to zero until then
    higher_is_better : of the score
    progress, tell : called with a stage and the fraction done, and with a line of text per look at the validation rows
    """

    module: Any
    data: TrainingData
    recipe: Recipe
    key: dict[str, Any]
    seed: int
    device: str
    minutes: float | None
    checkpoint: Path
    higher_is_better: bool
    progress: Callable[[str, float], None] | None = None
    tell: Callable[[str], None] | None = None
    state: State = field(default_factory=State)

    def __post_init__(self) -> None:
        prepare(self.module, self.recipe)
        self._optimiser = optimiser_of(self.module, self.recipe)
        self._per_epoch = -(-len(self.data.train) // self.recipe.batch)
        self.updates = self.recipe.updates or self._per_epoch * self.recipe.epochs
        self._order: tuple[int, NDArray[np.int64]] | None = None
        self._easier: tuple[float, Rows] | None = None

    def go(self) -> State:
        """Train to the end and leave the best weights in the module."""
        before, begun = self.state.elapsed_s, time.monotonic()
        saved = shown = begun
        self.module.train()
        while (done := self._done_frac()) < 1:
            self._step(done)
            now = time.monotonic()
            self.state.elapsed_s = before + now - begun
            if self.state.steps % (self.recipe.look_every or self._per_epoch) == 0 or self._done_frac() >= 1:
                self._look()
                saved = now - _CHECKPOINT_S
            if now - saved >= _CHECKPOINT_S:
                self.save()
                saved = now
            if self.progress and now - shown >= _SHOWN_S:
                self.progress("training", min(self._done_frac(), 1.0))
                shown = now
        if self.progress:
            self.progress("training", 1.0)
        if self.state.best is not None:
            self.module.load_state_dict(self.state.best)
        return self.state

    @property
    def epochs(self) -> float:
        """Times that the training rows have been seen."""
        return self.state.steps / self._per_epoch

    def _done_frac(self) -> float:
        of_steps = self.state.steps / self.updates
        return of_steps if self.minutes is None else max(of_steps, self.state.elapsed_s / (60 * self.minutes))

    def _step(self, done_frac: float) -> None:
        data, rows = self._rows(done_frac)
        given = given_of(data, rows, self.device)
        if given[0].dim() == 4:
            pixels = self.recipe.small_pixels if done_frac < self.recipe.small_frac else 0
            rng = np.random.default_rng([self.seed, 1, self.state.steps])
            pictures = moved(data.inputs(rows), self.recipe, rng, pixels=pixels)
            given = (torch.from_numpy(np.ascontiguousarray(pictures)).to(self.device),)
        for group in self._optimiser.param_groups:
            group["lr"] = rate_at(self.recipe, done_frac, self.state.steps)
        redraw(self.module, self.recipe, seed=self.seed, updates=self.state.steps)
        torch.manual_seed(self.seed * 1_000_003 + self.state.steps)
        labels = torch.from_numpy(data.labels[rows]).to(self.device)
        step(self.module, self._optimiser, given, labels, recipe=self.recipe)
        self.state.steps += 1

    def _rows(self, done_frac: float) -> tuple[Rows, NDArray[np.int64]]:
        """Data and the rows of it that the next step sees."""
        if self.data.easier and done_frac < self.recipe.easy_frac:
            ease = ease_at(done_frac / self.recipe.easy_frac)
            if self._easier is None or self._easier[0] != ease:
                self._easier = ease, self.data.easier(ease)
            rng = np.random.default_rng([self.seed, 4, self.state.steps])
            return self._easier[1], rng.integers(len(self._easier[1]), size=self.recipe.batch)
        epoch, place = divmod(self.state.steps, self._per_epoch)
        if self._order is None or self._order[0] != epoch:
            rng = np.random.default_rng([self.seed, epoch])
            self._order = epoch, order_of(self.data.train, self.recipe.batch, rng)
        return self.data.train, self._order[1][place * self.recipe.batch : (place + 1) * self.recipe.batch]

    def _look(self) -> None:
        rows = self.data.validation
        if self.recipe.look_every:
            rows = rows.taken(slice(_MOST_VALIDATION))
        torch.manual_seed(self.seed)  # imperfections that every look sees
        with noise_on(self.module, self.recipe.noise_frac if self.recipe.input_levels else 0.0):
            found = score(self.module, rows, self.device)
        earlier = [value for _, value in self.state.curve]
        if not earlier or (found >= max(earlier) if self.higher_is_better else found <= min(earlier)):
            self.state.best = copy.deepcopy(self.module.state_dict())
        self.state.curve.append((self.epochs, found))
        if self.tell:
            of = self.updates / self._per_epoch
            self.tell(f"epoch {self.epochs:.2f} of {of:.3g}: validation {found:.4f}")

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        content = {
            "key": self.key,
            "module": self.module.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "state": vars(self.state),
        }
        with written_whole(self.checkpoint) as temporary:
            torch.save(content, temporary)

    def load(self) -> None:
        """Go on where the checkpoint stands.

        Raises
        ------
        HermesSimError
            no checkpoint, or one of another run
        """
        try:
            content = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        except FileNotFoundError:
            raise HermesSimError(
                str(self.checkpoint), got="no checkpoint", allowed="--resume with one", hint="without --resume"
            ) from None
        except Exception as cause:  # noqa: BLE001 - whatever torch finds wrong with a file
            raise HermesSimError(str(self.checkpoint), got=str(cause)[:80], allowed="a checkpoint") from None
        if content["key"] != self.key:
            different = [name for name, value in self.key.items() if content["key"].get(name) != value]
            raise HermesSimError(
                f"{self.checkpoint}: {', '.join(different)}",
                got="another run's",
                allowed="workload, recipe, seed of the run that left the checkpoint",
            )
        self.module.load_state_dict(content["module"])
        self._optimiser.load_state_dict(content["optimiser"])
        self.state = State(**content["state"])
