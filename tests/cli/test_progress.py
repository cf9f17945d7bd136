"""Commands that can take long say on standard error what they are at; --json leaves standard output to the document."""

from __future__ import annotations

import json

import numpy as np
import pytest
from rich.progress import Progress

from hermes_sim.metrics.open_loop import load_curve

SMALL = ("hermes_64", "kernel_ridge_digits")


@pytest.fixture
def stages(monkeypatch):
    """Names of all stages that were shown."""
    shown = []
    add_task = Progress.add_task

    def noted(self, description, *args, **options):
        assert self.console.stderr
        shown.append(description)
        return add_task(self, description, *args, **options)

    monkeypatch.setattr(Progress, "add_task", noted)
    return shown


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("run", *SMALL, "--no-accuracy"), {"mapping", "critical path"}),
        (("map", *SMALL), {"mapping", "summary and programming"}),
        (("map", *SMALL, "--strategy", "packed", "--compare", "spread"), {"packed", "spread"}),
        (("load", *SMALL, "--requests", "20"), {"mapping", "loads"}),
        (("explain", "latency", *SMALL), {"mapping", "critical path"}),
        (("compare", "hermes_64", "--workload", SMALL[1], "--baseline", "a100"), {"chips and workloads"}),
        (("validate", "chip"), {"chip"}),
        (("validate", "baselines"), {"baselines"}),
        (("baseline", "run", "a100", SMALL[1]), {"operators"}),
        (("reproduce", "peak", "--out", "made"), {"figures"}),
    ],
)
def test_stages_are_told_and_json_stays_json(words, expected, command, stages, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = command(*words, "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)
    assert expected <= set(stages)


@pytest.mark.parametrize("suffix", [".json", ".parquet", ".svg"])
def test_a_trace_tells_of_mapping_and_writing(suffix, command, stages, tmp_path):
    out = tmp_path / f"trace{suffix}"
    result = command("trace", *SMALL, "--out", out, "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["firings"] > 0
    assert "mapping" in stages
    assert any("writing" in stage for stage in stages)


def test_the_share_of_the_loads_grows_to_one():
    told = []
    load_curve(
        lambda arrivals_ps: np.maximum.accumulate(arrivals_ps) + 1000 * (1 + np.arange(len(arrivals_ps))),
        n_requests=20,
        seed=0,
        load_fracs=(0.5, 1.0),
        progress=lambda stage, share: told.append((stage, share)),
    )
    assert told == [("loads", 0.5), ("loads", 1.0)]
