"""Operators of ONNX Runtime's own, told in standard ones when a file is opened.

ONNX Runtime saves networks that it optimised or quantised with operators of its own domain and of the QOperator
format. Each of them is a few standard operators in one; those are what the rest of the import sees. A node of a form
that is not told here stays as it is, and the import says that it does not know it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hermes_sim.workload.onnx.package import refill, standard_opset
from hermes_sim.workload.onnx.rewrite_attention import ATTENTION
from hermes_sim.workload.onnx.rewrite_fused import FUSED
from hermes_sim.workload.onnx.rewrite_node import Rewriting, Tensors, UntoldForm
from hermes_sim.workload.onnx.rewrite_quantised import QUANTISED

if TYPE_CHECKING:
    from collections.abc import Callable

_REWRITES: dict[str, Callable[[Rewriting], None]] = {**ATTENTION, **FUSED, **QUANTISED}
_MICROSOFT = "com.microsoft"
_STANDARD_ALSO = {"Attention", "Gelu"}  # names that the standard gave to other operators or signatures
_LAYER_NORM, _LAYER_NORM_OPSET = "LayerNormalization", 17


def rewrite(model: Any) -> None:
    """Replace such nodes where they stand."""
    opset = standard_opset(model.opset_import)
    if not any(_way(node, opset) for node in model.graph.node):
        return
    tensors = Tensors(model)
    for node in model.graph.node:
        tensors.nodes += _rewritten(node, tensors)
    refill(model.graph.node, tensors.nodes)


def is_told(op_type: str, domain: str) -> bool:
    """Whether an operator of ONNX Runtime's domain is told in at least one form."""
    return domain == _MICROSOFT and op_type in _REWRITES


def _way(node: Any, opset: int) -> Callable[[Rewriting], None] | None:
    """What tells a node in standard operators; None for those that are standard."""
    own = node.domain == _MICROSOFT
    if not own and (node.domain not in {"", "ai.onnx"} or node.op_type in _STANDARD_ALSO):
        return None
    if node.op_type == _LAYER_NORM and opset >= _LAYER_NORM_OPSET:
        return None
    return _REWRITES.get(node.op_type)


def _rewritten(node: Any, tensors: Tensors) -> list[Any]:
    way = _way(node, tensors.opset)
    if way is None:
        return [node]
    made = Rewriting(node, tensors)
    try:
        way(made)
    except UntoldForm:
        return [node]
    return made.nodes
