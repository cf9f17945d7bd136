"""Data sets: what the files say is what comes out, and every bad file gives one clear error."""

import numpy as np
import pytest

from hermes_sim.config.vocabulary import Kernel, Sampler
from hermes_sim.errors import DataError
from hermes_sim.numerics.datasets import dataset_names, load_dataset
from hermes_sim.numerics.kernel_ridge import SeedRun
from hermes_sim.numerics.settings import Experiment

YAML = """\
name: toy
file: toy.npz
target: {positive: [1]}
normalise: {kind: zscore, ddof: 1, fit: part}
split: {kind: array, train: [0], test: [1, 2]}
published_split: fixed
"""


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return {
        "X": rng.standard_normal((60, 3)).astype(np.float32),
        "y": np.arange(60) % 2,
        "split": np.repeat([0, 1, 2], 20),
        "part": np.arange(20),
    }


@pytest.fixture
def write(tmp_path, arrays):
    def _write(text=YAML, **changes):
        kept = {k: v for k, v in (arrays | changes).items() if v is not None}
        np.savez(tmp_path / "toy.npz", **kept)
        (tmp_path / "toy.yaml").write_text(text)
        return tmp_path

    return _write


def test_parts_are_normalised_by_themselves(write, arrays):
    split = load_dataset("toy", write()).split(0)
    assert split.x_train.shape == (20, 3)
    assert split.x_test.shape == (40, 3)
    for part in (split.x_train, split.x_test[:20], split.x_test[20:]):
        np.testing.assert_allclose(part.mean(axis=0), 0, atol=1e-6)
        np.testing.assert_allclose(part.std(axis=0, ddof=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(split.y_train, arrays["y"][:20])


def test_random_halves_depend_on_the_seed_only(write):
    text = YAML.replace("{kind: array, train: [0], test: [1, 2]}", "{kind: random_half}").replace("part}", "all}")
    dataset = load_dataset("toy", write(text))
    np.testing.assert_array_equal(dataset.split(1).x_train, dataset.split(1).x_train)
    assert (dataset.split(1).x_train != dataset.split(2).x_train).any()


def test_one_hot_columns_become_their_position(write, arrays):
    x = np.c_[np.eye(4)[np.arange(60) % 4], arrays["X"]]
    text = YAML + "columns:\n  - {one_hot_to_index: [0, 4], start: 1}\n"
    dataset = load_dataset("toy", write(text, X=x))
    assert dataset.n_features == 4
    np.testing.assert_array_equal(dataset.x[:5, 0], [1, 2, 3, 4, 1])


@pytest.mark.parametrize("name", ["digits", "breast_cancer"])
def test_bundled_sets(name):
    dataset = load_dataset(name)
    split = dataset.split(0)
    assert np.isfinite(split.x_train).all()
    assert dataset.targets(split.y_test).shape[1] == (10 if name == "digits" else 1)
    assert dataset.predicted(dataset.targets(split.y_test)).tolist() == split.y_test.tolist()


EACH = YAML.replace("{positive: [1]}", "{classes: all}")
LABELS = np.r_[np.tile([2, 5, 9], 20)]


def test_every_label_may_be_a_class_of_its_own(write):
    dataset = load_dataset("toy", write(EACH, y=LABELS))
    assert (dataset.n_classes, dataset.n_outputs) == (3, 3)
    np.testing.assert_array_equal(dataset.y[:4], [0, 1, 2, 0])
    targets = dataset.targets(dataset.y)
    assert targets.shape == (60, 3)
    np.testing.assert_array_equal(targets.sum(axis=1), 1)
    np.testing.assert_array_equal(dataset.predicted(targets), dataset.y)


def test_three_classes_that_a_projection_separates_are_told_apart(write):
    """Three far clusters: one output per class, the largest counts; 1 of 3 would be right by chance."""
    rng = np.random.default_rng(0)
    x = np.eye(3)[np.arange(60) % 3] * 4 + rng.standard_normal((60, 3)) * 0.3
    dataset = load_dataset("toy", write(EACH, X=x, y=LABELS))
    experiment = Experiment(Kernel.RBF, Sampler.ORF, log2_ratio=4, gamma=0.2, ridge_alpha=0.5)
    assert SeedRun(experiment, dataset, 0).digital(error=False).accuracy == 1.0
    two = load_dataset("toy", write(YAML.replace("[1]", "[5]"), X=x, y=LABELS))
    assert (two.n_classes, two.n_outputs) == (2, 1)


BAD_FILES = [
    ({"X": None}, "X"),
    ({"y": None}, "y"),
    ({"split": None}, "split"),
    ({"X": np.full((60, 3), np.nan)}, "NaN"),
    ({"X": np.full((60, 3), "a")}, "numbers"),
    ({"X": np.ones(60)}, "shape"),
    ({"X": np.ones((1, 3)), "y": np.ones(1), "split": np.zeros(1)}, "one class|rows"),
    ({"X": np.ones((2, 3)), "y": np.arange(2), "split": np.zeros(2)}, "rows"),
    ({"y": np.ones(60)}, "one class"),
    ({"y": np.zeros(59)}, "one label per row"),
    ({"split": np.zeros(60)}, "code"),
    ({"split": np.zeros(3)}, "shape"),
    ({"y": np.r_[np.zeros(20), np.arange(40) % 2]}, "one class in the training part"),
]


@pytest.mark.parametrize(("changes", "message"), BAD_FILES)
def test_bad_archives(write, changes, message):
    with pytest.raises(DataError, match=message):
        load_dataset("toy", write(**changes))


BAD_TEXTS = [
    (YAML.replace("target", "taget"), "did you mean 'target'"),
    (YAML.replace("positive: [1]", "positive: [7]"), "one class"),
    (YAML.replace("positive: [1]", "positive: x"), "a list"),
    (YAML.replace("positive: [1]", "classes: some"), "'all'"),
    (YAML.replace("positive: [1]", "positive: [1], classes: all"), "classes and positive"),
    (YAML.replace("positive: [1]", "positve: [1]"), "did you mean 'positive'"),
    (YAML.replace("train: [0], ", ""), "line 5: split.train(.|\n)*a list of codes"),
    (YAML.replace("ddof: 1, ", ""), "normalise.ddof(.|\n)*0, 1 with kind: zscore"),
    (YAML.replace("kind: array", "kind: arrays"), "'random_half', 'rows' or 'array'"),
    (YAML.replace("test: [1, 2]", "test: [0]"), "two groups"),
    (YAML.replace("kind: zscore", "kind: minmax"), "'zscore' or 'none'"),
    (YAML.replace("ddof: 1", "ddof: 2"), "ddof"),
    (YAML.replace("fit: part", "fit: parts"), "'all', 'part' or 'train'"),
    (YAML.replace("toy.npz", "gone.npz"), "no such file"),
    (YAML + "rows: {first: 0}\n", "a number, at least 1"),
    (YAML + "rows: {first: 30}\n", "rows.first"),
    (YAML + "chip: {clip_inputs_std: -1}\n", "clip_inputs_std"),
    (YAML + "columns:\n  - {one_hot: 3}\n", "one_hot_to_index"),
    (YAML + "columns:\n  - {one_hot_to_index: [0, 2]}\n", "not one-hot"),
    (YAML.replace("published_split: fixed", "published_split: maybe"), "'fixed' or 'unknown'"),
    (YAML.replace("{kind: array, train: [0], test: [1, 2]}", "{kind: rows, train: part, test: none}"), "no such array"),
    (YAML.replace("{kind: array, train: [0], test: [1, 2]}", "{kind: rows, train: X, test: part}"), "row numbers"),
    ("- 1\n", "mapping"),
]


@pytest.mark.parametrize(("text", "message"), BAD_TEXTS)
def test_bad_descriptions(write, text, message):
    with pytest.raises(DataError, match=message):
        load_dataset("toy", write(text))


def test_unknown_names(write, tmp_path):
    folder = write()
    assert dataset_names(folder) == ["toy"]
    with pytest.raises(DataError, match="did you mean 'toy'"):
        load_dataset("toi", folder)
    with pytest.raises(DataError, match="no such folder"):
        load_dataset("toy", tmp_path / "gone")
    with pytest.raises(DataError, match=r"(?s)not on this machine.*hermes-sim data get ijcnn1`, or --data-dir"):
        load_dataset("ijcnn1")
    with pytest.raises(DataError, match=r"(?s)no such data set.*did you mean 'imdb'"):
        load_dataset("imd")
    (tmp_path / "toy.npz").write_bytes(b"no archive")
    with pytest.raises(DataError, match="archive"):
        load_dataset("toy", folder)


def test_shared_sets_are_split_as_published(shared):
    sizes = {
        "ijcnn1": (35_000, 106_691, 13),
        "letter": (12_000, 6_000, 16),
        "magic": (9_510, 9_510, 10),
        "eeg": (7_490, 7_490, 14),
    }
    for name, (n_train, n_test, n_features) in sizes.items():
        dataset = load_dataset(name, shared / "data")
        split = dataset.split(0)
        assert (len(split.y_train), len(split.y_test), dataset.n_features) == (n_train, n_test, n_features), name
