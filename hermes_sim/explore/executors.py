"""Running design points: in this process, or in worker processes of this machine. `cluster` goes beyond."""

from __future__ import annotations

import itertools
import signal
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any, Protocol

from hermes_sim._cpus import usable_cpus
from hermes_sim.explore.point import evaluate
from hermes_sim.explore.server import one_thread_each, start_server, without_main

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hermes_sim.explore.space import Outcome, Task

_QUEUED_PER_WORKER = 2
_ATTEMPTS = 2


class Executor(Protocol):
    """Anything that runs points. Tasks are pulled only as workers have room, so a plan may be endless.

    A plan may give None: no task now, ask again when another result is there.
    """

    def run(self, tasks: Iterator[Task | None], *, study: str) -> Iterator[Outcome]:
        """Run every task and give its record as it finishes, in any order."""
        ...


class SerialExecutor:
    """One point after the other in this process."""

    def run(self, tasks: Iterator[Task | None], *, study: str) -> Iterator[Outcome]:
        """See `Executor.run`."""
        for task in tasks:
            assert task is not None  # every result has been given
            yield task, evaluate(task.point, key=task.key, study=study)


class LocalExecutor:
    """Worker processes of this machine, one point each at a time.

    A worker that dies (out of memory, killed) takes nobody with it: the points that were in flight are tried again,
    one at a time, and a point that kills its worker again is recorded as failed.
    """

    def __init__(self, n_workers: int) -> None:
        self._n_workers = n_workers

    def run(self, tasks: Iterator[Task | None], *, study: str) -> Iterator[Outcome]:
        """See `Executor.run`."""
        while True:
            suspects: list[Task] = []
            yield from self._run_pool(tasks, study, self._n_workers, suspects)
            if not suspects:
                return
            for task in suspects:
                yield from self._run_alone(task, study)

    def _run_pool(
        self, tasks: Iterator[Task | None], study: str, n_workers: int, suspects: list[Task]
    ) -> Iterator[Outcome]:
        """Run tasks until there are none, or a worker dies; then `suspects` are those in flight."""
        first = next(tasks, None)
        if first is None:  # nothing to do: no workers either
            return
        tasks = itertools.chain([first], tasks)
        pool = _pool(n_workers)
        flying: dict[Future[dict[str, Any]], Task] = {}
        try:
            while True:
                while len(flying) < n_workers * _QUEUED_PER_WORKER and (task := next(tasks, None)) is not None:
                    try:
                        with without_main():  # workers are started on demand
                            future = pool.submit(evaluate, task.point, key=task.key, study=study)
                        flying[future] = task
                    except BrokenProcessPool:
                        suspects.append(task)
                        break
                if not flying:
                    return
                finished, _ = wait(flying, return_when=FIRST_COMPLETED)
                for future in finished:
                    task = flying.pop(future)
                    if isinstance(future.exception(), BrokenProcessPool):
                        suspects.append(task)
                    else:
                        yield task, future.result()
                if suspects:
                    suspects += flying.values()
                    return
        finally:
            _stop(pool)

    def _run_alone(self, task: Task, study: str) -> Iterator[Outcome]:
        """Try a point that was in flight when a worker died, in a worker of its own."""
        suspects: list[Task] = []
        yield from self._run_pool(iter([task]), study, 1, suspects)
        if suspects:
            yield task, task.lost(study, f"worker process died {_ATTEMPTS} times (killed, or out of memory)")


def executor_for(n_workers: int | None, scheduler: str | None = None) -> Executor:
    """Executor of a number of workers (0: this process), or of a Dask scheduler.

    Raises
    ------
    StudyError
        the scheduler cannot be reached, or Dask is not installed
    """
    if scheduler is not None:
        from hermes_sim.explore.cluster import DaskExecutor  # noqa: PLC0415 - an optional extra

        return DaskExecutor(scheduler)
    n_workers = usable_cpus() if n_workers is None else n_workers
    return LocalExecutor(n_workers) if n_workers else SerialExecutor()


def _pool(n_workers: int) -> ProcessPoolExecutor:
    context = start_server()
    with one_thread_each():
        return ProcessPoolExecutor(n_workers, mp_context=context, initializer=_start_worker)


def _start_worker() -> None:
    """Leave Ctrl-C to the main process, which stops the workers cleanly."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _stop(pool: ProcessPoolExecutor) -> None:
    """End the workers without waiting for points in flight (there are none after a normal end)."""
    workers = list((pool._processes or {}).values())  # noqa: SLF001 - no public way to end a busy worker in 3.11
    pool.shutdown(wait=False, cancel_futures=True)
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.join(timeout=5)
