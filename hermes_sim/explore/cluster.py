"""Running design points on a Dask cluster: as many machines as its scheduler knows."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from hermes_sim.errors import HermesSimError
from hermes_sim.explore.errors import StudyError
from hermes_sim.explore.point import evaluate
from hermes_sim.fingerprint import code_fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hermes_sim.explore.point import DesignPoint
    from hermes_sim.explore.space import Outcome, Task

_CONNECT_S = 10
_QUEUED_PER_THREAD = 3
_RETRIES = 3


class DaskExecutor:
    """Points go to the workers of a Dask scheduler; results come back here, and only here is the store written.

    The scheduler runs the points of a worker that dies on another one. Workers need the same hermes_sim installed (a
    worker with other code refuses its points), and the chip and workload files under the same path.

    Parameters
    ----------
    address : of the scheduler, ``tcp://host:8786`` for example

    Raises
    ------
    StudyError
        Dask is not installed, or nobody answers at the address
    """

    def __init__(self, address: str) -> None:
        try:
            distributed = importlib.import_module("distributed")  # an optional extra
        except ImportError:
            raise StudyError(
                "--scheduler", got="Dask is not installed", allowed="the extra: pip install 'hermes-sim[cluster]'"
            ) from None
        try:
            self._client: Any = distributed.Client(address, timeout=_CONNECT_S, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as cause:
            raise StudyError(
                "--scheduler",
                got=f"{address}: {cause}",
                allowed="the address of a running Dask scheduler",
                hint="start one with `dask scheduler` and workers with `dask worker ADDRESS`",
            ) from None

    def run(self, tasks: Iterator[Task | None], *, study: str) -> Iterator[Outcome]:
        """See `hermes_sim.explore.executors.Executor.run`."""
        flying: dict[Any, Task] = {}
        stream = importlib.import_module("distributed").as_completed(loop=self._client.loop)
        try:
            self._fill(tasks, study, flying, stream)
            while flying:
                future = next(stream)
                task = flying.pop(future)
                yield task, _record_of(future, task, study)
                future.release()
                self._fill(tasks, study, flying, stream)
        finally:
            self._client.cancel(list(flying))
            self._client.close()

    def _fill(self, tasks: Iterator[Task | None], study: str, flying: dict[Any, Task], stream: Any) -> None:
        """Keep a few points queued per worker thread; workers may come and go."""
        n_threads = max(1, sum(self._client.nthreads().values()))
        while len(flying) < n_threads * _QUEUED_PER_THREAD and (task := next(tasks, None)) is not None:
            arguments = (task.point, task.key, study, code_fingerprint())
            future = self._client.submit(_evaluate, *arguments, pure=False, retries=_RETRIES)
            flying[future] = task
            stream.add(future)


def _evaluate(point: DesignPoint, point_key: str, study: str, code: str) -> dict[str, Any]:
    """`evaluate` by position, for Dask takes a keyword `key` for itself; refused where a worker has other code."""
    if code != (mine := code_fingerprint()):
        raise StudyError("worker", got=f"hermes_sim of code {mine}", allowed=f"the code of the caller, {code}")
    return evaluate(point, key=point_key, study=study)


def _record_of(future: Any, task: Task, study: str) -> dict[str, Any]:
    error = future.exception()
    if isinstance(error, HermesSimError):  # the worker is no good, the point may be
        raise error
    if error is None:
        result: dict[str, Any] = future.result()
        return result
    return task.lost(study, f"lost on the cluster: {type(error).__name__}: {error}")
