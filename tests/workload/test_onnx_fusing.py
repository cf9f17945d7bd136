"""Chains that exporters write for one operator: two exports of one block are one workload.

The block is written node by node as the two exporters of torch 2.13 write it, in several notations.
"""

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
helper, numpy_helper, TensorProto = onnx.helper, onnx.numpy_helper, onnx.TensorProto

TOKENS, WIDTH, HEADS = 16, 32, 4


class Block:
    """`traced` writes as the exporter with dynamo=False does (opset 17), else as that with dynamo=True (opset 20)."""

    def __init__(self, *, traced, gelu="tanh", attention="sdpa", norm="op"):
        self.traced = traced
        self.nodes, self.weights, self.values = [], [], {}
        getattr(self, f"norm_{norm}")("x", "n1")
        self.linear("n1", "qkv", WIDTH, 3 * WIDTH)
        getattr(self, f"attention_{attention}")()
        self.linear("merged", "proj", WIDTH, WIDTH)
        self.node("Add", ["x", "proj"], "r1")
        getattr(self, f"norm_{norm}")("r1", "n2")
        self.linear("n2", "fc", WIDTH, 4 * WIDTH)
        getattr(self, f"gelu_{gelu}")("fc", "act")
        self.linear("act", "fc2", 4 * WIDTH, WIDTH)
        self.node("Add", ["r1", "fc2"], "y")

    def node(self, op, inputs, output, **attributes):
        outputs = [output] if isinstance(output, str) else output
        self.nodes.append(helper.make_node(op, inputs, outputs, name=f"/{op}_{len(self.nodes)}", **attributes))
        return output

    def constant(self, value, *, kind=np.float32):
        """A Constant node when traced, an initializer otherwise."""
        array, name = np.array(value, dtype=kind), f"c{len(self.nodes)}_{len(self.weights)}"
        tensor = numpy_helper.from_array(array, name)
        if self.traced:
            self.nodes.append(helper.make_node("Constant", [], [name], name=f"/{name}", value=tensor))
        else:
            self.weights.append(tensor)
        return name

    def ints(self, *values):
        return self.constant(values, kind=np.int64)

    def weight(self, name, *shape):
        seed = len(self.weights)
        self.values[name] = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
        self.weights.append(numpy_helper.from_array(self.values[name], name))
        return name

    def linear(self, source, output, rows, columns):
        product = self.node("MatMul", [source, self.weight(f"{output}.weight", rows, columns)], f"{output}.product")
        bias = self.weight(f"{output}.bias", columns)
        self.node("Add", [bias, product] if self.traced else [product, bias], output)

    def norm_op(self, source, output):
        names = [self.weight(f"{output}.scale", WIDTH), self.weight(f"{output}.bias", WIDTH)]
        self.node("LayerNormalization", [source, *names], output, axis=-1, epsilon=1e-5)

    def norm_written_out(self, source, output):
        """scale * (x - mean) / sqrt(var + eps) + bias; powers and axes as the two exporters have them."""

        def mean(name, made):
            if self.traced:
                return self.node("ReduceMean", [name], made, axes=[-1], keepdims=1)
            return self.node("ReduceMean", [name, self.ints(-1)], made, keepdims=1)

        centred = self.node("Sub", [source, mean(source, f"{output}.mean")], f"{output}.centred")
        square = self.node("Pow", [centred, self.constant(2.0)], f"{output}.square")
        scaled = self.node("Mul", [self.weight(f"{output}.scale", WIDTH), centred], f"{output}.scaled")
        variance = mean(square, f"{output}.variance")
        root = self.node("Sqrt", [self.node("Add", [variance, self.constant(1e-5)], f"{output}.eps")], f"{output}.root")
        quotient = self.node("Div", [scaled, root], f"{output}.quotient")
        self.node("Add", [quotient, self.weight(f"{output}.bias", WIDTH)], output)

    def gelu_erf(self, source, output):
        if not self.traced:
            self.node("Gelu", [source], output, approximate="none")
            return
        inner = self.node("Erf", [self.node("Div", [source, self.constant(2**0.5)], "g0")], "g1")
        product = self.node("Mul", [source, self.node("Add", [inner, self.constant(1.0)], "g2")], "g3")
        self.node("Mul", [product, self.constant(0.5)], output)

    def gelu_tanh(self, source, output):
        if not self.traced:
            self.node("Gelu", [source], output, approximate="tanh")
            return
        cube = self.node("Mul", [source, self.node("Mul", [source, source], "g0")], "g1")
        inner = self.node("Add", [source, self.node("Mul", [self.constant(0.044715), cube], "g2")], "g3")
        tanh = self.node("Tanh", [self.node("Mul", [self.constant(0.7978846), inner], "g4")], "g5")
        product = self.node("Mul", [source, self.node("Add", [self.constant(1.0), tanh], "g6")], "g7")
        self.node("Mul", [self.constant(0.5), product], output)

    def gelu_new(self, source, output):
        """As in the first published code: 0.5 x (1 + tanh(...)) with a power of three."""
        half = self.node("Mul", [source, self.constant(0.5)], "g0")
        cube = self.node("Mul", [self.node("Pow", [source, self.constant(3.0)], "g1"), self.constant(0.044715)], "g2")
        inner = self.node("Mul", [self.node("Add", [source, cube], "g3"), self.constant(0.7978846)], "g4")
        tanh = self.node("Add", [self.node("Tanh", [inner], "g5"), self.constant(1.0)], "g6")
        self.node("Mul", [half, tanh], output)

    def gelu_silu(self, source, output):
        self.node("Mul", [source, self.node("Sigmoid", [source], "g0")], output)

    def heads(self):
        if self.traced:
            sizes = self.ints(WIDTH, WIDTH, WIDTH)
            self.node("Split", ["qkv", sizes], ["q", "k", "v"], axis=2)
        else:
            self.node("Split", ["qkv"], ["q", "k", "v"], axis=2, num_outputs=3)
        shape = self.ints(1, TOKENS, HEADS, WIDTH // HEADS)
        for name in "qkv":
            self.node("Reshape", [name, shape], f"{name}1")
        self.node("Transpose", ["q1"], "q2", perm=[0, 2, 1, 3])
        self.node("Transpose", ["v1"], "v2", perm=[0, 2, 1, 3])

    def merge(self, source):
        self.node("Transpose", [source], "m0", perm=[0, 2, 1, 3])
        self.node("Reshape", ["m0", self.ints(1, TOKENS, WIDTH)], "merged")

    def attention_masked(self):
        """Scores scaled by a product, filled with -inf where the mask says so."""
        self.heads()
        self.node("Transpose", ["k1"], "k2", perm=[0, 2, 3, 1])
        scaled = self.node(
            "Mul", [self.node("MatMul", ["q2", "k2"], "s0"), self.constant((WIDTH / HEADS) ** -0.5)], "s1"
        )
        mask = np.triu(np.ones((1, 1, TOKENS, TOKENS), dtype=bool), 1)
        self.weights.append(numpy_helper.from_array(mask, "mask"))
        filled = self.node("Where", ["mask", self.constant(-np.inf), scaled], "s2")
        self.node("MatMul", [self.node("Softmax", [filled], "s3", axis=-1), "v2"], "s4")
        self.merge("s4")

    def attention_quotient(self):
        """Scores divided, cast, kept where the mask says so."""
        self.heads()
        self.node("Transpose", ["k1"], "k2", perm=[0, 2, 3, 1])
        scaled = self.node(
            "Div", [self.node("MatMul", ["q2", "k2"], "s0"), self.constant((WIDTH / HEADS) ** 0.5)], "s1"
        )
        mask = np.tril(np.ones((1, 1, TOKENS, TOKENS), dtype=bool))
        self.weights.append(numpy_helper.from_array(mask, "mask"))
        cast = self.node("Cast", [scaled], "s2", to=TensorProto.FLOAT)
        kept = self.node("Where", ["mask", cast, self.constant(-3.4e38)], "s3")
        self.node("MatMul", [self.node("Softmax", [kept], "s4", axis=-1), "v2"], "s5")
        self.merge("s5")

    def attention_sdpa(self):
        """Queries and keys times the root of the factor each, mask added; traced, the file works both out."""
        self.heads()
        if self.traced:
            factor = self.traced_factor()
            self.node("Transpose", ["k1"], "k2", perm=[0, 2, 3, 1])
            mask = self.traced_mask()
        else:
            factor = self.constant([(WIDTH / HEADS) ** -0.25])
            self.node("Transpose", ["k1"], "k2a", perm=[0, 2, 1, 3])
            self.node("Reshape", ["k2a", self.ints(-1, TOKENS, WIDTH // HEADS)], "k2b")
            self.node("Transpose", ["k2b"], "k2c", perm=[0, 2, 1])
            self.node("Reshape", ["k2c", self.ints(1, HEADS, WIDTH // HEADS, TOKENS)], "k2")
            mask = self.weight("mask", TOKENS, TOKENS)
        scores = self.node(
            "MatMul", [self.node("Mul", ["q2", factor], "s0"), self.node("Mul", ["k2", factor], "s1")], "s2"
        )
        masked = self.node("Add", [scores, mask], "s3")
        self.node("MatMul", [self.guarded(self.node("Softmax", [masked], "s4", axis=-1)), "v2"], "s7")
        self.merge("s7")

    def guarded(self, name):
        """Rows that are masked altogether set to zero, as for a boolean mask."""
        return self.node("Where", [self.node("IsNaN", [name], "s5"), self.constant(0.0), name], "s6")

    def traced_factor(self):
        shape = self.node("Shape", ["q2"], "f0")
        last = self.node("Slice", [shape, self.ints(-1), self.ints(2**63 - 1)], "f1")
        root = self.node("Sqrt", [self.node("Cast", [last], "f2", to=TensorProto.FLOAT)], "f3")
        return self.node("Sqrt", [self.node("Div", [self.constant([1.0]), root], "f4")], "f5")

    def traced_mask(self):
        shape = self.node("Shape", ["q2"], "m1")
        size = self.node("Slice", [shape, self.ints(-2), self.ints(-1)], "m2")
        square = self.node("Expand", [self.constant([1.0]), self.node("Concat", [size, size], "m3", axis=0)], "m4")
        below = self.node("Equal", [self.node("Trilu", [square], "m5", upper=0), self.constant([0.0])], "m6")
        return self.node("Where", [below, self.constant([-np.inf]), self.constant([0.0])], "mask")

    def save(self, path):
        values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, TOKENS, WIDTH]) for name in "xy"]
        graph = helper.make_graph(self.nodes, "block", values[:1], values[1:], self.weights)
        opset = 17 if self.traced else 20
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)]), str(path))
        return path


