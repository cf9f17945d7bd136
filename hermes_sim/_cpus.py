"""How many CPUs this process may use, and the BLAS of NumPy on one of them."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

from threadpoolctl import ThreadpoolController

if TYPE_CHECKING:
    from collections.abc import Iterator


def usable_cpus() -> int:
    """CPUs that this process may run on, at least one."""
    return max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


class _OneThread:
    """How many blocks of `one_blas_thread` are open, and what ends the limit that the first one set."""

    def __init__(self) -> None:
        self.lock, self.open = Lock(), 0
        self.libraries, self.modules = ThreadpoolController(), len(sys.modules)

    def enter(self) -> None:
        with self.lock:
            if self.open == 0:
                if len(sys.modules) != self.modules:  # with new modules there may be new libraries
                    self.libraries, self.modules = ThreadpoolController(), len(sys.modules)
                self.limit = self.libraries.limit(limits=1, user_api="blas")
            self.open += 1

    def leave(self) -> None:
        with self.lock:
            self.open -= 1
            if self.open == 0:
                self.limit.restore_original_limits()


_one_thread: list[_OneThread] = []


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """BLAS on one thread, so that the order of its sums is always the same; blocks within blocks cost nothing."""
    if not _one_thread:
        _one_thread.append(_OneThread())
    held = _one_thread[0]
    held.enter()
    try:
        yield
    finally:
        held.leave()
