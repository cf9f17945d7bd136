"""Data sets of trained networks: rows to train on, rows to choose by, rows to score, each read when it is asked for.

Names are what a workload file says under `data:`. Pictures are (channels, rows, columns), or one sequence of grey
pixels; texts are windows of symbols with the symbol that follows each as label, or whole texts with one label.
"""

from __future__ import annotations

import io
import itertools
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from sklearn.datasets import load_digits

from hermes_sim.errors import DataError, chosen, nearest
from hermes_sim.numerics.archives import PUBLISHED
from hermes_sim.numerics.data_sources import archive_at_hand, how_to_get
from hermes_sim.numerics.synthetic import LISTOPS_LENGTHS, PATHFINDER_LENGTHS, make_listops, make_pathfinder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    Array = NDArray[Any]
    Part = Literal["train", "validation", "test"]
    Read = Callable[[Part], "Rows"]

CIFAR10, CIFAR10_GRAY, DIGITS, IMDB, PTB = "cifar10_jpeg", "cifar10_gray", "digits", "imdb", "ptb_char"
LISTOPS, PATHFINDER = "listops", "pathfinder"
_AAN = "aan"
_DIGITS_TEST, _DIGITS_VALID, _CIFAR_VALID, _IMDB_VALID = 360, 180, 5000, 2000
_TRAIN, _TEST = 0, 2  # codes of `split` in an archive
# Rows that are made, by length of a sequence: of 256 our own choice, the others are the published numbers.
_LISTOPS_ROWS: dict[int, dict[Part, int]] = {
    2000: {"train": 96_000, "validation": 2_000, "test": 2_000},
    256: {"train": 96_000, "validation": 2_000, "test": 5_000},
}
_PATHFINDER_ROWS: dict[int, dict[Part, int]] = {
    1024: {"train": 160_000, "validation": 20_000, "test": 20_000},
    256: {"train": 160_000, "validation": 2_000, "test": 5_000},
}
_EASIER_ROWS = 20_000  # of each degree
_GREY = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Rows:
    """Inputs and labels.

    Parameters
    ----------
    raw : (n, ...) as they are stored, whole numbers
    labels : (n,) or (n, steps)
    factor, offset : inputs are ``raw * factor + offset``, in float32; symbols (a factor of None) stay whole numbers
    lengths : (n,) symbols of a row that count, the others are padding; None: all
    """

    raw: NDArray[Any]
    labels: NDArray[np.int64]
    factor: float | None = None
    offset: float = 0.0
    lengths: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.raw)

    def inputs(self, rows: NDArray[np.int64] | slice = slice(None)) -> NDArray[Any]:
        """Inputs of some rows, by default all."""
        taken = self.raw[rows]
        if self.factor is None:
            return taken.astype(np.int64)
        return taken.astype(np.float32) * np.float32(self.factor) + np.float32(self.offset)

    def taken(self, rows: NDArray[np.int64] | slice) -> Rows:
        """Some of the rows."""
        lengths = None if self.lengths is None else self.lengths[rows]
        return replace(self, raw=self.raw[rows], labels=self.labels[rows], lengths=lengths)


@dataclass(frozen=True)
class TrainingData:
    """A data set in three parts, always the same rows.

    Parameters
    ----------
    name : what a workload file says
    read : makes a part by its name; each is made once, when it is first asked for
    classes : number of labels
    easier : makes rows to begin training with, from 1 (easiest) to 0 (like those of the task); None: there are none
    """

    name: str
    read: Read
    classes: int
    easier: Callable[[float], Rows] | None = None

    @cached_property
    def train(self) -> Rows:
        """Rows to train on."""
        return self.read("train")

    @cached_property
    def validation(self) -> Rows:
        """Rows to choose a checkpoint by."""
        return self.read("validation")

    @cached_property
    def test(self) -> Rows:
        """Rows to score, never looked at in training."""
        return self.read("test")


def training_data(name: str, *, data_dir: str | Path | None = None, length: int = 1) -> TrainingData:
    """Data set of a network.

    Parameters
    ----------
    name : ``digits`` (of scikit-learn), ``cifar10_jpeg``, ``cifar10_gray``, ``imdb``, ``ptb_char``, ``listops``,
        ``pathfinder``
    data_dir : folder with ``NAME.npz``; grey pictures are those of ``cifar10_jpeg.npz``; ``digits`` and the last two,
        which are made by rules, need none
    length : symbols or grey pixels in a sequence; pictures of several rows have one size

    Raises
    ------
    DataError
        no such name or file, a file with other arrays, a length that the set has not
    """
    if name == _AAN:
        raise DataError(
            f"data {_AAN}",
            got="papers of the ACL Anthology Network, of which there is no copy to be had; no rule makes them",
            allowed=f"the other tasks of Long Range Arena: {IMDB}, {LISTOPS}, {CIFAR10_GRAY}, {PATHFINDER}",
        )
    return _READERS[chosen("data", name, _READERS, error=DataError)](data_dir, length)


