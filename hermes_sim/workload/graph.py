"""The operator graph: what is to be computed, with shapes and a token axis; it knows nothing of hardware."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from hermes_sim.config.vocabulary import Function
from hermes_sim.errors import WorkloadError, listed, nearest
from hermes_sim.workload.operators import Edge, Matrix, Operator, OpKind, Pattern, Window

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hermes_sim.workload.origin import Node, NodeGraph

__all__ = [
    "Edge",
    "GraphBuilder",
    "LifeCycle",
    "Matrix",
    "OpGraph",
    "OpKind",
    "Operator",
    "Pattern",
    "Window",
]

_MOST_OPERATORS = 250_000  # some seconds to build


@dataclass(frozen=True)
class LifeCycle:
    """What happens to the weights around and between inferences.

    Parameters
    ----------
    program_first : program all weights before the first inference
    compensate_every : inferences between two drift compensations of every core in use, 0 for none
    redraw_every : inferences between two reprogrammings of the matrices `redraw`, 0 for none
    redraw : names of matrices, random features for example
    calibrate_every : inferences between two calibrations of the converters of every core in use, 0 for none
    """

    program_first: bool = False
    compensate_every: int = 0
    redraw_every: int = 0
    redraw: tuple[str, ...] = ()
    calibrate_every: int = 0


def _reached(ways: Mapping[str, list[str]], start: str) -> set[str]:
    """Nodes that can be reached, the first one among them."""
    found, open_ends = {start}, [start]
    while open_ends:
        new = set(ways[open_ends.pop()]) - found
        found |= new
        open_ends += new
    return found


@dataclass(frozen=True)
class OpGraph:
    """Operators, matrices and edges of one inference; but for feedback, every source comes before its targets.

    `network` says what the operators compute, where that is known.
    """

    name: str
    operators: tuple[Operator, ...]
    matrices: tuple[Matrix, ...]
    edges: tuple[Edge, ...]
    life_cycle: LifeCycle | None = None
    network: NodeGraph | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Name the matrices of the life cycle as the graph does, whichever of their names was given.

        Raises    WorkloadError  for a life cycle that redraws what is not there
        """
        if self.life_cycle is None or not self.life_cycle.redraw:
            return
        called = {self.called(matrix.name): matrix.name for matrix in self.matrices}
        known = called | {matrix.name: matrix.name for matrix in self.matrices}
        for name in self.life_cycle.redraw:
            if name not in known:
                raise WorkloadError(
                    f"{self.name}: life_cycle.redraw",
                    got=f"no matrix {name!r}",
                    allowed=listed(list(called)) or "nothing: no matrix is on the crossbars",
                    hint=nearest(name, list(known)),
                )
        redraw = tuple(dict.fromkeys(known[name] for name in self.life_cycle.redraw))
        object.__setattr__(self, "life_cycle", replace(self.life_cycle, redraw=redraw))

    @cached_property
    def _operators(self) -> dict[str, Operator]:
        return {op.name: op for op in self.operators}

    @cached_property
    def _matrices(self) -> dict[str, Matrix]:
        return {matrix.name: matrix for matrix in self.matrices}

    @cached_property
    def into(self) -> dict[str, list[Edge]]:
        """Operator -> edges that end at it."""
        ends: dict[str, list[Edge]] = {op.name: [] for op in self.operators}
        for edge in self.edges:
            ends[edge.target].append(edge)
        return ends

    @cached_property
    def token_by_token(self) -> frozenset[str]:
        """Operators that cannot collect tokens first: on a circle of feedback, or at an end of a sliding window."""
        names = {name for edge in self.edges if edge.pattern is Pattern.WINDOW for name in (edge.source, edge.target)}
        sources: dict[str, list[str]] = {op.name: [edge.source for edge in self.into[op.name]] for op in self.operators}
        targets: dict[str, list[str]] = {op.name: [] for op in self.operators}
        for edge in self.edges:
            targets[edge.source].append(edge.target)
        for edge in self.edges:
            if edge.pattern is Pattern.PREVIOUS:
                names |= _reached(targets, edge.target) & _reached(sources, edge.source)
        return frozenset(names)

    def operator(self, name: str) -> Operator:
        """Operator by name."""
        return self._operators[name]

    def matrix(self, name: str) -> Matrix:
        """Matrix by name."""
        return self._matrices[name]

    def called(self, matrix: str) -> str:
        """What people call a matrix: a tensor of a file that one node alone uses is called like this node."""
        return self._called.get(matrix, matrix)

    @cached_property
    def _called(self) -> dict[str, str]:
        users: dict[str, list[Operator]] = {}
        for op in self.operators:
            if op.kind is OpKind.STATIC_MATMUL:
                users.setdefault(op.matrix or op.use, []).append(op)
        return {
            matrix: ops[0].name
            for matrix, ops in users.items()
            if len(ops) == 1 and any(matrix.partition("#")[0] in node.inputs for node in ops[0].nodes)
        }

    def ops_of(self, op: Operator) -> int:
        """Operations of one operator in one inference (a multiply-accumulate counts as two)."""
        digital = sum(function.ops * count for function, count in op.functions.items())
        analog = 2 * self.matrix(op.matrix).n_weights if op.matrix else 0
        return op.tokens * (digital + analog)

    @property
    def ops(self) -> int:
        """Operations of one inference."""
        return sum(self.ops_of(op) for op in self.operators)

    @property
    def n_weights(self) -> int:
        """Weights of all matrices."""
        return sum(matrix.n_weights for matrix in self.matrices)


