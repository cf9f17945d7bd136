"""ONNX models of three families, made here, against counts by hand and by the onnx package."""

import numpy as np
import pytest

from hermes_sim.chip.load import load_arch
from hermes_sim.config.vocabulary import Function
from hermes_sim.engine.compiled import CompiledEngine
from hermes_sim.errors import WorkloadError
from hermes_sim.mapping.place import map_graph
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
    return m.save(path, {"x": [1, 4]}, m.node("Hardmax", [x], name="odd_two"))


def test_unsupported_nodes_are_listed_by_operator_name_and_fate(tmp_path):
    path = strange(tmp_path / "m.onnx")
    with pytest.raises(WorkloadError) as error:
        import_onnx(path)
    for words in ("Einsum 'odd_one'", "Hardmax 'odd_two'", "count for nothing", "pass_through"):
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


def run_ops(path, **dimensions):
    graph = build_graph(load_workload(str(path), {"dimensions": dimensions} if dimensions else None))
    chip = load_arch("hermes_64")
    lowered = lower(graph, map_graph(graph, chip, "packed"), chip, inferences=2)
    assert CompiledEngine().run(lowered.program, watch=[lowered.done]).is_complete
    return graph.ops


def one_conv(path, shape, *, kernel=3, rank=4, **attributes):
    m = Model()
    weight = m.weight(16, 8, *[kernel] * (rank - 2))
    attributes = {"pads": [1] * 2 * (rank - 2)} | attributes
    return m.save(path, {"x": shape}, m.node("Conv", ["x", weight], **attributes), rank=rank)


def one_gemm(path, shape, *, rank=2):
    m = Model()
    return m.save(path, {"x": shape}, m.node("MatMul", ["x", m.weight(256, 8)]), rank=rank)


def test_unknown_rank_is_no_scalar(tmp_path):
    """Axes that only an inference could tell: the shape is not known; axes that the file works out: it is."""
    for name, inputs in (("open", {"x": [1, 10, 64], "a": [1]}), ("given", {"x": [1, 10, 64]})):
        m = Model()
        if name == "given":
            m.weights.append(onnx.numpy_helper.from_array(np.zeros(1, dtype=np.float32), "a"))
        squeezed = m.node("Squeeze", ["x", m.node("Cast", ["a"], to=onnx.TensorProto.INT64)])
        path = m.save(tmp_path / f"{name}.onnx", inputs, m.node("Mul", [squeezed, m.node("Sigmoid", [squeezed])]))
        if name == "given":
            assert run_ops(path) == 1280
        else:
            with pytest.raises(WorkloadError, match=r"the shape of .* is not known"):
                import_onnx(path)


def test_sizes_of_minus_one_and_zero(tmp_path):
    assert run_ops(one_gemm(tmp_path / "g.onnx", [-1, 256])) == 2 * 256 * 8
    assert run_ops(one_conv(tmp_path / "c.onnx", [-1, 8, 16, 16])) == 2 * 294_912
    with pytest.raises(WorkloadError, match="dimension 0 of size 0"):
        import_onnx(one_gemm(tmp_path / "z.onnx", [0, 256]))
    with pytest.raises(WorkloadError, match=r"dimension 2 .without a name. without a size"):
        import_onnx(one_conv(tmp_path / "o.onnx", [1, 8, -1, 16]))


@pytest.mark.parametrize(("shape", "axis"), [([8, 8, 16, 16], 0), ([4, 256], 0), ([8, 4, 256], 0), ([100, 4, 64], 1)])
def test_a_batch_is_refused_and_the_remedy_works(shape, axis, tmp_path):
    """One rule for all networks: an inference is one sample."""
    m = Model()
    if len(shape) == 4:
        path = one_conv(tmp_path / "m.onnx", shape)
    elif axis == 1:
        made = m.node("LSTM", ["x", m.weight(1, 64, 64), m.weight(1, 64, 16)], hidden_size=16)
        path = m.save(tmp_path / "m.onnx", {"x": shape}, made, rank=4)
    else:
        path = one_gemm(tmp_path / "m.onnx", shape, rank=len(shape))
    with pytest.raises(WorkloadError, match="an inference is one sample") as error:
        import_onnx(path)
    assert f'{{"x.{axis}": 1}}' in str(error.value)
    of_one = run_ops(path, **{f"x.{axis}": 1})
    if len(shape) == 2:
        assert '{"x.0": 4} takes the rows for 4 tokens' in str(error.value)
        assert run_ops(path, **{"x.0": 4}) == 4 * of_one
    else:
        assert of_one > 0


