"""Performers as PyTorch modules: their formulas, gradients, weights; and their training."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest

import hermes_sim as hs
from hermes_sim.errors import HermesSimError, WorkloadError
from hermes_sim.numerics.network import Evaluation, network_weights
from hermes_sim.numerics.programmed import ExactProducts, weights_of
from hermes_sim.workload.load import build_graph, load_workload

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from hermes_sim.torch.hardware_aware import HardwareAware  # noqa: E402
from hermes_sim.torch.kernel_attention import KernelAttention  # noqa: E402
from hermes_sim.train import recipes, run  # noqa: E402
from hermes_sim.train.recipes import Recipe, Schedule  # noqa: E402
from hermes_sim.train.run import train  # noqa: E402
from hermes_sim.train.steps import (  # noqa: E402
    clip_weights,
    matrices_of,
    noise_on,
    order_of,
    prepare,
    rate_at,
    redraw,
)
from tests.torch.performers import SMALL, counting_task, scores  # noqa: E402

IMDB = "performer_imdb_full_short"


def small(name=IMDB, **changes):
    given = SMALL | changes
    workload = load_workload(name)
    if workload.embedding == "pixels":
        given.pop("symbols")
    return load_workload(name, given)


def shaken(module):
    """Norms and biases that are not ones and zeros."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.2)
    return module.eval()


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        (IMDB, {}),
        ("performer_listops_full_short", {}),
        ("performer_cifar10_attention_short", {}),
        ("performer_pathfinder_full_short", {"projection_law": "textbook"}),
    ],
)
def test_scores_are_those_of_the_formulas(name, changes):
    torch.manual_seed(0)
    workload = small(name, **changes)
    module = shaken(hs.torch.module_of(workload))
    rng, lengths = np.random.default_rng(1), np.array([24, 5, 17])
    tokens = rng.integers(1, 8, (3, 24)) if workload.symbols else rng.normal(size=(3, 24)).astype(np.float32)
    with torch.no_grad():
        found = module(torch.from_numpy(tokens), torch.from_numpy(lengths)).numpy()
        whole = module(torch.from_numpy(tokens)).numpy()
    wanted = scores(workload, hs.torch.export_weights(module), tokens, lengths)
    assert np.abs(wanted).max() > 0.1
    np.testing.assert_allclose(found, wanted, atol=1e-5 * np.abs(wanted).max())
    np.testing.assert_allclose(whole[0], found[0], rtol=1e-4)


def test_padding_counts_for_nothing():
    torch.manual_seed(0)
    module = shaken(hs.torch.module_of(small()))
    tokens = torch.randint(1, 8, (2, 24))
    length = torch.tensor([24, 10])
    first = module(tokens, length)
    tokens[1, 10:] = 0
    torch.testing.assert_close(module(tokens, length), first)


def test_gradients_are_those_of_the_quotient():
    torch.manual_seed(0)
    shapes = ((3, 7, 4), (3, 7, 4), (3, 7, 1), (3, 7, 2))
    given = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    padding = torch.zeros(3, 7, 1, dtype=torch.float64)
    padding[1, 4:] = -torch.inf
    query, key, term, value = given

    def quotient():
        of_query = torch.cat([query, -query], -1).exp()
        of_key = torch.cat([key + term + padding, term + padding - key], -1).exp()
        return of_query @ (of_key.transpose(1, 2) @ value) / (of_query @ of_key.sum(1)[..., None])

    upstream = torch.randn(3, 7, 2, dtype=torch.float64)
    ours, exact = KernelAttention.apply(query, key, term + padding, value), quotient()
    torch.testing.assert_close(ours, exact)
    for found, wanted in zip(
        torch.autograd.grad(ours, given, upstream), torch.autograd.grad(exact, given, upstream), strict=True
    ):
        torch.testing.assert_close(found, wanted)


def test_random_features_keep_float32_under_mixed_precision(monkeypatch):
    torch.manual_seed(0)
    module, seen = shaken(hs.torch.module_of(small())), []
    apply = KernelAttention.apply
    monkeypatch.setattr(
        KernelAttention, "apply", lambda *given: seen.append([part.dtype for part in given]) or apply(*given)
    )
    with torch.autocast("cpu", torch.bfloat16):
        made = module(torch.randint(1, 8, (2, 24)))
    made.sum().backward()
    assert {dtype for given in seen for dtype in given} == {torch.float32}


