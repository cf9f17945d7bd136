"""Operator graphs against counts made by hand."""

from pathlib import Path

import pytest

from hermes_sim.config.files import shipped_names
from hermes_sim.config.vocabulary import Function
from hermes_sim.errors import WorkloadError
from hermes_sim.workload.graph import GraphBuilder, Operator, OpKind, Pattern, Window
from hermes_sim.workload.load import _BUILDERS, build_graph, load_workload


def graph_of(name, overrides=None):
    return build_graph(load_workload(name, overrides))


@pytest.mark.parametrize("name", shipped_names("workloads"))
def test_every_shipped_workload_builds(name):
    graph = graph_of(name)
    assert graph.operators
    assert graph.name == name == load_workload(name).name


@pytest.mark.parametrize(
    "name",
    ["cnn_digits", "kernel_ridge_digits", "lstm_ptb", "peak_mvm", "performer_imdb_attention_layer",
     "performer_imdb_full", str(Path(__file__).parent.parent / "data" / "onnx" / "vit_script.onnx")],
)  # fmt: skip
def test_every_kind_of_workload_takes_a_life_cycle(name):
    assert graph_of(name).life_cycle is None or name.startswith("performer")
    life_cycle = graph_of(name, {"life_cycle": {"compensate_every": 7, "calibrate_every": 9}}).life_cycle
    assert (life_cycle.compensate_every, life_cycle.calibrate_every) == (7, 9)


def test_shipped_names_are_those_of_the_contract():
    tasks = ("imdb", "aan", "cifar10", "listops", "pathfinder")
    wanted = {f"performer_{task}_{split}" for task in tasks for split in ("attention", "full")}
    wanted |= {"resnet9_cifar10", "lstm_ptb", "lstm_caption"}
    sets = ("digits", "breast_cancer", "ijcnn1", "magic", "letter", "eeg", "skin", "cod-rna")
    wanted |= {f"kernel_ridge_{name}" for name in sets}
    assert wanted <= set(shipped_names("workloads"))


GELU, SILU, RELU = 3 + 2 * 2 + 1, 1 + 1, 1  # operations per value


def encoder_ops(*, n, d, heads, rows, d_ff, layers, width, classes, documents, active, ends, pixels=False):
    """Operations of a Performer encoder, term by term; a multiply-accumulate counts as two."""
    h = d // heads
    m = 2 * rows
    norm = d + 2 * 2 * d + 1  # adds, two multiply-accumulates per value, one inverse root
    dense = 2 * d * d
    features = 2 * h * rows + rows + m + m  # projection, largest, add, exp
    norm_of_key = 2 * h  # |x|^2, which cancels for queries
    state = 2 * m * h + m
    query = 2 * m * h + 2 * m + 1 + h  # numerator, normaliser, one division, products
    layer = 2 * norm + 4 * dense + heads * (2 * features + norm_of_key + state + query) + 2 * d
    layer += 2 * (2 * d * d_ff) + active * d_ff
    embedding = d + 2 * d * pixels  # positions; brightness times a vector
    per_document = n * (embedding + norm + layers * layer + d)
    classifier = 2 * documents * d * width + ends * width + 2 * width * classes
    return documents * per_document + classifier


@pytest.mark.parametrize(
    ("task", "shape"),
    [
        ("imdb", {"n": 4000, "width": 128, "classes": 2, "documents": 1, "active": SILU, "pixels": False}),
        ("aan", {"n": 4000, "width": 512, "classes": 2, "documents": 2, "active": GELU, "pixels": False}),
        ("cifar10", {"n": 1024, "width": 128, "classes": 10, "documents": 1, "active": SILU, "pixels": True}),
        ("listops", {"n": 2000, "width": 128, "classes": 10, "documents": 1, "active": GELU, "pixels": False}),
    ],
)
@pytest.mark.parametrize("split", ["attention", "full"])
def test_encoder_operations(task, shape, split):
    graph = graph_of(f"performer_{task}_{split}")
    assert graph.ops == encoder_ops(d=64, heads=2, rows=128, d_ff=128, layers=2, ends=GELU, **shape)


def test_pathfinder_operations():
    expected = encoder_ops(n=1024, d=128, heads=8, rows=128, d_ff=128, layers=1, width=256, classes=2,
        documents=1, active=SILU, ends=RELU, pixels=True)  # fmt: skip
    assert graph_of("performer_pathfinder_full").ops == expected


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        # per layer 4 x 64 x 64, two projections of 32 x 128, fc1 and fc2 of 64 x 128; classifier, output
        ("performer_imdb_full", 2 * (4 * 4096 + 2 * 4096 + 2 * 8192) + 64 * 128 + 128 * 2),
        ("performer_imdb_attention", 2 * 4096),
        ("performer_cifar10_full", 2 * (4 * 4096 + 4096 + 2 * 8192) + 64 * 128 + 128 * 10),
        ("performer_listops_full", 4 * 4096 + 4096 + 2 * 8192 + 64 * 128 + 128 * 10),
        ("performer_listops_attention", 4096),
        ("performer_imdb_full_short", 2 * (4 * 4096 + 2 * 4096 + 2 * 8192) + 64 * 128 + 128 * 2),
        ("resnet9_cifar10", 1_866_536),
        ("lstm_ptb", (128 + 504) * 2016 + 504 * 50),
        ("lstm_caption", 1024 * 2048 + 512 * 3873),
    ],
)
def test_weights_on_crossbars(name, weights):
    assert graph_of(name).n_weights == weights


