"""Annealing: exact changes, a result that is never worse, and a bound on its effort."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes_sim.chip.places import HOST_MEMORY
from hermes_sim.mapping import anneal
from hermes_sim.mapping.anneal import _anneal, _change, anneal_cores
from hermes_sim.mapping.mapping import Block, Mapping
from hermes_sim.mapping.place import map_graph, shorten_ways
from hermes_sim.mapping.traffic import bytes_hops
from hermes_sim.workload.load import build_graph, load_workload

from .conftest import products


def line(a, b):
    return abs(a - b)


def cost(near, place):
    return sum(n * line(place[a], place[b]) for a, others in enumerate(near) for b, n in others.items()) / 2


@st.composite
def traffics(draw):
    n = draw(st.integers(2, 6))
    near = [{} for _ in range(n)]
    for a in range(n):
        for b in range(a):
            n_bytes = draw(st.integers(0, 9))
            if n_bytes:
                near[a][b] = near[b][a] = float(n_bytes)
    return near, list(draw(st.permutations(range(n)))), draw(st.integers(0, 9))


@settings(deadline=None)
@given(traffics())
def test_the_change_of_a_swap_is_that_of_the_whole_sum(case):
    near, place, seed = case
    a, b = np.random.default_rng(seed).choice(len(place), 2, replace=False)
    swapped = place.copy()
    swapped[a], swapped[b] = place[b], place[a]
    assert _change(near, line, place, a, b) == cost(near, swapped) - cost(near, place)


@settings(deadline=None)
@given(traffics())
def test_the_result_is_a_permutation_that_is_no_worse(case):
    near, _, seed = case
    start = list(range(len(near)))
    end = _anneal(near, line, start, np.random.default_rng(seed))
    assert sorted(end) == start
    assert cost(near, end) <= cost(near, start)


def test_a_short_line_is_solved():
    """0 talks to 3 only, 1 to 2 only: the pairs end side by side."""
    near = [{3: 5.0}, {2: 7.0}, {1: 7.0}, {0: 5.0}]
    end = _anneal(near, line, list(range(4)), np.random.default_rng(0))
    assert cost(near, end) == 12


def test_what_may_not_move_stays():
    near = [{3: 5.0}, {}, {}, {0: 5.0}]
    assert _anneal(near, line, [0, 1, 2], np.random.default_rng(1))[3] == 3
    assert _anneal(near, line, [1, 2], np.random.default_rng(1)) == [0, 1, 2, 3]  # neither is in use
    assert _anneal([{}, {}], line, [0, 1], np.random.default_rng(1)) == [0, 1]


@pytest.mark.parametrize(("used", "movable", "moves"), [(2, 4, 48), (3, 5, 90), (100, 100, 25_000)])
def test_moves_are_six_per_pair_and_bounded(used, movable, moves):
    class Counting:
        def __init__(self):
            self.n = 0

        def integers(self, high):
            self.n += 1
            return 0 if self.n % 2 else high - 1

        def random(self):
            return 1.0

    near = [{} for _ in range(movable)]
    for core in range(used - 1):
        near[core][used - 1] = near[used - 1][core] = 1.0
    rng = Counting()
    _anneal(near, line, list(range(movable)), rng)
    assert rng.n == 2 * moves
    assert anneal._MOST_MOVES >= 6 * 64 * 64  # all of the shipped chips


def test_cores_move_with_what_they_hold_and_fixed_ones_stay(hermes):
    """A product far from the port: the io port is at core 0, and direct links lead to every cluster's switch."""
    graph = products((16, 16, 10), (16, 16, 10))
    mapping = Mapping(
        "test",
        (Block("W0", 0, (0, 16), (0, 16), 3), Block("W1", 0, (0, 16), (0, 16), 40)),
        {"p0": (0,), "p1": (0,)},
        dict.fromkeys(("x0", "x1", "y0", "y1"), HOST_MEMORY),
    )
    place = anneal_cores(graph, mapping, hermes, seed=0, fixed=frozenset({40}))
    assert sorted(place) == list(range(64))
    assert place[40] == 40
    moved = shorten_ways(graph, hermes, mapping, seed=0, fixed=frozenset({40}))
    assert moved.blocks[1].core == 40
    assert moved.blocks[0].core == place[3]
    assert bytes_hops(graph, moved, hermes) <= bytes_hops(graph, mapping, hermes)


def test_shipped_mappings_are_shorter_by_these_bytes(hermes, hetero):
    """Values of seed 0: a change of the annealing shows here."""
    for chip, name, spread, local in (
        (hermes, "resnet9_cifar10", 5_191_784, 2_612_200),
        (hetero, "performer_imdb_full", 58_316_040, 46_795_720),
    ):
        graph = build_graph(load_workload(name))
        found = [bytes_hops(graph, map_graph(graph, chip, strategy), chip) for strategy in ("spread", "local")]
        assert found == [spread, local]


def grid(a, b):
    return abs(a % 8 - b % 8) + abs(a // 8 - b // 8)


@pytest.mark.parametrize(
    ("n", "seed", "places"),
    [
        (24, 3, [1, 0, 2, 13, 9, 3, 12, 8, 19, 4, 16, 5, 20, 18, 6, 11, 22, 10, 23, 17, 21, 15, 14, 7]),
        (
            40, 5, [
                22, 31, 23, 12, 24, 7, 35, 33, 19, 27, 38, 20, 28, 10, 29, 4, 11, 2, 39, 36, 32, 14, 9, 37, 34, 13, 5,
                6, 3, 18, 0, 15, 16, 8, 26, 25, 1, 30, 21, 17,
            ],
        ),
    ],
)  # fmt: skip
def test_a_seed_gives_these_places(n, seed, places):
    """Random traffic on rows of eight: moves, temperature and cooling as they are give just this."""
    rng = np.random.default_rng(seed)
    near = [{} for _ in range(n)]
    for a in range(n):
        for b in rng.choice(n, 3, replace=False):
            if a != b:
                near[a][int(b)] = near[int(b)][a] = near[a].get(int(b), 0.0) + int(rng.integers(1, 9))
    assert _anneal(near, grid, list(range(n)), np.random.default_rng(seed)) == places
