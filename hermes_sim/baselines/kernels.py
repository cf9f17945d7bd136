"""How an operator graph runs as kernels on a digital device: who shares a kernel, what goes to memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hermes_sim.baselines.schema import Fusion
from hermes_sim.config.vocabulary import Function
from hermes_sim.workload.graph import OpKind, Pattern

if TYPE_CHECKING:
    from hermes_sim.baselines.flow import Flow
    from hermes_sim.workload.graph import Operator, OpGraph

_PRODUCTS = frozenset({OpKind.STATIC_MATMUL, OpKind.DYNAMIC_MATMUL})
_EPILOGUE = frozenset({OpKind.ELEMENTWISE, OpKind.NONLINEAR, OpKind.LSTM_CELL})
_HAVE_WEIGHTS = frozenset({OpKind.STATIC_MATMUL, OpKind.NORMALISATION})
_ANY_KERNEL = -1
_PLAIN = frozenset({Function.MAC, Function.ADD, Function.MUL, Function.COMPARE})


@dataclass(frozen=True)
class Work:
    """Counts of one operator in one inference; `special` counts evaluations, the others operations.

    Parameters
    ----------
    steps : times that its kernel runs in one inference: once, or token by token in a circle of feedback
    weight_values : weights that do not change between inferences
    table_values : values looked up in a table in device memory
    operand_values : everything read and written if the operator ran on its own
    """

    operator: Operator
    kernel: int
    first_of_kernel: bool
    steps: int
    matrix_ops: int
    vector_ops: int
    special: int
    weight_values: int
    table_values: int
    operand_values: int


def list_work(graph: OpGraph, flow: Flow, fusion: Fusion) -> list[Work]:
    """Work of every operator that computes, in the order of the graph."""
    kernels = assign_kernels(flow, fusion)
    seen: set[int] = set()
    work = []
    for op in flow.operators:
        kernel = kernels[op.name]
        matrix, vector, special = _operations(graph, op)
        weights = static_weights(graph, op)
        table = op.tokens * op.weight_values if op.kind is OpKind.EMBEDDING else 0
        incoming = sum(flow.edge_values(edge) for edge in flow.into[op.name])
        work.append(
            Work(
                op,
                kernel,
                kernel not in seen,
                op.tokens if op.name in flow.recurrent else 1,
                matrix,
                vector,
                special,
                weights,
                table,
                incoming + weights + table + result_values(op),
            )
        )
        seen.add(kernel)
    return work


def assign_kernels(flow: Flow, fusion: Fusion) -> dict[str, int]:
    """Kernel number of every operator that computes: its own, or that of the latest operator it may join."""
    kernels: dict[str, int] = {}
    patterns = {Pattern.EACH, Pattern.WINDOW} if fusion is Fusion.FULL else {Pattern.EACH}
    for op in flow.operators:
        joins = op.kind not in _PRODUCTS if fusion is Fusion.FULL else op.kind in _EPILOGUE
        sources = [
            kernels[edge.source] for edge in flow.into[op.name] if edge.source in kernels and edge.pattern in patterns
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


def result_values(op: Operator) -> int:
    """Values that one inference of the operator writes."""
    return op.once_values or op.tokens * op.out_values


def static_weights(graph: OpGraph, op: Operator) -> int:
    """Weights that do not change between inferences; a state that an operator sums up or is given is none."""
    if op.matrix:
        return graph.matrix(op.matrix).n_weights
    return op.weight_values if op.kind in _HAVE_WEIGHTS else 0


def distinct_weights(work: list[Work]) -> int:
    """Weights to be kept, those that several operators share counted once."""
    shared = {item.operator.matrix or item.operator.use or item.operator.name: item.weight_values for item in work}
    return sum(shared.values())


@dataclass(frozen=True)
class Traffic:
    """Values of one operator and inference that cross device memory, and that cross on-chip memory instead."""

    memory: int
    on_chip: int


def list_traffic(flow: Flow, work: list[Work], *, on_chip_values: float) -> dict[str, Traffic]:
    """Traffic of each operator, weights left out.

    Inputs are read from device memory and results written there. What passes between kernels is written by one
    and read by the other, on chip if it fits in `on_chip_values`; within a kernel nothing moves. All operators
    of a kernel read the same part of an input once; a part that fits on chip comes from memory once for all.
    """
    kernels = {item.operator.name: item.kernel for item in work}
    seen: set[tuple[str, int, int, int]] = set()
    traffic = {}
    for item in work:
        read, read_on_chip = _values_read(flow, item, kernels, seen, on_chip_values)
        written, written_on_chip = _values_written(flow, item, kernels, on_chip_values)
        memory = item.table_values + read + written
        traffic[item.operator.name] = Traffic(memory, read_on_chip + written_on_chip)
    return traffic


def _values_read(
    flow: Flow,
    item: Work,
    kernels: dict[str, int],
    seen: set[tuple[str, int, int, int]],
    on_chip_values: float,
) -> tuple[int, int]:
    """Values read from device memory and on chip; `seen` is added to."""
    memory = on_chip = 0
    for edge in flow.into[item.operator.name]:
        is_input = edge.source not in kernels
        if not is_input and kernels[edge.source] == item.kernel:
            continue
        part = (edge.source, edge.start, edge.stop)
        if (*part, item.kernel) in seen:
            continue
        values = flow.edge_values(edge)
        fits = values <= on_chip_values
        if fits and (not is_input or (*part, _ANY_KERNEL) in seen):
            on_chip += values
        else:
            memory += values
        seen |= {(*part, item.kernel), (*part, _ANY_KERNEL)}
    return memory, on_chip


def _values_written(flow: Flow, item: Work, kernels: dict[str, int], on_chip_values: float) -> tuple[int, int]:
    targets = [edge.target for edge in flow.out_of[item.operator.name]]
    leaves = any(name not in kernels for name in targets)
    passes = any(name in kernels and kernels[name] != item.kernel for name in targets)
    values = result_values(item.operator)
    fits = values <= on_chip_values
    memory = values if leaves or (passes and not fits) else 0
    return memory, values if passes and fits else 0
