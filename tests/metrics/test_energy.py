"""Energy, provenance and document of a program small enough to be worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from hermes_sim.api import timing_and_energy
from hermes_sim.chip.cost import Cost, Term
from hermes_sim.chip.load import load_arch
from hermes_sim.config.quantity import Kind
from hermes_sim.engine.compiled import CompiledEngine
from hermes_sim.metrics.energy import STATIC, EnergyRow, energy_rows, total_by, total_by_place
from hermes_sim.metrics.provenance import energy_share_by_kind
from hermes_sim.metrics.runs import Run, Runs
from hermes_sim.metrics.steady import steady_state
from hermes_sim.program.dataflow import Need, ProgramBuilder
from hermes_sim.program.lowered import ActorInfo, Firings, LoweredProgram
from hermes_sim.result import inputs_sha256

# one firing of "read": 2 pJ on a core and 0.5 pJ in the host; of "send": 0.25 pJ off the chip; 3 mW all the time
READ = (
    Term(2.0, "crossbar array", ("core.read.phase_energy",), Kind.MEASURED),
    Term(0.5, "host arithmetic", ("digital_units.host.functions.mac.energy",), Kind.ASSUMED),
)
SEND = (Term(0.25, "off-chip", ("off_chip.energy",), Kind.LITERATURE),)
POWER = (Term(3.0, "cores (static)", ("core.static_power",), Kind.FITTED),)


def run(inferences, *, read_ps=(400, 1000), send_ps=(100, 100), energies=(READ, SEND), powers=POWER):
    """Every 400 ps a read begins whose result is there after 1,000 ps; sending it takes 100 ps."""
    builder = ProgramBuilder()
    costs = [
        Cost(*times, (Term(times[1], "x", (), Kind.ASSUMED),), terms)
        for times, terms in zip((read_ps, send_ps), energies, strict=True)
    ]
    actors = [
        builder.actor(
            name, builder.resource(place), firings=inferences, interval_ps=c.interval_ps, latency_ps=c.latency_ps
        )
        for name, place, c in zip(("read", "send"), ("core0.crossbar", "off-chip out"), costs, strict=True)
    ]
    builder.depend(actors[0], actors[1], Need.each())
    program = builder.build()
    infos = tuple(ActorInfo(f"op {stage}", stage, cost) for stage, cost in zip(("read", "send"), costs, strict=True))
    lowered = LoweredProgram(
        program=program,
        actors=infos,
        resources=(),
        done=actors[1],
        sources=((actors[0], 1),),
        static_powers=powers,
        ops=100,
        inferences=inferences,
        firings=(Firings(1),) * 2,
    )
    return Run(lowered, CompiledEngine().run(program, watch=[actors[1]]))


def document(n=4, **more):
    """Document of n inferences; 4 of them end at 3 x 400 + 1,000 + 100 = 2,300 ps, one alone at 1,100 ps."""
    bounds = SimpleNamespace(makespan_ps=1900)
    one = run(1, **more)
    steady = steady_state(one.lowered, latency_ps=one.record.makespan_ps)
    runs = Runs(one, run(n, **more), steady, bounds, SimpleNamespace())
    return timing_and_energy(runs, load_arch("hermes_64"))


def test_times_are_those_of_the_right_run():
    found = document()
    assert found["latency_ns"] == 1.1
    assert found["makespan_ns"] == 2.3
    assert found["lower_bound_ns"] == 1.9
    assert found["throughput_inferences_per_s"] == pytest.approx(1 / 400e-12)
    assert found["firings"] == 8
    assert found["bottleneck"] == {"resource": "core0.crossbar", "utilization": pytest.approx(1600 / 2300)}
    assert found["events_per_s"] > 0


def test_energies_are_counts_times_terms_and_power_times_time():
    found = document()
    energy = found["energy_pj"]
    static_pj = 3 * 2.3  # 3 mW for 2.3 ns
    assert energy["static"] == pytest.approx(static_pj, rel=1e-12)
    assert energy["dynamic"] == pytest.approx(4 * 2.75, rel=1e-12)
    assert energy["total"] == pytest.approx(4 * 2.75 + static_pj, rel=1e-12)
    assert energy["per_inference"] == pytest.approx((4 * 2.75 + static_pj) / 4, rel=1e-12)
    assert energy["on_chip_per_inference"] == pytest.approx((4 * 2.0 + static_pj) / 4, rel=1e-12)
    assert energy["by_place"] == {
        "on_chip": pytest.approx(8 + static_pj, rel=1e-12), "off_chip": pytest.approx(1.0), "host": pytest.approx(2.0),
    }  # fmt: skip
    assert list(energy["by_component"].items()) == [
        ("crossbar array", 8.0),
        ("cores (static)", pytest.approx(static_pj)),
        ("host arithmetic", 2.0),
        ("off-chip", 1.0),
    ]
    assert energy["by_operator"] == {"op read": 10.0, STATIC: pytest.approx(static_pj), "op send": 1.0}
    assert found["energy_alone_pj"] == pytest.approx(2.75 + 3 * 1.1, rel=1e-12)


def test_rates_follow_from_operations_energy_and_time():
    found = document()
    total_pj = 4 * 2.75 + 3 * 2.3
    assert found["ops"] == 100
    assert found["tops"] == pytest.approx(400 / 2300)  # operations per ps
    assert found["tops_per_w"] == pytest.approx(400 / total_pj)  # operations per pJ
    assert found["power_w"] == pytest.approx(total_pj / 2300)  # pJ per ps


def test_energy_rests_on_each_kind_by_its_exact_share_most_certain_first():
    total_pj = 4 * 2.75 + 3 * 2.3
    shares = document()["provenance"]
    assert set(shares) == {"energy"}  # times are no sums: see docs/uncertainty.md
    assert list(shares["energy"].items()) == [
        ("measured", pytest.approx(8 / total_pj)),
        ("literature", pytest.approx(1 / total_pj)),
        ("fitted", pytest.approx(6.9 / total_pj)),
        ("assumed", pytest.approx(2 / total_pj)),
    ]


def test_a_program_that_costs_nothing_has_no_bottleneck_and_no_efficiency():
    found = document(read_ps=(0, 0), send_ps=(0, 0), energies=((), ()), powers=())
    assert found["bottleneck"] == {"resource": "none", "utilization": 0.0}
    assert found["tops_per_w"] == 0.0
    assert found["energy_pj"]["by_place"] == {"on_chip": 0.0, "off_chip": 0.0, "host": 0.0}
    assert found["provenance"] == {"energy": {}}
    assert found["tops"] == 400  # in the shortest time there is, 1 ps
    assert found["power_w"] == 0


def test_rows_name_what_they_are_made_of():
    one = run(3)
    rows = energy_rows(one.lowered, one.record)
    assert rows[0] == EnergyRow("op read", "read", "crossbar array", 6.0, "measured", READ[0].paths, 3)
    assert rows[2] == EnergyRow("op send", "send", "off-chip", 0.75, "literature", SEND[0].paths, 3)
    assert rows[3] == EnergyRow(
        STATIC, "static", "cores (static)", pytest.approx(3 * 1.9), "fitted", POWER[0].paths, 1, is_static=True
    )  # the last of three reads begins at 800 ps
    assert [row.is_static for row in rows] == [False, False, False, True]


def rows_of(*given):
    return [EnergyRow("o", "s", component, pj, kind, paths, 1) for component, pj, kind, paths in given]


def test_parts_of_one_name_are_added_and_the_largest_comes_first():
    rows = rows_of(("a", 1.0, Kind.RTL, ()), ("b", 2.5, Kind.SPEC, ()), ("a", 2.0, Kind.RTL, ()))
    assert list(total_by(rows, "component").items()) == [("a", 3.0), ("b", 2.5)]
    assert total_by(rows, "kind") == {"rtl": 3.0, "spec": 2.5}
    assert energy_share_by_kind(rows) == {"rtl": 3.0 / 5.5, "spec": 2.5 / 5.5}


@pytest.mark.parametrize(
    ("paths", "place"),
    [
        (("core.read.phase_energy", "core.read.drivers"), "on_chip"),
        (("digital_units.gdpu.static_power",), "on_chip"),
        (("digital_units.host.memory_energy",), "host"),
        (("digital_units.host.static_power", "digital_units.host.count"), "host"),
        (("off_chip.static_power",), "off_chip"),
        (("core.ldpu.affine_energy", "off_chip.energy"), "off_chip"),
        ((), "on_chip"),
    ],
)
def test_an_energy_is_spent_where_its_config_values_stand(paths, place):
    found = total_by_place(rows_of(("part", 2.0, Kind.SPEC, paths)), load_arch("hermes_64"))
    assert found == {"on_chip": 0.0, "off_chip": 0.0, "host": 0.0} | {place: 2.0}


def test_the_hash_of_inputs_does_not_depend_on_their_order_but_on_every_value():
    one = inputs_sha256({"a": 1, "b": [2, 3]})
    assert one == inputs_sha256({"b": [2, 3], "a": 1})
    assert one != inputs_sha256({"a": 1, "b": [3, 2]})
    assert one != inputs_sha256({"a": 1})
    assert len(one) == 64


def test_a_record_without_statistics_has_no_engine_speed():
    one = run(1)
    bare = Run(one.lowered, replace(one.record, statistics=None))
    found = timing_and_energy(
        Runs(
            one,
            bare,
            steady_state(one.lowered, latency_ps=one.record.makespan_ps),
            SimpleNamespace(makespan_ps=0),
            SimpleNamespace(),
        ),
        load_arch("hermes_64"),
    )
    assert found["events_per_s"] == 0
