"""Whole networks in FP32 against onnxruntime: made here, and as PyTorch's exporters write them (tests/data/onnx)."""

from pathlib import Path

import numpy as np
import pytest

from hermes_sim.chip.load import load_arch
from hermes_sim.crossbar.spec import Effects, core_crossbar
from hermes_sim.mapping.place import map_graph
from hermes_sim.numerics.network import Evaluation, network_weights
from hermes_sim.numerics.programmed import ExactProducts, ProgrammedChip, weights_of
from hermes_sim.workload.onnx_import import import_onnx

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")
helper, F32, I64 = onnx.helper, onnx.TensorProto.FLOAT, onnx.TensorProto.INT64

EXPORTS = Path(__file__).parent.parent / "data" / "onnx"
SAMPLES = 5
TOLERANCE = 1e-4  # of the largest output


class Model:
    """A network of random weights under construction; `opset` is that of its operators."""

    def __init__(self, opset=20):
        self.nodes, self.tensors, self.opset = [], [], opset
        self.random = np.random.default_rng(0)

    def node(self, op, *inputs, outputs=1, **attributes):
        """Add a node; weights are arrays among the inputs."""
        names = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        made = [f"{op}_{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, names, made, **attributes))
        return made[0] if outputs == 1 else made

    def constant(self, values):
        name = f"c{len(self.tensors)}"
        self.tensors.append(onnx.numpy_helper.from_array(np.asarray(values), name))
        return name

    def weight(self, *shape):
        fan_in = max(1, np.prod(shape[1:], dtype=int))
        return (self.random.normal(size=shape) / np.sqrt(fan_in)).astype(np.float32)

    def positive(self, *shape):
        return self.random.uniform(0.5, 1.5, size=shape).astype(np.float32)

    def save(self, path, shape, output, out_shape, *, kind=F32):
        values = [helper.make_tensor_value_info("x", kind, shape)]
        out = [helper.make_tensor_value_info(output, F32, out_shape)]
        graph = helper.make_graph(self.nodes, "g", values, out, self.tensors)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=10), path)


def mlp(path):
    """Three layers, softmax; a dynamic batch."""
    m = Model()
    x = "x"
    for rows, columns in ((20, 32), (32, 24), (24, 5)):
        x = m.node("Gemm", x, m.weight(columns, rows), m.weight(columns), transB=1, alpha=0.9, beta=1.1)
        x = m.node("Relu" if columns == 32 else "Selu", x)
    m.save(path, ["batch", 20], m.node("Softmax", x), ["batch", 5])


def classic_cnn(path):
    """Local response norms, pools that round up, groups, old set of operators: AlexNet's kind."""
    m = Model(opset=11)
    x = m.node("Conv", "x", m.weight(8, 3, 5, 5), m.weight(8), strides=[2, 2], pads=[2] * 4)
    x = m.node("LRN", m.node("Relu", x), size=5, alpha=0.1, beta=0.75, bias=2.0)
    x = m.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    x = m.node("Conv", x, m.weight(12, 4, 3, 3), m.weight(12), group=2, auto_pad="SAME_UPPER")
    x = m.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 1, 1], count_include_pad=1)
    x = m.node("Flatten", m.node("LeakyRelu", x))
    m.save(path, [1, 3, 17, 17], m.node("Softmax", m.node("MatMul", x, m.weight(4 * 12, 6))), [1, 6])


def gru_both_ways(path):
    """Two directions, reset gates before the product."""
    m = Model()
    weights = m.weight(2, 24, 5), m.weight(2, 24, 8), m.weight(2, 48)
    y, last = m.node("GRU", "x", *weights, outputs=2, hidden_size=8, direction="bidirectional")
    last = m.node("Reshape", m.node("Transpose", last, perm=[1, 0, 2]), np.array([1, 16]))
    mean = m.node("ReduceMean", y, np.array([0, 1, 2]), keepdims=0)
    both = m.node("Concat", last, m.node("Unsqueeze", mean, np.array([0])), axis=1)
    m.save(path, [7, 1, 5], m.node("MatMul", both, m.weight(24, 3)), [1, 3])


