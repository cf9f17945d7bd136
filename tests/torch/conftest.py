"""Networks converted once for all tests: the exporter takes seconds."""

from __future__ import annotations

from typing import NamedTuple

import pytest

import hermes_sim as hs
from hermes_sim.chip.load import load_arch
from hermes_sim.crossbar.spec import core_crossbar
from hermes_sim.flow import map_operators
from hermes_sim.numerics.network import Evaluation, checked_inputs, in_unit_numbers, network_weights
from hermes_sim.numerics.network_accuracy import calibration_inputs
from hermes_sim.numerics.programmed import ExactProducts, ProgrammedChip, weights_of
from hermes_sim.rng import child_key
from hermes_sim.workload.onnx_import import import_onnx

CHIP, SEED = "hermes_64", 3
REASON = "PyTorch is not installed"


def pictures_network(torch):
    class Pictures(torch.nn.Module):
        """Convolutions with a batch norm and without a bias, a stride, pooling, a dense layer."""

        def __init__(self):
            super().__init__()
            self.one = torch.nn.Conv2d(1, 4, 3, padding=1, bias=False)
            self.norm = torch.nn.BatchNorm2d(4)
            self.two = torch.nn.Conv2d(4, 6, 3, stride=2, padding=1)
            self.grouped = torch.nn.Conv2d(6, 6, 3, groups=6)
            self.out = torch.nn.Linear(24, 3)

        def forward(self, x):
            x = torch.relu(self.two(torch.relu(self.norm(self.one(x)))))
            return self.out(torch.relu(self.grouped(x)).flatten(1))

    return Pictures()


def tokens_network(torch):
    class Tokens(torch.nn.Module):
        """Dense layers on a sequence, one of them used twice."""

        def __init__(self):
            super().__init__()
            self.wide = torch.nn.Linear(6, 8)
            self.again = torch.nn.Linear(8, 8, bias=False)
            self.out = torch.nn.Linear(8, 4)

        def forward(self, x):
            x = torch.relu(self.wide(x))
            return self.out(torch.relu(self.again(torch.relu(self.again(x)))))

    return Tokens()


class Case(NamedTuple):
    """A network, the same on the chip, inputs, and what a simulation makes of it."""

    exact: object
    analog: object
    example: object
    chip: ProgrammedChip
    evaluation: Evaluation


def case_of(network, example, folder, chip=CHIP):
    network.eval()
    analog = hs.torch.convert(network, chip, example_input=example, seed=SEED)
    chip = load_arch(chip)
    mapped = map_operators(chip, import_onnx(hs.torch.onnx_of(network, example, folder / "net.onnx")).graph, seed=SEED)
    weights = network_weights(mapped.graph)
    evaluation = Evaluation(mapped.graph, weights, analog.analog.rounded)
    programmed = ProgrammedChip(
        mapped.graph,
        mapped.mapping,
        spec=core_crossbar(chip.core),
        mode=chip.read_mode,
        seed=child_key(SEED, "network", 0),
    )
    programmed.program(in_unit_numbers(mapped.graph, evaluation.rounded, weights.matrices), weights.biases)
    exact = ExactProducts(weights_of(mapped.graph))
    exact.program(weights.matrices, weights.biases)
    (name,) = evaluation.network.inputs
    rows = checked_inputs(evaluation.network, {name: example.numpy()}, where="example")
    for operator, vectors in calibration_inputs(Evaluation(mapped.graph, weights), exact, rows).items():
        programmed.calibrate(operator, vectors)
    return Case(network, analog, example, programmed, evaluation)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    torch = pytest.importorskip("torch", reason=REASON)
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    torch.manual_seed(0)
    network = pictures_network(torch)
    with torch.no_grad():  # a batch norm that does something
        network.norm.running_mean.uniform_(-0.5, 0.5)
        network.norm.running_var.uniform_(0.5, 2.0)
    return case_of(network, torch.rand(12, 1, 8, 8), tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="session")
def tokens(tmp_path_factory):
    torch = pytest.importorskip("torch", reason=REASON)
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    torch.manual_seed(1)
    return case_of(tokens_network(torch), torch.randn(12, 5, 6), tmp_path_factory.mktemp("tokens"))
