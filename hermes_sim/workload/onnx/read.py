"""Reading an ONNX file: inputs sized, shapes inferred, constants told apart; weights stay where they are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any

from hermes_sim.errors import WorkloadError
from hermes_sim.workload.onnx.constants import FLOATS, Constants, first_line, is_tensor_constant, open_model
from hermes_sim.workload.onnx.package import FLOAT, onnx_package, refill
from hermes_sim.workload.onnx.sizes import size_inputs
from hermes_sim.workload.origin import Node

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_ROUNDS = 64  # of shape inference and folding, each of which makes more known
_SAME_SHAPE = frozenset({"GroupNormalization", "MeanVarianceNormalization"})


@dataclass(frozen=True)
class OnnxNetwork:
    """What the import needs to know of a file.

    Parameters
    ----------
    nodes : in the order of the file
    inputs, outputs : names of tensors
    shapes : of all tensors whose shape is known
    constants : tensors that are the same in every inference
    inner_values : floating-point constants of the graphs inside each node
    whole_inputs : inputs that are whole numbers
    """

    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    shapes: dict[str, tuple[int, ...]]
    constants: Constants
    inner_values: tuple[int, ...] = ()
    whole_inputs: frozenset[str] = frozenset()


def read_network(path: Path, dimensions: Mapping[str, int]) -> OnnxNetwork:
    """Read a file without its weights.

    Raises
    ------
    WorkloadError
        no valid ONNX file, or inputs whose size is not known
    """
    model = open_model(path)
    constants = Constants(path)
    constants.opsets = list(model.opset_import)
    given = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in given]
    names = _node_names(model.graph)
    opsets = {entry.domain.removeprefix("ai.onnx"): entry.version for entry in model.opset_import}
    records = [
        replace(_record(node, name), opset=opsets.get(node.domain.removeprefix("ai.onnx"), 0))
        for node, name in zip(model.graph.node, names, strict=True)
    ]
    inner = tuple(sum(_inner_values(graph) for graph in _graphs(node)) for node in model.graph.node)
    _take_weights_out(model, constants)
    _check(model, path)
    size_inputs(model.graph, inputs, dimensions, path)
    shapes = _infer(model, constants, path)
    live = _live_tensors(records, [value.name for value in inputs], constants)
    for node in model.graph.node:
        if not live & set(node.output):
            constants.makers |= {output: node for output in node.output if output}
    nodes = tuple(_with_constants(record, constants, shapes) for record in records)
    outputs = tuple(value.name for value in model.graph.output)
    whole = frozenset(value.name for value in inputs if value.type.tensor_type.elem_type not in FLOATS)
    return OnnxNetwork(nodes, tuple(value.name for value in inputs), outputs, shapes, constants, inner, whole)


def _node_names(graph: Any) -> list[str]:
    return [node.name or f"{node.op_type}_{i}" for i, node in enumerate(graph.node)]


def _graphs(node: Any) -> list[Any]:
    """Graphs inside a node: branches and loop bodies."""
    kinds = onnx_package().AttributeProto
    return [graph for a in node.attribute if a.type in {kinds.GRAPH, kinds.GRAPHS} for graph in (a.g, *a.graphs)]


def _inner_values(graph: Any) -> int:
    """Floating-point constants of a graph and of those inside it."""
    tensors = [*graph.initializer, *(node.attribute[0].t for node in graph.node if is_tensor_constant(node))]
    own: int = sum(prod(tensor.dims) for tensor in tensors if tensor.data_type in FLOATS)
    return own + sum(_inner_values(inner) for node in graph.node for inner in _graphs(node))


def _record(node: Any, name: str) -> Node:
    onnx = onnx_package()
    kinds, attributes = onnx.AttributeProto, {}
    captured = [name for graph in _graphs(node) for name in _captured(graph)]
    for attribute in node.attribute:
        if attribute.type not in {kinds.GRAPH, kinds.GRAPHS, kinds.TENSOR, kinds.TENSORS, kinds.SPARSE_TENSOR}:
            value = onnx.helper.get_attribute_value(attribute)
            attributes[attribute.name] = _text(value)
    return Node(
        name,
        node.op_type,
        node.domain,
        tuple(node.input),
        tuple(node.output),
        attributes,
        captured=tuple(dict.fromkeys(captured)),
    )


def _text(value: Any) -> Any:
    """Value of an attribute, with texts as such."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return [_text(one) for one in value] if isinstance(value, list) else value


def _captured(graph: Any) -> list[str]:
    """Tensors that a graph inside a node takes from outside."""
    own = {tensor.name for tensor in graph.initializer} | {value.name for value in graph.input}
    taken: list[str] = []
    for node in graph.node:
        record = _record(node, "")
        taken += [name for name in (*record.inputs, *record.captured) if name and name not in own]
        own |= set(node.output)
    return taken + [value.name for value in graph.output if value.name not in own]


