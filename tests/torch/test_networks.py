"""Workloads as PyTorch modules: the network that a simulation evaluates, with the same weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import hermes_sim as hs
from hermes_sim.config.files import shipped_dir
from hermes_sim.errors import WorkloadError
from hermes_sim.numerics.network import Evaluation, network_weights
from hermes_sim.numerics.programmed import ExactProducts, weights_of
from hermes_sim.numerics.training_data import training_data
from hermes_sim.numerics.weights import read_weights
from hermes_sim.workload.load import build_graph, load_workload

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

CNN = {"width": 9, "height": 9, "channels": 2}


def in_fp32(workload, weights, x):
    graph = build_graph(workload)
    held = network_weights(graph, weights)
    exact = ExactProducts(weights_of(graph))
    exact.program(held.matrices, held.biases)
    (name,) = held_inputs = graph.network.inputs
    assert held_inputs
    (made,) = Evaluation(graph, held).run(exact, {name: x[:, None]}).values()
    return made[:, 0]


def with_statistics(module):
    """Batch norms as a training leaves them."""
    with torch.no_grad():
        for norm in getattr(module, "norms", {}).values():
            for values in (norm.running_mean, norm.bias):
                values.uniform_(-0.5, 0.5)
            for values in (norm.running_var, norm.weight):
                values.uniform_(0.5, 2.0)
    return module.eval()


@pytest.mark.parametrize("name", ["cnn_digits", "mlp_digits", "cnn_cifar10"])
def test_convolutional_networks(name):
    torch.manual_seed(0)
    workload = load_workload(name)
    module = with_statistics(hs.torch.module_of(workload))
    image = workload.image
    x = torch.randn(3, image.channels, image.height, image.width)
    with torch.no_grad():
        wanted = module(x).numpy()
    found = in_fp32(workload, hs.torch.export_weights(module), x.numpy())
    np.testing.assert_allclose(found.reshape(wanted.shape), wanted, atol=1e-4 * np.abs(wanted).max())


def test_every_kind_of_layer(tmp_path):
    path = tmp_path / "net.yaml"
    path.write_text(
        "schema_version: 1\nname: net\ndescription: all kinds\nsource: a test\nkind: conv_net\ninferences: 1\n"
        "image: {height: 10, width: 12, channels: 2}\nlayers:\n"
        "  - {name: a, op: conv, channels: 4, kernel: 3, padding: 1, activation: none}\n"
        "  - {name: b, op: conv, channels: 4, kernel: 1, source: image}\n"
        "  - {name: c, op: add, other: a}\n"
        "  - {name: d, op: average_pool, kernel: 2, stride: 2}\n"
        "  - {name: e, op: conv, channels: 6, kernel: 3, stride: 2, padding: 1}\n"
        "  - {name: f, op: global_max_pool}\n"
        "  - {name: g, op: linear, channels: 5, activation: relu}\n"
        "  - {name: h, op: linear, channels: 3}\n"
    )
    torch.manual_seed(1)
    workload = load_workload(path)
    module = with_statistics(hs.torch.module_of(workload))
    x = torch.randn(3, 2, 10, 12)
    with torch.no_grad():
        wanted = module(x).numpy()
    found = in_fp32(workload, hs.torch.export_weights(module), x.numpy())
    np.testing.assert_allclose(found.reshape(wanted.shape), wanted, atol=1e-4 * np.abs(wanted).max())


def test_lstm():
    torch.manual_seed(2)
    workload = load_workload("lstm_ptb", {"steps": 7, "hidden": 12, "inputs": 5, "outputs": 9, "cell_groups": 2})
    module = hs.torch.module_of(workload)
    symbols = torch.randint(0, 9, (4, 7))
    with torch.no_grad():
        wanted = module(symbols).numpy()
    found = in_fp32(workload, hs.torch.export_weights(module), symbols.numpy())
    np.testing.assert_allclose(found, wanted, atol=1e-4 * np.abs(wanted).max())


@pytest.mark.parametrize(
    "workload", [load_workload("cnn_digits"), load_workload("lstm_ptb", {"hidden": 12, "cell_groups": 2})]
)
def test_weights_come_back_as_they_were(workload):
    torch.manual_seed(3)
    weights = hs.torch.export_weights(with_statistics(hs.torch.module_of(workload)))
    again = hs.torch.export_weights(hs.torch.module_of(workload, weights))
    assert list(again) == list(weights)
    for name, values in weights.items():
        np.testing.assert_allclose(again[name], values, rtol=1e-6, err_msg=name)


def test_weights_that_do_not_fit():
    workload = load_workload("mlp_digits")
    weights = hs.torch.export_weights(hs.torch.module_of(workload))
    with pytest.raises(WorkloadError, match=r"fc2\.bias\n.*nothing"):
        hs.torch.module_of(workload, {name: values for name, values in weights.items() if name != "fc2.bias"})
    with pytest.raises(WorkloadError, match=r"fc1\.weight\n.*shape \(64,\)"):
        hs.torch.module_of(workload, weights | {"fc1.weight": np.zeros(64)})


def test_other_kinds_are_no_networks():
    with pytest.raises(WorkloadError, match="conv_net, lstm"):
        hs.torch.module_of(load_workload("kernel_ridge_digits"))


@pytest.mark.parametrize("name", ["mlp_digits", "cnn_digits"])
def test_shipped_weights_reach_what_their_record_says(name):
    import json  # noqa: PLC0415

    workload = load_workload(name)
    record = json.loads((shipped_dir("workloads") / "weights" / f"{name}.json").read_text())
    test = training_data("digits").test
    module = hs.torch.module_of(workload, read_weights(Path(workload.weights))).eval()
    with torch.no_grad():
        right = module(torch.from_numpy(test.inputs())).argmax(1).numpy() == test.labels
    assert right.mean() == pytest.approx(record["test"], abs=1.5 / len(test))
    assert record["test"] > 0.97
