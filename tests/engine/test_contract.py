"""The rules of engine/README.md, one by one: blocked at t - 1, ready at t."""

from __future__ import annotations

import numpy as np
import pytest

from hermes_sim.engine.compiled import CompiledEngine
from hermes_sim.engine.reference import ReferenceEngine
from hermes_sim.errors import EngineError, ProgramError
from hermes_sim.program.dataflow import Need, ProgramBuilder


def starts_of(engine, builder, **options):
    record = engine.run(builder.build(), trace=True, **options)
    names = record.program.actor_names
    return record, {name: record.trace.starts(a).tolist() for a, name in enumerate(names)}


def chain(*stages, firings=4, need=None):
    """(resource, interval, latency) per stage."""
    b = ProgramBuilder()
    actors = []
    for i, (resource, interval_ps, latency_ps) in enumerate(stages):
        actors.append(
            b.actor(f"s{i}", b.resource(resource), firings=firings, interval_ps=interval_ps, latency_ps=latency_ps)
        )
        if i:
            b.depend(actors[i - 1], actors[i], need or Need.each())
    return b, actors


def test_interval_paces_and_latency_delays(engine):
    b, _ = chain(("a", 3, 10), ("b", 2, 1))
    record, starts = starts_of(engine, b)
    assert starts == {"s0": [0, 3, 6, 9], "s1": [10, 13, 16, 19]}
    assert record.makespan_ps == 20
    assert record.last_finish_ps.tolist() == [19, 20]


def test_resource_is_held_beyond_the_finish(engine):
    b, _ = chain(("a", 10, 3), ("b", 0, 0), firings=2)
    record, starts = starts_of(engine, b)
    assert starts == {"s0": [0, 10], "s1": [3, 13]}
    assert record.makespan_ps == 13  # the last finish, not the last release of a server


@pytest.mark.parametrize("latency_ps", [4, 5, 6])
def test_need_holds_at_the_finish_and_not_before(engine, latency_ps):
    b, (_first, second) = chain(("a", 1, latency_ps), ("b", 1, 1), firings=1)
    other = b.actor("other", b.resource("c"), firings=1, interval_ps=5, latency_ps=5)
    b.depend(other, second, Need.each())
    _record, starts = starts_of(engine, b)
    assert starts["s1"] == [max(5, latency_ps)]


def test_same_instant_release_and_delivery_come_before_grants(engine):
    """At 5 the server of r is freed and 'early' becomes ready; 'late' waits since 4: it goes first."""
    b = ProgramBuilder()
    r = b.resource("r")
    early = b.actor("early", r, firings=1, interval_ps=1, latency_ps=1)
    late = b.actor("late", r, firings=1, interval_ps=1, latency_ps=1)
    b.actor("holder", r, firings=1, interval_ps=5, latency_ps=5)
    for name, latency_ps, target in (("five", 5, early), ("four", 4, late)):
        source = b.actor(name, b.resource(name), firings=1, interval_ps=1, latency_ps=latency_ps)
        b.depend(source, target, Need.each())
    _, starts = starts_of(engine, b)
    assert starts["late"] == [5]
    assert starts["early"] == [6]


def test_ties_go_by_actor_index(engine):
    b = ProgramBuilder()
    r = b.resource("r")
    for name in ("x", "y", "z"):
        b.actor(name, r, firings=2, interval_ps=3, latency_ps=3)
    _, starts = starts_of(engine, b)
    # x's second firing is ready when its first starts, at 0, like y and z; it comes first by its index
    assert starts == {"x": [0, 3], "y": [6, 12], "z": [9, 15]}


def test_a_started_actor_joins_in_the_next_round(engine):
    """Two servers: x's second firing is ready at 0 too, but only after y, which waited at the start of the phase."""
    b = ProgramBuilder()
    r = b.resource("r", capacity=2)
    b.actor("x", r, firings=3, interval_ps=4, latency_ps=4)
    b.actor("y", r, firings=1, interval_ps=4, latency_ps=4)
    _, starts = starts_of(engine, b)
    assert starts == {"x": [0, 4, 4], "y": [0]}


def test_zero_durations_finish_in_the_same_instant(engine):
    b, _ = chain(("a", 0, 0), ("b", 0, 0), ("a", 0, 0), firings=3)
    record, starts = starts_of(engine, b)
    assert starts == {"s0": [0, 0, 0], "s1": [0, 0, 0], "s2": [0, 0, 0]}
    assert record.makespan_ps == 0


def test_capacity_serves_that_many_at_once(engine):
    b = ProgramBuilder()
    r = b.resource("r", capacity=3)
    b.actor("x", r, firings=7, interval_ps=10, latency_ps=2)
    record, starts = starts_of(engine, b)
    assert starts["x"] == [0, 0, 0, 10, 10, 10, 20]
    assert record.resource_busy_ps.tolist() == [70]