def reverse_gru(path):
    """Backwards, a state to begin with, reset gates behind the product."""
    m = Model()
    weights = m.weight(1, 24, 5), m.weight(1, 24, 8), m.weight(1, 48), "", m.weight(1, 1, 8)
    y, _ = m.node("GRU", "x", *weights, outputs=2, hidden_size=8, direction="reverse", linear_before_reset=1)
    m.save(path, [7, 1, 5], m.node("MatMul", y, m.weight(8, 3)), [7, 1, 1, 3])


def shared_heads(path):
    """ONNX's own Attention with fewer heads of keys, RMS norms, SwiGLU: Llama's kind."""
    m = Model(opset=23)
    y = m.node("RMSNormalization", "x", m.positive(16))
    q, k, v = (m.node("MatMul", y, m.weight(16, n)) for n in (16, 8, 8))
    y = m.node("Attention", q, k, v, q_num_heads=4, kv_num_heads=2, is_causal=1)
    x = m.node("Add", "x", m.node("MatMul", y, m.weight(16, 16)))
    y = m.node("RMSNormalization", x, m.positive(16))
    gate = m.node("MatMul", y, m.weight(16, 24))
    wide = m.node("Mul", m.node("Mul", gate, m.node("Sigmoid", gate)), m.node("MatMul", y, m.weight(16, 24)))
    m.save(path, [1, 6, 16], m.node("Add", x, m.node("MatMul", wide, m.weight(24, 16))), [1, 6, 16])


def quantised_cnn(path):
    """INT8 with quantisation in the file: two convolutions and a product, activations and weights."""
    m = Model()

    def there_and_back(x, scale, zero):
        scale, zero = m.constant(np.float32(scale)), m.constant(np.uint8(zero))
        return m.node("DequantizeLinear", m.node("QuantizeLinear", x, scale, zero), scale, zero)

    def weights(*shape):
        values = m.weight(*shape)
        scale = np.abs(values).reshape(len(values), -1).max(axis=1) / 127
        steps = np.rint(values / scale.reshape(-1, *[1] * (len(shape) - 1))).astype(np.int8)
        return m.node("DequantizeLinear", steps, scale.astype(np.float32), np.zeros(len(values), np.int8), axis=0)

    x = there_and_back("x", 0.03, 128)
    for channels, n_in in ((8, 3), (10, 8)):
        bias = m.node("DequantizeLinear", m.random.integers(-900, 900, channels).astype(np.int32), np.float32(1e-4))
        x = m.node("Conv", x, weights(channels, n_in, 3, 3), bias, pads=[1] * 4)
        x = there_and_back(m.node("Relu", x), 0.02, 0)
    x = there_and_back(m.node("Flatten", m.node("GlobalAveragePool", x)), 0.01, 0)
    x = m.node("Gemm", x, weights(5, 10), m.weight(5), transB=1)
    m.save(path, [1, 3, 8, 8], x, [1, 5])


def norms(path):
    """Instance, group and batch norms, resizing, an old-style upsampling of nearest pixels, comparisons."""
    m = Model(opset=21)
    x = m.node("Conv", "x", m.weight(8, 2, 3, 3), pads=[1] * 4)
    x = m.node("InstanceNormalization", x, m.positive(8), m.weight(8))
    x = m.node("Conv", m.node("Mish", x), m.weight(8, 8, 3, 3), strides=[2, 2], pads=[1] * 4)
    x = m.node("GroupNormalization", x, m.positive(8), m.weight(8), num_groups=4)
    x = m.node("Resize", x, "", np.array([1, 1, 2, 2], dtype=np.float32), mode="nearest", nearest_mode="floor")
    kept = m.node("Greater", x, np.float32(-0.2))
    x = m.node("Where", kept, x, np.float32(0.1))
    x = m.node(
        "ConvTranspose", x, m.weight(8, 3, 3, 3), m.weight(3), strides=[2, 2], pads=[1] * 4, output_padding=[1, 1]
    )
    m.save(path, [1, 2, 8, 8], x, [1, 3, 16, 16])


