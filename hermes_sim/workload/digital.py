"""Keep static matrix products off the crossbars: digital units compute them instead."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from hermes_sim.config.vocabulary import Function
from hermes_sim.errors import WorkloadError, listed, nearest
from hermes_sim.workload.graph import OpKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hermes_sim.errors import HermesSimError
    from hermes_sim.workload.graph import Operator, OpGraph


def keep_digital(graph: OpGraph, operators: Iterable[str]) -> OpGraph:
    """The same graph with some of its products on digital units, which read every weight for every token.

    Matrices that no operator uses any more on the crossbars are not placed, programmed or redrawn.

    Parameters
    ----------
    operators : names of operators; those that are on no crossbar stay as they are
    """
    names = set(operators)
    changed = tuple(_digital(graph, op) if op.name in names and op.on_crossbar else op for op in graph.operators)
    used = {op.matrix for op in changed if op.matrix}
    life_cycle = graph.life_cycle
    if life_cycle is not None:
        gone = {matrix.name for matrix in graph.matrices} - used
        redraw = tuple(name for name in life_cycle.redraw if name not in gone)
        life_cycle = replace(life_cycle, redraw=redraw, redraw_every=life_cycle.redraw_every if redraw else 0)
    matrices = tuple(matrix for matrix in graph.matrices if matrix.name in used)
    return replace(graph, operators=changed, matrices=matrices, life_cycle=life_cycle)


def _digital(graph: OpGraph, op: Operator) -> Operator:
    n_weights = graph.matrix(op.matrix or "").n_weights
    functions = {Function.MAC: n_weights}
    return replace(
        op, functions=functions, matrix=None, on_crossbar=False, weight_values=n_weights, use=op.matrix or ""
    )


def products_named(
    graph: OpGraph, names: Iterable[str], *, where: str, error: type[HermesSimError] = WorkloadError
) -> frozenset[str]:
    """Operators meant by names of static products or of their matrices; a matrix stands for all that use it.

    Parameters
    ----------
    where, error : of the refusal

    Raises
    ------
    HermesSimError
        of class `error`, for a name that is neither
    """
    by_name: defaultdict[str, set[str]] = defaultdict(set)
    for op in graph.operators:
        if op.kind is OpKind.STATIC_MATMUL:
            by_name[op.name].add(op.name)
            by_name[op.matrix or op.name].add(op.name)
    called = [name for name in by_name if graph.called(name) == name]
    found: set[str] = set()
    for name in names:
        if name not in by_name:
            raise error(
                where, got=f"no matrix or product {name!r}", allowed=listed(called), hint=nearest(name, by_name)
            )
        found |= by_name[name]
    return frozenset(found)
