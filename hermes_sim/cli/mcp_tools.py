"""Tools of `hermes-sim serve mcp`: what an agent can ask; each returns what `--json` of a command prints, or a part."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp.server.mcpserver.exceptions import ToolError

from hermes_sim.cli.list_commands import descriptions
from hermes_sim.cli.overrides import both_with
from hermes_sim.cli.schema_commands import schema_of
from hermes_sim.errors import HermesSimError, WorkloadError, chosen
from hermes_sim.mapping.mapping import DEFAULT_MAPPING

if TYPE_CHECKING:
    from collections.abc import Callable

    from hermes_sim.api import Result

# what `run` returns unless it is asked for other parts of the result
_PARTS = (
    "inputs", "latency_ns", "makespan_ns", "throughput_inferences_per_s", "power_w", "tops", "tops_per_w", "bottleneck",
    "accuracy", "accuracy_missing",
)  # fmt: skip


def list_names() -> dict[str, Any]:
    """Names of shipped chips, workloads and digital accelerators, what each is; data sets, whether they are at hand."""
    from hermes_sim.numerics.data_sources import is_at_hand, known_data

    told = descriptions()
    return {
        **{kind: list(found) for kind, found in told.items()},
        "descriptions": told,
        "data": {name: is_at_hand(name) for name in known_data()},
    }


def schema(what: str) -> dict[str, Any]:
    """JSON schema of a chip, workload, study, data, mapping, baseline or comparison file, of a result or an error.

    Or, by the name of a command such as "sweep show", of what it prints with --json.
    """
    return schema_of(what)


def run(
    arch: str,
    workload: str,
    set_fields: list[str] | None = None,
    mapping: str = DEFAULT_MAPPING,
    inferences: int | None = None,
    baselines: list[str] | None = None,
    accuracy: bool = False,
    parts: list[str] | None = None,
) -> dict[str, Any]:
    """Simulate a workload on a chip: time, energy, optionally accuracy, and digital accelerators beside it.

    arch, workload: a shipped name or the path of a file. set_fields: changes such as "core.ldpu.lanes=64". parts:
    top-level names of the result that are wanted, ["all"] for the whole (long); by default headline figures, energy per
    inference and, for each accelerator, the realistic ratios (above 1 the chip wins).
    """
    document = _simulated(
        arch, workload, set_fields, mapping, inferences, baselines if baselines is not None else ["a100"], accuracy
    ).document
    if parts == ["all"]:
        return dict(document)
    for part in parts or ():
        chosen("parts", part, document, error=WorkloadError)
    if parts:
        return {part: document[part] for part in parts}
    found = {part: document[part] for part in _PARTS if document.get(part) is not None}
    energy = document["energy_pj"]
    found["energy_pj"] = {name: energy[name] for name in ("per_inference", "on_chip_per_inference", "by_place")}
    found["baselines"] = [
        {
            **{key: row[key] for key in ("name", "precision", "batch")},
            **{ratio: row[ratio]["realistic"] for ratio in ("latency_ratio", "energy_ratio")},
        }
        for row in document["baselines"]
        if "realistic" in row["latency_ratio"]
    ]
    return found


def explain(
    quantity: str,
    arch: str = "hermes_64",
    workload: str = "kernel_ridge_digits",
    set_fields: list[str] | None = None,
    mapping: str = DEFAULT_MAPPING,
    inferences: int | None = None,
    depth: int = 3,
) -> dict[str, Any]:
    """Where a number comes from: the sum or product behind it, down to config values with unit, kind, source and line.

    quantity: latency, energy, energy.COMPONENT, throughput, area, ratio.a100.int8.batch1, ...; a wrong name is answered
    with those that exist. depth: levels of the tree.
    """
    from hermes_sim.explain.quantities import explain as explain_quantity

    result = _simulated(arch, workload, set_fields, mapping, inferences, ["a100"], accuracy=False)
    chip, _ = both_with(arch, workload, set_fields)
    node = explain_quantity(result, quantity, arch=chip, baselines={device.name: "a100" for device in result.devices})
    return {"quantity": quantity, **_cut(node.record(), depth)}


def sweep_status(store: str, study: str | None = None) -> dict[str, Any]:
    """What a store of `hermes-sim sweep` holds: points by status, Pareto front, effects, answers, failures.

    store: the folder given as --store. study: which, where the store has several.
    """
    from hermes_sim.cli.sweep_commands import study_document
    from hermes_sim.explore.study import Study

    return study_document(Study.from_store(Path(store), study)).to_dict()


def _simulated(
    arch: str,
    workload: str,
    set_fields: list[str] | None,
    mapping: str,
    inferences: int | None,
    baselines: list[str],
    accuracy: bool,
) -> Result:
    from hermes_sim.api import simulate

    chip, work = both_with(arch, workload, set_fields)
    return simulate(
        chip, work, mapping=mapping, inferences=inferences, baselines=tuple(baselines), accuracy=accuracy or False
    )


def _cut(node: dict[str, Any], depth: int) -> dict[str, Any]:
    """A tree with so many levels; what is cut off is counted."""
    parts = node.get("parts") or []
    if not parts:
        return node
    if depth <= 1:
        return {**node, "parts": [], "parts_left_out": len(parts)}
    return {**node, "parts": [_cut(part, depth - 1) for part in parts]}


def _told(tool: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """The tool, with errors of the input as one JSON record."""

    @functools.wraps(tool)
    def answered(**arguments: Any) -> dict[str, Any]:
        try:
            return tool(**arguments)
        except HermesSimError as error:
            raise ToolError(json.dumps({"error": error.record()})) from None

    return answered


TOOLS = tuple(_told(tool) for tool in (list_names, schema, run, explain, sweep_status))
