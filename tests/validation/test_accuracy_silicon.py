"""The 90 measured cells of ijcnn1, letter and magic. They were used for the fit: a guard against change, no proof."""

import pytest
from joblib import Memory

from hermes_sim.config.vocabulary import ReadMode
from hermes_sim.validation.accuracy import summarise, validate_accuracy
from hermes_sim.validation.cells import Plan
from hermes_sim.validation.reference import CHIP_MEASUREMENTS, FITTED_SETS

pytestmark = [pytest.mark.slow, pytest.mark.silicon]


def test_kernel_errors_of_the_shared_cells(spec, shared):
    plan = Plan(spec=spec, read_mode=ReadMode.ONE_PHASE, n_seeds=10, seed=0, models=("fp32", "full"), accuracy=False)
    rows = validate_accuracy(
        plan=plan,
        data_dir=shared / "data",
        measurements_path=CHIP_MEASUREMENTS,
        wanted={"dataset": FITTED_SETS},
        store=Memory(None),
        n_threads=2,
    )
    summary = summarise(rows)["approx_error"]
    assert summary["full"]["cells"] == 90
    # seen: 0.82 and 5.0 %; the goal of the project is 0.85 and 6 %
    assert summary["full"]["share_within_2_se"] >= 0.79
    assert summary["full"]["median_relative"] <= 0.06
    assert summary["full"]["share_within_2_se"] > summary["fp32"]["share_within_2_se"] + 0.2
