"""Queues: first in, first out, never more packets than places; a packet behind another one waits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from engine_comparison import compare
from engines import ENGINES, n_programs
from queue_programs import queue_program

from hermes_sim.engine.deadlock import DeadlockError
from hermes_sim.engine.period import find_period
from hermes_sim.errors import ProgramError
from hermes_sim.program.bounds import lower_bounds
from hermes_sim.program.dataflow import NO_QUEUE, Need, ProgramBuilder
from hermes_sim.program.verify import verify_program
from hermes_sim.trace.critical_path import critical_path


def shared_link(places=2, *, n=20, slow_ps=100, queue=True):
    """Flows p and q over one link; who takes q's packets is slow."""
    b = ProgramBuilder()
    link = b.resource("link")
    behind = b.queue("behind link", capacity=places) if queue else NO_QUEUE
    for name, time_ps in (("p", 1), ("q", slow_ps)):
        send = b.actor(f"{name} link", link, firings=n, interval_ps=10, latency_ps=10)
        take = b.actor(f"{name} take", b.resource(f"{name} taker"), firings=n, interval_ps=time_ps, latency_ps=time_ps)
        b.depend(send, take, Need.each(), queue=behind)
    return b.build()


def test_a_packet_behind_another_waits_for_it_by_hand(engine):
    record = engine.run(shared_link(n=3), trace=True)
    starts, readies = ([list(column(a)) for a in range(4)] for column in (record.trace.starts, record.trace.readies))
    # p twice, then q; p leaves at 11 and 21. At 30 p's third is behind q's first, and both places are taken until q has
    # left at 130: then q's second enters and p's third is taken, so that from 131 there is room for q's third.
    assert starts == [[0, 10, 30], [10, 20, 130], [20, 130, 140], [30, 140, 240]]
    # the link's firings have a place from 0, 0 and 21 (p), 11, 130 and 131 (q) on; what is left they wait for the link
    assert readies == [[0, 0, 21], [10, 20, 130], [11, 130, 131], [30, 140, 240]]
    assert record.wait_resource_ps.tolist() == [19, 0, 18, 0]
    assert record.wait_space_ps.tolist() == [11, 130 - 40, 11 + 110 + 1, 90]
    assert record.wait_data_ps.tolist() == [0, 40, 0, 150]


def test_without_a_queue_the_slow_flow_does_not_hold_up_the_other(engine):
    alone, shared = (engine.run(shared_link(queue=queue)) for queue in (False, True))
    assert shared.last_finish_ps[1] > 3 * alone.last_finish_ps[1]


def packets_of(record):
    """Per queue, (entered, first taken, left) of every packet, in the order of entering."""
    program = record.program
    result = []
    for q in range(len(program.queue_names)):
        through = np.flatnonzero(program.queue == q)
        rows = []
        for source in np.unique(program.source[through]):
            takers = program.target[through[program.source[through] == source]]
            taken = np.array([record.trace.starts(a) for a in takers])
            left = (taken + program.interval_ps[takers][:, None]).max(axis=0)
            rows += zip(record.trace.starts(source).tolist(), taken.min(axis=0).tolist(), left.tolist(), strict=True)
        result.append(sorted(rows))
    return result


def check_queues(record):
    """First in, first out, one at a time, and never more than there are places."""
    for places, rows in zip(record.program.queue_capacity.tolist(), packets_of(record), strict=True):
        entered, taken, left = (np.array(column) for column in zip(*rows, strict=True)) if rows else [np.zeros(0)] * 3
        assert (np.diff(left) >= 0).all()
        assert (taken[1:] >= left[:-1]).all()
        for instant in np.unique(entered):
            assert ((entered <= instant) & (left > instant)).sum() <= places


