"""`train`: a network that learns, a run that goes on after it was stopped, inputs that are refused."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hermes_sim.errors import HermesSimError
from hermes_sim.numerics.training_data import training_data
from hermes_sim.numerics.weights import read_weights
from hermes_sim.workload.load import load_workload
from tests.torch.performers import SMALL, counting_task

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from hermes_sim.torch.networks import module_of  # noqa: E402
from hermes_sim.train import recipes, run  # noqa: E402
from hermes_sim.train.recipes import Optimiser, Recipe  # noqa: E402
from hermes_sim.train.run import train  # noqa: E402
from hermes_sim.train.steps import (  # noqa: E402
    clip_weights,
    is_faster_in_bfloat16,
    matrices_of,
    moved,
    noise_on,
    optimiser_of,
    rate_at,
    step,
)


@pytest.fixture
def short(monkeypatch):
    """Recipes of three epochs."""
    for data in recipes.RECIPES:
        changed = {name: Recipe(**{**vars(one), "epochs": 3}) for name, one in recipes.RECIPES[data].items()}
        monkeypatch.setitem(recipes.RECIPES, data, changed)


@pytest.fixture
def texts(tmp_path):
    """A small corpus in which every symbol says which one follows."""
    text = np.frombuffer(b"abcdefgh" * 400, np.uint8)
    np.savez(tmp_path / "ptb_char.npz", train=text, valid=text[:800], test=text[8:808])
    return tmp_path


SMALL_LSTM = {"steps": 10, "hidden": 16, "inputs": 6, "outputs": 8, "cell_groups": 1}


def test_a_network_learns_and_says_how(tmp_path, short):
    lines = []
    done = train(load_workload("mlp_digits"), tmp_path / "net.npz", seed=1, tell=lines.append)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.json", "net.npz", "net.svg"]
    record = json.loads((tmp_path / "net.json").read_text())
    assert record == done.record
    assert record["test"] > 0.5
    assert record["epochs"] == 3 == len(record["validation_curve"]) == len(lines)
    assert record["command"] == "hermes-sim train mlp_digits --recipe short --seed 1"
    with np.load(tmp_path / "net.npz") as file:
        assert {name: (file[name].shape, str(file[name].dtype)) for name in ("fc1.weight", "fc3.bias")} == {
            "fc1.weight": ((64, 128), "float16"),
            "fc3.bias": ((10,), "float16"),
        }
        module = module_of(load_workload("mlp_digits"), dict(file)).eval()
    test = training_data("digits").test
    with torch.no_grad():
        found = (module(torch.from_numpy(test.inputs())).argmax(1).numpy() == test.labels).mean()
    assert found == pytest.approx(record["test"])


def test_text_is_learnt(tmp_path, texts, monkeypatch):
    recipe = Recipe(epochs=8, batch=16, learning_rate=0.02, optimiser=Optimiser.ADAM, weight_decay=0.0, noise_frac=0.0)
    monkeypatch.setitem(recipes.RECIPES["ptb_char"], "short", recipe)
    done = train(load_workload("lstm_ptb", SMALL_LSTM), tmp_path / "out" / "net.npz", data_dir=texts)
    assert done.record["metric"] == "bits per symbol"
    assert done.record["test"] < 1.0 < np.log2(8)
    with np.load(done.weights) as file:
        assert file["lstm.weight"].shape == (22, 64)
        assert file["embedding.weight"].shape == (8, 6)


def pictures_of(batch):
    generator = torch.Generator().manual_seed(5)
    return (torch.randn(batch, 1, 8, 8, generator=generator) * 2 + 1,)


def test_folded_norms_get_statistics_of_the_data_and_change_no_output():
    workload = load_workload("cnn_digits")
    module = module_of(workload, read_weights(Path(workload.weights))).eval()
    (pictures,) = pictures_of(64)
    with torch.no_grad():
        before = module(pictures)
        module.unfold([(pictures,)])
        torch.testing.assert_close(module(pictures), before, rtol=1e-4, atol=1e-4)
        # and now a batch is normalised by what is about its own statistics
        torch.testing.assert_close(module.train()(pictures), before, rtol=0.05, atol=0.05)


@pytest.mark.parametrize(("workload", "changes"), [("cnn_digits", {}), ("mlp_digits", {}), ("lstm_ptb", SMALL_LSTM)])
def test_any_network_learns_to_bear_the_chip(tmp_path, texts, short, workload, changes):
    network, start = load_workload(workload, changes), tmp_path / "start.npz"
    train(network, start, data_dir=texts)
    record = train(network, tmp_path / "aware.npz", recipe="hardware_aware", weights=start, data_dir=texts).record
    assert set(record["input_ranges"]) == {name for name, _ in module_of(network).products()}
    assert all(limit > 0 for limit in record["input_ranges"].values())
    assert "--recipe hardware_aware --weights start.npz" in record["command"]
    with np.load(start) as old, np.load(tmp_path / "aware.npz") as new:
        assert set(old.files) == set(new.files)
        name = next(name for name in new.files if name.endswith(".weight"))
        assert not np.array_equal(old[name], new[name])


class Stopped(Exception):
    """Stands for a kill."""


def test_a_stopped_run_goes_on_as_if_it_had_not_been(tmp_path, short):
    workload = load_workload("mlp_digits")
    whole = train(workload, tmp_path / "whole.npz")

    def stop(line):
        if line.startswith("epoch 2"):
            raise Stopped

    with pytest.raises(Stopped):
        train(workload, tmp_path / "parts.npz", tell=stop)
    assert [path.name for path in tmp_path.glob("parts*")] == ["parts.checkpoint"]
    with pytest.raises(HermesSimError, match="--resume, or remove"):
        train(workload, tmp_path / "parts.npz")
    with pytest.raises(HermesSimError, match="seed"):
        train(workload, tmp_path / "parts.npz", seed=1, resume=True)
    parts = train(workload, tmp_path / "parts.npz", resume=True)
    assert parts.record["validation_curve"] == whole.record["validation_curve"]
    with np.load(whole.weights) as one, np.load(parts.weights) as other:
        for name in one.files:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)
    assert not (tmp_path / "parts.checkpoint").exists()


def test_minutes_end_a_run(tmp_path):
    done = train(load_workload("mlp_digits"), tmp_path / "net.npz", minutes=0.03)
    assert 0 < done.record["epochs"] < 60
    assert done.record["minutes"] < 1


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"recipe": "long"}, "--recipe\n.*'long'\n.*short, published"),
        ({"device": "tpu"}, "--device\n.*'tpu'\n.*cpu, cuda"),
        ({"resume": True}, "no checkpoint"),
        ({"out": "net.pt"}, r"\.pt\n.*\.npz"),
        ({"workload": "kernel_ridge_digits"}, "conv_net, lstm, performer_encoder"),
        ({"workload": "lstm_caption"}, "data"),
        ({"workload": "cnn_cifar10"}, "--data-dir DIR with cifar10_jpeg.npz"),
        ({"workload": "cnn_cifar10", "data_dir": "."}, r"cifar10_jpeg\.npz\n.*no such file"),
        ({"overrides": {"image.height": 9}}, r"image\n.*\(1, 9, 8\)\n.*\(1, 8, 8\)"),
    ],
)
def test_refused(tmp_path, monkeypatch, how, message):
    monkeypatch.chdir(tmp_path)
    workload = load_workload(how.pop("workload", "mlp_digits"), how.pop("overrides", None))
    out = tmp_path / how.pop("out", "net.npz")
    with pytest.raises(HermesSimError, match=re.compile(message, re.DOTALL)):
        train(workload, out, **how)
    assert list(tmp_path.iterdir()) == []


def test_symbols_that_do_not_fit(tmp_path, texts):
    with pytest.raises(HermesSimError, match="outputs"):
        train(load_workload("lstm_ptb", SMALL_LSTM | {"outputs": 9}), tmp_path / "net.npz", data_dir=texts)


@pytest.mark.parametrize(
    ("wanted", "has", "dtype"), [(True, True, "bfloat16"), (True, False, "float32"), (False, True, "float32")]
)
def test_products_are_in_bfloat16_where_a_recipe_allows_and_the_processor_has_it(monkeypatch, wanted, has, dtype):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": has})
    torch.manual_seed(0)
    module, recipe = module_of(load_workload("cnn_digits")), Recipe(batch=8, learning_rate=0.1, mixed_precision=wanted)
    before = {name: values.clone() for name, values in module.state_dict().items()}
    made = []
    next(part for _, part in module.products()).register_forward_hook(lambda *given: made.append(given[2].dtype))
    loss = step(module, optimiser_of(module, recipe), (torch.rand(8, 1, 8, 8),), torch.arange(8), recipe=recipe)
    assert made == [getattr(torch, dtype)]
    assert 1 < loss < 10
    after = module.state_dict()
    assert all(values.dtype == before[name].dtype for name, values in after.items())
    assert any(not torch.equal(values, before[name]) for name, values in after.items())


def test_a_pytorch_that_does_not_know_the_processor_trains_in_float32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not is_faster_in_bfloat16("cpu")
    assert is_faster_in_bfloat16("cuda")


def test_noise_leaves_the_weights_as_they_were():
    torch.manual_seed(0)
    module = module_of(load_workload("cnn_digits"))
    before = [matrix.detach().clone() for matrix in matrices_of(module)]
    with noise_on(module, 0.1):
        for matrix, clean in zip(matrices_of(module), before, strict=True):
            spread = ((matrix.detach() - clean).std() / clean.abs().max()).item()
            assert spread == pytest.approx(0.1, rel=0.3)
    assert all(torch.equal(*pair) for pair in zip(matrices_of(module), before, strict=True))


def test_clipped_weights():
    module = module_of(load_workload("mlp_digits"))
    spread = module.layers["fc1"].weight.std().item()
    clip_weights(module, 0.5)
    assert module.layers["fc1"].weight.abs().max().item() == pytest.approx(0.5 * spread)


def test_embeddings_are_no_product():
    module = module_of(load_workload("lstm_ptb", SMALL_LSTM))
    assert {tuple(matrix.shape) for matrix in matrices_of(module)} == {(64, 22), (8, 16)}


def test_pictures_are_moved_and_mirrored():
    pictures = np.arange(2 * 3 * 4 * 4, dtype=np.float32).reshape(2, 3, 4, 4) + 1
    recipe = Recipe(epochs=1, batch=1, learning_rate=1.0, crop_pixels=1, mirrored=True)
    rng = np.random.default_rng(0)
    padded = np.pad(pictures, ((0, 0), (0, 0), (1, 1), (1, 1)))
    seen = set()
    for _ in range(200):
        found = moved(pictures, recipe, rng, pixels=0)
        for one, source in zip(found, padded, strict=True):
            places = [
                (top, left, turn)
                for top in range(3)
                for left in range(3)
                for turn in (1, -1)
                if np.array_equal(one, source[:, top : top + 4, left : left + 4][:, :, ::turn])
            ]
            assert len(places) == 1
            seen.add(places[0])
    assert len(seen) == 18
    assert moved(pictures, recipe, rng, pixels=3).shape == (2, 3, 3, 3)


def test_rate_rises_and_falls():
    recipe = Recipe(epochs=1, batch=1, learning_rate=2.0, rise_frac=0.25)
    assert rate_at(recipe, 0.25) == 2.0
    assert rate_at(recipe, 0.125) == 1.0
    assert rate_at(recipe, 0.625) == 1.0
    assert 0 < rate_at(recipe, 1.0) < 0.01


def test_a_run_may_begin_with_easier_rows(tmp_path, monkeypatch):
    """From the easiest to the task's own, and a run that was stopped meanwhile ends with the same weights."""
    asked = []

    def data(*_args, **_given):
        task = counting_task(lengths=False)
        return replace(task, easier=lambda ease: asked.append(ease) or task.train.taken(slice(int(100 * ease) + 50)))

    recipe = Recipe(batch=8, learning_rate=1e-3, optimiser=Optimiser.ADAM, updates=60, easy_frac=0.6, look_every=20)
    monkeypatch.setattr(run, "training_data", data)
    monkeypatch.setitem(recipes.RECIPES["imdb"], "short", recipe)
    work = load_workload("performer_imdb_full_short", SMALL)
    whole = train(work, tmp_path / "whole.npz")
    assert asked[0] == 1.0
    assert asked == sorted(set(asked), reverse=True)
    assert 0 < asked[-1] <= 1 / 12
    plain = replace(recipe, easy_frac=0.0)
    monkeypatch.setitem(recipes.RECIPES["imdb"], "short", plain)
    del asked[:]
    other = train(work, tmp_path / "plain.npz")
    assert not asked
    monkeypatch.setitem(recipes.RECIPES["imdb"], "short", recipe)

    lines = []

    def stop(line):
        lines.append(line)
        if len(lines) == 2:
            raise Stopped

    with pytest.raises(Stopped):
        train(work, tmp_path / "parts.npz", tell=stop)
    parts = train(work, tmp_path / "parts.npz", resume=True)
    with np.load(whole.weights) as one, np.load(parts.weights) as same, np.load(other.weights) as different:
        np.testing.assert_array_equal(one["classifier.0.0.weight"], same["classifier.0.0.weight"])
        assert not np.array_equal(one["classifier.0.0.weight"], different["classifier.0.0.weight"])
