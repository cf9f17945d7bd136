"""How much of a file is in the run when some of its nodes count for nothing."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hermes_sim.workload.onnx.read import Network
    from hermes_sim.workload.origin import Node

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


def share_of(network: Network, left_out: Iterable[int]) -> Share:
    """Share of a file without the nodes at these places; a product of unknown shape counts for nothing."""
    out = set(left_out)
    kept = [node for i, node in enumerate(network.nodes) if i not in out]
    inside = [
        sum(network.inner_values[i] for i in range(len(network.nodes)) if i not in out),
        sum(network.inner_values),
    ]
    return Share(
        _weights(network, kept) + inside[0],
        _weights(network, network.nodes) + inside[1],
        sum(_macs(network, node) for node in kept),
        sum(_macs(network, node) for node in network.nodes),
    )


def _weights(network: Network, nodes: Iterable[Node]) -> int:
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


def _macs(network: Network, node: Node) -> int:
    """Multiply-accumulates of a node, by the shapes of its inputs and result."""
    shapes = [network.shapes.get(name) for name in (*node.inputs, *node.outputs[:1])]
    if node.op_type not in {"MatMul", "Gemm", "Conv", "ConvTranspose", "LSTM", "GRU", "RNN"} or node.domain:
        return 0
    first, second, result = shapes[0], shapes[1], network.shapes.get(node.outputs[0])
    if first is None or second is None:
        return 0
    if node.op_type == "ConvTranspose":
        return prod(first) * prod(second[1:])
    if node.op_type in {"LSTM", "GRU", "RNN"}:
        steps, recurrent = prod(first[:2]), network.shapes.get(node.inputs[2]) or ()
        return steps * (prod(second) + prod(recurrent))
    if result is None:
        return 0
    if node.op_type == "Conv":
        return prod(result) * prod(second[1:])
    return prod(result) * (first[-2] if node.get("transA", 0) else first[-1]) if first else 0
