"""`hermes-sim train`: the network of a workload, trained."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated

import typer

from hermes_sim.cli.console import console, error_console, print_json, progress_bar
from hermes_sim.cli.options import Json, Seed, Workload
from hermes_sim.errors import HermesSimError


def train(
    workload: Workload,
    out: Annotated[Path, typer.Option(help="NAME.npz for the weights; NAME.json and NAME.svg come beside it.")],
    recipe: Annotated[str, typer.Option(help="short, published or hardware_aware.")] = "short",
    weights: Annotated[
        Path | None, typer.Option(help="Weights to start from (.npz); hardware_aware needs them. Default: random.")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder with archives of data sets; what is generated needs none.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    minutes: Annotated[
        float | None, typer.Option(min=0.01, help="At most so long. Default: as long as the recipe says.")
    ] = None,
    seed: Seed = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint beside --out.")] = False,
    json_: Json = False,
) -> None:
    """Train the network of a conv_net, lstm or performer_encoder workload; needs the extra torch."""
    if importlib.util.find_spec("torch") is None:
        raise HermesSimError(
            "hermes-sim train", got="the package torch is not installed", allowed="pip install 'hermes-sim[torch]'"
        )
    from hermes_sim.train.run import train as run
    from hermes_sim.workload.load import load_workload

    work = load_workload(workload)
    with progress_bar() as progress:
        trained = run(
            work,
            out,
            recipe=recipe,
            weights=weights,
            data_dir=data_dir,
            device=device,
            minutes=minutes,
            seed=seed,
            resume=resume,
            progress=progress,
            tell=lambda line: error_console.print(line, highlight=False),
        )
    if json_:
        from hermes_sim.cli.documents.accuracies import TrainDocument

        print_json(TrainDocument.model_validate(trained.record))
        return
    record = trained.record
    console.print(
        f"{record['workload']}: {record['metric']} {record['test']:.4f} on {record['test_rows']:,} test rows,"
        f" {record['validation']:.4f} in validation, after {record['epochs']:.3g} epochs in"
        f" {record['minutes']:.2g} min; {trained.weights}",
        highlight=False,
        soft_wrap=True,
    )
