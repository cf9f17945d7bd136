"""The joint score against densities worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hermes_sim.validation.accuracy import AccuracyRow, CellComparison, likelihoods
from hermes_sim.validation.measurements import MeasuredCell
from hermes_sim.validation.score import CellScore, cell_score, log_density, seed_failed, total

SIMULATED = np.array([1.0, 2.0, 3.0])  # mean 2, deviation 1
MEASURED = np.array([2.0, 4.0, 6.0, 8.0, 10.0])  # mean 6, deviation sqrt(10)


def test_density_of_a_normal_value():
    assert log_density(0.0, 1.0) == pytest.approx(-0.9189385332)
    assert log_density(3.0, 2.0) == pytest.approx(-1.125 - math.log(2) - 0.9189385332)
    assert log_density(1.0, 0.0) is None


def test_level_and_spread_by_hand():
    score = cell_score(SIMULATED, MEASURED)
    level_variance = 1 / 3 + 10 / 5
    assert score.level == pytest.approx(-(4**2) / (2 * level_variance) - math.log(2 * math.pi * level_variance) / 2)
    # log of 1 / sqrt(10), with variances 1 / (2 * 2) and 1 / (2 * 4)
    assert score.spread == pytest.approx(-(math.log(10) ** 2 / 4) / (2 * 0.375) - math.log(2 * math.pi * 0.375) / 2)
    assert score.level == pytest.approx(-4.771159)
    assert score.spread == pytest.approx(-2.195824)


def test_what_varied_on_one_side_only_widens_the_level_and_hides_the_spread():
    score = cell_score(SIMULATED, MEASURED, 3.0)
    variance = 1 / 3 + 2 + 9
    assert score == CellScore(pytest.approx(-8 / variance - math.log(2 * math.pi * variance) / 2))


def test_no_spread_of_one_seed_or_of_equal_values():
    assert cell_score(SIMULATED[:1], MEASURED).spread is None
    assert cell_score(SIMULATED[:1], MEASURED).level == pytest.approx(log_density(5.0, math.sqrt(2)))
    assert cell_score(np.ones(3), np.ones(4)) == CellScore()


def test_medians_where_a_published_seed_failed():
    fine = np.array([0.90, 0.91, 0.92, 0.93, 0.94])
    failed = np.array([0.90, 0.91, 0.92, 0.93, 0.60])
    assert not seed_failed(fine)
    assert seed_failed(failed)
    simulated = np.array([0.90, 0.92, 0.91])
    score = cell_score(simulated, failed)
    assert score.spread is None
    # medians of both are 0.91; half of the measured values lie within 0.01 of it
    sd = math.sqrt(math.pi / 2) * math.hypot(0.01 / math.sqrt(3), 1.4826 * 0.01 / math.sqrt(5))
    assert score.level == pytest.approx(log_density(0.0, sd))
    assert cell_score(simulated, fine).spread is not None
    assert not seed_failed(np.array([0.5, 0.9, 0.9, 0.9]))  # constants: no scale to measure a failure by


def test_sums_leave_out_what_has_no_score():
    scores = [CellScore(-1.0, 2.0), CellScore(-3.0), CellScore()]
    assert total(scores) == {"level": -4.0, "spread": 2.0, "total": -2.0}


def test_likelihoods_by_measure_and_together():
    def row(metric, level, spread):
        comparison = CellComparison(1, 1, 1, 1, 1, 1, score=CellScore(level, spread))
        return AccuracyRow(MeasuredCell("letter", "rbf", "orf", 1.0), metric, {"full": comparison}, {}, None)

    found = likelihoods([row("accuracy", -1.0, -2.0), row("approx_error", -4.0, None), row("approx_error", -8.0, 3.0)])
    assert found == {
        "full": {
            "accuracy": {"level": -1.0, "spread": -2.0, "total": -3.0},
            "approx_error": {"level": -12.0, "spread": 3.0, "total": -9.0},
            "total": -12.0,
        }
    }
