"""Cells of recurrent layers against onnxruntime; nodes that stand for several, and nodes that cannot be evaluated."""

import numpy as np
import pytest

from hermes_sim.errors import WorkloadError
from hermes_sim.numerics.functions import evaluate_node, gru_blend, gru_gates, gru_step, lstm_step, require_plain
from hermes_sim.workload.onnx_import import import_onnx
from hermes_sim.workload.origin import Node

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")
helper, F32 = onnx.helper, onnx.TensorProto.FLOAT

STEPS, INPUTS, HIDDEN = 6, 5, 4


def weights(gates):
    random = np.random.default_rng(gates)
    shapes = ((1, gates * HIDDEN, INPUTS), (1, gates * HIDDEN, HIDDEN), (1, 2 * gates * HIDDEN))
    return [random.normal(size=shape).astype(np.float32) for shape in shapes]


def by_onnxruntime(op, arrays, x, **attributes):
    """All hidden states, (steps, samples, hidden)."""
    constants = [onnx.numpy_helper.from_array(array, name) for name, array in zip("WRB", arrays, strict=True)]
    node = helper.make_node(op, ["x", "W", "R", "B"], ["y"], hidden_size=HIDDEN, **attributes)
    values = [helper.make_tensor_value_info("x", F32, x.shape)]
    graph = helper.make_graph([node], "g", values, [helper.make_tensor_value_info("y", F32, None)], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0][:, 0]


def parts_of(arrays, gates):
    """Input and recurrent weights (values, gates * hidden) and their biases."""
    w, r, b = (array[0] for array in arrays)
    return w.T, r.T, b[: gates * HIDDEN], b[gates * HIDDEN :]


def test_lstm_cell():
    arrays, x = weights(4), np.random.default_rng(1).normal(size=(STEPS, 3, INPUTS)).astype(np.float32)
    w, r, wb, rb = parts_of(arrays, 4)
    hidden = cell = np.zeros((3, HIDDEN), dtype=np.float32)
    made = []
    for step in x:
        hidden, cell = lstm_step((step @ w + hidden @ r + wb + rb).reshape(3, 4, HIDDEN), cell)
        made.append(hidden)
    np.testing.assert_allclose(made, by_onnxruntime("LSTM", arrays, x), rtol=0, atol=2e-6)


def test_gru_cell_with_the_reset_behind_the_product():
    arrays, x = weights(3), np.random.default_rng(1).normal(size=(STEPS, 3, INPUTS)).astype(np.float32)
    w, r, wb, rb = parts_of(arrays, 3)
    hidden, made = np.zeros((3, HIDDEN), dtype=np.float32), []
    for step in x:
        hidden = gru_step((step @ w + wb).reshape(3, 3, HIDDEN), (hidden @ r + rb).reshape(3, 3, HIDDEN), hidden)
        made.append(hidden)
    np.testing.assert_allclose(made, by_onnxruntime("GRU", arrays, x, linear_before_reset=1), rtol=0, atol=2e-6)


def test_gru_cell_with_the_reset_before_the_product():
    arrays, x = weights(3), np.random.default_rng(1).normal(size=(STEPS, 3, INPUTS)).astype(np.float32)
    w, r, wb, rb = parts_of(arrays, 3)
    two, hidden, made = 2 * HIDDEN, np.zeros((3, HIDDEN), dtype=np.float32), []
    for step in x:
        sums = step @ w[:, :two] + hidden @ r[:, :two] + wb[:two] + rb[:two]
        gates = gru_gates(sums.reshape(3, 2, HIDDEN))
        candidate = step @ w[:, two:] + (gates.reset * hidden) @ r[:, two:] + wb[two:] + rb[two:]
        hidden = gru_blend(gates.update, candidate, hidden)
        made.append(hidden)
    np.testing.assert_allclose(made, by_onnxruntime("GRU", arrays, x), rtol=0, atol=2e-6)


