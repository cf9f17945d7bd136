"""Strongly connected components against scipy's."""

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from hermes_sim.program.components import strong_components


@pytest.mark.parametrize("density", [0.5, 1.0, 1.5, 4.0])
def test_random_graphs_fall_into_the_same_components_as_with_scipy(density):
    for seed in range(50):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(1, 40))
        source, target = rng.integers(0, n, size=(2, int(density * n)))
        mine = strong_components(n, source, target)
        graph = coo_array((np.ones(len(source)), (source, target)), shape=(n, n))
        count, theirs = connected_components(graph, directed=True, connection="strong")
        assert len(set(zip(mine, theirs, strict=True))) == len(set(mine.tolist())) == count


def test_a_graph_without_edges_has_a_component_for_each_node():
    nothing = np.empty(0, dtype=np.int64)
    assert sorted(strong_components(3, nothing, nothing)) == [0, 1, 2]
