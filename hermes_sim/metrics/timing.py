"""Utilisation and waiting, from the record of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hermes_sim.engine.base import RunRecord
    from hermes_sim.program.lowered import LoweredProgram


@dataclass(frozen=True)
class ResourceUse:
    """How busy a resource was and how much waited for it."""

    resource: str
    busy_ps: int
    utilization: float
    firings: int
    mean_queue: float
    max_queue: int


@dataclass(frozen=True)
class StageTime:
    """Times of one actor, summed over its firings: busy, and waiting for data, buffer space, its resource.

    `first_start_ps` is when its first firing starts; the waiting before it counts, too.
    """

    operator: str
    stage: str
    resource: str
    firings: int
    interval_ns: float
    latency_ns: float
    busy_ps: int
    wait_data_ps: int
    wait_space_ps: int
    wait_resource_ps: int
    first_start_ps: int


def resource_use(record: RunRecord) -> list[ResourceUse]:
    """Resources that take time, busiest first."""
    program = record.program
    rows = [
        ResourceUse(
            name,
            int(busy),
            int(busy) / max(1, record.makespan_ps * int(capacity)),
            int(firings),
            float(queue),
            int(longest),
        )
        for name, capacity, busy, firings, queue, longest in zip(
            program.resource_names,
            program.capacity,
            record.resource_busy_ps,
            record.resource_firings,
            record.mean_queue,
            record.max_queue,
            strict=True,
        )
        if busy > 0
    ]
    return sorted(rows, key=lambda row: (-row.utilization, row.resource))


def stage_times(lowered: LoweredProgram, record: RunRecord) -> list[StageTime]:
    """One row per actor that takes time, in program order."""
    program = record.program
    return [
        StageTime(
            info.operator,
            info.stage,
            program.resource_names[program.resource[i]],
            int(record.started[i]),
            int(program.interval_ps[i]) / 1e3,
            int(program.latency_ps[i]) / 1e3,
            int(record.busy_ps[i]),
            int(record.wait_data_ps[i]),
            int(record.wait_space_ps[i]),
            int(record.wait_resource_ps[i]),
            int(record.first_start_ps[i]),
        )
        for i, info in enumerate(lowered.actors)
        if program.interval_ps[i] or program.latency_ps[i]
    ]
