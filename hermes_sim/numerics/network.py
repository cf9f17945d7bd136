"""Evaluation of a workload's network on real inputs: products where the mapping put them, everything else digital.

One walk over the nodes serves the chip and FP32: static products come from a `Projector`, and what digital units
compute is the same function, rounded to the unit's numbers or not. Every array has the samples in front of the shape
that the network gives for one sample. No result depends on how many samples are evaluated together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from hermes_sim._cpus import one_blas_thread
from hermes_sim.errors import DataError, WorkloadError
from hermes_sim.numerics.formats import to_fp16
from hermes_sim.numerics.functions import evaluate_node
from hermes_sim.numerics.functions.axes import needed
from hermes_sim.numerics.functions.kernel_attention import KEY_STATE, key_state
from hermes_sim.numerics.products import STATIC, StaticProduct
from hermes_sim.numerics.weights import NetworkWeights, Stored
from hermes_sim.workload.graph import OpKind

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from numpy.typing import NDArray

    from hermes_sim.chip.schema import Chip
    from hermes_sim.mapping.mapping import Mapping as Placed
    from hermes_sim.numerics.programmed import Projector
    from hermes_sim.workload.graph import Operator, OpGraph
    from hermes_sim.workload.origin import Node, NodeGraph

    Array = NDArray[Any]

FP16_BYTES = 2
# Values of one tensor that are held at a time: 8 MiB, so that the digital part of a network stays near the cache.
_HELD_VALUES = 1 << 21
_MOST_SAMPLES = 1024  # evaluated together
# What gives numbers of FP16 for numbers of FP16.
KEEPS_FORMAT = frozenset(
    {"Relu", "MaxPool", "GlobalMaxPool", "Max", "Min", "Abs", "Neg", "Identity", "Dropout", "Reshape", "Transpose"}
    | {"Flatten", "Squeeze", "Unsqueeze", "Slice", "Split", "Concat", "Gather", "Expand", "Tile"}
)


@dataclass(frozen=True)
class Evaluation:
    """A mapped network that can be evaluated.

    Parameters
    ----------
    graph : as it is mapped; its network says what the operators compute
    weights : of its matrices, and what else its file of weights holds
    rounded : operators whose results are numbers of FP16, as the units that run them have
    small_state : whether units add up over tokens in FP16, too
    """

    graph: OpGraph
    weights: NetworkWeights
    rounded: frozenset[str] = frozenset()
    small_state: bool = False

    @property
    def network(self) -> NodeGraph:
        """What is evaluated."""
        return network_of(self.graph)

    @cached_property
    def _owners(self) -> dict[str, list[Operator]]:
        """Tensor -> operators that make it."""
        found: dict[str, list[Operator]] = {}
        for op in self.graph.operators:
            for node in op.nodes:
                for one in node.parts or (node,):
                    for name in filter(None, one.outputs):
                        found.setdefault(name, []).append(op)
        return found

    @cached_property
    def _last_use(self) -> dict[str, int]:
        """Tensor -> place of the last node that takes it; outputs stay."""
        last = {name: i for i, node in enumerate(self.network.nodes) for name in node.inputs if name}
        return {name: i for name, i in last.items() if name not in self.network.outputs}

    def maker(self, name: str) -> str | None:
        """Operator that gives a tensor away, None for one that takes no operator: a constant, another shape."""
        owners = self._owners.get(name)
        return owners[-1].name if owners else None

    def makes_fp16(self, name: str) -> bool:
        """Whether a tensor is made by a unit whose results are numbers of FP16."""
        return self.maker(name) in self.rounded

    @cached_property
    def samples_together(self) -> int:
        """Samples that are evaluated together, so that memory stays bounded."""
        largest = 1
        for op in self.graph.operators:
            largest = max(largest, op.tokens * max(op.in_values, op.out_values))
        return int(np.clip(_HELD_VALUES // largest, 1, _MOST_SAMPLES))

    def run(self, products: Projector, inputs: Mapping[str, Array], *, first_sample: int = 0) -> dict[str, Array]:
        """Outputs by name, (n, *shape of the network's output).

        Parameters
        ----------
        products : on a programmed chip or in float32, with the weights programmed
        inputs : by name, (n, *shape of the network's input)
        first_sample : number of the first one; noise is drawn anew for every sample

        Raises
        ------
        WorkloadError
            a node that cannot be evaluated
        """
        total = len(next(iter(inputs.values())))
        parts: list[dict[str, Array]] = []
        with one_blas_thread():
            for start in range(0, total, self.samples_together):
                here = {name: values[start : start + self.samples_together] for name, values in inputs.items()}
                parts.append(self._walk(products, here, first_sample + start))
        return {name: np.concatenate([part[name] for part in parts]) for name in self.network.outputs}

    def tensors(self, products: Projector, inputs: Mapping[str, Array], *, first_sample: int = 0) -> dict[str, Array]:
        """Every tensor of the network by name: for a look inside, of a few samples."""
        return self._walk(products, inputs, first_sample, keep=True)

    def _walk(
        self, products: Projector, inputs: Mapping[str, Array], first_sample: int, *, keep: bool = False
    ) -> dict[str, Array]:
        held: dict[str, Array] = dict(inputs)
        fp16: set[str] = set()  # tensors that are numbers of this format
        for i, node in enumerate(self.network.nodes):
            if all(self._is_constant(name) for name in node.outputs if name):
                continue
            given = [self._value(name, held) if name else None for name in node.inputs]
            made = self._results(products, node, given, first_sample)
            for name, values in zip(node.outputs, made, strict=False):
                if name:
                    held[name] = self._in_format(node, name, values, fp16, products)
            for name in () if keep else {*node.inputs, *node.outputs} - {""}:
                if self._last_use.get(name, i if name not in self.network.outputs else -1) == i:
                    held.pop(name, None)
        n = len(next(iter(inputs.values())))
        wanted = held if keep else {name: self._value(name, held) for name in self.network.outputs}
        return {name: np.broadcast_to(values, (n, *values.shape[1:])) for name, values in wanted.items()}

    def _results(
        self, products: Projector, node: Node, given: list[Array | None], first_sample: int
    ) -> tuple[Array, ...]:
        if self.small_state and node.op_type == KEY_STATE:
            return (key_state(needed(given, 0), needed(given, 1), fp16=True),)
        static = self.static_product(node)
        if static is None:
            return evaluate_node(node, given)
        return static.evaluate(products, given, first_sample)

    def static_product(self, node: Node) -> StaticProduct | None:
        """Products with constant weights that a node asks for, None if it has none."""
        owners = {op.name: op for name in node.outputs for op in self._owners.get(name, ())}
        made = tuple(op for op in owners.values() if op.kind is OpKind.STATIC_MATMUL)
        if not made or node.op_type not in STATIC or (node.op_type.startswith("Conv") and node.get("group", 1) != 1):
            return None
        return STATIC[node.op_type](node, made, self.weights)

    def _is_constant(self, name: str) -> bool:
        return self.weights.constant(name) is not None

    def _value(self, name: str, held: Mapping[str, Array]) -> Array:
        if name in held:
            return held[name]
        constant = self.weights.constant(name)
        if constant is None:
            raise WorkloadError(
                f"{self.network.where}: tensor {name!r}", got="no values", allowed="a network that can be evaluated"
            )
        return constant[None]

    def _in_format(self, node: Node, name: str, values: Array, fp16: set[str], products: Projector) -> Array:
        """Values in the format of the unit that makes them; those that have it already are not rounded again."""
        if node.op_type in KEEPS_FORMAT and fp16.issuperset(
            one for one in node.inputs if one and not self._is_constant(one)
        ):
            fp16.add(name)
            return values
        if not self.makes_fp16(name) or values.dtype.kind != "f":
            return values
        fp16.add(name)
        owners = self._owners[name]
        static = node.op_type in STATIC and owners[-1].on_crossbar and products.on_crossbars(owners[-1].name)
        alone = all(part is None for part in self.weights.behind(owners[-1].name))
        done = static and len(owners) == 1 and alone  # by the LDPU
        return values if done else to_fp16(values)


def network_of(graph: OpGraph) -> NodeGraph:
    """What a graph's operators compute.

    Raises    WorkloadError  if the workload does not say
    """
    if graph.network is None:
        raise WorkloadError(graph.name, got="operators without a meaning", allowed="an ONNX file, conv_net or lstm")
    return graph.network


def rounded_operators(graph: OpGraph, mapping: Placed, chip: Chip, *, ldpu: bool, units: bool) -> frozenset[str]:
    """Operators whose results are numbers of FP16: those of LDPUs, and of units whose numbers have two bytes.

    A host computes in float32, and so does a unit with larger numbers.

    Parameters
    ----------
    ldpu, units : whether these formats are on
    """
    small = units and chip.numbers.digital.n_bytes <= FP16_BYTES
    on_chip = {kind for kind, unit in chip.digital_units.items() if unit.place == "on_chip"}
    kinds = {name: place.kind for name, place in mapping.units.items()}
    return frozenset(
        op.name for op in graph.operators if (ldpu if op.on_crossbar else small and kinds.get(op.name) in on_chip)
    )


def in_unit_numbers(graph: OpGraph, rounded: Container[str], matrices: Mapping[str, Array]) -> dict[str, Array]:
    """Matrices as they are written: those that digital units alone use in the numbers of these.

    Parameters
    ----------
    rounded : operators whose results are numbers of FP16
    """
    users: dict[str, list[bool]] = {}
    for op in graph.operators:
        if op.kind is OpKind.STATIC_MATMUL:
            users.setdefault(op.matrix or op.use, []).append(not op.on_crossbar and op.name in rounded)
    return {name: to_fp16(values) if all(users[name]) else values for name, values in matrices.items()}


def checked_inputs(network: NodeGraph, given: Mapping[str, Array], *, where: str) -> dict[str, Array]:
    """Inputs as the network wants them, (n, *shape).

    Axes of size 1 that count samples may be left out: (n, 784) fits an input [1, 784].

    Raises    DataError  naming the axis that does not fit, and what is expected
    """
    found = {}
    for name, shape in network.inputs.items():
        if name not in given:
            raise DataError(where, got=f"no array {name!r}", allowed=", ".join(network.inputs))
        values = given[name]
        whole = name in network.whole_inputs
        found[name] = _fitted(np.asarray(values), shape, where=f"{where}: {name}", whole=whole)
    if len({len(values) for values in found.values()}) > 1:
        sizes = ", ".join(f"{name} {len(values)}" for name, values in found.items())
        raise DataError(where, got=f"inputs of other numbers of samples: {sizes}", allowed="as many of each")
    return found


def _fitted(values: Array, shape: tuple[int, ...], *, where: str, whole: bool) -> Array:
    plain = tuple(size for size in shape if size != 1)
    mine = tuple(size for size in values.shape[1:] if size != 1)
    if mine != plain:
        words = f"(n, {', '.join(map(str, shape[1:] if shape[:1] == (1,) else shape))})"
        hint = ""
        if len(mine) == len(plain) and sorted(mine) == sorted(plain):
            hint = "the same axes in another order: transpose the array"
        elif prod(mine) == prod(plain):
            hint = "as many values in another shape: reshape the array"
        raise DataError(where, got=f"an array of shape {values.shape}", allowed=words, hint=hint)
    if values.dtype.kind not in "fiub":
        raise DataError(where, got=f"numbers of type {values.dtype}", allowed="real numbers")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise DataError(where, got="NaN or infinity", allowed="finite numbers")
    if whole and values.dtype.kind == "f" and not np.array_equal(values, np.rint(values)):
        raise DataError(where, got="fractions", allowed="whole numbers")
    return values.astype(np.int64 if whole else np.float32, copy=False).reshape(len(values), *shape)


def network_weights(graph: OpGraph, file: Mapping[str, Array] | None = None, *, where: str = "") -> NetworkWeights:
    """Weights of a graph's network: its own, and those of a file in their place.

    Raises
    ------
    DataError
        matrices without weights, or arrays of the file that fit nothing
    """
    weights = NetworkWeights(graph, file, where=where)
    evaluation = Evaluation(graph, weights)
    stored: dict[str, Stored] = {}
    for node in network_of(graph).nodes:
        if any(weights.constant(name) is not None for name in node.inputs[:2]):
            product = evaluation.static_product(node)
            if product is not None:
                stored |= product.stored(weights.needed)
    weights.put(stored)
    if file:
        weights.take_file()
    weights.check_complete()
    return weights