def test_large_exponents_do_no_harm():
    torch.manual_seed(0)
    query, key = torch.randn(2, 5, 4) + 100, torch.randn(2, 5, 4) + 100
    made = KernelAttention.apply(query, key, torch.zeros(2, 5, 1), torch.rand(2, 5, 3))
    assert bool(made.isfinite().all())


@pytest.mark.parametrize("name", [IMDB, "performer_listops_full_short", "performer_pathfinder_attention_short"])
def test_a_simulation_evaluates_the_same_network(name):
    torch.manual_seed(0)
    workload = small(name)
    module = shaken(hs.torch.module_of(workload))
    tokens = torch.randint(1, 8, (3, 24)) if workload.symbols else torch.randn(3, 24)
    length = torch.tensor([24, 5, 17])
    graph = build_graph(workload)
    held = network_weights(graph, hs.torch.export_weights(module))
    exact = ExactProducts(weights_of(graph))
    exact.program(held.matrices, held.biases)
    inputs = {"tokens": tokens.numpy()[:, None], "length": length.numpy()[:, None]}
    (found,) = Evaluation(graph, held).run(exact, inputs).values()
    with torch.no_grad():
        wanted = module(tokens, length).numpy()
    np.testing.assert_allclose(found.reshape(wanted.shape), wanted, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("passes", [True, False])
def test_without_a_gradient_through_the_projection_queries_learn_nothing(passes):
    torch.manual_seed(0)
    module = hs.torch.module_of(small())
    prepare(module, Recipe(batch=1, learning_rate=1.0, projection_gradient=passes))
    module(torch.randint(1, 8, (4, 24))).square().sum().backward()
    layer = module.layers[0]
    assert float(layer.k_proj.weight.grad.abs().max()) > 1e-6  # by |k|^2 / 2
    assert (layer.q_proj.weight.grad is not None) is passes


@pytest.mark.parametrize("name", [IMDB, "performer_listops_attention_short", "performer_pathfinder_full_short"])
def test_weights_come_back_as_they_were(name):
    torch.manual_seed(3)
    workload = load_workload(name)
    weights = hs.torch.export_weights(hs.torch.module_of(workload))
    again = hs.torch.export_weights(hs.torch.module_of(workload, weights))
    assert list(again) == list(weights)
    for key, values in weights.items():
        np.testing.assert_allclose(again[key], values, rtol=1e-6, err_msg=key)
    assert weights["layers.0.fc1.weight"].shape == (workload.d_model, workload.d_ff)
    assert ("layers.1.fc1.weight" in weights) is (workload.layers > 1 and not workload.share_layers)
    assert ("layers.0.W_q.weight" in weights) is (name == IMDB)
    assert ("layers.0.q_proj.bias" in weights) is workload.qkv_bias


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("performer_imdb_softmax", {}, "attention"),
        ("performer_aan_full", {}, "documents"),
        (IMDB, {"feature_map": "relu"}, "feature_map"),
        (IMDB, {"projections": "per_head"}, "projections"),
    ],
)
def test_what_is_no_module(name, changes, message):
    with pytest.raises(WorkloadError, match=message):
        hs.torch.module_of(load_workload(name, changes))


def test_w_is_drawn_anew_when_it_has_been_called_often_enough():
    recipe = Recipe(batch=1, learning_rate=1.0, redraw_calls=10)
    for name, updates in ((IMDB, 10), ("performer_cifar10_full_short", 5), ("performer_listops_full_short", 3)):
        module = hs.torch.module_of(small(name))
        drawn = []
        for step in range(1, 11):
            before = module.layers[0].W[next(iter(module.layers[0].W))].weight.clone()
            redraw(module, recipe, seed=0, updates=step)
            if not torch.equal(before, next(iter(module.layers[0].W.values())).weight):
                drawn.append(step)
        assert drawn[0] == updates


def test_rates():
    root = Recipe(batch=1, learning_rate=2.0, warm_up=4, schedule=Schedule.INVERSE_ROOT)
    assert [rate_at(root, 0.0, updates) for updates in (0, 3, 15)] == [0.5, 2.0, 1.0]
    falling = replace(root, schedule=Schedule.LINEAR, rise_frac=0.0)
    assert rate_at(falling, 0.25, 100) == 1.5
    assert rate_at(replace(falling, zero_at=200), 0.9, 100) == 1.0