def time_ps(graph, inferences=1):
    chip = load_arch("hermes_64_hetero")
    lowered = lower(graph, map_graph(graph, chip, "packed"), chip, inferences=inferences)
    return CompiledEngine().run(lowered.program, watch=[lowered.done]).makespan_ps


def model(tmp_path, **how):
    return import_onnx(Block(**how).save(tmp_path / "block.onnx"))


def kinds(imported):
    return [report.op_type for report in imported.nodes if report.outcome == "digital"]


@pytest.mark.parametrize("gelu", ["erf", "tanh", "new", "silu"])
@pytest.mark.parametrize("attention", ["masked", "quotient", "sdpa"])
@pytest.mark.parametrize("norm", ["op", "written_out"])
def test_every_notation_is_the_same_operators(tmp_path, gelu, attention, norm):
    activation = "Swish" if gelu == "silu" else "Gelu"
    wanted = ["LayerNormalization", "Attention", "Add", "LayerNormalization", activation, "Add"]
    graphs = []
    for traced in (True, False):
        imported = model(tmp_path, traced=traced, gelu=gelu, attention=attention, norm=norm)
        assert kinds(imported) == wanted
        assert not imported.unsupported
        graphs.append(imported.graph)
    assert graphs[0].ops == graphs[1].ops


