"""`hermes-sim list` and `hermes-sim show`: what there is, and one chip, workload or baseline whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hermes_sim.cli.console import console, print_json, table
from hermes_sim.cli.options import Json
from hermes_sim.config.files import description_of, shipped_dir, shipped_names
from hermes_sim.errors import HermesSimError, nearest

if TYPE_CHECKING:
    from pydantic import BaseModel

FOLDERS = {"chips": "arch_configs", "workloads": "workloads", "baselines": "arch_configs/baselines"}


def descriptions() -> dict[str, dict[str, str]]:
    """What the shipped chips, workloads and baselines are, by name."""
    return {
        kind: {name: description_of(shipped_dir(folder) / f"{name}.yaml") for name in shipped_names(folder)}
        for kind, folder in FOLDERS.items()
    }


def list_(json_: Json = False) -> None:
    """Shipped chips, workloads and baselines, what each is, and which workloads have trained weights."""
    told, weights = descriptions(), shipped_names("workloads/weights", suffix=".npz")
    if json_:
        from hermes_sim.cli.documents.lists import NamesDocument

        names = {kind: tuple(found) for kind, found in told.items()}
        print_json(NamesDocument.model_validate({**names, "workloads_with_weights": weights, "descriptions": told}))
        return
    for kind, found in told.items():
        rows = [(name, f"{what}; trained" if name in weights else what) for name, what in found.items()]
        console.print(table(kind.capitalize(), ("name", "description"), rows, keep_first=True, texts=2))
    console.print("hermes-sim show NAME prints one of them whole; trained: weights ship.", style="dim", highlight=False)


def show(
    name: Annotated[str, typer.Argument(help="Shipped chip, workload or baseline, or the path of such a file.")],
    json_: Json = False,
) -> None:
    """Print a chip, workload or baseline whole: every field, each value with its unit, kind and source.

    What a file takes from another one or leaves to a default is written out. The text is a file that loads to the same.
    """
    from hermes_sim.config.parameters import resolved
    from hermes_sim.report.inputs import yaml_text

    kind, section = _loaded(name)
    if json_:
        from hermes_sim.cli.documents.lists import ShowDocument

        print_json(ShowDocument.model_validate({"kind": kind, "content": resolved(section)}))
        return
    console.file.write(f"# {kind} {name}, whole: hermes-sim show {name}\n{yaml_text(section)}")


def _loaded(name: str) -> tuple[str, BaseModel]:
    """Kind and content of a shipped name, of one from another package, or of a file."""
    from pathlib import Path

    from hermes_sim.baselines.load import MODELS, load_baseline
    from hermes_sim.chip.load import load_arch
    from hermes_sim.config.files import read_yaml
    from hermes_sim.extensions import extension_names
    from hermes_sim.report.inputs import alone
    from hermes_sim.workload.load import load_workload

    shipped = {kind: shipped_names(folder) for kind, folder in FOLDERS.items()}
    if name in shipped["baselines"] or name in extension_names("baselines"):
        kind = "baseline"
    elif name in shipped["workloads"] or name.endswith(".onnx"):
        kind = "workload"
    elif name in shipped["chips"]:
        kind = "chip"
    elif not Path(name).is_file():
        names = [one for some in shipped.values() for one in some]
        allowed = "a path, or a name that `hermes-sim list` prints"
        raise HermesSimError(name, got="no such file", allowed=allowed, hint=nearest(name, names))
    else:
        said = read_yaml(Path(name), error=HermesSimError).data.get("kind")
        kind = "chip" if said is None else "baseline" if said in MODELS else "workload"
    if kind == "baseline":
        return kind, alone(load_baseline(name))
    return kind, load_workload(name) if kind == "workload" else load_arch(name)
