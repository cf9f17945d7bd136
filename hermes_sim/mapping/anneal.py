"""Mapping of a layout's cores for short ways: simulated annealing on bytes x hops, with a seed."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from hermes_sim.chip.network import Routes
from hermes_sim.mapping.traffic import flows

if TYPE_CHECKING:
    from collections.abc import Callable

    from hermes_sim.chip.schema import Chip
    from hermes_sim.mapping.mapping import Mapping
    from hermes_sim.workload.graph import OpGraph

_MOVES_PER_PAIR = 6
_MOST_MOVES = 25_000  # more than all of a chip of 64 cores, and the limit for larger ones
_COOLING = 0.985


def anneal_cores(
    graph: OpGraph, mapping: Mapping, chip: Chip, *, seed: int, fixed: frozenset[int] = frozenset()
) -> list[int]:
    """New core index of every old core index, such that bytes x hops become small.

    Blocks that share a core stay together; digital units, the port and `fixed` cores stay where they are.

    Returns
    -------
    (n_cores,) a permutation
    """
    n = chip.n_cores
    routes = Routes(chip)
    moved = flows(graph, mapping, chip)
    others = {node for flow in moved for node in flow[:2] if not node.is_core}
    nodes = [*chip.core_places(), *sorted(others, key=str)]
    index = {node: i for i, node in enumerate(nodes)}
    near: list[dict[int, float]] = [{} for _ in nodes]
    for flow in moved:
        one, two = index[flow.source], index[flow.target]
        near[one][two] = near[two][one] = near[one].get(two, 0.0) + flow.n_bytes
    movable = [core for core in range(n) if core not in fixed]

    @cache
    def distance(a: int, b: int) -> int:
        return routes.hops(nodes[a], nodes[b])

    return _anneal(near, distance, movable, np.random.default_rng(seed))[:n]


def _anneal(
    near: list[dict[int, float]], distance: Callable[[int, int], int], movable: list[int], rng: np.random.Generator
) -> list[int]:
    """Swap the places of two cores, one of them in use, and keep what Metropolis' rule keeps.

    Parameters
    ----------
    near : per node, what it exchanges with whom, in bytes
    """
    place = list(range(len(near)))
    used = [core for core in movable if near[core]]
    if not used:
        return place
    swaps: list[tuple[int, int]] = []
    best, best_gain, gain = 0, 0.0, 0.0
    temperature = sum(sum(others.values()) for others in near) / len(used) / 4
    moves = min(_MOVES_PER_PAIR * len(used) * len(movable), _MOST_MOVES)
    every = max(1, moves // 400)
    for move in range(moves):
        a, b = used[rng.integers(len(used))], movable[rng.integers(len(movable))]
        if a == b:
            continue
        change = _change(near, distance, place, a, b)
        if change <= 0 or rng.random() < math.exp(-change / temperature):
            place[a], place[b] = place[b], place[a]
            swaps.append((a, b))
            gain -= change
            if gain > best_gain + 1e-9:
                best, best_gain = len(swaps), gain
        if move % every == 0:
            temperature = max(temperature * _COOLING, 1e-9)
    for a, b in reversed(swaps[best:]):
        place[a], place[b] = place[b], place[a]
    return place


def _change(
    near: list[dict[int, float]], distance: Callable[[int, int], int], place: list[int], a: int, b: int
) -> float:
    """Change of bytes x hops if cores a and b swap places; the way between them stays as long as it is."""
    here, there = place[a], place[b]
    change = 0.0
    for node, n_bytes in near[a].items():
        if node != b:
            change += n_bytes * (distance(there, place[node]) - distance(here, place[node]))
    for node, n_bytes in near[b].items():
        if node != a:
            change -= n_bytes * (distance(there, place[node]) - distance(here, place[node]))
    return change
