"""Strongly connected components of a directed graph (Tarjan's algorithm, without recursion)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hermes_sim._jit import njit

if TYPE_CHECKING:
    from hermes_sim.program.dataflow import I64


def strong_components(n_nodes: int, source: I64, target: I64) -> I64:
    """Label (n_nodes,) of each node; two nodes share a label if and only if each can be reached from the other."""
    order = np.argsort(source, kind="stable")
    first = np.searchsorted(source[order], np.arange(n_nodes + 1))
    return _tarjan(first.astype(np.int64), target[order].astype(np.int64))


@njit
def _tarjan(first: I64, target: I64) -> I64:  # noqa: C901 - a recursion written out
    """Labels; the targets of node v are ``target[first[v]:first[v + 1]]``."""
    n_nodes = len(first) - 1
    label = np.full(n_nodes, -1, dtype=np.int64)
    index = np.full(n_nodes, -1, dtype=np.int64)  # order of discovery
    lowest = np.zeros(n_nodes, dtype=np.int64)  # earliest node on the stack that can be reached
    edge = first[:-1].copy()  # next edge to follow
    path, stack = np.empty(n_nodes, dtype=np.int64), np.empty(n_nodes, dtype=np.int64)
    n_found, n_labels, n_stack = 0, 0, 0
    for root in range(n_nodes):
        if index[root] >= 0:
            continue
        n_path = 1
        path[0] = root
        while n_path > 0:
            v = path[n_path - 1]
            if index[v] < 0:
                index[v] = lowest[v] = n_found
                n_found += 1
                stack[n_stack] = v
                n_stack += 1
            if edge[v] < first[v + 1]:
                w = target[edge[v]]
                edge[v] += 1
                if index[w] < 0:
                    path[n_path] = w
                    n_path += 1
                elif label[w] < 0:
                    lowest[v] = min(lowest[v], index[w])
                continue
            n_path -= 1
            if n_path > 0:
                above = path[n_path - 1]
                lowest[above] = min(lowest[above], lowest[v])
            if lowest[v] == index[v]:
                while label[v] < 0:
                    n_stack -= 1
                    label[stack[n_stack]] = n_labels
                n_labels += 1
    return label