def _take_weights_out(model: Any, constants: Constants) -> None:
    """Turn large tensors into inputs of the same type and shape; what is left is small enough to copy and check."""
    onnx, graph = onnx_package(), model.graph
    declared = {value.name for value in graph.input}
    large = []
    for tensor in graph.initializer:
        constants.declare(tensor)
        if tensor.name not in constants.small:
            large.append((tensor.name, tensor.data_type, tuple(tensor.dims)))
    for tensor in graph.sparse_initializer:
        constants.tensors[tensor.values.name] = (tuple(tensor.dims), "", "")
        large.append((tensor.values.name, tensor.values.data_type, tuple(tensor.dims)))
    small = [tensor for tensor in graph.initializer if tensor.name in constants.small]
    nodes = []
    for node in graph.node:
        if is_tensor_constant(node):
            tensor = node.attribute[0].t
            constants.declare(tensor, node.output[0])
            if node.output[0] not in constants.small:
                large.append((node.output[0], tensor.data_type, tuple(tensor.dims)))
                continue
        nodes.append(node)
    for field, items in ((graph.initializer, small), (graph.node, nodes), (graph.sparse_initializer, [])):
        refill(field, items)
    graph.input.extend(
        onnx.helper.make_tensor_value_info(name, data_type, dims)
        for name, data_type, dims in large
        if name not in declared
    )


def _check(model: Any, path: Path) -> None:
    try:
        onnx_package().checker.check_model(model)
    except Exception as cause:  # noqa: BLE001 - onnx raises classes of its own
        raise WorkloadError(str(path), got=first_line(cause), allowed="a valid ONNX file") from None


def _live_tensors(records: list[Node], inputs: list[str], constants: Constants) -> set[str]:
    """Tensors that depend on the values of an input of the network (on its shape alone does not count)."""
    live = set(inputs)
    for record in records:
        if live & {*record.inputs, *record.captured} and set(record.outputs) - {""} - set(constants.small):
            live |= set(record.outputs)
    return live - {""}


def _infer(model: Any, constants: Constants, path: Path) -> dict[str, tuple[int, ...]]:
    """Shapes of all tensors. Constants worked out on the way make more shapes known, and the other way round."""
    onnx = onnx_package()
    shapes: dict[str, tuple[int, ...]] = {}
    for _ in range(_ROUNDS):
        try:
            inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
        except Exception as cause:  # noqa: BLE001 - onnx raises classes of its own
            got = f"shapes that do not fit: {first_line(cause)}"
            raise WorkloadError(str(path), got=got, allowed="a network whose tensors fit each other") from None
        graph = inferred.graph
        shapes |= _known_shapes((*graph.input, *graph.value_info, *graph.output))
        shapes |= {name: dims for name, (dims, _, _) in constants.tensors.items()}
        found = _fold(model.graph, constants, shapes)
        if not _keep_shapes(model.graph, shapes) and not found:
            break
    return shapes


def _keep_shapes(graph: Any, shapes: dict[str, tuple[int, ...]]) -> bool:
    """Tell shapes of results that are those of their inputs where onnx's inference does not; whether there were any."""
    values = [
        onnx_package().helper.make_tensor_value_info(node.output[0], FLOAT, shapes[node.input[0]])
        for node in graph.node
        if node.op_type in _SAME_SHAPE and node.input[0] in shapes and node.output[0] not in shapes
    ]
    graph.value_info.extend(values)
    return bool(values)


def _known_shapes(values: Any) -> dict[str, tuple[int, ...]]:
    """Shapes in which every dimension has a size; a tensor of unknown rank has none."""
    shapes = {}
    for value in values:
        tensor = value.type.tensor_type
        if value.type.HasField("tensor_type") and tensor.HasField("shape"):
            dims = tensor.shape.dim
            if all(dim.HasField("dim_value") and dim.dim_value >= 0 for dim in dims):
                shapes[value.name] = tuple(dim.dim_value for dim in dims)
    return shapes


def _fold(graph: Any, constants: Constants, shapes: dict[str, tuple[int, ...]]) -> bool:
    """Put the results of nodes that can be worked out into the graph as initializers; whether there were any."""
    onnx, kept, found = onnx_package(), [], False
    for node in graph.node:
        results = constants.fold(node, shapes)
        if set(filter(None, node.output)) - set(results):
            kept.append(node)
            continue
        found = True
        for name, value in results.items():
            constants.small[name] = value
            shapes[name] = tuple(value.shape)
            graph.initializer.append(onnx.numpy_helper.from_array(value, name))
    refill(graph.node, kept)
    return found


def _with_constants(record: Node, constants: Constants, shapes: dict[str, tuple[int, ...]]) -> Node:
    refs = {name: constants.ref(name, shapes.get(name)) for name in record.inputs if name and name in constants}
    return replace(record, constants=refs)
