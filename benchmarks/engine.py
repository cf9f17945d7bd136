"""Speed of the event engines, in one run on one core: python benchmarks/engine.py [--json] [--quick]

Rows of two things measured side by side have the second one as `reference`, and `ratio` is value / reference; whether
more or less is good follows from the unit (per second: more, seconds: less).
"""

from __future__ import annotations

import argparse
import heapq
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from _rows import Row, print_rows

from hermes_sim.api import simulate
from hermes_sim.engine.compiled import CompiledEngine
from hermes_sim.engine.reference import ReferenceEngine
from hermes_sim.program.bounds import lower_bounds
from hermes_sim.program.dataflow import DataflowProgram, Need, ProgramBuilder
from hermes_sim.trace.critical_path import critical_path
from hermes_sim.trace.parquet import ParquetSink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FIRST_RUN = """
import time
began = time.perf_counter()
from hermes_sim.engine.compiled import CompiledEngine
from hermes_sim.program.dataflow import Need, ProgramBuilder
b = ProgramBuilder()
first = b.actor("first", b.resource("a"), firings=100, interval_ps=1, latency_ps=1)
second = b.actor("second", b.resource("b"), firings=100, interval_ps=1, latency_ps=1)
b.depend(first, second, Need.each())
CompiledEngine().run(b.build())
print(time.perf_counter() - began)
"""


def pipelines(n_lanes: int, n_stages: int, n_tokens: int) -> DataflowProgram:
    """Lanes of stages with random times and buffers of four places; latency and interval differ."""
    rng = np.random.default_rng(0)
    b = ProgramBuilder()
    for lane in range(n_lanes):
        previous = -1
        for s in range(n_stages):
            interval_ps, latency_ps = (int(x) * 1000 for x in rng.integers(1, 50, 2))
            actor = b.actor(
                f"lane{lane}.{s}",
                b.resource(f"core{lane}.{s}"),
                firings=n_tokens,
                interval_ps=interval_ps,
                latency_ps=latency_ps,
            )
            if previous >= 0:
                b.depend(previous, actor, Need.each())
                b.depend(actor, previous, Need.space(4), is_space=True)
            previous = actor
    return b.build()


def attention(n_tokens: int) -> DataflowProgram:
    """Eight lanes of ten stages, joined, a barrier over all tokens, ten stages after it."""
    rng = np.random.default_rng(1)
    b = ProgramBuilder()

    def stage(name: str, on: str, firings: int) -> int:
        interval_ps, latency_ps = (int(x) * 100 for x in rng.integers(20, 60, 2))
        return b.actor(name, b.resource(on), firings=firings, interval_ps=interval_ps, latency_ps=latency_ps)

    def link(source: int, target: int) -> None:
        b.depend(source, target, Need.each())
        b.depend(target, source, Need.space(4), is_space=True)

    load = stage("in", "io", n_tokens)
    join = stage("join", "unit", n_tokens)
    for lane in range(8):
        previous = load
        for s in range(10):
            actor = stage(f"lane{lane}.{s}", f"core{lane}.{s // 2}", n_tokens)
            link(previous, actor)
            previous = actor
        link(previous, join)
    state = stage("state", "unit", 1)
    b.depend(join, state, Need.all_of(n_tokens))
    previous = stage("query0", "query0", n_tokens)
    b.depend(state, previous, Need.one_before(n_tokens))
    for s in range(1, 10):
        actor = stage(f"query{s}", f"query{s // 2}", n_tokens)
        link(previous, actor)
        previous = actor
    return b.build()


def best_s(action: Callable[[], object], repeats: int) -> float:
    """Shortest of some runs, in seconds of this process's processor (one thread; a busy machine matters less)."""
    times_s = []
    for _ in range(repeats):
        began = time.process_time()
        action()
        times_s.append(time.process_time() - began)
    return min(times_s)


def heap_loop_events_per_s(n_events: int) -> float:
    """The least a Python event loop does: take the next event, schedule another. A floor to compare with."""
    rng = np.random.default_rng(0)
    delays = rng.integers(1, 50, n_events).tolist()
    queue = [(0, i) for i in range(1000)]
    began = time.process_time()
    for delay in delays:
        now, actor = queue[0]
        heapq.heapreplace(queue, (now + delay, actor))
    return n_events / (time.process_time() - began)


