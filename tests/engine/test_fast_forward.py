"""Skipping whole periods: exact, and the cost of a run does not grow with the number of tokens."""

from __future__ import annotations

import numpy as np
import pytest
from engine_comparison import assert_same_record
from engines import COMPILED, ENGINES
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes_sim.engine.compiled import CompiledEngine
from hermes_sim.program.arrivals import poisson_arrivals, regular_arrivals
from hermes_sim.program.dataflow import Need, ProgramBuilder

pytestmark = pytest.mark.skipif(not COMPILED, reason="too slow without compilation")


def attention(n_tokens, *, inferences=1, lanes=3, stages=4, seed=1, depth=4):
    """Lanes of stages, joined, a barrier per sequence, then a chain that uses the state."""
    rng = np.random.default_rng(seed)
    b = ProgramBuilder()
    total = n_tokens * inferences

    def stage(name, resource, firings=total):
        interval_ps, latency_ps = (int(x) for x in rng.integers(20, 60, 2))
        return b.actor(name, b.resource(resource), firings=firings, interval_ps=interval_ps, latency_ps=latency_ps)

    def link(source, target, need=None):
        b.depend(source, target, need or Need.each())
        b.depend(target, source, Need.space(depth), is_space=True)

    source = stage("in", "io")
    join = stage("join", "unit")
    for lane in range(lanes):
        previous = source
        for s in range(stages):
            actor = stage(f"lane {lane}.{s}", f"core {lane}.{s // 2}")
            link(previous, actor)
            previous = actor
        link(previous, join)
    state = stage("state", "unit", inferences)
    b.depend(join, state, Need.all_of(n_tokens))
    query = stage("query", "core q")
    b.depend(state, query, Need.one_before(n_tokens))
    out = stage("out", "io")
    link(query, out)
    return b.build()


def run_both(program, **options):
    every = CompiledEngine(fast_forward=False).run(program, **options)
    fast = CompiledEngine().run(program, **options)
    assert_same_record(every, fast)
    return every, fast


def test_attention_is_skipped_and_exact():
    program = attention(5000)
    _, fast = run_both(program, trace=True, watch=[0, program.n_actors - 1])
    assert fast.statistics.n_skips >= 2
    assert fast.statistics.executed_firings < program.total_firings / 20


def test_a_far_barrier_does_not_hinder():
    short, long = (CompiledEngine().run(attention(n)).statistics for n in (10_000, 1_000_000))
    assert long.executed_firings <= 1.1 * short.executed_firings


def test_sequences_recur_as_a_whole():
    """Hundreds of sequences: the period is a sequence, found on the second level."""
    program = attention(400, inferences=10)
    run_both(program, trace=True, watch=[program.n_actors - 1])
    few, many = (CompiledEngine().run(attention(400, inferences=n)).statistics for n in (50, 2000))
    assert many.executed_firings <= 1.5 * few.executed_firings


def test_a_slowly_filling_buffer_is_periodic_until_it_is_full():
    b = ProgramBuilder()
    fast = b.actor("fast", b.resource("a"), firings=100_000, interval_ps=10, latency_ps=10)
    slow = b.actor("slow", b.resource("b"), firings=100_000, interval_ps=11, latency_ps=11)
    b.depend(fast, slow, Need.each())
    b.depend(slow, fast, Need.space(5000), is_space=True)
    _, record = run_both(b.build(), trace=True)
    assert record.statistics.executed_firings < 2000


def test_an_unbounded_buffer_fills_and_drains():
    b = ProgramBuilder()
    fast = b.actor("fast", b.resource("a"), firings=50_000, interval_ps=7, latency_ps=3)
    slow = b.actor("slow", b.resource("b"), firings=50_000, interval_ps=11, latency_ps=20)
    b.depend(fast, slow, Need.each())
    _, record = run_both(b.build(), trace=True)
    assert record.statistics.executed_firings < 2000


def test_a_long_firing_in_the_background_bounds_the_skips():
    b = ProgramBuilder()
    b.actor("slow", b.resource("a"), firings=3, interval_ps=1_000_003, latency_ps=999_999)
    quick = b.actor("quick", b.resource("b"), firings=300_000, interval_ps=7, latency_ps=9)
    b.depend(quick, quick, Need.previous())
    _, record = run_both(b.build(), trace=True)
    assert record.statistics.executed_firings < 2000


def test_regular_arrivals_are_periodic():
    program = attention(1, inferences=1)
    b = ProgramBuilder()
    first = b.actor("first", b.resource("a"), firings=100_000, interval_ps=7000, latency_ps=9000)
    second = b.actor("second", b.resource("b"), firings=100_000, interval_ps=8000, latency_ps=9000)
    b.depend(first, second, Need.each())
    b.release(first, regular_arrivals(1e8, 100_000))
    program = b.build()
    _, record = run_both(program, trace=True)
    assert record.statistics.executed_firings < 2000


def test_random_arrivals_are_run_one_by_one_until_they_queue_up():
    b = ProgramBuilder()
    first = b.actor("first", b.resource("a"), firings=20_000, interval_ps=7000, latency_ps=9000)
    second = b.actor("second", b.resource("b"), firings=20_000, interval_ps=8000, latency_ps=9000)
    b.depend(first, second, Need.each())
    b.release(first, poisson_arrivals(1.3e8, 20_000, seed=1))
    run_both(b.build(), trace=True)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n_tokens=st.integers(50, 900),
    inferences=st.integers(1, 6),
    depth=st.integers(1, 6),
    lanes=st.integers(1, 3),
)
def test_random_attention(seed, n_tokens, inferences, depth, lanes):
    program = attention(n_tokens, inferences=inferences, seed=seed, depth=depth, lanes=lanes)
    run_both(program, trace=True, watch=[0, program.n_actors - 1])


def test_until_is_respected_while_skipping():
    program = attention(3000)
    makespan_ps = CompiledEngine().run(program).makespan_ps
    for share in (0.1, 0.33, 0.5, 0.77, 0.999):
        run_both(program, trace=True, until_ps=int(share * makespan_ps))


def test_compressed_traces_give_single_starts():
    program = attention(3000, inferences=2)
    record = ENGINES["fast_forward"].run(program, trace=True)
    plain = ENGINES["compiled"].run(program, trace=True).trace
    assert record.trace.is_compressed
    assert record.trace.n_stored < plain.n_stored / 10
    rng = np.random.default_rng(0)
    for actor in range(program.n_actors):
        for k in rng.integers(0, program.firings[actor], 40):
            assert record.trace.start(actor, int(k)) == plain.start(actor, int(k))
    np.testing.assert_array_equal(record.trace.expand().start_ps, plain.start_ps)
