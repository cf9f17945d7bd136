"""Random small ONNX graphs, sensible and not: the importer takes them or refuses them in one message."""

import warnings

import numpy as np
import pytest

from hermes_sim.chip.load import load_arch
from hermes_sim.engine.compiled import CompiledEngine
from hermes_sim.errors import WorkloadError
from hermes_sim.mapping.place import map_graph
from hermes_sim.numerics.network import Evaluation, network_weights
from hermes_sim.numerics.programmed import ExactProducts, weights_of
from hermes_sim.program.lower import lower
from hermes_sim.workload.load import build_graph, load_workload
from hermes_sim.workload.onnx_import import import_onnx

onnx = pytest.importorskip("onnx")
helper, numpy_helper, TensorProto = onnx.helper, onnx.numpy_helper, onnx.TensorProto

USUAL = [(1, 6), (1, 4, 6), (1, 3, 5, 5), (1, 2, 7), (1, 4, 1, 6), (1, 1, 6), (5, 1, 6)]
ODD = [(6,), (), (4, 6), (2, 4, 6), (0, 6), (1, 1, 1, 1, 3)]
UNARY = ["Relu", "Sigmoid", "Tanh", "Erf", "Identity", "Round", "Neg", "Abs", "Sqrt", "Exp", "Softplus", "Elu", "Sin",
         "HardSigmoid", "HardSwish", "LeakyRelu", "Reciprocal", "Softsign", "IsNaN", "Dropout", "Cos"]  # fmt: skip
BINARY = ["Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Sum", "MatMul", "Concat", "PRelu", "Equal"]


