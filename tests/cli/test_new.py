"""`hermes-sim new`: every template runs as it stands, is as its schema says, and so is what it shows behind a #."""

from __future__ import annotations

import json
import re
import shlex

import jsonschema
import pytest

from hermes_sim.chip.load import load_arch
from hermes_sim.cli.new_commands import TEMPLATES
from hermes_sim.config.files import read_yaml
from hermes_sim.errors import HermesSimError
from hermes_sim.explore.study import Study
from hermes_sim.numerics.dataset_files import read_dataset_file
from hermes_sim.workload.load import load_workload

WHAT = ("chip", "workload", "study", "data")
LOAD = {
    "chip": load_arch,
    "workload": load_workload,
    "study": lambda path: Study(path, store=path.parent / "store"),
    "data": read_dataset_file,
}
# quick: what a new user would type, with less to compute
LESS = {
    "run": ["--no-accuracy", "--json"],
    "accuracy": ["--seeds", "1", "--json"],
    "sweep": ["--workers", "0", "--json"],
}
OPTION = re.compile(r"^# ([\w.]+:.*\n)((?:#   .*\n)*)", flags=re.MULTILINE)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_there_is_a_template_of_each_and_no_other():
    assert {path.stem for path in TEMPLATES.iterdir()} == set(WHAT)


@pytest.mark.parametrize("what", WHAT)
def test_the_first_command_of_a_template_runs(command, folder, what):
    made = command("new", what, "mine")
    assert made.returncode == 0, made.stderr
    text = (folder / "mine.yaml").read_text(encoding="utf-8")
    first = re.findall(r"^#   hermes-sim (\S.*?)(?:   .*)?$", text, flags=re.MULTILINE)[0]
    assert f"hermes-sim {first}" in made.stdout
    done = command(*shlex.split(first), *LESS[first.split()[0]])
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)


@pytest.mark.parametrize("what", WHAT)
def test_a_template_names_the_schema_beside_it_and_is_as_it_says(command, folder, what):
    made = json.loads(command("new", what, "sub/mine", "--json").stdout)
    assert {*made["files"]} == {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    path = folder / "sub/mine.yaml"
    text = path.read_text(encoding="utf-8")
    assert text.splitlines()[0] == f"# yaml-language-server: $schema={what}.schema.json"
    assert "NAME" not in text
    schema = json.loads((folder / "sub" / f"{what}.schema.json").read_text(encoding="utf-8"))
    assert schema == json.loads(command("schema", what).stdout)
    validator = jsonschema.Draft202012Validator(schema)
    for shown in (text, *options_of(text)):
        path.write_text(shown, encoding="utf-8")
        LOAD[what](path)
        data = read_yaml(path, error=HermesSimError).data
        assert [error.message for error in validator.iter_errors(data)] == []
        assert not validator.is_valid({**data, "colour": "red"})


def options_of(text):
    """The file with each thing that it shows behind a #, in place of what it says of the same key."""
    found = list(OPTION.finditer(text))
    assert len(found) >= 2
    for one in found:
        shown = one.group(1) + one.group(2).replace("#   ", "  ")
        key = shown.partition(":")[0]
        yield re.sub(rf"^{key}:.*\n", "", text, flags=re.MULTILINE) + shown


def test_nothing_is_written_over(command, folder):
    assert command("new", "data", "mine").returncode == 0
    before = {path: path.read_bytes() for path in folder.iterdir()}
    for what, name in (("data", "mine"), ("chip", "mine.yaml"), ("chip", "no name"), ("chip", ""), ("chop", "other")):
        done = command("new", what, name)
        assert (done.returncode, done.stdout) == (2, "")
        assert "Traceback" not in done.stderr
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    (folder / "mine.yaml").unlink()
    assert command("new", "data", "mine").returncode == 2  # its archive is still there


def test_a_folder_that_cannot_be_written_is_one_error(command, folder):
    (folder / "file").write_text("", encoding="utf-8")
    done = command("new", "chip", "file/mine")
    assert done.returncode == 2
    assert done.stderr.startswith("OutputError")
