from __future__ import annotations

import subprocess
import sys

import pytest

from hermes_sim.explore.bounds import optimistic_results
from hermes_sim.explore.errors import StudyError
from hermes_sim.explore.point import DesignPoint, evaluate
from hermes_sim.explore.study import Study

pytest.importorskip("optuna")
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning", "ignore::ResourceWarning")

FIELDS = {
    "name": "search",
    "arch": "hermes_64",
    "workload": "peak_mvm",
    "parameters": {
        "arch.core.ldpu.lanes": {"range": {"start": 1, "stop": 64, "scale": "log"}},
        "arch.core.static_power": {"range": {"start": 0.1, "stop": 5.0}},
        "arch.read_mode": ["one_phase", "four_phase"],
        "inferences": {"range": {"start": 2, "stop": 8, "step": 2}},
    },
    "objectives": {"energy_pj_per_inference": "minimize", "area_mm2": "minimize"},
}

SECOND = """
import sys
from hermes_sim.explore.study import Study
Study.from_store(sys.argv[1]).run(workers=0)
"""


def search(tmp_path, trials=12, sampler="nsga2", **fields):
    settings = {"sampler": sampler, "trials": trials, "seed": 3, **fields.pop("search", {})}
    return Study.define(store=tmp_path / "s", **{**FIELDS, **fields, "search": settings})


@pytest.mark.parametrize("sampler", ["nsga2", "tpe", "random"])
def test_a_search_makes_its_trials_and_keeps_every_result(tmp_path, sampler):
    study = search(tmp_path, sampler=sampler)
    frame = study.run(workers=0)
    counts = study.progress
    assert counts.points == counts.done + counts.pruned + counts.skipped == 12
    assert (frame["status"] == "done").sum() == counts.done > 0
    assert frame["inferences"].dropna().isin([2, 4, 6, 8]).all()


def test_a_search_goes_on_where_it_stopped(tmp_path):
    search(tmp_path, trials=5).run(workers=0)
    longer = search(tmp_path, trials=8)
    longer.run(workers=0)
    assert longer.progress.points == 3
    again = Study.from_store(tmp_path / "s")
    again.run(workers=0)
    assert again.progress.points == 0


def test_the_same_seed_searches_the_same_designs(tmp_path):
    one = search(tmp_path / "one", trials=6).run(workers=0)
    other = search(tmp_path / "other", trials=6).run(workers=0)
    assert list(one["key"]) == list(other["key"])


@pytest.mark.parametrize("sampler", ["nsga2", "tpe"])
def test_the_same_seed_searches_the_same_designs_with_any_number_of_workers(tmp_path, sampler):
    alone, beside = (search(tmp_path / name, trials=24, sampler=sampler) for name in "ab")
    alone.run(workers=0)
    beside.run(workers=3)
    assert sorted(alone.frame()["key"]) == sorted(beside.frame()["key"])
    assert alone.progress.pruned == beside.progress.pruned
    columns = [*FIELDS["parameters"], *FIELDS["objectives"]]
    assert alone.front()[columns].sort_values(columns).to_numpy().tolist() == (
        beside.front()[columns].sort_values(columns).to_numpy().tolist()
    )


LEVELS = {"arch.core.ldpu.lanes": [1, 2, 4, 8, 16, 32, 64], "arch.network.flit": [1, 2, 4, 8, 16, 32, 64]}
OTHERS = {"arch.core.ldpu.lanes": [3, 12, 48], "arch.network.flit": [3, 12, 48]}  # all worse than (64, 64) in time


def on_levels(folder, levels, trials=None, sampler="random", **fields):
    given = {"workload": "kernel_ridge_digits", "inferences": 4, "parameters": levels, **fields}
    given["objectives"] = {"latency_ns": "minimize", "makespan_ns": "minimize"}
    if trials is not None:
        given["search"] = {"sampler": sampler, "trials": trials, "seed": 1, "in_flight": 1}
    return Study.define(store=folder, **{**FIELDS, **given})