def _digits(_folder: str | Path | None, _length: int) -> TrainingData:
    pixels, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    every = Rows(pixels.astype(np.uint8).reshape(-1, 1, 8, 8), labels.astype(np.int64), 1 / 16)
    ends = len(order) - _DIGITS_TEST - _DIGITS_VALID, len(order) - _DIGITS_TEST
    parts = _parts(*np.split(order, ends))
    return TrainingData(DIGITS, lambda part: every.taken(parts[part]), 10)


def _parts(train: Array, validation: Array, test: Array) -> dict[Part, Array]:
    return {"train": train, "validation": validation, "test": test}


def _cifar10(folder: str | Path | None, _length: int) -> TrainingData:
    """Pictures in RGB from -1 to 1; the last training pictures choose the checkpoint."""
    arrays, parts = _cifar_parts(folder)

    def read(part: Part) -> Rows:
        pictures = np.stack(list(_decoded(arrays, parts[part])))
        return Rows(pictures, arrays["y"][parts[part]].astype(np.int64), 1 / 127.5, -1.0)

    return TrainingData(CIFAR10, read, 10)


def _cifar10_gray(folder: str | Path | None, length: int) -> TrainingData:
    """The same pictures as one row of grey pixels, normalised as published, or averaged over squares of four before."""
    sides = {side * side: side for side in (32, 16)}
    _check_length(CIFAR10_GRAY, length, sides)
    arrays, parts = _cifar_parts(folder)

    def read(part: Part) -> Rows:
        rows = parts[part]
        pixels = np.empty((len(rows), length), np.uint8)
        for i, picture in enumerate(_decoded(arrays, rows)):
            pixels[i] = _grey(picture, sides[length])
        return Rows(pixels, arrays["y"][rows].astype(np.int64), 1 / (255 * 0.24), -0.48 / 0.24)

    return TrainingData(CIFAR10_GRAY, read, 10)


