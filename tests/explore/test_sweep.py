from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from explore_support import start_sweep

from hermes_sim.explore.executors import LocalExecutor, SerialExecutor
from hermes_sim.explore.load import load_space, space_from
from hermes_sim.explore.store import Store
from hermes_sim.explore.study import Study
from hermes_sim.explore.sweep import run_tasks

MANY = """\
schema_version: 1
name: many
description: enough points to be killed in the middle
arch: hermes_64
workload: peak_mvm
parameters:
  arch.core.static_power: {range: {start: 0.1, stop: 4.0, count: 60}}
  arch.core.ldpu.lanes: [4, 8]
objectives: {makespan_ns: minimize}
"""


def keys_in(folder):
    return Store(folder, write=False).table()["key"].to_pylist()


def test_a_study_runs_each_point_once_and_then_skips_it(write_study, tmp_path):
    study = Study(write_study(), store=tmp_path / "s")
    frame = study.run(workers=0)
    assert (study.progress.points, study.progress.done, study.progress.skipped) == (8, 8, 0)
    assert list(frame.columns[:3]) == ["arch.core.ldpu.lanes", "arch.read_mode", "inferences"]
    assert frame["makespan_ns"].gt(0).all()
    again = Study(write_study(), store=tmp_path / "s")
    again.run(workers=0)
    assert (again.progress.done, again.progress.skipped) == (0, 8)
    assert len(keys_in(tmp_path / "s")) == 8


def test_worker_processes_give_what_one_process_gives(write_study, tmp_path):
    alone = Study(write_study(), store=tmp_path / "a").run(workers=0)
    beside = Study(write_study(), store=tmp_path / "b").run(workers=2)
    columns = [name for name in alone.columns if name not in {"created_utc", "duration_s"}]
    assert alone[columns].equals(beside[columns])


def test_failing_points_are_listed_and_the_others_done(tmp_path):
    values = [1, *range(10, 29)]  # the crossbars of one cluster do not hold the 64 matrices
    space = space_from(
        {
            "schema_version": 1,
            "name": "five",
            "description": "",
            "arch": "hermes_64",
            "workload": "peak_mvm",
            "parameters": {"arch.cores.clusters": values},
            "objectives": {"makespan_ns": "minimize"},
        }
    )
    with Store(tmp_path / "s") as store:
        counts = run_tasks(space.grid(), store=store, executor=SerialExecutor(), study="five")
    assert (counts.points, counts.done, counts.failed) == (20, 19, 1)
    (failure,) = counts.failures
    assert failure["parameters"] == {"arch.cores.clusters": 1}
    assert "MappingInfeasible" in failure["error"]
    with Store(tmp_path / "s") as store:
        again = run_tasks(space.grid(), store=store, executor=SerialExecutor(), study="five")
        assert (again.skipped, again.failed) == (20, 0)
        retried = run_tasks(space.grid(), store=store, executor=SerialExecutor(), study="five", retry_failed=True)
        assert (retried.skipped, retried.failed) == (19, 1)
    assert len(keys_in(tmp_path / "s")) == 20


def test_the_same_design_twice_in_a_study_is_run_once(tmp_path):
    study = Study.define(
        store=tmp_path / "s",
        arch="hermes_64",
        workload="peak_mvm",
        name="twice",
        parameters={"n": [1, 2, 3]},
        linked={"inferences": "min(n, 2)"},
        objectives={"makespan_ns": "minimize"},
    )
    frame = study.run(workers=0)
    assert (study.progress.done, study.progress.skipped) == (2, 1)
    assert list(frame["n"]) == [1, 2, 3]
    assert frame["makespan_ns"].iloc[1] == frame["makespan_ns"].iloc[2]


def test_a_point_that_kills_its_worker_is_recorded_and_the_others_done(tmp_path, monkeypatch):
    space = space_from(
        {
            "schema_version": 1,
            "name": "killer",
            "description": "",
            "arch": "hermes_64",
            "workload": "peak_mvm",
            "parameters": {"inferences": [1, 2, 3, 4, 5, 6]},
            "objectives": {"makespan_ns": "minimize"},
        }
    )
    monkeypatch.setattr("hermes_sim.explore.executors.evaluate", evaluate_or_die)
    with Store(tmp_path / "s") as store:
        counts = run_tasks(space.grid(), store=store, executor=LocalExecutor(2), study="killer")
    assert (counts.done, counts.failed) == (5, 1)
    assert counts.failures[0]["parameters"] == {"inferences": 3}
    assert "worker process died" in counts.failures[0]["error"]


