"""Reading NAME.yaml + NAME.npz: rows, columns, target, normalisation, split, each checked with one clear error."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hermes_sim.config.files import read_yaml
from hermes_sim.config.validate import validate
from hermes_sim.errors import DataError, nearest
from hermes_sim.numerics.archives import KERNEL_RIDGE
from hermes_sim.numerics.dataset_runs import CLIP, clip_of, runs_of
from hermes_sim.numerics.dataset_schema import DatasetSection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from hermes_sim.config.files import YamlDocument
    from hermes_sim.numerics.chip_models import Assumed

    Rows = NDArray[np.int64]


@dataclass(frozen=True)
class SplitRule:
    """Which rows train and which test, and whose statistics normalise them.

    Parameters
    ----------
    train, test : groups of row numbers; None for a random half
    fit : ``all`` rows, each ``part`` (group) by itself, or ``train`` for both
    """

    train: tuple[Rows, ...] | None
    test: tuple[Rows, ...] | None
    ddof: int
    fit: str
    zscore: bool = True

    @classmethod
    def random_half(cls, *, ddof: int, fit: str, zscore: bool = True) -> SplitRule:
        """First half of a permutation trains, the rest tests."""
        return cls(None, None, ddof, fit, zscore)

    def rows(self, n_rows: int, rng: np.random.Generator) -> tuple[list[Rows], list[Rows]]:
        """Groups of training rows and of test rows."""
        if self.train is None or self.test is None:
            order = rng.permutation(n_rows)
            return [order[: n_rows // 2]], [order[n_rows // 2 :]]
        return list(self.train), list(self.test)

    def normalised(self, x: NDArray[np.float64], part: Sequence[Rows], train: Sequence[Rows]) -> NDArray[np.float64]:
        """Values of the groups of a part, one below the other."""
        if not self.zscore:
            return x[np.concatenate(part)]
        if self.fit == "part":
            return np.concatenate([_zscore(x[group], x[group], self.ddof) for group in part])
        reference = x if self.fit == "all" else x[np.concatenate(train)]
        return _zscore(x[np.concatenate(part)], reference, self.ddof)


def _zscore(x: NDArray[np.float64], reference: NDArray[np.float64], ddof: int) -> NDArray[np.float64]:
    deviation = reference.std(axis=0, ddof=ddof)
    constant = ~(deviation > 0)  # a column that never changes carries nothing: it becomes zero
    return np.where(constant, 0.0, (x - reference.mean(axis=0)) / np.where(constant, 1.0, deviation))


@dataclass(frozen=True)
class DatasetFile:
    """A NAME.yaml that was read: what it says, and where its archive is."""

    document: YamlDocument
    said: DatasetSection
    name: str
    archive: Path
    clip_inputs_std: float | None
    runs: Mapping[str, Assumed]

    @property
    def published_split_known(self) -> bool:
        """Whether every published seed used the split of the file."""
        return self.said.published_split == "fixed"

    def load_arrays(self) -> tuple[NDArray[np.float64], NDArray[Any], SplitRule]:
        """Values, labels and the split rule from the archive."""
        arrays = read_archive(self.archive)
        x, y = _checked_xy(arrays, self.archive)
        if self.said.rows is not None:
            x, y = x[: self.said.rows.first], y[: self.said.rows.first]
        for entry in reversed(self.said.columns):
            low, high = entry.one_hot_to_index
            x = self._index_column(x, low, high, entry.start)
        if len(x) < 4:
            raise DataError(f"{self.archive}: X", got=f"{len(x)} rows", allowed="at least 4 rows")
        return x, y, self._rule(arrays, len(x))

    def classes_of(self, labels: NDArray[Any]) -> tuple[Rows, int]:
        """Class numbers from 0 and how many there are: the positive labels against all others, or one per label.

        Raises    DataError  for labels that make one class, or are no whole numbers where each is a class
        """
        found, numbers = np.unique(labels, return_inverse=True)
        positive = self.said.target.positive
        if positive is None:
            if (found != np.rint(found)).any():
                got = f"label {found[found != np.rint(found)][0]}"
                raise DataError(f"{self.archive}: y", got=got, allowed="whole numbers, one per class")
            return numbers.astype(np.int64), len(found)
        y = np.isin(labels, positive).astype(np.int64)
        if y.min() == y.max():
            raise DataError(
                self.document.place("target.positive"),
                got=f"{positive} makes one class of labels {found[:8].tolist()}",
                allowed="some but not all of the labels",
            )
        return y, 2

    def _index_column(self, x: NDArray[np.float64], low: int, high: int, start: float) -> NDArray[np.float64]:
        place = self.document.place("columns")
        if not low < high <= x.shape[1]:
            raise DataError(place, got=f"[{low}, {high}]", allowed=f"a range within 0 to {x.shape[1]}")
        part = x[:, low:high]
        if not (np.isin(part, (0.0, 1.0)).all() and (part.sum(axis=1) == 1).all()):
            raise DataError(place, got=f"columns {low}:{high} are not one-hot", allowed="exactly one 1 per row")
        index = part.argmax(axis=1) + start
        return np.concatenate([x[:, :low], index[:, None], x[:, high:]], axis=1)

    def _rule(self, arrays: dict[str, NDArray[Any]], n_rows: int) -> SplitRule:
        said, split = self.said.normalise, self.said.split
        rule = SplitRule(None, None, said.ddof or 0, said.fit or "all", said.kind == "zscore")
        if split.kind == "random_half":
            return rule
        train: tuple[Rows, ...]
        test: tuple[Rows, ...]
        if split.kind == "rows":
            train, test = ((self._row_numbers(arrays, str(name), n_rows),) for name in (split.train, split.test))
        else:
            codes = _array(arrays, "split", self.archive)
            if codes.shape != (n_rows,):
                raise DataError(f"{self.archive}: split", got=f"shape {codes.shape}", allowed=f"({n_rows},)")
            train, test = (self._code_groups(codes, part) for part in ("train", "test"))
        both = np.concatenate([*train, *test])
        if len(np.unique(both)) != len(both):
            place = self.document.place("split")
            raise DataError(place, got="a row in two groups", allowed="disjoint training and test rows")
        return replace(rule, train=train, test=test)

    def _row_numbers(self, arrays: dict[str, NDArray[Any]], name: str, n_rows: int) -> Rows:
        rows = _array(arrays, name, self.archive)
        if rows.ndim != 1 or rows.dtype.kind not in "iu" or not len(rows):
            raise DataError(
                f"{self.archive}: {name}", got=f"{rows.dtype} {rows.shape}", allowed="a list of row numbers"
            )
        if rows.min() < 0 or rows.max() >= n_rows:
            raise DataError(
                f"{self.archive}: {name}",
                got=f"rows {rows.min()} to {rows.max()}",
                allowed=f"0 to {n_rows - 1}",
            )
        return rows.astype(np.int64)

    def _code_groups(self, codes: NDArray[Any], part: str) -> tuple[Rows, ...]:
        groups = tuple(np.flatnonzero(codes == code) for code in getattr(self.said.split, part))
        for code, rows in zip(getattr(self.said.split, part), groups, strict=True):
            if not len(rows):
                place = self.document.place(f"split.{part}")
                raise DataError(place, got=f"code {code}", allowed=f"one of {np.unique(codes).tolist()}")
        return groups


def read_dataset_file(path: Path) -> DatasetFile:
    """Check a NAME.yaml.

    Raises    DataError  naming file, line and field
    """
    document = read_yaml(path, error=DataError, allowed="a YAML file that describes a data set")
    said = validate(DatasetSection, document, DataError)
    return DatasetFile(
        document=document,
        said=said,
        name=said.name or path.stem,
        archive=path.parent / (said.file or f"{path.stem}.npz"),
        clip_inputs_std=clip_of(document, said.chip.get(CLIP)),
        runs=runs_of(document, {field: raw for field, raw in said.chip.items() if field != CLIP}),
    )


def read_archive(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of a .npz file.

    Raises    DataError
    """
    if not path.is_file():
        raise DataError(str(path), got="no such file", allowed="the archive that `file:` names")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile, AttributeError) as cause:
        raise DataError(str(path), got=str(cause), allowed="an .npz archive of plain arrays") from None


