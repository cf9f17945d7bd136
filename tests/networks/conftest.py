"""A trained perceptron as an ONNX file with its data, made once."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

onnx = pytest.importorskip("onnx")
N_TEST = 300


def save_perceptron(path, weights, biases):
    """Layers fc0, fc1, ... with a ReLU between them, for inputs [batch, n]."""
    helper, number = onnx.helper, onnx.TensorProto.FLOAT
    tensors, nodes, source = [], [], "x"
    for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        tensors.append(onnx.numpy_helper.from_array(weight.astype(np.float32), f"fc{i}"))
        tensors.append(onnx.numpy_helper.from_array(bias.astype(np.float32), f"bias{i}"))
        nodes.append(helper.make_node("Gemm", [source, f"fc{i}", f"bias{i}"], [f"sum{i}"], name=f"layer{i}"))
        source = f"sum{i}"
        if i < len(weights) - 1:
            nodes.append(helper.make_node("Relu", [source], [f"relu{i}"], name=f"relu{i}"))
            source = f"relu{i}"
    ends = [
        helper.make_tensor_value_info(name, number, ["batch", size])
        for name, size in (("x", weights[0].shape[0]), (source, weights[-1].shape[1]))
    ]
    graph = helper.make_graph(nodes, "perceptron", ends[:1], ends[1:], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """`onnx` and `npz` files, and the arrays in them."""
    folder = tmp_path_factory.mktemp("digits")
    pixels, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    x, y = (pixels[order] / 16).astype(np.float32), labels[order]
    model = MLPClassifier((48, 32), random_state=0, max_iter=500, tol=1e-3).fit(x[N_TEST:], y[N_TEST:])
    save_perceptron(folder / "mlp.onnx", model.coefs_, model.intercepts_)
    arrays = {"X": x[:N_TEST], "y": y[:N_TEST], "X_calibration": x[-200:]}
    np.savez(folder / "test.npz", **arrays)
    return SimpleNamespace(
        onnx=folder / "mlp.onnx", npz=folder / "test.npz", fp32=model.score(x[:N_TEST], y[:N_TEST]), **arrays
    )