def designs(study):
    return study.frame()[list(study.file.parameters)].to_numpy().tolist()


@pytest.mark.parametrize("sampler", ["random", "tpe", "nsga2"])
def test_a_search_that_is_extended_asks_for_new_designs_as_if_it_had_never_stopped(tmp_path, sampler):
    on_levels(tmp_path / "a", LEVELS, 8, sampler).run(workers=0)
    extended, whole = (on_levels(tmp_path / name, LEVELS, 14, sampler) for name in "ab")
    extended.run(workers=0)
    whole.run(workers=0)
    assert extended.progress.points == 6
    assert extended.progress.skipped < 6
    assert designs(extended) == designs(whole)
    assert len(designs(extended)) > 8 - 2


@pytest.mark.parametrize("name", ["search", "another"])
def test_points_of_another_definition_are_neither_on_the_front_nor_do_they_prune(tmp_path, name):
    on_levels(tmp_path / "shared", LEVELS).run(workers=0)
    beside, alone = (on_levels(tmp_path / folder, OTHERS, 9, name=name) for folder in ("shared", "alone"))
    beside.run(workers=0)
    alone.run(workers=0)
    assert alone.progress.done > 1
    assert beside.progress.document() | {"elapsed_s": 0, "points_per_min": 0} == (
        alone.progress.document() | {"elapsed_s": 0, "points_per_min": 0}
    )
    assert designs(beside) == designs(alone)
    assert (
        beside.front()
        .drop(columns=["duration_s", "created_utc"])
        .equals(alone.front().drop(columns=["duration_s", "created_utc"]))
    )


def test_a_grid_shows_its_own_levels_only_and_runs_what_a_search_has_pruned(tmp_path):
    on_levels(tmp_path, LEVELS, 12).run(workers=0)
    pruned = on_levels(tmp_path, LEVELS, 20)
    pruned.run(workers=0)
    assert pruned.progress.pruned
    grid = on_levels(tmp_path, LEVELS)
    grid.run(workers=0)
    assert (grid.frame()["status"] == "done").sum() == 49
    other = on_levels(tmp_path, OTHERS)
    other.run(workers=0)
    assert len(other.frame()) == 9
    assert set(other.front()["arch.core.ldpu.lanes"]) == {48}  # wider flits may be no faster


def test_a_search_counts_the_points_of_its_space_that_another_study_has_run(tmp_path):
    on_levels(tmp_path, LEVELS, name="grid").run(workers=0)
    found = on_levels(tmp_path, LEVELS, 10)
    found.run(workers=0)
    assert found.progress.done == 0
    assert set(found.front()["arch.core.ldpu.lanes"]) == {64}  # wider flits may be no faster


def test_levels_that_were_changed_leave_old_points_out_before_anything_is_run_again(tmp_path):
    on_levels(tmp_path, LEVELS, 8).run(workers=0)
    for changed in (on_levels(tmp_path, OTHERS, 9), on_levels(tmp_path, OTHERS)):
        assert len(changed.frame()) == len(changed.front()) == 0


@pytest.mark.parametrize(
    ("span", "inside", "outside"),
    [
        ({"start": 1, "stop": 64, "scale": "log"}, [1, 17, 64], [0, 65, 2.5, True]),
        ({"start": 0.5, "stop": 2.0}, [0.5, 1.234], [0.49, 2.01, "1"]),
        ({"start": 2, "stop": 8, "step": 3}, [2, 5, 8], [3, 6]),
        ({"start": 0.1, "stop": 0.7, "step": 0.2}, [0.30000000000000004, 0.7], [0.2]),
        ({"start": 1, "stop": 9, "count": 3}, [1, 5, 9], [2]),
    ],
)
def test_a_value_of_a_range_is_one_that_the_search_could_ask_for(tmp_path, span, inside, outside):
    name = "inferences" if span["start"] in {1, 2} else "arch.core.static_power"
    space = search(tmp_path, parameters={name: {"range": span}}).space
    assert all(space.own({name: value}) is not None for value in inside)
    assert all(space.own({name: value}) is None for value in outside)
    assert space.own({}) is None
    assert space.own({name: inside[0], "arch.clock": 1}) is None