def _array(arrays: dict[str, NDArray[Any]], name: str, path: Path) -> NDArray[Any]:
    if name not in arrays:
        raise DataError(
            f"{path}: {name}",
            got="no such array",
            allowed=", ".join(arrays),
            hint=nearest(name, list(arrays)),
        )
    return arrays[name]


def _checked_xy(arrays: dict[str, NDArray[Any]], path: Path) -> tuple[NDArray[np.float64], NDArray[Any]]:
    x, y = _array(arrays, "X", path), _array(arrays, "y", path)
    if x.ndim != 2 or 0 in x.shape:
        raise DataError(f"{path}: X", got=f"shape {x.shape}", allowed=f"{KERNEL_RIDGE['X'].shape}, neither 0")
    for name, array in (("X", x), ("y", y)):
        if array.dtype.kind not in "biuf":
            raise DataError(f"{path}: {name}", got=f"{array.dtype} values", allowed="numbers")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            where = np.argwhere(~np.isfinite(array))[0].tolist()
            raise DataError(f"{path}: {name}", got=f"NaN or infinity at {where}", allowed="finite numbers")
    if y.shape != (len(x),):
        raise DataError(f"{path}: y", got=f"shape {y.shape}", allowed=f"({len(x)},), one label per row of X")
    if len(np.unique(y)) < 2:
        raise DataError(f"{path}: y", got=f"one class, label {y[0]}", allowed="at least two labels")
    return x.astype(np.float64), y
