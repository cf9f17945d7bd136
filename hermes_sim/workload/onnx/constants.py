"""Constants of an ONNX file: small ones are known at once, the others are read when somebody asks."""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from hermes_sim.errors import WorkloadError
from hermes_sim.workload.onnx.package import SMALL, is_small, onnx_package, standard_opset
from hermes_sim.workload.onnx.rewrite import rewrite
from hermes_sim.workload.origin import TensorRef

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt

FLOATS = frozenset({1, 10, 11, 16})  # float32, float16, float64, bfloat16 in TensorProto
_FIRST_DEQUANTIZE = 19  # opset from which on the reference has the operator
# results that may be far larger than what they are made of: worked out only where the size is known
_GROWING = frozenset({"ConstantOfShape", "Expand", "Range", "Tile", "Resize", "OneHot", "EyeLike", "Pad", "Upsample"})


class Constants:
    """What is constant in one file.

    `small` holds the values that are known, `tensors` shape, type and external file of those in the file, `makers`
    the nodes without an input of the network.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.small: dict[str, npt.NDArray[Any]] = {}
        self.tensors: dict[str, tuple[tuple[int, ...], str, str]] = {}
        self.makers: dict[str, Any] = {}
        self.opsets: list[Any] = []

    def __contains__(self, name: str) -> bool:
        return name in self.tensors or name in self.small or name in self.makers

    def declare(self, tensor: Any, name: str = "") -> None:
        """Take note of a tensor of the file; values are kept if they are small and in the file itself."""
        onnx = onnx_package()
        external = tensor.data_location == onnx.TensorProto.EXTERNAL
        where = next((entry.value for entry in tensor.external_data if entry.key == "location"), "") if external else ""
        dims = tuple(tensor.dims)
        self.tensors[name or tensor.name] = (dims, type_name(tensor.data_type), where)
        if is_small(tensor):
            self.small[name or tensor.name] = onnx.numpy_helper.to_array(tensor)

    def ref(self, name: str, shape: tuple[int, ...] | None) -> TensorRef:
        """Reference to a constant."""
        if name in self.tensors:
            dims, dtype, where = self.tensors[name]
            return TensorRef(self.path, name, dims, dtype, where, self.read)
        known = self.small.get(name)
        if known is not None:
            return TensorRef(self.path, name, tuple(known.shape), known.dtype.name, "", self.read)
        return TensorRef(self.path, name, shape, "", "", self.read)

    def find(self, name: str) -> npt.NDArray[Any] | None:
        """Values of a constant, as `read` gives them; None of a tensor that is none."""
        return self.read(name) if name in self else None

    def read(self, name: str) -> npt.NDArray[Any]:
        """Values of a constant: known, in the file, beside it, or worked out from others.

        Raises
        ------
        WorkloadError
            values that are not there, or nodes that only an inference could work out
        """
        if name in self.small:
            return self.small[name]
        if name in self.tensors:
            return _from_file(self.path, name)
        where = f"{self.path}: constant {name!r}"
        if name not in self.makers:
            raise WorkloadError(where, got="no such constant", allowed="an initializer, or made of initializers")
        node = self.makers[name]
        results = evaluate(node, {i: self.read(i) for i in node.input if i}, self.opsets)
        if results is None:
            raise WorkloadError(where, got=f"{node.op_type}, which cannot be worked out", allowed="another operator")
        result: npt.NDArray[Any] = results[name]
        return result

    def fold(self, node: Any, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, npt.NDArray[Any]]:
        """Results of a node that are small and follow from shapes and small constants; none if they do not."""
        source = shapes.get(node.input[0]) if node.input else None
        if node.op_type in {"Shape", "Size"}:
            if source is None:
                return {}
            dims = np.array(source, dtype=np.int64)
            if node.op_type == "Size":
                return {node.output[0]: np.array(dims.prod(), dtype=np.int64)}
            limits = {attribute.name: attribute.i for attribute in node.attribute}
            return {node.output[0]: dims[limits.get("start", 0) : limits.get("end", len(dims))]}
        inputs = {name: self.small[name] for name in node.input if name in self.small}
        grows = node.op_type in _GROWING and not all(
            name in shapes and int(np.prod(shapes[name], dtype=object)) <= SMALL for name in node.output
        )
        if grows or not (node.input or node.op_type == "Constant") or set(filter(None, node.input)) - set(inputs):
            return {}
        results = evaluate(node, inputs, self.opsets) or {}
        return {name: value for name, value in results.items() if value.size <= SMALL}


def evaluate(node: Any, inputs: Mapping[str, npt.NDArray[Any]], opsets: list[Any]) -> dict[str, Any] | None:
    """Results of one node by the onnx package's reference; None if it cannot."""
    onnx = onnx_package()
    if any(a.type in {onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS} for a in node.attribute):
        return None
    names = [name for name in node.output if name]
    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.UNDEFINED, None) for name in (*inputs, *names)]
    graph = onnx.helper.make_graph([node], "one", values[: len(inputs)], values[len(inputs) :])
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = onnx.helper.make_model(graph, opset_imports=opsets)
            own = _own_operators(old=standard_opset(opsets) < _FIRST_DEQUANTIZE)
            results = onnx.reference.ReferenceEvaluator(model, new_ops=own).run(None, dict(inputs))
    except Exception:  # noqa: BLE001 - the reference raises whatever the node's arithmetic does
        return None
    return {name: np.asarray(value) for name, value in zip(names, results, strict=True)}


