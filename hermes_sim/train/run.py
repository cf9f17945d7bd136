"""`train`: a workload's network from random weights to a weights file, with what it reached and how."""

from __future__ import annotations

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
from hermes_sim.torch.networks import export_weights, module_of
from hermes_sim.train.loop import TrainingRun
from hermes_sim.train.recipes import RECIPES
from hermes_sim.train.steps import score
from hermes_sim.workload.schema import ConvNet, Lstm

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hermes_sim.numerics.training_data import TrainingData
    from hermes_sim.train.loop import State
    from hermes_sim.workload.schema import Workload

CHECKPOINT = ".checkpoint"
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
    recipe : ``short`` or ``published``
    minutes : at most so long; default: as many epochs as the recipe says
    resume : go on from the checkpoint
    progress, tell : see `TrainingRun`

    Raises
    ------
    HermesSimError
        a workload that cannot be trained, no data, no device, a checkpoint that does not fit
    """
    check_output_file(out, ".npz")
    _check_device(device)
    checkpoint = out.with_suffix(CHECKPOINT)
    if checkpoint.exists() and not resume:
        raise HermesSimError(
            str(checkpoint), got="the checkpoint of a run that did not end", allowed="--resume, or remove the file"
        )
    if not isinstance(workload, (ConvNet, Lstm)):
        raise WorkloadError(f"{workload.name}: kind", got=workload.kind, allowed="conv_net, lstm")
    name = chosen(f"{workload.name}: data", workload.data or "nothing", RECIPES, error=WorkloadError)
    settings = RECIPES[name][chosen("--recipe", recipe, RECIPES[name], error=HermesSimError)]
    length = workload.steps if isinstance(workload, Lstm) else 1
    data = training_data(name, data_dir=data_dir, length=length)
    _check_fit(workload, data)
    torch.manual_seed(seed)
    module = module_of(workload).to(device, memory_format=torch.channels_last)
    run = TrainingRun(
        module=module,
        data=data,
        recipe=settings,
        key={"workload": json.dumps(_network(workload), sort_keys=True), "recipe": recipe, "seed": seed},
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
    state = run.go()
    weights = {name: values.astype(np.float16) for name, values in export_weights(module).items()}
    record = _record(workload, run, state, {"recipe": recipe, "seed": seed, "minutes": minutes})
    rounded = module_of(workload, weights).to(device)
    record["test"], record["test_rows"] = score(rounded, data.test, device), len(data.test)
    with written_whole(out) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **weights)
    record["file_bytes"] = out.stat().st_size
    write_text(out.with_suffix(".json"), json.dumps(record, indent=2) + "\n")
    write_text(out.with_suffix(".svg"), _curve(record))
    checkpoint.unlink(missing_ok=True)
    return Trained(record, out)


def _network(workload: Workload) -> dict[str, Any]:
    """What of a workload the training depends on."""
    return {name: value for name, value in resolved(workload).items() if name not in _ASIDE}


def _check_device(device: str) -> None:
    chosen("--device", device, ("cpu", "cuda"), error=HermesSimError)
    if device == "cuda" and not torch.cuda.is_available():
        raise HermesSimError("--device", got="cuda, which PyTorch does not find here", allowed="cpu")


def _check_fit(workload: ConvNet | Lstm, data: TrainingData) -> None:
    """Whether the network takes these rows and tells these classes apart."""
    if isinstance(workload, Lstm):
        found: tuple[int, ...] = (workload.steps,)
        outputs, field = workload.outputs, "outputs"
    else:
        image = workload.image
        found, outputs, field = (image.channels, image.height, image.width), 0, "image"
    if data.train.raw.shape[1:] != found:
        raise WorkloadError(
            f"{workload.name}: {field}", got=str(found), allowed=f"{data.train.raw.shape[1:]}, as in {data.name}"
        )
    if outputs and outputs != data.classes:
        raise WorkloadError(
            f"{workload.name}: outputs", got=outputs, allowed=f"{data.classes}, the symbols of {data.name}"
        )


def _record(workload: Workload, run: TrainingRun, state: State, said: dict[str, Any]) -> dict[str, Any]:
    minutes = f" --minutes {said['minutes']:g}" if said["minutes"] else ""
    device = "" if run.device == "cpu" else f" --device {run.device}"
    best = max if run.higher_is_better else min
    return {
        "workload": workload.name,
        "data": run.data.name,
        "metric": "accuracy" if run.higher_is_better else "bits per symbol",
        "validation": best(value for _, value in state.curve),
        "epochs": run.epochs,
        "minutes": state.elapsed_s / 60,
        "seed": said["seed"],
        "recipe": said["recipe"],
        "command": f"hermes-sim train {workload.name} --recipe {said['recipe']} --seed {said['seed']}{minutes}{device}",
        "machine": _machine(run.device),
        "torch": torch.__version__,
        "parameters": sum(p.numel() for p in run.module.parameters()),
        "validation_curve": [list(pair) for pair in state.curve],
    }


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
