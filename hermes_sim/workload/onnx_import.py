"""ONNX file -> operator graph. Needs the optional extra `onnx`.

Static weights go to the crossbars; everything else is digital. Each tensor is a stream of tokens: pixels of a picture,
steps of a sequence, or one token for a vector; the batch is 1, since an inference is one sample. Nodes that only
rename or reorder values cost nothing; biases and batch norms behind a product on the crossbars are the LDPU's affine.
"""

from __future__ import annotations

import importlib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hermes_sim.errors import WorkloadError
from hermes_sim.workload.graph import GraphBuilder, Operator, OpGraph, OpKind
from hermes_sim.workload.hold import hold_streams
from hermes_sim.workload.onnx.nodes import HANDLERS
from hermes_sim.workload.onnx.tensors import Importer, NodeReport, Stream

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hermes_sim.workload.schema import OnnxModel

_HAND_ON = "pass_through"


@dataclass(frozen=True)
class ImportedModel:
    """Operator graph of a model, and what became of each of its nodes, in the order of the file."""

    graph: OpGraph
    nodes: tuple[NodeReport, ...]

    @property
    def unsupported(self) -> tuple[NodeReport, ...]:
        """Nodes that count for nothing."""
        return tuple(node for node in self.nodes if node.outcome == "unsupported")


def onnx_graph(workload: OnnxModel) -> OpGraph:
    """Operator graph of an ONNX workload; warns about nodes that count for nothing."""
    model = import_onnx(
        Path(workload.path),
        name=workload.name,
        dimensions=workload.dimensions,
        unsupported=workload.unsupported,
    )
    for node in model.unsupported:
        warnings.warn(f"{workload.path}: {node.describe()}", stacklevel=2)
    return model.graph


def import_onnx(
    path: Path, *, name: str = "", dimensions: Mapping[str, int] | None = None, unsupported: str = "stop"
) -> ImportedModel:
    """Read a model.

    Parameters
    ----------
    dimensions : sizes of named dimensions of the inputs, ``{"sequence": 128}``; a batch is 1
    unsupported : ``"stop"``, or ``"pass_through"``: such a node counts for nothing and hands its input on

    Raises
    ------
    WorkloadError
        no ONNX file, a dimension without a size, or nodes that are not supported, each with operator and name
    """
    onnx = _package()
    model = _load(onnx, path, dict(dimensions or {}))
    importer = Importer(GraphBuilder(name or path.stem), path, onnx.numpy_helper.to_array)
    importer.read_shapes(model.graph)
    _add_inputs(importer, model.graph)
    for i, node in enumerate(model.graph.node):
        _import_node(importer, node, node.name or f"{node.op_type}_{i}")
    missing = [report for report in importer.reports if report.outcome == "unsupported"]
    if missing and unsupported != _HAND_ON:
        raise WorkloadError(
            str(path),
            got="nodes that are not supported: " + "; ".join(report.describe() for report in missing),
            allowed=", ".join(sorted(HANDLERS)),
            hint="`unsupported: pass_through` in a workload file of kind onnx counts them as nothing",
        )
    for result in model.graph.output:
        stream = importer.streams.get(result.name)
        if stream is not None and stream.parts:
            output = importer.add(Operator(f"out.{result.name}", OpKind.OUTPUT, stream.tokens, stream.values, 0))
            importer.connect(stream, output)
    hold_streams(importer.graph)
    return ImportedModel(importer.graph.build(), tuple(importer.reports))


def _package() -> Any:
    try:
        onnx = importlib.import_module("onnx")
        importlib.import_module("onnx.shape_inference")
        importlib.import_module("onnx.numpy_helper")
    except ImportError:
        raise WorkloadError(
            "onnx", got="the package is not installed", allowed="pip install 'hermes-sim[onnx]'"
        ) from None
    return onnx


def _load(onnx: Any, path: Path, dimensions: dict[str, int]) -> Any:
    """Model with every shape known."""
    if not path.is_file():
        raise WorkloadError(str(path), got="no such file", allowed="an ONNX file")
    try:
        model = onnx.load(str(path))
        onnx.checker.check_model(model)
    except Exception as cause:  # noqa: BLE001 - protobuf and onnx raise classes of their own
        reason = str(cause).strip().splitlines() or [type(cause).__name__]
        raise WorkloadError(str(path), got=reason[0], allowed="a valid ONNX file") from None
    weights = {weight.name for weight in model.graph.initializer}
    for value in model.graph.input:
        if value.name in weights:
            continue
        for i, dim in enumerate(value.type.tensor_type.shape.dim):
            if dim.dim_param in dimensions:
                dim.dim_value = dimensions[dim.dim_param]
            elif not dim.HasField("dim_value") and (i == 0 or "batch" in dim.dim_param):
                dim.dim_value = 1
            elif not dim.HasField("dim_value"):
                raise WorkloadError(
                    f"{path}: input {value.name}",
                    got=f"dimension {i} ({dim.dim_param or 'without a name'}) without a size",
                    allowed=f"dimensions: {{{dim.dim_param or 'NAME'}: SIZE}} in a workload file of kind onnx",
                )
    return onnx.shape_inference.infer_shapes(model, data_prop=True)


def _add_inputs(importer: Importer, graph: Any) -> None:
    """Inputs as streams; the axis of the tokens depends on who takes them."""
    for value in graph.input:
        if value.name in importer.constants:
            continue
        shape = importer.shape(value.name)
        takers = {node.op_type for node in graph.node if value.name in node.input}
        if takers & {"Gather"}:
            tokens = importer.size(value.name)
        elif len(shape) == 4 or takers & {"Conv", "MaxPool", "AveragePool"}:
            tokens = importer.product(shape[2:])
        elif len(shape) == 3 and "LSTM" not in takers:
            tokens = shape[1]
        else:
            tokens = shape[0] if len(shape) > 1 else 1
        values = importer.size(value.name) // tokens
        importer.add(Operator(value.name, OpKind.INPUT, tokens, 0, values))
        importer.streams[value.name] = Stream.of(value.name, tokens, values)


def _import_node(importer: Importer, node: Any, name: str) -> None:
    live = [i for i in node.input if i and i not in importer.constants]
    if node.op_type in {"Shape", "Constant", "ConstantOfShape", "Range"} or not live:
        importer.fold(node, name)
        return
    handler = HANDLERS.get(node.op_type)
    if handler is not None:
        try:
            handler(importer, node, name)
        except NotImplementedError as cause:
            importer.skip(node, name, str(cause))
        return
    importer.skip(node, name, "no such operator here")