def test_several_pictures_inside_the_network_are_read_from_a_memory(tmp_path):
    m = Model()
    frames = m.node("Reshape", ["x", m.ints(4, 8, 6, 6)])
    path = m.save(tmp_path / "m.onnx", {"x": [1, 32, 6, 6]}, m.node("Conv", [frames, m.weight(2, 8, 3, 3)]), rank=4)
    graph = import_onnx(path).graph
    assert crossbar_macs(graph) == 4 * 16 * 72 * 2
    (memory,) = [op for op in graph.operators if op.kind is OpKind.MEMORY]
    assert memory.once_values == 32 * 36
    assert run_ops(path) == 2 * 4 * 16 * 72 * 2


def test_any_dimension_can_be_sized(tmp_path):
    """Two dimensions of one name, and dimensions without a name."""
    path = one_conv(tmp_path / "m.onnx", ["N", 8, "?", "?"])
    with pytest.raises(WorkloadError) as error:
        import_onnx(path)
    for words in ("dimension 2", '`dimensions: {"?": SIZE}`', '`dimensions: {"x.2": SIZE}`'):
        assert words in str(error.value)
    assert run_ops(path, **{"x.2": 4, "x.3": 6}) == run_ops(path, **{"x.2": 4, "?": 6}) == 2 * 24 * 72 * 16
    assert run_ops(one_conv(tmp_path / "n.onnx", [1, 8, None, None]), **{"x.2": 4, "x.3": 6}) == 2 * 24 * 72 * 16
    with pytest.raises(WorkloadError, match=r"x\.7"):
        import_onnx(path, dimensions={"x.7": 4, "?": 6})


def test_a_graph_without_work_is_refused(tmp_path):
    m = Model()
    path = m.save(tmp_path / "m.onnx", {"x": [1, 256]}, m.node("Identity", ["x"]))
    with pytest.raises(WorkloadError, match="without a single operation"):
        build_graph(load_workload(str(path)))


def test_passing_through_says_how_much_is_in_the_run(tmp_path):
    m = Model()
    x = m.node("Gemm", ["x", m.weight(4, 4)])
    two_samples = m.node("Reshape", [x, m.ints(1, 2, 2)])
    x = m.node("RNN", [two_samples, m.weight(1, 6, 2), m.weight(1, 6, 6)], hidden_size=6)
    path = m.save(tmp_path / "m.onnx", {"x": [1, 4]}, x, rank=4)
    with pytest.warns(
        UserWarning, match="16 of 64 weights and 16 of 112 multiply-accumulates of the file are in the run"
    ):
        build_graph(load_workload(str(path), {"unsupported": "pass_through"}))


def test_timing_needs_no_external_weights(tmp_path):
    values = np.arange(256 * 8, dtype=np.float32).reshape(256, 8)
    m = Model()
    tensor = onnx.numpy_helper.from_array(values, "w")
    m.weights.append(tensor)
    path = m.save(tmp_path / "m.onnx", {"x": [1, 256]}, m.node("Gemm", ["x", "w"]))
    onnx.save(onnx.load(str(path)), str(path), save_as_external_data=True, location="w.bin", size_threshold=0)
    weights = import_onnx(path).graph.operators[1].nodes[0].constants["w"]
    assert (weights.shape, weights.dtype, weights.location) == ((256, 8), "float32", "w.bin")
    np.testing.assert_array_equal(weights.load(), values)
    (tmp_path / "w.bin").unlink()
    assert run_ops(path) == 2 * 256 * 8
    with pytest.raises(WorkloadError, match="'w'"):
        import_onnx(path).graph.operators[1].nodes[0].constants["w"].load()