@pytest.mark.parametrize("block", range(5))
def test_engines_agree_and_packets_keep_their_order(block):
    blocked = 0
    for seed in range(block * n_programs(40, 8), (block + 1) * n_programs(40, 8)):
        try:
            record = compare(queue_program(seed), trace=True, watch=[0])
            if not isinstance(record, str):
                check_queues(record)
                blocked += record.makespan_ps > ENGINES["compiled"].run(without_queues(record.program)).makespan_ps
        except Exception as error:
            error.add_note(f"seed {seed}")
            raise
    assert blocked >= n_programs(5, 1)


def test_fast_forward_skips_whole_periods_of_queues():
    skipped = 0
    for seed in range(n_programs(300, 40)):
        program = queue_program(seed, max_tokens=n_programs(800, 150))
        record = compare(program, ("compiled", "fast_forward"), trace=True, watch=[0])
        if not isinstance(record, str):
            skipped += ENGINES["fast_forward"].run(program).statistics.n_skips > 0
    assert skipped >= n_programs(200, 10)


def test_the_period_of_a_queue_is_exact():
    """Both flows go at the pace of the slower one: a packet of each per 110, 10 of them for p to make way."""
    program = shared_link(n=10**9)
    period, _ = find_period(program, lambda found: True, max_firings=10**6)
    assert (period.length_ps, period.fired.tolist()) == (110, [1, 1, 1, 1])
    record = ENGINES["fast_forward"].run(program)
    assert record.is_complete
    assert record.statistics.executed_firings < 1000


def without_queues(program):
    return replace(program, queue=np.full(program.n_deps, NO_QUEUE))


def test_bounds_hold_and_the_critical_path_adds_up(engine):
    gaps = 0
    for seed in range(n_programs(60, 10)):
        program = queue_program(seed)
        try:
            record = engine.run(program, trace=True)
        except DeadlockError:
            continue
        assert lower_bounds(program).makespan_ps <= record.makespan_ps
        path = critical_path(program, record.trace)
        assert int(path.total_ps.sum()) + path.gap_ps == record.makespan_ps
        gaps += path.gap_ps > 0 and not program.releases_ps
    assert gaps <= 3  # where what takes no time leads round in a circle


def test_a_join_over_one_queue_deadlocks_and_the_queue_is_named(engine):
    b = ProgramBuilder()
    link, behind = b.resource("link"), b.queue("behind link", capacity=2)
    both = []
    for name in ("p", "q"):
        send = b.actor(f"{name} link", link, firings=8, interval_ps=1, latency_ps=1)
        take = b.actor(f"{name} take", b.resource(f"{name} taker"), firings=8, interval_ps=1, latency_ps=1)
        b.depend(send, take, Need.each(), queue=behind)
        both.append((send, take))
    add = b.actor("add", b.resource("unit"), firings=8, interval_ps=1, latency_ps=1)
    for _, take in both:
        b.depend(take, add, Need.each())
        b.depend(add, take, Need.space(1), is_space=True)
    b.depend(both[0][0], both[1][0], Need(1, 4, 1))  # q comes four packets after p
    with pytest.raises(DeadlockError) as caught:
        engine.run(b.build())
    message = str(caught.value)
    assert (
        "'p link' waits in firing 3 at queue 'behind link' (2 packets) for 'p take' to take that of 'p link'" in message
    )
    assert "with more network.virtual_channels, or network.buffering: stream, it may end" in message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"queue_capacity": np.array([0])}, "1 to 65536 packets"),
        ({"queue": np.array([0, 1])}, "index of one of the 1 queues, or -1"),
        ({"num": np.array([2, 1])}, "data, token by token"),
        ({"is_space": np.array([True, False])}, "data, token by token"),
        ({"firings": np.array([20, 20, 20, 19])}, "as many firings of both actors"),
        ({"resource": np.array([0, 1, 1, 2])}, "'link', as by others"),
        ({"queue_names": ("a", "b")}, "2 queues"),
    ],
)
def test_queues_that_no_engine_can_run_are_refused(change, message):
    with pytest.raises(ProgramError, match=message):
        verify_program(replace(shared_link(), **change))