def test_results_that_came_before_a_kill_are_told_when_the_search_goes_on(tmp_path):
    cut = search(tmp_path, trials=20, search={"prune": False})

    def stop(counts):
        if counts.done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cut.run(workers=0, progress=stop)
    again = Study.from_store(tmp_path / "s")
    again.run(workers=0)
    assert again.progress.points == 20 - 5
    assert len(again.frame()) >= 20 - again.progress.skipped


def test_a_search_of_other_files_starts_from_nothing(tmp_path):
    search(tmp_path, trials=5).run(workers=0)
    other = search(tmp_path, trials=5, workload="kernel_ridge_digits")
    other.run(workers=0)
    assert other.progress.points == 5


def test_a_second_process_is_refused_while_a_search_runs(tmp_path):
    study = search(tmp_path, trials=4)
    refused = []

    def second(counts):
        if counts.done == 1:
            command = [sys.executable, "-c", SECOND, str(tmp_path / "s")]
            refused.append(subprocess.run(command, capture_output=True, text=True, check=False).stderr)

    study.run(workers=0, progress=second)
    assert "another process runs this search" in refused[0]


def test_pruning_gives_up_designs_but_not_the_front(tmp_path):
    pruned, whole = search(tmp_path / "a", trials=16), search(tmp_path / "b", trials=16, search={"prune": False})
    pruned.run(workers=0)
    whole.run(workers=0)
    assert pruned.progress.pruned > 0
    assert whole.progress.pruned == 0
    reasons = set(pruned.frame().query("status == 'pruned'")["error"])
    assert reasons == {"a known design is better than its bounds in every objective"}


def test_a_constraint_on_the_area_is_kept_without_simulating(tmp_path):
    study = search(tmp_path, trials=16, constraints=["area_mm2 <= 45"])
    study.run(workers=0)
    frame = study.frame()
    assert frame.loc[frame["status"] == "done", "area_mm2"].le(45).all()
    assert frame["error"].dropna().str.contains("even at best not area_mm2 <= 45").any()


@pytest.mark.parametrize(
    ("arch", "workload", "mapping"),
    [
        ("hermes_64", "kernel_ridge_digits", "packed"),
        ("hermes_64_hetero", "performer_imdb_attention", "spread"),
        ("hermes_64", "peak_mvm", "packed"),
    ],
)
def test_no_result_beats_its_bounds(arch, workload, mapping):
    point = DesignPoint(arch, workload, mapping=mapping, inferences=3)
    best, record = optimistic_results(point, {"makespan_ns": "minimize"}), evaluate(point, key="k")
    for name in ("latency_ns", "makespan_ns", "energy_pj_per_inference", "energy_pj_total", "area_mm2"):
        assert best[name] <= record[name] * (1 + 1e-12), name
    for name in ("tops", "tops_per_w"):
        assert best[name] >= record[name] * (1 - 1e-12), name
    assert best["energy_pj_dynamic"] == pytest.approx(record["energy_pj_dynamic"], rel=1e-12)


def test_impossible_constraints_are_reported(tmp_path, monkeypatch):
    monkeypatch.setattr("hermes_sim.explore.search._MAX_EMPTY_ASKS", 20)
    study = search(tmp_path, constraints=["arch.core.ldpu.lanes > 100"])
    with pytest.raises(StudyError, match="designs in a row refused"):
        study.run(workers=0)


def test_a_storage_that_cannot_be_used_is_reported(tmp_path):
    study = search(tmp_path, search={"storage": "nosuchdb://here"})
    with pytest.raises(StudyError, match="storage"):
        study.run(workers=0)
