"""Data sets of trained networks: what is read, cut, averaged and counted, and what is said where a file is missing."""

import io
from dataclasses import dataclass, field

import numpy as np
import pytest

from hermes_sim.errors import DataError
from hermes_sim.numerics.network_data import network_data
from hermes_sim.numerics.training_data import training_data
from hermes_sim.workload.load import build_graph, load_workload

LONG, SHORT = b"a film of some length. " * 3, b"good"


@pytest.fixture(scope="module")
def reviews(tmp_path_factory):
    """2,100 reviews to train on, the first ten of them in the test part, too, and 40 to test on."""
    folder = tmp_path_factory.mktemp("reviews")
    train = [b"%d " % i + (LONG if i % 2 else SHORT) for i in range(2100)]
    texts = [*train, *train[:10], *(b"t%d " % i + LONG for i in range(30))]
    save_reviews(folder, texts, [0] * 2100 + [2] * 40)
    return folder


def save_reviews(folder, texts, split):
    np.savez(
        folder / "imdb.npz",
        text=np.frombuffer(b"".join(texts), np.uint8),
        offset=np.cumsum([0, *map(len, texts)]),
        y=np.arange(len(texts)) % 2,
        split=np.array(split, np.uint8),
    )


def test_reviews_are_bytes_cut_and_padded_with_their_lengths(reviews):
    found = training_data("imdb", data_dir=reviews, length=32)
    assert [len(part) for part in (found.train, found.validation, found.test)] == [100, 2000, 40]
    row = found.test.inputs(slice(0, 2))
    assert bytes(row[0, :6].astype(np.uint8)) == b"0 good"
    assert row.dtype.kind == "i"
    assert (row[0, 6:] == 0).all()
    assert found.test.lengths[:2].tolist() == [6, 32]
    assert found.test.taken(np.array([1, 0])).lengths.tolist() == [32, 6]
    np.testing.assert_array_equal(found.test.labels, np.arange(40) % 2)


def test_reviews_that_choose_the_checkpoint_are_in_no_other_part(reviews):
    found = training_data("imdb", data_dir=reviews, length=40)
    train, validation, test = (
        {row.tobytes() for row in part.raw} for part in (found.train, found.validation, found.test)
    )
    assert validation.isdisjoint(train | test)
    assert len(train & test) == 10
    assert len(train) + len(validation) == 2100


