"""The exact inputs of a result, as files that load back to the same values, and the command to remake it."""

from __future__ import annotations

import io
import json
import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from hermes_sim.accuracy.datasets import BUNDLED
from hermes_sim.arch.load import load_arch
from hermes_sim.arch.parameters import quantities, resolved
from hermes_sim.baselines.load import baseline_names
from hermes_sim.errors import HermesSimError
from hermes_sim.files import shipped_names
from hermes_sim.mapping.placement import Strategy
from hermes_sim.workload.load import load_workload

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

    from hermes_sim.mapping.placement import Mapping as Placement
    from hermes_sim.report.source import ReportSource

ARCH_FILE = "inputs/arch.yaml"
WORKLOAD_FILE = "inputs/workload.yaml"
PLACEMENT_FILE = "inputs/placement.json"
PLACEMENT_PINS = "inputs/placement.yaml"  # the same in the format that `--mapping` reads


def yaml_text(section: BaseModel) -> str:
    """Resolved section as YAML; floats keep every digit."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 110
    stream = io.StringIO()
    yaml.dump(resolved(section), stream)
    return stream.getvalue()


def placement_text(placement: Placement) -> str:
    """Placement as JSON: blocks with core and position, replicas, digital units."""
    content = {
        "strategy": placement.strategy,
        "blocks": [asdict(block) for block in placement.blocks],
        "replicas": {op: list(replicas) for op, replicas in placement.replicas.items()},
        "units": dict(placement.units),
    }
    return json.dumps(content, indent=1) + "\n"


def input_files(source: ReportSource) -> dict[str, str]:
    """Text of every input file, by its path in the report folder."""
    return {
        ARCH_FILE: yaml_text(source.chip),
        WORKLOAD_FILE: yaml_text(source.workload),
        PLACEMENT_FILE: placement_text(source.placement),
    }


def provenance_rows(source: ReportSource) -> list[dict[str, Any]]:
    """One row per quantity of the chip: path, value, unit, kind, source, range, note."""
    return [quantity.record() for quantity in quantities(source.chip)]


def remake_command(source: ReportSource) -> str:
    """Command line that makes the same result again.

    Shipped chips and workloads go by name; others by the files saved in the report folder, from inside it.
    """
    inputs = source.document["inputs"]
    arch = _shipped_or_file(source.chip, "arch_configs", load_arch, ARCH_FILE)
    workload = _shipped_or_file(source.workload, "workloads", load_workload, WORKLOAD_FILE)
    words = ["hermes-sim", "run", arch, workload]
    strategy = str(inputs["mapping"])
    words += ["--mapping", strategy if strategy in list(Strategy) else PLACEMENT_PINS]
    words += ["--engine", str(inputs["engine"])]
    words += ["--inferences", str(inputs["inferences"]), "--seed", str(inputs["seed"])]
    for name in _baselines(source):
        words += ["--baseline", name]
    uncertainty = source.document.get("uncertainty")
    if uncertainty:
        words += ["--uncertainty", str(uncertainty["samples"] + (uncertainty.get("failed") or 0))]
    words += ["--accuracy" if source.document.get("accuracy") else "--no-accuracy", "--out", "remade"]
    return shlex.join(words)


def remake_notes(source: ReportSource) -> list[str]:
    """What the command cannot know: files of the user's own."""
    notes = []
    own = [name for name in _baselines(source) if name not in baseline_names()]
    if own:
        notes.append(f"Give the path of your own file after --baseline for: {', '.join(own)}.")
    dataset = getattr(source.workload, "dataset", None)
    if source.document.get("accuracy") and dataset not in {None, *BUNDLED}:
        notes.append(f"The accuracy needs --data-dir, the folder with the data set {dataset}.")
    return notes


def _baselines(source: ReportSource) -> list[str]:
    return list(dict.fromkeys(row["name"] for row in source.document["baselines"]))


def _shipped_or_file(section: Any, folder: str, load: Callable[[str], BaseModel], file: str) -> str:
    name = str(section.name)
    if name not in shipped_names(folder):
        return file
    try:
        same = resolved(load(name)) == resolved(section)
    except HermesSimError:
        same = False
    return name if same else file
