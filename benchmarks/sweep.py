"""Speed of a sweep: design points a minute, overhead of store and dispatch, memory over many points, start-up.

Takes about five minutes on an idle two-core machine; `--points` and `--many` shorten it, and `--simulate 10000` adds
the memory of all processes over so many simulated points (seven minutes more). Beside wall-clock rates it gives rates
per CPU second, which a busy machine changes less.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _rows import Row, print_rows

from hermes_sim._cpus import usable_cpus
from hermes_sim.explore.executors import LocalExecutor
from hermes_sim.explore.load import space_from
from hermes_sim.explore.point import evaluate
from hermes_sim.explore.store import Store
from hermes_sim.explore.sweep import run_tasks

if TYPE_CHECKING:
    from hermes_sim.explore.sweep import Progress

WORKERS = 2
_START = """
import sys, time
sys.argv = ["hermes-sim", "sweep", *sys.argv[1:]]
from hermes_sim.cli import main
main()
"""


def study(n_points: int) -> dict[str, Any]:
    """Study of the Performer IMDb attention layer in which every point is a program of its own."""
    return {
        "schema_version": 1,
        "name": "speed",
        "description": "",
        "arch": "hermes_64_hetero",
        "workload": "performer_imdb_attention",
        "parameters": {
            "arch.core.ldpu.group_time": {"range": {"start": 5, "stop": 5 + n_points // 2 - 1, "step": 1}},
            "mapping": ["packed", "spread"],
        },
        "objectives": {"makespan_ns": "minimize"},
    }


def speed(n_points: int, folder: Path) -> list[Row]:
    """Points a minute with two workers, by the clock and by their CPU time."""
    space = space_from(study(n_points))
    before = resource.getrusage(resource.RUSAGE_SELF)
    with Store(folder / "speed") as store:
        counts = run_tasks(space.grid(), store=store, executor=LocalExecutor(WORKERS), study="speed")
    after = resource.getrusage(resource.RUSAGE_SELF)
    main_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return [
        Row("timing-only points, wall clock", counts.points_per_min, "points/min", threads=WORKERS, goal=1000),
        Row("CPU time of keys, dispatch and store", 1e3 * main_s / counts.done, "ms/point"),
    ]


def point_cost(n_points: int) -> list[Row]:
    """CPU time of a point by itself, and what two idle cores would make of it."""
    tasks = list(space_from(study(2 * n_points)).grid())[n_points:]
    evaluate(tasks[0].point, key="warm")
    started_s = time.process_time()
    for task in tasks[1:]:
        evaluate(task.point, key=task.key)
    cpu_s = (time.process_time() - started_s) / (len(tasks) - 1)
    return [
        Row("CPU time of a point", 1e3 * cpu_s, "ms"),
        Row(
            "timing-only points, by CPU time on two free cores",
            60 * WORKERS / cpu_s,
            "points/min",
            threads=WORKERS,
            goal=1000,
        ),
    ]


def store_cost(n_points: int, folder: Path) -> list[Row]:
    """Wall time of claiming, storing and releasing a point, and memory after many of them."""
    (task,) = list(space_from(study(4)).grid())[:1]
    record = evaluate(task.point, key=task.key)
    growth_kib: list[float] = []
    started_s = time.perf_counter()
    with Store(folder / "many") as store:
        for i in range(n_points):
            key = f"{i:064x}"
            store.claim(key)
            store.append({**record, "key": key})
            store.release(key)
            if i in {n_points // 10, n_points - 1}:
                growth_kib.append(_resident_kib())
    spent_s = time.perf_counter() - started_s
    started_s = time.perf_counter()
    n_stored = len(Store(folder / "many", write=False))
    reopen_s = time.perf_counter() - started_s
    return [
        Row("store: claim, append, release", 1e3 * spent_s / n_points, "ms/point"),
        Row(f"memory growth, point {n_points // 10:,} to {n_points:,}", (growth_kib[1] - growth_kib[0]) / 1024, "MiB"),
        Row(f"opening a store of {n_stored:,} points", reopen_s, "s"),
    ]


def simulated_memory(n_points: int, folder: Path) -> list[Row]:
    """Resident memory of the main process and its workers while many points are simulated, every one a new program."""
    samples: list[tuple[int, float, float]] = []  # points, MiB of this process, MiB of all below it

    def sample(counts: Progress) -> None:
        if counts.finished % max(1, n_points // 20) == 0 and (not samples or samples[-1][0] != counts.finished):
            below = [_resident_kib(pid) / 1024 for pid in _descendants()]
            samples.append((counts.finished, _resident_kib() / 1024, sum(below)))
            print(
                f"{samples[-1][0]:>8,} points: main {samples[-1][1]:.1f}, below it {samples[-1][2]:.1f} MiB",
                file=sys.stderr,
            )

    with Store(folder / "simulated") as store:
        tasks = space_from(study(n_points)).grid()
        counts = run_tasks(tasks, store=store, executor=LocalExecutor(WORKERS), study="speed", progress=sample)
    tenth = next(one for one in samples if one[0] >= n_points // 10)
    last = samples[-1]
    span = f"point {tenth[0]:,} to {last[0]:,}, simulated"
    return [
        Row(f"memory growth of the main process, {span}", last[1] - tenth[1], "MiB", threads=WORKERS),
        Row(f"memory growth of workers and server, {span}", last[2] - tenth[2], "MiB", threads=WORKERS),
        Row("memory of the main process at the end", last[1], "MiB", threads=WORKERS),
        Row("memory of workers and server at the end (shared pages twice)", last[2], "MiB", threads=WORKERS),
        Row(
            f"rate over {counts.done:,} simulated points",
            counts.points_per_min,
            "points/min",
            threads=WORKERS,
            goal=1000,
        ),
    ]


def _descendants() -> list[int]:
    """Processes below this one: the server of workers and its workers."""
    parent = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            parent[int(path.parent.name)] = int(path.read_text(encoding="utf-8").rpartition(")")[2].split()[1])
    found: list[int] = []
    level = {os.getpid()}
    while level:
        level = {pid for pid, above in parent.items() if above in level}
        found += level
    return found


def _resident_kib(pid: int | str = "self") -> float:
    try:
        fields = Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()
    except OSError:
        return 0.0
    return int(fields[1]) * resource.getpagesize() / 1024


def start_up(folder: Path) -> list[Row]:
    """Time of a study of one short point from the shell: all of it is start-up."""
    text = study(4)
    text["parameters"] = {"inferences": [1]}
    text["workload"] = "peak_mvm"
    (folder / "one.yaml").write_text(json.dumps(text), encoding="utf-8")
    spent = []
    # an installed package has its bytecode; a shell that forbids writing it compiles every module anew
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for i in range(3):
        started_s = time.perf_counter()
        command = [sys.executable, "-c", _START, str(folder / "one.yaml"), "--store", str(folder / f"one{i}"), "--json"]
        subprocess.run([*command, "--workers", str(WORKERS)], check=True, capture_output=True, env=environment)  # noqa: S603
        spent.append(time.perf_counter() - started_s)
    return [Row("start to end of a one-point study", min(spent), "s", threads=WORKERS, goal=3.0)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=1000, help="points of the speed measurement")
    parser.add_argument("--many", type=int, default=10_000, help="points of the store measurement")
    parser.add_argument("--simulate", type=int, default=0, help="points of the memory measurement; 0: none")
    parser.add_argument("--json", action="store_true", help="print JSON rows")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [*start_up(folder), *point_cost(max(4, options.points // 20)), *speed(options.points, folder)]
        rows += store_cost(options.many, folder)
        rows += simulated_memory(options.simulate, folder) if options.simulate else []
    cpu_ms = next(row.value for row in rows if row.name == "CPU time of a point")
    main_ms = next(row.value for row in rows if row.name.startswith("CPU time of keys"))
    rows.append(Row("keys, dispatch and store / a point", main_ms, "ms/point", cpu_ms, goal=0.1))
    print(f"{usable_cpus()} CPUs", file=sys.stderr)
    print_rows(rows, as_json=options.json)


if __name__ == "__main__":
    main()
