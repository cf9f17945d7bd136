"""Operators that few networks have, as operators of a chip: what they count, where they go, and that they run."""

from pathlib import Path

import numpy as np
import pytest

from hermes_sim.chip.load import load_arch
from hermes_sim.config.vocabulary import Function
from hermes_sim.engine.compiled import CompiledEngine
from hermes_sim.errors import WorkloadError
from hermes_sim.mapping.place import map_graph
from hermes_sim.numerics.functions import evaluate
from hermes_sim.program.lower import lower
from hermes_sim.workload.graph import OpKind, Pattern
from hermes_sim.workload.onnx.nodes import HANDLERS
from hermes_sim.workload.onnx_import import import_onnx

onnx = pytest.importorskip("onnx")
helper, F32 = onnx.helper, onnx.TensorProto.FLOAT


def save(path, nodes, shape, constants, *, opset=20, out="y", out_shape=None):
    """A model of nodes given as (operator, inputs, outputs, attributes)."""
    protos = [
        helper.make_node(op, inputs, outputs, name=f"{op}_{i}", **attributes)
        for i, (op, inputs, outputs, attributes) in enumerate(nodes)
    ]
    tensors = [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    values = [helper.make_tensor_value_info("x", F32, shape)]
    kind = {"Greater": onnx.TensorProto.BOOL, "ArgMax": onnx.TensorProto.INT64}.get(nodes[-1][0], F32)
    graph = helper.make_graph(protos, "g", values, [helper.make_tensor_value_info(out, kind, out_shape)], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    onnx.save(onnx.shape_inference.infer_shapes(model, data_prop=True), path)
    return path


def weight(*shape):
    return np.ones(shape, dtype=np.float32)


def crossbar_macs(graph):
    return sum(op.tokens * graph.matrix(op.matrix).n_weights for op in graph.operators if op.on_crossbar)


def count(graph, function):
    return sum(op.tokens * op.functions.get(function, 0) for op in graph.operators)


def run(graph):
    chip = load_arch("hermes_64")
    lowered = lower(graph, map_graph(graph, chip, "packed"), chip, inferences=2)
    assert CompiledEngine().run(lowered.program, watch=[lowered.done]).is_complete


def gru(path, *, steps=7, inputs=6, hidden=5, directions=1, **attributes):
    d = directions
    weights = {"W": weight(d, 3 * hidden, inputs), "R": weight(d, 3 * hidden, hidden), "B": weight(d, 6 * hidden)}
    if d == 2:
        attributes["direction"] = "bidirectional"
    node = ("GRU", ["x", *weights], ["y", "last"], {"hidden_size": hidden} | attributes)
    return save(path, [node], [steps, 1, inputs], weights)


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize(("reset_behind", "products"), [(1, 2), (0, 3)])
def test_gru_weights_steps_and_cells(reset_behind, products, directions, tmp_path):
    graph = import_onnx(gru(tmp_path / "m.onnx", directions=directions, linear_before_reset=reset_behind)).graph
    assert crossbar_macs(graph) == 7 * directions * (6 * 15 + 5 * 15)
    assert len(graph.matrices) == products * directions
    assert count(graph, Function.SIGMOID) == 7 * directions * 2 * 5
    assert count(graph, Function.TANH) == 7 * directions * 5
    assert count(graph, Function.MUL) == 7 * directions * 3 * 5
    assert count(graph, Function.ADD) == 7 * directions * 5 * 5
    run(graph)


def test_the_candidate_of_a_gru_waits_for_its_reset_gate(tmp_path):
    """Two products in a step, one after the other, take longer than one."""
    graph = import_onnx(gru(tmp_path / "m.onnx", linear_before_reset=0)).graph
    (candidate,) = [op.name for op in graph.operators if op.name.endswith("candidate.product")]
    (edge,) = graph.into[candidate]
    assert edge.source.endswith(".reset")
    assert (edge.start, edge.stop) == (5, 10)
    fed_back = {edge.target for edges in graph.into.values() for edge in edges if edge.pattern is Pattern.PREVIOUS}
    assert {name.rpartition(".")[0].rpartition("GRU_0")[2] for name in fed_back} == {".R.gates", ""}


def test_layers_of_one_name_have_weights_of_their_own(tmp_path):
    nodes, constants = [], {}
    for i, source in enumerate(("x", "h0")):
        constants |= {f"W{i}": weight(1, 12, 4), f"R{i}": weight(1, 12, 4)}
        nodes.append(("GRU", [source, f"W{i}", f"R{i}"], ["", f"h{i}"], {"hidden_size": 4, "linear_before_reset": 1}))
    path = save(tmp_path / "m.onnx", nodes, [7, 1, 4], constants, out="h1")
    model = onnx.load(path)
    for node in model.graph.node:
        node.name = "gru"
    onnx.save(model, path)
    assert len(import_onnx(path).graph.matrices) == 4


def test_recurrent_weights_that_are_computed_are_refused(tmp_path):
    nodes = [
        ("Unsqueeze", ["x", "axis"], ["W"], {}),
        ("GRU", ["x", "W", "R"], ["h"], {"hidden_size": 4}),
    ]
    path = save(tmp_path / "m.onnx", nodes, [12, 1, 6], {"R": weight(1, 12, 4), "axis": np.array([0])}, out="h")
    with pytest.raises(WorkloadError, match="GRU 'GRU_1': weights that are computed"):
        import_onnx(path)


def test_resizing_reads_the_neighbours_of_every_pixel(tmp_path):
    found = {}
    for mode in ("nearest", "linear"):
        for scales in ([1, 1, 2, 2], [1, 1, 1, 2]):
            constants = {"s": np.array(scales, dtype=np.float32)}
            path = save(
                tmp_path / "m.onnx", [("Resize", ["x", "", "s"], ["y"], {"mode": mode})], [1, 3, 4, 5], constants
            )
            graph = import_onnx(path).graph
            found[mode, scales[2]] = count(graph, Function.MAC)
            (op,) = [op for op in graph.operators if op.kind is OpKind.POOLING]
            assert (op.tokens, op.out_values) == (20 * 2 * scales[2], 3)
            run_after_convolution(tmp_path, mode, scales)
    assert found == {("nearest", 2): 0, ("nearest", 1): 0, ("linear", 2): 80 * 3 * 4, ("linear", 1): 40 * 3 * 2}


def test_the_older_resize_is_the_same(tmp_path):
    """Upsample, before opset 10; networks of that time are full of it."""
    constants = {"w": weight(4, 3, 3, 3), "s": np.array([1, 1, 2, 2], dtype=np.float32)}
    found = []
    for op, opset in (("Upsample", 9), ("Resize", 10)):
        nodes = [("Conv", ["x", "w"], ["a"], {"pads": [1] * 4}), (op, ["a", "s"], ["y"], {"mode": "linear"})]
        graph = import_onnx(save(tmp_path / f"{op}.onnx", nodes, [1, 3, 4, 5], constants, opset=opset)).graph
        found.append([(one.kind, one.tokens, one.functions) for one in graph.operators])
    assert found[0] == found[1]
    assert (OpKind.POOLING, 4 * 20, {Function.MAC: 16}) in found[0]


def test_a_whole_number_is_compared_with_all_that_it_may_be(tmp_path):
    nodes = [
        ("ArgMax", ["x"], ["a"], {"axis": 2, "keepdims": 0}),
        ("OneHot", ["a", "depth", "values"], ["b"], {}),
        ("MatMul", ["b", "w"], ["y"], {}),
    ]
    constants = {"depth": np.array(5), "values": np.array([0, 1], np.float32), "w": weight(5, 8)}
    graph = import_onnx(save(tmp_path / "m.onnx", nodes, [1, 7, 6], constants, opset=13)).graph
    assert count(graph, Function.COMPARE) == 7 * 6 + 7 * 5
    assert crossbar_macs(graph) == 7 * 5 * 8


def test_a_split_into_single_tokens_costs_what_selections_of_one_do(tmp_path):
    """ONNX Runtime writes one for the other."""
    product, joined = ("MatMul", ["x", "w"], ["a"], {}), ("Add", ["b", "c"], ["y"], {})
    constants = {"w": weight(6, 8), "0": np.array([0]), "1": np.array([1]), "parts": np.array([1, 1])}
    picked = [("Gather", ["a", "0"], ["b"], {"axis": 1}), ("Gather", ["a", "1"], ["c"], {"axis": 1})]
    apart = [("Split", ["a", "parts"], ["b", "c"], {"axis": 1})]
    works = []
    for nodes in (picked, apart):
        graph = import_onnx(save(tmp_path / "m.onnx", [product, *nodes, joined], [1, 2, 6], constants)).graph
        works.append([(op.kind, op.tokens, op.in_values, op.once_values) for op in graph.operators])
    assert works[0] == works[1]
    assert (OpKind.REDUCTION, 2, 8, 8) in works[0]


def test_what_accuracy_knows_time_knows_too():
    ours = {"KeyState", "Quotient"}  # of workloads that are no files
    assert set(evaluate._FUNCTIONS) - ours - {"Shape", "Size"} <= set(HANDLERS)


def run_after_convolution(tmp_path, mode, scales):
    nodes = [
        ("Conv", ["x", "w"], ["a"], {"pads": [1] * 4}),
        ("Resize", ["a", "", "s"], ["b"], {"mode": mode}),
        ("Conv", ["b", "v"], ["y"], {}),
    ]
    constants = {"w": weight(4, 3, 3, 3), "v": weight(2, 4, 1, 1), "s": np.array(scales, dtype=np.float32)}
    run(import_onnx(save(tmp_path / "c.onnx", nodes, [1, 3, 4, 5], constants)).graph)


def test_resizing_channels_is_refused(tmp_path):
    constants = {"s": np.array([1, 2, 1, 1], dtype=np.float32)}
    path = save(tmp_path / "m.onnx", [("Resize", ["x", "", "s"], ["y"], {})], [1, 3, 4, 5], constants)
    with pytest.raises(WorkloadError, match="another number of pixels"):
        import_onnx(path)


@pytest.mark.parametrize(("attributes", "pixels"), [({"strides": [2, 2]}, 80), ({"pads": [1] * 4}, 12)])
def test_transposed_convolution_counts_every_pixel_with_all_its_weights(attributes, pixels, tmp_path):
    kernel = (2, 2) if "strides" in attributes else (3, 3)
    if "pads" in attributes:
        pixels = 4 * 5
    nodes = [
        ("ConvTranspose", ["x", "w", "b"], ["a"], attributes),
        ("Relu", ["a"], ["c"], {}),
        ("Conv", ["c", "v"], ["y"], {}),
    ]
    constants = {"w": weight(3, 6, *kernel), "b": weight(6), "v": weight(2, 6, 1, 1)}
    graph = import_onnx(save(tmp_path / "m.onnx", nodes, [1, 3, 4, 5], constants)).graph
    assert count(graph, Function.MAC) == 20 * 3 * 6 * kernel[0] * kernel[1]
    assert crossbar_macs(graph) == pixels * 6 * 2
    run(graph)


@pytest.mark.parametrize(
    ("op", "more", "attributes", "function", "counted"),
    [
        ("Selu", {}, {}, Function.EXP, 4 * 20),
        ("Mish", {}, {}, Function.TANH, 4 * 20),
        ("LRN", {}, {"size": 3}, Function.DIV, 4 * 20),
        ("Floor", {}, {}, Function.ADD, 4 * 20),
        ("Log", {}, {}, Function.EXP, 4 * 20),
        ("Greater", {"c": weight(1)}, {}, Function.COMPARE, 4 * 20),
        ("ReduceMin", {"c": np.array([1])}, {}, Function.COMPARE, 4 * 20),
        ("ReduceL2", {"c": np.array([2, 3])}, {"keepdims": 0}, Function.MAC, 4 * 20),
        ("ArgMax", {}, {"axis": 1}, Function.COMPARE, 4 * 20),
        ("InstanceNormalization", {"c": weight(4), "d": weight(4)}, {}, Function.MAC, 3 * 4 * 20),
        ("RMSNormalization", {"c": weight(5)}, {}, Function.MAC, 4 * 20),
        ("Tile", {"c": np.array([1, 2, 1, 1])}, {}, Function.ADD, 0),
        ("Trilu", {}, {}, Function.ADD, 0),
    ],
)
def test_digital_operators_behind_a_convolution(op, more, attributes, function, counted, tmp_path):
    nodes = [("Conv", ["x", "w"], ["a"], {}), (op, ["a", *more], ["y"], attributes)]
    constants = {"w": weight(4, 3, 1, 1), **more}
    graph = import_onnx(save(tmp_path / "m.onnx", nodes, [1, 3, 4, 5], constants, opset=23)).graph
    assert count(graph, function) == counted
    run(graph)


def test_a_group_norm_between_convolutions(tmp_path):
    """Its shape, which the onnx package does not infer, is that of its input."""
    nodes = [
        ("Conv", ["x", "w"], ["a"], {}),
        ("GroupNormalization", ["a", "c", "c"], ["b"], {"num_groups": 2}),
        ("Conv", ["b", "w2"], ["y"], {}),
    ]
    constants = {"w": weight(4, 3, 1, 1), "c": weight(4), "w2": weight(2, 4, 1, 1)}
    path = save(tmp_path / "m.onnx", nodes, [1, 3, 4, 5], constants, opset=21, out_shape=[1, 2, 4, 5])
    graph = import_onnx(path).graph
    assert count(graph, Function.MAC) == 3 * 4 * 20
    assert crossbar_macs(graph) == 20 * (12 + 8)
    run(graph)


def test_a_class_token_goes_in_front_of_the_patches(tmp_path):
    """Tokens of a constant and of a picture's patches, one after the other."""
    nodes = [
        ("Conv", ["x", "w"], ["a"], {"strides": [2, 2]}),
        ("Reshape", ["a", "flat"], ["b"], {}),
        ("Transpose", ["b"], ["c"], {"perm": [0, 2, 1]}),
        ("Concat", ["token", "c"], ["d"], {"axis": 1}),
        ("MatMul", ["d", "v"], ["y"], {}),
    ]
    constants = {
        "w": weight(8, 3, 2, 2),
        "flat": np.array([1, 8, 6]),
        "token": weight(1, 1, 8),
        "v": weight(8, 5),
    }
    graph = import_onnx(save(tmp_path / "m.onnx", nodes, [1, 3, 4, 6], constants)).graph
    assert crossbar_macs(graph) == 6 * 12 * 8 + 7 * 8 * 5
    run(graph)


def test_weights_of_a_quantised_network_reach_the_crossbars(tmp_path):
    """Of constants, quantised and back are constants; of computed tensors, views."""
    nodes = [
        ("QuantizeLinear", ["x", "sx", "zx"], ["xq"], {}),
        ("DequantizeLinear", ["xq", "sx", "zx"], ["xd"], {}),
        ("DequantizeLinear", ["wq", "sw"], ["wd"], {"axis": 0}),
        ("Conv", ["xd", "wd"], ["y"], {}),
    ]
    constants = {
        "sx": np.float32(0.1),
        "zx": np.uint8(128),
        "wq": np.arange(-6, 6, dtype=np.int8).reshape(4, 3, 1, 1),
        "sw": np.array([1, 2, 3, 4], dtype=np.float32),
    }
    model = import_onnx(save(tmp_path / "m.onnx", nodes, [1, 3, 4, 5], constants))
    assert crossbar_macs(model.graph) == 20 * 12
    assert [report.outcome for report in model.nodes] == ["view", "view", "constant", "crossbar"]
    (conv,) = [node for op in model.graph.operators for node in op.nodes]
    wanted = constants["wq"] * np.arange(1, 5, dtype=np.float32)[:, None, None, None]
    np.testing.assert_array_equal(conv.constants["wd"].load(), wanted)
    run(model.graph)


def test_nodes_know_the_set_of_operators_they_are_written_in(tmp_path):
    path = save(tmp_path / "m.onnx", [("Softmax", ["x"], ["y"], {})], [1, 3, 4], {}, opset=11)
    assert [node.opset for node in import_onnx(path).network.nodes] == [11]


EXPORTS = Path(__file__).parent.parent / "data" / "onnx"


@pytest.mark.parametrize("kind", ["script", "dynamo"])
def test_attention_in_windows_meets_the_keys_of_its_own_window(kind):
    """64 tokens in four windows, two heads of 8: a token meets 16 keys, not 64, for scores and for sums."""
    graph = import_onnx(EXPORTS / f"windows_{kind}.onnx").graph
    products = [op for op in graph.operators if op.kind is OpKind.DYNAMIC_MATMUL]
    assert sum(op.tokens * op.functions[Function.MAC] for op in products) == 2 * 2 * 64 * 16 * 8
    assert crossbar_macs(graph) == 64 * (12 * 16 + 16 * 48 + 16 * 16) + 16 * 64 * 8 + 8 * 5
    run(graph)


def test_several_tokens_are_read_again_from_a_memory(tmp_path):
    """Every third of 9 tokens: all 36 values are held, then three tokens of four leave; one token needs no memory."""
    for step, tokens in ((3, 3), (9, 1)):
        constants = {"w": weight(4, 4), "a": [0], "b": [9], "c": [1], "d": [step], "v": weight(4, 2)}
        nodes = [
            ("MatMul", ["x", "w"], ["h"], {}),
            ("Slice", ["h", "a", "b", "c", "d"], ["s"], {}),
            ("MatMul", ["s", "v"], ["y"], {}),
        ]
        graph = import_onnx(save(tmp_path / "m.onnx", nodes, [1, 9, 4], constants)).graph
        held = [op.once_values for op in graph.operators if op.kind is OpKind.MEMORY]
        assert held == ([36] if tokens > 1 else [])
        assert crossbar_macs(graph) == 9 * 16 + tokens * 8
        run(graph)


def test_tokens_that_are_split_are_held_once(tmp_path):
    constants = {"w": weight(4, 4), "n": np.array([2, 3, 4])}
    nodes = [("MatMul", ["x", "w"], ["h"], {}), ("Split", ["h", "n"], ["a", "b", "c"], {"axis": 1}),
             ("Concat", ["c", "a", "b"], ["y"], {"axis": 1})]  # fmt: skip
    graph = import_onnx(save(tmp_path / "m.onnx", nodes, [1, 9, 4], constants)).graph
    held = [op.once_values for op in graph.operators if op.kind is OpKind.MEMORY]
    assert sorted(held) == [8, 12, 16, 36]  # the tensor once, then the parts until all of them are there
    run(graph)


def test_a_dilated_window_waits_for_its_last_row_and_column(tmp_path):
    nodes = [("Conv", ["x", "w"], ["y"], {"dilations": [2, 3], "strides": [1, 2], "pads": [2, 3, 2, 3]})]
    graph = import_onnx(save(tmp_path / "m.onnx", nodes, [1, 3, 8, 12], {"w": weight(4, 3, 3, 3)})).graph
    (window,) = [edge.window for edge in graph.edges if edge.window is not None]
    assert (window.kernel, window.width, window.positions) == (5, 7, 9)
    # columns 2 c - 3, 2 c and 2 c + 3
    assert [window.last_input_column(c) for c in range(6)] == [3, 5, 7, 9, 11, 11]
    assert crossbar_macs(graph) == 8 * 6 * 27 * 4
    run(graph)


def test_einsum_of_a_matrix_runs_on_crossbars_and_of_several_on_a_unit(tmp_path):
    for equation, shape, macs in (("btd,dhk->bhtk", (4, 2, 3), 0), ("bhd,hdk->bhk", (5, 4, 3), 5 * 4 * 3)):
        nodes = [("Einsum", ["x", "w"], ["y"], {"equation": equation})]
        graph = import_onnx(save(tmp_path / "m.onnx", nodes, [1, 5, 4], {"w": weight(*shape)})).graph
        assert count(graph, Function.MAC) == macs
        assert crossbar_macs(graph) == (0 if macs else 5 * 4 * 6)


@pytest.mark.parametrize("equation", ["...d,dk->...k", "bii,ik->bk", "btd,td,dk->bk"])
def test_an_einsum_that_cannot_be_told_is_refused_with_its_equation(equation, tmp_path):
    constants = {"w": weight(4, 3), "v": weight(4, 3)}
    inputs = ["x", "w", "v"][: equation.count(",") + 1]
    path = save(tmp_path / "m.onnx", [("Einsum", inputs, ["y"], {"equation": equation})], [1, 4, 4], constants)
    with pytest.raises(WorkloadError, match=r"equation '.*', allowed"):
        import_onnx(path)


def test_constant_weights_on_the_left_multiply_columns(tmp_path):
    nodes = [("MatMul", ["w", "x"], ["y"], {})]
    graph = import_onnx(save(tmp_path / "m.onnx", nodes, [1, 6, 5], {"w": weight(3, 6)})).graph
    assert [(matrix.rows, matrix.columns) for matrix in graph.matrices] == [(6, 3)]
    assert crossbar_macs(graph) == 5 * 18
    run(graph)


def test_a_table_is_read_entry_by_entry_beyond_the_references_64(tmp_path):
    """The onnx package's GatherElements takes no more than 64 entries."""
    constants = {"t": np.arange(100.0, dtype=np.float32)[None], "i": np.arange(99, 93, -1)[None]}
    nodes = [("GatherElements", ["t", "i"], ["g"], {"axis": 1}), ("Add", ["x", "g"], ["y"], {})]
    network = import_onnx(save(tmp_path / "m.onnx", nodes, [1, 6], constants)).graph.network
    np.testing.assert_array_equal(network.constants("g"), [[99, 98, 97, 96, 95, 94]])
