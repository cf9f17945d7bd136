"""Operators of ONNX Runtime's own against onnxruntime: one by one, and in the files that it writes."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from hermes_sim.errors import WorkloadError
from hermes_sim.numerics.network import Evaluation, network_weights
from hermes_sim.numerics.programmed import ExactProducts, weights_of
from hermes_sim.workload.onnx_import import import_onnx

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")
quantization = pytest.importorskip("onnxruntime.quantization")
F32, helper = onnx.TensorProto.FLOAT, onnx.helper

EXPORTS = Path(__file__).parent.parent / "data" / "onnx"
MICROSOFT = "com.microsoft"
R = np.random.default_rng(5)
START = R.bit_generator.state


@pytest.fixture(autouse=True)
def same_numbers():
    """No test depends on those that ran before it."""
    R.bit_generator.state = START


def normal(*shape):
    return R.normal(size=shape).astype(np.float32)


def whole(*shape, kind=np.int8):
    limits = np.iinfo(kind)
    return R.integers(limits.min, limits.max, size=shape, endpoint=True).astype(kind)


def scale(value, *shape):
    return np.full(shape, value, np.float32)


def zero(value=0, *shape, kind=np.uint8):
    return np.full(shape, value, kind)


def bias(n):
    return whole(n, kind=np.int16).astype(np.int32)


def several(*shape):
    """Scales that differ."""
    return R.uniform(0.004, 0.02, size=shape).astype(np.float32)


S, Z = scale(0.0513), zero(120)  # of an input x in float32 that a quantised operator takes
OUT = (scale(0.0717), zero(130))
# operator, shape of the input x, inputs ("x", "q": x rounded to whole numbers by S and Z, or constants), attributes
CASES = {
    "QLinearConv": ("", (1, 3, 6, 5), ["q", S, Z, whole(4, 3, 3, 2), scale(0.0107), zero(kind=np.int8), *OUT], {}),
    "QLinearConv, a scale per channel, bias": (
        "", (1, 3, 6, 5),
        ["q", S, Z, whole(4, 3, 3, 2), several(4), zero(0, 4, kind=np.int8), *OUT, bias(4)],
        {"strides": [2, 1], "pads": [1, 0, 1, 0]},
    ),
    "QLinearConv, a scale per channel, one zero point": (
        "", (1, 3, 6, 5), ["q", S, Z, whole(4, 3, 3, 2), several(4), zero(kind=np.int8), *OUT], {},
    ),
    "QLinearConv, a zero point per channel": (
        "", (1, 3, 6, 5), ["q", S, Z, whole(4, 3, 3, 2), scale(0.0107, 1), whole(4), *OUT], {},
    ),
    "QLinearMatMul": ("", (1, 5, 8), ["q", S, Z, whole(8, 6), scale(0.0107), zero(3, kind=np.int8), *OUT], {}),
    "QLinearMatMul, a scale per column": (
        "", (1, 5, 8), ["q", S, Z, whole(8, 6), several(6), zero(0, 6, kind=np.int8), *OUT], {},
    ),
    "QGemm": (
        MICROSOFT, (1, 8),
        ["q", S, Z, whole(6, 8), several(6), zero(0, 6, kind=np.int8), bias(6), *OUT],
        {"transB": 1},
    ),
    "QGemm to float": (MICROSOFT, (1, 8), ["q", S, Z, whole(8, 6), scale(0.0107), zero(kind=np.int8)], {"alpha": 0.5}),
    "QLinearAdd": (MICROSOFT, (1, 5, 8), ["q", S, Z, whole(5, 8, kind=np.uint8), scale(0.0311), zero(9), *OUT], {}),
    "QLinearMul": (MICROSOFT, (1, 5, 8), ["q", S, Z, "q", S, Z, *OUT], {}),
    "QLinearSigmoid": (MICROSOFT, (1, 5, 8), ["q", S, Z, scale(1 / 256), zero()], {}),
    "QLinearLeakyRelu": (MICROSOFT, (1, 5, 8), ["q", S, Z, *OUT], {"alpha": 0.1}),
    "QLinearAveragePool": (
        MICROSOFT, (1, 3, 6, 6), ["q", S, Z, *OUT], {"kernel_shape": [2, 2], "strides": [2, 2]},
    ),
    "QLinearGlobalAveragePool": (MICROSOFT, (1, 3, 6, 6), ["q", S, Z, *OUT], {}),
    "QLinearConcat": (MICROSOFT, (1, 5, 8), [*OUT, "q", S, Z, "q", S, Z], {"axis": 2}),
    "QLinearSoftmax": (MICROSOFT, (1, 5, 8), ["q", S, Z, scale(1 / 256), zero()], {"axis": -1, "opset": 20}),
    "MatMulIntegerToFloat": (
        MICROSOFT, (1, 5, 8), ["q", whole(8, 6), S, several(6), Z, zero(0, 6, kind=np.int8), normal(6)], {},
    ),
    "DynamicQuantizeMatMul": (
        MICROSOFT, (1, 5, 8), ["x", whole(8, 6), scale(0.0107), zero(2, kind=np.int8), normal(6)], {},
    ),
    "FusedConv": (
        MICROSOFT, (1, 3, 6, 5), ["x", normal(4, 3, 3, 3), normal(4)],
        {"activation": "LeakyRelu", "activation_params": [0.2]},
    ),
    "FusedConv, something added": (
        MICROSOFT, (1, 3, 4, 4), ["x", normal(3, 3, 1, 1), normal(3), "x"], {"activation": "Relu"},
    ),
    "FusedConv, something added and nothing behind it": (
        MICROSOFT, (1, 3, 4, 4), ["x", normal(3, 3, 1, 1), normal(3), "x"], {},
    ),
    "FusedConv, clipped": (
        MICROSOFT, (1, 3, 6, 5), ["x", normal(4, 3, 3, 3)], {"activation": "Clip", "activation_params": [0.0, 6.0]},
    ),
    "FusedGemm": (MICROSOFT, (1, 8), ["x", normal(8, 6), normal(6)], {"activation": "Tanh"}),
    "FusedMatMul": (MICROSOFT, (1, 5, 8), ["x", normal(6, 8)], {"transB": 1, "alpha": 0.25}),
    "FusedMatMul, a vector": (MICROSOFT, (1, 5, 8), ["x", normal(8)], {"transB": 1}),
    "FusedMatMul, turned": (MICROSOFT, (1, 4, 5, 8), ["x", "x"], {"transA": 1, "alpha": 0.5}),
    "FusedMatMul, stacks turned": (
        MICROSOFT, (1, 3, 5, 8), ["x", "x"], {"transBatchA": 1, "transBatchB": 1, "transB": 1},
    ),
    "Gelu": (MICROSOFT, (1, 5, 8), ["x"], {}),
    "BiasGelu": (MICROSOFT, (1, 5, 8), ["x", normal(8)], {}),
    "FastGelu": (MICROSOFT, (1, 5, 8), ["x", normal(8)], {}),
    "QuickGelu": (MICROSOFT, (1, 5, 8), ["x"], {"alpha": 1.702}),
    "SkipLayerNormalization": (MICROSOFT, (1, 5, 8), ["x", normal(1, 5, 8), normal(8), normal(8), normal(8)], {}),
    "SkipSimplifiedLayerNormalization": (MICROSOFT, (1, 5, 8), ["x", normal(1, 5, 8), normal(8)], {"epsilon": 0.1}),
    "LayerNormalization": ("", (1, 5, 8), ["x", normal(8), normal(8)], {"axis": 2, "epsilon": 0.01}),
    "SimplifiedLayerNormalization": ("", (1, 5, 8), ["x", normal(8)], {"axis": -1}),
    "Attention": (MICROSOFT, (1, 5, 8), ["x", normal(8, 24), normal(24)], {"num_heads": 2}),
    "Attention, no later keys": (
        MICROSOFT, (1, 5, 8), ["x", normal(8, 24), normal(24)], {"num_heads": 2, "unidirectional": 1},
    ),
    "Attention, keys left out": (
        MICROSOFT, (1, 5, 8), ["x", normal(8, 24), normal(24), np.array([[1, 1, 1, 0, 0]], np.int32)], {"num_heads": 2},
    ),
    "Attention, the first keys": (
        MICROSOFT, (1, 5, 8), ["x", normal(8, 24), normal(24), np.array([3], np.int32)], {"num_heads": 2},
    ),
    "Attention, whatever counts, and no later keys": (
        MICROSOFT, (1, 5, 8), ["x", normal(8, 24), normal(24), np.array([[0, 0, 2, 1, 3]], np.int32)],
        {"num_heads": 2, "unidirectional": 1, "mask_filter_value": -3.0},
    ),
    "MultiHeadAttention, other keys": (
        MICROSOFT, (1, 5, 8), ["x", normal(1, 7, 8), normal(1, 7, 8), "", np.array([4], np.int32)], {"num_heads": 2},
    ),
    "MultiHeadAttention, no later keys": (
        MICROSOFT, (1, 5, 8), ["x", "x", "x", normal(24)], {"num_heads": 2, "unidirectional": 1},
    ),
    "EmbedLayerNormalization": (
        MICROSOFT, (1, 5), ["x", "x", normal(9, 8), normal(7, 8), normal(9, 8), normal(8), normal(8)], {},
    ),
    "MultiHeadAttention": (MICROSOFT, (1, 5, 8), ["x", "x", "x", normal(24)], {"num_heads": 4, "scale": 0.2}),
}  # fmt: skip


def one_node(path, case, opset):
    """A file of one such operator, between whole numbers if it takes them."""
    domain, shape, inputs, attributes = CASES[case]
    names, tensors, nodes = [], [], []
    for i, given in enumerate(inputs):
        if isinstance(given, str):
            names.append({"x": "x", "q": "rounded", "": ""}[given])
        else:
            names.append(f"c{i}")
            tensors.append(onnx.numpy_helper.from_array(np.asarray(given), f"c{i}"))
    if "rounded" in names:
        tensors += [onnx.numpy_helper.from_array(S, "s"), onnx.numpy_helper.from_array(Z, "z")]
        nodes.append(helper.make_node("QuantizeLinear", ["x", "s", "z"], ["rounded"]))
    op_type = case.split(",")[0].split()[0]
    made = ["made", "lengths"] if op_type.startswith("Embed") else ["made"]
    nodes.append(helper.make_node(op_type, names, made, name="one", domain=domain, **attributes))
    rounds = case.startswith("QLinear") or case == "QGemm"
    if rounds:
        place = 0 if "Concat" in case else len(inputs) - 2 - ("bias" in case)
        nodes.append(helper.make_node("DequantizeLinear", ["made", names[place], names[place + 1]], ["y"]))
    else:
        nodes.append(helper.make_node("Identity", ["made"], ["y"]))
    value = helper.make_tensor_value_info
    kind, rank = (onnx.TensorProto.INT32, 3) if op_type.startswith("Embed") else (F32, len(shape))
    rank -= case == "FusedMatMul, a vector"
    graph = helper.make_graph(nodes, "g", [value("x", kind, shape)], [value("y", F32, [None] * rank)], tensors)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(MICROSOFT, 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return normal(*shape) if kind == F32 else R.integers(0, 9, size=shape).astype(np.int32)


def evaluated(path, x):
    graph = import_onnx(path).graph
    weights = network_weights(graph, where=str(path))
    exact = ExactProducts(weights_of(graph))
    exact.program(weights.matrices, weights.biases)
    (name,) = graph.network.inputs
    made = Evaluation(graph, weights).run(exact, {name: x[None]})
    return [made[output][0] for output in graph.network.outputs]


def by_onnxruntime(path, x, *, level="ORT_DISABLE_ALL"):
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})


@pytest.mark.parametrize("opset", [11, 15, 20])
@pytest.mark.parametrize("case", CASES)
def test_an_operator_equals_onnxruntime(case, opset, tmp_path):
    path = tmp_path / "one.onnx"
    x = one_node(path, case, opset)
    (wanted,) = by_onnxruntime(path, x)
    (made,) = evaluated(path, x)
    assert made.shape == wanted.shape
    assert np.abs(made - wanted).max() <= 1e-5 * np.abs(wanted).max()
    assert np.ptp(wanted) > 0


class Calibration(quantization.CalibrationDataReader):
    """A few samples for the quantiser."""

    def __init__(self, name, shape, n=5):
        self.left = iter([{name: normal(*shape)} for _ in range(n)])

    def get_next(self):
        return next(self.left, None)


def small_network(path, opset):
    """Convolution, a sum, pooling and two layers, with a softmax in between."""
    value, weights = helper.make_tensor_value_info, {}

    def weight(name, *shape):
        weights[name] = onnx.numpy_helper.from_array(normal(*shape) / np.float32(3), name)
        return name

    nodes = [
        helper.make_node("Conv", ["x", weight("k", 8, 3, 3, 3), weight("b", 8)], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Conv", ["r", weight("d", 8, 1, 3, 3)], ["e"], pads=[1, 1, 1, 1], group=8),
        helper.make_node("Add", ["e", "r"], ["a"]),
        helper.make_node("GlobalAveragePool", ["a"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", weight("g", 16, 8), weight("h", 16)], ["m"], transB=1),
        helper.make_node("Sigmoid", ["m"], ["s"]),
        helper.make_node("MatMul", ["s", weight("w", 16, 4)], ["y"]),
    ]
    graph = helper.make_graph(
        nodes, "g", [value("x", F32, [1, 3, 8, 8])], [value("y", F32, [1, 4])], list(weights.values())
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), path)


@pytest.mark.parametrize("opset", [13, 17, 20])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("form", ["QDQ", "QOperator"])
def test_files_of_the_quantiser(form, per_channel, opset, tmp_path):
    small_network(tmp_path / "net.onnx", opset)
    quantization.quantize_static(
        tmp_path / "net.onnx", tmp_path / "whole.onnx", Calibration("x", (1, 3, 8, 8)),
        quant_format=quantization.QuantFormat[form], per_channel=per_channel,
    )  # fmt: skip
    written = {node.op_type for node in onnx.load(tmp_path / "whole.onnx").graph.node}
    assert ("QLinearConv" in written) == (form == "QOperator")
    x = normal(1, 3, 8, 8)
    (made,), (wanted,) = evaluated(tmp_path / "whole.onnx", x), by_onnxruntime(tmp_path / "whole.onnx", x)
    (exact,) = evaluated(tmp_path / "net.onnx", x)
    np.testing.assert_allclose(made, wanted, atol=1e-6)
    assert 0 < np.abs(made - exact).max() < 0.2 * np.abs(exact).max()


NAMES = ["encoder_dynamo", "digits_vit", "residual_script", "windows_script", "gpt2_script", "unet_dynamo"]


def work_of(graph):
    """How often which operator works on how many tokens with which functions."""
    sizes = {matrix.name: (matrix.rows, matrix.columns) for matrix in graph.matrices}
    return Counter(
        (op.kind, op.tokens, sizes.get(op.matrix), tuple(sorted(op.functions.items()))) for op in graph.operators
    )


@pytest.mark.parametrize("name", NAMES)
def test_files_that_onnxruntime_optimised(name, tmp_path):
    plain, path = EXPORTS / f"{name}.onnx", tmp_path / "fused.onnx"
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(path)
    given = ort.InferenceSession(plain, options, providers=["CPUExecutionProvider"]).get_inputs()[0]
    assert any(node.domain == MICROSOFT for node in onnx.load(path).graph.node)
    before, after = import_onnx(plain).graph, import_onnx(path).graph
    assert work_of(after) == work_of(before)
    (shape,) = before.network.inputs.values()
    x = R.integers(0, 40, size=shape) if "int" in given.type else normal(*shape)
    for made, wanted in zip(evaluated(path, x), by_onnxruntime(plain, x), strict=True):
        assert np.abs(made - wanted).max() <= 1e-5 * np.abs(wanted).max()


def test_a_recurrent_layer_of_the_dynamic_quantiser(tmp_path):
    """It computes with the values of its weights; onnxruntime also rounds inputs and states."""
    quantization.quantize_dynamic(EXPORTS / "lstm_script.onnx", tmp_path / "whole.onnx")
    assert "DynamicQuantizeLSTM" in {node.op_type for node in onnx.load(tmp_path / "whole.onnx").graph.node}
    graph, plain = (import_onnx(path).graph for path in (tmp_path / "whole.onnx", EXPORTS / "lstm_script.onnx"))
    assert [(one.rows, one.columns) for one in graph.matrices] == [(one.rows, one.columns) for one in plain.matrices]
    (shape,) = graph.network.inputs.values()
    x = R.integers(0, 40, size=shape) if graph.network.whole_inputs else normal(*shape)
    for made, wanted in zip(
        evaluated(tmp_path / "whole.onnx", x), by_onnxruntime(tmp_path / "whole.onnx", x), strict=True
    ):
        assert np.abs(made - wanted).max() <= 0.03 * np.abs(wanted).max()


def test_a_form_that_is_not_told_is_named(tmp_path):
    attributes = {"num_heads": 2, "do_rotary": 1}
    nodes = [helper.make_node("Attention", ["x", "w", "b"], ["y"], name="one", domain=MICROSOFT, **attributes)]
    value = helper.make_tensor_value_info
    weights = [onnx.numpy_helper.from_array(normal(*shape), name) for name, shape in (("w", (8, 24)), ("b", (24,)))]
    graph = helper.make_graph(nodes, "g", [value("x", F32, [1, 5, 8])], [value("y", F32, [1, 5, 8])], weights)
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid(MICROSOFT, 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), tmp_path / "net.onnx")
    with pytest.raises(WorkloadError, match=r"Attention 'one': a form of it that is not read \(domain com.microsoft\)"):
        import_onnx(tmp_path / "net.onnx")


@pytest.mark.parametrize("masked", [False, True])
def test_an_embedding_that_says_how_many_symbols_count(masked, tmp_path):
    inputs = ["x", "", "words", "places", "", "scale", "shift", *(["mask"] if masked else [])]
    nodes = [
        helper.make_node("EmbedLayerNormalization", inputs, ["e", "n"], domain=MICROSOFT),
        helper.make_node("Attention", ["e", "w", "b", "n"], ["y"], domain=MICROSOFT, num_heads=2),
    ]
    shapes = {"words": (9, 8), "places": (5, 8), "scale": (8,), "shift": (8,), "w": (8, 24), "b": (24,)}
    weights = [onnx.numpy_helper.from_array(normal(*shape), name) for name, shape in shapes.items()]
    if masked:
        weights.append(onnx.numpy_helper.from_array(np.array([[1, 1, 1, 0, 0]], np.int32), "mask"))
    value = helper.make_tensor_value_info
    ends = [value("x", onnx.TensorProto.INT32, [1, 5])], [value("y", F32, [1, 5, 8])]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(MICROSOFT, 1)]
    model = helper.make_model(helper.make_graph(nodes, "g", *ends, weights), opset_imports=opsets, ir_version=8)
    onnx.save(model, tmp_path / "net.onnx")
    x = R.integers(0, 9, size=(1, 5)).astype(np.int32)
    (made,), (wanted,) = evaluated(tmp_path / "net.onnx", x), by_onnxruntime(tmp_path / "net.onnx", x)
    np.testing.assert_allclose(made, wanted, rtol=0, atol=1e-3 * np.abs(wanted).max())
