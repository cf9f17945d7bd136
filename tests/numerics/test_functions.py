"""Every operator against onnxruntime, one node at a time; and no sample's result depends on the others."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from hermes_sim.numerics.functions import evaluate_node
from hermes_sim.numerics.functions.windows import window_vectors
from hermes_sim.workload.origin import Node

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")
helper = onnx.helper

SAMPLES = 5
TOLERANCE = 2e-6  # of the largest output; both compute in float32


@dataclass
class Case:
    """One node: inputs by shape (computed, floating-point), array (computed if it has SAMPLES in front) or constant."""

    op: str
    inputs: list[Any]
    attributes: dict[str, Any] = field(default_factory=dict)
    opset: int = 20
    outputs: int = 1
    label: str = ""
    low: float = -2.0
    tolerance: float = TOLERANCE


@dataclass
class Constant:
    values: Any
    kind: Any = np.float32


@dataclass
class Computed:
    values: Any


def C(*values, kind=np.int64):
    return Constant(np.array(values), kind)


def rand(*shape, seed=3):
    return Constant(np.random.default_rng(seed).normal(size=shape))


def positive(*shape, seed=5):
    return Constant(np.random.default_rng(seed).uniform(0.5, 2, size=shape))


def whole(*shape, low=-5, high=6, seed=8, kind=np.int64):
    return Computed(np.random.default_rng(seed).integers(low, high, size=(SAMPLES, *shape)).astype(kind))


def truth(*shape, seed=9):
    return Computed(np.random.default_rng(seed).integers(0, 2, size=(SAMPLES, *shape)).astype(bool))


def arrays_of(case):
    """Inputs with their samples in front."""
    random, made = np.random.default_rng(0), []
    for spec in case.inputs:
        if spec is None:
            made.append(None)
        elif isinstance(spec, Constant):
            made.append(np.asarray(spec.values).astype(spec.kind)[None])
        elif isinstance(spec, Computed):
            made.append(spec.values)
        else:
            made.append(random.uniform(case.low, 2, size=(SAMPLES, *spec)).astype(np.float32))
    return made


def node_of(case):
    names = tuple(f"i{i}" if spec is not None else "" for i, spec in enumerate(case.inputs))
    outputs = tuple(f"o{i}" for i in range(case.outputs))
    return Node("n", case.op, "", names, outputs, case.attributes, opset=case.opset)


def by_onnxruntime(node, arrays):
    """Results of a model of one node, sample by sample."""
    given = {name: array for name, array in zip(node.inputs, arrays, strict=True) if name}
    constants = [onnx.numpy_helper.from_array(a[0], name) for name, a in given.items() if len(a) == 1]
    computed = {name: a for name, a in given.items() if len(a) > 1}
    values = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape[1:])
        for name, a in computed.items()
    ]
    made = [onnx.ValueInfoProto(name=name) for name in node.outputs]
    proto = helper.make_node(node.op_type, node.inputs, node.outputs, **node.attributes)
    graph = helper.make_graph([proto], "g", values, made, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", node.opset)], ir_version=10)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    results = [session.run(None, {name: a[i] for name, a in computed.items()}) for i in range(SAMPLES)]
    return [np.stack(samples) for samples in zip(*results, strict=True)]


X = (1, 4, 7, 6)  # a small picture
ELEMENTWISE = [
    *(
        Case(op, [X])
        for op in [
            "Relu",
            "LeakyRelu",
            "ThresholdedRelu",
            "Elu",
            "Celu",
            "Selu",
            "Abs",
            "Neg",
            "Floor",
            "Ceil",
            "Sign",
            "Sigmoid",
            "HardSigmoid",
            "HardSwish",
            "Mish",
            "Softplus",
            "Softsign",
            "Tanh",
            "Exp",
            "Sin",
            "Cos",
            "Erf",
            "Identity",
            "Gelu",
            "IsNaN",
            "IsInf",
        ]
    ),
    *(Case(op, [X], low=0.1) for op in ("Sqrt", "Log", "Reciprocal")),
    Case("Round", [Computed(np.arange(-7, 8, dtype=np.float32)[None, None].repeat(SAMPLES, 0) / 2)]),
    Case("Gelu", [X], {"approximate": "tanh"}, label="tanh"),
    Case("LeakyRelu", [X], {"alpha": 0.3}, label="alpha"),
    Case("Elu", [X], {"alpha": 0.3}, label="alpha"),
    Case("Celu", [X], {"alpha": 0.3}, label="alpha"),
    Case("Selu", [X], {"alpha": 1.2, "gamma": 0.7}, label="alpha"),
    Case("HardSigmoid", [X], {"alpha": 0.4, "beta": 0.1}, label="alpha"),
    *(Case(op, [X, X], label="same") for op in ["Add", "Sub", "Mul", "Div", "Max", "Min", "Equal", "Greater", "Less"]),
    *(
        Case(op, [X, (6,)], label="ranks")
        for op in ["Add", "Sub", "Mul", "Div", "Max", "Min", "GreaterOrEqual", "LessOrEqual"]
    ),
    *(Case(op, [(6,), X], label="other_way") for op in ["Add", "Sub", "Mul", "Div"]),
    *(Case(op, [X, rand(4, 1, 1)], label="constant") for op in ["Add", "Sub", "Mul", "Div", "Max", "Min", "PRelu"]),
    Case("Add", [X, rand()], label="scalar"),
    Case("Sum", [X, (7, 6), rand(6)]),
    Case("Mean", [X, (7, 6), rand(6)]),
    Case("Max", [X, (7, 6), rand(6)], label="three"),
    Case("Pow", [X, rand(6)], low=0.1),
    Case("Pow", [X, C(2.0, kind=np.float32)], label="square"),
    Case("Pow", [X, C(3)], label="whole_exponent"),
    Case("Pow", [whole(5, low=-3, high=4), C(2)], label="whole"),
    Case("Div", [whole(3, 5), Computed(np.tile(np.array([2, -2, 3, -3, 4]), (SAMPLES, 1)))], label="whole"),
    Case("Mod", [whole(3, 5), C(3, -3, 4, 2, -2)], label="whole"),
    Case("Mod", [X, C(0.7, kind=np.float32)], {"fmod": 1}),
    Case("Equal", [whole(3, 5), whole(5)], label="whole"),
    Case("Not", [truth(3, 5)]),
    *(Case(op, [truth(3, 5), truth(5, seed=2)]) for op in ("And", "Or", "Xor")),
    Case("Where", [truth(7, 1), X, (6,)]),
    Case("Where", [truth(7, 1), X, rand()], label="fill"),
    Case("Clip", [X, rand(seed=2), Constant(0.5)]),
    Case("Clip", [X, None, Constant(0.5)], label="max"),
    Case("Clip", [X], label="none"),
    Case("Clip", [X], {"min": -0.5, "max": 1.0}, 10, label="attributes"),
    Case("Cast", [X], {"to": 7}, label="to_whole"),
    Case("Cast", [X], {"to": 9}, label="to_truth"),
    Case("Cast", [whole(4)], {"to": 1}, label="to_float"),
    Case("CastLike", [X, C(1)]),
    *(
        Case("CumSum", [(3, 5), C(axis)], attributes, label=f"{axis}{list(attributes)}")
        for axis in (0, -1)
        for attributes in ({}, {"reverse": 1}, {"exclusive": 1}, {"exclusive": 1, "reverse": 1})
    ),
]
VIEWS = [
    Case("Reshape", [X, C(1, -1)]),
    Case("Reshape", [X, C(0, 2, 2, -1, 6)], label="zero"),
    Case("Flatten", [X]),
    Case("Flatten", [X], {"axis": 2}, label="2"),
    Case("Flatten", [X], {"axis": 0}, label="0"),
    Case("Flatten", [X], {"axis": -1}, label="-1"),
    Case("Transpose", [X], {"perm": [0, 2, 3, 1]}),
    Case("Transpose", [X], label="reverse"),
    Case("Squeeze", [(1, 3, 1, 2)]),
    Case("Squeeze", [(1, 3, 1, 2), C(-2)], label="axis"),
    Case("Squeeze", [(1, 3, 1, 2)], {"axes": [2]}, 11, label="attribute"),
    Case("Unsqueeze", [(3, 2), C(0, -1)]),
    Case("Unsqueeze", [(3, 2)], {"axes": [1]}, 11, label="attribute"),
    Case("Slice", [X, C(1, -3), C(3, 100), C(1, 3)]),
    Case("Slice", [X, C(-1), C(-(2**63)), C(2), C(-2)], label="backward"),
    Case("Slice", [X, C(0, 1), C(1, 2**63 - 1)], label="no_axes"),
    Case("Slice", [X], {"starts": [1], "ends": [-1], "axes": [2]}, 9, label="attributes"),
    Case("Split", [(1, 6, 4), C(1, 2, 3)], {"axis": 1}, outputs=3),
    Case("Split", [(1, 6, 4)], {"axis": -1, "num_outputs": 2}, outputs=2, label="equal"),
    Case("Split", [(1, 7, 4)], {"axis": 1, "num_outputs": 3}, outputs=3, label="unequal"),
    Case("Split", [(1, 6, 4)], {"axis": 1, "split": [4, 2]}, 11, outputs=2, label="attribute"),
    Case("Concat", [(1, 3, 4), rand(1, 2, 4), (1, 1, 4)], {"axis": 1}),
    Case("Concat", [(3, 2), (3, 4)], {"axis": -1}, label="last"),
    Case("Expand", [(3, 1), C(2, 1, 6)]),
    Case("Expand", [(2, 3, 1), C(4)], label="lower"),
    Case("Tile", [(2, 3), C(2, 3)]),
    Case("Pad", [X, C(0, 1, 2, 3, 0, 4, 0, 1), Constant(1.5)]),
    Case("Pad", [X, C(1, -2, 2, 1), None, C(-1, 1)], label="axes"),
    Case("Pad", [X], {"pads": [0, 0, 1, 1, 0, 0, 2, 0], "value": 2.0}, 10, label="attributes"),
    *(Case("Pad", [X, C(0, 0, 1, 2, 0, 0, 2, 1)], {"mode": mode}, label=mode) for mode in ("reflect", "edge", "wrap")),
    Case("Gather", [rand(11, 4), whole(1, 6, low=-11, high=11)], label="embedding"),
    Case("Gather", [rand(3, 11), whole(6, low=-11, high=11)], {"axis": 1}, label="embedding_axis"),
    Case("Gather", [(1, 6, 4), C(-2)], {"axis": 1}, label="one"),
    Case("Gather", [(1, 6, 4), Constant(3, np.int64)], {"axis": 1}, label="token"),
    Case("Gather", [(6, 4), whole(3, 2, low=0, high=4)], {"axis": 1}, label="both"),
    Case("GatherElements", [(6, 4), whole(3, 4, low=-6, high=6)], {"axis": 0}),
    Case("GatherElements", [rand(6, 4), whole(6, 2, low=0, high=4)], {"axis": 1}, label="constant"),
    Case("Shape", [X], label="all"),
    Case("Shape", [X], {"start": 1, "end": -1}),
    Case("Size", [X]),
    Case("Trilu", [(2, 5, 6)], {"upper": 0}),
    Case("Trilu", [(2, 5, 6), Constant(-2, np.int64)], label="k"),
    Case("DepthToSpace", [(1, 8, 2, 3)], {"blocksize": 2}),
    Case("DepthToSpace", [(1, 8, 2, 3)], {"blocksize": 2, "mode": "CRD"}, label="crd"),
]
_REDUCE = "ReduceMean ReduceSum ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceSumSquare ReduceLogSumExp"
REDUCTIONS = [
    *(Case(op, [X, C(1, -1)]) for op in _REDUCE.split()),
    *(Case(op, [X], {"keepdims": 0}, label="all") for op in _REDUCE.split()),
    *(Case(op, [X], {"axes": [2], "keepdims": 0}, 11, label="attribute") for op in _REDUCE.split()),
    Case("ReduceMean", [X], {"noop_with_empty_axes": 1}, label="noop"),
    *(
        Case(op, [whole(4, 9, low=0, high=5, kind=np.float32)], attributes, label=str(attributes))
        for op in ("ArgMax", "ArgMin")
        for attributes in ({}, {"axis": -1, "keepdims": 0}, {"axis": 1, "select_last_index": 1})
    ),
    *(Case(op, [X], {"axis": axis}, label=str(axis)) for op in ("Softmax", "LogSoftmax") for axis in (-1, 1)),
    Case("Softmax", [X]),
    Case("Softmax", [X], {}, 11, label="coerced"),
    Case("Softmax", [X], {"axis": 2}, 9, label="coerced_2"),
    Case("LogSoftmax", [X], {"axis": 2}, 11, label="coerced_2"),
    Case("LayerNormalization", [(3, 9), positive(9), rand(9)]),
    Case("LayerNormalization", [(2, 3, 9), positive(3, 9)], {"axis": 1, "epsilon": 0.01}, label="axis"),
    Case("RMSNormalization", [(3, 9), positive(9)], {"epsilon": 0.01}, 23),
    Case("BatchNormalization", [X, positive(4), rand(4), rand(4, seed=1), positive(4, seed=2)]),
    Case("BatchNormalization", [(1, 4), positive(4), rand(4), rand(4), positive(4)], {"epsilon": 0.1}, label="flat"),
    Case("InstanceNormalization", [X, positive(4), rand(4)]),
    Case("GroupNormalization", [X, positive(4), rand(4)], {"num_groups": 2}, 21),
    Case("GroupNormalization", [X, positive(2), rand(2)], {"num_groups": 2}, 18, label="per_group"),
]
K3 = {"kernel_shape": [3, 3]}
WINDOWS = [
    Case("Conv", [X, rand(5, 4, 3, 3), rand(5)], {"pads": [1, 1, 1, 1]}),
    Case("Conv", [X, rand(5, 4, 3, 2)], {"pads": [0, 1, 2, 0], "strides": [2, 3]}, label="strides"),
    Case("Conv", [X, rand(6, 2, 3, 3), rand(6)], {"group": 2, "dilations": [2, 1]}, label="groups"),
    Case("Conv", [X, rand(8, 1, 3, 3), rand(8)], {"group": 4, "pads": [1, 1, 1, 1]}, label="depthwise"),
    Case("Conv", [X, rand(5, 4, 4, 3)], {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, label="upper"),
    Case("Conv", [X, rand(5, 4, 4, 3)], {"auto_pad": "SAME_LOWER", "strides": [2, 1]}, label="lower"),
    Case("Conv", [X, rand(5, 4, 4, 3)], {"auto_pad": "VALID"}, label="valid"),
    Case("Conv", [(1, 3, 9), rand(5, 3, 4)], {"pads": [1, 2]}, label="sequence"),
    Case("Conv", [(1, 2, 4, 5, 3), rand(3, 2, 2, 2, 2)], label="volume"),
    Case("Conv", [(2, 4, 7, 6), rand(5, 4, 3, 3), rand(5)], label="batch_in_file"),
    Case("Conv", [X, (2, 4, 3, 3)], label="computed_weights"),
    Case("ConvTranspose", [X, rand(4, 3, 3, 3), rand(3)]),
    Case(
        "ConvTranspose",
        [X, rand(4, 3, 4, 3)],
        {"strides": [2, 3], "pads": [1, 0, 2, 1], "output_padding": [1, 0]},
        label="strides",
    ),
    Case("ConvTranspose", [X, rand(4, 3, 3, 3)], {"group": 2, "dilations": [2, 1]}, label="groups"),
    Case("ConvTranspose", [X, rand(4, 3, 3, 3)], {"strides": [2, 2], "output_shape": [14, 12]}, label="shape"),
    *(
        Case("ConvTranspose", [X, rand(4, 3, 3, 2)], {"strides": [2, 2], "auto_pad": auto}, label=auto)
        for auto in ("SAME_UPPER", "SAME_LOWER", "VALID")
    ),
    Case("ConvTranspose", [(1, 4, 7), rand(4, 2, 3)], {"strides": [2]}, label="sequence"),
    *(
        Case(op, [X], {**K3, **attributes}, label=f"{list(attributes.values())}")
        for op in ("MaxPool", "AveragePool")
        for attributes in (
            {},
            {"strides": [2, 2], "pads": [1, 1, 1, 1]},
            {"strides": [2, 2], "ceil_mode": 1},
            {"strides": [2, 3], "ceil_mode": 1, "pads": [1, 1, 1, 1]},
            {"strides": [3, 3], "ceil_mode": 1, "pads": [0, 0, 1, 1]},
            {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
            {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
            {"dilations": [2, 1]},
        )
    ),
    *(
        Case("AveragePool", [X], {**K3, "count_include_pad": 1, **attributes}, label=f"pad{list(attributes.values())}")
        for attributes in (
            {"pads": [1, 1, 1, 1]},
            {"strides": [2, 2], "pads": [1, 0, 1, 0]},
            {"strides": [2, 3], "ceil_mode": 1, "pads": [1, 1, 1, 1]},
        )
    ),
    Case("MaxPool", [(1, 3, 9)], {"kernel_shape": [3], "strides": [2]}, label="sequence"),
    Case("GlobalMaxPool", [X]),
    Case("GlobalAveragePool", [X]),
    *(Case("LRN", [(1, 7, 3, 3)], {"size": n, "alpha": 0.5, "beta": 0.6, "bias": 2.0}, label=str(n)) for n in (3, 5)),
    Case("LRN", [(1, 7, 3, 3)], {"size": 5}),
]
PRODUCTS = [
    Case("MatMul", [(3, 5), (5, 4)]),
    Case("MatMul", [(2, 3, 5), (5, 4)], label="ranks"),
    Case("MatMul", [(5,), (2, 5, 4)], label="row"),
    Case("MatMul", [(2, 3, 5), (5,)], label="column"),
    Case("MatMul", [(5,), (5,)], label="both"),
    Case("MatMul", [(1, 3, 5), rand(5, 4)], label="constant"),
    Case("MatMul", [(1, 130), rand(130, 70)], label="long"),
    Case("Gemm", [(1, 5), rand(5, 4), rand(4)]),
    Case("Gemm", [(5, 3), (4, 5), (3, 1)], {"transA": 1, "transB": 1, "alpha": 0.5, "beta": 2.0}, label="turned"),
    Case("Gemm", [(1, 5), rand(5, 4)], label="no_bias"),
    *(
        Case("Attention", inputs, attributes, 23, label=label, tolerance=1e-5)
        for label, inputs, attributes in (
            ("four", [(1, 2, 5, 4), (1, 2, 6, 4), (1, 2, 6, 3)], {}),
            ("scale", [(1, 2, 5, 4), (1, 2, 6, 4), (1, 2, 6, 3)], {"scale": 0.3}),
            ("causal", [(1, 2, 5, 4), (1, 2, 5, 4), (1, 2, 5, 3)], {"is_causal": 1}),
            ("shared", [(1, 4, 5, 4), (1, 2, 6, 4), (1, 2, 6, 3)], {}),
            ("added", [(1, 2, 5, 4), (1, 2, 6, 4), (1, 2, 6, 3), (5, 6)], {}),
            ("truth", [(1, 2, 5, 4), (1, 2, 6, 4), (1, 2, 6, 3), C(*[[1, 0, 1, 1, 0, 1]] * 5, kind=bool)], {}),
            ("flat", [(1, 5, 8), (1, 6, 8), (1, 6, 6)], {"q_num_heads": 2, "kv_num_heads": 2}),
            ("flat_shared", [(1, 5, 8), (1, 6, 4), (1, 6, 3)], {"q_num_heads": 2, "kv_num_heads": 1, "is_causal": 1}),
        )
    ),
]
_ZERO = C(-3, kind=np.int8)
QUANTISED = [
    Case("QuantizeLinear", [X, Constant(0.02)]),
    Case("QuantizeLinear", [X, Constant(0.02), Constant(-3, np.int8)], label="zero"),
    Case("QuantizeLinear", [X, positive(4), C(1, 2, 3, 4, kind=np.uint8)], {"axis": 1}, label="axis"),
    Case("QuantizeLinear", [X, positive(4), None], {"axis": 1, "output_dtype": 3}, 21, label="type"),
    Case("DequantizeLinear", [whole(3, 4, kind=np.int8), Constant(0.1), Constant(-3, np.int8)]),
    Case("DequantizeLinear", [whole(3, 4, kind=np.int32), Constant(0.1)], label="no_zero"),
    Case(
        "DequantizeLinear", [whole(3, 4, low=0, kind=np.uint8), positive(4), C(1, 2, 3, 4, kind=np.uint8)], label="axis"
    ),
    Case(
        "DequantizeLinear",
        [whole(5, 4, kind=np.int8), positive(3, 4), None],
        {"axis": 0, "block_size": 2},
        21,
        label="block",
    ),
]
_BIG, _SIZE = Constant([1, 1, 2.5, 1.7]), C(1, 4, 3, 11)
RESIZE = [
    *(
        Case(
            "Resize",
            [X, None, *how],
            {"mode": mode, "coordinate_transformation_mode": way},
            19,
            label=f"{mode}_{way}{len(how)}",
        )
        for mode in ("nearest", "linear")
        for way in ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric")
        for how in ([_BIG], [None, _SIZE])
    ),
    *(
        Case(
            "Resize", [X, None, _BIG], {"nearest_mode": how, "coordinate_transformation_mode": "asymmetric"}, label=how
        )
        for how in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
    ),
    Case("Resize", [X, None, Constant([2.0, 3.0])], {"axes": [2, 3]}, label="axes"),
    Case("Resize", [X, Constant([1, 1, 2, 2])], {"mode": "linear"}, 10, label="old"),
    Case("Resize", [X, None, _BIG], {"mode": "cubic"}, label="cubic", tolerance=1e-5),
    Case("Upsample", [X, Constant([1, 1, 2, 2])], {"mode": "nearest"}, 9),
    Case("Upsample", [X, Constant([1, 1, 2, 2])], {"mode": "linear"}, 9, label="linear"),
]
RARE = [
    Case("TopK", [(3, 9), C(2)], outputs=2),
    Case("SpaceToDepth", [(*X[:2], 8, 6)], {"blocksize": 2}),
    Case("Einsum", [(3, 4), (4, 5)], {"equation": "ij,jk->ki"}),
    Case("Hardmax", [(3, 9)]),
    Case("Asinh", [X]),
]
CASES = [*ELEMENTWISE, *VIEWS, *REDUCTIONS, *WINDOWS, *PRODUCTS, *QUANTISED, *RESIZE, *RARE]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.op}-{case.label}")
def test_a_node_equals_onnxruntime_and_no_sample_depends_on_the_others(case):
    node, arrays = node_of(case), arrays_of(case)
    made = evaluate_node(node, arrays)
    wanted = by_onnxruntime(node, arrays)
    assert len(made) == len(wanted)
    for ours, theirs in zip(made, wanted, strict=True):
        full = np.broadcast_to(ours, theirs.shape)
        if theirs.dtype.kind == "f":
            assert ours.dtype == np.float32
            assert np.abs(full - theirs).max() <= case.tolerance * max(1e-3, np.abs(theirs).max())
        else:
            assert ours.dtype == theirs.dtype
            np.testing.assert_array_equal(full, theirs)
    for chosen in ([2], [4, 1, 2]):
        part = evaluate_node(node, [a if a is None or len(a) == 1 else a[chosen] for a in arrays])
        for ours, few in zip(made, part, strict=True):
            np.testing.assert_array_equal(few, ours if len(ours) == 1 else ours[chosen], strict=True)


@pytest.mark.parametrize("case", [case for case in WINDOWS if case.op == "Conv"], ids=lambda case: case.label)
def test_vectors_of_a_window_make_the_convolution(case):
    """One product of all vectors with the weights, channel-major, is the convolution; without groups."""
    x, weights = arrays_of(case)[:2]
    if len(weights) > 1 or case.attributes.get("group", 1) > 1:
        weights = rand(3, *np.shape(x)[2:3], *weights.shape[3:]).values.astype(np.float32)[None]
    node = Node("n", "Conv", "", ("x", "w"), ("y",), case.attributes | {"group": 1}, opset=20)
    vectors, sizes = window_vectors(node, x, weights.shape[3:])
    made = (vectors @ weights[0].reshape(weights.shape[1], -1).T).reshape(*x.shape[:2], *sizes, -1)
    (wanted,) = evaluate_node(node, [x, weights])
    np.testing.assert_allclose(np.moveaxis(made, -1, 2), wanted, rtol=0, atol=2e-5)
