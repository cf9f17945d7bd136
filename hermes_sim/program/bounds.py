"""Lower bounds on the makespan, from the program alone: what no engine and no order of grants can beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hermes_sim.errors import ProgramError
from hermes_sim.program.cycle_ratio import CriticalCycle, maximum_cycle_ratio
from hermes_sim.program.dataflow import I64, DataflowProgram


@dataclass(frozen=True, eq=False)
class Bounds:
    """Lower bounds on the makespan.

    Parameters
    ----------
    resource_ps : (n_resources,) ps  each resource: earliest first start, then all its work, then the last latency
    path_ps : ps                     longest chain of dependencies, resources unlimited
    path : actors on that chain, first to last
    cycle : the cycle of dependencies with the largest time per firing, None if there is none
    """

    program: DataflowProgram
    resource_ps: I64
    path_ps: int
    path: tuple[int, ...]
    cycle: CriticalCycle | None

    @property
    def busiest_resource(self) -> int:
        """Resource with the largest bound."""
        return int(np.argmax(self.resource_ps))

    @property
    def cycle_ps(self) -> int:
        """Bound of the critical cycle, ps."""
        return self.cycle.makespan_ps if self.cycle else 0

    @property
    def makespan_ps(self) -> int:
        """The largest of all bounds, ps."""
        return max(int(self.resource_ps.max(initial=0)), self.path_ps, self.cycle_ps)

    @property
    def reason(self) -> str:
        """Words for the bound that is largest."""
        if self.makespan_ps == int(self.resource_ps.max(initial=0)) and len(self.resource_ps):
            return f"resource {self.program.resource_names[self.busiest_resource]}"
        names = self.program.actor_names
        if self.cycle is not None and self.makespan_ps == self.cycle_ps:
            return "cycle " + " -> ".join(names[a] for a in self.cycle.actors)
        return f"path to {names[self.path[-1]]}" if self.path else "empty program"


def lower_bounds(program: DataflowProgram) -> Bounds:
    """Busiest resource, longest chain of dependencies, maximum cycle ratio.

    Raises
    ------
    ProgramError
        if the first firings wait for each other in a circle, so that no run can end
    """
    first_ps, path_ps, path = _longest_path(program)
    return Bounds(
        program=program,
        resource_ps=_resource_bounds(program, first_ps),
        path_ps=path_ps,
        path=path,
        cycle=maximum_cycle_ratio(program),
    )


def _resource_bounds(program: DataflowProgram, first_ps: I64) -> I64:
    """Work of each resource over its capacity, after the earliest start of any of its actors.

    With capacity c the last start comes no sooner than (work - what the last c firings hold) / c.
    """
    bounds = np.zeros(len(program.resource_names), dtype=np.int64)
    work = program.firings * program.interval_ps
    tail_ps = program.latency_ps - program.interval_ps
    for r in range(len(bounds)):
        mine = np.flatnonzero((program.resource == r) & (program.firings > 0))
        if len(mine) == 0:
            continue
        head = int(first_ps[mine].min())
        total = int(work[mine].sum())
        capacity = int(program.capacity[r])
        if capacity == 1:
            bounds[r] = head + max(total + int(tail_ps[mine].min()), int(program.latency_ps[mine].min()))
        else:
            last_start = -(-total // capacity) - int(program.interval_ps[mine].max())
            bounds[r] = head + max(last_start, 0) + int(program.latency_ps[mine].min())
    return bounds


def _longest_path(program: DataflowProgram) -> tuple[I64, int, tuple[int, ...]]:
    """Earliest first starts, and the longest path over the first and last firing of every actor.

    Node 2a is the start of actor a's first firing, 2a + 1 of its last. Firing j of an actor comes no sooner than
    j * ceil-free interval / capacity after its first.
    """
    edges = _path_edges(program)
    n_nodes = 2 * program.n_actors
    incoming: list[list[tuple[int, int]]] = [[] for _ in range(n_nodes)]
    outgoing: list[list[int]] = [[] for _ in range(n_nodes)]
    for u, v, weight in edges:
        incoming[v].append((u, weight))
        outgoing[u].append(v)
    degree = [len(x) for x in incoming]
    ready = [v for v in range(n_nodes) if degree[v] == 0]
    times = [0] * n_nodes
    via = [-1] * n_nodes
    for actor, releases_ps in program.releases_ps.items():
        if len(releases_ps):
            times[2 * actor], times[2 * actor + 1] = int(releases_ps[0]), int(releases_ps[-1])
    n_done = 0
    while ready:
        v = ready.pop()
        n_done += 1
        for u, weight in incoming[v]:
            if times[u] + weight > times[v]:
                times[v], via[v] = times[u] + weight, u
        for w in outgoing[v]:
            degree[w] -= 1
            if degree[w] == 0:
                ready.append(w)
    if n_done < n_nodes:
        stuck = [program.actor_names[v // 2] for v in range(n_nodes) if degree[v] > 0]
        raise ProgramError(
            "program: dependencies",
            got="firings that wait for each other: " + ", ".join(dict.fromkeys(stuck)),
            allowed="no circle of needs without initial tokens",
            hint="run it for an explanation of the deadlock",
        )
    fires = program.firings > 0
    if not fires.any():
        return np.zeros(program.n_actors, dtype=np.int64), 0, ()
    finish = np.where(fires, np.array(times[1::2]) + program.latency_ps, -1)
    end = int(np.argmax(finish))
    path: list[int] = []
    v = 2 * end + 1
    while v >= 0:
        if not path or path[-1] != v // 2:
            path.append(v // 2)
        v = via[v]
    return np.array(times[0::2], dtype=np.int64), int(finish[end]), tuple(reversed(path))


def _path_edges(program: DataflowProgram) -> list[tuple[int, int, int]]:
    """(from, to, ps): start of `to` is at least that much after the start of `from`."""
    firings = program.firings
    capacity = program.capacity[program.resource]
    pace = program.interval_ps

    def lag(a: int, j: int) -> int:
        """Time from the first start of a to the start of its firing j: one interval per `capacity` firings."""
        return (j // int(capacity[a])) * int(pace[a])

    edges = [(2 * a, 2 * a + 1, lag(a, int(firings[a]) - 1)) for a in range(program.n_actors) if firings[a] > 0]
    for d in range(program.n_deps):
        source, target = int(program.source[d]), int(program.target[d])
        n_source, n_target = int(firings[source]), int(firings[target])
        if n_target == 0:
            continue
        num, off, den = int(program.num[d]), int(program.off[d]), int(program.den[d])
        latency = int(program.latency_ps[source])
        for node, k in ((2 * target, 0), (2 * target + 1, n_target - 1)):
            need = min((k * num + off) // den, n_source)
            if need == n_source and need > 0:
                edges.append((2 * source + 1, node, latency))
            if need > 0:
                edges.append((2 * source, node, lag(source, need - 1) + latency))
    return edges
