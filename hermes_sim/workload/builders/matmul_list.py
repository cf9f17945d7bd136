"""Plain lists of matrix products."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes_sim.workload.graph import GraphBuilder, Operator, OpGraph, OpKind

if TYPE_CHECKING:
    from hermes_sim.workload.schema import MatmulList


def matmul_list_graph(workload: MatmulList) -> OpGraph:
    """Independent products; with scope `crossbar` nothing is moved in or out."""
    graph = GraphBuilder(workload.name)
    for entry in workload.matrices:
        for copy in range(entry.copies):
            name = f"{entry.name}{copy}" if entry.copies > 1 else entry.name
            matrix = graph.matrix(name, rows=entry.rows, columns=entry.columns)
            project = graph.project(f"{name}.product", matrix, tokens=entry.vectors)
            if workload.scope == "core":
                vectors = graph.add(Operator(f"{name}.in", OpKind.INPUT, entry.vectors, 0, entry.rows))
                result = graph.add(Operator(f"{name}.out", OpKind.OUTPUT, entry.vectors, entry.columns, 0))
                graph.connect(vectors, project)
                graph.connect(project, result)
    return graph.build()