def test_a_byte_of_zero_is_refused(tmp_path):
    save_reviews(tmp_path, [b"a\0b"] * 3, [0, 0, 2])
    with pytest.raises(DataError, match="a byte of 0"):
        training_data("imdb", data_dir=tmp_path, length=8)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Pictures of one colour each, of which the first one to test on has a bright quarter."""
    image = pytest.importorskip("PIL.Image")
    folder = tmp_path_factory.mktemp("pictures")
    files, split = [], [0] * 5010 + [2] * 3
    for i in range(len(split)):
        pixels = np.full((32, 32, 3), (200, 100, 50) if i % 2 else (10, 20, 30), np.uint8)
        if i == 5010:
            pixels[:16, :16] = 255
        file = io.BytesIO()
        image.fromarray(pixels).save(file, "JPEG", quality=100, subsampling=0)
        files.append(file.getvalue())
    np.savez(
        folder / "cifar10_jpeg.npz",
        jpeg=np.frombuffer(b"".join(files), np.uint8),
        offset=np.cumsum([0, *map(len, files)]),
        y=np.arange(len(split)) % 10,
        split=np.array(split),
    )
    return folder


@pytest.mark.parametrize("side", [16, 32])
def test_pictures_are_grey_sequences_normalised_as_published(pictures, side):
    found = training_data("cifar10_gray", data_dir=pictures, length=side * side)
    assert found.test.raw.shape == (3, side * side)
    assert found.test.raw.dtype == np.uint8
    assert found.test.lengths is None
    quarter = found.test.raw[0].reshape(side, side)
    assert quarter[: side // 2, : side // 2].min() > 245
    assert quarter[side // 2 :].max() < 30
    grey = 0.299 * 200 + 0.587 * 100 + 0.114 * 50
    np.testing.assert_allclose(found.test.inputs()[1], (grey / 255 - 0.48) / 0.24, atol=0.05)
    assert found.classes == 10


def test_parts_are_made_when_they_are_asked_for(pictures):
    found = training_data("cifar10_gray", data_dir=pictures, length=256)
    assert "train" not in vars(found)
    assert found.test is found.test
    assert set(vars(found)) & {"train", "validation", "test"} == {"test"}


@pytest.mark.parametrize("name", ["cifar10_gray", "listops", "pathfinder"])
def test_another_length_is_refused(name, pictures):
    with pytest.raises(DataError, match=r"(?s)length of a sequence.*300.*256"):
        training_data(name, data_dir=pictures, length=300)


@pytest.mark.parametrize(("name", "file"), [("imdb", "imdb.npz"), ("cifar10_gray", "cifar10_jpeg.npz")])
def test_a_missing_file_is_named(name, file, tmp_path):
    with pytest.raises(DataError, match=f"(?s)not on this machine.*{file}"):
        training_data(name, length=256)
    with pytest.raises(DataError, match=rf"(?s){file}.*no such file.*docs/datasets.md"):
        training_data(name, data_dir=tmp_path, length=256)


def test_papers_cannot_be_had():
    with pytest.raises(DataError, match=r"(?s)ACL Anthology.*imdb, listops"):
        training_data("aan", length=4000)


def test_made_rows_need_no_folder():
    found = training_data("listops", length=256)
    assert found.test.raw.shape == (5000, 256)
    assert found.test.lengths.max() <= 256
    assert found.classes == 10
    assert found.test.inputs(slice(0, 3)).max() == 15


@dataclass(frozen=True)
class Inputs:
    """What of a network says which data fit."""

    inputs: dict = field(default_factory=lambda: {"tokens": (1, 32), "length": (1,)})
    whole_inputs: frozenset = frozenset({"tokens", "length"})


def test_a_network_gets_its_lengths_from_the_data_set(reviews):
    network = build_graph(load_workload("performer_imdb_full_short")).network
    found = network_data("imdb", network, data_dir=reviews)
    assert set(found.inputs) == {"tokens", "length"}
    np.testing.assert_array_equal((found.inputs["tokens"] > 0).sum((1, 2)), found.inputs["length"][:, 0])
    assert len(found.calibration["length"]) == len(found.calibration["tokens"]) == 256
    assert len(found.labels) == 40


def test_all_tokens_count_where_a_file_has_no_lengths(tmp_path):
    tokens = np.random.default_rng(0).integers(1, 9, (20, 32))
    np.savez(tmp_path / "own.npz", X=tokens, y=np.zeros(20, int))
    found = network_data(tmp_path / "own.npz", Inputs())
    assert (found.inputs["length"] == 32).all()
    np.savez(tmp_path / "own.npz", X=tokens, length=np.arange(1, 21), X_calibration=tokens[:2] + 1, y=np.zeros(20, int))
    found = network_data(tmp_path / "own.npz", Inputs())
    assert found.inputs["length"][:, 0].tolist() == list(range(1, 21))
    assert found.calibration["length"][:, 0].tolist() == [32, 32]


@pytest.mark.parametrize(("lengths", "got"), [(np.arange(20), "from 0 to 19"), (np.arange(20) + 20, "from 20 to 39")])
def test_lengths_that_cannot_be_are_refused(tmp_path, lengths, got):
    np.savez(tmp_path / "own.npz", X=np.ones((20, 32), int), length=lengths)
    with pytest.raises(DataError, match=got):
        network_data(tmp_path / "own.npz", Inputs())


def test_a_data_set_for_a_network_of_several_inputs_is_refused():
    with pytest.raises(DataError, match="a network of inputs left, right"):
        network_data("listops", Inputs(inputs={"left": (1, 256), "right": (1, 256)}))
