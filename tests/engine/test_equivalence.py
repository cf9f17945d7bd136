"""Both engines, and fast-forward, agree firing by firing on random programs."""

from __future__ import annotations

import numpy as np
import pytest
from engine_comparison import compare
from engines import ENGINES, n_programs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_programs import random_program

from hermes_sim.program.dataflow import Need, ProgramBuilder


def compare_seed(seed, **shape):
    program = random_program(seed, **shape)
    ends = [0, program.n_actors - 1]
    record = compare(program, trace=True, watch=ends)
    if not isinstance(record, str) and seed % 5 == 0:
        until_ps = int(np.random.default_rng(seed).integers(0, record.makespan_ps + 2))
        compare(program, trace=True, until_ps=until_ps)
    return record


@pytest.mark.parametrize("block", range(10))
def test_random_programs(block):
    for seed in range(block * n_programs(40, 12), (block + 1) * n_programs(40, 12)):
        try:
            compare_seed(seed)
        except Exception as error:
            error.add_note(f"seed {seed}")
            raise


@pytest.mark.slow
@pytest.mark.parametrize("block", range(20))
def test_more_random_programs(block):
    for seed in range(1000 + block * 200, 1200 + block * 200):
        try:
            compare_seed(seed, max_tokens=60, max_pieces=10)
        except Exception as error:
            error.add_note(f"seed {seed}")
            raise


def test_fast_forward_on_long_random_programs():
    """Hundreds of tokens, so that most programs reach a steady state; SimPy would be too slow here."""
    skipped = 0
    for seed in range(n_programs(400, 80)):
        record = compare(
            random_program(seed, max_tokens=n_programs(600, 150)), ("compiled", "fast_forward"), trace=True, watch=[0]
        )
        if not isinstance(record, str):
            record = ENGINES["fast_forward"].run(record.program)
            skipped += record.statistics.n_skips > 0
    assert skipped >= n_programs(200, 10)


@pytest.mark.slow
def test_fast_forward_on_many_long_random_programs():
    for seed in range(10_000, 14_000):
        compare(random_program(seed, max_tokens=1500), ("compiled", "fast_forward"), trace=True, watch=[0])


@st.composite
def small_programs(draw):
    """Programs that Hypothesis can shrink: a few actors, any edges, needs of any shape."""
    builder = ProgramBuilder()
    n_actors = draw(st.integers(1, 5))
    n_resources = draw(st.integers(1, 3))
    for r in range(n_resources):
        builder.resource(f"r{r}", capacity=draw(st.integers(1, 3)))
    firings = [draw(st.integers(0, 12)) for _ in range(n_actors)]
    for a in range(n_actors):
        r = draw(st.integers(0, n_resources - 1))
        interval_ps, latency_ps = draw(st.integers(0, 4)), draw(st.integers(0, 4))
        builder.actor(f"a{a}", r, firings=firings[a], interval_ps=interval_ps, latency_ps=latency_ps)
        if draw(st.integers(0, 4)) == 0:
            gaps = draw(st.lists(st.integers(0, 6), min_size=firings[a], max_size=firings[a]))
            builder.release(a, np.cumsum(np.array(gaps, dtype=np.int64)))
    for _ in range(draw(st.integers(0, 6))):
        source, target = draw(st.integers(0, n_actors - 1)), draw(st.integers(0, n_actors - 1))
        num, den = draw(st.integers(0, 3)), draw(st.integers(1, 3))
        if source == target:
            builder.depend(source, target, Need.previous(draw(st.integers(1, 3))))
        else:
            off = draw(st.integers(-6, 3))
            builder.depend(source, target, Need(num, off, den), is_space=draw(st.booleans()))
    return builder.build()


@settings(max_examples=n_programs(250, 60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(small_programs())
def test_shrinkable_programs(program):
    record = compare(program, trace=True)
    if isinstance(record, str):
        return
    assert record.is_complete
    check_no_double_booking(record)


def check_no_double_booking(record):
    """At no instant are more servers held than a resource has."""
    program = record.program
    for r, capacity in enumerate(program.capacity.tolist()):
        mine = [a for a in range(program.n_actors) if program.resource[a] == r and program.interval_ps[a] > 0]
        begins = np.concatenate([np.zeros(0, np.int64), *(record.trace.starts(a) for a in mine)])
        ends = np.concatenate([np.zeros(0, np.int64), *(record.trace.starts(a) + program.interval_ps[a] for a in mine)])
        for instant in np.unique(begins):
            assert ((begins <= instant) & (ends > instant)).sum() <= capacity
