"""The critical path explains the makespan to the picosecond."""

from __future__ import annotations

import itertools

import numba
import numpy as np
import pytest
from random_programs import random_program

from hermes_sim.engine.compiled import CompiledEngine
from hermes_sim.engine.deadlock import DeadlockError
from hermes_sim.engine.reference import ReferenceEngine
from hermes_sim.errors import EngineError
from hermes_sim.program.dataflow import Need, ProgramBuilder
from hermes_sim.trace.critical_path import critical_path

N_PROGRAMS = 20 if numba.config.DISABLE_JIT else 600


def explain(b, engine=None):
    program = b.build()
    record = (engine or CompiledEngine()).run(program, trace=True)
    path = critical_path(program, record.trace)
    assert path.makespan_ps == record.makespan_ps
    assert int(path.total_ps.sum()) + path.gap_ps == record.makespan_ps
    return path


def test_random_programs_are_explained_exactly():
    for seed in range(N_PROGRAMS):
        program = random_program(seed, max_tokens=200)
        try:
            fast = CompiledEngine().run(program, trace=True)
        except DeadlockError:
            continue
        path = critical_path(program, fast.trace)
        plain = critical_path(program, fast.trace.expand())
        assert path.makespan_ps == fast.makespan_ps, seed
        for one in (path, plain):
            assert int(one.total_ps.sum()) + one.gap_ps == fast.makespan_ps, seed
            assert (one.total_ps >= 0).all()
            assert one.gap_ps >= 0


def test_chain_of_latencies():
    b = ProgramBuilder()
    stages = [b.actor(f"s{i}", b.resource(f"r{i}"), firings=1, interval_ps=1, latency_ps=10 * i) for i in (1, 2, 3)]
    for source, target in itertools.pairwise(stages):
        b.depend(source, target, Need.each())
    path = explain(b)
    assert path.latency_ps.tolist() == [10, 20, 30]
    assert path.interval_ps.tolist() == [0, 0, 0]


def test_waiting_for_a_server_counts_the_interval_of_its_holder():
    b = ProgramBuilder()
    r = b.resource("r")
    b.actor("holder", r, firings=1, interval_ps=50, latency_ps=5)
    b.actor("last", r, firings=1, interval_ps=1, latency_ps=8)
    path = explain(b)
    assert path.interval_ps.tolist() == [50, 0]
    assert path.latency_ps.tolist() == [0, 8]


def test_a_full_buffer_leads_back_to_the_consumer():
    b = ProgramBuilder()
    fast = b.actor("fast", b.resource("a"), firings=100, interval_ps=1, latency_ps=1)
    slow = b.actor("slow", b.resource("b"), firings=100, interval_ps=10, latency_ps=10)
    b.depend(fast, slow, Need.each())
    b.depend(slow, fast, Need.space(2), is_space=True)
    path = explain(b)
    assert path.total_ps.tolist() == [1, 1000]


def test_releases_leave_a_gap():
    b = ProgramBuilder()
    actor = b.actor("actor", b.resource("a"), firings=3, interval_ps=1, latency_ps=4)
    b.release(actor, np.array([0, 10, 100]))
    path = explain(b)
    assert path.gap_ps == 100
    assert path.total_ps.tolist() == [4]


def test_a_users_hold_is_a_gap():
    b = ProgramBuilder()
    b.actor("actor", b.resource("a"), firings=2, interval_ps=10, latency_ps=10)

    def hold(sim):
        yield sim.env.timeout(1)
        yield from sim.hold("a", 100)

    path = explain(b, ReferenceEngine(processes=(hold,)))
    assert path.makespan_ps in (20, 120)
    assert int(path.total_ps.sum()) + path.gap_ps == path.makespan_ps


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="too slow without compilation")
def test_a_long_run_costs_no_more_than_a_short_one():
    def two_stages(n):
        b = ProgramBuilder()
        first = b.actor("first", b.resource("a"), firings=n, interval_ps=7, latency_ps=30)
        second = b.actor("second", b.resource("b"), firings=n, interval_ps=11, latency_ps=13)
        b.depend(first, second, Need.each())
        b.depend(second, first, Need.space(2), is_space=True)
        return b

    short, long = explain(two_stages(5000)), explain(two_stages(5_000_000))
    assert long.n_steps <= 2 * short.n_steps
    assert long.makespan_ps > 900 * short.makespan_ps


