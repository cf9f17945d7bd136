"""`list` says what everything is; `show` prints a chip, workload or baseline as a file that loads to the same."""

from __future__ import annotations

import json

import pytest

from hermes_sim.baselines.load import load_baseline
from hermes_sim.chip.load import load_arch
from hermes_sim.cli.list_commands import FOLDERS
from hermes_sim.config.files import description_of, read_yaml, shipped_dir, shipped_names
from hermes_sim.config.parameters import resolved
from hermes_sim.errors import HermesSimError
from hermes_sim.workload.load import load_workload

LOAD = {"chip": load_arch, "workload": load_workload, "baseline": load_baseline}


@pytest.mark.parametrize("folder", FOLDERS.values())
def test_every_shipped_file_says_what_it_is(folder):
    for name in shipped_names(folder):
        path = shipped_dir(folder) / f"{name}.yaml"
        assert description_of(path) == read_yaml(path, error=HermesSimError).data["description"] != ""


def test_a_description_over_several_lines_or_none(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("name: a\ndescription: >-\n  two\n  lines\nkind: x\n", encoding="utf-8")
    assert description_of(path) == "two lines"
    path.write_text("name: a\n", encoding="utf-8")
    assert description_of(path) == ""


def test_the_list_says_what_everything_is(command):
    said = " ".join(command("list").stdout.split())
    found = json.loads(command("list", "--json").stdout)
    assert "64 phase-change-memory cores of 256 x 256" in said
    assert "64-128-64-10, one picture per inference; trained" in said
    assert "NVIDIA T4 16 GB" in said
    for kind in FOLDERS:
        assert list(found["descriptions"][kind]) == found[kind]


def test_names_are_of_one_kind():
    names = [name for folder in FOLDERS.values() for name in shipped_names(folder)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("kind", "name"),
    [("chip", "hermes_64_hetero"), ("workload", "kernel_ridge_digits"), ("workload", "lstm_ptb"), ("baseline", "a100"),
     ("baseline", "systolic_same_area")],
)  # fmt: skip
def test_what_is_shown_loads_to_the_same(command, tmp_path, kind, name):
    done = command("show", name)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"# {kind} {name}, whole")
    path = tmp_path / "saved.yaml"
    path.write_text(done.stdout, encoding="utf-8")
    assert resolved(LOAD[kind](path)) == json.loads(command("show", name, "--json").stdout)["content"]
    again = command("show", path)
    assert again.stdout.splitlines()[1:] == done.stdout.splitlines()[1:]


def test_a_saved_chip_runs_and_its_values_have_sources(command, tmp_path):
    text = command("show", "hermes_64_hetero").stdout
    assert "kind: " in text.partition("lanes:")[2].splitlines()[0]
    assert "source: " in text.partition("lanes:")[2].splitlines()[0]
    assert "extends" not in text
    path = tmp_path / "saved.yaml"
    path.write_text(text, encoding="utf-8")
    runs = [
        json.loads(command("run", chip, "kernel_projection", "--inferences", 1, "--no-accuracy", "--json").stdout)
        for chip in ("hermes_64_hetero", path)
    ]
    assert runs[0]["inputs"]["sha256"] == runs[1]["inputs"]["sha256"]
    assert runs[0]["energy_pj"] == runs[1]["energy_pj"]


def test_what_cannot_be_shown_is_refused(command, tmp_path):
    (tmp_path / "study.yaml").write_text("kind: study\n", encoding="utf-8")
    for name, message in (
        ("hermes_46", "did you mean 'hermes_64'"),
        (tmp_path / "study.yaml", "kind"),
        (tmp_path, "no such file"),
    ):
        done = command("show", name)
        assert (done.returncode, done.stdout) == (2, "")
        assert message in done.stderr
        assert "Traceback" not in done.stderr
