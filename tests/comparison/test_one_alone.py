"""Beside a batch of one stands one inference on an otherwise empty chip, in time and in energy, wherever shown."""

from __future__ import annotations

import pytest

from hermes_sim.api import simulate
from hermes_sim.explain.quantities import explain
from hermes_sim.metrics.energy import energy_rows
from hermes_sim.report.contents import chip_words
from hermes_sim.uncertainty.propagate import uncertainty_of


@pytest.fixture(scope="module", params=["hermes_64 kernel_ridge_digits", "hermes_64_hetero performer_pathfinder_full"])
def pair(request):
    arch, workload = request.param.split()
    return [simulate(arch, workload, inferences=n, accuracy=False, baselines=("a100", "t4")) for n in (1, 20)]


def rows_of(result, batch):
    return {(r["name"], r["precision"]): r for r in result.document["baselines"] if r["batch"] == batch}


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
    assert rows_of(many, 20).keys() == rows_of(many, 1).keys()
    found = {record["baseline"]: record for record in many.document["ratio_factors"]}
    for record in one.document["ratio_factors"]:
        assert found[record["baseline"]] == record


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
    assert "batch 20" in words[1]
