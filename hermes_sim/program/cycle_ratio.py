"""Maximum cycle ratio of a dataflow program: the pace that feedback and bounded buffers impose, exactly."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from hermes_sim.program.dataflow import DataflowProgram


@dataclass(frozen=True)
class Edge:
    """Firing k of `target` starts `weight_ps` after firing k' of `source`, or later.

    k' / firings of source >= k / firings of target - delay: progress is counted as a share of the whole run, so
    that actors of different rates can be compared.
    """

    source: int
    target: int
    weight_ps: int
    delay: Fraction


@dataclass(frozen=True)
class CriticalCycle:
    """The cycle of dependencies that paces the program most.

    Parameters
    ----------
    actors : in the order of the cycle
    weight_ps : ps       latencies (and intervals) once around
    delay : share of the run that one turn advances
    makespan_ps : ps     lower bound on the makespan
    """

    actors: tuple[int, ...]
    weight_ps: int
    delay: Fraction
    makespan_ps: int

    @property
    def run_ps(self) -> float:
        """Time the cycle needs for the whole run, ends not counted, ps."""
        return float(self.weight_ps / self.delay)


def maximum_cycle_ratio(program: DataflowProgram) -> CriticalCycle | None:
    """Cycle with the largest weight / delay, or None if no cycle counts.

    Counted are dependencies whose need advances in step with both actors' firings (num x firings of the target =
    den x firings of the source), and the interval of an actor on its resource. Others, such as the initial part of
    a sequence, do not pace the whole run; leaving them out keeps the bound valid. Where den > 1 the floor of the
    need is bounded from below, which can make the bound a little low.

    Found by improving a cycle until Bellman-Ford, in whole numbers, finds no better one.
    """
    best: CriticalCycle | None = None
    for edges in _components(program):
        ratio = Fraction(0)
        cycle: list[Edge] | None = None
        while True:
            better = _positive_cycle(edges, ratio)
            if better is None:
                break
            delay = sum((e.delay for e in better), Fraction(0))
            cycle = better
            if delay <= 0:
                break  # a deadlock, or needs that only clipping makes harmless: not a pace
            ratio = sum(e.weight_ps for e in better) / delay
        if cycle is not None:
            candidate = _describe(program, cycle)
            if candidate is not None and (best is None or candidate.makespan_ps > best.makespan_ps):
                best = candidate
    return best


def _edges(program: DataflowProgram) -> list[Edge]:
    edges = []
    firings = program.firings
    for a in np.flatnonzero(firings > 0):
        capacity = int(program.capacity[program.resource[a]])
        edges.append(Edge(int(a), int(a), int(program.interval_ps[a]), Fraction(capacity, int(firings[a]))))
    for d in range(program.n_deps):
        source, target = int(program.source[d]), int(program.target[d])
        num, off, den = int(program.num[d]), int(program.off[d]), int(program.den[d])
        n_source, n_target = int(firings[source]), int(firings[target])
        if n_source == 0 or num * n_target != den * n_source:
            continue
        if ((n_target - 1) * num + off) // den > n_source:
            continue  # clipped at the end
        delay = Fraction(2 * den - off - 1, den * n_source)
        edges.append(Edge(source, target, int(program.latency_ps[source]), delay))
    return edges


def _components(program: DataflowProgram) -> list[list[Edge]]:
    """Edges of each strongly connected component."""
    edges = _edges(program)
    if not edges:
        return []
    ends = np.array([(e.source, e.target) for e in edges])
    graph = coo_array((np.ones(len(edges)), (ends[:, 0], ends[:, 1])), shape=(program.n_actors,) * 2)
    _, label = connected_components(graph, directed=True, connection="strong")
    groups: dict[int, list[Edge]] = defaultdict(list)
    for e in edges:
        if label[e.source] == label[e.target]:
            groups[int(label[e.source])].append(e)
    return list(groups.values())


def _positive_cycle(edges: list[Edge], ratio: Fraction) -> list[Edge] | None:
    """A cycle with weight - ratio x delay > 0, or None. Bellman-Ford in whole numbers, vectors over the edges."""
    scale = lcm(*(e.delay.denominator for e in edges)) * ratio.denominator
    costs = [int(scale * (e.weight_ps - ratio * e.delay)) for e in edges]
    nodes = {a: i for i, a in enumerate(sorted({e.source for e in edges} | {e.target for e in edges}))}
    largest = max(abs(x) for x in costs) * (len(nodes) + 1)
    dtype = np.int64 if largest < 2**62 else object
    cost = np.array(costs, dtype=dtype)
    source = np.array([nodes[e.source] for e in edges])
    target = np.array([nodes[e.target] for e in edges])
    order = np.argsort(target, kind="stable")
    cost, source, target = cost[order], source[order], target[order]
    starts = np.flatnonzero(np.r_[True, target[1:] != target[:-1]])
    heads = target[starts]
    distance = np.zeros(len(nodes), dtype=dtype)
    via = np.full(len(nodes), -1)
    for turn in range(len(nodes) + 1):
        through = distance[source] + cost
        longest = np.maximum.reduceat(through, starts)
        improved = longest > distance[heads]
        if not improved.any():
            return None
        rows = _first_rows(through, np.repeat(longest, np.diff(np.r_[starts, len(target)])), starts)
        via[heads[improved]] = rows[improved]
        distance[heads[improved]] = longest[improved]
        if turn % 8 == 7 or turn == len(nodes):  # noqa: PLR2004 - look for a cycle now and then
            cycle = _cycle_of(via, source, len(nodes))
            if cycle is not None:
                return [edges[order[row]] for row in cycle]
    return None


def _first_rows(through: np.ndarray, longest: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """For every group of rows beginning at `starts`, the first row that attains the longest path."""
    rows = np.flatnonzero(through == longest)
    return rows[np.searchsorted(rows, starts)]


def _cycle_of(via: np.ndarray, source: np.ndarray, n: int) -> list[int] | None:
    """A cycle of the predecessor graph as rows in order, or None. Such a cycle has positive cost."""
    colour = np.zeros(n, dtype=np.int64)
    for root in range(n):
        v = root
        while colour[v] == 0 and via[v] >= 0:
            colour[v] = root + 1
            v = int(source[via[v]])
        if via[v] >= 0 and colour[v] == root + 1:
            cycle = [int(via[v])]
            u = int(source[via[v]])
            while u != v:
                cycle.append(int(via[u]))
                u = int(source[via[u]])
            return cycle[::-1]
    return None


def _describe(program: DataflowProgram, cycle: list[Edge]) -> CriticalCycle | None:
    """Cycle with the makespan it implies: whole turns back from the last firing of the actor where that gives most.

    After n turns the firing index is at least that of progress (N - 1) / N - n delay, and the dependency exists as
    long as no index on the way is below 0.
    """
    delay = sum((e.delay for e in cycle), Fraction(0))
    weight_ps = sum(e.weight_ps for e in cycle)
    if delay <= 0 or weight_ps == 0:
        return None
    best = 0
    for i in range(len(cycle)):  # end the path at the target of edge i - 1, walk backwards
        back = [cycle[(i - 1 - j) % len(cycle)] for j in range(len(cycle))]
        n_end = int(program.firings[back[0].target])
        progress = Fraction(n_end - 1, n_end)
        lowest = total = Fraction(0)
        for e in back:
            total += e.delay
            lowest = max(lowest, total)
        turns = max(0, (progress - lowest) // delay + 1) if progress >= lowest else 0
        best = max(best, int(turns) * weight_ps + int(program.latency_ps[back[0].target]))
    return CriticalCycle(tuple(e.source for e in cycle), weight_ps, delay, best)
