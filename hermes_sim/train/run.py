"""`train`: a workload's network from random weights to a weights file, with what it reached and how."""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from hermes_sim.config.files import check_output_file, write_text, written_whole
from hermes_sim.config.parameters import resolved
from hermes_sim.errors import HermesSimError, WorkloadError, chosen
from hermes_sim.kit.plots import Panel, Style, axis_of, picture
from hermes_sim.numerics.training_data import training_data
from hermes_sim.numerics.weights import ABOUT, read_weights
from hermes_sim.numerics.workloads import check_trained_for
from hermes_sim.torch.hardware_aware import HardwareAware
from hermes_sim.torch.networks import ConvNetModule, export_weights, load_weights, module_of
from hermes_sim.train.fit import check_fit
from hermes_sim.train.loop import TrainingRun
from hermes_sim.train.recipes import PUBLISHED, RECIPES
from hermes_sim.train.steps import given_of, score
from hermes_sim.workload.schema import Lstm, PerformerEncoder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from hermes_sim.numerics.training_data import TrainingData
    from hermes_sim.train.loop import State
    from hermes_sim.train.recipes import Recipe
    from hermes_sim.workload.schema import Workload

CHECKPOINT = ".checkpoint"
_CALIBRATION_ROWS = 3200  # that the first input ranges come from
# Fields of a workload that say nothing of its network.
_ASIDE = {"name", "description", "source", "inferences", "digital", "life_cycle", "weights", "schema_version"}


@dataclass(frozen=True)
class Trained:
    """Result of a run.

    Parameters
    ----------
    record : what the JSON file beside the weights says
    weights : path of the file
    """

    record: dict[str, Any]
    weights: Path


def train(
    workload: Workload,
    out: Path,
    *,
    recipe: str = "short",
    weights: Path | None = None,
    data_dir: str | Path | None = None,
    device: str = "cpu",
    minutes: float | None = None,
    seed: int = 0,
    resume: bool = False,
    progress: Callable[[str, float], None] | None = None,
    tell: Callable[[str], None] | None = None,
) -> Trained:
    """Train the network of a workload and write its weights, a record and the curve of the validation score.

    Parameters
    ----------
    out : ``NAME.npz``; ``NAME.json`` and ``NAME.svg`` come beside it, ``NAME.checkpoint`` while it trains
    recipe : ``short``, ``published`` or ``hardware_aware``
    weights : file of weights to start from, which `hardware_aware` needs; default: random ones
    minutes : at most so long; default: as long as the recipe says
    resume : go on from the checkpoint
    progress, tell : see `TrainingRun`

    Raises
    ------
    HermesSimError
        a workload that cannot be trained, no data, no device, weights or a checkpoint that do not fit
    """
    check_output_file(out, ".npz")
    _check_device(device)
    checkpoint = out.with_suffix(CHECKPOINT)
    if checkpoint.exists() and not resume:
        raise HermesSimError(
            str(checkpoint), got="the checkpoint of a run that did not end", allowed="--resume, or remove the file"
        )
    torch.manual_seed(seed)
    module = module_of(workload)
    name, settings = _recipe(workload, recipe, weights)
    start = {} if weights is None else _started(module, workload, weights)
    data = training_data(name, data_dir=data_dir, length=_length(workload))
    check_fit(workload, data)
    module = module.to(device, memory_format=torch.channels_last)
    if settings.input_levels:
        _make_imperfect(module, data, settings, seed=seed, calibrated=not resume)
    run = TrainingRun(
        module=module,
        data=data,
        recipe=settings,
        key=_key(workload, recipe, seed, start),
        seed=seed,
        device=device,
        minutes=minutes,
        checkpoint=checkpoint,
        higher_is_better=not isinstance(workload, Lstm),
        progress=progress,
        tell=tell,
    )
    if resume:
        run.load()
    record = _record(workload, run, run.go(), {"recipe": recipe, "weights": weights})
    _write(out, workload, run, record)
    checkpoint.unlink(missing_ok=True)
    return Trained(record, out)


def _recipe(workload: Workload, recipe: str, weights: Path | None) -> tuple[str, Recipe]:
    """Name of the data set, and the settings."""
    name = chosen(f"{workload.name}: data", workload.data or "nothing", RECIPES, error=WorkloadError)
    settings = RECIPES[name][chosen("--recipe", recipe, RECIPES[name], error=HermesSimError)]
    if settings.input_levels and weights is None:
        raise HermesSimError(f"--recipe {recipe}", got="no weights to start from", allowed="--weights FILE.npz")
    return name, settings


def _started(module: Any, workload: Workload, weights: Path) -> Mapping[str, Any]:
    """Put the weights of a file into the module; returns them."""
    start = read_weights(weights)
    if isinstance(workload, PerformerEncoder):
        check_trained_for(workload, weights)
    load_weights(module, start)
    return start


