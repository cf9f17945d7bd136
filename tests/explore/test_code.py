"""Results of other code are never taken for those of the installed one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import hermes_sim
from hermes_sim import fingerprint
from hermes_sim.cli.app import app
from hermes_sim.explore import point, study
from hermes_sim.explore.study import Study
from hermes_sim.fingerprint import _EVALUATION, _WITHOUT_EFFECT, code_fingerprint

LOADED = """
import json, sys
import hermes_sim.validation.accuracy
from hermes_sim.explore.bounds import optimistic_results
from hermes_sim.explore.point import DesignPoint, evaluate
for workload in ("kernel_ridge_digits", "performer_imdb_attention_layer"):
    point = DesignPoint("hermes_64", workload, inferences=1, accuracy=True)
    assert evaluate(point, key="k")["status"] == "done"
    optimistic_results(point, {"makespan_ns": "minimize"})
print(json.dumps([m for m in sys.modules if m.startswith("hermes_sim.")]))
"""
NO_RESULTS = {"hermes_sim.explore", "hermes_sim.validation"}


@pytest.fixture
def other_code(monkeypatch):
    def pretend(name):
        for module in (point, study, fingerprint):
            monkeypatch.setattr(module, "code_fingerprint", lambda: name)

    return pretend


def test_the_fingerprint_counts_every_module_that_results_come_from():
    run = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    package = Path(hermes_sim.__file__).parent
    for module in set(json.loads(run.stdout)) - NO_RESULTS:
        name = module.removeprefix("hermes_sim.").replace(".", "/")
        name += "/__init__.py" if (package / name).is_dir() else ".py"
        assert name.partition("/")[0] not in _WITHOUT_EFFECT or name in _EVALUATION, module


def test_the_fingerprint_follows_the_sources_and_nothing_else(tmp_path, monkeypatch):
    for name in ("engine/kernel.py", "cli/app.py", "explore/study.py", "explore/point.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x = 1\n", encoding="utf-8")
    monkeypatch.setattr(fingerprint, "__file__", str(tmp_path / "fingerprint.py"))
    current = code_fingerprint.__wrapped__
    before = current()
    (tmp_path / "cli" / "app.py").write_text("x = 2\n", encoding="utf-8")
    (tmp_path / "engine" / "kernel.py").write_bytes(b"x = 1\r\n")
    assert current() == before
    for name in ("engine/kernel.py", "explore/point.py"):
        (tmp_path / name).write_text("x = 2\n", encoding="utf-8")
        assert current() != before
        before = current()


def test_points_of_other_code_are_run_again_and_never_mixed(write_study, tmp_path, other_code):
    other_code("old")
    Study(write_study(), store=tmp_path / "s").run(workers=0)
    other_code("new")
    changed = Study(write_study(), store=tmp_path / "s")
    assert changed.other_code() == {"old": 8}
    assert set(changed.frame()["code"]) == {"old"}
    frame = changed.run(workers=0)
    assert (changed.progress.done, changed.progress.skipped) == (8, 0)
    assert set(frame["code"]) == {"new"}
    assert changed.other_code() == {"old": 8}


def test_show_and_resume_say_which_points_are_of_other_code(write_study, tmp_path, other_code):
    other_code("old")
    Study(write_study(), store=tmp_path / "s").run(workers=0)
    other_code("new")
    shown = CliRunner().invoke(app, ["sweep", "show", str(tmp_path / "s")]).output
    assert "Not made with the code installed, which is new: 8 of code old" in shown
    resumed = CliRunner().invoke(app, ["sweep", "resume", str(tmp_path / "s"), "--workers", "0"]).output
    assert "8 run, 0 there already" in resumed
    assert "made with other code and left out here: 8 of code old" in resumed
    text = CliRunner().invoke(app, ["sweep", "show", str(tmp_path / "s"), "--json"]).output
    assert json.loads(text)["other_code"] == {"old": 8}
