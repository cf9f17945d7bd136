"""Timelines as Chrome JSON, which chrome://tracing and ui.perfetto.dev read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hermes_sim.config.files import written_whole
from hermes_sim.trace.slices import Counter, Slices, flow_sources, queue_counters, resource_groups

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


def write_chrome(
    slices: Slices, path: Path, *, counters: Sequence[Counter] = (), flows: bool = True, title: str = ""
) -> None:
    """Write a timeline: a process per group of resources, a thread per server, arrows from producer to consumer.

    Times are microseconds with six digits, so picoseconds survive (viewers show nanoseconds).

    Raises
    ------
    OutputError
        if the file cannot be written
    """
    with written_whole(path) as part, part.open("w", encoding="utf-8") as file:
        file.write('{"displayTimeUnit":"ns","otherData":' + json.dumps({"title": title}) + ',"traceEvents":[\n')
        separator = ""
        for event in _events(slices, counters, flows=flows):
            file.write(separator + json.dumps(event, separators=(",", ":")))
            separator = ",\n"
        file.write("\n]}\n")


def _events(slices: Slices, counters: Sequence[Counter], *, flows: bool) -> Iterator[dict[str, Any]]:
    program = slices.trace.program
    track: dict[tuple[int, int], tuple[int, int]] = {}  # (resource, lane) -> (process, thread)
    thread = 0
    for pid, (group, resources) in enumerate(resource_groups(program).items(), start=1):
        yield {"ph": "M", "name": "process_name", "pid": pid, "args": {"name": group}}
        for r in resources:
            capacity = int(program.capacity[r])
            for lane in range(min(capacity, 1 + int(slices.lane.max(initial=0)))):
                thread += 1
                track[r, lane] = (pid, thread)
                name = program.resource_names[r] + (f" [{lane}]" if capacity > 1 else "")
                yield {"ph": "M", "name": "thread_name", "pid": pid, "tid": thread, "args": {"name": name}}
    yield from _slice_events(slices, track)
    if flows:
        yield from _flow_events(slices, track)
    for counter in (*queue_counters(slices), *counters):
        for time_ps, value in zip(counter.times_ps.tolist(), counter.values.tolist(), strict=True):
            yield {
                "ph": "C", "name": counter.name, "pid": 0, "ts": time_ps / 1e6, "args": {counter.unit: value},
            }  # fmt: skip


def _slice_events(slices: Slices, track: dict[tuple[int, int], tuple[int, int]]) -> Iterator[dict[str, Any]]:
    program = slices.trace.program
    resource = program.resource[slices.actor].tolist()
    columns = (slices.actor, slices.firing, slices.ready_ps, slices.start_ps, slices.lane)
    for r, a, k, ready_ps, start_ps, lane in zip(resource, *(x.tolist() for x in columns), strict=True):
        pid, tid = track[r, lane]
        yield {
            "ph": "X",
            "name": program.actor_names[a],
            "pid": pid,
            "tid": tid,
            "ts": start_ps / 1e6,
            "dur": int(program.interval_ps[a]) / 1e6,
            "args": {
                "firing": k,
                "waited_ps": start_ps - ready_ps,
                "finish_ps": start_ps + int(program.latency_ps[a]),
            },
        }


def _flow_events(slices: Slices, track: dict[tuple[int, int], tuple[int, int]]) -> Iterator[dict[str, Any]]:
    producers, consumers = flow_sources(slices)
    resource = slices.trace.program.resource[slices.actor]
    for flow, (producer, consumer) in enumerate(zip(producers.tolist(), consumers.tolist(), strict=True)):
        for phase, row in (("s", producer), ("f", consumer)):
            pid, tid = track[int(resource[row]), int(slices.lane[row])]
            yield {
                "ph": phase,
                "name": "data",
                "cat": "flow",
                "id": flow,
                "pid": pid,
                "tid": tid,
                "ts": int(slices.start_ps[row]) / 1e6,
                "bp": "e",
            }
