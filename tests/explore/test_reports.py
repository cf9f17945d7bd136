"""Studies that lie in reports/: some of their points once more, so that no table outlives the model behind it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from hermes_sim.explore.load import load_space
from hermes_sim.explore.point import evaluate

REPORTS = Path(__file__).parents[2] / "reports"
STUDIES = sorted(path.parent for path in REPORTS.glob("*/points.csv"))
FIGURES = ("latency_ns", "throughput_inferences_per_s", "energy_pj_per_inference", "area_mm2", "cores_used")
ACCURACY = "accuracy_simulated"
AGAIN = (
    "made with other code: hermes-sim sweep reports/NAME --store DIR --out reports/NAME, then read its conclusion again"
)


def telling(rows):
    """Row of each workload that is simulated soonest, and the one whose accuracy is most easily moved."""
    found = [group.loc[group.firings.astype(float).idxmin()] for _, group in rows.groupby("workload")]
    if ACCURACY in rows:
        values = rows[ACCURACY].astype(float)
        found.append(rows.loc[(values - (values.min() + values.max()) / 2).abs().idxmin()])
    return found


def point_of(space, row):
    """Design point of a row."""
    levels = {name: {str(level): level for level in space.axis(name)} for name in space.study.parameters}
    return space.task({name: known[str(row[name])] for name, known in levels.items()}).point


@pytest.mark.parametrize("folder", STUDIES, ids=lambda folder: folder.name)
def test_tables_of_reports_are_of_this_code(folder):
    space = load_space(folder)
    for row in telling(pd.read_csv(folder / "points.csv", dtype=object)):
        found = evaluate(point_of(space, row), key="")
        assert found["status"] == "done", found["error"]
        told = {name: float(row[name]) for name in FIGURES}
        assert {name: found[name] for name in FIGURES} == pytest.approx(told, rel=5e-4), (
            AGAIN
        )  # tables print four digits
        if ACCURACY in row:
            assert found[ACCURACY] == pytest.approx(float(row[ACCURACY]), abs=0.02), AGAIN


def test_every_study_of_reports_is_looked_at():
    assert len(STUDIES) >= 6