def test_rows_of_a_batch_are_of_similar_length():
    rows = counting_task().train
    order = order_of(rows, 10, np.random.default_rng(0))
    assert sorted(order) == list(range(300))
    spans = np.ptp(rows.lengths[order].reshape(-1, 10), axis=1)
    assert spans.max() <= 3 < np.ptp(rows.lengths)
    assert np.ptp(rows.lengths[order[:50]]) > 3  # batches themselves come in any order


def test_only_what_is_on_crossbars_gets_noise():
    full, attention = (hs.torch.module_of(small(f"performer_cifar10_{split}_short")) for split in ("full", "attention"))
    assert len(matrices_of(full)) == 2 * 7 + 2
    assert [name for name, _ in attention.products()] == ["layers.0.W", "layers.1.W"]
    before = {name: tensor.clone() for name, tensor in attention.state_dict().items()}
    with noise_on(attention, 0.1):
        changed = [name for name, tensor in attention.state_dict().items() if not torch.equal(tensor, before[name])]
    assert changed == ["layers.0.W.W.weight", "layers.1.W.W.weight"]
    clip_weights(attention, 0.5)  # what is drawn is not clipped
    assert all(torch.equal(tensor, before[name]) for name, tensor in attention.state_dict().items())


class One(torch.nn.Module):
    """A product."""

    def __init__(self):
        super().__init__()
        self.product = torch.nn.Linear(2, 3, bias=False)

    def forward(self, x):
        return self.product(x)


def test_inputs_are_rounded_to_levels_and_outputs_get_noise():
    torch.manual_seed(0)
    module = One()
    module.hardware = HardwareAware([("one", module.product)], levels=10, noise=0.0)
    module.hardware.calibrate(module, [(torch.linspace(-1, 1, 401)[:, None].expand(-1, 2),)] * 2)
    limit = module.hardware.found()["one"]
    assert limit == pytest.approx(0.95, abs=0.01)
    x = torch.randn(50, 2, requires_grad=True)
    rounded = (x.detach() / limit).clamp(-1, 1).mul(5).round().div(5) * limit
    made = module(x)
    torch.testing.assert_close(made, rounded @ module.product.weight.T)
    (gradient,) = torch.autograd.grad(made.sum(), x, retain_graph=True)
    inside = (x.detach().abs() <= limit).float()
    torch.testing.assert_close(gradient, inside * module.product.weight.detach().sum(0))
    made.sum().backward()
    assert float(module.hardware.ranges[0].grad) != 0
    module.hardware.noise = 0.1
    many = torch.stack([module(x) for _ in range(300)]).detach()
    spread = float((many - made.detach()).std())
    assert spread == pytest.approx(0.1 * limit * float(module.product.weight.detach().abs().max()), rel=0.05)
    module.hardware.noise, module.hardware.largest_noise = 0.0, 0.2
    many = torch.stack([module(x) for _ in range(300)]).detach()
    assert float((many - made.detach()).std()) == pytest.approx(0.2 * float(made.detach().abs().max()), rel=0.05)


def test_ranges_of_nothing():
    module = One()
    hardware = HardwareAware([("one", module.product)], levels=10, noise=0.0)
    with pytest.raises(HermesSimError, match="input ranges"):
        hardware.calibrate(module, [(torch.zeros(3, 2),)])


@pytest.fixture
def task(monkeypatch):
    """A data set that takes seconds, and recipes for it."""
    data = counting_task()
    monkeypatch.setattr(run, "training_data", lambda name, *, data_dir, length: data)
    for name in ("short", "hardware_aware"):
        short = replace(recipes.RECIPES["imdb"][name], updates=60, warm_up=10, look_every=15, batch=16, redraw_calls=40)
        monkeypatch.setitem(recipes.RECIPES["imdb"], name, short)
    return data


class Stopped(Exception):
    """Stands for a kill."""


