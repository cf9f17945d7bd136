"""Directed graphs as two arrays of node numbers: strong components, and an order in which all edges point onwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hermes_sim._jit import njit_kernel

if TYPE_CHECKING:
    from hermes_sim.program.dataflow import I64


def strong_components(n_nodes: int, source: I64, target: I64) -> I64:
    """Label (n_nodes,) of each node; two nodes share a label if and only if each can be reached from the other."""
    from scipy.sparse import coo_array  # noqa: PLC0415 - a tenth of a second that starting up need not wait for
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415 - as above

    edges = coo_array((np.ones(len(source), dtype=np.int8), (source, target)), shape=(n_nodes, n_nodes))
    _, label = connected_components(edges, connection="strong")
    return np.asarray(label, dtype=np.int64)


def sort_nodes(n_nodes: int, source: I64, target: I64) -> tuple[I64, I64]:
    """Nodes sorted by dependency.

    Returns
    -------
    order : (n,) nodes such that all edges point onwards; those on a circle, or behind one, are left out
    depth : (n_nodes,) edges of the longest way to each node; for nodes left out, of what was found on the way there
    """
    out = np.argsort(source, kind="stable")
    first = np.searchsorted(source[out], np.arange(n_nodes + 1))
    missing = np.bincount(target, minlength=n_nodes)
    order, depth = np.empty(n_nodes, dtype=np.int64), np.zeros(n_nodes, dtype=np.int64)
    n = sort_free(first, target[out], missing, order, depth)
    return order[:n], depth


@njit_kernel
def sort_free(first: I64, target: I64, missing: I64, order: I64, depth: I64) -> int:
    """Fill `order` and `depth`; returns how many nodes came free.

    `missing` counts the edges into each node, `target` has the far ends of edges, those from node v from `first[v]` on.
    """
    n = 0
    for v in range(len(missing)):
        if missing[v] == 0:
            order[n] = v
            n += 1
    i = 0
    while i < n:
        v = order[i]
        i += 1
        for row in range(first[v], first[v + 1]):
            w = target[row]
            depth[w] = max(depth[w], depth[v] + 1)
            missing[w] -= 1
            if missing[w] == 0:
                order[n] = w
                n += 1
    return n
