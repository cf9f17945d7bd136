"""Typed Numba decorators: the only place with compiler flags."""

from __future__ import annotations

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
    return cast("Callable[P, R]", numba.njit(**_FLAGS)(function))


def njit_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Like `njit` for functions that allocate nothing: arrays are passed on without counting references.

    The atomic counting took four fifths of the time of the event engine.
    """
    return cast("Callable[P, R]", numba.njit(**_KERNEL_FLAGS)(function))


def njit_inline(function: Callable[P, R]) -> Callable[P, R]:
    """Like `njit_kernel`, and merged into its callers: for small functions of an inner loop."""
    return cast("Callable[P, R]", numba.njit(**_KERNEL_FLAGS, forceinline=True)(function))