def test_two_exports_take_the_same_time(tmp_path):
    """Against 39 % where every node of a chain counts."""
    ways = [
        (t, g, a, n) for t in (True, False) for g, a, n in (("tanh", "sdpa", "op"), ("erf", "masked", "written_out"))
    ]
    graphs = [model(tmp_path, traced=t, gelu=g, attention=a, norm=n).graph for t, g, a, n in ways]
    for inferences in (1, 8):
        times = [time_ps(graph, inferences) for graph in graphs]
        assert max(times) / min(times) < 1.02
    assert len({graph.ops for graph in graphs}) == 1


def test_operations_are_those_of_the_encoders_operators(tmp_path):
    """Each operator counts what the operator of a YAML encoder counts; the mask is one addition per score."""
    n, d, h = TOKENS, WIDTH, WIDTH // HEADS
    norm, gelu = d + 4 * d + 1, 4 * d * (3 + 4 + 1)
    head = (2 * n * h + n + n) + (n + n + 2 * n + 1 + n) + 2 * n * h
    dense = 2 * d * (3 * d + d + 4 * d + 4 * d)
    assert model(tmp_path, traced=True).graph.ops == n * (2 * norm + gelu + HEADS * head + dense + 2 * d)


def test_a_head_is_that_of_a_yaml_encoder(tmp_path):
    sizes = {"sequence_length": TOKENS, "d_model": WIDTH, "heads": HEADS, "d_ff": 4 * WIDTH, "layers": 1}
    encoder = build_graph(load_workload("performer_imdb_softmax", sizes))
    imported = model(tmp_path, traced=False).graph
    for role in ("scores", "softmax", "weighted"):
        ours = [op for op in imported.operators if op.name.endswith(f".{role}")]
        theirs = [op for op in encoder.operators if op.name.endswith(f".{role}")]
        assert len(ours) == len(theirs) == HEADS
        extra = {Function.ADD: TOKENS} if role == "scores" else {}
        assert ours[0].functions == {**theirs[0].functions, **extra}
        for field in ("kind", "tokens", "in_values", "out_values", "weight_values"):
            assert getattr(ours[0], field) == getattr(theirs[0], field)


