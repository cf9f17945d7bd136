"""A kind of workload: the schema of its files, and the operator graph of one inference."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hermes_sim.workload.graph import GraphBuilder, Operator, OpGraph, OpKind
from hermes_sim.workload.load import WorkloadBuilder
from hermes_sim.workload.schema import Positive, WorkloadFile


class DenseStack(WorkloadFile):
    """Matrix products one behind the other: `widths` are the lengths of the vectors between them."""

    kind: Literal["dense_stack"]
    widths: Annotated[list[Positive], Field(min_length=2)]


def dense_stack_graph(workload: DenseStack) -> OpGraph:
    """One vector in, one product per pair of widths, one vector out."""
    graph = GraphBuilder(workload.name)
    before = graph.add(Operator("input", OpKind.INPUT, 1, 0, workload.widths[0]))
    for i, (rows, columns) in enumerate(zip(workload.widths, workload.widths[1:], strict=False)):
        matrix = graph.matrix(f"layer{i}", rows=rows, columns=columns)
        product = graph.project(f"layer{i}.product", matrix, tokens=1)
        graph.connect(before, product)
        before = product
    graph.connect(before, graph.add(Operator("output", OpKind.OUTPUT, 1, workload.widths[-1], 0)))
    return graph.build()


DENSE_STACK = WorkloadBuilder(DenseStack, dense_stack_graph)
