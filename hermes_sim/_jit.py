"""Typed Numba decorators: the only place with compiler flags."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")


def njit(function: Callable[P, R]) -> Callable[P, R]:
    """Compile to machine code: cached on disk, without the interpreter lock, without fast-math."""
    compiled = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    return cast("Callable[P, R]", compiled)


def njit_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Like `njit` for functions that allocate nothing: arrays are passed on without counting references.

    The atomic counting took four fifths of the time of the event engine.
    """
    compiled = numba.njit(cache=True, nogil=True, error_model="numpy", _nrt=False)(function)
    return cast("Callable[P, R]", compiled)


def njit_inline(function: Callable[P, R]) -> Callable[P, R]:
    """Like `njit_kernel`, and merged into its callers: for small functions of an inner loop."""
    compiled = numba.njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)(function)
    return cast("Callable[P, R]", compiled)
