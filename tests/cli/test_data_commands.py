"""`hermes-sim data`: what ships is what was published, and what does not can be fetched, checked and used."""

from __future__ import annotations

import hashlib
import json
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from sklearn.datasets import dump_svmlight_file

from hermes_sim.config.files import read_yaml, shipped_dir
from hermes_sim.errors import DataError
from hermes_sim.numerics import data_fetch, data_sources
from hermes_sim.numerics.data_sources import content_sha256, fetched_dir, known_data
from hermes_sim.numerics.dataset_files import read_archive
from hermes_sim.numerics.datasets import BUNDLED, load_dataset
from hermes_sim.numerics.training_data import training_data

# the archives byte for byte, as sha256sum prints it
PUBLISHED = {
    "letter.npz": "ac94d9b24b5c1367d09f6b03deb75c2078c18e419259c5dde00a90b9e5c8634f",
    "magic04.npz": "811479ebd474c6d6f9e8c97fa7f2d6fbdc40112e9c845d72e20ed93d43283b33",
    "eeg.npz": "7e84bc81e0b88b90f5e06e08885c8ee196b866d3a95ce5d68ff6984a101adc92",
    "skin.npz": "859cb11e8e15fbce072222f77162824bb28c6c0cb5a251a49361e9c6bd2edefe",
}
TEXT = {"files": ["toy", "toy.t"], "place": "nowhere", "columns": 4, "parts": [40, 24]}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty folder of fetched sets."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    return fetched_dir()


@pytest.fixture
def toy(monkeypatch):
    """A set of two text files that is known as `toy`: its arrays."""
    rng = np.random.default_rng(0)
    arrays = {
        "X": rng.standard_normal((64, 4)).astype(np.float32),
        "y": np.tile([-1, 1], 32).astype(np.int8),
        "split": np.repeat([0, 1], [40, 24]).astype(np.int8),
    }
    toy = {
        "kind": "kernel_ridge", "title": "toy", "source": "here", "licence": "none stated", "comes": "published",
        "archive": "toy.npz", "sha256": content_sha256(arrays), "text": TEXT,
    }  # fmt: skip
    known = {**known_data(), "toy": data_sources.KnownData(**toy)}
    for module in (data_sources, data_fetch):
        monkeypatch.setattr(module, "known_data", lambda: known)
    return arrays


@pytest.fixture
def files(toy, tmp_path):
    """The two files, as they would be published."""
    folder = tmp_path / "published"
    folder.mkdir()
    for code, name in enumerate(TEXT["files"]):
        rows = toy["split"] == code
        dump_svmlight_file(toy["X"][rows], toy["y"][rows], str(folder / name), zero_based=False)
    return folder


