"""ONNX file -> operator graph. Needs the optional extra `onnx`.

Static weights go to the crossbars; everything else is digital. Each tensor is a stream of tokens: pixels of a picture,
steps of a sequence, or one token for a vector; the batch is 1, since an inference is one sample. Nodes that only
rename or reorder values cost nothing; biases and batch norms behind a product on the crossbars are the LDPU's affine;
chains that exporters write for one operator count as that operator.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from hermes_sim.errors import WorkloadError
from hermes_sim.workload.graph import GraphBuilder, Operator, OpGraph, OpKind
from hermes_sim.workload.hold import hold_streams
from hermes_sim.workload.onnx.fuse import fuse
from hermes_sim.workload.onnx.nodes import HANDLERS
from hermes_sim.workload.onnx.read import OnnxNetwork, read_network
from hermes_sim.workload.onnx.rewrite import is_told
from hermes_sim.workload.onnx.share import Share, share_of
from hermes_sim.workload.onnx.sizes import PICTURE_OPS
from hermes_sim.workload.onnx.tensors import Importer, NodeReport, Stream
from hermes_sim.workload.origin import NodeGraph

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hermes_sim.workload.origin import Node
    from hermes_sim.workload.schema import OnnxModel

_HAND_ON = "pass_through"
_UNKNOWN = "no such operator here"
_NAMED = 3  # nodes of one operator that a message names


@dataclass(frozen=True)
class ImportedModel:
    """Operator graph of a model, what became of each of its nodes, in the order of the file, and how much is in it."""

    graph: OpGraph
    nodes: tuple[NodeReport, ...]
    network: OnnxNetwork
    share: Share

    @property
    def unsupported(self) -> tuple[NodeReport, ...]:
        """Nodes that count for nothing."""
        return tuple(node for node in self.nodes if node.outcome == "unsupported")


def onnx_graph(workload: OnnxModel) -> OpGraph:
    """Operator graph of an ONNX workload; warns about nodes that count for nothing and what is left."""
    model = import_onnx(
        Path(workload.path),
        name=workload.name,
        dimensions=workload.dimensions,
        unsupported=workload.unsupported,
    )
    if model.unsupported:
        text = f"{workload.path}: {model.share.describe()}; nodes that count for nothing: {_listed(model.unsupported)}"
        warnings.warn(text, stacklevel=2)
    return model.graph


def import_onnx(
    path: Path, *, name: str = "", dimensions: Mapping[str, int] | None = None, unsupported: str = "stop"
) -> ImportedModel:
    """Read a model.

    Parameters
    ----------
    dimensions : sizes of dimensions of the inputs, by name or by input and axis: ``{"sequence": 128, "x.2": 48}``
    unsupported : ``"stop"``, or ``"pass_through"``: such a node counts for nothing and hands its input on

    Raises
    ------
    WorkloadError
        no ONNX file, a dimension without a size, or nodes that are not supported, each with operator and name
    """
    network = read_network(path, dict(dimensions or {}))
    fused, into = fuse(network)
    importer = Importer(GraphBuilder(name or path.stem), fused)
    _add_inputs(importer)
    for i, node in enumerate(fused.nodes):
        if i in into:
            importer.note(node, node.name, "fused", f"part of {into[i]}")
        else:
            _import_node(importer, node)
    missing = [report for report in importer.reports if report.outcome == "unsupported"]
    if missing and unsupported != _HAND_ON:
        raise WorkloadError(
            str(path),
            got=f"nodes that are not supported: {_listed(missing)}",
            allowed=", ".join(sorted(HANDLERS)) if any(_UNKNOWN in report.reason for report in missing) else "",
            hint="`unsupported: pass_through` in a workload file of kind onnx lets such a node count for nothing and"
            " hand its first input on",
        )
    for result in dict.fromkeys(network.outputs):
        stream = importer.streams.get(result)
        if stream is not None and stream.parts:
            output = importer.add(Operator(f"out.{result}", OpKind.OUTPUT, stream.tokens, stream.values, 0))
            importer.connect(stream, output)
    hold_streams(importer.graph)
    left_out = [i for i, report in enumerate(importer.reports) if report.outcome == "unsupported"]
    meaning = NodeGraph(
        {name: network.shapes[name] for name in network.inputs},
        network.outputs,
        network.nodes,
        str(path),
        network.constants.find,
        network.whole_inputs,
    )
    graph = importer.graph.build(network=meaning)
    return ImportedModel(graph, tuple(importer.reports), network, share_of(network, left_out))


def _listed(reports: Iterable[NodeReport]) -> str:
    """Nodes by operator and reason, each once, with how many there are and the first names."""
    groups: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for report in reports:
        groups[report.op_type, report.reason].append(repr(report.name))
    texts = []
    for (op_type, reason), names in groups.items():
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        times = f"{len(names)} x " if len(names) > 1 else ""
        texts.append(f"{times}{op_type} {', '.join(names[:_NAMED])}{more}: {reason}")
    return "; ".join(texts)


def _add_inputs(importer: Importer) -> None:
    """Inputs as streams; the axis of the tokens depends on who takes them."""
    for name in importer.network.inputs:
        shape = importer.network.shapes[name]
        takers = importer.takers.get(name, [])
        if any(node.op_type == "Gather" and name in node.inputs[1:] for node in takers):
            tokens = prod(shape)
        elif len(shape) > 3 or PICTURE_OPS & {node.op_type for node in takers}:
            tokens = prod(shape[2:])
        else:  # steps of one sample, whichever of the two axes counts samples
            tokens = prod(shape[:-1])
        values = prod(shape) // tokens
        added = importer.add(Operator(name, OpKind.INPUT, tokens, 0, values))
        importer.streams[name] = Stream.of(added, tokens, values)


def _import_node(importer: Importer, node: Node) -> None:
    """Operators of one node, or the reason why there are none."""
    live = [i for i in (*node.inputs, *node.captured) if i and not importer.is_constant(i)]
    known = importer.network.constants
    if not live or all(output in known for output in node.outputs if output):
        importer.note(node, node.name, "constant")
        importer.unknown |= set(node.outputs) - {""}
        return
    if node.op_type in {"Shape", "Size"}:
        importer.note(node, node.name, "constant", "of a shape that is not known")
        importer.unknown |= set(node.outputs)
        return
    mark = importer.graph.mark()
    try:
        _handle(importer, node, live)
    except NotImplementedError as cause:
        importer.graph.rewind(mark)
        importer.skip(node, node.name, str(cause))


def _handle(importer: Importer, node: Node, live: list[str]) -> None:
    handler = HANDLERS.get(node.op_type)
    if is_told(node.op_type, node.domain):
        raise NotImplementedError(f"a form of it that is not read (domain {node.domain})")
    if handler is None or node.domain not in {"", "ai.onnx"}:
        raise NotImplementedError(f"{_UNKNOWN}{f' (domain {node.domain})' if node.domain else ''}")
    for name in live:
        importer.stream(name)
    handler(importer, node, node.name)
