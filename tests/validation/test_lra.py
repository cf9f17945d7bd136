"""`reproduce lra`: trained Performers on the chip beside FP32, on a few rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hermes_sim.crossbar.spec import Effects
from hermes_sim.errors import DataError
from hermes_sim.numerics.redraw import with_drawn_projections
from hermes_sim.numerics.weights import read_weights
from hermes_sim.validation import lra, lra_study, lra_told
from hermes_sim.validation.lra import ATTENTION, FULL, Scored
from hermes_sim.validation.lra_study import Condition, Lost
from hermes_sim.validation.reference import CHIP_MEASUREMENTS
from hermes_sim.validation.reproduce import reproduce, write_reproduction
from hermes_sim.validation.reproduce_base import Sources


@pytest.fixture
def sources(monkeypatch, tmp_path):
    """Little of everything: ListOps, which needs no file, and IMDb without its file."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(lra, "_FEW_DRAWS", 1)
    tasks = {name: lra.TASKS[name]._replace(rows=24) for name in ("listops", "imdb")}
    for module in (lra, lra_told):
        monkeypatch.setattr(module, "TASKS", tasks)
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
    assert attention["test rows"] == "24"
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


def test_how_the_shipped_weights_were_trained(sources):
    outcome = reproduce(["lra_training"], sources)["lra_training"]
    assert [(line["task"], line["stage"]) for line in outcome.lines] == [
        (task, stage) for task in ("listops", "imdb") for stage in ("FP32", "hardware-aware")
    ]
    fp32 = outcome.lines[2]  # of IMDb, as its record has it
    assert (fp32["test (%)"], fp32["machine"]) == ("61.3", "1 CPU thread(s), x86_64")
    assert outcome.svg.count("validation accuracy") == 2


@pytest.fixture
def few(sources, monkeypatch):
    """ListOps alone, on the smallest chip study that says something."""
    monkeypatch.setattr(lra_study, "_DRAWS", 1)
    monkeypatch.setattr(lra_study, "_ROWS", 24)
    return sources


def made_up(monkeypatch, of):
    """Let a case lose what a function says; returns the cases that were asked for."""
    asked = []

    def lost(task, case, sources):
        if task == "imdb":
            raise DataError("data", got="no file", allowed="one")
        asked.append(case)
        points = of(case)
        return Lost(0.3 - points / 100, 0.3, points, 0.1, 2 * points, 0.2)

    monkeypatch.setattr(lra_study, "lost", lost)
    return asked


def test_one_imperfection_after_the_other(sources, monkeypatch):
    asked = made_up(
        monkeypatch, lambda case: float("programming" in case.effects.names) + 2 * ("adc_noise" in case.effects.names)
    )
    outcome = reproduce(["lra_effects"], sources)["lra_effects"]
    every, *alone = (case.effects.names for case in asked)
    assert every == Effects().names
    assert sorted(name for names in alone for name in names) == sorted(Effects().names), (
        "every imperfection is in one group"
    )
    told = {line["effect"]: line["listops"] for line in outcome.lines}
    assert told["all together"] == "6.0 +- 0.2 %, 3.0 +- 0.1 points"
    assert told["programming"] == "2.0 +- 0.2 %, 1.0 +- 0.1 points"
    words, missing = outcome.words
    assert "alone by noise of the converters 4.0 +- 0.2 %, programming 2.0" in words
    assert "nothing by weights cut and rounded" in words
    assert missing.startswith("imdb left out")
    assert outcome.svg.count("noise of the converters: 4.0") == 2  # a panel of answers, one of points


def test_drift_with_and_without_compensation(sources, monkeypatch):
    asked = made_up(monkeypatch, lambda case: case.time_s / 31_536_000 * (1 if case.compensated else 10))
    outcome = reproduce(["lra_drift"], sources)["lra_drift"]
    assert {(case.time_s, case.compensated) for case in asked} == {
        (time_s, on) for time_s in (3600, 86_400, 31_536_000) for on in (True, False)
    }
    assert outcome.lines[-1] == {
        "task": "listops",
        "after programming": "1 y",
        "compensated": "1.0 +- 0.1 points",
        "not compensated": "10.0 +- 0.1 points",
    }
    assert "1 y after programming 1.0 +- 0.1 points lost with compensation, 10.0" in outcome.words[0]


def test_fewer_and_more_random_features(sources, monkeypatch):
    asked = made_up(monkeypatch, lambda case: 64 / case.features)
    outcome = reproduce(["lra_features"], sources)["lra_features"]
    assert [case.features for case in asked] == [32, 64, 128, 256, 512]
    assert outcome.lines[0]["lost"] == "2.0 +- 0.1 points"
    assert "with 32 features FP32 has 30.0 %" in outcome.words[0]


def test_as_many_random_features_are_drawn_as_the_workload_says():
    work = lra.encoder("listops")
    weights = read_weights(Path(work.weights))
    rows = work.model_copy(update={"projection_rows": 16})
    drawn = with_drawn_projections(rows, weights, np.random.default_rng(0))
    changed = {name for name in weights if not np.array_equal(drawn[name], weights[name])}
    assert changed == {"layers.0.W.weight"}
    assert drawn["layers.0.W.weight"].shape == (work.d_model // work.heads, 16)


def test_what_a_case_loses(few):
    nothing = lra_study.lost("listops", Condition(Effects.none()), few)
    assert nothing.changed_pp == nothing.drop_pp == 0
    assert nothing.chip == nothing.fp32

    noisy = lra_study.lost("listops", Condition(Effects.of("adc_noise")), few)
    assert noisy.fp32 == nothing.fp32
    assert noisy.changed_pp > 0

    fewer = lra_study.lost("listops", Condition(Effects.none(), features=16), few)
    assert fewer.changed_pp == 0  # FP32 has the same random features

    old = [lra_study.lost("listops", Condition(time_s=31_536_000.0, compensated=on), few) for on in (True, False)]
    assert old[0].changed_pp < old[1].changed_pp


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
