"""Deadlocks are explained: who waits for what, the cycle, and the smallest buffer that frees it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from engines import ENGINES, n_programs
from random_programs import random_program

from hermes_sim.engine.deadlock import DeadlockError, find_remedy
from hermes_sim.program.dataflow import Need, ProgramBuilder
from hermes_sim.program.liveness import reachable_firings


def fork_join(depth):
    """An MVM takes four tokens at a time; the bypass must be able to hold them meanwhile."""
    b = ProgramBuilder()
    load = b.actor("load", b.resource("core"), firings=100, interval_ps=10, latency_ps=10)
    mvm = b.actor("mvm", b.resource("core"), firings=25, interval_ps=5, latency_ps=5)
    bypass = b.actor("bypass", b.resource("unit"), firings=100, interval_ps=5, latency_ps=5)
    add = b.actor("add", b.resource("unit"), firings=100, interval_ps=1, latency_ps=1)
    b.depend(load, mvm, Need.all_of(4))
    b.depend(mvm, add, Need.one_before(4))
    b.depend(load, bypass, Need.each())
    b.depend(bypass, add, Need.each())
    b.depend(bypass, load, Need.space(1), is_space=True)
    b.depend(add, bypass, Need.space(depth), is_space=True)
    return b.build()


def test_the_message_names_cycle_and_remedy(engine):
    with pytest.raises(DeadlockError) as caught:
        engine.run(fork_join(2))
    message = str(caught.value)
    assert "deadlock at 40 ps, 4 of 4 actors have firings left" in message
    assert "cycle of waits mvm -> load -> bypass -> add -> mvm" in message
    assert "'bypass' waits in firing 2 for 1 places freed by 'add', which has made 0" in message
    assert "'add' waits in firing 0 for 1 results of 'mvm', which has made 0" in message
    assert "buffer from 'load' to 'bypass': 2 places instead of 1 free it" in message


def test_the_remedy_is_the_smallest(engine):
    assert engine.run(fork_join(3)).is_complete
    with pytest.raises(DeadlockError):
        engine.run(fork_join(2))


def test_a_cycle_without_buffers_asks_for_initial_tokens(engine):
    b = ProgramBuilder()
    first = b.actor("first", b.resource("a"), firings=5, interval_ps=1, latency_ps=1)
    second = b.actor("second", b.resource("b"), firings=5, interval_ps=1, latency_ps=1)
    b.depend(first, second, Need.each())
    b.depend(second, first, Need.each())
    with pytest.raises(DeadlockError, match=r"no buffer is involved; 1 more initial token.*off = 0"):
        engine.run(b.build())


def test_two_small_buffers_are_named_one_after_the_other():
    b = ProgramBuilder()
    p, q, r = (b.actor(x, b.resource(x), firings=8, interval_ps=1, latency_ps=1) for x in ("p", "q", "r"))
    for source, target in ((p, q), (q, r)):
        b.depend(source, target, Need.each())
        b.depend(target, source, Need.space(0), is_space=True)
    with pytest.raises(DeadlockError, match="no single buffer"):
        ENGINES["compiled"].run(b.build())
    b = ProgramBuilder()
    for name in ("p", "q"):
        source, target = (b.actor(name + x, b.resource(name + x), firings=8, interval_ps=1, latency_ps=1) for x in "12")
        b.depend(source, target, Need.each())
        b.depend(target, source, Need.space(0), is_space=True)
    message = r"buffer from 'p1' to 'p2': 1 places instead of 0 free it this cycle; there are others"
    with pytest.raises(DeadlockError, match=message):
        ENGINES["compiled"].run(b.build())


def test_all_engines_stop_where_the_needs_stop():
    """How far a program gets does not depend on times: the untimed fixpoint says whether a run deadlocks."""
    n_dead = 0
    for seed in range(n_programs(1500, 60)):
        program = random_program(seed)
        reached = reachable_firings(program)
        is_live = np.array_equal(reached, program.firings)
        try:
            record = ENGINES["fast_forward"].run(program)
        except DeadlockError as error:
            n_dead += 1
            record = None
            explained = "waits in firing" in str(error)
            assert (is_live, explained) == (False, True), seed
        assert is_live == (record is not None), seed
    assert n_dead >= n_programs(5, 0)


def test_remedies_free_random_programs():
    """Whatever the message proposes, works."""
    n_freed = 0
    for seed in range(n_programs(3000, 0)):
        program = random_program(seed)
        if np.array_equal(reachable_firings(program), program.firings):
            continue
        remedy = find_remedy(program, list(range(program.n_deps)))
        if remedy is None:
            continue
        for places, is_live in ((remedy.places, True), (remedy.places - 1, False)):
            off = program.off.copy()
            off[remedy.dep] -= places
            reached = reachable_firings(replace(program, off=off))
            assert np.array_equal(reached, program.firings) == is_live
        n_freed += 1
    assert n_freed >= n_programs(5, 0)
