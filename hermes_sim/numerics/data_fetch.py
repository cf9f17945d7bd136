"""Bringing a published data set to this machine: fetched or from files at hand, checked, put where commands look."""

from __future__ import annotations

import shutil
import tempfile
import urllib.request
from http.client import HTTPException
from itertools import starmap
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import is_zipfile

import numpy as np

from hermes_sim.config.files import shipped_dir, written_whole
from hermes_sim.errors import DataError, chosen
from hermes_sim.numerics.data_sources import (
    SHIPPED,
    archive_at_hand,
    content_sha256,
    fetched_dir,
    known_data,
)
from hermes_sim.numerics.dataset_files import read_archive

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from hermes_sim.numerics.data_sources import KnownData, TextFiles

    Progress = Callable[[str, float], None]
    Arrays = dict[str, NDArray[Any]]

_TO_FETCH = "to_fetch"  # descriptions of sets whose archives do not ship
_TIMEOUT_S = 30
_CHUNK_BYTES = 1 << 16


def get_data(
    name: str, files: Sequence[str] = (), *, folder: Path | None = None, progress: Progress | None = None
) -> Path | None:
    """Archive of a known data set on this machine, its contents as published; None for one that has no file.

    Parameters
    ----------
    files : its archive, or the published text files in order: paths or addresses; none: from where it is published
    folder : where to put it; None: where every command looks

    Raises
    ------
    DataError
        unknown name, a file or address that cannot be read, other contents; nothing is written then
    """
    known = known_data()[chosen("data get", name, known_data(), error=DataError)]
    if known.archive is None:
        return None
    there = archive_at_hand(name) if folder is None else folder / known.archive
    if there is not None and there.is_file() and not files:
        _check_contents(name, known, read_archive(there), str(there))
        return there
    given = list(files) or _addresses(name, known)
    with tempfile.TemporaryDirectory() as temporary:
        paths = [_local(name, one, Path(temporary), progress) for one in given]
        arrays = _arrays(name, known, paths)
    _check_contents(name, known, arrays, " and ".join(given))
    return _put(known, arrays, folder or fetched_dir())


def by_hand(name: str) -> str:
    """How to get a data set without a network."""
    known = known_data()[name]
    if known.text is not None:
        options = " ".join(f"--from {file}" for file in known.text.files)
        return (
            f"by hand: bring {' and '.join(known.text.files)} here ({known.text.place}), "
            f"then `hermes-sim data get {name} {options}`"
        )
    return (
        f"by hand: make or copy {known.archive} with the arrays that docs/datasets.md lists ({known.source}), "
        f"then `hermes-sim data get {name} --from {known.archive}`; any other contents go by --data-dir"
    )


def _addresses(name: str, known: KnownData) -> list[str]:
    if known.text is None or known.text.address is None:
        raise DataError(
            f"data get {name}", got="no address to fetch it from", allowed="--from FILE", hint=by_hand(name)
        )
    return [known.text.address + file for file in known.text.files]


def _local(name: str, place: str, folder: Path, progress: Progress | None) -> Path:
    """Path of a file, fetched into a folder where it is an address."""
    if place.startswith(("http://", "https://")):
        path = folder / place.rpartition("/")[2]
        try:
            _fetch(place, path, progress)
        except (OSError, HTTPException, ValueError) as cause:
            reason = getattr(cause, "reason", cause)
            got = str(getattr(reason, "strerror", None) or reason)
            raise DataError(place, got=got, allowed="an address that answers", hint=by_hand(name)) from None
        return path
    if not Path(place).is_file():
        allowed = "a file, or an address that begins with http:// or https://"
        raise DataError(f"--from {place}", got="no such file", allowed=allowed, hint=by_hand(name))
    return Path(place)


def _fetch(address: str, path: Path, progress: Progress | None) -> None:
    with urllib.request.urlopen(address, timeout=_TIMEOUT_S) as answer, path.open("wb") as file:  # noqa: S310 - http only
        size, done = int(answer.headers.get("Content-Length") or 0), 0
        while chunk := answer.read(_CHUNK_BYTES):
            file.write(chunk)
            done += len(chunk)
            if progress and size:
                progress(path.name, done / size)
    if done < size:
        raise OSError(f"{done} of {size} bytes")


def _arrays(name: str, known: KnownData, paths: Sequence[Path]) -> Arrays:
    if len(paths) == 1 and is_zipfile(paths[0]):
        return read_archive(paths[0])
    if known.text is None or len(paths) != len(known.text.files):
        allowed = known.archive if known.text is None else f"{known.archive}, or {' and '.join(known.text.files)}"
        raise DataError(f"--from {', '.join(path.name for path in paths)}", allowed=str(allowed), hint=by_hand(name))
    return _of_text(known.text, paths)


def _of_text(text: TextFiles, paths: Sequence[Path]) -> Arrays:
    """Arrays of files in LIBSVM form."""
    from sklearn.datasets import load_svmlight_file  # noqa: PLC0415 - half a second

    def read(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
        try:
            x, y = load_svmlight_file(str(path), n_features=text.columns, dtype=np.float32, zero_based=False)
        except (OSError, EOFError, ValueError) as cause:
            allowed = f"text in LIBSVM form of {text.columns} columns"
            raise DataError(str(path.name), got=str(cause), allowed=allowed) from None
        return x.toarray(), y.astype(np.int8)

    x, y = (np.concatenate(part) for part in zip(*map(read, paths), strict=True))
    if len(x) != sum(text.parts):
        raise DataError(" and ".join(text.files), got=f"{len(x)} rows", allowed=f"{sum(text.parts)} rows")
    split = np.concatenate(list(starmap(np.full, ((n, code) for code, n in enumerate(text.parts)))))
    return {"X": x, "y": y, "split": split.astype(np.int8)}


def _check_contents(name: str, known: KnownData, arrays: Arrays, where: str) -> None:
    found = content_sha256(arrays)
    if found != known.sha256:
        shapes = ", ".join(f"{key} {array.dtype} {array.shape}" for key, array in arrays.items())
        raise DataError(
            f"{where}: contents",
            got=f"{found[:16]}... of {shapes}",
            allowed=f"the arrays of {name} behind the results here, {str(known.sha256)[:16]}...",
            hint="another copy; --data-dir DIR takes any contents",
        )


def _put(known: KnownData, arrays: Arrays, folder: Path) -> Path:
    """Write the archive, and beside it the description of a set for kernel ridge."""
    path = folder / str(known.archive)
    with written_whole(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    for place in (_TO_FETCH, "."):
        description = shipped_dir(SHIPPED) / place / f"{path.stem}.yaml"
        if description.is_file():
            with written_whole(folder / description.name) as temporary:
                shutil.copyfile(description, temporary)
    return path
