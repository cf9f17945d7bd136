"""Offset and variance over seeds, by hand and of errors that are known to be fresh or frozen."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hermes_sim.validation.accuracy import AccuracyRow, CellComparison, summarise
from hermes_sim.validation.excess import Excess, excess_of, mean_excess
from hermes_sim.validation.measurements import MeasuredCell

CHIP, DIGITAL = np.array([3.0, 5.0, 7.0]), np.array([1.0, 2.0, 3.0])  # means 5 and 2, variances 4 and 1


def test_excess_by_hand():
    found = excess_of(CHIP, DIGITAL, paired=False)
    variance = 4 / 3 + 1 / 3
    assert found.offset2 == pytest.approx(9 - variance)
    assert found.offset2_se == pytest.approx(math.sqrt(4 * 9 * variance + 2 * variance**2))
    assert (found.seed_variance, found.seed_variance_se) == pytest.approx((3.0, math.sqrt(16 + 1)))
    assert found.share_over_seeds == pytest.approx(3 / (3 + 9 - variance))
    # differences are 2, 3, 4: only a third of a variance of 1 is left
    assert excess_of(CHIP, DIGITAL, paired=True).offset2 == pytest.approx(9 - 1 / 3)
    assert excess_of(CHIP[:1], DIGITAL, paired=False) is None


def test_mean_over_cells():
    mean = mean_excess([Excess(1.0, 3.0, 5.0, 6.0), Excess(3.0, 4.0, -7.0, 8.0)])
    assert mean == Excess(2.0, 2.5, -1.0, 5.0)
    assert mean.share_over_seeds == -1.0
    assert Excess(-1.0, 1.0, 0.5, 1.0).share_over_seeds is None


def test_errors_of_every_seed_are_seen_over_seeds_and_errors_of_every_read_are_not():
    rng = np.random.default_rng(0)
    digital = rng.normal(1.0, 0.1, 400)
    fresh = excess_of(digital + 0.3, digital, paired=True)
    frozen = excess_of(digital + rng.normal(0.0, 0.3, 400), digital, paired=True)
    assert fresh.share_over_seeds == pytest.approx(0.0, abs=1e-9)
    assert frozen.share_over_seeds > 0.9


def test_summary_by_metric_model_data_set_and_kernel():
    def row(dataset, **excess):
        comparison = {"full": CellComparison(1, 1, 1, 1, 1, 1)}
        return AccuracyRow(MeasuredCell(dataset, "rbf", "orf", 1.0), "accuracy", comparison, {}, None, excess)

    rows = [row("a", measured=Excess(1, 0, 1, 0)), row("a", measured=Excess(3, 0, 1, 0)), row("b")]
    found = summarise(rows)["accuracy"]["excess_over_fp32"]
    assert list(found) == ["measured"]
    assert list(found["measured"]) == ["a rbf"]
    assert found["measured"]["a rbf"]["offset2"] == 2.0
    assert found["measured"]["a rbf"]["share_over_seeds"] == pytest.approx(1 / 3)
