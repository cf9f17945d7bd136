from __future__ import annotations

import numpy as np
import pytest

from hermes_sim.api import simulate
from hermes_sim.explore.point import DesignPoint, evaluate, plain_values, point_key


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


def test_fewer_in_flight_take_longer_and_are_other_points():
    alone, several = (
        evaluate(DesignPoint("hermes_64", "kernel_ridge_digits", inferences=8, in_flight=n), key="k") for n in (1, 8)
    )
    assert alone["makespan_ns"] == pytest.approx(8 * alone["latency_ns"])
    assert several["makespan_ns"] < alone["makespan_ns"]
    assert several["throughput_inferences_per_s"] > alone["throughput_inferences_per_s"]
    keys = {point_key(DesignPoint("a", "w", in_flight=n), {}, {}) for n in (None, 1, 8)}
    assert len(keys) == 3


def test_the_busiest_of_the_kinds_is_the_bottleneck():
    record = evaluate(DesignPoint("hermes_64", "kernel_ridge_digits", mapping="packed", inferences=20), key="k")
    shares = {name: value for name, value in record.items() if name.startswith("utilization_")}
    assert len(shares) == 6
    assert max(shares.values()) == record["bottleneck_utilization"]
    assert record["bottleneck_resource"] == "core0.ldpu"  # 632 ns for 256 columns, where a read takes 520 ns
    assert record["utilization_ldpu"] == record["bottleneck_utilization"]


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

    monkeypatch.setattr("hermes_sim.explore.point.timing_of", broken)
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


def _one_product(path, n_outputs):
    onnx = pytest.importorskip("onnx")
    weights = onnx.numpy_helper.from_array(np.zeros((16, n_outputs), np.float32), "w")
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, n])
        for name, n in (("x", 16), ("y", n_outputs))
    ]
    node = onnx.helper.make_node("MatMul", ["x", "w"], ["y"])
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([node], "net", ends[:1], ends[1:], [weights])), path)
    return str(path)


def test_a_network_counts_by_its_content_wherever_it_lies(tmp_path):
    """A store or cache that knew a network by its path alone would hand out figures of what the file held before."""
    (tmp_path / "other").mkdir()
    path, elsewhere = tmp_path / "net.onnx", tmp_path / "other" / "net.onnx"

    def found(file):
        point = DesignPoint("hermes_64", str(file))
        key = point_key(point, plain_values(point.chip()), plain_values(point.work()))
        sha256 = simulate("hermes_64", str(file), inferences=1, accuracy=False).document["inputs"]["sha256"]
        return key, sha256, evaluate(point, key=key)["ops"]

    _one_product(path, 32)
    _one_product(elsewhere, 32)
    before = found(path)
    assert found(elsewhere) == before
    _one_product(path, 48)
    after = found(path)
    assert (before[2], after[2]) == (2 * 16 * 32, 2 * 16 * 48)
    assert after[0] != before[0]
    assert after[1] != before[1]