def test_attributes_and_values_of_gemm_and_conv_are_kept(tmp_path):
    rng = np.random.default_rng(0)
    values = {"w": rng.normal(size=(4, 3, 3, 3)), "b": rng.normal(size=4), "v": rng.normal(size=(5, 64))}
    m = Model()
    m.weights = [onnx.numpy_helper.from_array(value.astype(np.float32), name) for name, value in values.items()]
    x = m.node("Flatten", [m.node("Conv", ["x", "w", "b"], strides=[2, 2], pads=[1] * 4)])
    path = m.save(tmp_path / "m.onnx", {"x": [1, 3, 8, 8]}, m.node("Gemm", [x, "v"], transB=1, alpha=0.5))
    conv, gemm = (op.nodes[0] for op in import_onnx(path).graph.operators if op.matrix)
    assert (conv.attributes["strides"], conv.attributes["pads"]) == ([2, 2], [1] * 4)
    assert (gemm.attributes["transB"], gemm.attributes["alpha"]) == (1, 0.5)
    for node in (conv, gemm):
        for name, ref in node.constants.items():
            np.testing.assert_array_equal(ref.load(), values[name].astype(np.float32))


def test_padding_as_large_as_the_kernel(tmp_path):
    m = Model()
    conv = m.node("Conv", ["x", m.weight(32, 32, 3)], pads=[4, 4], strides=[2])
    path = m.save(tmp_path / "m.onnx", {"x": [1, 32, 128]}, conv, rank=3)
    assert run_ops(path) == 2 * 205_824
    assert [op.tokens for op in import_onnx(path).graph.operators if op.matrix] == [67]


def test_names_need_not_be_unique(tmp_path):
    m = Model()
    x = m.node("Gemm", ["x", m.weight(6, 6)], name="x")
    x = m.node("Gemm", [m.node("Gemm", [x, m.weight(6, 6)], name="fc"), m.weight(6, 6)], name="fc")
    assert run_ops(m.save(tmp_path / "g.onnx", {"x": [1, 6]}, x)) == 3 * 72
    m = Model()
    w = m.weight(8, 8, 3, 3)
    x = m.node("Conv", ["x", w], name="c", pads=[1] * 4)
    x = m.node("Conv", [x, w], name="c", pads=[1] * 4)
    assert run_ops(m.save(tmp_path / "c.onnx", {"x": [1, 8, 5, 5]}, x, rank=4)) == 2 * 2 * 25 * 72 * 8


def test_one_tensor_used_as_two_matrices(tmp_path):
    m = Model()
    w = m.weight(4, 6)
    x = m.node("Gemm", [m.node("Gemm", ["x", w]), w], transB=1)
    assert run_ops(m.save(tmp_path / "m.onnx", {"x": [1, 4]}, x)) == 2 * 2 * 24


@pytest.mark.parametrize(("op", "extra"), [("Sum", 3 * 8), ("Mean", 4 * 8), ("Round", 8), ("Expand", 0), ("Pad", 0)])
def test_small_operators(op, extra, tmp_path):
    m = Model()
    x = m.node("Gemm", ["x", m.weight(256, 8)])
    others = {"Sum": [x, x, x], "Mean": [x, x, x], "Expand": [m.ints(1, 4, 8)], "Pad": [m.ints(0, 2, 0, 2)]}
    path = m.save(
        tmp_path / "m.onnx", {"x": [1, 256]}, m.node(op, [x, *others.get(op, [])]), rank=3 if op == "Expand" else 2
    )
    graph = import_onnx(path).graph
    assert graph.ops == 2 * 256 * 8 + extra
    assert graph.operators[-1].in_values == {"Expand": 32, "Pad": 12}.get(op, 8)


def test_padding_before_a_convolution_is_the_convolutions(tmp_path):
    """Pad and then a convolution: as many products, over the same windows, as padding of its own."""
    m = Model()
    x = m.node("Pad", ["x", m.ints(0, 0, 1, 1, 0, 0, 1, 1)])
    path = m.save(tmp_path / "m.onnx", {"x": [1, 8, 6, 6]}, m.node("Conv", [x, m.weight(16, 8, 3, 3)]), rank=4)
    assert run_ops(path) == run_ops(one_conv(tmp_path / "c.onnx", [1, 8, 6, 6])) == 2 * 36 * 72 * 16


