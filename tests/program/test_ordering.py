"""Strong components and the order by dependency, against what they mean."""

import numpy as np
import pytest

from hermes_sim.program.ordering import sort_nodes, strong_components


def reachable(n, source, target):
    """[a, b]: whether there is a way from a to b, of no edges or more."""
    reach = np.eye(n, dtype=bool)
    reach[source, target] = True
    for _ in range(n):
        reach |= (reach.astype(int) @ reach.astype(int)) > 0
    return reach


@pytest.mark.parametrize("density", [0.5, 1.0, 1.5, 4.0])
def test_components_hold_what_can_be_reached_both_ways(density):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(1, 30))
        source, target = rng.integers(0, n, size=(2, int(density * n)))
        label = strong_components(n, source, target)
        reach = reachable(n, source, target)
        np.testing.assert_array_equal(label[:, None] == label[None, :], reach & reach.T)


def test_a_graph_without_edges_has_a_component_for_each_node():
    nothing = np.empty(0, dtype=np.int64)
    assert sorted(strong_components(3, nothing, nothing)) == [0, 1, 2]


@pytest.mark.parametrize("density", [0.3, 0.8, 2.0])
def test_edges_point_onwards_and_depths_are_longest_ways(density):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(1, 30))
        source, target = rng.integers(0, n, size=(2, int(density * n)))
        order, depth = sort_nodes(n, source, target)
        reach = reachable(n, source, target)
        loops = set(source[source == target].tolist())
        circles = [v for v in range(n) if v in loops or (reach[v] & reach[:, v]).sum() > 1]
        assert set(range(n)) - set(order.tolist()) == set(np.flatnonzero(reach[circles].any(axis=0)).tolist())
        place = {v: i for i, v in enumerate(order.tolist())}
        for v in order.tolist():
            before = source[target == v].tolist()
            assert all(place[u] < place[v] for u in before)
            assert depth[v] == max((depth[u] + 1 for u in before), default=0)
