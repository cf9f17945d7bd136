"""Tensors of an ONNX graph while it is imported: shapes, constants, and streams of tokens."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from hermes_sim.workload.graph import GraphBuilder, Operator, OpKind, Pattern

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hermes_sim.functions import Function


@dataclass(frozen=True)
class NodeReport:
    """What became of a node: crossbar, digital, folded, view, constant or unsupported; and why."""

    name: str
    op_type: str
    outcome: str
    reason: str = ""

    def describe(self) -> str:
        """One line for a message."""
        reason = f": {self.reason}" if self.reason else ""
        what = "hands its first input on and counts for nothing" if self.outcome == "unsupported" else self.outcome
        return f"{self.op_type} {self.name!r}{reason} ({what})"


@dataclass(frozen=True)
class Part:
    """Values [start, stop) of every result of an operator."""

    op: str
    start: int
    stop: int


@dataclass(frozen=True)
class Stream:
    """A tensor: for each of `tokens` the values of its parts side by side; `once`: there at the end only."""

    parts: tuple[Part, ...]
    tokens: int
    once: bool = False

    @classmethod
    def of(cls, op: str, tokens: int, values: int, *, once: bool = False) -> Stream:
        """All results of one operator."""
        return cls((Part(op, 0, values),), tokens, once)

    @property
    def values(self) -> int:
        """Values per token."""
        return sum(part.stop - part.start for part in self.parts)


@dataclass
class Importer:
    """State of an import: the graph under construction, and what is known of every tensor."""

    graph: GraphBuilder
    path: Path
    to_array: Callable[[Any], Any]
    streams: dict[str, Stream] = field(default_factory=dict)
    constants: dict[str, tuple[int, ...]] = field(default_factory=dict)  # name -> shape
    arrays: dict[str, Any] = field(default_factory=dict)  # small integer constants: indices, shapes
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    reports: list[NodeReport] = field(default_factory=list)
    takers: dict[str, list[Any]] = field(default_factory=dict)

    def read_shapes(self, graph: Any) -> None:
        """Shapes of all tensors and the constants among them."""
        for value in (*graph.input, *graph.value_info, *graph.output):
            dims = value.type.tensor_type.shape.dim
            self.shapes[value.name] = tuple(dim.dim_value if dim.HasField("dim_value") else 0 for dim in dims)
        for weight in graph.initializer:
            self.constants[weight.name] = self.shapes[weight.name] = tuple(weight.dims)
            if self.product(weight.dims) <= 64:
                self.arrays[weight.name] = self.to_array(weight)
        takers: defaultdict[str, list[Any]] = defaultdict(list)
        for node in graph.node:
            for name in node.input:
                takers[name].append(node)
        self.takers = dict(takers)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor.

        Raises
        ------
        NotImplementedError
            if shape inference could not tell
        """
        shape = self.shapes.get(name)
        if shape is None or not all(shape):
            raise NotImplementedError(f"the shape of {name!r} is not known")
        return shape

    @staticmethod
    def product(dims: Any) -> int:
        """Product of dimensions."""
        result = 1
        for dim in dims:
            result *= int(dim)
        return result

    def size(self, name: str) -> int:
        """Number of values of a tensor."""
        return self.product(self.shape(name))

    def stream(self, name: str) -> Stream:
        """Stream of a tensor that is computed.

        Raises
        ------
        NotImplementedError
            a constant where a computed tensor is needed
        """
        if name not in self.streams:
            raise NotImplementedError(f"{name!r} is a constant")
        return self.streams[name]

    def add(self, op: Operator) -> str:
        """Add an operator, under another name if the file uses one twice."""
        name, i = op.name, 1
        while self.graph.has(name):
            i += 1
            name = f"{op.name}#{i}"
        return self.graph.add(replace(op, name=name))

    def connect(self, stream: Stream, target: str, *, into: int = 0) -> None:
        """Connect all parts of a stream; other tokens on the other side go through a memory.

        If the target has one token, or takes a state, the memory holds all tokens for it; if it has other tokens,
        they are read from that memory in their own order.
        """
        wanted = self.graph.operator(target).tokens
        if stream.once:
            self._once(stream, target, into)
        elif stream.tokens == wanted:
            for part in stream.parts:
                self.graph.connect(part.op, target, values=(part.start, part.stop), into=into)
                into += part.stop - part.start
        else:
            held = self.collect(stream, f"{target}.collect")
            if wanted > 1:
                total = stream.tokens * stream.values
                again = self.add(Operator(f"{target}.reorder", OpKind.ELEMENTWISE, wanted, 0, -(-total // wanted)))
                self._once(held, again, 0)
                self.graph.connect(again, target, into=into)
            else:
                self._once(held, target, into)

    def collect(self, stream: Stream, name: str) -> Stream:
        """Memory that holds all tokens until they are all there."""
        if stream.once:
            return stream
        total = stream.tokens * stream.values
        memory = self.add(Operator(name, OpKind.MEMORY, stream.tokens, stream.values, 0, once_values=total))
        self.connect(stream, memory)
        return Stream.of(memory, 1, total, once=True)

    def result(self, name: str, op: Operator) -> Stream:
        """Add the operator that makes a tensor; its stream has the operator's tokens."""
        added = self.add(op)
        once = bool(op.once_values)
        values = op.once_values if once else op.out_values
        self.streams[name] = Stream.of(added, 1 if once else op.tokens, values, once=once)
        return self.streams[name]

    def digital(
        self,
        node: Any,
        name: str,
        kind: OpKind,
        functions: dict[Function, int],
        *,
        out_values: int,
        weight_values: int = 0,
    ) -> None:
        """Token-by-token digital operator on all computed inputs of a node."""
        inputs = [self.streams[i] for i in node.input if i in self.streams]
        tokens = max(stream.tokens for stream in inputs)
        op = Operator(
            name,
            kind,
            tokens,
            sum(stream.values for stream in inputs),
            out_values,
            {function: count for function, count in functions.items() if count},
            weight_values=weight_values,
        )
        made = self.result(node.output[0], op)
        into = 0
        for stream in inputs:
            self.connect(stream, made.parts[0].op, into=into)
            into += stream.values
        self.note(node, name, "digital")

    def view(self, node: Any, name: str) -> None:
        """Hand the first computed input on."""
        source = next(i for i in node.input if i in self.streams)
        for output in node.output:
            self.streams[output] = self.streams[source]
        self.note(node, name, "view")

    def fold(self, node: Any, name: str) -> None:
        """A node whose result does not depend on the input: computed once, before any inference."""
        for output in node.output:
            self.constants[output] = self.shapes.get(output, ())
            if node.op_type == "Constant":
                for attribute in node.attribute:
                    if attribute.name == "value":
                        array = self.to_array(attribute.t)
                        self.constants[output] = self.shapes[output] = tuple(array.shape)
                        if array.size <= 64:
                            self.arrays[output] = array
        self.note(node, name, "constant")

    def skip(self, node: Any, name: str, reason: str) -> None:
        """A node that cannot be imported: its first computed input goes on."""
        known = [i for i in node.input if i in self.streams]
        for output in node.output:
            if known:
                self.streams[output] = self.streams[known[0]]
            else:
                self.constants[output] = ()
        self.note(node, name, "unsupported", reason)

    def note(self, node: Any, name: str, outcome: str, reason: str = "") -> None:
        """List what became of a node."""
        self.reports.append(NodeReport(name, node.op_type, outcome, reason))

    def _once(self, stream: Stream, target: str, into: int) -> None:
        for part in stream.parts:
            self.graph.connect(part.op, target, values=(part.start, part.stop), into=into, pattern=Pattern.SEQUENCE)
            into += part.stop - part.start


def attribute(node: Any, name: str, default: Any) -> Any:
    """Value of an attribute of a node."""
    for one in node.attribute:
        if one.name == name:
            if one.type == 2:  # INT
                return one.i
            if one.type == 7:  # INTS
                return list(one.ints)
            if one.type == 3:  # STRING
                return one.s.decode()
            if one.type == 1:  # FLOAT
                return one.f
    return default