def _grey(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Rounded brightness of (side, side) squares of a picture of (3, 32, 32), one behind the other."""
    squares = np.tensordot(_GREY, picture, axes=1).reshape(side, 32 // side, side, 32 // side)
    rounded: NDArray[np.uint8] = np.rint(squares.mean((1, 3))).astype(np.uint8)
    return rounded.reshape(-1)


def _cifar_parts(folder: str | Path | None) -> tuple[dict[str, Array], dict[Part, Array]]:
    arrays = _archive(CIFAR10, folder)
    train, test = (np.flatnonzero(arrays["split"] == code) for code in (_TRAIN, _TEST))
    return arrays, _parts(train[:-_CIFAR_VALID], train[-_CIFAR_VALID:], test)


def _decoded(arrays: Mapping[str, Array], rows: Array) -> Iterator[NDArray[np.uint8]]:
    """Pictures of (3, 32, 32) from JPEG files one behind the other."""
    try:
        from PIL import Image  # noqa: PLC0415 - an extra
    except ImportError:
        raise DataError(
            "Pillow", got="the package is not installed", allowed="pip install 'hermes-sim[images]'"
        ) from None
    jpeg, offset = arrays["jpeg"], arrays["offset"]
    for row in rows:
        with Image.open(io.BytesIO(jpeg[offset[row] : offset[row + 1]].tobytes())) as picture:
            yield np.asarray(picture.convert("RGB")).transpose(2, 0, 1)


def _imdb(folder: str | Path | None, length: int) -> TrainingData:
    """Bytes of reviews, cut, and 0 behind their end; two classes.

    Training reviews choose the checkpoint (published runs: test reviews), of those that are in the set only once: some
    hundred are in both parts.
    """
    arrays = _archive(IMDB, folder)
    text, offset = arrays["text"], arrays["offset"]
    if not text.all():
        raise DataError(f"{IMDB}: text", got="a byte of 0", allowed="bytes from 1 to 255: 0 is padding")
    train, test = (np.flatnonzero(arrays["split"] == code) for code in (_TRAIN, _TEST))
    times = Counter(text[begin:end].tobytes() for begin, end in itertools.pairwise(offset))
    order = np.random.default_rng(0).permutation(train)
    single = [row for row in order if times[text[offset[row] : offset[row + 1]].tobytes()] == 1]
    validation = np.sort(single[:_IMDB_VALID])
    parts = _parts(np.setdiff1d(train, validation), validation, test)

    def read(part: Part) -> Rows:
        rows = parts[part]
        lengths = np.minimum(offset[rows + 1] - offset[rows], length)
        symbols = np.zeros((len(rows), length), np.uint8)
        for given, begin, count in zip(symbols, offset[rows], lengths, strict=True):
            given[:count] = text[begin : begin + count]
        return Rows(symbols, arrays["y"][rows].astype(np.int64), lengths=lengths)

    return TrainingData(IMDB, read, 2)


def _listops(_folder: str | Path | None, length: int) -> TrainingData:
    """Trees made by rules; the label is the value of a tree."""
    _check_length(LISTOPS, length, LISTOPS_LENGTHS)

    def read(part: Part) -> Rows:
        made = make_listops(part, _LISTOPS_ROWS[length][part], longest=length)
        return Rows(made.symbols, made.labels, lengths=made.lengths)

    return TrainingData(LISTOPS, read, 10)


def _pathfinder(_folder: str | Path | None, length: int) -> TrainingData:
    """Pictures made by rules, from -1 to 1, one row of pixels behind the other."""
    _check_length(PATHFINDER, length, PATHFINDER_LENGTHS)

    def made(part: Part, n: int, ease: float) -> Rows:
        pictures, labels = make_pathfinder(part, n, pixels=length, ease=ease)
        return Rows(pictures, labels, 1 / 127.5, -1.0)

    return TrainingData(
        PATHFINDER,
        lambda part: made(part, _PATHFINDER_ROWS[length][part], 0.0),
        2,
        easier=lambda ease: made("train", _EASIER_ROWS, ease),
    )


def _check_length(name: str, length: int, known: Iterable[int]) -> None:
    if length not in known:
        raise DataError(f"data {name}: length of a sequence", got=length, allowed=" or ".join(map(str, known)))


def _ptb(folder: str | Path | None, length: int) -> TrainingData:
    """Characters as numbers from 0, in the order of their codes; windows one behind the other."""
    arrays = _archive(PTB, folder)
    symbols = np.unique(arrays["train"])
    number = np.zeros(256, np.uint8)
    number[symbols] = np.arange(len(symbols))
    for name in ("valid", "test"):
        unknown = np.setdiff1d(arrays[name], symbols)
        if len(unknown):
            raise DataError(f"{PTB}: {name}", got=f"character {unknown[0]}", allowed="characters of `train` only")
    parts = _parts(arrays["train"], arrays["valid"], arrays["test"])
    return TrainingData(PTB, lambda part: windows(number[parts[part]], length), len(symbols))


def windows(text: NDArray[np.uint8], steps: int, *, first: int = 0) -> Rows:
    """Windows of so many symbols from a place on; what is left at the end is not used."""
    count = (len(text) - 1 - first) // steps
    inputs = text[first : first + count * steps].reshape(count, steps)
    labels = text[first + 1 : first + 1 + count * steps].reshape(count, steps)
    return Rows(inputs, labels.astype(np.int64))


def _archive(name: str, folder: str | Path | None) -> dict[str, NDArray[Any]]:
    wanted = PUBLISHED[name]
    path = archive_at_hand(name, None if folder is None else Path(folder))
    if path is None and folder is None:
        allowed = f"--data-dir DIR with {name}.npz in it, or {how_to_get(name)}"
        raise DataError(f"data {name}", got="not on this machine", allowed=allowed)
    if path is None:
        there = sorted(file.stem for file in Path(str(folder)).glob("*.npz"))
        hint = f"{nearest(name, there)} docs/datasets.md says what is in it and where it is from".lstrip()
        raise DataError(f"{folder}/{name}.npz", got="no such file", allowed=f"a folder with {name}.npz", hint=hint)
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in wanted if key in archive.files}
    except (OSError, ValueError) as cause:
        raise DataError(str(path), got=str(cause), allowed="an .npz archive of plain arrays") from None
    missing = [key for key in wanted if key not in arrays]
    if missing:
        raise DataError(f"{path}: {missing[0]}", got="no such array", allowed=", ".join(wanted))
    return arrays


_READERS: dict[str, Callable[[str | Path | None, int], TrainingData]] = {
    DIGITS: _digits,
    CIFAR10: _cifar10,
    CIFAR10_GRAY: _cifar10_gray,
    IMDB: _imdb,
    LISTOPS: _listops,
    PATHFINDER: _pathfinder,
    PTB: _ptb,
}
