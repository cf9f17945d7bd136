"""Typed Numba decorators: the only place with compiler flags."""

from __future__ import annotations

import contextlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, cast

import numba

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")

_FLAGS: Final[dict[str, Any]] = {"cache": True, "nogil": True, "error_model": "numpy"}
_KERNEL_FLAGS: Final[dict[str, Any]] = {**_FLAGS, "_nrt": False}


def njit(function: Callable[P, R]) -> Callable[P, R]:
    """Compile to machine code: cached on disk, without the interpreter lock, without fast-math."""
    return _compiled(function, **_FLAGS)


def njit_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Like `njit` for functions that allocate nothing: arrays are passed on without counting references.

    The atomic counting took four fifths of the time of the event engine.
    """
    return _compiled(function, **_KERNEL_FLAGS)


def njit_inline(function: Callable[P, R]) -> Callable[P, R]:
    """Like `njit_kernel`, and merged into its callers: for small functions of an inner loop."""
    return _compiled(function, **_KERNEL_FLAGS, forceinline=True)


def _compiled(function: Callable[P, R], **flags: Any) -> Callable[P, R]:
    _forget_stale_caches(Path(function.__code__.co_filename).parent)
    return cast("Callable[P, R]", numba.njit(**flags)(function))


@cache
def _forget_stale_caches(folder: Path) -> None:
    """Remove cached machine code of a folder in which any source file is newer, once per process.

    Numba notices a change only in the file of the function it calls, not in those of the functions merged into it, and
    cannot read a cache that speaks of a record which has another name now.
    """
    with contextlib.suppress(OSError):
        newest = max(source.stat().st_mtime for source in folder.glob("*.py"))
        for index in (folder / "__pycache__").glob("*.nbi"):
            if index.stat().st_mtime < newest:
                index.unlink(missing_ok=True)