def contractions(path):
    """Einsum with matrices and between computed tensors; weights on the left, in a stack, and of a graph's edges."""
    m = Model()
    heads = m.node("Einsum", "x", m.weight(16, 4, 8), equation="btd,dhk->bhtk")
    mixed = m.node("Einsum", heads, m.weight(4, 8, 8), equation="bhtk,hkl->bhtl")
    scores = m.node("Softmax", m.node("Einsum", mixed, heads, equation="bhtk,bhsk->bhts"))
    y = m.node("Einsum", scores, heads, equation="bhts,bhsk->bthk")
    y = m.node("Einsum", m.weight(16, 4, 8), y, equation="dhk,bthk->btd")
    y = m.node("Tanh", m.node("MatMul", m.weight(10, 6), y))
    y = m.node("MatMul", m.node("Reshape", y, np.array([2, 5, 16])), m.weight(2, 16, 4))
    m.save(path, [1, 6, 16], y, [2, 5, 4])


def plain_recurrent(path):
    """Two directions with tanh, then one with ReLU, which other exporters call by name."""
    m = Model()
    weights = m.weight(2, 8, 5), m.weight(2, 8, 8), m.weight(2, 16)
    y, _ = m.node("RNN", "x", *weights, outputs=2, hidden_size=8, direction="bidirectional")
    y = m.node("Reshape", m.node("Transpose", y, perm=[0, 2, 1, 3]), np.array([7, 1, 16]))
    weights = m.weight(1, 6, 16), m.weight(1, 6, 6), m.weight(1, 12), "", m.weight(1, 1, 6)
    y, _ = m.node("RNN", y, *weights, outputs=2, hidden_size=6, activations=["Relu"])
    m.save(path, [7, 1, 5], m.node("LogSoftmax", m.node("MatMul", y, m.weight(6, 3))), [7, 1, 1, 3])


def deep_and_dilated(path):
    """A video: windows in three directions; then frames as pictures of their own, dilation, steps of two sizes."""
    m = Model()
    x = m.node("Conv", "x", m.weight(6, 2, 2, 3, 3), m.weight(6), pads=[0, 1, 1, 0, 1, 1])
    x = m.node("MaxPool", m.node("Relu", x), kernel_shape=[1, 2, 2], strides=[1, 2, 2])
    x = m.node("Transpose", m.node("Squeeze", x, np.array([0])), perm=[1, 0, 2, 3])  # frames in front
    x = m.node("Conv", x, m.weight(6, 6, 3, 3), pads=[2] * 4, dilations=[2, 2])
    x = m.node("Conv", m.node("Celu", x), m.weight(6, 1, 3, 3), group=6, strides=[2, 1], pads=[1] * 4)
    x = m.node("Reshape", x, np.array([1, 3 * 6, 2, 4]))
    x = m.node("Conv", x, m.weight(8, 18, 2, 3), dilations=[1, 3], pads=[0, 3, 0, 3], strides=[1, 2])
    m.save(path, [1, 2, 4, 8, 8], x, [1, 8, 1, 2])


def moved_about(path):
    """Tokens cut, split, gathered, scattered, put beside constants; pixels as channels and back."""
    m = Model()
    x = m.node("Conv", "x", m.weight(8, 2, 1, 1))
    x = m.node("Softsign", m.node("SpaceToDepth", x, blocksize=2))  # 32 channels of 3 x 4
    x = m.node("DepthToSpace", m.node("Conv", x, m.weight(32, 32, 1, 1)), blocksize=2)  # 8 of 6 x 8
    x = m.node("Concat", x, m.random.normal(size=(1, 2, 6, 8)).astype(np.float32), axis=1)
    x = m.node("Transpose", m.node("Reshape", x, np.array([1, 10, 48])), perm=[0, 2, 1])
    parts = m.node("Split", m.node("MatMul", x, m.weight(10, 12)), np.array([20, 28]), outputs=2, axis=1)
    x = m.node("MatMul", m.node("Concat", *reversed(parts), axis=1), m.weight(12, 12))
    x = m.node("Slice", x, np.array([3]), np.array([40]), np.array([1]), np.array([3]))  # 13 tokens
    x = m.node("Gather", x, np.array([[0, 12], [5, 4]]), axis=1)
    x = m.node("GatherND", x, np.array([[0, 1, 1], [0, 0, 1], [0, 1, 0]]))
    picked = m.random.integers(0, 3, (2, 12))
    x = m.node("ScatterND", x, np.array([[2], [0]]), m.node("GatherElements", x, picked, axis=0))
    m.save(path, [1, 2, 6, 8], m.node("MatMul", x, m.weight(12, 3)), [3, 3])


MADE = [mlp, classic_cnn, gru_both_ways, reverse_gru, shared_heads, quantised_cnn, norms]


