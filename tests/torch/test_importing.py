"""PyTorch modules through the ONNX import."""

from __future__ import annotations

import pytest

import hermes_sim as hs
from hermes_sim.errors import WorkloadError
from hermes_sim.workload.onnx_import import import_onnx

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("onnxscript", reason="onnxscript is not installed")


def test_batch_norms_stay_apart(pictures):
    nodes = [node.op_type for node in pictures.evaluation.network.nodes]
    assert "BatchNormalization" in nodes
    assert {matrix.name for matrix in pictures.evaluation.graph.matrices} >= {"one.weight", "two.weight", "out.weight"}


def test_training_mode_is_left_as_it_was(tmp_path):
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Dropout(0.5), torch.nn.Linear(4, 2))
    module.train()
    module[1].eval()
    graph = import_onnx(hs.torch.onnx_of(module, torch.rand(2, 3), tmp_path / "net.onnx")).graph
    assert [part.training for part in module] == [True, False, True]
    assert len(graph.matrices) == 2


class Odd(torch.nn.Module):
    """What `torch.export` cannot follow, TorchScript can: a path that depends on the values."""

    def __init__(self):
        super().__init__()
        self.dense = torch.nn.Linear(3, 2)

    def forward(self, x):
        made = self.dense(x)
        return made if float(made.sum()) > -1e9 else -made


class Hopeless(torch.nn.Module):
    """What no exporter can follow."""

    def forward(self, x):
        raise RuntimeError("not today")


def test_torch_script_comes_second(tmp_path):
    graph = import_onnx(hs.torch.onnx_of(Odd(), torch.rand(2, 3), tmp_path / "net.onnx")).graph
    assert [(matrix.rows, matrix.columns) for matrix in graph.matrices] == [(3, 2)]


def test_a_module_that_cannot_be_exported(tmp_path):
    with pytest.raises(WorkloadError, match=r"(?s)module Hopeless.*by TorchScript: not today"):
        hs.torch.onnx_of(Hopeless(), torch.rand(2, 3), tmp_path / "net.onnx")


@pytest.mark.parametrize("example", [None, {}, (), torch.tensor(1.0), (torch.rand(2, 3), torch.rand(3, 3))])
def test_examples_that_cannot_be_used(tmp_path, example):
    with pytest.raises(WorkloadError, match="example_input"):
        hs.torch.onnx_of(Odd(), example, tmp_path / "net.onnx")


def test_no_module(tmp_path):
    with pytest.raises(WorkloadError, match=r"torch\.nn\.Module"):
        hs.torch.onnx_of("net", torch.rand(2, 3), tmp_path / "net.onnx")
