"""A small run with queues, several servers and a barrier, and the random programs of the engine tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "engine" / "support"))

from hermes_sim.engine.compiled import CompiledEngine
from hermes_sim.program.dataflow import Need, ProgramBuilder


@pytest.fixture(scope="session")
def program():
    b = ProgramBuilder()
    load = b.actor("load", b.resource("core 0/input", group="core 0"), firings=40, interval_ps=500, latency_ps=700)
    mvm = b.actor("mvm", b.resource("core 0/crossbar", group="core 0"), firings=40, interval_ps=1300, latency_ps=1300)
    send = b.actor("send", b.resource("link", capacity=2), firings=40, interval_ps=2000, latency_ps=2500)
    reduce = b.actor("reduce", b.resource("unit"), firings=4, interval_ps=100, latency_ps=100)
    b.depend(load, mvm, Need.each())
    b.depend(mvm, load, Need.space(3), is_space=True)
    b.depend(mvm, send, Need.each())
    b.depend(send, reduce, Need.all_of(10))
    return b.build()


@pytest.fixture(scope="session")
def trace(program):
    return CompiledEngine().run(program, trace=True).trace