class GraphBuilder:
    """Collects operators and edges, and checks shapes when the graph is built."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._operators: dict[str, Operator] = {}
        self._matrices: dict[str, Matrix] = {}
        self._edges: list[Edge] = []

    def matrix(self, name: str, *, rows: int, columns: int) -> str:
        """Declare a weight matrix (again, for an operator that shares it)."""
        self._matrices.setdefault(name, Matrix(name, rows, columns))
        return name

    def add(self, op: Operator) -> str:
        """Add an operator and return its name."""
        if op.name in self._operators:
            raise WorkloadError(f"{self.name}: {op.name}", got="a second operator of that name")
        if len(self._operators) == _MOST_OPERATORS:
            raise WorkloadError(
                self.name,
                got=f"more than {_MOST_OPERATORS:,} operators",
                allowed=f"at most {_MOST_OPERATORS:,}",
                hint="fewer layers, heads or copies; their length costs nothing",
            )
        self._operators[op.name] = op
        return op.name

    def free(self, name: str) -> str:
        """The name, with a number behind it if an operator has it already."""
        i, free = 1, name
        while free in self._operators:
            i += 1
            free = f"{name}#{i}"
        return free

    def computes(self, name: str, node: Node) -> None:
        """Take down that an operator computes a node of an imported network, after those it has already."""
        op = self._operators[name]
        self._operators[name] = replace(op, nodes=(*op.nodes, node))

    def other_matrix(self, matrix: Matrix) -> bool:
        """Whether there is another matrix of that name."""
        return self._matrices.get(matrix.name, matrix) != matrix

    def mark(self) -> tuple[int, int, int]:
        """How much has been added so far, for `rewind`."""
        return len(self._operators), len(self._matrices), len(self._edges)

    def rewind(self, mark: tuple[int, int, int]) -> None:
        """Take back what has been added since a mark."""
        n_operators, n_matrices, n_edges = mark
        for names, n in ((self._operators, n_operators), (self._matrices, n_matrices)):
            for name in list(names)[n:]:
                del names[name]
        del self._edges[n_edges:]

    def project(self, name: str, matrix: str, *, tokens: int, use: str = "") -> str:
        """Add a static matrix product meant for the crossbars."""
        shape = self._matrices[matrix]
        return self.add(
            Operator(
                name,
                OpKind.STATIC_MATMUL,
                tokens,
                shape.rows,
                shape.columns,
                matrix=matrix,
                on_crossbar=True,
                use=use or name,
            )
        )

    def product(self, name: str, matrix: Matrix, *, tokens: int, on_crossbar: bool, use: str = "") -> str:
        """Add a static matrix product, on the crossbars or on a digital unit."""
        if self.other_matrix(matrix):
            raise WorkloadError(f"{self.name}: {matrix.name}", got="two matrices of that name")
        self.matrix(matrix.name, rows=matrix.rows, columns=matrix.columns)
        if on_crossbar:
            return self.project(name, matrix.name, tokens=tokens, use=use)
        return self.digital_matmul(name, matrix.name, tokens=tokens)

    def digital_matmul(self, name: str, matrix: str, *, tokens: int) -> str:
        """Add a static matrix product that a digital unit computes."""
        shape = self._matrices.pop(matrix)
        return self.add(
            Operator(
                name,
                OpKind.STATIC_MATMUL,
                tokens,
                shape.rows,
                shape.columns,
                {Function.MAC: shape.n_weights},
                weight_values=shape.n_weights,
                use=matrix,
            )
        )

    def connect(
        self,
        source: str,
        target: str,
        *,
        values: tuple[int, int] | None = None,
        pattern: Pattern = Pattern.EACH,
        into: int = 0,
        window: Window | None = None,
    ) -> None:
        """Send values [start, stop) of each result of `source`, by default all, to `target`."""
        made = self._operators[source]
        whole = made.once_values if pattern is Pattern.SEQUENCE and made.once_values else made.out_values
        start, stop = values or (0, whole)
        self._edges.append(Edge(source, target, start, stop, pattern, into, window))

    @property
    def edges(self) -> tuple[Edge, ...]:
        """Edges so far."""
        return tuple(self._edges)

    def operator(self, name: str) -> Operator:
        """Operator by name."""
        return self._operators[name]

    def has(self, name: str) -> bool:
        """Whether there is an operator of that name."""
        return name in self._operators

    def replace_edge(self, old: Edge, *new: Edge) -> None:
        """Put other edges in the place of one."""
        at = self._edges.index(old)
        self._edges[at : at + 1] = new

    def order(self) -> list[str]:
        """Names of the operators, every source before its targets, feedback left out.

        Raises
        ------
        WorkloadError
            a circle of operators
        """
        net = TopologicalSorter[str](dict.fromkeys(self._operators, ()))
        for edge in self._edges:
            if edge.pattern is not Pattern.PREVIOUS:
                net.add(edge.target, edge.source)
        try:
            net.prepare()
        except CycleError as cause:
            circle = " -> ".join(cause.args[1])
            raise WorkloadError(self.name, got=f"a circle of operators: {circle}", allowed="no circle") from None
        position = {name: i for i, name in enumerate(self._operators)}
        ready: list[tuple[int, str]] = []
        order: list[str] = []
        while net.is_active():
            for name in net.get_ready():
                heappush(ready, (position[name], name))
            _, first = heappop(ready)  # of those that are free the one named first
            order.append(first)
            net.done(first)
        return order

    def build(self, *, network: NodeGraph | None = None) -> OpGraph:
        """Freeze and check.

        Raises
        ------
        WorkloadError
            circular or dangling edges, values that do not exist, tokens that do not match
        """
        for edge in self._edges:
            self._check(edge)
        order = self.order()
        return OpGraph(
            self.name,
            tuple(self._operators[name] for name in order),
            tuple(self._matrices.values()),
            tuple(self._edges),
            network=network,
        )

    def _check(self, edge: Edge) -> None:
        where = f"{self.name}: {edge.source} -> {edge.target}"
        for end in (edge.source, edge.target):
            if end not in self._operators:
                raise WorkloadError(where, got=f"no operator {end!r}", allowed=", ".join(self._operators))
        source, target = self._operators[edge.source], self._operators[edge.target]
        whole = source.once_values if edge.pattern is Pattern.SEQUENCE and source.once_values else source.out_values
        if not 0 <= edge.start < edge.stop <= whole:
            raise WorkloadError(where, got=f"values {edge.start} to {edge.stop}", allowed=f"within 0 to {whole}")
        if target.kind is OpKind.STATIC_MATMUL and edge.window is None:
            _check_inputs(where, edge, target)
        if edge.pattern is Pattern.WINDOW:
            _check_window(where, edge, source, target)
        if edge.pattern in {Pattern.EACH, Pattern.PREVIOUS} and source.tokens != target.tokens:
            raise WorkloadError(
                where,
                got=f"{source.tokens} and {target.tokens} tokens",
                allowed="as many tokens on both sides",
            )


def _check_inputs(where: str, edge: Edge, target: Operator) -> None:
    if edge.into + edge.n_values > target.in_values:
        raise WorkloadError(
            where,
            got=f"values into {edge.into} to {edge.into + edge.n_values}",
            allowed=f"within 0 to {target.in_values}",
        )


def _check_window(where: str, edge: Edge, source: Operator, target: Operator) -> None:
    window = edge.window
    if window is None:
        raise WorkloadError(where, got="no window", allowed="a window")
    for op, rows, columns in (
        (source, window.in_rows, window.in_columns),
        (target, window.out_rows, window.out_columns),
    ):
        if op.tokens != rows * columns:
            raise WorkloadError(
                where, got=f"{op.tokens} tokens", allowed=f"{rows} rows of {columns}, as the window says"
            )
    if min(window.kernel, window.stride, window.padding + 1) < 1:
        raise WorkloadError(
            where,
            got=f"a window of {window.kernel} rows, stride {window.stride}, padding {window.padding}",
            allowed="at least one row, a stride of at least 1, padding of at least 0",
        )