class RandomModel:
    """One graph of a few nodes; `rng` decides everything."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.opset = int(self.rng.integers(11, 22))
        self.nodes, self.weights, self.live, self.inputs = [], [], [], []
        for i in range(int(self.rng.integers(1, 3))):
            self.live.append((f"x{i}", self.pick(USUAL if self.chance(0.9) else ODD)))
            self.inputs.append(self.live[-1])
        for _ in range(int(self.rng.integers(1, 9))):
            usual = [self.unary, self.binary, self.dense, self.window, self.shape_op, self.reduce, self.recurrent]
            self.pick(usual if self.chance(0.93) else [self.odd, self.inner_graph, self.constants])()

    def pick(self, choices):
        return choices[int(self.rng.integers(len(choices)))]

    def chance(self, p):
        return self.rng.random() < p

    def last(self):
        return self.live[-1] if self.chance(0.7) else self.pick(self.live)

    def weight(self, *shape, kind=np.float32):
        name = f"w{len(self.weights)}"
        values = self.rng.normal(size=shape).astype(kind)
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def ints(self, *values):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.array(values, dtype=np.int64), name))
        return name

    def node(self, op, inputs, shape, *, outputs=1, **attributes):
        names = [f"t{len(self.nodes)}_{i}" for i in range(outputs)]
        name = self.pick(["", f"{op}_{len(self.nodes)}", "same", "x0", "out.y"])
        self.nodes.append(helper.make_node(op, inputs, names, name=name, **attributes))
        self.live.append((names[0], shape))
        if outputs > 1 and self.chance(0.3):
            self.live.append((names[1], shape))

    def unary(self):
        name, shape = self.last()
        self.node(self.pick(UNARY), [name], shape)

    def binary(self):
        (left, shape), (right, _) = self.last(), self.pick(self.live)
        other = self.pick([left, right, self.weight(*shape), self.weight(), self.weight(shape[-1] if shape else 1)])
        op = self.pick(BINARY)
        inputs = [left, other] if self.chance(0.8) else [other, left]
        self.node(op, inputs, shape, **({"axis": self.pick([0, 1, -1])} if op == "Concat" else {}))

    def dense(self):
        name, shape = self.last()
        k, n = (shape[-1] if shape else 1), int(self.rng.integers(1, 9))
        k += self.chance(0.1)
        if self.chance(0.5):
            w = self.pick([self.weight(k, n), self.weight(1, k, n), self.weight(2, k, n), self.weight(k)])
            self.node("MatMul", [name, w], (*shape[:-1], n))
        else:
            attributes = {key: int(self.chance(0.3)) for key in ("transA", "transB")}
            w = self.weight(n, k) if attributes["transB"] else self.weight(k, n)
            bias = self.pick([[], [""], [self.weight(n)], [self.pick(self.live)[0]]])
            self.node("Gemm", [name, w, *bias], (*shape[:-1], n), **attributes)

    def window(self):
        name, shape = self.last()
        d = max(1, len(shape) - 2)
        c = shape[1] if len(shape) > 1 else 1
        kernel = [int(self.rng.integers(1, 4))] * d
        attributes = {"strides": [int(self.rng.integers(1, 4)) for _ in range(d)]} if self.chance(0.4) else {}
        if self.chance(0.5):
            attributes["pads"] = [int(self.rng.integers(0, 5)) for _ in range(2 * d)]
        elif self.chance(0.2):
            attributes["auto_pad"] = self.pick(["SAME_UPPER", "SAME_LOWER", "VALID"])
        if self.chance(0.1):
            attributes["dilations"] = [2] * d
        op = self.pick(["Conv", "Conv", "MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool"])
        if op == "Conv":
            group = self.pick([1, 1, c])
            self.node(op, [name, self.weight(4 * group, max(1, c // group), *kernel)], (1, 4 * group, *shape[2:]),
                      group=group, **attributes)  # fmt: skip
        elif op.startswith("Global"):
            self.node(op, [name], (*shape[:2], *[1] * d))
        else:
            attributes.pop("dilations", None)
            outputs = 2 if op == "MaxPool" and self.chance(0.2) else 1
            self.node(op, [name], shape, outputs=outputs, kernel_shape=kernel, **attributes)

    def shape_op(self):
        name, shape = self.last()
        size = int(np.prod(shape))
        op = self.pick(["Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Expand", "Pad", "Slice", "Gather",
                        "Split", "Cast", "Shape"])  # fmt: skip
        if op == "Reshape":
            target = self.pick([(-1,), (1, -1), (1, 1, max(size, 1)), shape, (size or 1, 1), (3, -1)])
            self.node(op, [name, self.ints(*target)], tuple(abs(i) for i in target))
        elif op == "Transpose":
            perm = [int(i) for i in self.rng.permutation(len(shape))]
            self.node(op, [name], tuple(shape[i] for i in perm), perm=perm)
        elif op in {"Flatten", "Shape"}:
            self.node(op, [name], (1, size))
        elif op in {"Squeeze", "Unsqueeze"}:
            if self.opset >= 13:
                self.node(op, [name, self.ints(0)], shape)
            else:
                self.node(op, [name], shape, axes=[0])
        elif op == "Expand":
            self.node(op, [name, self.ints(*self.pick([(2, *shape), shape, (1,), tuple(3 for _ in shape)]))], shape)
        elif op == "Pad":
            self.node(op, [name, self.ints(*(int(self.rng.integers(-1, 3)) for _ in range(2 * len(shape))))], shape)
        elif op == "Slice":
            axis = int(self.rng.integers(-1, max(1, len(shape))))
            limits = [self.ints(self.pick([0, 1, -2])), self.ints(self.pick([1, 2, 2**62]))]
            self.node(op, [name, *limits, self.ints(axis)], shape)
        elif op == "Gather":
            index = self.pick([self.ints(0), self.ints(0, 0), self.pick(self.live)[0]])
            source = self.pick([name, self.weight(9, 4)])
            self.node(op, [source, index], shape, axis=self.pick([0, 1, -1]))
        elif op == "Split":
            self.node(op, [name], shape, outputs=2, axis=self.pick([0, 1, -1]))
        else:
            self.node("Cast", [name], shape, to=self.pick([TensorProto.FLOAT, TensorProto.INT64, TensorProto.FLOAT16]))

    def reduce(self):
        name, shape = self.last()
        op = self.pick(["ReduceMean", "ReduceSum", "ReduceMax", "Softmax", "LayerNormalization", "BatchNormalization"])
        op = "Softmax" if op == "LayerNormalization" and self.opset < 17 else op
        if op.startswith("Reduce"):
            keep = int(self.chance(0.5))
            self.node(op, [name], shape, keepdims=keep, **({"axes": [-1]} if self.opset < 13 and shape else {}))
        elif op == "Softmax":
            self.node(op, [name], shape, axis=self.pick([-1, 0, 1]))
        elif op == "LayerNormalization":
            self.node(op, [name, self.weight(shape[-1] if shape else 1)], shape)
        else:
            c = shape[1] if len(shape) > 1 else 1
            self.node(op, [name, *(self.weight(c) for _ in range(4))], shape)

    def recurrent(self):
        name, shape = self.last()
        width, d = (shape[-1] if shape else 1), self.pick([1, 2])
        rest = self.pick([[], ["", "", ""], [self.weight(d, 32), "", ""]])
        outputs = 3 if self.chance(0.3) else 1
        self.node("LSTM", [name, self.weight(d, 16, width), self.weight(d, 16, 4), *rest],
                  (*shape[:1], d, 1, 4), outputs=outputs, hidden_size=4,
                  direction="forward" if d == 1 else "bidirectional",
                  **({"layout": 1} if self.opset >= 14 and self.chance(0.3) else {}))  # fmt: skip

    def inner_graph(self):
        name, shape = self.last()
        out = helper.make_tensor_value_info("b", TensorProto.FLOAT, None)
        then = helper.make_graph([helper.make_node("Relu", [name], ["b"])], "then", [], [out])
        other = helper.make_graph([helper.make_node("Neg", [name], ["b"])], "else", [], [out])
        flag = numpy_helper.from_array(np.array(self.chance(0.5)), f"w{len(self.weights)}")
        self.weights.append(flag)
        self.node("If", [flag.name], shape, then_branch=then, else_branch=other)

    def constants(self):
        name, shape = self.last()
        made = [f"c{len(self.nodes)}_{i}" for i in range(3)]
        value = {"value_ints": [1, 2]} if self.opset > 11 else {"value": numpy_helper.from_array(np.array([1, 2]))}
        large = self.ints(10**5, 10**6)
        self.nodes += [
            helper.make_node("Constant", [], made[:1], **value),
            helper.make_node("ConstantOfShape", [self.pick([made[0], self.ints(3), large])], made[1:2]),
            helper.make_node("Shape", [name], made[2:]),
        ]
        self.node("Add", [name, self.pick([made[1], self.weight()])], shape)

    def odd(self):
        name, shape = self.last()
        op = self.pick(["Einsum", "Where", "Clip", "Foreign", "Resize", "NonZero", "Trilu"])
        if op == "Where":
            self.node(op, [self.pick(self.live)[0], name, self.weight()], shape)
        elif op == "Clip":
            self.node(op, [name, "", self.weight()], shape)
        elif op == "Foreign":
            self.node("Add", [name, name], shape, domain="com.example")
        elif op == "Einsum":
            self.node(op, [name], shape, equation="...->...")
        else:
            self.node(op, [name], shape)

    def save(self, path):
        first = self.inputs
        values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, self.dims(s)) for n, s in first]
        names = [self.live[-1][0], *([self.pick(self.live)[0]] if self.chance(0.2) else [])]
        results = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [f"d{i}" for i in range(3)]) for n in names]
        if self.chance(0.2):
            self.weight(3, 3)  # nobody's
        if self.chance(0.2) and self.weights:  # an initializer among the inputs, as old files have it
            weight = self.pick(self.weights)
            values.append(helper.make_tensor_value_info(weight.name, weight.data_type, list(weight.dims)))
        graph = helper.make_graph(self.nodes, "random", values, results, self.weights)
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid("com.example", 1)]
        onnx.save(helper.make_model(graph, opset_imports=opsets), str(path))
        return path

    def dims(self, shape):
        """A shape as files give it: some sizes by name, some as -1, some not at all."""
        return [self.pick(["batch", -1, None, "n"]) if self.chance(0.02) else size for size in shape]


@pytest.mark.parametrize("unsupported", ["stop", "pass_through"])
@pytest.mark.parametrize("tens", range(12))
def test_random_graphs_are_taken_or_refused(tens, unsupported, tmp_path):
    """Every error is a WorkloadError with one line that says what is wrong; every graph has work."""
    for seed in range(10 * tens, 10 * tens + 10):
        path = RandomModel(seed).save(tmp_path / f"m{seed}.onnx")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                graph = build_graph(load_workload(str(path), {"unsupported": unsupported}))
            except WorkloadError as error:
                said = str(error.got).splitlines()
            else:
                said = [f"{graph.ops} operations"] if graph.ops else []
        assert len(said) == 1


def test_random_graphs_that_are_taken_run_to_their_end(tmp_path):
    chip, n_run = load_arch("hermes_64_hetero"), 0
    for seed in range(40):
        path = RandomModel(seed).save(tmp_path / f"m{seed}.onnx")
        try:
            graph = build_graph(load_workload(str(path)))
        except WorkloadError:
            continue
        lowered = lower(graph, map_graph(graph, chip, "packed"), chip, inferences=2)
        assert CompiledEngine().run(lowered.program, watch=[lowered.done]).is_complete
        n_run += 1
    assert n_run >= 3


def outputs_of(path, x):
    """Outputs of onnxruntime, sample by sample; None if it does not take the graph, or the graph makes no numbers."""
    ort = pytest.importorskip("onnxruntime")
    model = onnx.load(path)
    for i, node in enumerate(model.graph.node):
        node.name = f"n{i}"  # onnxruntime wants them unique
    for output in model.graph.output:
        output.ClearField("type")
    model.ir_version = 8
    options = ort.SessionOptions()
    options.log_severity_level, options.graph_optimization_level = 4, ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        names = [one.name for one in session.get_inputs()]
        made = [session.run(None, {name: x[name][i] for name in names}) for i in range(2)]
    except Exception:  # noqa: BLE001 - onnxruntime raises classes of its own
        return None
    return [np.stack(samples) for samples in zip(*made, strict=True)]


def evaluated(graph, x):
    """Outputs in FP32; None if some number on the way is none."""
    weights = network_weights(graph)
    exact = ExactProducts(weights_of(graph))
    exact.program(weights.matrices, weights.biases)
    evaluation = Evaluation(graph, weights)
    tensors = evaluation.tensors(exact, x).values()
    if not all(np.isfinite(values).all() for values in tensors if values.dtype.kind == "f"):
        return None
    made = evaluation.run(exact, x)
    return [made[name] for name in graph.network.outputs]


def is_halved(graph):
    """Whether a graph rounds to float16, which is evaluated in float32 here."""
    return any(node.op_type == "Cast" and node.get("to", 1) == TensorProto.FLOAT16 for node in graph.network.nodes)


def test_random_graphs_that_are_evaluated_equal_onnxruntime(tmp_path):
    n_compared = n_refused = 0
    for seed in range(400):
        path = RandomModel(seed).save(tmp_path / "m.onnx")
        try:
            graph = import_onnx(path).graph
        except WorkloadError:
            continue
        random = np.random.default_rng(seed)
        x = {name: random.normal(size=(2, *shape)).astype(np.float32) for name, shape in graph.network.inputs.items()}
        wanted = outputs_of(path, x)
        if wanted is None or is_halved(graph):
            continue
        try:
            made = evaluated(graph, x)
        except WorkloadError:  # a branch among the constants
            n_refused += 1
            continue
        if made is None:
            continue
        for ours, theirs in zip(made, wanted, strict=True):
            assert ours.shape == theirs.shape
            assert np.abs(ours - theirs.astype(float)).max(initial=0) <= 1e-4 * np.abs(theirs).max(initial=1e-6)
        n_compared += 1
    assert n_compared >= 20
    assert n_refused <= 1
