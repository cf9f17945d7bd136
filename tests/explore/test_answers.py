from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes_sim.explore.effects import interactions, main_effects
from hermes_sim.explore.errors import StudyError
from hermes_sim.explore.findings import answer, with_unit
from hermes_sim.explore.pareto import front_of, hypervolume, is_on_front
from hermes_sim.explore.schema import Finding, Goal
from hermes_sim.explore.study import Study
from hermes_sim.kit.words import shown

SMALL_INTS = st.lists(st.tuples(*[st.integers(0, 5)] * 3), min_size=1, max_size=30)


@given(SMALL_INTS)
def test_the_front_is_what_no_other_point_beats(points):
    costs = np.array(points, dtype=float)
    beaten = [any((b <= a).all() and (b < a).any() for b in costs) for a in costs]
    assert list(is_on_front(costs)) == [not x for x in beaten]


def test_points_without_a_value_are_never_on_the_front():
    assert list(is_on_front(np.array([[np.nan, 0.0], [1.0, 1.0]]))) == [False, True]


@given(SMALL_INTS)
def test_hypervolume_counts_the_cells_that_some_point_beats(points):
    costs = np.array(points, dtype=float)
    cells = np.stack(np.meshgrid(*[np.arange(6)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    covered = (costs[None] <= cells[:, None]).all(axis=2).any(axis=1).sum()
    assert hypervolume(costs, np.full(3, 6.0)) == covered


def test_a_front_per_scenario():
    frame = pd.DataFrame({"load": ["a", "a", "b"], "time": [1.0, 2.0, 9.0], "energy": [2.0, 1.0, 9.0]})
    goals = {"time": Goal.MINIMIZE, "energy": Goal.MINIMIZE}
    assert len(front_of(frame, goals)) == 2
    assert len(front_of(frame, goals, within=["load"])) == 3


def full_grid(function):
    rows = [{"a": a, "b": b, "c": c, "y": function(a, b, c)} for a in (1, 2, 4) for b in (1, 3) for c in "xy"]
    return pd.DataFrame(rows)


def test_main_effects_of_a_product_add_up_and_interactions_are_none():
    frame = full_grid(lambda a, b, c: a**2 * b * (3 if c == "x" else 1))
    shares = main_effects(frame, ["a", "b", "c"], "y")
    assert shares["share"].sum() == pytest.approx(1)
    assert shares["parameter"].iloc[0] == "a"
    assert (shares["low_level"].iloc[0], shares["high_level"].iloc[0]) == (1, 4)
    assert interactions(frame, ["a", "b", "c"], "y")["share"].max() == pytest.approx(0, abs=1e-12)


def test_an_interaction_is_found():
    frame = full_grid(lambda a, b, c: 8.0 if (a == 4 and c == "x") else 1.0)
    table = interactions(frame, ["a", "b", "c"], "y")
    assert set(table.iloc[0][["parameter", "with"]]) == {"a", "c"}
    assert table.iloc[0]["share"] > 0.3


def test_the_effect_of_a_scenario_is_taken_out():
    frame = full_grid(lambda a, b, c: a * (1000 if c == "x" else 1))
    inside = main_effects(frame, ["a", "b"], "y", within=["c"])
    assert inside.set_index("parameter")["share"]["a"] == pytest.approx(1)


def test_the_smallest_knob_near_the_best():
    frame = pd.DataFrame({"lanes": [1, 2, 4, 8], "time": [10.0, 5.0, 4.05, 4.0], "status": "done"})
    finding = Finding(question="q", column="time", goal="minimize", knob="lanes", within=0.02)
    (row,) = answer(finding, frame, ["lanes"]).to_dict("records")
    assert row == {"lanes": 4, "time": 4.05, "best time": 4.0}


def test_answers_over_those_of_another_group():
    frame = pd.DataFrame(
        {"mode": ["x", "x", "y", "y"], "k": ["a", "b", "a", "b"], "time_ns": [2.0, 3.0, 10.0, 4.0], "who": list("pqrs"),
         "n": [4, 4, 8, 8], "status": "done"}
    )  # fmt: skip
    finding = Finding(
        question="q", column="time_ns", goal="minimize", by=["mode", "k"], versus={"k": "a"}, show=["who", "n"]
    )
    rows = answer(finding, frame, ["mode", "k", "n"]).to_dict("records")
    assert rows == [
        {"mode": "x", "k": "b", "n": 4, "ratio of time": 1.5, "who": "q"},
        {"mode": "y", "k": "b", "n": 8, "ratio of time": 0.4, "who": "s"},
    ]
    alone = Finding(question="q", column="time_ns", goal="minimize", by=["k"], versus={"k": "a"})
    assert answer(alone, frame, ["k"])["ratio of time"].tolist() == [1.5]
    with pytest.raises(ValueError, match="one of by: k"):
        Finding(question="q", column="time_ns", goal="minimize", by=["k"], versus={"m": 1})


def test_the_best_of_every_group_that_fulfils_a_condition():
    frame = pd.DataFrame({"k": ["a", "a", "b"], "time": [3.0, 1.0, 2.0], "area_mm2": [1, 9, 1], "status": "done"})
    finding = Finding(question="q", column="time", goal="minimize", by=["k"], where="area_mm2 < 5")
    assert answer(finding, frame, []).to_dict("records") == [{"k": "a", "time": 3.0}, {"k": "b", "time": 2.0}]


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("latency_ns", 1520.0, "1.52 µs"),
        ("energy_pj_total", 3.38e6, "3.38 µJ"),
        ("area_mm2", 41.44, "41.44 mm2"),
        ("throughput_inferences_per_s", 7.5e6, "7,500,000 inferences/s"),
        ("power_w", 0.0, "0 W"),
        ("latency_ns", None, "-"),
        ("bottleneck_resource", "core0.ldpu", "core0.ldpu"),
        ("latency_ns", 999_999.9, "1 ms"),
    ],
)
def test_values_for_people(column, value, text):
    assert shown(column, value) == text


def test_names_for_people():
    assert with_unit("energy_pj_per_inference", 1e6) == "energy per inference 1 µJ"


def test_the_best_design_in_words(write_study, tmp_path):
    study = Study(write_study(extra="constraints: ['area_mm2 <= 41']\n"), store=tmp_path / "s")
    study.run(workers=0)
    assert len(study.feasible()) == 4
    words = study.best_in_words()
    assert words.startswith("core.ldpu.lanes = 4, read_mode = one_phase, inferences = 1: makespan 133 µs")
    assert set(study.front()["arch.read_mode"]) == {"one_phase"}
    assert study.effects("energy_pj_per_inference")["parameter"].iloc[0] == "arch.read_mode"
    with pytest.raises(StudyError, match="weaker conditions"):
        study.best(where="area_mm2 < 1")