def _key(workload: Workload, recipe: str, seed: int, start: Mapping[str, Any]) -> dict[str, Any]:
    """What a checkpoint must have been left by to go on from it."""
    network = {name: value for name, value in resolved(workload).items() if name not in _ASIDE}
    digest = hashlib.sha256()
    for name in sorted(start):
        digest.update(name.encode() + np.ascontiguousarray(start[name]).tobytes())
    return {
        "workload": json.dumps(network, sort_keys=True),
        "recipe": recipe,
        "seed": seed,
        "weights": digest.hexdigest() if start else "random",
    }


def _write(out: Path, workload: Workload, run: TrainingRun, record: dict[str, Any]) -> None:
    """Score the weights as they are written, and write all files."""
    made = {name: values.astype(np.float16) for name, values in export_weights(run.module).items()}
    rounded = module_of(workload, made).to(run.device)
    record["test"], record["test_rows"] = score(rounded, run.data.test, run.device), len(run.data.test)
    with written_whole(out) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **made, **{ABOUT: np.array(json.dumps(_about(workload)))})
    record["file_bytes"] = out.stat().st_size
    write_text(out.with_suffix(".json"), json.dumps(record, indent=2) + "\n")
    write_text(out.with_suffix(".svg"), _curve(record))


def _about(workload: Workload) -> dict[str, Any]:
    """What a file of weights says of itself, so that it is not taken for another task's or length's."""
    return {"workload": workload.name, "data": workload.data, "sequence_length": _length(workload)}


def _length(workload: Workload) -> int:
    """Symbols or grey pixels of a sequence."""
    if isinstance(workload, PerformerEncoder):
        return workload.sequence_length
    return workload.steps if isinstance(workload, Lstm) else 1


def _make_imperfect(module: Any, data: TrainingData, recipe: Recipe, *, seed: int, calibrated: bool) -> None:
    """Give analog products their imperfections; the optimiser then learns the ranges too."""
    device = str(next(module.parameters()).device)
    hardware = HardwareAware(
        module.products(), levels=recipe.input_levels, noise=recipe.output_noise, largest_noise=recipe.largest_noise
    )
    module.hardware = hardware.to(device)
    if calibrated:
        order = np.random.default_rng([seed, 3]).permutation(len(data.train))[:_CALIBRATION_ROWS]
        parts = np.array_split(order, -(-len(order) // recipe.batch))
        batches = [given_of(data.train, rows, device) for rows in parts]
        module.hardware.calibrate(module.eval(), batches)
        if isinstance(module, ConvNetModule):
            module.unfold(batches)


def _check_device(device: str) -> None:
    chosen("--device", device, ("cpu", "cuda"), error=HermesSimError)
    if device == "cuda" and not torch.cuda.is_available():
        raise HermesSimError("--device", got="cuda, which PyTorch does not find here", allowed="cpu")


def _record(workload: Workload, run: TrainingRun, state: State, said: dict[str, Any]) -> dict[str, Any]:
    minutes = f" --minutes {run.minutes:g}" if run.minutes else ""
    device = "" if run.device == "cpu" else f" --device {run.device}"
    best = max if run.higher_is_better else min
    start = "" if said["weights"] is None else f" --weights {said['weights'].name}"
    record = {
        "workload": workload.name,
        "data": run.data.name,
        "metric": "accuracy" if run.higher_is_better else "bits per symbol",
        "validation": best(value for _, value in state.curve),
        "epochs": run.epochs,
        "minutes": state.elapsed_s / 60,
        "seed": run.seed,
        "recipe": said["recipe"],
        "command": f"hermes-sim train {workload.name} --recipe {said['recipe']}{start} --seed {run.seed}"
        f"{minutes}{device}",
        "machine": _machine(run.device),
        "torch": torch.__version__,
        "parameters": sum(p.numel() for p in run.module.parameters()),
        "validation_curve": [list(pair) for pair in state.curve],
    }
    published = RECIPES[run.data.name][PUBLISHED].updates
    if published:
        record |= {"updates": state.steps, "share_of_published_updates": state.steps / published}
    if run.recipe.input_levels:
        record["input_ranges"] = run.module.hardware.found()
    return record


def _machine(device: str) -> str:
    if device == "cuda":
        return f"one {torch.cuda.get_device_name()}"
    return f"{torch.get_num_threads()} CPU thread(s), {platform.machine()}"


def _curve(record: dict[str, Any]) -> str:
    points = [(float(x), float(y)) for x, y in record["validation_curve"]]
    x = axis_of("epochs", [0.0, *(point[0] for point in points)])
    panel = Panel(record["workload"], x, axis_of(f"validation {record['metric']}", [point[1] for point in points]))
    panel.series(points, Style.number(0), joined=True)
    return picture(f"{record['workload']}, recipe {record['recipe']}", [panel])
