"""LSTM networks: gates on crossbars, cells on digital units, feedback of the hidden state, output layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes_sim.config.vocabulary import Function
from hermes_sim.workload.graph import GraphBuilder, Matrix, Operator, OpGraph, OpKind, Pattern
from hermes_sim.workload.origin import Node, NodeGraph, no_constants

if TYPE_CHECKING:
    from hermes_sim.workload.schema import Lstm

# per hidden unit: sigmoid of three gates, tanh of one and of the state, f * c + i * g, o * tanh(c)
CELL = {Function.SIGMOID: 3, Function.TANH: 2, Function.MUL: 3, Function.ADD: 1}


def lstm_graph(workload: Lstm) -> OpGraph:
    """One sequence; a token is a time step.

    Columns of the gate matrix are ordered by hidden unit (its four gates side by side), so that a group of hidden
    units needs a range of columns and its cell can be computed apart from the others.
    """
    graph = GraphBuilder(workload.name)
    steps, width = workload.steps, workload.hidden
    symbols = graph.add(Operator("symbols", OpKind.INPUT, steps, 0, 1))
    embedded = graph.add(
        Operator("embedding", OpKind.EMBEDDING, steps, 1, workload.inputs, weight_values=workload.inputs)
    )
    graph.connect(symbols, embedded)
    gates = graph.product(
        "gates",
        Matrix("lstm", workload.inputs + width, 4 * width),
        tokens=steps,
        on_crossbar=True,
    )
    graph.connect(embedded, gates)
    output = graph.product("output", Matrix("output", width, workload.outputs), tokens=steps, on_crossbar=True)
    add_cells(graph, workload, gates, output)
    chosen = graph.add(
        Operator("choose", OpKind.REDUCTION, steps, workload.outputs, 1, {Function.COMPARE: workload.outputs})
    )
    result = graph.add(Operator("chosen", OpKind.OUTPUT, steps, 1, 0))
    graph.connect(output, chosen)
    graph.connect(chosen, result)
    if workload.autoregressive:
        graph.connect(chosen, embedded, pattern=Pattern.PREVIOUS)
    return graph.build(network=None if workload.autoregressive else _meaning(graph, workload))


def _meaning(graph: GraphBuilder, workload: Lstm) -> NodeGraph:
    """Symbols -> rows of a table -> LSTM -> scores of the next symbol; weights come from a file."""
    cells = [f"cell{i}" for i in range(workload.cell_groups)] if workload.cell_groups > 1 else ["cell"]
    hidden = {"hidden_size": workload.hidden, "layout": 1}
    steps = (
        (("embedding",), Node("embedding", "Gather", "", ("embedding.weight", "symbols"), ("embedded",))),
        (("gates", *cells), Node("lstm", "LSTM", "", ("embedded",), ("hidden",), hidden)),
        (("output",), Node("output", "MatMul", "", ("hidden",), ("scores",))),
    )
    for operators, node in steps:
        for operator in operators:
            graph.computes(operator, node)
    shape = {"symbols": (1, workload.steps)}
    nodes = tuple(node for _, node in steps)
    return NodeGraph(shape, ("scores",), nodes, workload.name, no_constants, frozenset({"symbols"}))


def add_cells(graph: GraphBuilder, workload: Lstm, gates: str, output: str) -> None:
    """Cell state and hidden state in groups of hidden units, fed back to the gates of the next step."""
    groups, width = workload.cell_groups, workload.hidden
    for group in range(groups):
        low, high = width * group // groups, width * (group + 1) // groups
        n = high - low
        cell = graph.add(
            Operator(
                f"cell{group}" if groups > 1 else "cell",
                OpKind.LSTM_CELL,
                workload.steps,
                4 * n,
                n,
                {function: count * n for function, count in CELL.items()},
            )
        )
        graph.connect(gates, cell, values=(4 * low, 4 * high))
        graph.connect(cell, gates, pattern=Pattern.PREVIOUS, into=workload.inputs + low)
        graph.connect(cell, output, into=low)
