"""What the rewriting of one node has at hand: the tensors of the file, and a way to write nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hermes_sim.workload.onnx.package import FLOAT, is_small, onnx_package, standard_opset

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

_AXES_ARE_AN_INPUT = {"ReduceMean": 18, "ReduceSum": 13, "Unsqueeze": 13}  # from this opset on


class UntoldForm(Exception):  # noqa: N818 - no error: the node stays as it is
    """A form of a node that is not told in standard operators."""


class Tensors:
    """Shapes and element types of a file's tensors, as far as the nodes written so far (`nodes`) tell them."""

    def __init__(self, model: Any) -> None:
        self.nodes: list[Any] = []
        self.opset = standard_opset(model.opset_import)
        self.inputs = {value.name for value in model.graph.input}
        self._opsets = model.opset_import
        self._given = [*model.graph.input, *map(_declared, model.graph.initializer)]
        self._values = list(filter(is_small, model.graph.initializer))
        self._known: dict[str, Any] = {}
        self._learn((*self._given, *model.graph.value_info, *model.graph.output))

    def _learn(self, values: Iterable[Any]) -> None:
        self._known |= {one.name: one.type.tensor_type for one in values if one.type.HasField("tensor_type")}

    def element_type(self, name: str) -> int:
        """Number of an element type in TensorProto; float32 where it is not known."""
        known = self._known.get(name)
        return int(known.elem_type) if known is not None and known.elem_type else FLOAT

    def shape(self, name: str) -> tuple[int | None, ...] | None:
        """Sizes, None for one that is not known; None without a rank."""
        if not self._has_rank(name):
            self._infer()
        if not self._has_rank(name):
            return None
        dims = self._known[name].shape.dim
        return tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in dims)

    def _has_rank(self, name: str) -> bool:
        return name in self._known and bool(self._known[name].HasField("shape"))

    def _infer(self) -> None:
        """Shapes by onnx's inference over the nodes that are written."""
        onnx = onnx_package()
        graph = onnx.helper.make_graph(self.nodes, "so far", self._given, [], self._values)
        so_far = onnx.helper.make_model(graph, opset_imports=self._opsets)
        self._learn(onnx.shape_inference.infer_shapes(so_far, data_prop=True).graph.value_info)


def _declared(tensor: Any) -> Any:
    return onnx_package().helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)


class Rewriting:
    """One node, and those that are written for it (`nodes`).

    Parameters
    ----------
    attributes : of the node, by name; texts are bytes
    opset : version of the standard operators in the file
    """

    def __init__(self, node: Any, tensors: Tensors) -> None:
        self._node, self._tensors = node, tensors
        self.opset = tensors.opset
        self.attributes = {one.name: onnx_package().helper.get_attribute_value(one) for one in node.attribute}
        self.nodes: list[Any] = []

    def input(self, place: int) -> str:
        """Name of an input, empty if it is left out."""
        name: str = self._node.input[place] if place < len(self._node.input) else ""
        return name

    @property
    def inputs(self) -> list[str]:
        """Names of all inputs."""
        return list(self._node.input)

    def result(self, place: int = 0) -> str:
        """Name of a result, empty if nobody asked for it."""
        return self.results[place] if place < len(self.results) else ""

    @property
    def results(self) -> list[str]:
        """Names of all results."""
        return list(self._node.output)

    def without(self, *places: int) -> None:
        """Refuse a node with one of these inputs.

        Raises    UntoldForm  if there is one
        """
        if any(self.input(place) for place in places):
            raise UntoldForm

    def is_input(self, name: str) -> bool:
        """Whether a tensor is an input of the network."""
        return name in self._tensors.inputs

    def shape(self, name: str) -> tuple[int | None, ...]:
        """Sizes of a tensor, None for one that is not known.

        Raises    UntoldForm  without a rank
        """
        found = self._tensors.shape(name)
        if found is None:
            raise UntoldForm
        return found

    def add(self, op_type: str, *inputs: str, gives: str = "", **attributes: Any) -> str:
        """Write an operator; the name of its result, by default a new one."""
        name = gives or f"{self.result()}.{len(self.nodes)}"
        self._write(op_type, inputs, [name], attributes)
        return name

    def add_several(self, op_type: str, results: int, *inputs: str, **attributes: Any) -> list[str]:
        """Write an operator with several results; their names."""
        names = [f"{self.result()}.{len(self.nodes)}.{i}" for i in range(results)]
        self._write(op_type, inputs, names, attributes)
        return names

    def whole(self, op_type: str, *inputs: str, **attributes: Any) -> None:
        """Write the operator that carries the name of the node and gives all its results."""
        self._write(op_type, inputs, self.results, attributes)
        self.nodes[-1].name = self._node.name

    def main(self, op_type: str, *inputs: str, gives: str = "", **attributes: Any) -> str:
        """Write the operator that carries the name of the node."""
        made = self.add(op_type, *inputs, gives=gives, **attributes)
        self.nodes[-1].name = self._node.name
        return made

    def constant(self, values: npt.ArrayLike, *, like: str = "") -> str:
        """Write a constant of whole numbers, or of the element type of a tensor."""
        onnx = onnx_package()
        dtype = onnx.helper.tensor_dtype_to_np_dtype(self._tensors.element_type(like)) if like else np.int64
        return self.add("Constant", value=onnx.numpy_helper.from_array(np.asarray(values, dtype)))

    def cast(self, x: str, *, like: str = "") -> str:
        """Write a tensor in the element type of another, by default float32."""
        return self.add("Cast", x, to=self._tensors.element_type(like))

    def over_axes(self, op_type: str, x: str, axes: Sequence[int], **attributes: Any) -> str:
        """Write an operator whose axes were an attribute before they became an input."""
        if self.opset < _AXES_ARE_AN_INPUT[op_type]:
            return self.add(op_type, x, axes=list(axes), **attributes)
        return self.add(op_type, x, self.constant(axes), **attributes)

    def split(self, x: str, sizes: Sequence[int]) -> list[str]:
        """Write the parts of a tensor along its last axis."""
        if self.opset < 13:
            return self.add_several("Split", len(sizes), x, axis=-1, split=list(sizes))
        return self.add_several("Split", len(sizes), x, self.constant(sizes), axis=-1)

    def _write(self, op_type: str, inputs: Sequence[str], names: list[str], attributes: dict[str, Any]) -> None:
        given = list(inputs)
        while given and not given[-1]:
            given.pop()
        called = f"{self._node.name or self.result()}.{len(self.nodes)}"
        self.nodes.append(onnx_package().helper.make_node(op_type, given, names, called, **attributes))
