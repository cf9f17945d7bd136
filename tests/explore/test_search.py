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
