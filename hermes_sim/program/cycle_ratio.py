"""Maximum cycle ratio of a dataflow program: the pace that feedback and bounded buffers impose, exactly."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hermes_sim.program.components import strong_components

if TYPE_CHECKING:
    from hermes_sim.program.dataflow import I64, DataflowProgram

# whole numbers as int64, or as Python objects where 64 bits are too few
Whole = npt.NDArray[Any]


@dataclass(frozen=True)
class CriticalCycle:
    """The cycle of dependencies that paces the program most.

    Parameters
    ----------
    actors : in the order of the cycle
    weight_ps : ps       latencies (or one interval) once around
    run_share : share of the whole run that one turn advances
    makespan_ps : ps     lower bound on the makespan
    """

    actors: tuple[int, ...]
    weight_ps: int
    run_share: Fraction
    makespan_ps: int


@dataclass(frozen=True, eq=False)
class _Edges:
    """Firing k of `target` starts at least `weight_ps` after firing k' of `source`, where

    k' / firings of source >= k / firings of target - delay / scale.
    """

    source: I64
    target: I64
    weight_ps: Whole
    delay: Whole
    scale: int

    def keep(self, rows: Any) -> _Edges:
        """The edges of some rows."""
        return _Edges(self.source[rows], self.target[rows], self.weight_ps[rows], self.delay[rows], self.scale)


def maximum_cycle_ratio(program: DataflowProgram) -> CriticalCycle | None:
    """Cycle with the largest weight / delay, or None if no cycle counts.

    Progress is counted as a share of the whole run, so that actors of different rates can be compared. Counted are
    dependencies whose need advances in step with both actors' firings (num x firings of the target = den x firings
    of the source), and the interval of an actor on its resource. Others do not pace the whole run; leaving them
    out keeps the bound valid. Where den > 1 the floor of the need is bounded from below, which can make the bound
    a little low.

    A cycle is improved until Bellman-Ford, in whole numbers, finds no better one.
    """
    edges = _cyclic_edges(program)
    if edges is None:
        return None
    loops = np.flatnonzero(edges.source == edges.target)
    positive = [int(i) for i in loops if edges.delay[i] > 0 and edges.weight_ps[i] > 0]
    paces = [Fraction(int(edges.weight_ps[i]), int(edges.delay[i])) for i in positive]
    best = [positive[paces.index(max(paces))]] if paces else []
    while True:
        weight = sum(int(edges.weight_ps[i]) for i in best)
        delay = sum(int(edges.delay[i]) for i in best) or 1
        cycle = _positive_cycle(edges, edges.weight_ps * delay - edges.delay * weight)
        if cycle is None:
            return _describe(program, edges, best) if best else None
        if sum(int(edges.delay[i]) for i in cycle) > 0:
            best = cycle
        else:  # a deadlock, or a need that only clipping makes harmless: no pace, and one edge less is still a bound
            kept = np.ones(len(edges.source), dtype=np.bool_)
            kept[[i for i in cycle if i not in best][:1]] = False
            renumber = np.cumsum(kept) - 1
            best = [int(renumber[i]) for i in best]
            edges = edges.keep(kept)


def _cyclic_edges(program: DataflowProgram) -> _Edges | None:
    """Edges inside strongly connected components, intervals as loops."""
    firings = program.firings
    source, target = program.source, program.target
    n_source, n_target = firings[source], firings[target]
    last_need = ((n_target - 1) * program.num + program.off) // program.den
    in_step = (n_source > 0) & (n_target > 0) & (last_need <= n_source)
    in_step &= np.array(
        [a * b == c * d for a, b, c, d in _python_ints(program.num, n_target, program.den, n_source)], dtype=np.bool_
    )
    if in_step.any():
        label = strong_components(program.n_actors, source[in_step], target[in_step])
        in_step &= label[source] == label[target]
    loops = np.flatnonzero((firings > 0) & (program.interval_ps > 0))
    deps = np.flatnonzero(in_step)
    if len(loops) + len(deps) == 0:
        return None
    capacity = program.capacity[program.resource[loops]]
    parts = [(c, n) for c, n in _python_ints(capacity, firings[loops])]
    parts += [
        (2 * den - off - 1, den * n)
        for off, den, n in _python_ints(program.off[deps], program.den[deps], n_source[deps])
    ]
    scale = lcm(*(n for _, n in parts))
    delay = [d * (scale // n) for d, n in parts]
    weight_ps = np.concatenate([program.interval_ps[loops], program.latency_ps[source[deps]]])
    longest_path = 2 * (program.n_actors + 1) ** 2 * max(1, *map(abs, delay)) * max(1, int(weight_ps.max()))
    dtype: Any = np.int64 if longest_path < 2**62 else object
    return _Edges(
        source=np.concatenate([loops, source[deps]]),
        target=np.concatenate([loops, target[deps]]),
        weight_ps=weight_ps.astype(dtype),
        delay=np.array(delay, dtype=dtype),
        scale=scale,
    )


def _python_ints(*columns: I64) -> list[tuple[int, ...]]:
    return list(zip(*(c.tolist() for c in columns), strict=True))


def _positive_cycle(edges: _Edges, cost: Whole) -> list[int] | None:
    """Rows of a cycle of positive cost, in order, or None. Bellman-Ford, one pass over all edges at a time."""
    _, ends = np.unique(np.concatenate([edges.source, edges.target]), return_inverse=True)
    source, target = ends[: len(cost)], ends[len(cost) :]
    order = np.argsort(target, kind="stable")
    source, target, cost = source[order], target[order], cost[order]
    starts = np.flatnonzero(np.r_[True, target[1:] != target[:-1]])
    heads = target[starts]
    lengths = np.diff(np.r_[starts, len(target)])
    n_nodes = int(ends.max()) + 1
    distance = np.zeros(n_nodes, dtype=cost.dtype)
    via = np.full(n_nodes, -1)
    for turn in range(n_nodes + 1):
        through = distance[source] + cost
        longest = np.maximum.reduceat(through, starts)
        improved = longest > distance[heads]
        if not improved.any():
            return None
        attained = np.flatnonzero(through == np.repeat(longest, lengths))
        rows = attained[np.searchsorted(attained, starts)]
        via[heads[improved]] = rows[improved]
        distance[heads[improved]] = longest[improved]
        if turn % 8 == 7 or turn == n_nodes:
            cycle = _cycle_of(via.tolist(), source.tolist())
            if cycle is not None:
                return [int(order[row]) for row in cycle]
    return None


def _cycle_of(via: list[int], source: list[int]) -> list[int] | None:
    """A cycle of the predecessor graph as rows in order, or None; Bellman-Ford makes only positive ones."""
    colour = [-1] * len(via)
    for root in range(len(via)):
        v = root
        while colour[v] < 0 and via[v] >= 0:
            colour[v] = root
            v = source[via[v]]
        if via[v] >= 0 and colour[v] == root:
            cycle = [via[v]]
            u = source[via[v]]
            while u != v:
                cycle.append(via[u])
                u = source[via[u]]
            return cycle[::-1]
    return None


def _describe(program: DataflowProgram, edges: _Edges, cycle: list[int]) -> CriticalCycle:
    """Cycle with the makespan it implies: back from the last firing of the actor where that gives most.

    Going back from progress (N - 1) / N, a dependency exists for as long as the progress is not below 0.
    """
    delays = [Fraction(int(edges.delay[i]), edges.scale) for i in cycle]
    weights_ps = [int(edges.weight_ps[i]) for i in cycle]
    turn = sum(delays, Fraction(0))
    best = 0
    for end in range(len(cycle)):
        actor = int(edges.target[cycle[end]])
        progress = 1 - Fraction(1, int(program.firings[actor]))
        back = [end - step for step in range(len(cycle))]
        deepest = max(Fraction(0), *itertools.accumulate(delays[i] for i in back))
        turns = int((progress - deepest) // turn) + 1 if progress >= deepest else 0
        length_ps = turns * sum(weights_ps) + int(program.latency_ps[actor])
        progress -= turns * turn
        for i in back:
            progress -= delays[i]
            if progress < 0:
                break
            length_ps += weights_ps[i]
        best = max(best, length_ps)
    return CriticalCycle(
        actors=tuple(int(edges.source[i]) for i in cycle),
        weight_ps=sum(weights_ps),
        run_share=turn,
        makespan_ps=best,
    )