def test_empty_program():
    path = explain(ProgramBuilder())
    assert path.makespan_ps == 0


def test_a_trace_of_another_program_is_refused(program, trace):
    b = ProgramBuilder()
    for name, latency_ps in zip(program.actor_names, (1, 2, 3, 10**9), strict=True):
        b.actor(name, b.resource(name), firings=40, interval_ps=1, latency_ps=latency_ps)
    other = b.build()
    with pytest.raises(EngineError, match="of this program"):
        critical_path(other, trace)


def plain_walk(program, trace):
    """The same walk, looking at every firing of every actor: (latency, interval, gap) in ps."""
    starts = [trace.starts(a).tolist() for a in range(program.n_actors)]
    readies = [trace.readies(a).tolist() for a in range(program.n_actors)]
    latency_ps, interval_ps = program.latency_ps.tolist(), program.interval_ps.tolist()
    ends = [(s[-1] + latency_ps[a], -a) for a, s in enumerate(starts) if s]
    if not ends or max(ends)[0] == 0:
        return [0] * program.n_actors, [0] * program.n_actors, 0
    a = -max(ends)[1]
    k, at = len(starts[a]) - 1, starts[a][-1]
    latency, interval, gap = [0] * program.n_actors, [0] * program.n_actors, 0
    latency[a] += latency_ps[a]
    freed = {}
    for b, own in enumerate(starts):
        for i, start in enumerate(own if interval_ps[b] else ()):
            freed.setdefault((int(program.resource[b]), start + interval_ps[b], b), []).append(i)
    while at > 0:
        if at > readies[a][k]:
            held = [b for b in range(program.n_actors) if (int(program.resource[a]), at, b) in freed]
            if held:
                k, a = freed[int(program.resource[a]), at, held[0]][-1], held[0]
                interval[a] += interval_ps[a]
                at -= interval_ps[a]
                continue
            gap += at - readies[a][k]
            at = readies[a][k]
        for d in np.flatnonzero(program.target == a).tolist():
            source = int(program.source[d])
            need = min((k * int(program.num[d]) + int(program.off[d])) // int(program.den[d]), len(starts[source]))
            if need > 0 and starts[source][need - 1] + latency_ps[source] == at:
                latency[source] += latency_ps[source]
                a, k, at = source, need - 1, at - latency_ps[source]
                break
        else:
            if k > 0 and starts[a][k - 1] == at:
                k -= 1
                continue
            return latency, interval, gap + at
    return latency, interval, gap


def test_the_walk_takes_the_same_steps_as_one_that_looks_at_every_firing():
    compared = 0
    for seed in range(N_PROGRAMS // 4):
        program = random_program(seed, max_tokens=40)
        try:
            record = CompiledEngine().run(program, trace=True)
        except DeadlockError:
            continue
        latency, interval, gap = plain_walk(program, record.trace)
        path = critical_path(program, record.trace.expand())
        assert (path.latency_ps.tolist(), path.interval_ps.tolist(), path.gap_ps) == (latency, interval, gap), seed
        compared += 1
    assert compared >= N_PROGRAMS // 10


def test_many_actors_on_one_resource_take_turns_on_the_path():
    b = ProgramBuilder()
    r = b.resource("r")
    for i in range(500):
        b.actor(f"a{i}", r, firings=3, interval_ps=7 + i % 3, latency_ps=7 + i % 3)
    program = b.build()
    path = explain(b)
    assert path.total_ps.tolist() == (3 * program.interval_ps).tolist()
