"""How much of a file is in the run when some of its nodes count for nothing."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hermes_sim.workload.onnx.read import OnnxNetwork
    from hermes_sim.workload.origin import Node

    _Shape = tuple[int, ...]

_FLOATS = frozenset({"float16", "float32", "float64", "bfloat16"})


@dataclass(frozen=True)
class Share:
    """Weights and multiply-accumulates of the nodes that are in the run, and of all nodes of the file."""

    weights: int
    all_weights: int
    macs: int
    all_macs: int

    def describe(self) -> str:
        """One sentence for a warning."""
        return (
            f"{self.weights:,} of {self.all_weights:,} weights and {self.macs:,} of {self.all_macs:,}"
            " multiply-accumulates of the file are in the run"
        )


def share_of(network: OnnxNetwork, left_out: Iterable[int]) -> Share:
    """Share of a file without the nodes at these places; a product of unknown shape counts for nothing."""
    out = set(left_out)
    kept = [node for i, node in enumerate(network.nodes) if i not in out]
    kept_inside = sum(values for i, values in enumerate(network.inner_values) if i not in out)
    return Share(
        _weights(network, kept) + kept_inside,
        _weights(network, network.nodes) + sum(network.inner_values),
        sum(_macs(network, node) for node in kept),
        sum(_macs(network, node) for node in network.nodes),
    )


def _weights(network: OnnxNetwork, nodes: Iterable[Node]) -> int:
    """Values of all floating-point tensors of the file that these nodes use, by way of other constants too."""
    constants = network.constants
    waiting = [name for node in nodes for name in node.constants if not set(node.outputs) & set(constants.makers)]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            if name not in constants.tensors and name in constants.makers:
                waiting += [i for i in constants.makers[name].input if i]
    tensors = [constants.tensors[name] for name in found if name in constants.tensors]
    return sum(prod(dims) for dims, dtype, _ in tensors if dtype in _FLOATS)


def _macs(network: OnnxNetwork, node: Node) -> int:
    """Multiply-accumulates of a node, by the shapes of its inputs and result."""
    how = _MACS.get(node.op_type)
    if how is None or node.domain:
        return 0
    names = [name for name in (*node.inputs[: _COUNTED.get(node.op_type, 2)], node.outputs[0]) if name]
    shapes = [network.shapes[name] for name in names if name in network.shapes]
    return how(node, *shapes) if len(shapes) == len(names) and all(shapes) else 0


def _product_macs(node: Node, left: _Shape, _right: _Shape, result: _Shape) -> int:
    return prod(result) * (left[-2] if node.get("transA", 0) else left[-1])


def _conv_macs(_node: Node, _source: _Shape, weights: _Shape, result: _Shape) -> int:
    return prod(result) * prod(weights[1:])


def _turned_conv_macs(_node: Node, source: _Shape, weights: _Shape, _result: _Shape) -> int:
    return prod(source) * prod(weights[1:])


def _recurrent_macs(_node: Node, source: _Shape, weights: _Shape, recurrent: _Shape, *_result: _Shape) -> int:
    return prod(source[:2]) * (prod(weights) + prod(recurrent))


_COUNTED = {"LSTM": 3, "GRU": 3, "RNN": 3}  # inputs whose shapes count
_MACS: dict[str, Callable[..., int]] = {
    "MatMul": _product_macs,
    "MatMulInteger": _product_macs,
    "Gemm": _product_macs,
    "Conv": _conv_macs,
    "ConvInteger": _conv_macs,
    "ConvTranspose": _turned_conv_macs,
    "LSTM": _recurrent_macs,
    "GRU": _recurrent_macs,
    "RNN": _recurrent_macs,
}