def test_what_others_take_is_not_cut_out(tmp_path):
    """A chain whose inner result is used elsewhere stays as it is."""
    block = Block(traced=True, gelu="erf")
    block.node("Relu", ["g1"], "z")
    block.node("Add", ["fc2", "r1"], "w")
    imported = import_onnx(block.save(tmp_path / "m.onnx"))
    assert "Erf" in kinds(imported)
    assert "Gelu" not in kinds(imported)


@pytest.mark.parametrize(("name", "factor"), [("0.5", 0.6), ("1.0", 0.9)])
def test_a_chain_that_computes_something_else_stays_a_chain(tmp_path, name, factor):
    block = Block(traced=True, gelu="erf")
    for node in block.nodes:
        for attribute in node.attribute:
            if attribute.name == "value" and np.frombuffer(attribute.t.raw_data, "<f4")[:1] == np.float32(name):
                attribute.t.raw_data = np.float32(factor).tobytes()
    assert "Gelu" not in kinds(import_onnx(block.save(tmp_path / "m.onnx")))


def test_operators_keep_attributes_and_references(tmp_path):
    block = Block(traced=True, gelu="tanh", norm="written_out", attention="masked")
    imported = import_onnx(block.save(tmp_path / "m.onnx"))
    nodes = {node.op_type: node for op in imported.graph.operators for node in op.nodes}
    assert nodes["Gelu"].attributes == {"approximate": "tanh"}
    assert [part.op_type for part in nodes["Gelu"].parts].count("Mul") == 6
    norm = nodes["LayerNormalization"]
    assert norm.attributes["epsilon"] == pytest.approx(1e-5)
    assert norm.inputs == ("r1", "n2.scale", "n2.bias")
    np.testing.assert_array_equal(norm.constants["n2.scale"].load(), block.values["n2.scale"])
    attention = nodes["Attention"]
    assert attention.attributes["scale"] == pytest.approx((WIDTH / HEADS) ** -0.5)
    mask = attention.constants["mask"].load()
    np.testing.assert_array_equal(mask[0, 0], np.triu(np.ones((TOKENS, TOKENS), dtype=bool), 1))
    products = [op for op in imported.graph.operators if op.matrix]
    assert [[node.op_type for node in op.nodes] for op in products] == [["MatMul", "Add"]] * 4
    for op in products:
        weights, bias = (next(iter(node.constants.values())) for node in op.nodes)
        np.testing.assert_array_equal(weights.load(), block.values[weights.name])
        np.testing.assert_array_equal(bias.load(), block.values[bias.name])


def test_constants_that_the_file_works_out_are_worked_out_when_asked(tmp_path):
    imported = model(tmp_path, traced=True, attention="sdpa")
    ref = next(
        node.constants["mask"] for op in imported.graph.operators for node in op.nodes if "mask" in node.constants
    )
    expected = np.where(np.tril(np.ones((TOKENS, TOKENS))) == 0, -np.inf, 0)
    np.testing.assert_array_equal(ref.load(), expected.astype(np.float32))


def test_nothing_is_read_before_it_is_asked_for(tmp_path):
    """The file can go once it is imported; only then asked for values are missed."""
    path = Block(traced=False).save(tmp_path / "m.onnx")
    imported = import_onnx(path)
    path.unlink()
    assert imported.graph.ops > 0
    weights = [ref for op in imported.graph.operators if op.matrix for ref in op.nodes[0].constants.values()]
    assert [ref.shape for ref in weights] == [(32, 96), (32, 32), (32, 128), (128, 32)]
    with pytest.raises(WorkloadError, match="no such file"):
        weights[0].load()
    assert any(op.kind is OpKind.DYNAMIC_MATMUL for op in imported.graph.operators)