@pytest.fixture
def address(files):
    """The same folder on a server of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=files))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_arguments):
        pass


def test_every_shipped_archive_is_the_published_one():
    ships = {known.archive: known for known in known_data().values() if known.comes == "package"}
    assert set(ships) == set(PUBLISHED) == {path.name for path in shipped_dir("datasets").glob("*.npz")}
    for name, known in ships.items():
        path = shipped_dir("datasets") / name
        assert hashlib.sha256(path.read_bytes()).hexdigest() == PUBLISHED[name]
        assert content_sha256(read_archive(path)) == known.sha256
    notice = (shipped_dir("datasets") / "NOTICE.md").read_text(encoding="utf-8")
    assert [name for name in PUBLISHED if f"`{name}`" not in notice] == []


def test_shipped_sets_are_those_of_the_folder_of_data(shared):
    for name in ("letter", "magic", "eeg", "skin"):
        ours, theirs = load_dataset(name), load_dataset(name, shared / "data")
        assert ours.fingerprint == theirs.fingerprint
        assert (ours.clip_inputs_std, ours.published_split_known) == (
            theirs.clip_inputs_std,
            theirs.published_split_known,
        )
    for name in ("ijcnn1", "cod-rna"):
        ours = shipped_dir("datasets") / "to_fetch" / f"{name}.yaml"
        assert read_yaml(ours, error=DataError).data == read_yaml(shared / "data" / ours.name, error=DataError).data


def test_every_name_that_a_command_takes_is_in_the_list(command):
    found = json.loads(command("data", "list", "--json").stdout)["data_sets"]
    assert {*BUNDLED, *(path.stem for path in shipped_dir("datasets").rglob("*.npz"))} <= {*found, "magic04"}
    with pytest.raises(DataError) as unknown:
        training_data("nothing")
    networks = set(unknown.value.allowed.split(", ")) - {"cifar10_gray"}  # made of cifar10_jpeg
    assert networks == {name for name, one in found.items() if "networks" in one["kind"]}
    assert found["letter"]["at_hand"] is found["digits"]["at_hand"] is True
    assert (found["ijcnn1"]["at_hand"], found["ijcnn1"]["file"]) == (False, None)
    assert "IJCNN 2001" in command("data", "list").stdout


def test_text_is_fetched_checked_and_found_by_its_name(command, home, toy, address):
    options = [part for name in TEXT["files"] for part in ("--from", address + name)]
    done = command("data", "get", "toy", *options)
    assert done.returncode == 0, done.stderr
    arrays = read_archive(home / "toy.npz")
    for name, array in toy.items():
        np.testing.assert_array_equal(arrays[name], array)
    assert json.loads(command("data", "list", "--json").stdout)["data_sets"]["toy"]["file"] == str(home / "toy.npz")
    assert "contents as published" in command("data", "get", "toy").stdout  # once here, nothing is fetched


@pytest.mark.usefixtures("toy")
def test_an_address_of_the_table_is_used(home, address, monkeypatch):
    known = known_of_toy(address)
    monkeypatch.setattr(data_fetch, "known_data", lambda: known)
    assert data_fetch.get_data("toy") == home / "toy.npz"


def known_of_toy(address):
    toy = data_fetch.known_data()["toy"]
    return {"toy": toy.model_copy(update={"text": toy.text.model_copy(update={"address": address})})}


def test_an_archive_of_ones_own_goes_beside_its_description(command, home, toy, tmp_path, monkeypatch):
    ijcnn1 = known_data()["ijcnn1"].model_copy(update={"sha256": content_sha256(toy)})
    known = {**known_data(), "ijcnn1": ijcnn1}
    for module in (data_sources, data_fetch):
        monkeypatch.setattr(module, "known_data", lambda: known)
    np.savez(tmp_path / "packed_otherwise.npz", **toy)
    done = command("data", "get", "ijcnn1", "--from", tmp_path / "packed_otherwise.npz", "--data-dir", tmp_path / "put")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "put").iterdir()} == {"ijcnn1.npz", "ijcnn1.yaml"}
    assert not home.exists()


@pytest.mark.usefixtures("toy")
def test_what_cannot_be_had_is_told_with_the_way_by_hand(command, home, address, files, tmp_path):
    np.savez(tmp_path / "other.npz", X=np.ones((2, 2)))
    (files / "no_text").write_text("1 one:2\n", encoding="utf-8")
    by_hand = "bring toy and toy.t here"
    for options, message in (
        ((), by_hand),
        (("--from", f"{address}gone", "--from", f"{address}toy.t"), f"File not found(.|\n)*{by_hand}"),
        (("--from", "http://127.0.0.1:1/toy", "--from", "x"), f"Connection refused(.|\n)*{by_hand}"),
        (("--from", files / "toy"), "toy.npz, or toy and toy.t"),
        (("--from", files / "toy", "--from", files / "gone"), "no such file"),
        (("--from", files / "toy.t", "--from", files / "toy"), "behind the results here"),
        (("--from", files / "toy", "--from", files / "toy"), "80 rows(.|\n)*64 rows"),
        (("--from", files / "toy", "--from", files / "no_text"), "LIBSVM form of 4 columns"),
        (("--from", tmp_path / "other.npz"), r"X float64 \(2, 2\)"),
    ):
        done = command("data", "get", "toy", *options)
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        assert "Traceback" not in done.stderr
        with pytest.raises(DataError, match=message):
            data_fetch.get_data("toy", [str(one) for one in options if one != "--from"])
        assert not home.exists()


def test_bad_names_are_one_clear_error(command):
    done = command("data", "get", "leter")
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean 'letter'" in done.stderr
    assert command("data", "get", "letter", "digits", "--from", "x").returncode == 2
    assert "digits: needs no file" in command("data", "get", "digits").stdout
    assert command("data", "list", "--data-dir", "/gone").returncode == 2
