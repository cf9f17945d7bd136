"""The server that worker processes are copied from; it loads the package while the main process reads the study."""

from __future__ import annotations

import multiprocessing
import multiprocessing.forkserver
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.context import BaseContext

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def start_server() -> BaseContext:
    """Start the server, unless it runs, without waiting for it; where there is none, workers start from scratch."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["hermes_sim.explore.warm"])
    with one_thread_each(), without_main():  # the server hands its environment to the workers
        multiprocessing.forkserver.ensure_running()
    return context


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Let libraries in processes started meanwhile use one thread: the workers are as many as the cores."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def without_main() -> Iterator[None]:
    """Let processes started meanwhile not import the user's script: they need nothing of it.

    A script that runs a study without ``if __name__ == "__main__":`` would otherwise start it again in every worker.
    """
    main = sys.modules["__main__"].__dict__
    before: dict[str, object] = {name: main[name] for name in ("__file__", "__spec__") if name in main}
    main.pop("__file__", None)
    main["__spec__"] = None
    try:
        yield
    finally:
        main.update(before)
