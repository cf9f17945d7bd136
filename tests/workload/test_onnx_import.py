"""ONNX models of three families, made here, against counts by hand and by the onnx package."""

import numpy as np
import pytest

from hermes_sim.arch.load import load_arch
from hermes_sim.engine.compiled import CompiledEngine
from hermes_sim.errors import WorkloadError
from hermes_sim.functions import Function
from hermes_sim.mapping.placement import map_graph
from hermes_sim.program.lower import lower
from hermes_sim.workload.graph import OpKind
from hermes_sim.workload.load import build_graph, load_workload
from hermes_sim.workload.onnx_import import import_onnx

onnx = pytest.importorskip("onnx")
helper, F32 = onnx.helper, onnx.TensorProto.FLOAT


class Model:
    """A small builder over onnx.helper."""

    def __init__(self):
        self.nodes, self.weights, self.n = [], [], 0

    def node(self, op, inputs, *, outputs=1, name="", **attributes):
        self.n += 1
        made = [f"{op.lower()}_{self.n}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, made, name=name or f"{op}_{self.n}", **attributes))
        return made[0] if outputs == 1 else made

    def weight(self, *shape):
        self.n += 1
        name = f"w{self.n}"
        values = np.zeros(shape, dtype=np.float32)
        self.weights.append(onnx.numpy_helper.from_array(values, name))
        return name

    def ints(self, *values):
        self.n += 1
        self.weights.append(onnx.numpy_helper.from_array(np.array(values, dtype=np.int64), f"i{self.n}"))
        return f"i{self.n}"

    def save(self, path, inputs, output, *, kind=F32, rank=2):
        values = [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()]
        out = [helper.make_tensor_value_info(output, F32, [f"o{i}" for i in range(rank)])]
        graph = helper.make_graph(self.nodes, "g", values, out, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        onnx.save(model, str(path))
        return path


def mlp(path):
    m = Model()
    x = "x"
    for rows, columns in ((20, 64), (64, 64), (64, 3)):
        x = m.node("Gemm", [x, m.weight(columns, rows), m.weight(columns)], transB=1)
        if columns != 3:
            x = m.node("Relu", [x])
    return m.save(path, {"x": ["batch", 20]}, m.node("Softmax", [x]))


def cnn(path):
    """conv 3 -> 8, norm, pool, residual block of 8, global mean, dense; 12 x 12."""
    m = Model()
    x = m.node("Conv", ["x", m.weight(8, 3, 3, 3), m.weight(8)], pads=[1] * 4, kernel_shape=[3, 3])
    x = m.node("BatchNormalization", [x, *(m.weight(8) for _ in range(4))])
    x = m.node("Relu", [x])
    x = m.node("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])
    y = m.node("Conv", [x, m.weight(8, 8, 3, 3)], pads=[1] * 4, kernel_shape=[3, 3])
    y = m.node("Conv", [y, m.weight(8, 8, 3, 3)], pads=[1] * 4, kernel_shape=[3, 3])
    x = m.node("Add", [x, y])
    x = m.node("GlobalAveragePool", [x])
    x = m.node("Flatten", [x])
    return m.save(path, {"x": [1, 3, 12, 12]}, m.node("Gemm", [x, m.weight(10, 8)], transB=1))


def attention(m, x, tokens, width, heads):
    """Multi-head attention out of MatMul, Reshape, Transpose and Softmax."""
    size = width // heads
    shape = m.ints(1, tokens, heads, size)
    q, k, v = (
        m.node("Transpose", [m.node("Reshape", [m.node("MatMul", [x, m.weight(width, width)]), shape])], perm=p)
        for p in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3])
    )
    scores = m.node("Softmax", [m.node("Mul", [m.node("MatMul", [q, k]), m.weight()])], axis=-1)
    mixed = m.node("Transpose", [m.node("MatMul", [scores, v])], perm=[0, 2, 1, 3])
    merged = m.node("Reshape", [mixed, m.ints(1, tokens, width)])
    return m.node("Add", [m.node("MatMul", [merged, m.weight(width, width)]), m.weight(width)])


def transformer(path, *, tokens=10, width=16, heads=2):
    m = Model()
    x = m.node("Gather", [m.weight(100, width), "x"])
    x = m.node("Add", [x, attention(m, x, tokens, width, heads)])
    x = m.node("LayerNormalization", [x, m.weight(width), m.weight(width)])
    y = m.node("MatMul", [x, m.weight(width, 4 * width)])
    y = m.node("Mul", [m.node("Sigmoid", [y]), y])
    y = m.node("MatMul", [y, m.weight(4 * width, width)])
    x = m.node("ReduceMean", [m.node("Add", [x, y])], axes=[1], keepdims=0)
    x = m.node("Gemm", [x, m.weight(2, width)], transB=1)
    return m.save(path, {"x": [1, tokens]}, x, kind=onnx.TensorProto.INT64)


def recurrent(path, *, direction="forward"):
    m = Model()
    d = 2 if direction == "bidirectional" else 1
    weights = [m.weight(d, 4 * 12, 6), m.weight(d, 4 * 12, 12)]
    y, _, _ = m.node("LSTM", ["x", *weights], outputs=3, hidden_size=12, direction=direction)
    y = m.node("Reshape", [y, m.ints(7, 12 * d)])
    return m.save(path, {"x": [7, 1, 6]}, m.node("MatMul", [y, m.weight(12 * d, 5)]))


def crossbar_macs(graph):
    return sum(op.tokens * graph.matrix(op.matrix).n_weights for op in graph.operators if op.on_crossbar and op.matrix)


def dynamic_macs(graph):
    dynamic = [op for op in graph.operators if op.kind is OpKind.DYNAMIC_MATMUL]
    return sum(op.tokens * op.functions.get(Function.MAC, 0) for op in dynamic)


def macs_by_shapes(path):
    """Multiply-accumulates of Conv, Gemm and MatMul, from the shapes that the onnx package infers."""
    model = onnx.shape_inference.infer_shapes(onnx.load(str(path)), data_prop=True)
    for value in model.graph.input:
        for dim in value.type.tensor_type.shape.dim:
            if not dim.HasField("dim_value"):
                dim.dim_value = 1
    model = onnx.shape_inference.infer_shapes(model, data_prop=True)
    known = (*model.graph.input, *model.graph.value_info, *model.graph.output)
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in known}
    shapes |= {w.name: list(w.dims) for w in model.graph.initializer}
    total = 0
    for node in model.graph.node:
        if node.op_type == "Conv":
            total += int(np.prod(shapes[node.output[0]])) * int(np.prod(shapes[node.input[1]][1:]))
        elif node.op_type in {"Gemm", "MatMul"}:
            total += int(np.prod(shapes[node.output[0]])) * shapes[node.input[0]][-1]
    return total


