"""The exact inputs of a result, as files that load back to the same values, and the command to remake it."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from hermes_sim.baselines.load import baseline_names, load_baseline
from hermes_sim.baselines.schema import RooflineDevice
from hermes_sim.baselines.sizing import beside
from hermes_sim.chip.load import load_arch
from hermes_sim.config.files import shipped_names
from hermes_sim.config.parameters import quantities, resolved
from hermes_sim.errors import HermesSimError
from hermes_sim.mapping.mapping import Strategy
from hermes_sim.numerics.datasets import BUNDLED
from hermes_sim.workload.load import load_workload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from collections.abc import Mapping as MappingType

    from pydantic import BaseModel

    from hermes_sim.baselines.load import Baseline
    from hermes_sim.chip.schema import Chip
    from hermes_sim.flow import Simulated
    from hermes_sim.mapping.mapping import Mapping

ARCH_FILE = "inputs/arch.yaml"
WORKLOAD_FILE = "inputs/workload.yaml"
MAPPING_FILE = "inputs/mapping.json"
_PLAIN_KEY = re.compile(r"(?!(?:on|off|yes|no|true|false|null|y|n)$)[a-z_][a-z0-9_]*", re.IGNORECASE)
MAPPING_PINS = "inputs/mapping.yaml"  # the same in the format that `--mapping` reads


def yaml_text(section: BaseModel) -> str:
    """Resolved section as YAML, one quantity a line; floats keep every digit."""
    return "\n".join(_yaml_lines(resolved(section), "")) + "\n"


def _yaml_lines(content: MappingType[str, object], indent: str) -> Iterator[str]:
    for key, value in content.items():
        if isinstance(value, dict) and value and "value" not in value:
            yield f"{indent}{_yaml_key(key)}:"
            yield from _yaml_lines(value, f"{indent}  ")
        elif isinstance(value, list) and value and isinstance(value[0], (dict, list)):
            yield f"{indent}{_yaml_key(key)}:"
            yield from (f"{indent}  - {_yaml_flow(item)}" for item in value)
        else:
            yield f"{indent}{_yaml_key(key)}: {_yaml_flow(value)}"


def _yaml_flow(value: object) -> str:
    """Value on one line; texts are quoted as in JSON, which is YAML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_yaml_key(key)}: {_yaml_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_yaml_flow, value)) + "]"
    text = json.dumps(value, ensure_ascii=False)
    is_bare_exponent = isinstance(value, float) and "e" in text and "." not in text
    return text.replace("e", ".0e") if is_bare_exponent else text


def _yaml_key(key: object) -> str:
    text = str(key)
    return text if _PLAIN_KEY.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def mapping_text(mapping: Mapping) -> str:
    """Mapping as JSON: blocks with core and position, replicas, digital units."""
    content = {
        "strategy": mapping.strategy,
        "blocks": [asdict(block) for block in mapping.blocks],
        "replicas": {op: list(replicas) for op, replicas in mapping.replicas.items()},
        "units": {op: str(unit) for op, unit in mapping.units.items()},
    }
    return json.dumps(content, indent=1) + "\n"


def input_files(source: Simulated) -> dict[str, str]:
    """Text of every input file, by its path in the report folder."""
    return {
        ARCH_FILE: yaml_text(source.chip),
        WORKLOAD_FILE: yaml_text(source.workload),
        MAPPING_FILE: mapping_text(source.mapping.called(source.graph)),
        **{
            baseline_file(device): yaml_text(alone(device))
            for device in source.devices
            if not _is_shipped(device, source.chip)
        },
    }


def baseline_file(device: Baseline) -> str:
    """Place of a user's own accelerator in the report folder."""
    return f"inputs/baseline_{re.sub(r'[^A-Za-z0-9_.-]', '_', device.name)}.yaml"


def alone(device: Baseline) -> Baseline:
    """The device with its table of measurements as rows, so that one file holds all."""
    return device.model_copy(update={"measured_file": None}) if isinstance(device, RooflineDevice) else device


def _is_shipped(device: Baseline, chip: Chip) -> bool:
    """Whether it is the shipped accelerator of its name, as it stands beside the chip."""
    if device.name not in baseline_names():
        return False
    [shipped] = beside([load_baseline(device.name)], chip)
    return resolved(shipped) == resolved(device)


def provenance_rows(source: Simulated) -> list[dict[str, Any]]:
    """One row per quantity of the chip: path, value, unit, kind, source, range, note."""
    return [quantity.record() for quantity in quantities(source.chip)]


def remake_command(source: Simulated) -> str:
    """Command line that makes the same result again.

    Shipped chips and workloads go by name; others by the files saved in the report folder, from inside it.
    """
    inputs = source.metrics.inputs
    arch = _shipped_or_file(source.chip, "arch_configs", load_arch, ARCH_FILE)
    workload = _shipped_or_file(source.workload, "workloads", load_workload, WORKLOAD_FILE)
    words = ["hermes-sim", "run", arch, workload]
    words += ["--mapping", inputs.mapping if inputs.mapping in list(Strategy) else MAPPING_PINS]
    words += ["--engine", inputs.engine, "--inferences", str(inputs.inferences), "--seed", str(inputs.seed)]
    for device in source.devices:
        words += ["--baseline", device.name if _is_shipped(device, source.chip) else baseline_file(device)]
    uncertainty = source.metrics.uncertainty
    if uncertainty:
        words += ["--uncertainty", str(uncertainty.samples + uncertainty.failed)]
    words += ["--accuracy"] if source.metrics.accuracy else ["--no-accuracy"]
    effects = source.metrics.accuracy.effects if source.metrics.accuracy else "all"
    if effects != "all":
        words += ["--effects", effects if isinstance(effects, str) else ",".join(effects)]
    words += _network_words(source)
    words += ["--out", "remade"]
    return shlex.join(words)


def _network_words(source: Simulated) -> list[str]:
    """What the accuracy of a network was asked for."""
    accuracy = source.metrics.accuracy
    if accuracy is None or accuracy.weights is None:
        return []
    words = ["--draws", str(accuracy.draws), "--metric", accuracy.metric]
    if source.workload.data is None:
        words += ["--data", accuracy.data["name"]]
    times = sorted({point.time_s for point in accuracy.by_time})
    words += ["--time", ",".join(f"{time_s:.10g}s" for time_s in times)] if times else []
    for one in accuracy.by_model:
        words += ["--chip-model", one.chip_model]
    return words


def remake_notes(source: Simulated) -> list[str]:
    """What the command cannot know: files of the user's own."""
    notes = []
    dataset = getattr(source.workload, "dataset", None)
    if source.metrics.accuracy and dataset not in {None, *BUNDLED}:
        notes.append(f"The accuracy needs --data-dir, the folder with the data set {dataset}.")
    if source.metrics.accuracy and source.metrics.accuracy.weights is not None:
        rows = source.metrics.accuracy.data["rows"]
        notes.append(f"The accuracy needs the user's own data and weights; {rows:,} rows were scored (--samples).")
    return notes


def _shipped_or_file(section: Any, folder: str, load: Callable[[str], BaseModel], file: str) -> str:
    name = str(section.name)
    if name not in shipped_names(folder):
        return file
    try:
        same = resolved(load(name)) == resolved(section)
    except HermesSimError:
        same = False
    return name if same else file