@lru_cache(maxsize=2)
def _own_operators(*, old: bool) -> list[Any]:
    """Operators that stand in for those of the reference; `old`: of an opset before `_FIRST_DEQUANTIZE`.

    Its GatherElements takes no more than 64 entries; DequantizeLinear it knows from that opset on alone.
    """
    op_run = onnx_package().reference.op_run.OpRun

    class GatherElements(op_run):  # type: ignore[misc,valid-type] # named like the operator
        op_domain = ""

        def _run(self, table: Any, picked: Any, axis: int = 0) -> tuple[Any]:
            places = tuple(slice(None) if i == axis % table.ndim else slice(n) for i, n in enumerate(picked.shape))
            return (np.take_along_axis(table[places], picked, axis=axis),)

    class DequantizeLinear(op_run):  # type: ignore[misc,valid-type] # named like the operator
        op_domain = ""

        def _run(self, steps: Any, scale: Any, zero: Any = None, axis: int = 1, **_later: Any) -> tuple[Any]:
            shape = [1] * steps.ndim
            if scale.size > 1:
                shape[axis] = -1
            offset = 0 if zero is None else zero.astype(np.int64).reshape(shape)
            return ((steps.astype(np.int64) - offset).astype(scale.dtype) * scale.reshape(shape),)

    return [GatherElements, DequantizeLinear] if old else [GatherElements]


def type_name(data_type: int) -> str:
    """Name of an element type, e.g. ``float32``."""
    try:
        return str(np.dtype(onnx_package().helper.tensor_dtype_to_np_dtype(data_type)).name)
    except (KeyError, TypeError):
        return "undefined"


def open_model(path: Path) -> Any:
    """Model of a file in standard operators, its functions inlined; values outside the file stay there.

    Raises
    ------
    WorkloadError
        no ONNX file
    """
    onnx = onnx_package()
    if not path.is_file():
        raise WorkloadError(str(path), got="no such file", allowed="an ONNX file")
    try:
        model = onnx.load(str(path), load_external_data=False)
        if model.functions:
            model = onnx.inliner.inline_local_functions(model)
        rewrite(model)
    except Exception as cause:  # noqa: BLE001 - protobuf and onnx raise classes of their own
        raise WorkloadError(str(path), got=first_line(cause), allowed="a valid ONNX file") from None
    return model


def first_line(cause: Exception) -> str:
    """What an error of another package says, in one line."""
    return next((line.strip() for line in str(cause).splitlines() if line.strip()), type(cause).__name__)


def _from_file(path: Path, name: str) -> npt.NDArray[Any]:
    """Values of one tensor of a file, or of the file beside it that holds them."""
    onnx = onnx_package()
    if not path.is_file():
        raise WorkloadError(f"{path}: tensor {name!r}", got="no such file", allowed="the file that was imported")
    tensor = _tensors(path, path.stat().st_mtime_ns).get(name)
    if tensor is None:
        raise WorkloadError(f"{path}: tensor {name!r}", got="nothing of that name", allowed="the file as imported")
    try:
        values: npt.NDArray[Any] = onnx.numpy_helper.to_array(tensor, base_dir=str(path.parent))
    except Exception as cause:  # noqa: BLE001 - onnx checks external files with classes of its own
        raise WorkloadError(
            f"{path}: tensor {name!r}",
            got=first_line(cause),
            allowed="the file with its values, beside the network's",
            hint="timing and energy do without; values are needed to evaluate the network",
        ) from None
    return values


@lru_cache(maxsize=1)  # one file at a time: its tensors are asked for one after the other
def _tensors(path: Path, _changed_ns: int) -> dict[str, Any]:
    """Tensors of a file by name: initializers and values of Constant nodes."""
    graph = open_model(path).graph
    tensors = {node.output[0]: node.attribute[0].t for node in graph.node if is_tensor_constant(node)}
    return tensors | {tensor.name: tensor for tensor in graph.initializer}


def is_tensor_constant(node: Any) -> bool:
    """Whether a node is a Constant that holds a dense tensor."""
    return node.op_type == "Constant" and len(node.attribute) == 1 and node.attribute[0].name == "value"
