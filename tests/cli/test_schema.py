"""`hermes-sim schema`: every shipped file is as its published schema says, and what is wrong is not."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import jsonschema
import pytest
from typer.testing import CliRunner

from hermes_sim.cli.app import app
from hermes_sim.cli.documents import documents
from hermes_sim.config.files import read_yaml
from hermes_sim.errors import HermesSimError

ROOT = Path(__file__).parents[2]
FILES = {
    "chip": sorted(ROOT.glob("arch_configs/*.yaml")),
    "workload": sorted(ROOT.glob("workloads/*.yaml")),
    "baseline": sorted(ROOT.glob("arch_configs/baselines/*.yaml")),
    "study": sorted(ROOT.glob("reports/*study_*/study.yaml")),
    "comparison": sorted(ROOT.glob("reports/comparison*/study.yaml")),
    "data": sorted(ROOT.glob("datasets/**/*.yaml")),
}


def validator_of(what):
    found = CliRunner().invoke(app, ["schema", what])
    assert found.exit_code == 0, found.output
    schema = json.loads(found.stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["title"] == f"hermes_sim {what}"
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("what", FILES)
def test_shipped_files_are_as_their_schema_says(what):
    validator, paths = validator_of(what), FILES[what]
    assert paths
    for path in paths:
        data = read_yaml(path, error=HermesSimError).data
        assert [error.message for error in validator.iter_errors(data)] == [], path.name


def test_every_shipped_study_is_checked():
    assert {*FILES["study"], *FILES["comparison"]} == set(ROOT.glob("reports/*/study.yaml"))


def test_mapping_files_are_as_their_schema_says(tmp_path):
    """The one that docs/mapping.md shows, and one that `map --export` writes."""
    validator, path = validator_of("mapping"), tmp_path / "m.yaml"
    arguments = ["map", "hermes_64", "kernel_ridge_digits", "--strategy", "balanced", "--export", str(path)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    exported = path.read_text(encoding="utf-8")
    page = (ROOT / "docs/mapping.md").read_text(encoding="utf-8")
    shown = dedent("    schema_version:" + page.partition("    schema_version:")[2].partition("\n\n")[0])
    for text in (exported, shown):
        path.write_text(text, encoding="utf-8")
        data = read_yaml(path, error=HermesSimError).data
        assert data["blocks"]
        assert [error.message for error in validator.iter_errors(data)] == []
        assert not validator.is_valid({**data, "strategy": "tight"})
        assert not validator.is_valid({**data, "blocks": [{"core": 1}]})


def test_the_command_and_the_page_name_every_schema():
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    told = page.partition("`hermes-sim schema NAME` prints")[2].partition("\n\n")[0]
    helped = CliRunner().invoke(app, ["schema", "--help"]).output
    for what in (*FILES, "mapping", "result", "error"):
        assert f"`{what}`" in told
        assert what in helped
    found = CliRunner().invoke(app, ["schema", "nothing"])
    assert set(found.exception.allowed.split(", ")) == {*FILES, "mapping", "result", "error", *documents()}


def test_what_no_loader_takes_the_schema_does_not_take():
    validator = validator_of("chip")
    chip = read_yaml(ROOT / "arch_configs/hermes_64.yaml", error=HermesSimError).data
    assert validator.is_valid(chip)
    rows = chip["core"]["rows"]
    for bad in ({**rows, "kind": "guessed"}, {"value": 256, "unit": "count"}, {**rows, "colour": "red"}, 256):
        assert not validator.is_valid({**chip, "core": {**chip["core"], "rows": bad}}), bad
    assert not validator.is_valid({**chip, "pins": 4})
    mine = read_yaml(ROOT / "arch_configs/rram_64.yaml", error=HermesSimError).data
    assert validator.is_valid(mine)  # says only what differs from the chip that it extends
    for bad in ({"pins": 4}, {"core": {"rows": 256}}, {"core": {"rowz": rows}}, {"read_mode": "five_phase"}):
        assert not validator.is_valid({**mine, **bad}), bad
    assert not validator.is_valid({name: value for name, value in mine.items() if name != "extends"})
    workload = validator_of("workload")
    assert not workload.is_valid({"schema_version": 1, "kind": "quantum"})


def test_an_unknown_name_is_one_clear_error():
    found = CliRunner().invoke(app, ["schema", "resutl"])
    assert isinstance(found.exception, HermesSimError)
    assert "did you mean 'result'?" in str(found.exception)