def rows_of_engines(quick: bool) -> Iterator[Row]:
    """Firings per second."""
    every = CompiledEngine(fast_forward=False)
    program = pipelines(40, 25, 400 if quick else 4000)
    every.run(pipelines(2, 3, 4), trace=True)
    compiled = program.total_firings / best_s(lambda: every.run(program), 3)
    yield Row("compiled, 1,000 actors, every firing", compiled, "firings/s", goal=4e6)
    wide = pipelines(400, 25, 40 if quick else 400)
    yield Row("compiled, 10,000 actors", wide.total_firings / best_s(lambda: every.run(wide), 3), "firings/s")
    traced = program.total_firings / best_s(lambda: every.run(program, trace=True), 1)
    yield Row("compiled, with trace", traced, "firings/s")
    looking = CompiledEngine()
    small = pipelines(40, 25, 20 if quick else 60)
    reference = small.total_firings / best_s(lambda: ReferenceEngine().run(small), 1)
    yield Row("simpy, 1,000 actors", reference, "firings/s")
    yield Row("compiled / simpy", compiled, "firings/s", reference, goal=40.0)
    yield Row("Python heap loop, nothing but events", heap_loop_events_per_s(300_000), "events/s")
    grid = pipelines(40, 25, 200)
    yield Row("200,000-task grid, compiled", 200_000 / best_s(lambda: every.run(grid), 3), "tasks/s", goal=9e6)
    yield Row(
        "recurrence check, cost where nothing recurs",
        best_s(lambda: looking.run(grid), 3),
        "s",
        best_s(lambda: every.run(grid), 3),
    )


def rows_of_fast_forward() -> Iterator[Row]:
    """Runs whose cost does not grow."""
    engine = CompiledEngine()
    seconds = {}
    for n in (10_000, 1_000_000):
        program = attention(n)
        seconds[n] = best_s(lambda p=program: engine.run(p, watch=[p.n_actors - 1]), 5)  # type: ignore[misc]
        yield Row(f"attention, {n:,} tokens, {program.total_firings:,} firings", seconds[n], "s")
    yield Row("1,000,000 tokens / 10,000 tokens", seconds[1_000_000], "s", seconds[10_000], goal=3.0)
    program = attention(1_000_000)
    record = engine.run(program, trace=True)
    assert record.trace is not None
    trace = record.trace
    yield Row("critical path of it", best_s(lambda: critical_path(program, trace), 3), "s")
    yield Row("lower bounds of it", best_s(lambda: lower_bounds(program), 3), "s")
    every = best_s(lambda: CompiledEngine(fast_forward=False).run(attention(10_000)), 1)
    yield Row("fast-forward / every firing, 10,000 tokens", seconds[10_000], "s", every)


def rows_of_whole_runs(quick: bool) -> Iterator[Row]:
    """From configuration to metrics, from import to first result, to disk."""

    def encoder() -> object:
        return simulate("hermes_64_hetero", "performer_imdb_full", baselines=(), accuracy=False)

    encoder()
    yield Row("Performer IMDb encoder, configs to metrics", best_s(encoder, 3), "s", goal=0.5)
    for name in ("cold or warm", "warm"):
        answer = subprocess.run(  # noqa: S603 - ourselves
            [sys.executable, "-c", FIRST_RUN], capture_output=True, text=True, check=True
        )
        if name == "warm":
            yield Row("import and first run, warm cache", float(answer.stdout), "s", goal=3.0)
    for n_tokens in (100, 1000 if quick else 10_000):
        answer = subprocess.run(  # noqa: S603 - ourselves
            [sys.executable, __file__, "--stream", str(n_tokens)], capture_output=True, text=True, check=True
        )
        firings, seconds, peak_mib = (float(x) for x in answer.stdout.split())
        yield Row(f"streamed to Parquet, {firings:,.0f} firings", firings / seconds, "firings/s")
        yield Row(f"peak memory, {firings:,.0f} firings", peak_mib, "MiB")


def stream(n_tokens: int) -> None:
    """In a process of its own: firings, seconds, peak memory while streaming a run to disk."""
    with tempfile.TemporaryDirectory() as folder:
        warm = pipelines(2, 3, 4)
        with ParquetSink(Path(folder) / "warm.parquet", warm) as sink:
            CompiledEngine().run(warm, sink=sink)
        program = pipelines(40, 25, n_tokens)
        began = time.process_time()
        with ParquetSink(Path(folder) / "trace.parquet", program) as sink:
            CompiledEngine().run(program, sink=sink)
        seconds = time.process_time() - began
        print(program.total_firings, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", action="store_true", help="rows as JSON")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, for tests")
    parser.add_argument("--stream", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stream:
        stream(options.stream)
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    print_rows(
        [*rows_of_engines(options.quick), *rows_of_fast_forward(), *rows_of_whole_runs(options.quick)],
        as_json=options.json,
    )


if __name__ == "__main__":
    main()
