"""Tensors of an ONNX graph while it is imported: shapes, constants, and streams of tokens."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from math import prod
from typing import TYPE_CHECKING

from hermes_sim.workload.graph import GraphBuilder, Matrix, Operator, OpKind, Pattern

if TYPE_CHECKING:
    from hermes_sim.config.vocabulary import Function
    from hermes_sim.workload.onnx.read import OnnxNetwork
    from hermes_sim.workload.origin import Node


@dataclass(frozen=True)
class NodeReport:
    """What became of a node: crossbar, digital, folded, fused, view, constant or unsupported; and why."""

    name: str
    op_type: str
    outcome: str
    reason: str = ""

    def describe(self) -> str:
        """One line for a message."""
        reason = f": {self.reason}" if self.reason else ""
        what = "" if self.outcome == "unsupported" else f" ({self.outcome})"
        return f"{self.op_type} {self.name!r}{reason}{what}"


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

    def cut(self, start: int, stop: int) -> Stream:
        """Values [start, stop) of every token."""
        parts, offset = [], 0
        for part in self.parts:
            width = part.stop - part.start
            low, high = max(start, offset), min(stop, offset + width)
            if low < high:
                parts.append(Part(part.op, part.start + low - offset, part.start + high - offset))
            offset += width
        return replace(self, parts=tuple(parts))


@dataclass
class Importer:
    """State of an import: the graph under construction, and what is known of every tensor."""

    graph: GraphBuilder
    network: OnnxNetwork
    streams: dict[str, Stream] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)  # the same in every inference, but the file does not say what
    reports: list[NodeReport] = field(default_factory=list)
    takers: dict[str, list[Node]] = field(default_factory=dict)
    _whole: dict[Stream, Stream] = field(default_factory=dict)

    def __post_init__(self) -> None:
        takers: defaultdict[str, list[Node]] = defaultdict(list)
        for node in self.network.nodes:
            for name in (*node.inputs, *node.captured):
                takers[name].append(node)
        self.takers = dict(takers)

    def is_constant(self, name: str) -> bool:
        """Whether a tensor is the same in every inference."""
        return name in self.network.constants or name in self.unknown

    def integers(self, name: str) -> list[int] | None:
        """Values of a small constant of whole numbers, if they are known."""
        value = self.network.constants.small.get(name)
        return None if value is None or value.dtype.kind not in "iu" else [int(one) for one in value.reshape(-1)]

    def is_known(self, name: str) -> bool:
        """Whether a tensor's shape is known."""
        return name in self.network.shapes

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor.

        Raises
        ------
        NotImplementedError
            if shape inference could not tell, or the tensor holds nothing
        """
        shape = self.network.shapes.get(name)
        if shape is None:
            raise NotImplementedError(f"the shape of {name!r} is not known")
        if not all(shape):
            raise NotImplementedError(f"{name!r} of shape {list(shape)} holds no values")
        return shape

    def size(self, name: str) -> int:
        """Number of values of a tensor."""
        return prod(self.shape(name))

    def stream(self, name: str) -> Stream:
        """Stream of a tensor that is computed.

        Raises
        ------
        NotImplementedError
            a constant where a computed tensor is needed
        """
        if name not in self.streams:
            raise NotImplementedError(f"{name!r} is {'a constant' if self.is_constant(name) else 'not computed'}")
        return self.streams[name]

    def add(self, op: Operator) -> str:
        """Add an operator, under another name if the file uses one twice."""
        return self.graph.add(replace(op, name=self.graph.free(op.name)))

    def product(self, node: Node, name: str, matrix: Matrix, *, tokens: int) -> str:
        """Add a product on the crossbars; one tensor used as two matrices of other shapes makes two."""
        free, i = matrix, 1
        while self.graph.other_matrix(free):
            i += 1
            free = replace(matrix, name=f"{matrix.name}#{i}")
        made = self.graph.product(self.graph.free(name), free, tokens=tokens, on_crossbar=True)
        self.graph.computes(made, node)
        return made

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
        elif wanted > 1:
            again = self.in_tokens(stream, wanted, target)
            self.graph.connect(again.parts[0].op, target, into=into)
        else:
            self._once(self.collect(stream, f"{target}.collect"), target, into)

    def in_tokens(self, stream: Stream, tokens: int, target: str) -> Stream:
        """The same values as so many tokens, read in their own order from a memory that holds them all."""
        if stream.tokens == tokens and not stream.once:
            return stream
        held = self.collect(stream, f"{target}.collect")
        values = -(-stream.tokens * stream.values // tokens)
        again = self.add(Operator(f"{target}.reorder", OpKind.ELEMENTWISE, tokens, 0, values))
        self._once(held, again, 0)
        return Stream.of(again, tokens, values)

    def collect(self, stream: Stream, name: str) -> Stream:
        """Memory that holds all tokens until they are all there."""
        if stream.once:
            return stream
        total = stream.tokens * stream.values
        memory = self.add(Operator(name, OpKind.MEMORY, stream.tokens, stream.values, 0, once_values=total))
        self.connect(stream, memory)
        return Stream.of(memory, 1, total, once=True)

    def whole(self, stream: Stream, name: str) -> Stream:
        """One memory for all who read a tensor in another order."""
        found = self._whole.get(stream)
        if found is None or not self.graph.has(found.parts[0].op):
            found = self._whole[stream] = self.collect(stream, name)
        return found

    def result(self, node: Node, output: str, op: Operator) -> Stream:
        """Add the operator that makes a tensor; its stream has the operator's tokens."""
        added = self.add(op)
        self.graph.computes(added, node)
        once = bool(op.once_values)
        values = op.once_values if once else op.out_values
        self.streams[output] = Stream.of(added, 1 if once else op.tokens, values, once=once)
        return self.streams[output]

    def digital(
        self,
        node: Node,
        name: str,
        kind: OpKind,
        functions: dict[Function, int],
        *,
        out_values: int,
        weight_values: int = 0,
        reason: str = "",
    ) -> None:
        """Token-by-token digital operator on all computed inputs of a node."""
        inputs = [self.streams[i] for i in node.inputs if i in self.streams]
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
        made = self.result(node, node.outputs[0], op)
        into = 0
        for stream in inputs:
            self.connect(stream, made.parts[0].op, into=into)
            into += stream.values
        self.note(node, name, "digital", reason)

    def view(self, node: Node, name: str) -> None:
        """Hand the first computed input on."""
        source = next(i for i in node.inputs if i in self.streams)
        for output in node.outputs:
            if output:
                self.streams[output] = self.streams[source]
        self.note(node, name, "view")

    def skip(self, node: Node, name: str, reason: str) -> None:
        """A node that cannot be imported: its first computed input goes on."""
        known = [i for i in node.inputs if i in self.streams]
        for output in node.outputs:
            if known and output:
                self.streams[output] = self.streams[known[0]]
            elif output:
                self.unknown.add(output)
        self.note(node, name, "unsupported", reason)

    def note(self, node: Node, name: str, outcome: str, reason: str = "") -> None:
        """List what became of a node."""
        self.reports.append(NodeReport(name, node.op_type, outcome, reason))

    def _once(self, stream: Stream, target: str, into: int) -> None:
        for part in stream.parts:
            self.graph.connect(part.op, target, values=(part.start, part.stop), into=into, pattern=Pattern.SEQUENCE)
            into += part.stop - part.start


def token_axes(shape: tuple[int, ...], tokens: int) -> frozenset[int]:
    """Axes of a tensor along which its tokens lie; none if it is one token, or they cannot be told.

    A picture's rows and columns; else all axes before the values; else the first axis of that size: steps come before
    values.
    """
    if tokens == 1:
        return frozenset()
    if len(shape) >= 3 and prod(shape[2:]) == tokens:
        return frozenset(range(2, len(shape)))
    if prod(shape[:-1]) == tokens:
        return frozenset(i for i, size in enumerate(shape[:-1]) if size > 1)
    return frozenset([shape.index(tokens)]) if tokens in shape else frozenset()
