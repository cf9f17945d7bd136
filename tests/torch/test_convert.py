"""Converted networks: the chip's products bit for bit, exact gradients, weights that are written again."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import hermes_sim as hs
from hermes_sim.errors import HermesSimError, WorkloadError
from hermes_sim.numerics.network import checked_inputs

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

CHIP, SEED = "hermes_64", 3


@pytest.fixture
def analog(pictures):
    """A copy that a test may train."""
    return copy.deepcopy(pictures.analog)


def products(network, x):
    """Inputs and outputs of every converted module in one pass."""
    seen = {}
    modules = {id(module): name for name, module in network.named_modules()}
    hooks = [
        module.register_forward_hook(
            lambda module, given, made: seen.setdefault(modules[id(module)], []).append((given[0], made))
        )
        for module in network.analog.modules
    ]
    network.analog.first_sample = 0
    with torch.no_grad():
        result = network(x)
    for hook in hooks:
        hook.remove()
    return seen, result


def on_reference(chip, operator, vectors, n_samples):
    tokens = np.arange(len(vectors))
    samples = tokens // (len(vectors) // n_samples)
    return chip.project(operator, vectors, input_range=chip.ranges(vectors, samples), first_token=tokens)


def test_convolutions_are_the_chips_bit_for_bit(pictures):
    seen, _ = products(pictures.analog, pictures.example)
    for name in ("one", "two"):
        module = pictures.analog.get_submodule(name)
        ((x, made),) = seen[name]
        columns = torch.nn.functional.unfold(x, 3, padding=1, stride=module.stride)  # (n, channels * 9, places)
        vectors = columns.permute(0, 2, 1).reshape(-1, columns.shape[1]).contiguous().numpy()
        (operator,) = module.product.operators
        expected = on_reference(pictures.chip, operator.name, vectors, len(x))
        found = made.permute(0, 2, 3, 1).reshape(len(vectors), -1).numpy()
        np.testing.assert_array_equal(found, expected.astype(np.float32))


def test_dense_layers_are_the_chips_bit_for_bit(pictures, tokens):
    for case, name in ((pictures, "out"), (tokens, "again")):
        seen, _ = products(case.analog, case.example)
        module = case.analog.get_submodule(name)
        assert len(seen[name]) == len(module.product.operators)
        for operator, (x, made) in zip(module.product.operators, seen[name], strict=True):
            vectors = x.reshape(-1, x.shape[-1]).numpy()
            expected = on_reference(case.chip, operator.name, vectors, len(x))
            np.testing.assert_array_equal(made.reshape(len(vectors), -1).numpy(), expected.astype(np.float32))


@pytest.mark.parametrize(
    "name", ["tokens", "pictures"]
)  # dense layers; convolutions, a batch norm, one on digital units
def test_whole_network_is_the_simulated_one(name, request):
    case = request.getfixturevalue(name)
    _, found = products(case.analog, case.example)
    (given,) = case.evaluation.network.inputs
    rows = checked_inputs(case.evaluation.network, {given: case.example.numpy()}, where="example")
    (expected,) = case.evaluation.run(case.chip, rows).values()
    exact = case.exact(case.example).detach().numpy()
    assert np.abs(found.numpy() - exact).max() > 1e-3  # it is not the exact one
    np.testing.assert_allclose(found.numpy(), expected.reshape(exact.shape), rtol=0, atol=1e-4 * np.abs(exact).max())


@pytest.mark.slow  # compiles everything once more for float64
def test_without_effects_it_is_the_module_itself(pictures):
    ideal = hs.torch.convert(pictures.exact, CHIP, example_input=pictures.example, effects="none")
    with torch.no_grad():
        found, exact = ideal(pictures.example), pictures.exact(pictures.example)
    torch.testing.assert_close(found, exact, rtol=0, atol=1e-5 * float(exact.abs().max()))


def test_state_dict_goes_both_ways(pictures, analog):
    exact = copy.deepcopy(pictures.exact)
    assert list(analog.state_dict()) == list(exact.state_dict())
    with torch.no_grad():
        for parameter in exact.parameters():
            parameter.mul_(1.5)
    analog.load_state_dict(exact.state_dict())
    for name, value in exact.state_dict().items():
        assert torch.equal(analog.state_dict()[name], value), name
    exact.load_state_dict(analog.state_dict())


def test_groups_stay_exact(pictures):
    assert type(pictures.analog.grouped) is torch.nn.Conv2d
    assert {type(module).__name__ for module in pictures.analog.analog.modules} == {"AnalogConv2d", "AnalogLinear"}


def test_the_original_is_left_alone(pictures):
    assert type(pictures.exact.out) is torch.nn.Linear
    assert not hasattr(pictures.exact, "analog")


def test_gradients_are_those_of_the_exact_product(analog):
    x = torch.rand(5, 24, requires_grad=True)
    out = analog.out
    upstream = torch.rand(5, 3)
    out(x).backward(upstream)
    torch.testing.assert_close(x.grad, upstream @ out.weight)
    torch.testing.assert_close(out.weight.grad, upstream.T @ x.detach())
    torch.testing.assert_close(out.bias.grad, upstream.sum(0))


def test_noise_is_new_for_every_sample_and_can_be_had_again(pictures):
    network, x = pictures.analog, pictures.example
    with torch.no_grad():
        network.analog.first_sample = 0
        first, second = network(x), network(x)
        network.analog.first_sample = 0
        again = network(x)
    assert not torch.equal(first, second)
    assert torch.equal(first, again)
    network.analog.first_sample = 0
    with torch.no_grad():
        parts = torch.cat([network(x[:5]), network(x[5:])])
    assert torch.equal(parts, first)


def test_a_step_writes_the_weights_again(analog, pictures):
    x = pictures.example
    analog.train()
    optimiser = torch.optim.SGD(analog.parameters(), lr=0.1)
    before = analog.analog.chip.exact.weights("out.weight").copy()
    analog(x)
    np.testing.assert_array_equal(analog.analog.chip.exact.weights("out.weight"), before)  # nothing has changed
    analog(x).square().sum().backward()
    optimiser.step()
    analog(x)
    written = analog.analog.chip.exact.weights("out.weight")
    assert not np.array_equal(written, before)
    np.testing.assert_array_equal(written, analog.out.weight.detach().numpy().T)


def test_training_on_the_chip_learns(analog, pictures):
    x, labels = pictures.example, torch.arange(12) % 3
    analog.train()
    optimiser = torch.optim.Adam(analog.parameters(), lr=0.02)
    losses = []
    for _ in range(25):
        loss = torch.nn.functional.cross_entropy(analog(x), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-3:]) < 0.7 * losses[0]


def test_weights_are_clipped_before_they_are_written(analog, pictures):
    analog.analog.clip_sd = 1.0
    analog.train()
    with torch.no_grad():
        analog.two.weight.mul_(1.0)  # a change in place
    largest, spread = analog.two.weight.abs().max().item(), analog.two.weight.std().item()
    analog(pictures.example)
    assert largest > spread
    assert analog.two.weight.abs().max().item() == pytest.approx(spread)
    analog.eval()
    analog.analog.clip_sd = 0.1
    with torch.no_grad():
        analog.two.weight.mul_(1.0)
    analog(pictures.example)
    assert analog.two.weight.abs().max().item() == pytest.approx(spread)  # for inference weights stay


def test_noise_in_training_is_as_large_as_the_chips(pictures):
    analog = copy.deepcopy(pictures.analog)
    chip, x = analog.analog, pictures.example
    module, exact = analog.two, torch.nn.Conv2d(4, 6, 3, stride=2, padding=1)
    exact.load_state_dict(pictures.exact.two.state_dict())
    seen, _ = products(analog, x)
    inputs, made = seen["two"][0]
    wanted = exact(inputs).detach()
    on_chip = float((made - wanted).square().mean().sqrt())
    chip.training = hs.torch.Training.NOISE
    module.train()
    torch.manual_seed(0)
    noisy = torch.stack([module(inputs) for _ in range(40)]).detach()
    spread = float((noisy - wanted).square().mean().sqrt())
    assert float(noisy[0].sub(noisy[1]).abs().max()) > 0
    assert spread == pytest.approx(on_chip, rel=0.35)  # one chip against the mean over many


def test_noise_trains_without_writing(pictures):
    analog = copy.deepcopy(pictures.analog)
    analog.analog.training = hs.torch.Training.NOISE
    analog.train()
    before = analog.analog.chip.exact.weights("out.weight").copy()
    optimiser = torch.optim.SGD(analog.parameters(), lr=0.1)
    for _ in range(2):
        analog(pictures.example).square().sum().backward()
        optimiser.step()
    np.testing.assert_array_equal(analog.analog.chip.exact.weights("out.weight"), before)
    analog.eval()
    analog(pictures.example)
    np.testing.assert_array_equal(analog.analog.chip.exact.weights("out.weight"), analog.out.weight.detach().numpy().T)


def test_nothing_to_convert():
    with pytest.raises(WorkloadError, match=r"nothing to convert|nothing to compute|without a single operation"):
        hs.torch.convert(torch.nn.Sequential(torch.nn.ReLU()), CHIP, example_input=torch.rand(2, 3))


def test_unknown_way_of_training(pictures):
    with pytest.raises(HermesSimError, match="chip, noise"):
        hs.torch.convert(pictures.exact, CHIP, example_input=pictures.example, training="both")


def test_a_simulation_scores_the_same_outputs(tmp_path):
    torch.manual_seed(4)
    network = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3)).eval()
    x, calibration = torch.randn(300, 8), torch.randn(20, 8)
    labels = network(x).argmax(1).numpy()
    np.savez(tmp_path / "test.npz", X=x.numpy(), y=labels, X_calibration=calibration.numpy())
    result = hs.simulate(
        CHIP, network, example_input=calibration, data=tmp_path / "test.npz", draws=2, seed=SEED, baselines=()
    )
    for draw, simulated in enumerate(result.document["accuracy"]["per_draw"]):
        analog = hs.torch.convert(network, CHIP, example_input=calibration, seed=SEED, draw=draw)
        with torch.no_grad():
            found = analog(x).argmax(1).numpy()
        assert (found == labels).mean() == simulated["simulated"] < 1