def quantised_on_the_way(path):
    """INT8 whose ranges are found while it runs, as ONNX Runtime's dynamic quantisation writes it."""
    m = Model()

    def integer(op, x, weights, scale, zero, **attributes):
        made, own, point = m.node("DynamicQuantizeLinear", x, outputs=3)
        sums = m.node(op, made, weights, point, zero, **attributes)
        return m.node("Mul", m.node("Cast", sums, to=F32), m.node("Mul", own, np.float32(scale)))

    x = integer("ConvInteger", "x", m.random.integers(-120, 120, (8, 3, 3, 3)).astype(np.int8), 0.003, np.int8(3))
    x = m.node("Reshape", m.node("Relu", m.node("Add", x, m.weight(8, 1, 1))), np.array([1, 6, 48]))
    weights = m.random.integers(0, 255, (48, 5)).astype(np.uint8)
    x = integer("MatMulInteger", x, weights, 0.002, m.random.integers(100, 150, 5).astype(np.uint8))
    m.save(path, [1, 3, 8, 8], m.node("Softmax", x), [1, 6, 5])


MADE += [quantised_on_the_way, contractions, plain_recurrent, deep_and_dilated, moved_about]
FILES = sorted(EXPORTS.glob("*.onnx"))


@pytest.fixture(params=[*MADE, *FILES], ids=lambda one: getattr(one, "stem", None) or one.__name__)
def path(request, tmp_path):
    if isinstance(request.param, Path):
        return request.param
    request.param(tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


def evaluated(path, x, *, first_sample=0):
    """Outputs of the network's FP32 evaluation, the samples in front."""
    graph = import_onnx(path).graph
    weights = network_weights(graph, where=str(path))
    exact = ExactProducts(weights_of(graph))
    exact.program(weights.matrices, weights.biases)
    (name,) = graph.network.inputs
    made = Evaluation(graph, weights).run(exact, {name: x}, first_sample=first_sample)
    return [made[output] for output in graph.network.outputs]


def by_onnxruntime(path, x):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    results = [session.run(None, {session.get_inputs()[0].name: one}) for one in x]
    return [np.stack(samples) for samples in zip(*results, strict=True)]


def inputs_of(path):
    """Samples of the network's input: symbols, or normal numbers."""
    network = import_onnx(path).graph.network
    ((name, shape),) = network.inputs.items()
    random = np.random.default_rng(3)
    if name in network.whole_inputs:
        return random.integers(0, 40, size=(SAMPLES, *shape))
    return random.normal(size=(SAMPLES, *shape)).astype(np.float32)


def test_fp32_equals_onnxruntime(path):
    x = inputs_of(path)
    for ours, theirs in zip(evaluated(path, x), by_onnxruntime(path, x), strict=True):
        assert ours.shape == theirs.shape
        assert np.abs(ours - theirs).max() <= TOLERANCE * np.abs(theirs).max()
        assert np.abs(theirs - theirs[0]).max() > 0.01 * np.abs(theirs).max()  # the outputs depend on the inputs


def test_no_sample_depends_on_those_that_are_evaluated_with_it(path):
    x = inputs_of(path)
    together = evaluated(path, x)
    for start, stop in ((0, 1), (1, 4), (4, 5)):
        for all_of_them, some in zip(together, evaluated(path, x[start:stop], first_sample=start), strict=True):
            np.testing.assert_array_equal(some, all_of_them[start:stop])


def test_a_chip_without_imperfections_equals_fp32(path):
    """Products in blocks on the cores, with ideal devices and converters, are those of the network."""
    chip, x = load_arch("hermes_64_hetero"), inputs_of(path)
    graph = import_onnx(path).graph
    mapping = map_graph(graph, chip, "spread")
    weights = network_weights(graph)
    spec = core_crossbar(chip.core, effects=Effects.none())
    programmed = ProgrammedChip(graph, mapping, spec=spec, mode=chip.read_mode, seed=1)
    programmed.program(weights.matrices, weights.biases)
    (name,) = graph.network.inputs
    made = Evaluation(graph, weights).run(programmed, {name: x})
    for wanted, output in zip(evaluated(path, x), made.values(), strict=True):
        assert np.abs(output - wanted).max() <= 1e-5 * np.abs(wanted).max()
