"""Typed Numba decorators: the only place with compiler flags."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, cast

import numba

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

P = ParamSpec("P")
R = TypeVar("R")

_FLAGS: Final[dict[str, Any]] = {"cache": True, "nogil": True, "error_model": "numpy"}
_KERNEL_FLAGS: Final[dict[str, Any]] = {**_FLAGS, "_nrt": False}


def njit(function: Callable[P, R]) -> Callable[P, R]:
    """Compile to machine code: cached on disk, without the interpreter lock, without fast-math."""
    return cast("Callable[P, R]", numba.njit(**_FLAGS)(function))


def njit_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Like `njit` for functions that allocate nothing: arrays are passed on without counting references.

    The atomic counting took four fifths of the time of the event engine.
    """
    return cast("Callable[P, R]", numba.njit(**_KERNEL_FLAGS)(function))


def njit_inline(function: Callable[P, R]) -> Callable[P, R]:
    """Like `njit_kernel`, and merged into its callers: for small functions of an inner loop."""
    return cast("Callable[P, R]", numba.njit(**_KERNEL_FLAGS, forceinline=True)(function))


def forget_stale_caches(folder: Path) -> None:
    """Remove cached machine code of a package in which any source file is newer.

    Numba notices a change only in the file of the function it calls, not in those of the functions merged into it.
    """
    with contextlib.suppress(OSError):
        newest = max(source.stat().st_mtime for source in folder.glob("*.py"))
        for index in (folder / "__pycache__").glob("*.nbi"):
            if index.stat().st_mtime < newest:
                index.unlink(missing_ok=True)
