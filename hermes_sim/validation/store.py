"""Finished values in a folder: a table of cells that is killed goes on where it stopped."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from joblib import Memory

from hermes_sim.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def open_store(folder: Path | None = None, *, name: str = "") -> Memory:
    """Folder of finished values; None: the one of that name in the user's cache folder.

    Raises    OutputError  if it cannot be made
    """
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(root) / "hermes_sim" / name if folder is None else folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise OutputError(str(folder), got=str(cause), allowed="a folder that can be made and written") from None
    return Memory(folder, verbose=0)


def stored(store: Memory, inputs: Mapping[str, Any], compute: Callable[[], tuple[float, ...]]) -> tuple[float, ...]:
    """Values for everything that they depend on, worked out where the store has none."""
    values: tuple[float, ...] = store.cache(_computed, ignore=["compute"])(dict(inputs), compute)
    return values


def _computed(inputs: Mapping[str, Any], compute: Callable[[], tuple[float, ...]]) -> tuple[float, ...]:  # noqa: ARG001 - the key
    return compute()
