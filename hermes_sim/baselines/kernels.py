"""How an operator graph runs as kernels on a digital device: who shares a kernel, what goes to memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hermes_sim.baselines.schema import Fusion
from hermes_sim.functions import Function
from hermes_sim.workload.graph import OpKind, Pattern

if TYPE_CHECKING:
    from hermes_sim.workload.graph import Edge, Operator, OpGraph

_PRODUCTS = frozenset({OpKind.STATIC_MATMUL, OpKind.DYNAMIC_MATMUL})
_ENDS = frozenset({OpKind.INPUT, OpKind.OUTPUT})
_EPILOGUE = frozenset({OpKind.ELEMENTWISE, OpKind.NONLINEAR})
_PLAIN = frozenset({Function.MAC, Function.ADD, Function.MUL, Function.COMPARE})


@dataclass(frozen=True)
class Work:
    """Counts of one operator in one inference; `special` counts evaluations, the others operations."""

    operator: Operator
    kernel: int
    first_of_kernel: bool
    matrix_ops: int
    vector_ops: int
    special: int
    weight_values: int
    operand_values: int


def list_work(graph: OpGraph, fusion: Fusion) -> list[Work]:
    """Work of every operator that computes, in the order of the graph; inputs and outputs have none."""
    kernels = assign_kernels(graph, fusion)
    seen: set[int] = set()
    work = []
    for op in graph.operators:
        if op.kind in _ENDS:
            continue
        kernel = kernels[op.name]
        matrix, vector, special = _operations(graph, op)
        incoming = sum(edge_values(graph, edge) for edge in graph.edges if edge.target == op.name)
        weights = static_weights(graph, op)
        operands = incoming + weights + result_values(op)
        work.append(Work(op, kernel, kernel not in seen, matrix, vector, special, weights, operands))
        seen.add(kernel)
    return work


def assign_kernels(graph: OpGraph, fusion: Fusion) -> dict[str, int]:
    """Kernel number of every operator that computes."""
    kernels: dict[str, int] = {}
    for op in graph.operators:
        if op.kind in _ENDS:
            continue
        joins = op.kind not in _PRODUCTS if fusion is Fusion.FULL else op.kind in _EPILOGUE
        sources = [
            kernels[edge.source]
            for edge in graph.edges
            if edge.target == op.name and edge.source in kernels and edge.pattern is Pattern.EACH
        ]
        if joins and sources and fusion is not Fusion.NONE:
            kernels[op.name] = max(sources)
        else:
            kernels[op.name] = max(kernels.values(), default=-1) + 1
    return kernels


def _operations(graph: OpGraph, op: Operator) -> tuple[int, int, int]:
    """Operations on the matrix unit and on vector units, and evaluations of special functions."""
    matrix = 2 * graph.matrix(op.matrix).n_weights if op.matrix else 0
    vector = special = 0
    for function, count in op.functions.items():
        if function not in _PLAIN:
            special += count
        elif function is Function.MAC and op.kind in _PRODUCTS:
            matrix += function.ops * count
        else:
            vector += function.ops * count
    return op.tokens * matrix, op.tokens * vector, op.tokens * special


def edge_values(graph: OpGraph, edge: Edge) -> int:
    """Values that one inference moves along an edge: a state once, else one result per token."""
    source = graph.operator(edge.source)
    if edge.pattern is Pattern.SEQUENCE and source.once_values:
        return edge.n_values
    return edge.n_values * source.tokens


def result_values(op: Operator) -> int:
    """Values that one inference of the operator writes."""
    return op.once_values or op.tokens * op.out_values


def static_weights(graph: OpGraph, op: Operator) -> int:
    """Weights that do not change between inferences; state that arrives over an edge is not a weight."""
    if op.matrix:
        return graph.matrix(op.matrix).n_weights
    is_state = op.kind is OpKind.DYNAMIC_MATMUL or any(
        edge.target == op.name and edge.pattern is Pattern.SEQUENCE for edge in graph.edges
    )
    return 0 if is_state else op.weight_values


def memory_values(graph: OpGraph, work: list[Work], *, on_chip_values: float) -> dict[str, int]:
    """Values that each operator moves to and from device memory, weights left out.

    Inputs are read and results written once. What passes between kernels is written by one and read by the
    other unless it fits in `on_chip_values`; within a kernel nothing moves. The same part of an input is read
    once by all operators of a kernel, and once for all kernels if it fits on chip.
    """
    kernels = {item.operator.name: item.kernel for item in work}
    seen: set[tuple[object, ...]] = set()
    moved = {}
    for item in work:
        op = item.operator
        total = 0
        for edge in graph.edges:
            if edge.target == op.name:
                values = edge_values(graph, edge)
                fits = values <= on_chip_values
                is_input = edge.source not in kernels
                key = (edge.source, edge.start, edge.stop, -1 if fits else item.kernel)
                inside = not is_input and kernels[edge.source] == item.kernel
                if not inside and (is_input or not fits) and key not in seen:
                    total += values
                    seen.add(key)
        targets = [edge.target for edge in graph.edges if edge.source == op.name]
        leaves = any(name not in kernels for name in targets)
        passes = any(name in kernels and kernels[name] != item.kernel for name in targets)
        if leaves or (passes and result_values(op) > on_chip_values):
            total += result_values(op)
        moved[op.name] = total
    return moved