@pytest.mark.parametrize(
    ("make", "crossbar", "dynamic"),
    [
        (mlp, 20 * 64 + 64 * 64 + 64 * 3, 0),
        (cnn, 144 * 27 * 8 + 2 * 36 * 72 * 8 + 8 * 10, 0),
        # four projections, two dense layers, classifier; scores and weighted sums of both heads
        (transformer, 10 * (4 * 16 * 16 + 2 * 16 * 64) + 16 * 2, 2 * 10 * 10 * 16),
    ],
)
def test_multiply_accumulates_by_hand_and_by_onnx(make, crossbar, dynamic, tmp_path):
    path = make(tmp_path / "model.onnx")
    graph = import_onnx(path).graph
    assert crossbar_macs(graph) == crossbar
    assert dynamic_macs(graph) == dynamic
    assert macs_by_shapes(path) == crossbar + dynamic


def test_every_node_is_listed_once(tmp_path):
    for make in (mlp, cnn, transformer, recurrent):
        path = make(tmp_path / "model.onnx")
        reports = import_onnx(path).nodes
        assert [r.name for r in reports] == [node.name for node in onnx.load(str(path)).graph.node]
        assert not [r for r in reports if r.outcome == "unsupported"]


def test_biases_and_norms_fold_into_the_ldpu(tmp_path):
    outcome = {r.op_type: r.outcome for r in import_onnx(cnn(tmp_path / "c.onnx")).nodes}
    assert outcome["BatchNormalization"] == "folded"
    reports = import_onnx(transformer(tmp_path / "t.onnx")).nodes
    assert [r.outcome for r in reports if r.op_type == "Add"] == ["folded", "digital", "digital"]


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_lstm_weights_and_steps(direction, tmp_path):
    graph = import_onnx(recurrent(tmp_path / "l.onnx", direction=direction)).graph
    d = 2 if direction == "bidirectional" else 1
    assert crossbar_macs(graph) == 7 * (d * 18 * 48 + d * 12 * 5)
    assert sum(op.functions[Function.TANH] * op.tokens for op in graph.operators if op.kind is OpKind.LSTM_CELL) == (
        7 * d * 2 * 12
    )