@pytest.mark.parametrize(
    ("op", "attributes", "inputs", "message"),
    [
        ("LSTM", {"activations": ["Sigmoid", "Relu", "Tanh"]}, ("x", "W", "R"), "activations Sigmoid, Relu, Tanh"),
        ("GRU", {"clip": 3.0}, ("x", "W", "R"), "clip"),
        ("LSTM", {"input_forget": 1}, ("x", "W", "R"), "input_forget"),
        ("LSTM", {}, ("x", "W", "R", "", "", "", "", "P"), "peepholes"),
    ],
)
def test_variants_of_cells_are_refused(op, attributes, inputs, message):
    with pytest.raises(WorkloadError, match=message):
        require_plain(Node("n", op, "", inputs, ("y",), attributes))
    require_plain(
        Node("n", op, "", ("x", "W", "R"), ("y",), {"activations": ["Sigmoid", "Tanh", "Tanh"][: 5 - len(op)]})
    )


def test_a_node_that_stands_for_several_computes_what_they_do(tmp_path):
    scale = onnx.numpy_helper.from_array(np.array(1.5, dtype=np.float32), "two")
    nodes = [
        helper.make_node("Sigmoid", ["h"], ["s"]),
        helper.make_node("Mul", ["h", "s"], ["swish"]),
        helper.make_node("Mul", ["swish", "two"], ["y"]),
    ]
    nodes.insert(0, helper.make_node("Relu", ["x"], ["h"]))
    values = [helper.make_tensor_value_info(name, F32, [1, 8]) for name in "xy"]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], [scale])
    path = tmp_path / "swish.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]), path)
    made = {node.op_type: node for op in import_onnx(path).graph.operators for node in op.nodes}
    x = np.linspace(-3, 3, 24, dtype=np.float32).reshape(3, 1, 8)
    (y,) = evaluate_node(made["Swish"], [x])
    assert len(made["Swish"].parts) == 2
    assert all(part.opset == 20 for part in made["Swish"].parts)
    np.testing.assert_allclose(y, x / (1 + np.exp(-x)), rtol=1e-6, atol=1e-7)


ONE = np.ones((1, 2, 3), dtype=np.float32)


@pytest.mark.parametrize(
    ("node", "inputs", "message"),
    [
        (Node("n7", "Add", "", ("a", "b"), ("y",)), [ONE, ONE[:, :, :2]], r"'n7' \(Add\)(.|\n)*\[2, 3\], \[2, 2\]"),
        (Node("n7", "Softmax", "", ("a",), ("y",), {"axis": 5}), [ONE], "axis 5 of a tensor of 2 axes"),
        (Node("n7", "Gather", "", ("a", "b"), ("y",)), [ONE, np.array([[2]])], "indices 2 to 2 of 2 entries"),
        (Node("n7", "Cast", "", ("a",), ("y",), {"to": 8}), [ONE], r"'n7' \(Cast\)"),
        (Node("n7", "If", "", ("a",), ("y",)), [ONE], "cannot be evaluated by itself"),
        (Node("n7", "FancyNorm", "com.example", ("a",), ("y",)), [ONE], r"'n7' \(com.example.FancyNorm\)"),
        (Node("n7", "Hardmax", "", ("a",), ("y",), {"axis": 9}), [ONE], r"'n7' \(Hardmax\)"),
        (Node("n7", "MaxPool", "", ("a",), ("y", "places"), {"kernel_shape": [1]}), [ONE], "places"),
        (Node("n7", "Reshape", "", ("a", "b"), ("y",)), [ONE, np.array([[6], [3]])], "differs between samples"),
        (Node("n7", "Attention", "", ("a",) * 3, ("y",), {"softcap": 2.0}), [ONE[None]] * 3, "softcap"),
        (Node("n7", "NonZero", "", ("a",), ("y",)), [np.tri(2, 3)[:, None]], "other shapes for other samples"),
    ],
)
def test_what_cannot_be_evaluated_is_named(node, inputs, message):
    with pytest.raises(WorkloadError, match=message):
        evaluate_node(node, inputs)


def test_floating_point_numbers_of_every_width_are_taken_as_float32():
    add = Node("n", "Add", "", ("a", "b"), ("y",))
    (made,) = evaluate_node(add, [ONE.astype(np.float16), ONE.astype(np.float64) / 3])
    np.testing.assert_array_equal(made, ONE + ONE / np.float32(3), strict=True)