def evaluate_or_die(point, *, key, study):
    if point.inferences == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"key": key, "study": study, "status": "done", "parameters": dict(point.names)}


SCRIPT = """
from hermes_sim.explore.study import Study
print("started")
study = Study(sys.argv[1], store=sys.argv[2])
study.run(workers=2)
print(study.progress.done)
"""


def test_a_script_without_a_main_guard_is_not_run_again_by_the_workers(write_study, tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import sys" + SCRIPT, encoding="utf-8")
    command = [sys.executable, str(script), str(write_study()), str(tmp_path / "s")]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["started", "8"]
    assert "Error" not in run.stderr


def test_kill_in_the_middle_then_resume_completes_without_duplicates(write_study, tmp_path):
    path, folder = write_study(MANY), tmp_path / "s"
    total = load_space(path).n_grid
    run = start_sweep(path, "--store", folder, "--workers", 2, "--json")
    wait_for_points(folder, 10)
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    before = keys_in(folder)
    assert 10 <= len(before) < total
    assert len(set(before)) == len(before)
    study = Study.from_store(folder)
    study.run(workers=0)
    assert study.progress.skipped == len(before)
    assert study.progress.done == total - len(before)
    after = keys_in(folder)
    assert len(after) == len(set(after)) == total


HOLDS_B_UNTIL_A = """
import sys, time
from hermes_sim.explore.store import Store
folder, key_a, key_b = sys.argv[1:]
with Store(folder) as store:
    assert store.claim(key_b)
    print("ready", flush=True)
    end_s = time.monotonic() + 30
    while key_a not in store and time.monotonic() < end_s:
        time.sleep(0.05)
        store.refresh()
    sys.exit(key_a not in store)
"""


def test_a_finished_point_is_stored_while_another_process_holds_the_next(tmp_path):
    space = space_from(
        {
            "schema_version": 1,
            "name": "two",
            "description": "",
            "arch": "hermes_64",
            "workload": "peak_mvm",
            "parameters": {"inferences": [1, 2]},
            "objectives": {"makespan_ns": "minimize"},
        }
    )
    a, b = space.grid()
    with Store(tmp_path / "s") as store:
        command = [sys.executable, "-c", HOLDS_B_UNTIL_A, str(tmp_path / "s"), a.key, b.key]
        other = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        counts = run_tasks([a, b], store=store, executor=LocalExecutor(1), study="two")
        other.communicate()
    assert other.returncode == 0  # it saw the point before it gave its own up
    assert counts.done == 2


def test_two_processes_share_a_store_without_running_a_point_twice(write_study, tmp_path):
    path, folder = write_study(MANY), tmp_path / "s"
    runs = [start_sweep(path, "--store", folder, "--workers", 0, "--json") for _ in range(2)]
    documents = [json.loads(run.communicate()[0]) for run in runs]
    total = load_space(path).n_grid
    assert sum(document["done"] for document in documents) == total
    assert all(document["done"] + document["skipped"] == total for document in documents)
    rows = sum(1 for part in (folder / "points").glob("*.parquet") for _ in range(rows_of(part)))
    assert rows == total


def test_ctrl_c_stops_cleanly_and_says_how_to_resume(write_study, tmp_path):
    path, folder = write_study(MANY), tmp_path / "s"
    run = start_sweep(path, "--store", folder, "--workers", 2)
    wait_for_points(folder, 5)
    os.killpg(run.pid, signal.SIGINT)
    _, errors = run.communicate(timeout=30)
    assert run.returncode == 130
    assert f"hermes-sim sweep resume {folder}" in errors.replace("\n", " ")
    assert "Traceback" not in errors
    assert {path.suffix for path in (folder / "points").iterdir()} == {".parquet"}


def rows_of(part):
    import pyarrow.parquet as pq  # noqa: PLC0415

    return pq.ParquetFile(part).metadata.num_rows


def wait_for_points(folder, n):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if (folder / "points").is_dir() and len(Store(folder, write=False)) >= n:
            return
        time.sleep(0.02)
    pytest.fail("no points in a minute")
