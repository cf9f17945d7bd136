"""Use of resources and times of stages of a program small enough to follow by hand."""

from __future__ import annotations

import pytest

from hermes_sim.chip.cost import FREE, Cost, Term
from hermes_sim.config.quantity import Kind
from hermes_sim.engine.compiled import CompiledEngine
from hermes_sim.metrics.energy import energy_rows, total_by
from hermes_sim.metrics.timing import resource_use, stage_times
from hermes_sim.program.dataflow import Need, ProgramBuilder
from hermes_sim.program.lowered import ActorInfo, Firings, LoweredProgram


def term(value, component, kind=Kind.ASSUMED):
    return Term(value, component, ("path",), kind)


@pytest.fixture(scope="module")
def run():
    """a (4 times 1 ns) feeds b (4 times 3 ns, done 2 ns later) on another resource; c takes no time."""
    builder = ProgramBuilder()
    costs = [
        Cost(1000, 1000, (term(1000, "A"),), (term(5.0, "A", Kind.MEASURED), term(1.0, "B"))),
        Cost(3000, 5000, (term(5000, "B"),), (term(2.0, "B"),)),
        FREE,
    ]
    for name, cost in zip("abc", costs, strict=True):
        builder.actor(
            name,
            builder.resource("control" if cost is FREE else f"unit {name}"),
            firings=4,
            interval_ps=cost.interval_ps,
            latency_ps=cost.latency_ps,
        )
    builder.depend(0, 1, Need.each())
    builder.depend(1, 2, Need.each())
    infos = tuple(ActorInfo(f"op {name}", f"stage {name}", cost) for name, cost in zip("abc", costs, strict=True))
    lowered = LoweredProgram(
        program=builder.build(),
        actors=infos,
        resources=(),
        done=2,
        sources=(),
        static_powers=(term(2.0, "static"),),
        ops=10,
        inferences=4,
        firings=(Firings(1),) * 3,
    )
    return lowered, CompiledEngine().run(lowered.program)


def test_resources_that_take_time_busiest_first(run):
    """b: 1 to 13 ns busy, last result after 15 ns; a: 4 ns busy."""
    _, record = run
    assert record.makespan_ps == 15_000
    uses = resource_use(record)
    assert [(use.resource, use.busy_ps, use.firings) for use in uses] == [("unit b", 12_000, 4), ("unit a", 4_000, 4)]
    assert [use.utilization for use in uses] == pytest.approx([12 / 15, 4 / 15])


def test_stages_that_take_time_in_program_order(run):
    """b's firings start after 1, 4, 7, 10 ns; each waits for b from its data (1, 2, 3, 4 ns) and the start before."""
    a, b = stage_times(*run)
    assert (a.operator, a.stage, a.resource, a.firings) == ("op a", "stage a", "unit a", 4)
    assert (b.operator, b.stage, b.resource, b.firings) == ("op b", "stage b", "unit b", 4)
    assert (a.interval_ns, a.latency_ns, a.busy_ps) == (1.0, 1.0, 4_000)
    assert (b.interval_ns, b.latency_ns, b.busy_ps) == (3.0, 5.0, 12_000)
    assert (b.wait_space_ps, b.wait_resource_ps) == (0, 2_000 + 3_000 + 3_000)
    assert (a.wait_data_ps, a.wait_space_ps) == (0, 0)


def test_energy_is_firings_times_terms_and_power_times_makespan(run):
    rows = energy_rows(*run)
    assert [(r.component, r.energy_pj, r.firings, r.is_static) for r in rows] == [
        ("A", 20.0, 4, False),
        ("B", 4.0, 4, False),
        ("B", 8.0, 4, False),
        ("static", pytest.approx(2.0 * 15), 1, True),  # 1 mW for 1 ns is 1 pJ
    ]
    assert list(total_by(rows, "component").items()) == [("static", pytest.approx(30)), ("A", 20.0), ("B", 12.0)]
    assert total_by(rows, "operator") == {"(static power)": pytest.approx(30), "op a": 24.0, "op b": 8.0}
    assert total_by(rows, "kind") == {"measured": 20.0, "assumed": pytest.approx(42.0)}
