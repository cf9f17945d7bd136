"""Workload file -> checked workload -> operator graph."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hermes_sim.config.files import Source, YamlDocument, changes_of, find_yaml, read_yaml
from hermes_sim.config.override import override
from hermes_sim.config.parameters import resolved
from hermes_sim.config.section import in_words
from hermes_sim.config.validate import validate
from hermes_sim.errors import WorkloadError, nearest
from hermes_sim.extensions import extension, extension_names
from hermes_sim.workload.builders.conv_net import conv_net_graph
from hermes_sim.workload.builders.kernel_ridge import kernel_ridge_graph
from hermes_sim.workload.builders.lstm import lstm_graph
from hermes_sim.workload.builders.matmul_list import matmul_list_graph
from hermes_sim.workload.builders.performer import performer_attention_graph, performer_encoder_graph
from hermes_sim.workload.digital import keep_digital, products_named
from hermes_sim.workload.onnx_import import onnx_graph
from hermes_sim.workload.schema import MODELS, Workload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hermes_sim.workload.graph import OpGraph


class WorkloadBuilder(NamedTuple):
    """A kind of workload that another package adds: the schema of its files, and its operator graph."""

    model: type[Workload]
    build: Callable[[Any], OpGraph]


_FILES = ("path", "weights", "data")  # fields that name a file beside the workload's


def load_workload(source: Source, overrides: Mapping[str, Any] | None = None) -> Workload:
    """Load a shipped workload by name, or a workload or ONNX file by path.

    Parameters
    ----------
    source : e.g. ``"kernel_ridge_digits"``, ``Path("my_net.yaml")``, ``"net.onnx"``
    overrides : dotted path -> new value, e.g. ``{"features": 32}``

    Raises
    ------
    WorkloadError
        naming file, line, field, what was given and what is allowed
    """
    document = read_workload(source)
    for path, value, said in changes_of(source, overrides):
        override(document, path, value, model=model_of(document), error=WorkloadError, said=said)
    workload: Workload = validate(model_of(document), document, WorkloadError)
    beside = {name: document.path.parent / getattr(workload, name) for name in _FILES if getattr(workload, name, None)}
    # data may also be the name of a data set
    found = {name: str(path) for name, path in beside.items() if name != "data" or path.is_file()}
    return workload.model_copy(update=found) if found else workload


def model_of(document: YamlDocument) -> type[Workload]:
    """Schema of a workload file, by its kind.

    Raises
    ------
    WorkloadError
        unknown kind
    """
    kind = document.data.get("kind")
    if isinstance(kind, str) and kind in MODELS:
        return MODELS[kind]
    found: WorkloadBuilder | None = extension("workload_builders", str(kind), WorkloadBuilder)
    if found is None:
        kinds = [*MODELS, *extension_names("workload_builders")]
        hint = nearest(kind, kinds) if isinstance(kind, str) else ""
        raise WorkloadError(document.place("kind"), got=in_words(kind), allowed=", ".join(kinds), hint=hint)
    return found.model


def read_workload(source: Source) -> YamlDocument:
    """Data of a workload file, or of a bare ONNX file.

    Raises
    ------
    WorkloadError
        no such file, or no YAML
    """
    if not str(source).endswith(".onnx"):
        return read_yaml(find_yaml(source, "workloads", error=WorkloadError), error=WorkloadError)
    path = Path(str(source))
    data = {
        "schema_version": 1,
        "name": path.stem,
        "description": f"network read from {path.name}",
        "source": path.name,
        "kind": "onnx",
        "path": path.name,
        "inferences": 8,
    }
    return YamlDocument(path, data)


def identity(workload: Workload) -> dict[str, object]:
    """What a workload is, as plain data for keys and hashes: a network counts by its content, wherever it lies."""
    content = resolved(workload)
    for name in _FILES:
        path = Path(str(content.get(name) or ""))
        if path.is_file():
            stat = path.stat()
            content[name] = _digest(path, stat.st_mtime_ns, stat.st_size)
    return {name: value for name, value in content.items() if value is not None or name not in _FILES}


@lru_cache(maxsize=64)
def _digest(path: Path, _changed_ns: int, _n_bytes: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def build_graph(workload: Workload) -> OpGraph:
    """Operator graph of one inference.

    Raises
    ------
    WorkloadError
        a workload that cannot be built, or in which there is nothing to do; a name under `digital` that is no static
        product, or under `life_cycle.redraw` that is no matrix
    """
    build = _BUILDERS.get(workload.kind) or extension("workload_builders", workload.kind, WorkloadBuilder).build
    graph: OpGraph = build(workload)
    if workload.life_cycle is not None:
        graph = replace(graph, life_cycle=workload.events())
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
