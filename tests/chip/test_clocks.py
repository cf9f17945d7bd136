"""Clocks of any frequency: every time that counts cycles is their exact time, rounded up once."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from hermes_sim.api import simulate
from hermes_sim.chip.load import load_arch
from hermes_sim.engine.compiled import CompiledEngine
from hermes_sim.engine.reference import ReferenceEngine
from hermes_sim.explain.quantities import explain
from hermes_sim.mapping.place import map_graph
from hermes_sim.program.lower import lower
from hermes_sim.workload.load import build_graph, load_workload

CLOCKS = ("clock", "network.clock", "digital_units.dpu.clock", "digital_units.host.clock")
WORK = {"sequence_length": 6}


def lowered_at(ghz):
    wire = {"network.wire": {"energy": _literal(0.1, "pJ/byte/mm"), "delay": _literal(40, "ps/mm")}}
    whole = {"network.switching": "store_and_forward"}  # so that each time counts cycles of one clock
    chip = load_arch("hermes_64_hetero", dict.fromkeys(CLOCKS, f"{ghz} GHz") | wire | whole)
    graph = build_graph(load_workload("performer_imdb_full", WORK))
    return lower(graph, map_graph(graph, chip, "spread"), chip, inferences=2)


def _literal(value, unit):
    return {"value": value, "unit": unit, "kind": "assumed", "source": "test"}


@pytest.mark.parametrize("ghz", [1.5, 1.8, 3])
def test_times_are_those_of_as_many_cycles_of_the_clock(ghz):
    period_ps = Fraction(1000) / Fraction(str(ghz))
    clocked = 0
    for slow, fast in zip(lowered_at(1).actors, lowered_at(ghz).actors, strict=True):
        before = [0, 0]  # what a memory takes longer than the arithmetic is what is left of its cycles
        for at_1_ghz, here in zip(slow.cost.times, fast.cost.times, strict=True):
            is_wire = "network.wire.delay" in here.paths  # its cycles depend on the clock
            if any(path in CLOCKS for path in here.paths) and not is_wire:
                beside = before if here.component.endswith(" memory") else [0, 0]
                cycles = (at_1_ghz.value + beside[0]) // 1000
                assert here.value + beside[1] == math.ceil(cycles * period_ps), (fast.stage, here)
                clocked += cycles > 0
            before = [before[0] + at_1_ghz.value, before[1] + here.value]
    assert clocked > 100


def test_wire_counts_in_whole_cycles_of_a_clock_of_any_period():
    found = 0
    for info in lowered_at(1.5).actors:
        for term in info.cost.times:
            if "network.wire.delay" in term.paths and term.value:
                cycles = int(term.value * 3 // 2000)
                assert term.value in {
                    math.ceil(cycles * Fraction(2000, 3)),
                    math.ceil((cycles + 1) * Fraction(2000, 3)),
                }
                found += 1
    assert found


def test_both_engines_agree_and_the_latency_adds_up_to_the_picosecond():
    program = lowered_at(1.8).program
    fast, slow = CompiledEngine().run(program), ReferenceEngine().run(program)
    assert fast.makespan_ps == slow.makespan_ps
    chip = load_arch("hermes_64_hetero", dict.fromkeys(CLOCKS, "1.8 GHz"))
    result = simulate(chip, load_workload("performer_imdb_full", WORK), inferences=2, accuracy=False, baselines=())
    node = explain(result, "latency")
    assert node.value == result.runs.one.record.makespan_ps
    assert sum(part.value for part in node.parts) == node.value
    assert all(part.is_exact for part in node.walk())
