"""Data sets that are known by name: what each is, how it comes to this machine, and where it lies here."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import TypeAdapter

from hermes_sim.config.files import read_yaml, shipped_dir
from hermes_sim.config.section import Section
from hermes_sim.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_FILE = Path(__file__).with_suffix(".yaml")
SHIPPED = "datasets"


class TextFiles(Section):
    """Published text files in LIBSVM form, one behind the other.

    Parameters
    ----------
    files : their names, in order
    address : what stands before a name to fetch it; None: no address is known, only the place
    place : where they are published, in words
    columns : of X
    parts : rows of each code of `split`, in order
    """

    files: list[str]
    address: str | None = None
    place: str
    columns: int
    parts: list[int]


class KnownData(Section):
    """A data set by name.

    Parameters
    ----------
    kind : what it is for
    comes : with the package, with scikit-learn, made by rules, or published elsewhere
    archive : name of its file, of those that have one
    sha256 : of its arrays, as `content_sha256` says
    text : what is published, where a program can turn it into the archive
    """

    kind: str
    title: str
    source: str
    licence: str
    comes: Literal["package", "scikit-learn", "rules", "published"]
    archive: str | None = None
    sha256: str | None = None
    text: TextFiles | None = None


@cache
def known_data() -> Mapping[str, KnownData]:
    """All of them by name."""
    found: dict[str, KnownData] = TypeAdapter(dict[str, KnownData]).validate_python(
        read_yaml(_FILE, error=DataError).data
    )
    return found


def content_sha256(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Hash of names, types, shapes and values, by name: the same however an archive packs them."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def fetched_dir() -> Path:
    """Folder of data sets that were fetched, of this user."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "hermes_sim" / SHIPPED


def data_folders(data_dir: Path | None = None) -> list[Path]:
    """Where data sets lie, the first counts: a folder of the user's, those that were fetched, those that ship.

    Raises    DataError  if the user's folder is not there
    """
    if data_dir is not None and not data_dir.is_dir():
        raise DataError(str(data_dir), got="no such folder", allowed="a folder with NAME.yaml and NAME.npz")
    mine = [] if data_dir is None else [data_dir]
    return [*mine, *(folder for folder in (fetched_dir(), shipped_dir(SHIPPED)) if folder.is_dir())]


def archive_at_hand(name: str, data_dir: Path | None = None) -> Path | None:
    """File of a known data set on this machine."""
    archive = known_data()[name].archive
    places = [folder / archive for folder in data_folders(data_dir)] if archive else []
    return next((path for path in places if path.is_file()), None)


def is_at_hand(name: str, data_dir: Path | None = None) -> bool:
    """Whether a known data set can be used here."""
    return known_data()[name].comes in ("scikit-learn", "rules") or archive_at_hand(name, data_dir) is not None


def how_to_get(name: str) -> str:
    """What brings a known data set to this machine; empty for a name that nobody knows."""
    known = known_data().get(name)
    return f"`hermes-sim data get {name}`" if known is not None and known.comes == "published" else ""