@pytest.mark.parametrize("make", [mlp, cnn, transformer, recurrent])
@pytest.mark.parametrize("arch", ["hermes_64", "hermes_64_hetero"])
def test_imported_models_run(make, arch, tmp_path):
    chip = load_arch(arch)
    graph = build_graph(load_workload(str(make(tmp_path / "model.onnx"))))
    lowered = lower(graph, map_graph(graph, chip, "spread"), chip, inferences=3)
    assert CompiledEngine().run(lowered.program, watch=[lowered.done]).is_complete


def strange(path):
    m = Model()
    x = m.node("Gemm", ["x", m.weight(4, 4)])
    x = m.node("Einsum", [x], name="odd_one", equation="ij->ij")
    return m.save(path, {"x": [1, 4]}, m.node("Softsign", [x], name="odd_two"))


def test_unsupported_nodes_are_listed_by_operator_name_and_fate(tmp_path):
    path = strange(tmp_path / "m.onnx")
    with pytest.raises(WorkloadError) as error:
        import_onnx(path)
    for words in ("Einsum 'odd_one'", "Softsign 'odd_two'", "counts for nothing", "pass_through"):
        assert words in str(error.value)
    model = import_onnx(path, unsupported="pass_through")
    assert [r.name for r in model.unsupported] == ["odd_one", "odd_two"]
    assert crossbar_macs(model.graph) == 16


def test_workload_file_of_kind_onnx(tmp_path):
    strange(tmp_path / "m.onnx")
    text = (
        "schema_version: 1\nname: mine\ndescription: d\nsource: s\nkind: onnx\npath: m.onnx\n"
        "unsupported: pass_through\ninferences: 2\n"
    )
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.warns(UserWarning, match="odd_"):
        graph = build_graph(load_workload(str(tmp_path / "mine.yaml")))
    assert graph.name == "mine"


def test_bad_files_and_open_dimensions_are_refused(tmp_path):
    with pytest.raises(WorkloadError, match="no such file"):
        build_graph(load_workload(str(tmp_path / "none.onnx")))
    (tmp_path / "bad.onnx").write_bytes(b"not a model")
    with pytest.raises(WorkloadError, match="valid ONNX"):
        build_graph(load_workload(str(tmp_path / "bad.onnx")))
    m = Model()
    path = m.save(tmp_path / "open.onnx", {"x": ["batch", "steps", 8]}, m.node("MatMul", ["x", m.weight(8, 4)]), rank=3)
    with pytest.raises(WorkloadError, match="steps"):
        import_onnx(path)
    assert crossbar_macs(import_onnx(path, dimensions={"steps": 5}).graph) == 5 * 32
