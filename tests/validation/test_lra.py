"""`reproduce lra`: trained Performers on the chip beside FP32, on a few rows."""

from __future__ import annotations

import pytest

from hermes_sim.crossbar.spec import Effects
from hermes_sim.validation import lra, lra_told
from hermes_sim.validation.lra import ATTENTION, FULL, Scored
from hermes_sim.validation.reference import CHIP_MEASUREMENTS
from hermes_sim.validation.reproduce import reproduce, write_reproduction
from hermes_sim.validation.reproduce_base import Sources


@pytest.fixture
def sources(monkeypatch, tmp_path):
    """Little of everything: ListOps, which needs no file, and IMDb without its file."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(lra, "ROWS", 24)
    monkeypatch.setattr(lra, "_FEW_DRAWS", 1)
    for module in (lra, lra_told):
        monkeypatch.setattr(module, "TASKS", {name: lra.TASKS[name] for name in ("listops", "imdb")})
    return Sources("hermes_64", tmp_path, CHIP_MEASUREMENTS, 1, 0, 1)


def test_a_task_with_time_energy_and_accuracy_of_one_graph(sources, monkeypatch, tmp_path):
    outcomes = reproduce(["lra"], sources)
    outcome = outcomes["lra"]
    assert [row.name for row in outcome.rows] == [
        f"accuracy on the chip, listops, {split}" for split in (FULL, ATTENTION)
    ]
    assert {row.kind for row in outcome.rows} == {"predicted"}
    told, missing = outcome.words
    assert "with other random features" in told
    assert "before hardware-aware training" in told
    assert missing.startswith("imdb left out")
    attention, full = outcome.lines
    assert (attention["on crossbars"], full["on crossbars"]) == (ATTENTION, FULL)
    for row, line in zip(outcome.rows, (full, attention), strict=True):
        assert float(line["chip (%)"]) == pytest.approx(100 * row.simulated, abs=0.006)
        assert float(line["FP32 (%)"]) == pytest.approx(100 * row.expected, abs=0.006)
    assert float(attention["uJ"]) > 0 < float(full["uJ"])

    # what is done is done: nothing is computed again
    monkeypatch.setattr(lra_told, "TASKS", {"listops": lra.TASKS["listops"]})
    monkeypatch.setattr(lra, "workload_accuracy", lambda *_, **__: pytest.fail("computed again"))
    assert reproduce(["lra"], sources)["lra"].lines == outcome.lines

    write_reproduction(outcomes, tmp_path / "out", sources)
    page = (tmp_path / "out" / "README.md").read_text()
    assert "| listops | attention only |" in page
    assert (tmp_path / "out" / "lra.svg").read_text().startswith("<svg")


def test_one_imperfection_after_the_other(sources, monkeypatch):
    asked = []

    def scored(chip, work, sources, *, effects, **_):
        asked.append(effects.names)
        lost = float("programming" in effects.names) + 2 * float("adc_noise" in effects.names)
        return Scored(0.3 - lost / 100, 0.3, lost, 0.1 if lost else 0.0)

    monkeypatch.setattr(lra_told, "scored", scored)
    outcome = reproduce(["lra_effects"], sources)["lra_effects"]
    assert {names for names in asked if len(names) == 1} == {(name,) for name in Effects().names}
    assert outcome.rows == ()
    # what changes nothing has no line
    assert {line["effect"]: line["listops"] for line in outcome.lines} == {
        "all together": "3.00 +- 0.10 points lost",
        "programming": "1.00 +- 0.10 points lost",
        "adc_noise": "2.00 +- 0.10 points lost",
    }
    assert outcome.words[0].startswith("listops: all together 3.00 +- 0.10 points lost; alone adc_noise 2.00")


@pytest.mark.parametrize(
    ("drop_pp", "error_pp", "verdict"),
    [
        (0.2, 0.3, "holds"),
        (0.9, 0.3, "is open"),
        (1.4, 0.3, "is open"),
        (1.7, 0.3, "does not hold"),
        (-1, 0.5, "holds"),
    ],
)
def test_the_claim_holds_by_two_standard_errors(drop_pp, error_pp, verdict):
    assert lra_told._verdict(Scored(0.5, 0.5, drop_pp, error_pp)) == verdict
