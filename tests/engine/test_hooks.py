"""Users' own SimPy processes in the reference engine (docs/engine.md)."""

from __future__ import annotations

import pytest
from engine_comparison import assert_same_record
from engines import ENGINES

from hermes_sim.engine.deadlock import DeadlockError
from hermes_sim.engine.reference import ReferenceEngine
from hermes_sim.errors import EngineError
from hermes_sim.program.dataflow import Need, ProgramBuilder


def two_cores(n=10):
    b = ProgramBuilder()
    load = b.actor("load", b.resource("io"), firings=n, interval_ps=50, latency_ps=50)
    mvm = b.actor("mvm", b.resource("core 0"), firings=n, interval_ps=100, latency_ps=120)
    b.depend(load, mvm, Need.each())
    return b.build()


def test_a_recalibration_takes_a_core_away():
    def recalibrate(sim):
        yield sim.env.timeout(300)
        yield from sim.hold("core 0", 1000)

    record = ReferenceEngine(processes=(recalibrate,)).run(two_cores(), trace=True)
    starts = record.trace.starts(1).tolist()
    assert starts == [50, 150, 250, 350, 1450, 1550, 1650, 1750, 1850, 1950]
    assert record.wait_resource_ps[1] > ENGINES["simpy"].run(two_cores()).wait_resource_ps[1]


def test_a_hold_waits_its_turn_behind_firings_that_were_ready_before():
    b = ProgramBuilder()
    r = b.resource("r")
    for name in ("x", "y"):
        b.actor(name, r, firings=1, interval_ps=10, latency_ps=10)

    def hold(sim):
        yield from sim.hold("r", 5)
        held.append(sim.now_ps)

    held = []
    record = ReferenceEngine(processes=(hold,)).run(b.build(), trace=True)
    assert record.trace.start_ps.tolist() == [0, 10]
    assert held in ([], [25])  # the run may end first


def test_arrivals_admit_firings_one_by_one():
    def arrivals(sim):
        sim.gate("load")
        for _ in range(10):
            yield sim.env.timeout(400)
            sim.admit("load")

    record = ReferenceEngine(processes=(arrivals,)).run(two_cores(), trace=True)
    assert record.trace.starts(0).tolist() == [400 * (k + 1) for k in range(10)]
    assert record.wait_data_ps[0] == 0


def test_a_fault_that_is_never_repaired_is_a_deadlock():
    def break_core(sim):
        yield sim.env.timeout(200)
        yield sim.take("core 0")

    with pytest.raises(DeadlockError, match="mvm: needs met, but never admitted or never given a server"):
        ReferenceEngine(processes=(break_core,)).run(two_cores())


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (lambda sim: sim.take("core 1"), "simulation: resource\n  got +'core 1'\n.*\n  try +did you mean 'core 0'"),
        (lambda sim: sim.gate("lode"), "simulation: actor\n  got +'lode'\n.*\n  try +did you mean 'load'"),
        (lambda sim: sim.admit("load"), "admitted without a gate"),
        (lambda sim: sim.give_back("core 0"), "a server given back that nobody holds"),
    ],
)
def test_mistakes_in_processes_are_named(step, message):
    def process(sim):
        step(sim)
        yield sim.env.timeout(1)

    with pytest.raises(EngineError, match=message):
        ReferenceEngine(processes=(process,)).run(two_cores())


def test_idle_processes_change_nothing():
    def watch_clock(sim):
        while True:
            yield sim.env.timeout(7)

    record = ReferenceEngine(processes=(watch_clock,)).run(two_cores(), trace=True)
    assert_same_record(record, ENGINES["compiled"].run(two_cores(), trace=True))
