"""Running a study: every point that the store does not have yet, claimed, run, stored, one by one."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from hermes_sim.explore.executors import Executor
    from hermes_sim.explore.space import Task
    from hermes_sim.explore.store import Store

_POLL_S = 0.2


@dataclass
class Progress:
    """Counts of a running study.

    Parameters
    ----------
    points : points of the plan so far (all of them at the end)
    done : run now, with a result
    skipped : already in the store, or the same design as another point of the study
    failed : run now, with an error; the store keeps it beside the inputs
    pruned : given up before simulation, because no result could be good enough
    """

    points: int = 0
    done: int = 0
    skipped: int = 0
    failed: int = 0
    pruned: int = 0
    failures: list[dict[str, Any]] = field(default_factory=list)
    elapsed_s: float = 0.0

    @property
    def finished(self) -> int:
        """Points that need no more work."""
        return self.done + self.skipped + self.failed + self.pruned

    @property
    def points_per_min(self) -> float:
        """Points run per minute; those in the store already do not count."""
        return 60 * (self.done + self.failed) / self.elapsed_s if self.elapsed_s > 0 else 0.0

    def document(self) -> dict[str, Any]:
        """JSON-ready summary."""
        return {
            "points": self.points,
            "done": self.done,
            "skipped": self.skipped,
            "failed": self.failed,
            "pruned": self.pruned,
            "points_per_min": self.points_per_min,
            "elapsed_s": self.elapsed_s,
            "failures": self.failures,
        }


_MAX_LISTED = 100


def run_tasks(
    tasks: Iterable[Task],
    *,
    store: Store,
    executor: Executor,
    study: str,
    retry_failed: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Progress:
    """Run all tasks that the store does not have; safe beside other processes on the same store.

    Parameters
    ----------
    retry_failed : run points again that the store has as failed
    progress : called after every point

    Raises
    ------
    StoreError
        the disk is full or broken; what is stored stays
    """
    counts = Progress()
    started_s = time.monotonic()

    def tell() -> None:
        counts.elapsed_s = time.monotonic() - started_s
        if progress:
            progress(counts)

    pending = _Pending(tasks, store, counts, retry_failed=retry_failed, tell=tell)
    for task, record in executor.run(iter(pending), study=study):
        store.append(record)
        store.release(task.key)
        pending.n_in_flight -= 1
        if record["status"] == "done":
            counts.done += 1
        else:
            counts.failed += 1
            if len(counts.failures) < _MAX_LISTED:
                counts.failures.append({name: record[name] for name in ("error", "parameters", "key")})
        tell()
    tell()
    return counts


class _Pending:
    """Tasks that are ours to run: not stored, claimed; those another process works on come last.

    It waits for another process only while nothing of ours is in flight, and gives None until then: two processes
    that each kept a finished point back while waiting for the other's would wait for ever.
    """

    def __init__(
        self,
        tasks: Iterable[Task],
        store: Store,
        counts: Progress,
        *,
        retry_failed: bool,
        tell: Callable[[], None],
    ) -> None:
        self._tasks, self._store, self._counts, self._tell = tasks, store, counts, tell
        self._retry_failed = retry_failed
        self._taken: set[str] = set()
        self.n_in_flight = 0

    def __iter__(self) -> Iterator[Task | None]:
        elsewhere: deque[Task] = deque()
        for task in self._tasks:
            self._counts.points += 1
            if self._is_stored(task.key) or task.key in self._taken:
                self._skip()
            elif self._claim(task):
                yield task
            elif not self._is_stored(task.key):
                elsewhere.append(task)
            else:
                self._skip()
        yield from self._take_over(elsewhere)

    def _take_over(self, elsewhere: deque[Task]) -> Iterator[Task | None]:
        """Tasks of other processes that died; those that they finished are skipped."""
        while elsewhere:
            for _ in range(len(elsewhere)):
                task = elsewhere.popleft()
                if self._claim(task):  # the other process has died
                    yield task
                elif self._is_stored(task.key):
                    self._skip()
                else:
                    elsewhere.append(task)
            if elsewhere and self.n_in_flight:
                yield None
            elif elsewhere:
                time.sleep(_POLL_S)

    def _claim(self, task: Task) -> bool:
        """Claim a task; then look again, for another process may have finished it just before."""
        if not self._store.claim(task.key):
            self._store.refresh()
            return False
        self._store.refresh()
        if self._is_stored(task.key):
            self._store.release(task.key)
            return False
        self._taken.add(task.key)
        self.n_in_flight += 1
        return True

    def _is_stored(self, key: str) -> bool:
        """Whether a point needs no run; what a search has pruned was hopeless for its goals only, and has no result."""
        status = self._store.status(key)
        return status not in {None, "pruned"} and not (self._retry_failed and status == "failed")

    def _skip(self) -> None:
        self._counts.skipped += 1
        self._tell()
