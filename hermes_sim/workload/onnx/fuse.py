"""Chains of nodes that exporters write for one operator, put together again.

Two files of one network differ in notation: factors before or after, powers or products, casts between. So a chain is
recognised by what it computes, not by how it is written: the nodes between two tensors are evaluated on a few numbers
and compared with the operator. Scalars of the file are used as they are, vectors of weights stand for any numbers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hermes_sim.workload.onnx.chains import Chains
from hermes_sim.workload.onnx.fuse_attention import find_attention
from hermes_sim.workload.onnx.fuse_pointwise import find_activation, find_layer_norm

if TYPE_CHECKING:
    from hermes_sim.workload.onnx.chains import Found
    from hermes_sim.workload.onnx.read import OnnxNetwork
    from hermes_sim.workload.origin import Node

_FINDERS = (
    ({"ReduceMean"}, find_layer_norm),
    ({"Erf", "Tanh", "Sigmoid"}, find_activation),
    ({"Softmax"}, find_attention),
)


def fuse(network: OnnxNetwork) -> tuple[OnnxNetwork, dict[int, str]]:
    """Network with chains replaced by one node each, and, by their place in the file, the nodes that went into one.

    The node that stands for a chain comes where the chain ended, with its nodes as `parts`.
    """
    chains = Chains(network)
    into: dict[int, str] = {}
    made: dict[int, Node] = {}
    for op_types, find in _FINDERS:
        for anchor, node in enumerate(network.nodes):
            if node.op_type not in op_types or node.domain or anchor in into or anchor in made:
                continue
            found: Found | None = find(chains, anchor)
            if found is not None and not any(i in into or i in made for i in found.places):
                *before, last = sorted(found.places)
                parts = tuple(network.nodes[i] for i in (*before, last))
                made[last] = replace(found.node, name=network.nodes[last].name, parts=parts)
                into |= dict.fromkeys(before, f"{found.node.op_type} {network.nodes[last].name!r}")
    nodes = tuple(made.get(i, node) for i, node in enumerate(network.nodes))
    return replace(network, nodes=nodes), into
