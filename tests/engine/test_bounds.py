"""No run is shorter than a lower bound, and the bounds are what hand calculation gives."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from engines import ENGINES, n_programs
from random_programs import random_program

from hermes_sim.engine.deadlock import DeadlockError
from hermes_sim.errors import ProgramError
from hermes_sim.program.bounds import lower_bounds
from hermes_sim.program.dataflow import Need, ProgramBuilder


def test_random_programs_respect_all_bounds():
    tightness = []
    for seed in range(n_programs(1000, 30)):
        program = random_program(seed, max_tokens=60)
        try:
            record = ENGINES["fast_forward"].run(program)
        except DeadlockError:
            continue
        bounds = lower_bounds(program)
        assert bounds.resource_ps.max(initial=0) <= record.makespan_ps, seed
        assert bounds.path_ps <= record.makespan_ps, seed
        assert bounds.cycle_ps <= record.makespan_ps, seed
        tightness.append(bounds.makespan_ps / record.makespan_ps if record.makespan_ps else 1)
    assert np.mean(tightness) > 0.9


def two_stages(n=100, *, depth=None, feedback=None, capacity=1):
    b = ProgramBuilder()
    first = b.actor("first", b.resource("a"), firings=n, interval_ps=3, latency_ps=5)
    second = b.actor("second", b.resource("b", capacity=capacity), firings=n, interval_ps=7, latency_ps=2)
    b.depend(first, second, Need.each())
    if depth:
        b.depend(second, first, Need.space(depth), is_space=True)
    if feedback:
        b.depend(second, second, Need.previous(feedback))
    return b.build()


def test_busiest_resource():
    bounds = lower_bounds(two_stages())
    assert bounds.resource_ps.tolist() == [3 * 99 + 5, 5 + 7 * 99 + 2]
    assert bounds.reason == "resource b"
    assert ENGINES["compiled"].run(two_stages()).makespan_ps == bounds.makespan_ps


def test_cycle_through_a_buffer_of_one():
    """One token in flight: 5 + 2 ps each."""
    b = ProgramBuilder()
    first = b.actor("first", b.resource("a"), firings=100, interval_ps=3, latency_ps=5)
    second = b.actor("second", b.resource("b"), firings=100, interval_ps=1, latency_ps=2)
    b.depend(first, second, Need.each())
    b.depend(second, first, Need.space(1), is_space=True)
    bounds = lower_bounds(b.build())
    assert bounds.cycle.weight_ps == 7
    assert bounds.cycle.run_share == Fraction(1, 100)
    assert bounds.makespan_ps == 700
    assert bounds.reason.startswith("cycle ")
    assert ENGINES["compiled"].run(b.build()).makespan_ps == 700


def test_cycle_through_feedback():
    b = ProgramBuilder()
    step = b.actor("step", b.resource("r"), firings=50, interval_ps=1, latency_ps=12)
    b.depend(step, step, Need.previous(3))
    bounds = lower_bounds(b.build())
    assert bounds.cycle.weight_ps == 12
    assert bounds.cycle.run_share == Fraction(3, 50)
    assert bounds.makespan_ps <= ENGINES["compiled"].run(b.build()).makespan_ps <= bounds.makespan_ps + 12


def test_a_barrier_adds_up_both_phases():
    b = ProgramBuilder()
    n = 1000
    fill = b.actor("fill", b.resource("a"), firings=n, interval_ps=2, latency_ps=2)
    other = b.actor("other", b.resource("a"), firings=n, interval_ps=3, latency_ps=3)
    drain = b.actor("drain", b.resource("b"), firings=n, interval_ps=4, latency_ps=4)
    b.depend(fill, other, Need.each())
    b.depend(other, drain, Need.one_before(n)._replace(num=0, off=n, den=1))
    bounds = lower_bounds(b.build())
    assert bounds.makespan_ps == n * 5 + n * 4
    assert ENGINES["compiled"].run(b.build()).makespan_ps == bounds.makespan_ps


def test_capacity_divides_the_work():
    assert lower_bounds(two_stages(capacity=4)).resource_ps[1] < lower_bounds(two_stages()).resource_ps[1] / 3


def test_a_circle_of_first_firings_has_no_bound():
    b = ProgramBuilder()
    first = b.actor("first", b.resource("a"), firings=5, interval_ps=1, latency_ps=1)
    second = b.actor("second", b.resource("b"), firings=5, interval_ps=1, latency_ps=1)
    b.depend(first, second, Need.each())
    b.depend(second, first, Need.each())
    with pytest.raises(ProgramError, match="wait for each other: first, second"):
        lower_bounds(b.build())


def test_empty_program_has_bound_zero():
    bounds = lower_bounds(ProgramBuilder().build())
    assert bounds.makespan_ps == 0
    assert bounds.reason == "empty program"
