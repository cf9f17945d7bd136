"""Kernel ridge with random features."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes_sim.config.vocabulary import Function, Kernel
from hermes_sim.workload.graph import GraphBuilder, Operator, OpGraph, OpKind

if TYPE_CHECKING:
    from hermes_sim.workload.schema import KernelRidge


def kernel_ridge_graph(workload: KernelRidge) -> OpGraph:
    """Projection, feature functions, readout of one sample (BU24, Methods: only W x runs on the chip)."""
    d, s, n_out = workload.features, workload.n_projections, workload.outputs
    graph = GraphBuilder(workload.name)
    sample = graph.add(Operator("sample", OpKind.INPUT, 1, 0, d))
    project = graph.project("project", graph.matrix("W", rows=d, columns=s), tokens=1)
    if workload.kernel is Kernel.RBF:  # cos(Wx + b), sin(Wx + b)
        n_features, functions = 2 * s, {Function.ADD: s, Function.COS: s, Function.SIN: s}
    else:  # step(Wx)
        n_features, functions = s, {Function.COMPARE: s}
    features = graph.add(Operator("features", OpKind.NONLINEAR, 1, s, n_features, functions))
    matrix = graph.matrix("ridge", rows=n_features, columns=n_out)
    if workload.readout == "crossbar":
        readout = graph.project("readout", matrix, tokens=1)
    else:
        readout = graph.digital_matmul("readout", matrix, tokens=1)
    result = graph.add(Operator("scores", OpKind.OUTPUT, 1, n_out, 0))
    for source, target in ((sample, project), (project, features), (features, readout), (readout, result)):
        graph.connect(source, target)
    return graph.build()