def test_a_performer_learns_and_bears_the_chip(tmp_path, task):
    workload, start = small(), tmp_path / "net.npz"
    record = train(workload, start).record
    assert record["test"] > 0.7
    assert record["updates"] == 60
    assert record["share_of_published_updates"] == 60 / 16_000
    assert len(record["validation_curve"]) == 4
    found = train(workload, tmp_path / "hw.npz", recipe="hardware_aware", weights=start, seed=2).record
    assert found["test"] > 0.7
    assert found["command"].endswith("--recipe hardware_aware --weights net.npz --seed 2")
    assert set(found["input_ranges"]) == {name for name, _ in hs.torch.module_of(workload).products()}
    assert json.loads((tmp_path / "hw.json").read_text()) == found
    with np.load(tmp_path / "hw.npz") as file:
        assert set(file.files) == set(np.load(start).files)
        largest = np.abs(file["layers.0.fc1.weight"]).max() / file["layers.0.fc1.weight"].astype(np.float32).std()
    assert largest < 2.2


@pytest.mark.parametrize("recipe", ["short", "hardware_aware"])
def test_a_stopped_run_goes_on_as_if_it_had_not_been(tmp_path, task, recipe):
    workload = small()
    start = tmp_path / "start.npz"
    np.savez(start, **hs.torch.export_weights(hs.torch.module_of(workload)))
    whole = train(workload, tmp_path / "whole.npz", recipe=recipe, weights=start)
    lines = []

    def stop(line):
        lines.append(line)
        if len(lines) == 3:
            raise Stopped

    with pytest.raises(Stopped):
        train(workload, tmp_path / "parts.npz", recipe=recipe, weights=start, tell=stop)
    with pytest.raises(HermesSimError, match="workload"):
        train(small(sequence_length=25), tmp_path / "parts.npz", recipe=recipe, weights=start, resume=True)
    other = {name: values + 1 for name, values in hs.torch.export_weights(hs.torch.module_of(workload)).items()}
    np.savez(tmp_path / "other.npz", **other)
    with pytest.raises(HermesSimError, match="weights"):
        train(workload, tmp_path / "parts.npz", recipe=recipe, weights=tmp_path / "other.npz", resume=True)
    parts = train(workload, tmp_path / "parts.npz", recipe=recipe, weights=start, resume=True)
    assert parts.record["validation_curve"] == whole.record["validation_curve"]
    with np.load(whole.weights) as one, np.load(parts.weights) as again:
        for name in one.files:
            np.testing.assert_array_equal(one[name], again[name], err_msg=name)


@pytest.mark.parametrize(
    ("how", "changes", "message"),
    [
        ({"recipe": "hardware_aware"}, {}, "no weights to start from"),
        ({"weights": "none.npz"}, {}, r"none\.npz"),
        ({"weights": "wrong.npz"}, {}, r"embedding\.weight\n.*shape \(3,\)"),
        ({"weights": "longer.npz"}, {}, "sequence_length 25"),
        ({}, {"symbols": 4}, "at least 6"),
        ({}, {"classes": 3}, "classes"),
        ({"name": "performer_imdb_softmax"}, {}, "attention"),
        ({"name": "performer_aan_full"}, {}, "documents"),
    ],
)
def test_refused(tmp_path, task, how, changes, message):
    (tmp_path / "in").mkdir()
    np.savez(tmp_path / "in" / "wrong.npz", **{"embedding.weight": np.zeros(3)})
    np.savez(tmp_path / "in" / "longer.npz", about=np.array(json.dumps({"sequence_length": 25})))
    workload = small(how.pop("name", IMDB), **changes)
    if "weights" in how:
        how["weights"] = tmp_path / "in" / how["weights"]
    with pytest.raises(HermesSimError, match=re.compile(message, re.DOTALL)):
        train(workload, tmp_path / "net.npz", **how)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_pixels_are_no_symbols(tmp_path, monkeypatch):
    data = counting_task()
    monkeypatch.setattr(run, "training_data", lambda name, *, data_dir, length: data)
    with pytest.raises(WorkloadError, match="embedding"):
        train(small("performer_cifar10_full_short"), tmp_path / "net.npz")


def test_no_folder_with_data(tmp_path):
    with pytest.raises(HermesSimError, match=r"--data-dir DIR with imdb\.npz"):
        train(load_workload(IMDB), tmp_path / "net.npz")