def test_bounded_buffer_blocks_the_producer(engine):
    """Depth 2: firing 2 needs the consumer's first finish, at 1 + 10."""
    b, (first, second) = chain(("a", 1, 1), ("b", 10, 10), firings=5)
    b.depend(second, first, Need.space(2), is_space=True)
    record, starts = starts_of(engine, b)
    assert starts["s0"] == [0, 1, 11, 21, 31]
    assert starts["s1"] == [1, 11, 21, 31, 41]
    assert record.wait_space_ps.tolist() == [30, 0]
    assert record.wait_resource_ps.tolist() == [1, 0 + 9 + 8 + 9 + 10]


def test_waiting_is_split_by_cause(engine):
    """Second firing of 'sink': data at 20, place at 25, server at 30."""
    b = ProgramBuilder()
    r = b.resource("r")
    sink = b.actor("sink", r, firings=2, interval_ps=1, latency_ps=1)
    data = b.actor("data", b.resource("d"), firings=2, interval_ps=10, latency_ps=10)
    place = b.actor("place", b.resource("p"), firings=1, interval_ps=25, latency_ps=25)
    block = b.actor("block", r, firings=1, interval_ps=7, latency_ps=7)
    gate = b.actor("gate", b.resource("g"), firings=1, interval_ps=23, latency_ps=23)
    b.depend(data, sink, Need.each())
    b.depend(place, sink, Need(1, 0, 1), is_space=True)
    b.depend(gate, block, Need.each())
    record, starts = starts_of(engine, b)
    assert starts["sink"] == [10, 30]
    assert starts["block"] == [23]
    waits = (record.wait_data_ps[sink], record.wait_space_ps[sink], record.wait_resource_ps[sink])
    assert waits == (10 + 10, 5, 5)
    assert record.max_queue.tolist() == [1, 1, 0, 0]
    assert record.queue_ps.tolist()[0] == 5


def test_release_times_hold_firings_back(engine):
    b, (first, _) = chain(("a", 5, 5), ("b", 1, 1), firings=3)
    b.release(first, np.array([2, 3, 40]))
    record, starts = starts_of(engine, b)
    assert starts["s0"] == [2, 7, 40]
    assert record.wait_resource_ps[first] == 7 - 3
    assert record.wait_data_ps[first] == 0


def test_replicas_take_turns(engine):
    b = ProgramBuilder()
    source = b.actor("source", b.resource("s"), firings=5, interval_ps=1, latency_ps=1)
    target = b.actor("target", b.resource("t"), firings=5, interval_ps=1, latency_ps=1)
    for r in range(2):
        replica = b.actor(f"replica {r}", b.resource(f"r{r}"), firings=3 - r, interval_ps=10, latency_ps=10)
        b.depend(source, replica, Need.split(r, 2))
        b.depend(replica, target, Need.merge(r, 2))
    _, starts = starts_of(engine, b)
    assert starts["replica 0"] == [1, 11, 21]
    assert starts["replica 1"] == [2, 12]
    assert starts["target"] == [11, 12, 21, 22, 31]


def test_barrier_and_spread(engine):
    b = ProgramBuilder()
    source = b.actor("source", b.resource("s"), firings=6, interval_ps=2, latency_ps=2)
    collect = b.actor("collect", b.resource("c"), firings=2, interval_ps=1, latency_ps=1)
    spread = b.actor("spread", b.resource("p"), firings=6, interval_ps=1, latency_ps=1)
    b.depend(source, collect, Need.all_of(3))
    b.depend(collect, spread, Need.one_before(3))
    _, starts = starts_of(engine, b)
    assert starts["collect"] == [6, 12]
    assert starts["spread"] == [7, 8, 9, 13, 14, 15]


def test_feedback_needs_the_previous_result(engine):
    b = ProgramBuilder()
    step = b.actor("step", b.resource("r"), firings=4, interval_ps=1, latency_ps=6)
    b.depend(step, step, Need.previous())
    _, starts = starts_of(engine, b)
    assert starts["step"] == [0, 6, 12, 18]


def test_actors_without_firings_never_start(engine):
    b, (_first, second) = chain(("a", 1, 1), ("b", 1, 1), firings=0)
    third = b.actor("third", b.resource("c"), firings=1, interval_ps=1, latency_ps=1)
    b.depend(second, third, Need.each())  # clipped to the 0 firings there are
    record, starts = starts_of(engine, b)
    assert starts == {"s0": [], "s1": [], "third": [0]}
    assert record.first_start_ps.tolist() == [-1, -1, 0]


