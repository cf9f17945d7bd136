from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from hermes_sim.explore.errors import StudyError
from hermes_sim.explore.executors import executor_for
from hermes_sim.explore.study import Study

pytest.importorskip("distributed")


def test_nobody_at_the_address(monkeypatch):
    monkeypatch.setattr("hermes_sim.explore.cluster._CONNECT_S", 0.3)
    with pytest.raises(StudyError, match="address of a running Dask scheduler"):
        executor_for(None, "tcp://127.0.0.1:9")


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "distributed.cli." + arguments[0], *arguments[1:]],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


@pytest.fixture
def cluster(tmp_path):
    """A scheduler and two workers, each a process of its own."""
    port = 18786
    address = f"tcp://127.0.0.1:{port}"
    local = ["--local-directory", str(tmp_path / "dask"), "--nthreads", "1", "--no-dashboard", "--nanny-port", "0"]
    scheduler = start("dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
    workers = [start("dask_worker", address, *local[:5], "--no-nanny") for _ in range(2)]
    yield address, workers
    for process in (*workers, scheduler):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_study_survives_the_death_of_a_worker(cluster, tmp_path):
    address, workers = cluster
    study = Study.define(
        store=tmp_path / "s",
        name="cluster",
        arch="hermes_64",
        workload="peak_mvm",
        parameters={
            "arch.core.static_power": {"range": {"start": 0.1, "stop": 5.0, "count": 150}},
            "mapping": ["packed", "spread"],
        },
        objectives={"energy_pj_per_inference": "minimize"},
    )
    killed = threading.Event()

    def kill_one(counts):
        if counts.done >= 60 and not killed.is_set():
            killed.set()
            os.killpg(workers[0].pid, signal.SIGKILL)

    for attempt in range(20):
        try:
            study.run(scheduler=address, progress=kill_one)
            break
        except StudyError:
            if attempt == 19:
                raise
            time.sleep(1)
    assert killed.is_set(), study.progress.failures[:1]
    assert (study.progress.points, study.progress.done, study.progress.failed) == (300, 300, 0)
    assert study.frame()["key"].is_unique
