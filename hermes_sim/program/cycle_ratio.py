"""Maximum cycle ratio of a dataflow program: the pace that feedback and bounded buffers impose, exactly."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hermes_sim._jit import njit
from hermes_sim.program.ordering import sort_nodes, strong_components

if TYPE_CHECKING:
    from hermes_sim.program.dataflow import I64, DataflowProgram

_LEAST_GAIN_PS = 1e-3


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

    k' / firings of source >= k / firings of target - above / below.
    """

    source: I64
    target: I64
    weight_ps: I64
    above: I64
    below: I64

    def keep(self, rows: npt.NDArray[np.bool_]) -> _Edges:
        """The edges of some rows."""
        return _Edges(*(getattr(self, name)[rows] for name in ("source", "target", "weight_ps", "above", "below")))

    def delays(self, rows: list[int]) -> list[Fraction]:
        """Delay of some edges, exactly."""
        return [Fraction(int(self.above[i]), int(self.below[i])) for i in rows]

    def pace_ps(self, cycle: list[int]) -> Fraction | None:
        """Time per run that a cycle asks for, exactly; None if it has no delay."""
        delay = sum(self.delays(cycle), Fraction(0))
        return sum(int(self.weight_ps[i]) for i in cycle) / delay if delay > 0 else None


def maximum_cycle_ratio(program: DataflowProgram) -> CriticalCycle | None:
    """Cycle with the largest weight / delay, or None if no cycle counts.

    Progress is counted as a share of the whole run, so that actors of different rates can be compared. Counted are
    dependencies whose need advances in step with both actors' firings (num x firings of the target = den x firings
    of the source), and the interval of an actor on its resource. Others do not pace the whole run; leaving them
    out keeps the bound valid. Where den > 1 the floor of the need is bounded from below, which can make the bound
    a little low.

    A cycle is improved until Bellman-Ford finds no better one. That search is in floating point, to a thousandth of a
    picosecond per turn; the ratio of what it finds is exact.
    """
    edges = _cyclic_edges(program)
    if edges is None:
        return None
    best = _slowest_loop(edges)
    pace_ps = edges.pace_ps(best) if best else None
    while True:
        cost = edges.weight_ps - edges.above / edges.below * float(pace_ps or 0)
        cycle = _positive_cycle(program.n_actors, edges, cost)
        found_ps = edges.pace_ps(cycle) if cycle else None
        if cycle and found_ps is None:
            # a deadlock, or a need that only clipping makes harmless: no pace, and one edge less is still a bound
            kept = np.ones(len(edges.source), dtype=np.bool_)
            kept[[i for i in cycle if i not in best][:1]] = False
            renumber = np.cumsum(kept) - 1
            best = [int(renumber[i]) for i in best]
            edges = edges.keep(kept)
        elif cycle and found_ps is not None and found_ps > (pace_ps or 0):
            best, pace_ps = cycle, found_ps
        else:
            return _describe(program, edges, best) if best else None


def _slowest_loop(edges: _Edges) -> list[int]:
    """The interval or feedback of one actor that alone asks for most time, if there is one."""
    loops = np.flatnonzero((edges.source == edges.target) & (edges.above > 0) & (edges.weight_ps > 0))
    if len(loops) == 0:
        return []
    rough = edges.weight_ps[loops] * (edges.below[loops] / edges.above[loops])
    near = [int(i) for i in loops[rough >= rough.max() * (1 - 1e-12)]]
    return [max(near, key=lambda i: edges.pace_ps([i]) or 0)]


def _cyclic_edges(program: DataflowProgram) -> _Edges | None:
    """Edges inside strongly connected components, intervals as loops."""
    firings = program.firings
    source, target = program.source, program.target
    n_source, n_target = firings[source], firings[target]
    last_need = ((n_target - 1) * program.num + program.off) // program.den
    in_step = (n_source > 0) & (n_target > 0) & (last_need <= n_source)
    in_step &= program.num * n_target == program.den * n_source
    if in_step.any():
        label = strong_components(program.n_actors, source[in_step], target[in_step])
        in_step &= label[source] == label[target]
    loops = np.flatnonzero((firings > 0) & (program.interval_ps > 0))
    deps = np.flatnonzero(in_step)
    if len(loops) + len(deps) == 0:
        return None
    den = program.den[deps]
    return _Edges(
        source=np.concatenate([loops, source[deps]]),
        target=np.concatenate([loops, target[deps]]),
        weight_ps=np.concatenate([program.interval_ps[loops], program.latency_ps[source[deps]]]),
        above=np.concatenate([program.capacity[program.resource[loops]], 2 * den - program.off[deps] - 1]),
        below=np.concatenate([firings[loops], den * n_source[deps]]),
    )


def _positive_cycle(n_nodes: int, edges: _Edges, cost: npt.NDArray[np.float64]) -> list[int]:
    """Rows of a cycle of positive cost, in order; none if there is none."""
    order = _relaxation_order(n_nodes, edges)
    rows = np.empty(n_nodes + 1, dtype=np.int64)
    n = relax(edges.source[order], edges.target[order], cost[order], np.zeros(n_nodes), rows)
    return [int(order[row]) for row in rows[:n][::-1]]


def _relaxation_order(n_nodes: int, edges: _Edges) -> I64:
    """Edges along the flow of data, so that one pass over them carries a distance from end to end."""
    forward = (edges.above <= 0) & (edges.source != edges.target)
    _, depth = sort_nodes(n_nodes, edges.source[forward], edges.target[forward])
    return np.argsort(depth[edges.source], kind="stable")


@njit
def relax(
    source: I64, target: I64, cost: npt.NDArray[np.float64], distance: npt.NDArray[np.float64], cycle: I64
) -> int:
    """Bellman-Ford; writes the rows of a cycle of positive cost, last first, and returns how many: 0 for none."""
    n_nodes = len(distance)
    via = np.full(n_nodes, -1, dtype=np.int64)
    colour = np.empty(n_nodes, dtype=np.int64)
    for turn in range(n_nodes + 1):
        improved = False
        for row in range(len(source)):
            through = distance[source[row]] + cost[row]
            if through > distance[target[row]] + _LEAST_GAIN_PS:
                distance[target[row]] = through
                via[target[row]] = row
                improved = True
        if not improved:
            return 0
        if turn % 4 == 3 or turn == n_nodes:
            colour[:] = -1
            n = _cycle_of(via, source, colour, cycle)
            if n > 0:
                return n
    return 0


@njit
def _cycle_of(via: I64, source: I64, colour: I64, cycle: I64) -> int:
    """A cycle of the predecessor graph, last row first; Bellman-Ford makes only positive ones."""
    for root in range(len(via)):
        v = root
        while colour[v] < 0 and via[v] >= 0:
            colour[v] = root
            v = source[via[v]]
        if via[v] >= 0 and colour[v] == root:
            cycle[0] = via[v]
            n = 1
            u = source[via[v]]
            while u != v:
                cycle[n] = via[u]
                n += 1
                u = source[via[u]]
            return n
    return 0


def _describe(program: DataflowProgram, edges: _Edges, cycle: list[int]) -> CriticalCycle:
    """Cycle with the makespan it implies: back from the last firing of the actor where that gives most.

    Going back from progress (N - 1) / N, a dependency exists for as long as the progress is not below 0.
    """
    delays = edges.delays(cycle)
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
