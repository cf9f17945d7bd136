"""How a digital device sees a graph: memory operators joined, feedback token by token, tables looked up."""

from __future__ import annotations

import pytest

from hermes_sim.baselines.evaluate import evaluate_baseline, precisions_of
from hermes_sim.baselines.flow import flow_of
from hermes_sim.baselines.kernels import list_traffic, list_work
from hermes_sim.baselines.load import baseline_names, load_baseline
from hermes_sim.baselines.roofline import evaluate_roofline
from hermes_sim.baselines.schema import Fusion
from hermes_sim.baselines.systolic import evaluate_systolic
from hermes_sim.config.files import shipped_names
from hermes_sim.config.vocabulary import Function
from hermes_sim.workload.graph import GraphBuilder, Operator, OpKind, Pattern
from hermes_sim.workload.load import build_graph, load_workload

TOKENS = 10


def held_graph():
    """Two sources of 4 and 6 values held side by side; the target takes values 2 to 8 of the ten."""
    graph = GraphBuilder("held")
    for name, width in (("a", 4), ("b", 6)):
        graph.add(Operator(f"{name}_in", OpKind.INPUT, TOKENS, 0, width))
        graph.add(Operator(name, OpKind.NONLINEAR, TOKENS, width, width, {Function.EXP: width}))
        graph.connect(f"{name}_in", name)
    graph.add(Operator("held", OpKind.MEMORY, TOKENS, 10, 10))
    graph.add(Operator("target", OpKind.REDUCTION, TOKENS, 6, 1, {Function.ADD: 6}))
    graph.add(Operator("out", OpKind.OUTPUT, TOKENS, 1, 0))
    graph.connect("a", "held")
    graph.connect("b", "held", into=4)
    graph.connect("held", "target", values=(2, 8))
    graph.connect("target", "out")
    return graph.build()


def test_memory_is_seen_through():
    flow = flow_of(held_graph())
    assert [op.name for op in flow.operators] == ["a", "b", "target"]
    edges = {(e.source, e.start, e.stop, e.into) for e in flow.into["target"]}
    assert edges == {("a", 2, 4, 0), ("b", 0, 4, 2)}
    work = list_work(held_graph(), flow, Fusion.NONE)
    spilled = list_traffic(flow, work, on_chip_values=0)
    assert {name: one.memory for name, one in spilled.items()} == {"a": 40 + 40, "b": 60 + 60, "target": 20 + 40 + 10}
    assert not any(one.on_chip for one in spilled.values())
    kept = list_traffic(flow, work, on_chip_values=1e9)
    assert {name: one.memory for name, one in kept.items()} == {"a": 40, "b": 60, "target": 10}
    assert {name: one.on_chip for name, one in kept.items()} == {"a": 40, "b": 60, "target": 20 + 40}


def test_a_held_sequence_is_taken_whole():
    graph = GraphBuilder("scores")
    graph.add(Operator("keys", OpKind.INPUT, TOKENS, 0, 8))
    graph.add(Operator("queries", OpKind.INPUT, TOKENS, 0, 4))
    graph.add(Operator("held", OpKind.MEMORY, TOKENS, 4, 0, once_values=4 * TOKENS))
    macs = {Function.MAC: 4 * TOKENS}
    graph.add(Operator("scores", OpKind.DYNAMIC_MATMUL, TOKENS, 4, TOKENS, macs, weight_values=4 * TOKENS))
    graph.add(Operator("out", OpKind.OUTPUT, TOKENS, TOKENS, 0))
    graph.connect("keys", "held", values=(4, 8))
    graph.connect("queries", "scores")
    graph.connect("held", "scores", pattern=Pattern.SEQUENCE, into=4)
    graph.connect("scores", "out")
    flow = flow_of(graph.build())
    keys = next(edge for edge in flow.into["scores"] if edge.source == "keys")
    assert (keys.start, keys.stop) == (4, 8)
    assert flow.edge_values(keys) == 4 * TOKENS


@pytest.fixture
def recurrent():
    """Embedded symbols and the last result through 8 x 4 weights, then a function that feeds back."""
    graph = GraphBuilder("recurrent")
    graph.add(Operator("symbols", OpKind.INPUT, TOKENS, 0, 1))
    graph.add(Operator("embedding", OpKind.EMBEDDING, TOKENS, 1, 4, weight_values=4))
    graph.project("gates", graph.matrix("W", rows=8, columns=4), tokens=TOKENS)
    graph.add(Operator("cell", OpKind.LSTM_CELL, TOKENS, 4, 4, {Function.TANH: 4}))
    graph.add(Operator("out", OpKind.OUTPUT, TOKENS, 4, 0))
    graph.connect("symbols", "embedding")
    graph.connect("embedding", "gates")
    graph.connect("gates", "cell")
    graph.connect("cell", "gates", pattern=Pattern.PREVIOUS, into=4)
    graph.connect("cell", "out")
    return graph.build()


def test_feedback_launches_once_per_token(device_file, recurrent):
    assert flow_of(recurrent).recurrent == {"gates", "cell"}
    device = load_baseline(str(device_file))
    rows = {row.operator: row for row in evaluate_roofline(device, recurrent, precision="int8").realistic.operators}
    assert rows["embedding"].launch_ns == pytest.approx(2000)
    assert rows["gates"].launch_ns == pytest.approx(2000 * TOKENS)
    assert rows["cell"].launch_ns == 0  # fused behind the gates
    # symbols in, a row of the table per symbol, result out
    assert rows["embedding"].memory_bytes == TOKENS + 4 * TOKENS + 4 * TOKENS
    # what comes from the embedding, and the 32 weights once: they fit on chip
    assert rows["gates"].memory_bytes == 4 * TOKENS + 32
    tiny = load_baseline(str(device_file), {"on_chip_memory.size": "8 B"})
    rows = {row.operator: row for row in evaluate_roofline(tiny, recurrent, precision="int8").realistic.operators}
    assert rows["gates"].memory_bytes == 4 * TOKENS + 32 * TOKENS


def test_feedback_runs_a_systolic_array_token_by_token(recurrent):
    array = load_baseline("systolic_same_area")
    for batch in (1, 5):
        rows = evaluate_systolic(array, recurrent, batch=batch).realistic.operators
        gates = next(row for row in rows if row.operator == "gates")
        # quickest with outputs in the array: 8 values stream, 254 cycles of skew; the batch shares them
        assert gates.compute_ns == pytest.approx(TOKENS * (8 + 254) / batch)
        assert gates.launch_ns == pytest.approx(TOKENS * 100 / batch)


@pytest.mark.parametrize("workload", shipped_names("workloads"))
def test_every_shipped_workload_on_every_baseline(workload):
    graph = build_graph(load_workload(workload))
    for name in baseline_names():
        baseline = load_baseline(name)
        for precision in precisions_of(baseline):
            result = evaluate_baseline(baseline, graph, precision=precision, batch=3)
            assert result.optimistic.latency_ns <= result.realistic.latency_ns
            assert result.optimistic.energy_pj <= result.realistic.energy_pj
            assert sum(row.ops for row in result.operators) == graph.ops
