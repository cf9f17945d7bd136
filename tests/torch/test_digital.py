"""Digital operators of converted networks: in the numbers of their units, whatever asks PyTorch for them."""

from __future__ import annotations

import numpy as np
import pytest

import hermes_sim as hs
from hermes_sim.errors import HermesSimError
from hermes_sim.numerics.network import checked_inputs
from tests.torch.conftest import case_of

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("onnxscript", reason="onnxscript is not installed")
F = torch.nn.functional
nn = torch.nn

HETERO, HOSTED = "hermes_64_hetero", "hermes_64"


class Residual(nn.Module):
    """Functions between dense layers; what a training alone does in front of a product that is rounded."""

    def __init__(self):
        super().__init__()
        self.up, self.down, self.out = nn.Linear(8, 16), nn.Linear(16, 8), nn.Linear(8, 3)

    def forward(self, x):
        x = x + self.down(F.gelu(self.up(x)))
        x = F.dropout(x, 1e-12, self.training) * 0.37
        return torch.add(self.out(F.silu(x) * x + x), 0.1)


class Block(nn.Module):
    """Attention and an MLP, each behind a norm and beside its input."""

    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.mix = (nn.Linear(16, 16) for _ in range(4))
        self.up, self.down = nn.Linear(16, 32), nn.Linear(32, 16)

    def forward(self, x):
        y = F.layer_norm(x, (16,))
        q, k, v = (part(y).unflatten(-1, (2, 8)).transpose(1, 2) for part in (self.q, self.k, self.v))
        x = x + self.mix(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        x = x + self.down(F.gelu(self.up(F.layer_norm(x, (16,)))))
        return F.softmax(x, -1)


class Pictures(nn.Module):
    """Functions and operations in place between convolutions, a batch norm."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.norm, self.out = nn.BatchNorm2d(4), nn.Linear(4, 3)

    def forward(self, x):
        x = F.relu(self.one(x))
        y = self.norm(self.two(x))
        y += x
        y = F.relu(y, inplace=True).sub(0.3).sigmoid_()
        return self.out(y.mean((2, 3))) * 0.7


class Fused(nn.Module):
    """A product and a sum that PyTorch computes as one."""

    def __init__(self):
        super().__init__()
        self.up = nn.Linear(8, 8)

    def forward(self, x):
        return torch.addcmul(x, x, self.up(x))


EXAMPLES = {Residual: (12, 8), Block: (6, 5, 16), Pictures: (6, 1, 8, 8)}


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """Networks on a chip, converted when a test first asks for them."""
    made = {}

    def case(kind, chip=HETERO):
        if (kind, chip) not in made:
            torch.manual_seed(2)
            network, example = kind(), torch.randn(*EXAMPLES[kind])
            made[kind, chip] = case_of(network, example, tmp_path_factory.mktemp("digital"), chip)
        return made[kind, chip]

    return case


def outputs(case):
    case.analog.analog.first_sample = 0
    return case.analog(case.example)


def simulated(case):
    (given,) = case.evaluation.network.inputs
    rows = checked_inputs(case.evaluation.network, {given: case.example.numpy()}, where="example")
    (values,) = case.evaluation.run(case.chip, rows).values()
    return values


@pytest.mark.parametrize(("kind", "chip"), [(Residual, HETERO), (Block, HETERO), (Pictures, HETERO), (Block, HOSTED)])
def test_whole_network_is_the_simulated_one(cases, kind, chip):
    case = cases(kind, chip)
    numbers = case.analog.analog.numbers
    with torch.no_grad():
        found = outputs(case).numpy()
        rounded, numbers.rounded = numbers.rounded, {}
        not_rounded = outputs(case).numpy()
        numbers.rounded = rounded
    expected = simulated(case).reshape(found.shape)
    bound = 1e-4 * np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=bound)
    np.testing.assert_allclose(outputs(case).detach().numpy(), expected, rtol=0, atol=bound)  # with gradients
    assert np.abs(not_rounded - expected).max() > bound
    assert case.analog.analog.left_exact == ()


def test_a_host_does_not_round(cases):
    on_chip, hosted = (len(cases(Block, chip).analog.analog.numbers.rounded[False]) for chip in (HETERO, HOSTED))
    assert on_chip > hosted > 0


def test_training_rounds_the_same_calls(cases):
    case = cases(Residual)
    evaluated = outputs(case).detach()
    case.analog.train()
    trained = outputs(case).detach()
    case.analog.eval()
    assert torch.equal(trained, evaluated)


@pytest.mark.parametrize("kind", [Residual, Block, Pictures])
def test_gradients_are_those_without_rounding(cases, kind):
    case = cases(kind)
    numbers = case.analog.analog.numbers
    gradients = []
    for rounded in (numbers.rounded, {}):
        before, numbers.rounded = numbers.rounded, rounded
        case.analog.zero_grad()
        outputs(case).square().sum().backward()
        numbers.rounded = before
        gradients.append(torch.cat([p.grad.flatten() for p in case.analog.parameters()]))
    one, other = gradients
    assert float(other.norm()) > 0
    assert float((one - other).norm()) < 0.05 * float(other.norm())


def test_what_is_not_found_is_named(cases):
    assert cases(Block).analog.analog.not_rounded == ()
    analog = hs.torch.convert(Fused(), HETERO, example_input=torch.randn(4, 8))
    operators = {op.name: op for op in analog.analog.chip.graph.operators}
    assert {node.op_type for name in analog.analog.not_rounded for node in operators[name].nodes} == {"Mul"}


def test_a_pass_that_fails_leaves_nothing_behind(cases):
    case = cases(Residual)
    with pytest.raises(HermesSimError):
        case.analog(torch.randn(2, 5))
    assert torch.utils._python_dispatch._get_current_dispatch_mode() is None
    assert torch.backends.mha.get_fastpath_enabled()


def test_a_layer_of_pytorch_does_not_go_round_its_modules():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, dropout=0.0)
    analog = hs.torch.convert(layer.eval(), HETERO, example_input=torch.randn(4, 5, 16))
    with torch.no_grad():
        analog(torch.randn(4, 5, 16))
    assert [type(module).__name__ for module in analog.analog.modules] == ["AnalogLinear"] * 2
    assert all(module.product.used == 1 for module in analog.analog.modules)
    assert analog.analog.left_exact  # projections of nn.MultiheadAttention, which are no nn.Linear
