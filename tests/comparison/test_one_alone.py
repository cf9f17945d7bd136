"""Beside a batch of one stands one inference on an otherwise empty chip, in time and in energy, wherever shown."""

from __future__ import annotations

import math

import pytest

from hermes_sim.api import simulate
from hermes_sim.chip.load import load_arch
from hermes_sim.explain.quantities import explain
from hermes_sim.metrics.energy import energy_rows
from hermes_sim.report.contents import chip_words
from hermes_sim.uncertainty.propagate import uncertainty_of

HOST = {"value": 1.79, "unit": "W", "kind": "assumed", "source": "test", "range": [0.5, 100]}


@pytest.fixture(scope="module", params=["hermes_64 kernel_ridge_digits", "hermes_64_hetero performer_pathfinder_full"])
def pair(request):
    arch, workload = request.param.split()
    chip = load_arch(arch, {"digital_units.host.static_power": HOST})
    return [simulate(chip, workload, inferences=n, accuracy=False, baselines=("a100", "t4")) for n in (1, 20)]


def rows_of(result, batch, timing="response"):
    rows = [r for r in result.document["baselines"] if (r["batch"], r["timing"]) == (batch, timing)]
    return {(r["name"], r["precision"]): r for r in rows}


def test_the_energy_of_one_alone_is_that_of_a_run_of_one(pair):
    one, many = (result.document for result in pair)
    assert many["energy_alone_pj"] == one["energy_alone_pj"] == one["energy_pj"]["total"]
    assert many["energy_alone_pj"] > many["energy_pj"]["per_inference"]  # the whole latency's static power is its own


def test_it_counts_static_power_over_its_own_latency(pair):
    many = pair[1]
    rows = energy_rows(many.runs.all.lowered, many.runs.all.record)
    static_mw = sum(row.energy_pj for row in rows if row.is_static) / many.document["makespan_ns"]
    dynamic_pj = sum(row.energy_pj for row in rows if not row.is_static) / 20
    expected_pj = dynamic_pj + static_mw * many.document["latency_ns"]
    assert many.document["energy_alone_pj"] == pytest.approx(expected_pj, rel=1e-9)


def test_rows_and_factors_at_batch_1_are_those_of_a_run_of_one(pair):
    one, many = pair
    assert rows_of(many, 1) == rows_of(one, 1)
    assert rows_of(many, 20, "back_to_back").keys() == rows_of(many, 1).keys()
    found = {record["baseline"]: record for record in many.document["ratio_factors"]}
    for record in one.document["ratio_factors"]:
        if record["timing"] == "response":
            assert found[record["baseline"]] == record


def test_one_of_a_stream_stands_beside_the_steady_state(pair):
    many = pair[1]
    period_ns = 1e9 / many.document["throughput_inferences_per_s"]
    rows = energy_rows(many.runs.all.lowered, many.runs.all.record)
    static_mw = sum(row.energy_pj for row in rows if row.is_static) / many.document["makespan_ns"]
    dynamic_pj = sum(row.energy_pj for row in rows if not row.is_static) / 20
    stream, responses = rows_of(many, 1, "back_to_back"), rows_of(many, 1)
    assert stream.keys() == responses.keys()
    for key, row in stream.items():
        for case in ("optimistic", "realistic"):
            assert row[case]["latency_ns"] <= responses[key][case]["latency_ns"]
            ours_ns = row[case]["latency_ns"] / row["latency_ratio"][case]
            assert ours_ns == pytest.approx(period_ns, rel=1e-9)
            ours_pj = row[case]["energy_pj"] / row["energy_ratio"][case]
            assert ours_pj == pytest.approx(dynamic_pj + static_mw * period_ns, rel=1e-9)
    factors = [record for record in many.document["ratio_factors"] if record["timing"] == "back_to_back"]
    for record in factors:
        assert math.prod(record["factors"].values()) == pytest.approx(record["ratio"], rel=1e-9)
    name = "latency_ratio.a100.int8.batch1.back_to_back.realistic"
    assert explain(many, name).value == pytest.approx(stream["a100", "int8"]["latency_ratio"]["realistic"])
    told = explain(many, name.removeprefix("latency_"))
    assert told.value == pytest.approx(stream["a100", "int8"]["energy_ratio"]["realistic"])


def test_explanations_of_batch_1_are_those_of_a_run_of_one(pair):
    one, many = pair
    assert explain(many, "energy.alone").value == pytest.approx(many.document["energy_alone_pj"], rel=1e-12)
    name = "ratio.a100.int8.batch1.realistic"
    assert explain(many, name).record() == explain(one, name).record()


def test_intervals_of_batch_1_are_about_one_alone(pair):
    many = pair[1]
    found = uncertainty_of(many, samples=8)["quantities"]
    assert found["energy_alone_pj"]["value"] == pytest.approx(many.document["energy_alone_pj"], rel=1e-12)
    for (name, precision), row in rows_of(many, 1).items():
        record = found[f"{name} {precision}, batch 1.energy_ratio.realistic"]
        assert record["value"] == pytest.approx(row["energy_ratio"]["realistic"], rel=1e-12)
        assert record["low"] < record["value"] < record["high"]


def test_the_report_says_what_the_ratios_are_taken_against(pair):
    words = chip_words(pair[1])
    assert "for one inference on an otherwise empty chip" in words[0]
    assert "(back to back)" in words[1]
    assert "in the long run" in words[1]
    assert "batch 20" in words[2]
