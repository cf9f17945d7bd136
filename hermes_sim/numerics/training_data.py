"""Data sets of trained networks: rows to train on, rows to choose by, rows to score, each read when it is asked for.

Names are what a workload file says under `data:`. Pictures are (channels, rows, columns), texts windows of symbols with
the symbol that follows each as label.
"""

from __future__ import annotations

import io
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.datasets import load_digits

from hermes_sim.errors import DataError, chosen, nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

CIFAR10, DIGITS, PTB = "cifar10_jpeg", "digits", "ptb_char"
_DIGITS_TEST, _DIGITS_VALID, _CIFAR_VALID = 360, 180, 5000
_TRAIN, _TEST = 0, 2  # codes of `split` in an archive


@dataclass(frozen=True)
class Rows:
    """Inputs and labels.

    Parameters
    ----------
    raw : (n, ...) as they are stored, whole numbers
    labels : (n,) or (n, steps)
    factor, offset : inputs are ``raw * factor + offset``, in float32; symbols (a factor of None) stay whole numbers
    """

    raw: NDArray[Any]
    labels: NDArray[np.int64]
    factor: float | None = None
    offset: float = 0.0

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
        return Rows(self.raw[rows], self.labels[rows], self.factor, self.offset)


@dataclass(frozen=True)
class TrainingData:
    """A data set in three parts, always the same rows.

    Parameters
    ----------
    name : what a workload file says
    validation : for choosing a checkpoint; test : never looked at in training
    classes : number of labels
    """

    name: str
    train: Rows
    validation: Rows
    test: Rows
    classes: int


def training_data(name: str, *, data_dir: str | Path | None = None, steps: int = 1) -> TrainingData:
    """Data set of a network.

    Parameters
    ----------
    name : ``digits`` (of scikit-learn), ``cifar10_jpeg`` or ``ptb_char``
    data_dir : folder with ``NAME.npz``; the digits need none
    steps : symbols in a window of text

    Raises
    ------
    DataError
        no such name or file, or a file with other arrays
    """
    return _READERS[chosen("data", name, _READERS, error=DataError)](data_dir, steps)


def _digits(_folder: str | Path | None, _steps: int) -> TrainingData:
    pixels, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    every = Rows(pixels.astype(np.uint8).reshape(-1, 1, 8, 8), labels.astype(np.int64), 1 / 16)
    ends = len(order) - _DIGITS_TEST - _DIGITS_VALID, len(order) - _DIGITS_TEST
    train, validation, test = (every.taken(rows) for rows in np.split(order, ends))
    return TrainingData(DIGITS, train, validation, test, 10)


def _cifar10(folder: str | Path | None, _steps: int) -> TrainingData:
    """Pictures in RGB from -1 to 1; the last training pictures choose the checkpoint."""
    arrays = _archive(CIFAR10, folder, ("jpeg", "offset", "y", "split"))
    labels, split = arrays["y"].astype(np.int64), arrays["split"]
    pictures = _decoded(arrays["jpeg"], arrays["offset"])
    every = Rows(pictures, labels, 1 / 127.5, -1.0)
    train, test = np.flatnonzero(split == _TRAIN), np.flatnonzero(split == _TEST)
    parts = [every.taken(rows) for rows in (train[:-_CIFAR_VALID], train[-_CIFAR_VALID:], test)]
    return TrainingData(CIFAR10, parts[0], parts[1], parts[2], 10)


def _decoded(jpeg: NDArray[np.uint8], offset: NDArray[np.int64]) -> NDArray[np.uint8]:
    """(n, 3, 32, 32) from JPEG files one behind the other."""
    try:
        from PIL import Image  # noqa: PLC0415 - an extra
    except ImportError:
        raise DataError(
            "Pillow", got="the package is not installed", allowed="pip install 'hermes-sim[images]'"
        ) from None
    pictures = np.empty((len(offset) - 1, 3, 32, 32), np.uint8)
    data = jpeg.tobytes()
    for i, (begin, end) in enumerate(itertools.pairwise(offset)):
        with Image.open(io.BytesIO(data[begin:end])) as picture:
            pictures[i] = np.asarray(picture.convert("RGB")).transpose(2, 0, 1)
    return pictures


def _ptb(folder: str | Path | None, steps: int) -> TrainingData:
    """Characters as numbers from 0, in the order of their codes; windows one behind the other."""
    arrays = _archive(PTB, folder, ("train", "valid", "test"))
    symbols = np.unique(arrays["train"])
    number = np.zeros(256, np.uint8)
    number[symbols] = np.arange(len(symbols))
    parts = []
    for name in ("train", "valid", "test"):
        unknown = np.setdiff1d(arrays[name], symbols)
        if len(unknown):
            raise DataError(f"{PTB}: {name}", got=f"character {unknown[0]}", allowed="characters of `train` only")
        parts.append(windows(number[arrays[name]], steps))
    return TrainingData(PTB, parts[0], parts[1], parts[2], len(symbols))


def windows(text: NDArray[np.uint8], steps: int, *, first: int = 0) -> Rows:
    """Windows of so many symbols from a place on; what is left at the end is not used."""
    count = (len(text) - 1 - first) // steps
    inputs = text[first : first + count * steps].reshape(count, steps)
    labels = text[first + 1 : first + 1 + count * steps].reshape(count, steps)
    return Rows(inputs, labels.astype(np.int64))


def _archive(name: str, folder: str | Path | None, wanted: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    if folder is None:
        raise DataError(f"data {name}", got="no folder", allowed=f"--data-dir DIR with {name}.npz in it")
    path = Path(folder) / f"{name}.npz"
    if not path.is_file():
        there = sorted(file.stem for file in Path(folder).glob("*.npz"))
        raise DataError(str(path), got="no such file", allowed=f"a folder with {name}.npz", hint=nearest(name, there))
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
    PTB: _ptb,
}
