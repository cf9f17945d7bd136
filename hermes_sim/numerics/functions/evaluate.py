"""A node of a network on real inputs: one function per operator, for FP32 and the chip's digital side alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hermes_sim.numerics.functions.axes import Array, refuse
from hermes_sim.numerics.functions.kernel_attention import KERNEL_ATTENTION
from hermes_sim.numerics.functions.pointwise import POINTWISE
from hermes_sim.numerics.functions.products import PRODUCTS
from hermes_sim.numerics.functions.quantised import QUANTISED
from hermes_sim.numerics.functions.reductions import REDUCTIONS
from hermes_sim.numerics.functions.resize import RESIZE, is_ours
from hermes_sim.numerics.functions.views import VIEWS
from hermes_sim.numerics.functions.windows import WINDOWS
from hermes_sim.workload.onnx.constants import evaluate
from hermes_sim.workload.onnx.package import onnx_package
from hermes_sim.workload.origin import OWN

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hermes_sim.workload.origin import Node

_FUNCTIONS: dict[str, Callable[[Node, Sequence[Array | None]], Any]] = {
    **POINTWISE,
    **VIEWS,
    **REDUCTIONS,
    **WINDOWS,
    **PRODUCTS,
    **QUANTISED,
    **RESIZE,
    **KERNEL_ATTENTION,
}
_NEWEST = 22  # set of operators of a node that does not say, where the reference does it
# what these need of the file is not in a node: graphs, tensors, or weights that go through the chip
_NOT_ALONE = frozenset({"If", "Loop", "Scan", "SequenceMap", "ConstantOfShape", "Constant", "LSTM", "GRU", "RNN"})


def evaluate_node(node: Node, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    """Results of a node. No result of a sample depends on what other samples there are, to the last bit.

    Parameters
    ----------
    inputs : (samples, *shape in the file) each    one sample for constants; None where an optional input is left out.
        Floating-point numbers are taken as float32, whole numbers stay what they are

    Returns
    -------
    (samples, *shape in the file) each, float32 where the operator's results are floating-point

    Raises
    ------
    WorkloadError
        an operator that cannot be evaluated, or inputs that do not fit it
    """
    # whatever NumPy does in other memory layouts, it does the same for one sample and for many in this one
    values = [None if array is None else np.ascontiguousarray(_as_float32(array)) for array in inputs]
    if node.parts:
        return _evaluate_parts(node, values)
    function = _FUNCTIONS.get(node.op_type) if node.domain in {"", "ai.onnx", OWN} else None
    if function is None or (node.op_type == "Resize" and not is_ours(node)):
        return reference(node, values)
    try:
        with np.errstate(all="ignore"):
            made = function(node, values)
    except (ValueError, IndexError, KeyError) as cause:
        raise refuse(node, f"{cause}, for inputs of {_shapes(values)}", "inputs that fit the operator") from cause
    results = made if isinstance(made, tuple) else (made,)
    if any(node.outputs[len(results) :]):
        return reference(node, values)
    return tuple(np.ascontiguousarray(_as_float32(result)) for result in results)


def _as_float32(array: Array) -> Array:
    """Floating-point numbers as float32; others as they are (bfloat16 is of no kind that NumPy knows)."""
    is_float = array.dtype.kind == "f" or array.dtype.name == "bfloat16"
    return array.astype(np.float32) if is_float and array.dtype != np.float32 else array


def _shapes(values: Sequence[Array | None]) -> str:
    """Shapes in the file's terms, for a message."""
    return ", ".join("none" if value is None else str(list(value.shape[1:])) for value in values)


def _evaluate_parts(node: Node, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    """Nodes of the file that one node stands for, one after the other."""
    known: dict[str, Array | None] = dict(zip(node.inputs, inputs, strict=True))
    for part in node.parts:
        for name, constant in part.constants.items():
            if name not in known:
                known[name] = constant.load()[None]
        made = evaluate_node(part, [known.get(name) for name in part.inputs])
        known |= dict(zip(part.outputs, made, strict=False))
    return tuple(result for result in (known[name] for name in node.outputs) if result is not None)


def reference(node: Node, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    """Results of a rare operator by the reference of the onnx package, sample by sample.

    Raises
    ------
    WorkloadError
        a node that it cannot evaluate
    """
    if node.op_type in _NOT_ALONE or node.captured:
        raise refuse(
            node, "a node that cannot be evaluated by itself", "another operator, or `unsupported` ones left out"
        )
    helper = onnx_package().helper
    attributes = {name: value for name, value in node.attributes.items() if value is not None and value != []}
    proto = helper.make_node(node.op_type, node.inputs, node.outputs, domain=node.domain, **attributes)
    opsets = [helper.make_opsetid(node.domain, node.opset or _NEWEST)]
    named = {name: array for name, array in zip(node.inputs, inputs, strict=False) if name and array is not None}
    made: list[list[Array]] = []
    for i in range(max((len(array) for array in named.values()), default=1)):
        one = {name: array[min(i, len(array) - 1)] for name, array in named.items()}
        results = evaluate(proto, one, opsets)
        if results is None:
            raise refuse(
                node, f"inputs of {_shapes(inputs)}", "an operator that can be evaluated, with inputs that fit it"
            )
        made.append([results[name] for name in node.outputs if name])
    try:
        return tuple(np.ascontiguousarray(_as_float32(np.stack(samples))) for samples in zip(*made, strict=True))
    except ValueError:
        allowed = "an operator whose results have one shape for all samples"
        raise refuse(node, "results of other shapes for other samples", allowed) from None