def test_attention_split_has_only_projections_on_crossbars():
    analog = [op.name for op in graph_of("performer_imdb_attention").operators if op.on_crossbar]
    assert analog == [f"L{i}.h{h}.project_{role}" for i in (0, 1) for h in (0, 1) for role in "kq"]


def test_resnet_products_are_counted_by_picture_size():
    graph = graph_of("resnet9_cifar10")
    tokens = {op.name: op.tokens for op in graph.operators if op.on_crossbar}
    assert tokens == {
        "conv1": 1024, "conv2": 1024, "res1a": 256, "res1b": 256, "conv3": 256,
        "conv4": 64, "res2a": 16, "res2b": 16, "fc": 1,
    }  # fmt: skip
    analog = sum(2 * tokens[op.name] * op.in_values * op.out_values for op in graph.operators if op.on_crossbar)
    assert analog == 2 * (
        1024 * 27 * 56 + 1024 * 504 * 112 + 2 * 256 * 1008 * 112 + 256 * 1008 * 224
        + 64 * 2016 * 224 + 2 * 16 * 2016 * 224 + 224 * 10
    )  # fmt: skip


def test_lstm_cell_counts_and_feedback():
    graph = graph_of("lstm_ptb")
    cells = [op for op in graph.operators if op.kind is OpKind.LSTM_CELL]
    assert len(cells) == 8
    assert sum(op.functions[Function.SIGMOID] for op in cells) == 3 * 504
    assert sum(op.functions[Function.TANH] for op in cells) == 2 * 504
    feedback = [edge for edge in graph.edges if edge.pattern is Pattern.PREVIOUS]
    assert sorted(edge.into for edge in feedback) == [128 + 63 * i for i in range(8)]
    words = graph_of("lstm_caption")
    assert any(edge.source == "choose" and edge.pattern is Pattern.PREVIOUS for edge in words.edges)


def test_softmax_attention_grows_with_the_square():
    short, long = (graph_of("performer_imdb_softmax", {"sequence_length": n}).ops for n in (1000, 2000))
    linear = [graph_of("performer_imdb_full", {"sequence_length": n}).ops for n in (1000, 2000)]
    assert linear[1] / linear[0] == pytest.approx(2, rel=1e-3)
    assert long / short > 2.6


def test_kernel_ridge_columns_follow_the_published_rule():
    graph = graph_of("kernel_ridge_ijcnn1")
    assert graph.matrix("W").columns == 13 * 2**5 - 5


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"heads": 5}, "divisor of d_model"),
        ({"split": "half"}, "full"),
        ({"layers": 0}, "at least 1"),
    ],
)
def test_bad_encoder_is_refused_with_field_and_value(overrides, message):
    with pytest.raises(WorkloadError, match=message):
        load_workload("performer_imdb_full", overrides)


def test_bad_layers_of_a_network_are_refused(tmp_path):
    path = tmp_path / "net.yaml"
    head = (
        "schema_version: 1\nname: net\ndescription: d\nsource: s\nkind: conv_net\ninferences: 1\n"
        "image: {height: 4, width: 4, channels: 2}\nlayers:\n"
    )
    for layer, message in (
        ("{name: a, op: conv, channels: 3, kernel: 9}", "kernel 9 on 4 x 4"),
        ("{name: a, op: add, other: b}", "it takes 'b'"),
        ("{name: a, op: conv, channels: 3}", "a kernel for op: conv"),
    ):
        path.write_text(f"{head}  - {layer}\n")
        with pytest.raises(WorkloadError, match=message):
            build_graph(load_workload(str(path)))


@pytest.mark.parametrize("shape", [(0, 1, 0), (1, 0, 0), (1, 1, -1)])
def test_window_without_rows_or_steps_is_refused(shape):
    graph = GraphBuilder("g")
    graph.add(Operator("a", OpKind.INPUT, 4, 0, 1))
    graph.add(Operator("b", OpKind.POOLING, 4, 1, 1))
    graph.connect("a", "b", pattern=Pattern.WINDOW, window=Window(2, 2, 2, 2, *shape, 1))
    with pytest.raises(WorkloadError, match=f"{shape[0]} rows, stride {shape[1]}, padding {shape[2]}"):
        graph.build()


def test_networks_of_millions_of_operators_are_refused():
    with pytest.raises(WorkloadError, match="more than 250,000 operators"):
        graph_of("peak_mvm", {"matrices": [{"name": "a", "rows": 4, "columns": 4, "vectors": 1, "copies": 10**7}]})


def test_a_workload_without_an_operation_is_refused(monkeypatch):
    """Whatever the kind: nothing to do is no workload."""
    empty = GraphBuilder("empty")
    empty.connect(empty.add(Operator("a", OpKind.INPUT, 1, 0, 4)), empty.add(Operator("b", OpKind.OUTPUT, 1, 4, 0)))
    for kind, name in (("lstm", "lstm_ptb"), ("conv_net", "resnet9_cifar10"), ("matmul_list", "peak_mvm")):
        monkeypatch.setitem(_BUILDERS, kind, lambda _: empty.build())
        with pytest.raises(WorkloadError, match="without a single operation"):
            graph_of(name)


def test_inputs_beyond_the_matrix_are_refused():
    graph = GraphBuilder("g")
    graph.add(Operator("a", OpKind.INPUT, 4, 0, 10))
    graph.project("p", graph.matrix("W", rows=8, columns=2), tokens=4)
    graph.connect("a", "p")
    with pytest.raises(WorkloadError, match="within 0 to 8"):
        graph.build()
