"""Stretches of a network's nodes: who makes and takes a tensor, what a stretch computes, whether it can be cut out."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import erf

from hermes_sim.workload.onnx.constants import FLOATS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import numpy.typing as npt

    from hermes_sim.workload.onnx.read import OnnxNetwork
    from hermes_sim.workload.origin import Node

    Array = npt.NDArray[np.float64]

SAME = frozenset({"Identity", "Dropout", "Cast"})  # in inference, the values that went in
_LIMIT = 32  # nodes of a chain; exporters write at most some fifteen

_COMPUTE: dict[str, Callable[..., Any]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "Pow": np.power,
    "Sqrt": np.sqrt,
    "Reciprocal": np.reciprocal,
    "Neg": np.negative,
    "Erf": erf,
    "Tanh": np.tanh,
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "ReduceMean": lambda x: x.mean(axis=-1, keepdims=True),
}


@dataclass(frozen=True)
class Found:
    """A chain: the operator it computes, and the places of its nodes in the file."""

    node: Node
    places: frozenset[int]


class Chains:
    """A network, to look for chains in."""

    def __init__(self, network: OnnxNetwork) -> None:
        self.network = network
        self.nodes = network.nodes
        self.maker = {name: i for i, node in enumerate(network.nodes) for name in node.outputs if name}
        self.takers: defaultdict[str, list[int]] = defaultdict(list)
        for i, node in enumerate(network.nodes):
            for name in (*node.inputs, *node.captured):
                self.takers[name].append(i)

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Shape of a tensor, if known."""
        return self.network.shapes.get(name)

    def scalar(self, name: str) -> float | None:
        """Value of a constant of one number, if it is one and known."""
        value = self.network.constants.small.get(name)
        if value is None or value.size != 1 or not np.issubdtype(value.dtype, np.number):
            return None
        return float(value.reshape(()))

    def is_constant(self, name: str) -> bool:
        """Whether a tensor is the same in every inference."""
        return name in self.network.constants

    def is_same(self, place: int) -> bool:
        """Whether a node hands on what it gets; a cast to whole numbers does not."""
        node = self.nodes[place]
        return node.op_type in SAME and (node.op_type != "Cast" or node.get("to", 0) in FLOATS)

    def computes(self, place: int) -> bool:
        """Whether a node is one of those that a chain of functions is made of."""
        node = self.nodes[place]
        if node.domain:
            return False
        return node.op_type in _COMPUTE or self.is_same(place)

    def live_inputs(self, place: int) -> list[str]:
        """Inputs of a node that change with the inference."""
        return [name for name in self.nodes[place].inputs if name and not self.is_constant(name)]

    def after(self, start: str, usable: Callable[[int], bool]) -> list[int]:
        """Places of the nodes that depend on `start` and on constants alone, in order."""
        inside, places, waiting = {start}, set[int](), list(self.takers[start])
        while waiting and len(places) < _LIMIT:
            place = waiting.pop(0)
            if place in places or not usable(place) or not set(self.live_inputs(place)) <= inside:
                continue
            places.add(place)
            inside |= set(self.nodes[place].outputs)
            waiting += [taker for name in self.nodes[place].outputs for taker in self.takers[name]]
        return sorted(places)

    def before(self, end: int, places: Iterable[int]) -> frozenset[int]:
        """Those of `places` that the node at `end` depends on, itself included."""
        allowed, found, waiting = set(places), set[int](), [end]
        while waiting:
            place = waiting.pop()
            if place in allowed and place not in found:
                found.add(place)
                waiting += [self.maker[name] for name in self.nodes[place].inputs if name in self.maker]
        return frozenset(found)

    def is_closed(self, places: frozenset[int]) -> bool:
        """Whether nobody outside takes a result of these nodes but that of the last one."""
        results = set(self.network.outputs)
        inner = [name for place in places if place != max(places) for name in self.nodes[place].outputs if name]
        return all(name not in results and set(self.takers[name]) <= places for name in inner)

    def compute(self, places: frozenset[int], known: Mapping[str, Array]) -> Array | None:
        """Result of the last of these nodes, if the tensors `known` have those values."""
        values = dict(known)
        with np.errstate(all="ignore"):
            for place in sorted(places):
                node = self.nodes[place]
                inputs = [self._value(name, values) for name in node.inputs if name]
                if self.is_same(place) or node.op_type == "ReduceMean":
                    inputs = inputs[:1]
                if any(value is None for value in inputs):
                    return None
                values[node.outputs[0]] = inputs[0] if self.is_same(place) else _COMPUTE[node.op_type](*inputs)
        return values[self.nodes[max(places)].outputs[0]]

    def _value(self, name: str, values: Mapping[str, Array]) -> Any:
        if name in values:
            return values[name]
        scalar = self.scalar(name)
        return None if scalar is None else np.float64(scalar)
