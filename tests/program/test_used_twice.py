"""One tensor on two inputs of an operator: it travels once, and its source counts once in the lower bound."""

from __future__ import annotations

import numpy as np
import pytest

from hermes_sim.api import simulate
from hermes_sim.chip.load import load_arch
from hermes_sim.config.vocabulary import Function
from hermes_sim.flow import map_operators
from hermes_sim.program.bounds import lower_bounds
from hermes_sim.program.dataflow import Need, ProgramBuilder
from hermes_sim.workload.graph import GraphBuilder, Matrix, Operator, OpKind, Pattern

onnx = pytest.importorskip("onnx")
helper, FLOAT = onnx.helper, onnx.TensorProto.FLOAT


def model_file(tmp_path, nodes, shape, out_shape, weights=()):
    """A model of one input x and one output y; nodes are (operator, inputs, output, attributes)."""
    values = [onnx.numpy_helper.from_array(np.full(size, 0.5, dtype=np.float32), name) for name, size in weights]
    graph = helper.make_graph(
        [helper.make_node(op, ins, [out], name=out, **attributes) for op, ins, out, attributes in nodes],
        "g",
        [helper.make_tensor_value_info("x", FLOAT, shape)],
        [helper.make_tensor_value_info("y", FLOAT, out_shape)],
        values,
    )
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), str(path))
    return str(path)


SQUARE = [("w", (256, 256))]
CASES = {
    "add(x, x)": ([("Add", ["x", "x"], "y", {})], ()),
    "relu > add": ([("Relu", ["x"], "r", {}), ("Add", ["r", "r"], "y", {})], ()),
    "relu > add > gemm": (
        [("Relu", ["x"], "r", {}), ("Add", ["r", "r"], "a", {}), ("Gemm", ["a", "w"], "y", {})],
        SQUARE,
    ),
    "gemm > add": ([("Gemm", ["x", "w"], "h", {}), ("Add", ["h", "h"], "y", {})], SQUARE),
    "mul(x, x) > gemm": ([("Mul", ["x", "x"], "m", {}), ("Gemm", ["m", "w"], "y", {})], SQUARE),
}


@pytest.mark.parametrize("inferences", [1, 3])
@pytest.mark.parametrize("case", CASES)
def test_one_tensor_on_two_inputs_runs_with_a_bound_that_it_keeps(case, inferences, tmp_path):
    nodes, weights = CASES[case]
    path = model_file(tmp_path, nodes, [1, 256], [1, 256], weights)
    document = simulate("hermes_64_hetero", path, inferences=inferences, accuracy=False, baselines=()).document
    assert document["lower_bound_ns"] <= document["makespan_ns"]
    if inferences == 1:
        assert document["lower_bound_ns"] == document["makespan_ns"]  # one chain, nothing waits


def test_the_latency_of_a_sum_of_a_tensor_with_itself(tmp_path):
    """Off chip in, two links, the sum, two links, off chip out, one after the other."""
    path = model_file(tmp_path, CASES["add(x, x)"][0], [1, 256], [1, 256])
    chip = load_arch("hermes_64_hetero")
    dpu = chip.digital_units["dpu"]
    n_bytes = 256 * 2  # FP16, either way
    memory = dpu.memory["sram"]  # 32 vectors of 512 values would be 48 KB and fit no registers
    arithmetic, moved = -(-256 // dpu.functions[Function.ADD].lanes.n), 3 * n_bytes / memory.width.n_bytes
    sum_ns = max(arithmetic, moved) + dpu.start_cycles.n
    assert (arithmetic, moved) == (4, 12)  # the memory is what limits
    header_bytes = chip.network.header.n_bytes
    flits = -(-(n_bytes + header_bytes) // chip.network.flit.n_bytes)
    way_ns = chip.network.hop_cycles.n + (chip.network.hop_cycles.n + flits)
    channel_ns = n_bytes / (chip.off_chip.bandwidth.bytes_per_ps * 1000) + chip.off_chip.latency.ps / 1000
    document = simulate(chip, path, inferences=1, accuracy=False, baselines=()).document
    assert document["latency_ns"] == channel_ns + way_ns + sum_ns + way_ns + channel_ns
    assert document["lower_bound_ns"] == document["latency_ns"]


def test_a_source_counts_once_however_many_dependencies_it_has():
    """5 firings of 10 ps, all of which the other waits for, by two dependencies: 50 + 7 ps."""
    b = ProgramBuilder()
    first = b.actor("first", b.resource("a"), firings=5, interval_ps=10, latency_ps=10)
    second = b.actor("second", b.resource("b"), firings=1, interval_ps=7, latency_ps=7)
    b.depend(first, second, Need.all_of(5))
    b.depend(first, second, Need.all_of(5))
    assert lower_bounds(b.build()).makespan_ps == 57


def test_square_of_a_pooled_value(tmp_path):
    """A pooled value used twice by one operator: 256 pixels x 16 x 72 multiply-accumulates, 16 squares."""
    nodes = [
        ("Conv", ["x", "w"], "c", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
        ("GlobalMaxPool", ["c"], "g", {}),
        ("Mul", ["g", "g"], "y", {}),
    ]
    path = model_file(tmp_path, nodes, [1, 8, 16, 16], [1, 16, 1, 1], [("w", (16, 8, 3, 3))])
    result = simulate("hermes_64_hetero", path, inferences=2, accuracy=False, baselines=())
    crossbar = [op for op in result.graph.operators if op.on_crossbar]
    assert sum(op.tokens * result.graph.matrix(op.matrix).n_weights for op in crossbar) == 294_912
    assert sum(op.tokens * op.functions.get(Function.MUL, 0) for op in result.graph.operators) == 16
    published = [name for name in result.runs.all.lowered.program.actor_names if name.endswith("once/publish")]
    assert len(published) == len(set(published))


def test_a_state_for_two_inputs_travels_to_each_core_once():
    """Values 0 to 256 of a once-made result, into rows 0 to 256 and 256 to 512 of one matrix: two blocks."""
    graph = GraphBuilder("twice")
    source = graph.add(Operator("in", OpKind.INPUT, 4, 0, 256))
    mean = graph.add(Operator("pool", OpKind.POOLING, 4, 256, 0, {Function.ADD: 256}, once_values=256))
    square = graph.add(Operator("square", OpKind.ELEMENTWISE, 1, 512, 256, {Function.MUL: 256}))
    dense = graph.product("dense", Matrix("w", 512, 64), tokens=1, on_crossbar=True)
    out = graph.add(Operator("out", OpKind.OUTPUT, 1, 64, 0))
    graph.connect(source, mean)
    for into in (0, 256):
        graph.connect(mean, dense, pattern=Pattern.SEQUENCE, into=into)
        graph.connect(mean, square, pattern=Pattern.SEQUENCE, into=into)
    graph.connect(dense, out)
    chip = load_arch("hermes_64_hetero")
    made = graph.build()
    mapped = map_operators(chip, made, "spread")
    program = mapped.program().program
    loads = [name for name in program.actor_names if name.startswith("pool>dense") and "/load " in name]
    assert len(loads) == len({block.core for block in mapped.mapping.blocks}) == 2
    assert len([name for name in program.actor_names if name.startswith("pool>square") and "once/1" in name]) == 0
    runs = mapped.runs(3)
    assert runs.bounds.makespan_ps <= runs.all.record.makespan_ps
