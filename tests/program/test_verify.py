"""Programs that no engine may run: one clear error each, naming actor and field."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hermes_sim.errors import ProgramError
from hermes_sim.program.dataflow import Need, ProgramBuilder
from hermes_sim.program.verify import verify_program


@pytest.fixture
def program():
    b = ProgramBuilder()
    first = b.actor("first", b.resource("a"), firings=5, interval_ps=1, latency_ps=2)
    second = b.actor("second", b.resource("b"), firings=5, interval_ps=3, latency_ps=4)
    b.depend(first, second, Need.each())
    b.release(first, np.arange(5))
    return b.build()


def column(*values):
    return np.array(values, dtype=np.int64)


def test_a_good_program_passes(program):
    verify_program(program)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resource": column(0, 2)}, r"actor 'second': resource\n  got +2\n  allowed +index of one of the 2 resources"),
        ({"resource": column(-1, 0)}, r"actor 'first': resource\n  got +-1"),
        ({"firings": column(5, -1)}, r"actor 'second': firings\n  got +-1\n  allowed +a whole number >= 0"),
        ({"interval_ps": column(-3, 1)}, r"actor 'first': interval_ps\n  got +-3"),
        ({"latency_ps": column(1, -9)}, r"actor 'second': latency_ps\n  got +-9"),
        ({"capacity": column(1, 0)}, r"resource 'b': capacity\n  got +0\n  allowed +a whole number >= 1"),
        ({"source": column(7)}, r"dependency 0: source\n  got +7\n  allowed +index of one of the 2 actors"),
        ({"target": column(-1)}, r"dependency 0: target\n  got +-1"),
        ({"den": column(0)}, r"dependency 0 \('first' -> 'second'\): den\n  got +0"),
        ({"num": column(-1)}, r"dependency 0 \('first' -> 'second'\): num\n  got +-1"),
        ({"num": column(1, 1)}, r"program: num\n  got +shape \(2,\)\n  allowed +\(1,\): 1 dependencies"),
        ({"latency_ps": np.zeros(2)}, r"program: latency_ps\n  got +dtype float64\n  allowed +int64"),
        ({"actor_names": ("x", "x")}, r"actor 'x'\n  got +two actors of that name"),
        ({"resource_names": ("r", "r")}, r"resource 'r'\n  got +two resources of that name"),
        ({"releases_ps": {9: column(0)}}, r"releases_ps\n  got +actor 9"),
        ({"releases_ps": {0: column(0, 1)}}, r"actor 'first': releases_ps\n  got +int64, shape \(2,\)"),
        ({"releases_ps": {0: column(-1, 0, 0, 0, 0)}}, r"actor 'first': releases_ps\n  got +-1"),
        ({"releases_ps": {0: column(0, 5, 4, 6, 7)}}, r"got +4 ps for firing 2 after 5 ps"),
        ({"latency_ps": column(1, 2**61)}, r"actor 'second': firings x max.*\n  got .*\n  allowed +below 2\^62"),
        ({"firings": column(5, 2**60), "releases_ps": {}}, r"actor 'second': firings x max"),
        (
            {
                "firings": column(2**61, 2**61),
                "interval_ps": column(0, 0),
                "latency_ps": column(0, 0),
                "releases_ps": {},
            },
            r"program: firings\n  got +4611686018427387904 in all",
        ),
        ({"off": column(2**62)}, r"dependency 0 .*: num, off, den\n  got +k \* num \+ off up to"),
        ({"releases_ps": {0: column(0, 0, 0, 0, 2**62)}}, r"releases_ps\n  got +4611686018427387904 ps"),
    ],
)
def test_bad_programs_are_refused(program, changes, message):
    with pytest.raises(ProgramError, match=message):
        verify_program(replace(program, **changes))


@pytest.mark.parametrize(
    ("need", "firing"), [(Need(1, 1, 1), 0), (Need(2, 0, 1), 4), (Need(1, 3, 2), 0), (Need(0, 1, 1), 0)]
)
def test_needs_on_the_own_future_are_refused(need, firing):
    b = ProgramBuilder()
    actor = b.actor("loop", b.resource("a"), firings=5, interval_ps=1, latency_ps=1)
    b.depend(actor, actor, need)
    with pytest.raises(ProgramError, match=rf"off\n  got +firing {firing} needs \d+ finished firings of its own actor"):
        verify_program(b.build())


@pytest.mark.parametrize("need", [Need(1, 0, 1), Need(1, -3, 1), Need(1, 1, 2), Need(1, 0, 3)])
def test_feedback_with_initial_tokens_passes(need):
    b = ProgramBuilder()
    actor = b.actor("loop", b.resource("a"), firings=5, interval_ps=1, latency_ps=1)
    b.depend(actor, actor, need)
    verify_program(b.build())


def test_the_builder_refuses_a_second_actor_of_a_name():
    b = ProgramBuilder()
    b.actor("x", b.resource("a"), firings=1, interval_ps=1, latency_ps=1)
    with pytest.raises(ProgramError, match="unique names"):
        b.actor("x", 0, firings=1, interval_ps=1, latency_ps=1)
