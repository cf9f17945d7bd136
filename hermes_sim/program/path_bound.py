"""Longest chain of dependencies: earliest first and last starts of every actor, whatever the grants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hermes_sim.errors import ProgramError

if TYPE_CHECKING:
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


@dataclass(frozen=True)
class _Edge:
    """Start of node `to` is at least `ps` after the start of node `at`."""

    at: int
    to: int
    ps: int


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
    incoming: list[list[_Edge]] = [[] for _ in range(2 * program.n_actors)]
    for edge in edges:
        incoming[edge.to].append(edge)
    barrier = _Barriers(program)
    times = [0] * len(incoming)
    via = [-1] * len(incoming)
    for actor, releases_ps in program.releases_ps.items():
        if len(releases_ps):
            times[2 * actor], times[2 * actor + 1] = int(releases_ps[0]), int(releases_ps[-1])
    for v in _topological_order(program, edges):
        for edge in incoming[v]:
            if times[edge.at] + edge.ps > times[v]:
                times[v], via[v] = times[edge.at] + edge.ps, edge.at
        if v % 2 == 0:
            at, ps = barrier.work_before(v // 2, times)
            if ps > times[v]:
                times[v], via[v] = ps, at
    fires = program.firings > 0
    first_ps = np.array(times[0::2], dtype=np.int64)
    if not fires.any():
        return PathBound(first_ps, 0, ())
    finish = np.where(fires, np.array(times[1::2], dtype=np.int64) + program.latency_ps, -1)
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

    def _sources(self, chosen: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> dict[int, list[int]]:
        sources: dict[int, list[int]] = {}
        for d in np.flatnonzero(chosen):
            sources.setdefault(int(self.program.target[d]), []).append(int(self.program.source[d]))
        return {target: list(dict.fromkeys(found)) for target, found in sources.items()}

    def work_before(self, actor: int, times: list[int]) -> tuple[int, int]:
        """(node, ps): earliest start of an actor's first firing, by the work on a resource that must be done."""
        done = list(self._at_first.get(actor, ()))
        if not done:
            return -1, 0
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
            ps = times[2 * head] + work_ps(self.program, r, np.array(actors))
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


def _edges(program: DataflowProgram) -> list[_Edge]:
    firings = program.firings.tolist()
    capacity = program.capacity[program.resource].tolist()
    interval_ps, latency_ps = program.interval_ps.tolist(), program.latency_ps.tolist()

    def lag(a: int, j: int) -> int:
        """Time from the first start of an actor to the start of its firing j."""
        return int(j // capacity[a] * interval_ps[a])

    edges = [_Edge(2 * a, 2 * a + 1, lag(a, n - 1)) for a, n in enumerate(firings) if n > 0]
    columns = (program.source, program.target, program.num, program.off, program.den)
    for source, target, num, off, den in zip(*(x.tolist() for x in columns), strict=True):
        n_source = firings[source]
        for node, k in ((2 * target, 0), (2 * target + 1, firings[target] - 1)):
            need = min((k * num + off) // den, n_source)
            if firings[target] == 0 or need <= 0:
                continue
            if need == n_source:
                edges.append(_Edge(2 * source + 1, node, latency_ps[source]))
            edges.append(_Edge(2 * source, node, lag(source, need - 1) + latency_ps[source]))
    return edges


def _topological_order(program: DataflowProgram, edges: list[_Edge]) -> list[int]:
    n_nodes = 2 * program.n_actors
    degree = [0] * n_nodes
    outgoing: list[list[int]] = [[] for _ in range(n_nodes)]
    for edge in edges:
        degree[edge.to] += 1
        outgoing[edge.at].append(edge.to)
    order = [v for v in range(n_nodes) if degree[v] == 0]
    for v in order:  # grows while it is read
        for w in outgoing[v]:
            degree[w] -= 1
            if degree[w] == 0:
                order.append(w)
    if len(order) < n_nodes:
        stuck = dict.fromkeys(program.actor_names[v // 2] for v in range(n_nodes) if degree[v] > 0)
        raise ProgramError(
            "program: dependencies",
            got="firings that wait for each other: " + ", ".join(stuck),
            allowed="no circle of needs without initial tokens",
            hint="run it for an explanation of the deadlock",
        )
    return order


def _trace_back(via: list[int], node: int) -> tuple[int, ...]:
    actors: list[int] = []
    while node >= 0:
        if not actors or actors[-1] != node // 2:
            actors.append(node // 2)
        node = via[node]
    return tuple(reversed(actors))
