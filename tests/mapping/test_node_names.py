"""Matrices of an ONNX file are called like the node that uses them in all that people see; tensor names still work."""

from __future__ import annotations

import json

import numpy as np
import pytest
from ruamel.yaml import YAML

from hermes_sim.api import simulate
from hermes_sim.errors import DataError, MappingError
from hermes_sim.flow import graph_of, map_workload
from hermes_sim.numerics.network import network_weights
from hermes_sim.workload.load import load_workload
from tests.cli.conftest import hermes_sim
from tests.networks.conftest import save_perceptron

CHIP = "hermes_64_hetero"
NODES, TENSORS = ("layer0", "layer1"), ("fc0", "fc1")


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    path = tmp_path_factory.mktemp("nodes") / "mlp.onnx"
    rng = np.random.default_rng(0)
    save_perceptron(path, [rng.normal(size=(300, 12)), rng.normal(size=(12, 4))], [np.zeros(12), np.zeros(4)])
    return path


def test_no_output_of_map_names_a_tensor(network, tmp_path):
    for suffix in ("yaml", "json"):
        more = ("--export", tmp_path / f"m.{suffix}", "--picture", tmp_path / "m.svg")
        done = hermes_sim("map", CHIP, network, "--strategy", "packed", *more)
        assert done.returncode == 0, done.stderr
    texts = [done.stdout, *(path.read_text(encoding="utf-8") for path in tmp_path.iterdir())]
    document = json.loads(hermes_sim("map", CHIP, network, "--json").stdout)
    assert [layer["layer"] for layer in document["layers"]] == list(NODES)
    for text in (*texts, json.dumps(document)):
        assert all(name in text for name in NODES)
        assert not any(name in text for name in TENSORS)


def test_mapping_files_with_either_name_give_the_same(network, tmp_path):
    packed = map_workload(CHIP, network, "packed").mapping
    for suffix in ("yaml", "json"):
        assert hermes_sim(
            "map", CHIP, network, "--strategy", "packed", "--export", tmp_path / f"new.{suffix}"
        ).returncode == 0  # fmt: skip
        text = (tmp_path / f"new.{suffix}").read_text(encoding="utf-8")
        for node, tensor in zip(NODES, TENSORS, strict=True):
            before = f"matrix: {node}" if suffix == "yaml" else f'"{node}'
            assert before in text
            text = text.replace(before, before.replace(node, tensor))
        (tmp_path / f"old.{suffix}").write_text(text, encoding="utf-8")
        for age in ("new", "old"):
            again = map_workload(CHIP, network, tmp_path / f"{age}.{suffix}").mapping
            assert sorted(again.blocks) == sorted(packed.blocks), (age, suffix)


def test_messages_name_nodes(network, tmp_path):
    path = tmp_path / "bad.yaml"
    block = {"replica": 0, "core": 0, "rows": [0, 12], "columns": [0, 4], "at": [0, 0]}
    base = {"schema_version": 1, "kind": "mapping", "strategy": "none"}
    for name, message in (("layer9", "allowed  layer0, layer1\n"), ("layer1", "layer0 .*not placed")):
        YAML().dump({**base, "blocks": [{"matrix": name, **block}]}, path)
        with pytest.raises(MappingError, match=message):
            map_workload(CHIP, network, path)
    YAML().dump({**base, "strategy": "packed", "digital": ["layer9"]}, path)
    with pytest.raises(MappingError, match=r"allowed  layer0, layer1\n"):
        map_workload(CHIP, network, path)


def test_no_file_of_a_report_names_a_tensor(network, tmp_path):
    simulate(CHIP, network, accuracy=False, baselines=(), inferences=2).report(tmp_path / "report")
    for path in (tmp_path / "report").iterdir():
        if path.is_file() and path.suffix != ".yaml":
            assert not any(f"{name}" in path.read_text(encoding="utf-8") for name in TENSORS), path.name
    assert "layer0" in (tmp_path / "report" / "placement.svg").read_text(encoding="utf-8")


def test_a_tensor_of_several_nodes_and_matrices_of_shipped_workloads_keep_their_names(tmp_path):
    for name in ("kernel_ridge_digits", "performer_imdb_attention", "lstm_ptb", "resnet9_cifar10"):
        graph = graph_of(load_workload(name))
        assert [graph.called(matrix.name) for matrix in graph.matrices] == [matrix.name for matrix in graph.matrices]
    onnx = pytest.importorskip("onnx")
    save_perceptron(tmp_path / "one.onnx", [np.eye(8)] * 2, [np.zeros(8)] * 2)
    model = onnx.load(tmp_path / "one.onnx")
    model.graph.node[-1].input[1] = "fc0"
    onnx.save(model, tmp_path / "shared.onnx")
    graph = graph_of(load_workload(tmp_path / "shared.onnx"))
    assert [graph.called(matrix.name) for matrix in graph.matrices] == ["fc0"]


def test_files_of_weights_take_either_name_and_not_both(network):
    graph, ones = graph_of(load_workload(network)), np.ones((300, 12), np.float32)
    for key in ("layer0.weight", "fc0.weight"):
        np.testing.assert_array_equal(network_weights(graph, {key: ones}).matrices["fc0"], ones)
    with pytest.raises(DataError, match=r"one of these two names"):
        network_weights(graph, {"layer0.weight": ones, "fc0.weight": ones})
    with pytest.raises(DataError, match=r"allowed  layer0\.weight"):
        network_weights(graph, {"layer9.weight": ones})
