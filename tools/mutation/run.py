"""Run tests against mutants: every worker has a copy of the tree, and forks a process with the libraries loaded."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import os
import resource
import shutil
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mutation.sample import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.queues import Queue
    from pathlib import Path

    from mutation.sample import Job

# after the folder's own tests: golden results and invariants; those that are not there are left out
AFTERWARDS = (
    "tests/golden",
    "tests/invariants",
    "tests/engine/test_workloads.py",
)
FOLDERS = {
    "chip": ("chip", "program"),
    "crossbar": ("crossbar", "numerics"),
}  # folders of tests of a folder of sources, where not the one of its name
# what asks how long something takes fails on a busy machine, mutant or not
UNSTEADY = ("is_fast", "are_fast", "seconds", "under_a_second")
_LIBRARIES = (
    "numba", "pandas", "pyarrow", "scipy.special", "scipy.stats", "scipy.optimize", "sklearn.linear_model",
    "sklearn.datasets", "sklearn.kernel_approximation", "pydantic", "ruamel.yaml", "typer", "rich.table", "simpy",
    "joblib", "threadpoolctl", "hypothesis", "pytest", "onnx",
)  # fmt: skip
_SKIPPED_FOLDERS = (".git", ".venv", ".*_cache", ".hypothesis", "out", "build", "dist", "*.egg-info")
_MOST_MEMORY = 12 * 2**30


@dataclass(frozen=True)
class Outcome:
    """What the tests said: passed, failed (by which test) or timeout; and CPU and wall time."""

    state: str
    by: str
    cpu_s: float
    wall_s: float


def load_libraries() -> None:
    """Import what the package and its tests use, but not the package; one thread each."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    for name in _LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def copy_tree(where: Path) -> Path:
    """Copy of the working tree, caches of compiled code with it; reference data beside it, as beside the original."""
    tree = where / "tree"
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*_SKIPPED_FOLDERS))
    shared = ROOT.parent / "shared"
    if shared.is_dir():
        (where / "shared").symlink_to(shared)
    return tree


def tests_for(file: str) -> tuple[str, ...]:
    """Tests that a mutant of a file has to pass, in order."""
    folder = file.split("/")[1]
    wanted = (*(f"tests/{name}" for name in FOLDERS.get(folder, (folder,))), *AFTERWARDS)
    return tuple(path for path in wanted if (ROOT / path).exists())


class Worker:
    """One copy of the tree and what runs in it."""

    def __init__(self, tree: Path) -> None:
        self._tree = tree
        self._turn = 0

    def baseline(self, tests: Sequence[str]) -> Outcome:
        """Tests of the tree as it is."""
        return self._in_fork(tests, cpu_s=3600)

    def run(self, job: Job, tests: Sequence[str], *, cpu_s: int) -> Outcome:
        """Tests with one file mutated."""
        with self._mutated(job):
            return self._in_fork(tests, cpu_s=cpu_s)

    @contextlib.contextmanager
    def _mutated(self, job: Job) -> Iterator[None]:
        """Every mutant has a time stamp of its own: caches of compiled code go by it."""
        path = self._tree / job.mutant.file
        text, stat = path.read_bytes(), path.stat()
        self._turn += 1
        try:
            path.write_text(job.source, encoding="utf-8")
            os.utime(path, (stat.st_atime, stat.st_mtime + 1000 + self._turn))
            yield
        finally:
            path.write_bytes(text)
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    def _in_fork(self, tests: Sequence[str], *, cpu_s: int) -> Outcome:
        log = self._tree.parent / "log"
        started = time.monotonic()
        child = os.fork()
        if not child:
            _run_tests(self._tree, tests, log, cpu_s)
        status, cpu_used_s = _wait(child, started + 10 * cpu_s)
        state = {0: "passed", None: "timeout"}.get(status, "failed")
        text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
        by = next((line for line in text.splitlines() if line.startswith(("FAILED", "ERROR"))), "")
        if state == "failed" and not by:
            by = text[-200:].replace("\n", " ")
        return Outcome(state, by.partition(" - ")[0], cpu_used_s, time.monotonic() - started)


def _wait(child: int, until: float) -> tuple[int | None, float]:
    """Exit code, None after too long; and CPU time."""
    while True:
        done, status, usage = os.wait4(child, os.WNOHANG)
        if done:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)  # what the tests have left behind
            code = os.waitstatus_to_exitcode(status)
            late = code in {-signal.SIGXCPU, -signal.SIGKILL}
            return None if late else code, usage.ru_utime + usage.ru_stime
        if time.monotonic() > until:
            os.killpg(child, signal.SIGKILL)
            until = float("inf")
        time.sleep(0.05)


def _run_tests(tree: Path, tests: Sequence[str], log: Path, cpu_s: int) -> None:
    """In the forked process: never returns."""
    code = 99
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
        resource.setrlimit(resource.RLIMIT_DATA, (_MOST_MEMORY, _MOST_MEMORY))
        with log.open("w", encoding="utf-8", buffering=1) as out:
            os.dup2(out.fileno(), 1)
            os.dup2(out.fileno(), 2)
        sys.stdout = io.TextIOWrapper(os.fdopen(1, "wb", buffering=0), write_through=True)
        sys.stderr = io.TextIOWrapper(os.fdopen(2, "wb", buffering=0), write_through=True)
        os.chdir(tree)
        sys.path[:] = [str(tree), *(path for path in sys.path if path != str(ROOT))]
        os.environ["PYTHONPATH"] = str(tree)
        code = _pytest(tree, tests)
    except BaseException:  # noqa: BLE001 - nothing may leave the forked process
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def _pytest(tree: Path, tests: Sequence[str]) -> int:
    import pytest  # noqa: PLC0415 - loaded before the fork
    from hypothesis import Phase, settings  # noqa: PLC0415

    # the first counterexample is enough
    settings.register_profile("mutants", phases=(Phase.explicit, Phase.generate), database=None)
    settings.load_profile("mutants")

    found = importlib.util.find_spec("hermes_sim")
    if found is None or not str(found.origin).startswith(str(tree)):
        print(f"ERROR hermes_sim comes from {found and found.origin}, not from {tree}")
        return 98
    steady = " and ".join(f"not {word}" for word in UNSTEADY)
    options = [
        "-x",
        "--tb=no",
        "-W",
        "ignore::pytest.PytestAssertRewriteWarning",
        "-p",
        "no:cacheprovider",
        "--hypothesis-seed=0",
        "-k",
        steady,
    ]
    return int(pytest.main([*options, *tests]))


_WORKER: list[Worker] = []


def start_worker(trees: Queue[Path]) -> None:
    """Give a process of the pool its own tree."""
    _WORKER.append(Worker(trees.get()))


def run_job(task: tuple[Job | None, tuple[str, ...], int]) -> tuple[Job | None, tuple[str, ...], Outcome]:
    """One mutant, or none: the tree as it is."""
    job, tests, cpu_s = task
    worker = _WORKER[0]
    outcome = worker.baseline(tests) if job is None else worker.run(job, tests, cpu_s=cpu_s)
    return job, tests, outcome
