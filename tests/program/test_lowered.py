"""One lowering serves any number of inferences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hermes_sim.chip.load import load_arch
from hermes_sim.config.files import shipped_names
from hermes_sim.errors import MappingError
from hermes_sim.mapping.place import map_graph
from hermes_sim.metrics.cache import program_digest
from hermes_sim.program.lower import lower
from hermes_sim.program.lowered import Firings
from hermes_sim.workload.graph import LifeCycle
from hermes_sim.workload.load import build_graph, load_workload


@pytest.fixture(scope="module")
def hetero():
    return load_arch("hermes_64_hetero")


@pytest.mark.parametrize("mapping", ["packed", "spread", "balanced"])
@pytest.mark.parametrize("workload", shipped_names("workloads"))
def test_a_program_for_other_inferences_is_what_lowering_gives(hetero, workload, mapping):
    graph = build_graph(load_workload(workload))
    try:
        mapping = map_graph(graph, hetero, mapping)
    except MappingError:
        pytest.skip("does not fit")
    program = lower(graph, mapping, hetero, inferences=3)
    for count in (1, 16):
        derived = program.for_inferences(count)
        wanted = lower(graph, mapping, hetero, inferences=count)
        assert program_digest(derived.program) == program_digest(wanted.program)
        assert (derived.done, derived.inferences) == (wanted.done, count)


def test_a_life_cycle_for_other_inferences_is_what_lowering_gives(hetero):
    events = LifeCycle(program_first=True, compensate_every=3, redraw_every=2, redraw=("W",))
    graph = replace(build_graph(load_workload("kernel_ridge_digits")), life_cycle=events)
    mapping = map_graph(graph, hetero, "packed")
    program = lower(graph, mapping, hetero, inferences=5)
    assert program.whole_turn == 6
    for count in (1, 2, 3, 4, 7, 12):
        derived, wanted = program.for_inferences(count), lower(graph, mapping, hetero, inferences=count)
        assert program_digest(derived.program) == program_digest(wanted.program), count


@pytest.mark.parametrize(
    ("firings", "counts"),
    [
        (Firings(3), [0, 3, 6, 9]),
        (Firings(5, 1, 2), [0, 2, 5, 7]),  # every second token, from token 1 on
        (Firings(1, 2, 2), [0, 0, 0, 1]),  # between every two inferences: after the second of three
        (Firings(0, -1), [1, 1, 1, 1]),
        (Firings(1, 3, 4), [0, 0, 0, 0]),
    ],
)
def test_firings(firings, counts):
    assert [firings.in_all(n) for n in range(4)] == counts


def test_firings_of_a_turn_are_what_one_more_turn_adds(hetero):
    graph = build_graph(load_workload("performer_imdb_full"))
    low = lower(graph, map_graph(graph, hetero, "balanced"), hetero)
    turn = low.whole_turn
    few, more = (low.for_inferences(n * turn).program.firings for n in (5, 6))
    np.testing.assert_array_equal(more - few, low.turn_firings)
