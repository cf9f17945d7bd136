"""The 150 measured cells of the five sets that the fit used: a guard against change, no proof."""

import pytest
from joblib import Memory

from hermes_sim.validation.accuracy import summarise, validate_accuracy
from hermes_sim.validation.plans import published_plan, runs_apart
from hermes_sim.validation.reference import CHIP_MEASUREMENTS, FITTED_SETS

pytestmark = [pytest.mark.slow, pytest.mark.silicon]


def test_kernel_errors_of_the_shared_cells(shared):
    data = shared / "data"
    plan = published_plan(
        "hermes_64", apart=runs_apart(data, CHIP_MEASUREMENTS, FITTED_SETS),
        n_seeds=10, seed=0, models=("fp32", "full"), accuracy=False,
    )  # fmt: skip
    rows = validate_accuracy(
        plan=plan,
        data_dir=data,
        measurements_path=CHIP_MEASUREMENTS,
        wanted={"dataset": FITTED_SETS},
        store=Memory(None),
        n_threads=2,
    )
    summary = summarise(rows)["approx_error"]
    assert summary["full"]["cells"] == 150
    # seen: 0.73 and 6.7 % (docs/accuracy.md); the goal of the project is 0.85 and 6 %
    assert summary["full"]["share_within_2_se"] >= 0.70
    assert summary["full"]["median_relative"] <= 0.075
    assert summary["full"]["share_within_2_se"] > summary["fp32"]["share_within_2_se"] + 0.2
