"""Longest chain of dependencies: earliest first and last starts of every actor, whatever the grants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hermes_sim._jit import njit_kernel
from hermes_sim.errors import ProgramError
from hermes_sim.program.ordering import sort_nodes

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from hermes_sim.program.dataflow import I64, DataflowProgram


@dataclass(frozen=True, eq=False)
class PathBound:
    """Bound by chains of dependencies.

    Parameters
    ----------
    first_ps : (n_actors,) ps    no first firing starts earlier
    makespan_ps : ps             no run ends earlier
    actors : the chain, first to last
    """

    first_ps: I64
    makespan_ps: int
    actors: tuple[int, ...]


class _PathEdges(NamedTuple):
    """Start of node `to` is at least `ps` after the start of node `at`; sorted by `to`, node v's from `first[v]` on."""

    at: I64
    to: I64
    ps: I64
    first: I64


def longest_path(program: DataflowProgram) -> PathBound:
    """Longest path over two nodes per actor: 2a is the start of its first firing, 2a + 1 of its last.

    Firing j of an actor starts no sooner than one interval per `capacity` firings after its first. Where a first
    firing must wait for whole actors (a barrier), all their work on one resource must be done before.

    Raises
    ------
    ProgramError
        if firings wait for each other in a circle, so that no run can end
    """
    edges = _edges(program)
    order = _topological_order(program, edges)
    barrier = _Barriers(program)
    stops = np.zeros(2 * program.n_actors, dtype=np.bool_)
    stops[[2 * actor for actor in barrier.waiting]] = True
    times = np.zeros(2 * program.n_actors, dtype=np.int64)
    via = np.full(2 * program.n_actors, -1, dtype=np.int64)
    for actor, releases_ps in program.releases_ps.items():
        if len(releases_ps):
            times[2 * actor], times[2 * actor + 1] = int(releases_ps[0]), int(releases_ps[-1])
    i = extend_paths(order, 0, stops, edges.at, edges.ps, edges.first, times, via)
    while i < len(order):
        v = order[i]
        at, ps = barrier.work_before(int(v) // 2, times)
        if ps > times[v]:
            times[v], via[v] = ps, at
        i = extend_paths(order, i + 1, stops, edges.at, edges.ps, edges.first, times, via)
    fires = program.firings > 0
    first_ps = times[0::2].copy()
    if not fires.any():
        return PathBound(first_ps, 0, ())
    finish = np.where(fires, times[1::2] + program.latency_ps, -1)
    end = int(np.argmax(finish))
    return PathBound(first_ps, int(finish[end]), _trace_back(via, 2 * end + 1))


class _Barriers:
    """Which actors must have fired all their firings before the first firing of another."""

    def __init__(self, program: DataflowProgram) -> None:
        self.program = program
        n_source, n_target = program.firings[program.source], program.firings[program.target]
        counts = (n_source > 0) & (n_target > 0)
        self._at_first = self._sources(counts & (program.off // program.den >= n_source))
        last = ((n_target - 1) * program.num + program.off) // program.den
        self._at_last = self._sources(counts & (last >= n_source))

    @property
    def waiting(self) -> Iterable[int]:
        """Actors whose first firing waits for whole actors."""
        return self._at_first.keys()

    def _sources(self, chosen: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> dict[int, list[int]]:
        sources: dict[int, list[int]] = {}
        for d in np.flatnonzero(chosen):
            sources.setdefault(int(self.program.target[d]), []).append(int(self.program.source[d]))
        return {target: list(dict.fromkeys(found)) for target, found in sources.items()}

    def work_before(self, actor: int, times: I64) -> tuple[int, int]:
        """(node, ps): earliest start of an actor's first firing, by the work on a resource that must be done."""
        done = list(self._at_first[actor])
        seen = set(done)
        for a in done:  # grows while it is read
            fresh = [s for s in self._at_last.get(a, ()) if s not in seen]
            seen.update(fresh)
            done.extend(fresh)
        by_resource: dict[int, list[int]] = {}
        for a in done:
            by_resource.setdefault(int(self.program.resource[a]), []).append(a)
        best = (-1, 0)
        for r, actors in by_resource.items():
            head = min(actors, key=lambda a: times[2 * a])
            ps = int(times[2 * head]) + work_ps(self.program, r, np.array(actors))
            best = max(best, (2 * head, ps), key=lambda x: x[1])
        return best


def work_ps(program: DataflowProgram, resource: int, actors: I64) -> int:
    """Least time from the first start to the last finish of all firings of some actors on one resource.

    With capacity c the last start comes no sooner than (work - what c firings hold) / c after the first.
    """
    total = int((program.firings[actors] * program.interval_ps[actors]).sum())
    capacity = int(program.capacity[resource])
    latency_ps = program.latency_ps[actors]
    if capacity == 1:
        last = total + int((latency_ps - program.interval_ps[actors]).min())
    else:
        last = -(-total // capacity) - int(program.interval_ps[actors].max()) + int(latency_ps.min())
    return max(last, int(latency_ps.min()))


def _edges(program: DataflowProgram) -> _PathEdges:
    """Intervals of actors, and what every dependency says of the first and the last firing of its target."""
    firings, latency_ps = program.firings, program.latency_ps
    capacity = program.capacity[program.resource]
    source, target = program.source, program.target

    def lag_ps(a: I64, j: I64) -> I64:
        """Time from the first start of actors to the start of their firings j."""
        return j // capacity[a] * program.interval_ps[a]

    fires = np.flatnonzero(firings > 0)
    # (n_deps, first or last firing of the target, last or needed firing of the source)
    k = np.stack([np.zeros_like(target), firings[target] - 1], axis=1)
    need = np.minimum((k * program.num[:, None] + program.off[:, None]) // program.den[:, None], firings[source, None])
    counts = (need > 0) & (firings[target, None] > 0)
    chosen = np.stack([counts & (need == firings[source, None]), counts], axis=2)
    at = np.broadcast_to(np.stack([2 * source + 1, 2 * source], axis=1)[:, None, :], chosen.shape)
    to = np.broadcast_to(np.stack([2 * target, 2 * target + 1], axis=1)[:, :, None], chosen.shape)
    lags_ps = (
        np.stack([np.zeros_like(need), lag_ps(source[:, None], need - 1)], axis=2) + latency_ps[source, None, None]
    )
    at = np.concatenate([2 * fires, at[chosen]])
    to = np.concatenate([2 * fires + 1, to[chosen]])
    ps = np.concatenate([lag_ps(fires, firings[fires] - 1), lags_ps[chosen]])
    order = np.argsort(to, kind="stable")
    return _PathEdges(at[order], to[order], ps[order], np.searchsorted(to[order], np.arange(2 * len(firings) + 1)))


@njit_kernel
def extend_paths(
    order: I64, i: int, stops: npt.NDArray[np.bool_], at: I64, ps: I64, first: I64, times: I64, via: I64
) -> int:
    """Earliest times of nodes from the i-th on, up to one in `stops`; returns where that is."""
    while i < len(order):
        v = order[i]
        for row in range(first[v], first[v + 1]):
            if times[at[row]] + ps[row] > times[v]:
                times[v] = times[at[row]] + ps[row]
                via[v] = at[row]
        if stops[v]:
            return i
        i += 1
    return i


def _topological_order(program: DataflowProgram, edges: _PathEdges) -> I64:
    n_nodes = 2 * program.n_actors
    order, _ = sort_nodes(n_nodes, edges.at, edges.to)
    if len(order) < n_nodes:
        waiting = np.setdiff1d(np.arange(n_nodes), order)
        stuck = dict.fromkeys(program.actor_names[v // 2] for v in waiting)
        raise ProgramError(
            "program: dependencies",
            got="firings that wait for each other: " + ", ".join(stuck),
            allowed="no circle of needs without initial tokens",
            hint="run it for an explanation of the deadlock",
        )
    return order


def _trace_back(via: I64, node: int) -> tuple[int, ...]:
    actors: list[int] = []
    while node >= 0:
        if not actors or actors[-1] != node // 2:
            actors.append(node // 2)
        node = int(via[node])
    return tuple(reversed(actors))
