"""Workload file -> checked workload -> operator graph."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hermes_sim.arch.load import override
from hermes_sim.arch.validation import validate
from hermes_sim.errors import WorkloadError, nearest
from hermes_sim.files import YamlDocument, find_yaml, read_yaml
from hermes_sim.workload.builders.conv_net import conv_net_graph
from hermes_sim.workload.builders.kernel_ridge import kernel_ridge_graph
from hermes_sim.workload.builders.lstm import lstm_graph
from hermes_sim.workload.builders.matmul_list import matmul_list_graph
from hermes_sim.workload.builders.performer import performer_attention_graph, performer_encoder_graph
from hermes_sim.workload.digital import keep_digital, products_named
from hermes_sim.workload.onnx_import import onnx_graph
from hermes_sim.workload.schema import MODELS, OnnxModel, Workload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hermes_sim.workload.graph import OpGraph


def load_workload(name_or_path: str, overrides: Mapping[str, Any] | None = None) -> Workload:
    """Load a shipped workload by name, or a workload file by path.

    Raises
    ------
    WorkloadError
        naming file, line, field, what was given and what is allowed
    """
    if name_or_path.endswith(".onnx"):
        return _onnx_workload(Path(name_or_path), overrides or {})
    document = read_yaml(find_yaml(name_or_path, "workloads", error=WorkloadError), error=WorkloadError)
    for path, value in (overrides or {}).items():
        override(document, path, value)
    kind = document.data.get("kind")
    if not isinstance(kind, str) or kind not in MODELS:
        raise WorkloadError(
            document.place("kind"), got=repr(kind), allowed=", ".join(MODELS), hint=nearest(str(kind), MODELS)
        )
    workload = validate(MODELS[kind], document, WorkloadError)
    if isinstance(workload, OnnxModel) and not Path(workload.path).is_absolute():
        return workload.model_copy(update={"path": str(document.path.parent / workload.path)})
    return workload


def _onnx_workload(path: Path, overrides: Mapping[str, Any]) -> Workload:
    """Workload of a bare ONNX file; the overrides are those that a workload file of kind onnx would take."""
    data: dict[str, Any] = {
        "schema_version": 1,
        "name": path.stem,
        "description": f"network read from {path.name}",
        "source": path.name,
        "kind": "onnx",
        "path": str(path),
        "inferences": 8,
    }
    for field, value in overrides.items():
        section, dot, name = field.partition(".")
        if dot and section == "dimensions":
            data.setdefault(section, {})[name] = value
        else:
            data[field] = value
    return validate(OnnxModel, YamlDocument(path, data), WorkloadError)


def build_graph(workload: Workload) -> OpGraph:
    """Operator graph of one inference.

    Raises
    ------
    WorkloadError
        a workload that cannot be built, or in which there is nothing to do; a name under `digital` that is no static
        product
    """
    graph = _BUILDERS[workload.kind](workload)
    if graph.ops == 0:
        raise WorkloadError(
            workload.name, got="a workload without a single operation", allowed="something to compute", hint=_why(graph)
        )
    if not workload.digital:
        return graph
    return keep_digital(graph, products_named(graph, workload.digital, where=f"{workload.name}: digital"))


def _why(graph: OpGraph) -> str:
    n_moving = len(graph.operators)
    return f"its {n_moving} operators only bring values in, hold them and hand them out" if n_moving else ""


_BUILDERS: dict[str, Callable[[Any], OpGraph]] = {
    "kernel_ridge": kernel_ridge_graph,
    "performer_attention": performer_attention_graph,
    "performer_encoder": performer_encoder_graph,
    "conv_net": conv_net_graph,
    "lstm": lstm_graph,
    "matmul_list": matmul_list_graph,
    "onnx": onnx_graph,
}
