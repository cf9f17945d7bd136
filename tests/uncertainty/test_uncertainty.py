"""Ranges become intervals: reproducible, in the right place, and named by what moves them."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from hermes_sim import flow
from hermes_sim.api import simulate
from hermes_sim.baselines.load import baseline_names, load_baseline
from hermes_sim.chip.load import load_arch
from hermes_sim.config.parameters import quantities
from hermes_sim.config.quantity import Kind
from hermes_sim.errors import ArchConfigError, WorkloadError
from hermes_sim.metrics.cache import RunCache
from hermes_sim.uncertainty.assumptions import Assumption, baseline_assumptions, chip_assumptions
from hermes_sim.uncertainty.propagate import headline_uncertainty, latin_hypercube, uncertainty_of
from hermes_sim.uncertainty.substitute import with_values


@pytest.fixture(scope="module")
def result():
    return simulate("hermes_64", "kernel_ridge_digits", inferences=50, accuracy=False)


@pytest.fixture(scope="module")
def found(result):
    return uncertainty_of(result, samples=40, seed=3)


def test_values_are_those_of_the_document_and_lie_in_the_interval_of_their_assumptions(result, found):
    quantities, document = found["quantities"], result.document
    for name in ("latency_ns", "makespan_ns", "throughput_inferences_per_s", "power_w", "tops", "tops_per_w"):
        assert quantities[name]["value"] == pytest.approx(document[name], rel=1e-12)
    assert quantities["energy_pj.per_inference"]["value"] == pytest.approx(document["energy_pj"]["per_inference"])
    for row in document["baselines"]:
        for ratio in ("energy_ratio", "latency_ratio"):
            for case in ("optimistic", "realistic"):
                stream = " back to back" if (row["batch"], row["timing"]) == (1, "back_to_back") else ""
                head = f"{row['name']} {row['precision']}, batch {row['batch']:,}{stream}"
                record = quantities[f"{head}.{ratio}.{case}"]
                assert record["value"] == pytest.approx(row[ratio][case])
    for record in quantities.values():
        assert record["low"] <= record["median"] <= record["high"]
        assert record["low"] < record["high"]
    json.dumps(found, allow_nan=False)


def test_a_seed_gives_the_same_intervals_and_another_seed_others(result, found):
    assert uncertainty_of(result, samples=40, seed=3) == found
    assert uncertainty_of(result, samples=40, seed=4)["quantities"] != found["quantities"]


def test_the_tornado_is_what_a_run_with_that_value_gives(result, found):
    rows = [row for row in found["tornado"] if row["quantity"] == "latency_ns"]
    assert [row["swing"] for row in rows] == sorted((row["swing"] for row in rows), reverse=True)
    row = next(row for row in rows if row["path"] == "off_chip.latency")
    for end, given in (("low", "100 ns"), ("high", "2000 ns")):
        chip = load_arch("hermes_64", {"off_chip.latency": given})
        other = simulate(chip, "kernel_ridge_digits", inferences=50, accuracy=False, baselines=())
        assert row[end] == pytest.approx(other.document["latency_ns"], rel=1e-12)


def test_a_value_that_enters_in_proportion_has_elasticity_one(result):
    device = load_baseline("systolic_same_area")
    outcome = uncertainty_of(replace(result, metrics=result.metrics.with_entries(baselines=[]), devices=()), samples=2)
    assert not any(device.name in name for name in outcome["quantities"])
    chip = load_arch("hermes_64", {"off_chip.static_power": {"value": 1e8, "unit": "mW", "kind": "assumed",
                                                             "source": "test", "range": [1e7, 1e9]}})  # fmt: skip
    run = simulate(chip, "kernel_ridge_digits", inferences=50, accuracy=False, baselines=())
    rows = [r for r in uncertainty_of(run, samples=2)["tornado"] if r["quantity"] == "energy_pj.per_inference"]
    assert rows[0]["path"] == "off_chip.static_power"
    assert rows[0]["elasticity"] == pytest.approx(1.0, abs=0.01)


def test_only_what_the_result_depends_on_is_drawn(result):
    labels = {one.label for one in chip_assumptions(result.chip, result.runs.all.lowered)}
    assert "core.ldpu.group_time" in labels
    assert not any("gdpu.functions" in label or "programming" in label or "gdpu.memory" in label for label in labels)
    assert "digital_units.host.static_power" in labels
    assert not any(label.endswith(".count") for label in labels)


def test_every_guess_about_time_and_energy_has_a_range():
    for section in (*map(load_arch, ("hermes_64", "hermes_64_hetero")), *map(load_baseline, baseline_names())):
        for quantity in quantities(section):
            if quantity.kind in {Kind.ASSUMED, Kind.FITTED} and not quantity.path.startswith("core.analog."):
                assert quantity.low is not None, f"{section.name}: {quantity.path}"
                assert quantity.low <= quantity.value <= quantity.high


def test_one_statement_about_several_functions_is_one_assumption(result):
    one = next(a for a in chip_assumptions(result.chip, result.runs.all.lowered) if a.label.endswith("lanes}") or
               ("host.functions" in a.label and a.label.endswith(".lanes")))  # fmt: skip
    assert len(one.paths) > 1
    assert "{" in one.label


@pytest.mark.parametrize(
    ("path", "shares"),
    [("core.ldpu.group_time", (0, 0.25, 0.5, 0.75, 1)), ("network.clock", (0, 0.3, 0.5, 0.9, 1))],
)
def test_the_value_of_the_file_is_the_median_of_the_draws(hermes, path, shares):
    quantity = hermes.core.ldpu.group_time if "ldpu" in path else hermes.network.clock
    one = Assumption("", (path,), quantity)
    values = [one.at(share) for share in shares]
    assert values == sorted(values)
    assert values[0] == pytest.approx(one.low)
    assert values[-1] == pytest.approx(one.high)
    assert one.at(0.5) == quantity.value
    if "clock" not in path:
        assert all(value == round(value) for value in values)  # picoseconds that can stand in a chip file


def test_a_wide_side_is_drawn_on_a_logarithmic_scale(hermes):
    one = Assumption("", ("x",), replace(hermes.off_chip.energy, value=10.0, low=1e-3, high=20.0))
    assert one.at(0.25) == pytest.approx(0.1)  # half way in the logarithm from 1e-3 to 10
    assert one.at(0.75) == pytest.approx(15.0)


def test_a_latin_hypercube_has_one_draw_in_every_part():
    shares = latin_hypercube(16, 5, seed=1)
    for column in shares.T:
        assert sorted(np.floor(column * 16)) == list(range(16))
    assert latin_hypercube(4, 0, seed=1).shape == (4, 0)


def test_programs_that_differ_in_energy_only_are_simulated_once(result, monkeypatch):
    monkeypatch.setattr(flow, "RUNS", RunCache())
    dearer = with_values(result.chip, {"off_chip.energy": 400.0})
    one, other = result.mapped.figures(50), result.mapped.on(dearer).figures(50)
    assert other.record is one.record
    assert len(flow.RUNS) == 3  # all, one alone, the long run
    assert other.energy_pj > one.energy_pj


def test_values_are_set_where_their_path_says(hermes):
    chip = with_values(hermes, {"core.ldpu.lanes": 16.0, "digital_units.host.functions.mac.lanes": 8.0})
    assert chip.core.ldpu.lanes.n == 16
    assert chip.digital_units["host"].functions["mac"].lanes.n == 8
    assert chip.digital_units["host"].functions["add"].lanes.n == 32
    assert with_values(hermes, {}) is hermes


def test_contradictory_ranges_are_an_error(hermes):
    with pytest.raises(ArchConfigError, match="contradict each other"):
        with_values(hermes, {"core.area_split.array": 0.9, "core.area_split.converters": 0.9})


def test_buffers_of_one_place_do_not_end_the_analysis():
    run = simulate("hermes_64", "lstm_ptb", inferences=1, accuracy=False, baselines=())
    outcome = uncertainty_of(run, samples=3)
    assert outcome["samples"] + outcome["failed"] == 3


@pytest.mark.parametrize("samples", [0, 1, 10**6])
def test_too_few_samples_are_refused(result, samples):
    with pytest.raises(WorkloadError, match="samples"):
        uncertainty_of(result, samples=samples)


def test_arrival_times_are_refused():
    arrivals = np.arange(10, dtype=np.int64) * 10_000_000
    run = simulate("hermes_64", "kernel_ridge_digits", inferences=10, accuracy=False, arrivals_ps=arrivals)
    with pytest.raises(WorkloadError, match="arrival times"):
        uncertainty_of(run, samples=2)


def test_what_moves_a_quantity_is_told_by_kind_from_the_swings_of_its_values(found):
    assert set(found["by_kind"]) == {row["quantity"] for row in found["tornado"]}
    for name, shares in found["by_kind"].items():
        squares = dict.fromkeys(shares, 0.0)
        for row in found["tornado"]:
            if row["quantity"] == name:
                squares[row["kind"]] += (row["high"] - row["low"]) ** 2
        whole = sum(squares.values())
        assert shares == pytest.approx({kind: square / whole for kind, square in squares.items()}, rel=1e-12)
    assert not {"measured", "rtl"} & set(found["by_kind"]["latency_ns"])  # they have no range


def test_a_host_that_is_nearly_the_bottleneck_is_seen_to_move_the_latency():
    """The critical path is all crossbar reads, whose time is published; twice as slow a host would still be felt."""
    one = simulate(
        "hermes_64", "performer_imdb_attention_layer", mapping="spread", inferences=1, accuracy=False, baselines=()
    )
    rows = [row for row in uncertainty_of(one, samples=2, seed=0)["tornado"] if row["quantity"] == "latency_ns"]
    swings = {row["path"]: row["swing"] ** 2 for row in rows}
    host = sum(swing for path, swing in swings.items() if path.startswith("digital_units.host."))
    assert host > 0.9 * sum(swings.values())


def test_the_middle_half_of_the_draws_lies_between_its_quartiles(found):
    for record in found["quantities"].values():
        assert record["low"] <= record["p25"] <= record["median"] <= record["p75"] <= record["high"]


def test_a_small_program_has_medians_of_its_own_figures_without_being_asked(result):
    document = simulate("hermes_64", "kernel_ridge_digits", inferences=50, accuracy=False, uncertainty=None).document
    headline = document["uncertainty"]
    assert headline_uncertainty(result) == {"uncertainty": headline}
    assert headline["samples"] == 32
    assert headline["tornado"] == [] == list(headline["by_kind"])
    assert set(headline["quantities"]) == {
        "latency_ns", "makespan_ns", "throughput_inferences_per_s", "energy_alone_pj", "energy_pj.per_inference",
        "energy_pj.on_chip_per_inference", "power_w", "tops", "tops_per_w",
    }  # fmt: skip
    value = headline["quantities"]["energy_pj.on_chip_per_inference"]["value"]
    assert value == pytest.approx(document["energy_pj"]["on_chip_per_inference"], rel=1e-12)
    chosen = uncertainty_of(result, samples=32, baselines=False, tornado=False)
    assert headline["quantities"] == chosen["quantities"]


@pytest.mark.parametrize(("mapping", "inferences"), [("spread", 3000), ("packed", 4000)])
def test_a_large_program_is_not_drawn_for_without_being_asked(mapping, inferences):
    large = simulate("hermes_64", "kernel_ridge_digits", mapping=mapping, inferences=inferences, accuracy=False)
    (why,) = headline_uncertainty(large).values()
    most = "up to 50 actors and 100,000 firings"
    assert re.fullmatch(rf"intervals come unasked for {most}, and this program has \d+ and \d{{3}},\d{{3}}", why)


def test_a_program_of_many_stages_is_not_drawn_for_without_being_asked():
    wide = simulate("hermes_64", "peak_mvm", accuracy=False, baselines=(), uncertainty=None)
    assert "uncertainty" not in wide.document


def test_what_both_sides_share_is_drawn_once_for_both():
    """The host of an accelerator is the chip's: its idle power moves both energies, and is no assumption of its own."""
    chip = load_arch("hermes_64", {"digital_units.host.static_power": {
        "value": 1e4, "unit": "W", "kind": "assumed", "source": "test", "range": [1e3, 1e5]}})  # fmt: skip
    devices = ("a100", "systolic_same_area")
    run = simulate(chip, "kernel_ridge_digits", inferences=50, accuracy=False, baselines=devices)
    owned = [(one.owner, path) for d in run.devices for one in baseline_assumptions(d) for path in one.paths]
    assert ("a100", "link.latency") in owned  # PCIe is its own
    assert not any(path.startswith("host.") for _, path in owned)
    assert not any(path.startswith("link.") for owner, path in owned if owner == "systolic_same_area")
    found = uncertainty_of(run, samples=8, tornado=False)["quantities"]
    energy, time = (found[f"a100 int8, batch 1.{ratio}_ratio.realistic"] for ratio in ("energy", "latency"))
    # a host that draws next to all of the power: energies are in the ratio of the times, whatever it draws
    assert energy["value"] == pytest.approx(time["value"], rel=0.05)
    assert energy["high"] / energy["low"] == pytest.approx(time["high"] / time["low"], rel=0.2)
