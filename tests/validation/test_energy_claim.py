"""The published claim of less energy and power: boundaries that add up, one-sided rows, words that say what holds."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from hermes_sim.api import simulate
from hermes_sim.baselines.evaluate import evaluate_baseline
from hermes_sim.chip.load import load_arch
from hermes_sim.validation import energy_claim as claims
from hermes_sim.validation.energy_claim import Claim, energy_claim, look
from hermes_sim.validation.reproduce_base import Sources
from hermes_sim.validation.rows import RowKind, ValidationRow
from hermes_sim.validation.tables import rows_table

BOUNDARIES = ("crossbars", "whole chip", "chip + link", "chip + link + host")


@pytest.fixture(scope="module")
def claim():
    return look(load_arch("hermes_64"), "attention", "performer_pathfinder_attention", seed=0, samples=3)


def test_the_widest_boundary_is_that_of_every_other_comparison(claim):
    result = simulate(
        "hermes_64", "performer_pathfinder_attention", mapping="balanced", accuracy=False, baselines=("a100", "t4")
    )
    document = result.document
    for name in ("a100", "t4"):
        row = next(
            row for row in document["baselines"]
            if (row["name"], row["precision"], row["batch"]) == (name, "int8", claim.inferences)
        )  # fmt: skip
        for case in ("optimistic", "realistic"):
            assert claim.ratios[name, case, BOUNDARIES[-1]] == pytest.approx(row["energy_ratio"][case], rel=1e-9)
            power = row["energy_ratio"][case] / row["latency_ratio"][case]
            assert claim.ratios[name, case, "power"] == pytest.approx(power, rel=1e-9)


def test_narrower_boundaries_by_hand(claim):
    result = simulate(
        "hermes_64", "performer_pathfinder_attention", mapping="balanced", accuracy=False, baselines=("a100",)
    )
    (a100,), n = result.devices, claim.inferences
    estimate = evaluate_baseline(a100, result.graph, precision="int8", batch=n).realistic
    energy = result.document["energy_pj"]
    crossbars_pj = sum(pj for name, pj in energy["by_component"].items() if name.startswith("crossbar")) / n
    products = {op.name for op in result.graph.operators if op.on_crossbar}
    theirs_pj = sum(row.energy_pj for row in estimate.operators if row.operator in products)
    assert 0 < len(products) < len(estimate.operators)
    assert claim.ratios["a100", "realistic", "crossbars"] == pytest.approx(theirs_pj / crossbars_pj, rel=1e-9)
    # additions run on the GDPUs, the rest on the host: only what the chip does counts on the accelerator's side
    here = products | {name for name, place in result.mapping.units.items() if place.kind == "gdpu"}
    theirs_pj = sum(row.energy_pj for row in estimate.operators if row.operator in here)
    assert products < here
    on_chip_pj = energy["by_place"]["on_chip"] / n
    assert claim.ratios["a100", "realistic", "whole chip"] == pytest.approx(theirs_pj / on_chip_pj, rel=1e-9)
    idle_pj = estimate.energy_by_part_pj["device"] - sum(row.energy_pj for row in estimate.operators)
    linked_pj = theirs_pj + idle_pj + estimate.energy_by_part_pj["link"]
    ours_pj = on_chip_pj + energy["by_place"]["off_chip"] / n
    assert claim.ratios["a100", "realistic", "chip + link"] == pytest.approx(linked_pj / ours_pj, rel=1e-9)


def test_intervals_hold_draws_of_both_sides(claim):
    for key, (low, high) in claim.drawn.items():
        assert low <= high, key
    assert claim.drawn["a100", "realistic", "chip + link"][0] < claim.drawn["a100", "realistic", "chip + link"][1]


@pytest.mark.parametrize(("ours", "passes"), [(0.99, False), (1.0, True), (50.0, True)])
def test_a_row_of_at_least_misses_on_one_side_only(ours, passes):
    row = ValidationRow("a", 1.0, ours, 0.0, RowKind.PREDICTED, at_least=True, interval=(0.5, 60.0))
    assert row.passed is passes
    table = rows_table("a", [row.record()]).markdown()
    assert "| at least | predicted |" in table
    assert "0.5 to 60" in table


def test_the_figure_has_rows_plot_and_words(claim, monkeypatch):
    monkeypatch.setattr(claims, "_WORKS", {"attention": "any"})
    monkeypatch.setattr(claims, "look", lambda *_, **__: claim)
    outcome = energy_claim(Sources())
    assert len(outcome.rows) == 2 * 4 + 1 + 5  # the A100 within every boundary, its power, five more within the widest
    assert {row.kind for row in outcome.rows} == {RowKind.PREDICTED}
    assert all(row.interval for row in outcome.rows)
    assert ET.fromstring(outcome.svg).tag.endswith("svg")  # noqa: S314 - our own text
    (sentence,) = outcome.words
    assert sentence.startswith("Attention, against an A100 at INT8, realistic")


def test_words_follow_from_ratios_and_intervals():
    found = {"crossbars": (6.0, 5.0, 7.0), "whole chip": (2.0, 0.9, 3.0), "chip + link": (0.5, 0.4, 0.6),
             "chip + link + host": (1.5, 1.2, 2.0), "power": (90.0, 40.0, 99.0)}  # fmt: skip
    keys = {("a100", "realistic", name): values for name, values in found.items()}
    claim = Claim("full Performer", 4, {key: v[0] for key, v in keys.items()}, {key: v[1:] for key, v in keys.items()})
    assert claims._words(claim) == (
        "Full Performer, against an A100 at INT8, realistic, 4 in flight: it holds within crossbars (6x, 5x to 7x), "
        "within chip + link + host (1.5x, 1.2x to 2x), for power (90x, 40x to 99x); "
        "it does not hold within chip + link (0.5x, 0.4x to 0.6x); "
        "it depends on assumed values within whole chip (2x, 0.9x to 3x)."
    )
