"""Data sets: two of scikit-learn, those that ship, and any NAME.yaml + NAME.npz that says how an experiment used it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hermes_sim.errors import DataError, nearest
from hermes_sim.numerics.data_sources import data_folders, how_to_get, known_data
from hermes_sim.numerics.dataset_files import read_dataset_file
from hermes_sim.rng import generator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from hermes_sim.numerics.chip_models import Assumed
    from hermes_sim.numerics.dataset_files import SplitRule

BUNDLED = ("breast_cancer", "digits")


@dataclass(frozen=True)
class Split:
    """One training and test part.

    Parameters
    ----------
    x_train, x_test : (n, d) float32, normalised
    y_train, y_test : (n,) class numbers from 0
    """

    x_train: NDArray[np.float32]
    y_train: NDArray[np.int64]
    x_test: NDArray[np.float32]
    y_test: NDArray[np.int64]


@dataclass(frozen=True)
class Dataset:
    """A classification data set and the rule that splits it.

    Parameters
    ----------
    name : name used in reports and measurement tables
    x : (n, d) values before normalisation
    y : (n,) class numbers from 0
    n_classes : 2 or more
    rule : how to split and normalise
    clip_inputs_std : rows are clipped at so many standard deviations after normalisation, before everything (None: not)
    published_split_known : whether every published seed used the split that `rule` gives
    """

    name: str
    x: NDArray[np.float64]
    y: NDArray[np.int64]
    n_classes: int
    rule: SplitRule
    clip_inputs_std: float | None = None
    published_split_known: bool = True

    @property
    def n_features(self) -> int:
        """Inputs per row."""
        return int(self.x.shape[1])

    @property
    def n_outputs(self) -> int:
        """Outputs of a readout: one for two classes, else one per class."""
        return 1 if self.n_classes == 2 else self.n_classes

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the values, labels and settings."""
        digest = hashlib.sha256(np.ascontiguousarray(self.x).tobytes())
        digest.update(np.ascontiguousarray(self.y).tobytes())
        groups = (self.rule.train, self.rule.test)
        rows = [None if group is None else [int(part.sum()) for part in group] for group in groups]
        digest.update(repr((self.clip_inputs_std, self.rule.fit, self.rule.ddof, rows)).encode())
        return digest.hexdigest()[:16]

    def split(self, seed: int) -> Split:
        """Training and test part; random splits depend on the seed, fixed ones do not."""
        train, test = self.rule.rows(len(self.x), generator(seed, "split", self.name))
        parts = [self.rule.normalised(self.x, part, train).astype(np.float32) for part in (train, test)]
        if self.clip_inputs_std is not None:
            parts = [np.clip(part, -self.clip_inputs_std, self.clip_inputs_std) for part in parts]
        train_rows, test_rows = np.concatenate(train), np.concatenate(test)
        return Split(parts[0], self.y[train_rows], parts[1], self.y[test_rows])

    def targets(self, y: NDArray[np.int64]) -> NDArray[np.float64]:
        """Ridge targets: (n, 1) of 0 and 1 for two classes, else one column per class."""
        if self.n_classes == 2:
            return np.asarray((y == 1).astype(np.float64)[:, None])
        return np.asarray(np.eye(self.n_classes)[y])

    def predicted(self, outputs: NDArray[Any]) -> NDArray[np.int64]:
        """Class numbers from ridge outputs (n, 1) or (n, n_classes)."""
        if self.n_classes == 2:
            return (outputs[:, 0] > 0.5).astype(np.int64)
        return np.asarray(outputs.argmax(axis=1), np.int64)


def load_dataset(name_or_path: str | Path, data_dir: str | Path | None = None) -> Dataset:
    """Data set of a name, or of a YAML file.

    Parameters
    ----------
    name_or_path : a name whose NAME.yaml lies in a folder, the ``name`` that a YAML file there declares, ``digits``,
        ``breast_cancer``, or the path of a YAML file
    data_dir : folder that counts before those of sets that were fetched and of sets that ship

    Raises
    ------
    DataError
        no such data set, or one that cannot be used: file, field, what was found and what is allowed
    """
    path = _find(str(name_or_path), data_dir)
    return _bundled(str(name_or_path)) if path is None else _from_file(path)


