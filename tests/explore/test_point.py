from __future__ import annotations

import pytest

from hermes_sim.api import simulate
from hermes_sim.errors import MappingError
from hermes_sim.explore.point import DesignPoint, evaluate
from hermes_sim.explore.runs import for_inferences, program_digest
from hermes_sim.files import shipped_names
from hermes_sim.mapping.placement import map_graph
from hermes_sim.program.lower import lower
from hermes_sim.workload.load import build_graph, load_workload


@pytest.mark.parametrize(
    ("arch", "workload", "mapping", "inferences"),
    [
        ("hermes_64", "kernel_ridge_digits", "packed", 20),
        ("hermes_64_hetero", "kernel_ridge_digits", "spread", 3),
        ("hermes_64_hetero", "performer_imdb_attention", "spread", 1),
    ],
)
def test_a_point_gives_the_numbers_of_simulate(arch, workload, mapping, inferences):
    record = evaluate(DesignPoint(arch, workload, mapping=mapping, inferences=inferences), key="k")
    document = simulate(arch, workload, mapping=mapping, inferences=inferences, accuracy=False).document
    for name in ("latency_ns", "makespan_ns", "throughput_inferences_per_s", "power_w", "tops", "lower_bound_ns"):
        assert record[name] == document[name], name
    assert record["energy_pj_total"] == document["energy_pj"]["total"]
    assert record["bottleneck_resource"] == document["bottleneck"]["resource"]


@pytest.mark.parametrize("mapping", ["packed", "spread"])
@pytest.mark.parametrize("workload", shipped_names("workloads"))
def test_a_program_for_other_inferences_is_what_lowering_gives(hetero, workload, mapping):
    graph = build_graph(load_workload(workload))
    try:
        placement = map_graph(graph, hetero, mapping)
    except MappingError:
        pytest.skip("does not fit")
    program = lower(graph, placement, hetero, inferences=3)
    for count in (1, 16):
        derived = for_inferences(program, placement, count)
        wanted = lower(graph, placement, hetero, inferences=count)
        assert program_digest(derived.program) == program_digest(wanted.program)
        assert (derived.done, derived.inferences) == (wanted.done, count)


def test_replicas_are_lowered_anew(hetero):
    graph = build_graph(load_workload("performer_imdb_full"))
    placement = map_graph(graph, hetero, "balanced")
    assert max(len(replicas) for replicas in placement.replicas.values()) > 1
    assert for_inferences(lower(graph, placement, hetero, inferences=3), placement, 5) is None


def test_points_that_share_a_program_share_its_run_but_not_its_energy():
    cheap = evaluate(DesignPoint("hermes_64", "peak_mvm", {"core.static_power": 0.1}), key="a")
    dear = evaluate(DesignPoint("hermes_64", "peak_mvm", {"core.static_power": 5}), key="b")
    assert cheap["makespan_ns"] == dear["makespan_ns"]
    assert cheap["energy_pj_total"] < dear["energy_pj_total"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"core.rows": 0}, "core.rows"),
        ({"cores.clusters": 1, "cores.per_cluster": 1}, "MappingInfeasible"),
        ({"network.flit": "abc"}, "flit"),
        ({"core.ldpu.group_time": 1.00001}, "whole number of ps"),
    ],
)
def test_an_error_becomes_a_record_with_its_inputs(fields, message):
    record = evaluate(DesignPoint("hermes_64", "peak_mvm", fields, names={"a": 1}), key="k")
    assert record["status"] == "failed"
    assert message in record["error"]
    assert record["inputs"]["arch_fields"] == fields
    assert record["parameters"] == {"a": 1}


def test_an_unexpected_error_is_recorded_too(monkeypatch):
    def broken(*_args, **_kwargs):
        raise RuntimeError("boom")

    monkeypatch.setattr("hermes_sim.explore.runs.timing_of", broken)
    record = evaluate(DesignPoint("hermes_64", "peak_mvm"), key="k")
    assert record["status"] == "failed"
    assert "unexpected RuntimeError: boom" in record["error"]


def test_area_follows_size_lanes_and_units():
    def area(**fields):
        changed = {name.replace("__", "."): value for name, value in fields.items()}
        return DesignPoint("hermes_64", "peak_mvm", changed).chip().area_mm2

    published = area()
    unit_mm2 = 0.1 + 0.06  # with its sequence memory
    assert published == pytest.approx(64 * 0.635 + 8 * unit_mm2)
    assert area(core__rows=512) > published
    assert area(core__columns=512) - published > area(core__rows=512) - published  # converters are larger than drivers
    assert area(core__ldpu__lanes=16) - published == pytest.approx(64 * 0.635 * 0.12)
    assert area(digital_units__gdpu__count=16) - published == pytest.approx(8 * unit_mm2)


def test_a_larger_core_spends_more_on_a_full_read():
    small = evaluate(DesignPoint("hermes_64", "peak_mvm"), key="a")
    fields = {"core.rows": 512, "core.columns": 512}
    large = evaluate(DesignPoint("hermes_64", "peak_mvm", fields), key="b")
    assert large["energy_pj_dynamic"] == pytest.approx(small["energy_pj_dynamic"], rel=1e-9)