@pytest.mark.parametrize(("shape", "columns"), [((1, 256, 8), 8), ((1, 1, 256, 8), 8), ((256,), 1)])
def test_weights_with_axes_of_one_and_vectors(shape, columns, tmp_path):
    m = Model()
    rank = {1: 2, 3: 3, 4: 4}[len(shape)]
    path = m.save(tmp_path / "m.onnx", {"x": [1, 4, 256]}, m.node("MatMul", ["x", m.weight(*shape)]), rank=rank)
    assert crossbar_macs(import_onnx(path).graph) == 4 * 256 * columns


def test_unsupported_nodes_are_counted_and_the_remedy_fits(tmp_path):
    m = Model()
    x = "x"
    for _ in range(16):
        x = m.node("Hardmax", [x])
    path = m.save(tmp_path / "m.onnx", {"x": [1, 4]}, x)
    with pytest.raises(WorkloadError) as error:
        import_onnx(path)
    assert "16 x Hardmax 'Hardmax_1', 'Hardmax_2', 'Hardmax_3' and 13 more: no such operator" in str(error.value)
    assert str(error.value).count("hand its first input on") == 1


def test_a_picture_out_of_a_vector(tmp_path):
    """The shape is worked out by the file itself, as older exporters write it."""
    runs = []
    for traced in (True, False):
        m = Model()
        if traced:
            size = m.node("Slice", [m.node("Shape", ["x"]), m.ints(0), m.node("Mod", [m.ints(3), m.ints(2)])])
            shape = m.node("Concat", [size, m.ints(1, 8, 8)], axis=0)
        else:
            shape = m.ints(1, 1, 8, 8)
        x = m.node("Conv", [m.node("Reshape", ["x", shape]), m.weight(16, 1, 3, 3)], pads=[1] * 4)
        x = m.node("MaxPool", [m.node("Relu", [x])], kernel_shape=[2, 2], strides=[2, 2])
        x = m.node("Gemm", [m.node("Flatten", [x]), m.weight(10, 256)], transB=1)
        runs.append(run_ops(m.save(tmp_path / "m.onnx", {"x": [1, 64]}, x)))
    assert runs[0] == runs[1] > 2 * 64 * 9 * 16


def test_means_over_tokens_wait_for_all_of_them(tmp_path):
    """Which axis is reduced decides, not whether sizes happen to divide."""
    m = Model()
    x = m.node("MatMul", ["x", m.weight(8, 8)])
    path = m.save(tmp_path / "m.onnx", {"x": [1, 4, 8]}, m.node("ReduceMean", [x], axes=[1], keepdims=0))
    assert any(op.kind is OpKind.POOLING and op.once_values == 8 for op in import_onnx(path).graph.operators)


def test_a_branch_that_takes_the_input_is_no_constant(tmp_path):
    m = Model()
    out = helper.make_tensor_value_info("b", F32, [1, 4])
    branches = [helper.make_graph([helper.make_node(op, ["x"], ["b"])], op, [], [out]) for op in ("Relu", "Neg")]
    m.weights.append(onnx.numpy_helper.from_array(np.array(1, dtype=bool), "flag"))
    x = m.node("If", ["flag"], then_branch=branches[0], else_branch=branches[1])
    path = m.save(tmp_path / "m.onnx", {"x": [1, 4]}, m.node("Relu", [x]))
    with pytest.raises(WorkloadError, match="If 'If_1': no such operator"):
        import_onnx(path)


def test_a_life_cycle_takes_the_names_of_nodes_and_of_tensors(tmp_path):
    """Both name one matrix; a name of neither is refused with those of the nodes."""
    m = Model()
    hidden = m.node("Gemm", ["x", m.weight(4, 4)], name="first")
    path = m.save(tmp_path / "m.onnx", {"x": [1, 4]}, m.node("Gemm", [hidden, m.weight(4, 4)], name="second"))
    (tensor, _) = (matrix.name for matrix in import_onnx(path).graph.matrices)

    def redrawn(*names):
        settings = {"life_cycle": {"redraw_every": 3, "redraw": list(names)}}
        return build_graph(load_workload(str(path), settings)).life_cycle.redraw

    assert redrawn("first") == redrawn(tensor) == redrawn(tensor, "first") == (tensor,)
    with pytest.raises(WorkloadError, match="no matrix 'third'") as error:
        redrawn("third")
    assert "first, second" in str(error.value)
