"""Placement of a layout's cores for short ways: simulated annealing on bytes x hops, with a seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hermes_sim.mapping.traffic import Hops, flows

if TYPE_CHECKING:
    import numpy.typing as npt

    from hermes_sim.arch.schema import Chip
    from hermes_sim.mapping.placement import Mapping
    from hermes_sim.workload.graph import OpGraph

    F64 = npt.NDArray[np.float64]
    I64 = npt.NDArray[np.int64]

_MOVES_PER_PAIR = 6
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
    hops = Hops(chip)
    moved = flows(graph, mapping, chip)
    others = sorted({node for flow in moved for node in flow[:2] if not node.startswith("core")})
    index = {f"core{i}": i for i in range(n)} | {node: n + i for i, node in enumerate(others)}
    names = list(index)
    traffic = np.zeros((len(names), len(names)))
    for flow in moved:
        traffic[index[flow.source], index[flow.target]] += flow.n_bytes
        traffic[index[flow.target], index[flow.source]] += flow.n_bytes
    distance = np.array([[hops.between(a, b) for b in names] for a in names], dtype=np.float64)
    movable = np.array([core for core in range(n) if core not in fixed], dtype=np.int64)
    place = _anneal(traffic, distance, movable, np.random.default_rng(seed))
    return [int(p) for p in place[:n]]


def _anneal(traffic: F64, distance: F64, movable: I64, rng: np.random.Generator) -> I64:
    """Swap the places of two cores, one of them in use, and keep what Metropolis' rule keeps."""
    place = np.arange(len(traffic))
    used = movable[traffic[movable].any(axis=1)]
    if not len(used):
        return place
    best, best_gain, gain = place.copy(), 0.0, 0.0
    temperature = float(traffic.sum() / len(used)) / 4
    moves = _MOVES_PER_PAIR * len(used) * len(movable)
    every = max(1, moves // 400)
    for move in range(moves):
        a, b = int(used[rng.integers(len(used))]), int(movable[rng.integers(len(movable))])
        if a == b:
            continue
        change = _change(traffic, distance, place, a, b)
        if change <= 0 or rng.random() < np.exp(-change / temperature):
            place[[a, b]] = place[[b, a]]
            gain -= change
            if gain > best_gain + 1e-9:
                best, best_gain = place.copy(), gain
        if move % every == 0:
            temperature = max(temperature * _COOLING, 1e-9)
    return best


def _change(traffic: F64, distance: F64, place: I64, a: int, b: int) -> float:
    """Change of bytes x hops if cores a and b swap places; the way between them stays as long as it is."""
    apart = (traffic[a] - traffic[b]) * (distance[place[b], place] - distance[place[a], place])
    apart[[a, b]] = 0
    return float(apart.sum())
