"""`hermes-sim schema`: every shipped file is as its published schema says, and what is wrong is not."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner

from hermes_sim.cli.app import app
from hermes_sim.config.files import read_yaml
from hermes_sim.errors import HermesSimError

ROOT = Path(__file__).parents[2]
FILES = {
    "chip": sorted(ROOT.glob("arch_configs/*.yaml")),
    "workload": sorted(ROOT.glob("workloads/*.yaml")),
    "baseline": sorted(ROOT.glob("arch_configs/baselines/*.yaml")),
    "study": sorted(ROOT.glob("reports/study_*/study.yaml")),
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


def test_what_no_loader_takes_the_schema_does_not_take():
    validator = validator_of("chip")
    chip = read_yaml(ROOT / "arch_configs/hermes_64.yaml", error=HermesSimError).data
    assert validator.is_valid(chip)
    rows = chip["core"]["rows"]
    for bad in ({**rows, "kind": "guessed"}, {"value": 256, "unit": "count"}, {**rows, "colour": "red"}, 256):
        assert not validator.is_valid({**chip, "core": {**chip["core"], "rows": bad}}), bad
    assert not validator.is_valid({**chip, "pins": 4})
    workload = validator_of("workload")
    assert not workload.is_valid({"schema_version": 1, "kind": "quantum"})


def test_an_unknown_name_is_one_clear_error():
    found = CliRunner().invoke(app, ["schema", "resutl"])
    assert isinstance(found.exception, HermesSimError)
    assert "did you mean 'result'?" in str(found.exception)