def test_empty_program(engine):
    record = engine.run(ProgramBuilder().build(), trace=True)
    assert record.makespan_ps == 0
    assert record.is_complete


@pytest.mark.parametrize(("until_ps", "started"), [(0, 1), (9, 1), (10, 2), (19, 2), (1000, 4)])
def test_until_is_the_last_instant_that_happens(engine, until_ps, started):
    b, (_first,) = chain(("a", 10, 3), firings=4)
    record, _ = starts_of(engine, b, until_ps=until_ps)
    assert record.started.tolist() == [started]
    assert record.is_complete == (started == 4)


def test_watched_actors_report_every_finish(engine):
    b, (_first, second) = chain(("a", 3, 10), ("b", 2, 1))
    record = engine.run(b.build(), watch=[second])
    assert record.trace is None
    assert {a: times.tolist() for a, times in record.finish_ps.items()} == {second: [11, 14, 17, 20]}


def test_durations_times_k_give_times_times_k(engine):
    b, _ = chain(("a", 3, 10), ("b", 7, 1), ("a", 2, 2))
    program = b.build()
    record = engine.run(program, trace=True)
    b, _ = chain(("a", 3000, 10000), ("b", 7000, 1000), ("a", 2000, 2000))
    longer = engine.run(b.build(), trace=True)
    np.testing.assert_array_equal(longer.trace.expand().start_ps, 1000 * record.trace.expand().start_ps)


@pytest.mark.parametrize(("options", "field"), [({"until_ps": -1}, "until_ps"), ({"watch": [3]}, "watch")])
def test_options_are_checked(engine, options, field):
    b, _ = chain(("a", 1, 0), ("b", 1, 1))
    with pytest.raises(EngineError, match=f"run: {field}"):
        engine.run(b.build(), **options)


def test_programs_are_verified_first(engine):
    b, _ = chain(("a", -1, 0))
    with pytest.raises(ProgramError, match=r"actor 's0': interval_ps"):
        engine.run(b.build())


@pytest.mark.parametrize("order", ["ascending", "descending", "shuffled", "with some waiting"])
def test_many_that_become_ready_at_once_start_in_the_order_of_actors(order):
    """However their events are delivered; those that were ready before go first."""
    n = 200
    releases_ps = np.full(n, 1000)
    rank = np.arange(n)
    if order == "descending":
        rank = rank[::-1]
    elif order == "shuffled":
        rank = np.random.default_rng(1).permutation(n)
    elif order == "with some waiting":
        releases_ps[::3] = np.arange(len(releases_ps[::3])) + 1
    b = ProgramBuilder()
    resource = b.resource("r")
    triggers = {}
    for i in rank.tolist():
        triggers[i] = b.actor(f"t{i}", b.resource(f"t{i}"), firings=1, interval_ps=1, latency_ps=int(releases_ps[i]))
    for i in range(n):
        worker = b.actor(f"w{i}", resource, firings=2, interval_ps=1000, latency_ps=1000)
        b.depend(triggers[i], worker, Need(0, 1, 1))
    program = b.build()
    records = [engine.run(program, trace=True) for engine in (CompiledEngine(), ReferenceEngine())]
    for a in range(program.n_actors):
        assert records[0].trace.starts(a).tolist() == records[1].trace.starts(a).tolist()
    first_ps = records[0].first_start_ps[-n:]
    queue = np.lexsort((np.arange(n), releases_ps))
    assert (np.diff(first_ps[queue]) > 0).all()
    assert records[0].max_queue.tolist() == records[1].max_queue.tolist()


def test_ends_far_ahead_and_far_apart_come_in_order(engine):
    """More ends at a time than the wheel of near events holds, in all orders: those of every size of latency."""
    rng = np.random.default_rng(0)
    latencies_ps = rng.permutation([k * 10**n for n in range(1, 12) for k in (1, 3, 4, 8)])
    b = ProgramBuilder()
    collect = b.resource("collect", capacity=len(latencies_ps))
    ends = []
    for i, latency_ps in enumerate(latencies_ps.tolist()):
        first = b.actor(f"first {i}", b.resource(f"r{i}"), firings=3, interval_ps=latency_ps, latency_ps=latency_ps)
        after = b.actor(f"after {i}", collect, firings=3, interval_ps=0, latency_ps=0)
        b.depend(first, after, Need.each())
        ends.append(after)
    record = engine.run(b.build(), trace=True)
    for after, latency_ps in zip(ends, latencies_ps.tolist(), strict=True):
        assert record.trace.starts(after).tolist() == [latency_ps, 2 * latency_ps, 3 * latency_ps]
