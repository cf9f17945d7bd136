"""What a timeline shows: one slice per firing on a lane of its resource, the flows between them, counters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hermes_sim._jit import njit_kernel
from hermes_sim.errors import OutputError

if TYPE_CHECKING:
    from hermes_sim.program.dataflow import I64, DataflowProgram
    from hermes_sim.trace.schema import Trace

F64 = npt.NDArray[np.float64]
SLICE_LIMIT = 1_000_000  # beyond that a viewer in a browser gives up


@dataclass(frozen=True, eq=False)
class Counter:
    """A curve beside the slices: `values[i]` holds from `times_ps[i]` on."""

    name: str
    unit: str
    times_ps: I64
    values: F64


@dataclass(frozen=True, eq=False)
class Slices:
    """Firings in order of start, those of the same instant in order of actor and firing.

    Parameters
    ----------
    trace : what they were taken from
    actor, firing : (n,)
    ready_ps, start_ps : (n,) ps
    lane : (n,)     server of the resource, 0 to capacity - 1
    """

    trace: Trace
    actor: I64
    firing: I64
    ready_ps: I64
    start_ps: I64
    lane: I64

    def __len__(self) -> int:
        """Number of slices."""
        return len(self.actor)

    @property
    def end_ps(self) -> I64:
        """(n,) ps, when each firing gave its server back."""
        return self.start_ps + self.trace.program.interval_ps[self.actor]


def collect_slices(trace: Trace, *, window_ps: tuple[int, int] | None = None, limit: int = SLICE_LIMIT) -> Slices:
    """Firings that start inside a window [begin, end), all without one.

    Raises
    ------
    OutputError
        if there are more than `limit`
    """
    columns: list[list[I64]] = [[], [], [], []]
    n = 0
    for a in range(len(trace.firings)):
        starts_ps, readies_ps = trace.starts(a), trace.readies(a)
        low, high = (0, len(starts_ps)) if window_ps is None else np.searchsorted(starts_ps, window_ps)
        n += int(high - low)
        if n > limit:
            raise OutputError(
                "timeline",
                got=f"more than {limit} firings",
                allowed=f"at most {limit}, for a viewer in a browser",
                hint="choose a window of time, or write Parquet",
            )
        firing = np.arange(low, high, dtype=np.int64)
        for column, values in zip(
            columns, (np.full(len(firing), a), firing, readies_ps[low:high], starts_ps[low:high]), strict=True
        ):
            column.append(values)
    actor, firing, ready_ps, start_ps = (np.concatenate([np.zeros(0, np.int64), *column]) for column in columns)
    order = np.argsort(start_ps, kind="stable")
    actor, firing, ready_ps, start_ps = actor[order], firing[order], ready_ps[order], start_ps[order]
    program = trace.program
    lane = np.zeros(len(actor), dtype=np.int64)
    first = np.concatenate([[0], np.cumsum(program.capacity)])
    assign_lanes(
        actor, start_ps, program.resource, program.interval_ps, first, np.zeros(first[-1], dtype=np.int64), lane
    )
    return Slices(trace, actor, firing, ready_ps, start_ps, lane)


@njit_kernel
def assign_lanes(
    actor: I64, start_ps: I64, resource: I64, interval_ps: I64, first: I64, free_ps: I64, lane: I64
) -> None:
    """Give each slice the first server of its resource that is free; `free_ps` is kept between calls."""
    for i in range(actor.shape[0]):
        r = resource[actor[i]]
        at = first[r]
        while at + 1 < first[r + 1] and free_ps[at] > start_ps[i]:
            at += 1
        free_ps[at] = start_ps[i] + interval_ps[actor[i]]
        lane[i] = at - first[r]


def flow_sources(slices: Slices) -> tuple[I64, I64]:
    """Data dependencies between the slices: (producer, consumer) rows of `slices`, both inside the window.

    The producer is the firing whose result was the last one needed.
    """
    program = slices.trace.program
    n = len(slices)
    order = np.lexsort((slices.firing, slices.actor))
    counts = np.bincount(slices.actor, minlength=program.n_actors)
    begin = np.concatenate([[0], np.cumsum(counts)])
    first = np.zeros(program.n_actors, dtype=np.int64)
    fires = np.flatnonzero(counts)
    first[fires] = slices.firing[order[begin[fires]]] if n else 0
    producers, consumers = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for d in np.flatnonzero(~program.is_space):
        source, target = int(program.source[d]), int(program.target[d])
        rows = order[begin[target] : begin[target + 1]]
        need = (slices.firing[rows] * program.num[d] + program.off[d]) // program.den[d]
        at = np.minimum(need, program.firings[source]) - 1 - first[source]
        inside = (need > 0) & (at >= 0) & (at < counts[source])
        producers.append(order[begin[source] + at[inside]])
        consumers.append(rows[inside])
    return np.concatenate(producers), np.concatenate(consumers)


def queue_counters(slices: Slices) -> list[Counter]:
    """Firings that wait for each resource, where ever any does."""
    program = slices.trace.program
    waited = slices.start_ps > slices.ready_ps
    resource = program.resource[slices.actor]
    counters = []
    for r in np.unique(resource[waited]):
        mine = waited & (resource == r)
        times_ps = np.concatenate([slices.ready_ps[mine], slices.start_ps[mine]])
        steps = np.repeat([1, -1], int(mine.sum()))
        instants, where = np.unique(times_ps, return_inverse=True)
        lengths = np.cumsum(np.bincount(where, weights=steps)).astype(np.float64)
        counters.append(Counter(f"queue of {program.resource_names[r]}", "firings", instants, lengths))
    return counters


def power_counter(slices: Slices, energy_pj: F64, *, static_mw: float = 0.0, n_bins: int = 1000) -> Counter:
    """Mean power in equal bins of time: energy of the firings that start in a bin, and static power.

    Parameters
    ----------
    energy_pj : (n_actors,) pJ      energy of one firing
    """
    end_ps = int((slices.start_ps + slices.trace.program.latency_ps[slices.actor]).max(initial=1))
    begin_ps = int(slices.start_ps.min(initial=end_ps))
    edges_ps = np.linspace(begin_ps, max(end_ps, begin_ps + 1), n_bins + 1)
    energy, _ = np.histogram(slices.start_ps, bins=edges_ps, weights=energy_pj[slices.actor])
    power_mw = energy / np.diff(edges_ps) * 1e3 + static_mw  # pJ / ps = W
    return Counter("power", "mW", edges_ps[:-1].astype(np.int64), power_mw)


def resource_groups(program: DataflowProgram) -> dict[str, list[int]]:
    """Resources by what they are drawn with (a core and its parts)."""
    groups: dict[str, list[int]] = {}
    for r, group in enumerate(program.resource_groups or program.resource_names):
        groups.setdefault(group, []).append(r)
    return groups