def runs_of_dataset(name: str, data_dir: str | Path | None = None) -> Mapping[str, Assumed]:
    """What the file of a data set says of its published runs; nothing for one of scikit-learn.

    Raises    DataError  as `load_dataset`
    """
    path = _find(name, data_dir)
    return {} if path is None else read_dataset_file(path).runs


def has_dataset(name: str, data_dir: str | Path | None = None) -> bool:
    """Whether a data set of that name is on this machine.

    Raises    DataError  for a folder that is not there, a file that cannot be read
    """
    return name in BUNDLED or _in_folders(name, _folders(data_dir)) is not None


def dataset_names(folder: Path) -> list[str]:
    """Names of the data sets in a folder."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def _find(name: str, data_dir: str | Path | None) -> Path | None:
    """File that describes a data set; None for those of scikit-learn."""
    folders = _folders(data_dir)
    found = _in_folders(name, folders)
    if found is not None or name in BUNDLED:
        return found
    path = Path(name)
    if path.suffix in (".yaml", ".yml", ".npz"):
        return path.with_suffix(".yaml") if path.suffix == ".npz" else path
    known = list(dict.fromkeys([*BUNDLED, *(name for folder in folders for name in dataset_names(folder))]))
    if name in known_data():
        raise DataError(
            f"data set {name!r}",
            got="not on this machine",
            allowed=", ".join(known),
            hint=f"{how_to_get(name)}, or --data-dir DIR with {name}.yaml and {known_data()[name].archive}",
        )
    raise DataError(
        f"data set {name!r}",
        got="no such data set",
        allowed=f"{', '.join(known)}, or the path of a YAML file",
        hint=nearest(name, [*known, *known_data()]) or ("a folder with --data-dir" if data_dir is None else ""),
    )


def _folders(data_dir: str | Path | None) -> list[Path]:
    return data_folders(None if data_dir is None else Path(data_dir))


def _in_folders(name: str, folders: Sequence[Path]) -> Path | None:
    for folder in folders:
        names = dataset_names(folder)
        if name in names:
            return folder / f"{name}.yaml"
        # a file may declare another name than its own: magic04.yaml is `magic`
        for stem in names:
            if read_dataset_file(folder / f"{stem}.yaml").name == name:
                return folder / f"{stem}.yaml"
    return None


def _from_file(path: Path) -> Dataset:
    record = read_dataset_file(path)
    x, labels, rule = record.load_arrays()
    y, n_classes = record.classes_of(labels)
    dataset = Dataset(
        name=record.name,
        x=x,
        y=y,
        n_classes=n_classes,
        rule=rule,
        clip_inputs_std=record.clip_inputs_std,
        published_split_known=record.published_split_known,
    )
    split = dataset.split(0)
    for part, classes, needed in (("training", split.y_train, n_classes), ("test", split.y_test, 2)):
        found = len(np.unique(classes))
        if found < needed:
            raise DataError(
                f"{path}: split",
                got=f"{'one class' if found == 1 else f'{found} classes'} in the {part} part",
                allowed=f"{'both' if n_classes == 2 else needed} classes",
            )
    return dataset


def _bundled(name: str) -> Dataset:
    from sklearn import datasets  # noqa: PLC0415 - a second of start-up for a command that needs no data

    from hermes_sim.numerics.dataset_files import SplitRule  # noqa: PLC0415

    bunch = datasets.load_digits() if name == "digits" else datasets.load_breast_cancer()
    y = np.asarray(bunch.target, np.int64)
    return Dataset(
        name=name,
        x=np.asarray(bunch.data, np.float64),
        y=y,
        n_classes=int(y.max()) + 1,
        rule=SplitRule.random_half(ddof=1, fit="train"),
    )
