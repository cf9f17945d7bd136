"""Errors for machines: one document with a stable code, on standard output where --json was asked for."""

from __future__ import annotations

import importlib.util
import json
import pkgutil
import re
from pathlib import Path

import jsonschema
import pytest

import hermes_sim
from hermes_sim.errors import HermesSimError, MappingInfeasible

PAGE = Path(__file__).parents[2] / "docs/machines.md"
# Others go by these: a class may get a new name, its code stays; a code is never used again for something else.
CODES = {
    "HermesSimError": "bad_input",
    "FieldError": "bad_field",
    "QuantityError": "bad_quantity",
    "ArchConfigError": "bad_chip",
    "BaselineError": "bad_baseline",
    "WorkloadError": "bad_workload",
    "ComparisonError": "bad_comparison",
    "MappingError": "bad_mapping",
    "MappingInfeasible": "does_not_fit",
    "ProgramError": "bad_program",
    "EngineError": "run_failed",
    "DeadlockError": "deadlock",
    "DeviceModelError": "bad_device",
    "DataError": "bad_data",
    "ExtensionError": "bad_extension",
    "OutputError": "bad_output",
    "StudyError": "bad_study",
    "StoreError": "bad_store",
    "UnknownQuantity": "unknown_quantity",
}


def classes():
    """Every error class of the package, wherever it is."""
    root = Path(hermes_sim.__file__).parent
    for found in pkgutil.walk_packages([str(root)], "hermes_sim."):
        path = root.parent / found.name.replace(".", "/")
        source = path.with_suffix(".py") if path.with_suffix(".py").is_file() else path / "__init__.py"
        if re.search(r"^class \w+\(\w*(?:Error|Infeasible)\b", source.read_text(encoding="utf-8"), re.MULTILINE):
            importlib.import_module(found.name)
    waiting, seen = [HermesSimError], []
    while waiting:
        one = waiting.pop()
        seen.append(one)
        waiting += one.__subclasses__()
    return [one for one in seen if one.__module__.startswith("hermes_sim.")]


def test_every_error_has_a_code_of_its_own_that_never_changes():
    found = {one.__name__: one.__dict__.get("code") for one in classes()}
    assert found == CODES
    assert len(set(CODES.values())) == len(CODES)


def test_the_page_lists_every_code():
    errors = PAGE.read_text(encoding="utf-8").partition("## Errors")[2].partition("\n## ")[0]
    listed = dict(re.findall(r"^\| `(\w+)` \| `(\w+)` \|", errors, flags=re.MULTILINE))
    assert listed == {code: name for name, code in CODES.items()} | {"bad_usage": "UsageError"}


@pytest.mark.parametrize(
    ("arguments", "code", "got"),
    [
        (("run", "hermes_46", "kernel_ridge_digits"), "bad_chip", "no such file"),
        (("run", "hermes_64", "kernel_ridge_digits", "--set", "core.rowz=5"), "bad_chip", "core.rowz"),
        (("run", "hermes_64", "kernel_ridge_digits", "--set", "core.rows"), "bad_input", "FIELD=VALUE"),
        (("accuracy", "nothing"), "bad_data", "no such data set"),
        (("sweep", "show", "gone"), "bad_store", None),
        (("explain",), "bad_usage", None),
        (("run", "hermes_64", "--inferences", "x", "kernel_ridge_digits"), "bad_usage", None),
    ],
)
def test_with_json_an_error_is_one_document_as_the_schema_says(command, arguments, code, got, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = command(*arguments, "--json")
    assert done.returncode == 2
    document = json.loads(done.stdout)
    schema = json.loads(command("schema", "error").stdout)
    jsonschema.validate(document, schema, cls=jsonschema.Draft202012Validator)
    assert document["error"]["code"] == code
    if got is not None:
        assert got in json.dumps(document["error"])
        assert document["error"]["where"] in done.stderr  # people are told the same
    assert command(*arguments).stdout == ""


@pytest.mark.parametrize(
    ("arguments", "got"),
    [
        (("explain",), "Missing argument 'quantity'"),
        (("run", "hermes_64", "kernel_ridge_digits", "--inferencez", "3"), "No such option: --inferencez"),
        (("run", "hermes_64", "--inferences", "x", "kernel_ridge_digits"), "Invalid value for '--inferences'"),
    ],
)
def test_with_json_a_bad_command_line_says_what_is_wrong_with_it(command, arguments, got):
    assert got in json.loads(command(*arguments, "--json").stdout)["error"]["got"]


def test_a_server_without_its_package_says_what_to_install(command, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    done = command("serve", "mcp")
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install 'hermes-sim[mcp]'" in done.stderr


def test_what_does_not_fit_says_by_how_much(command):
    error = MappingInfeasible("here", demand=9, capacity=4, unit="cells", levers=["more cores"])
    record = error.record()
    assert (record["code"], record["gap"], record["levers"]) == ("does_not_fit", 5, ["more cores"])
    jsonschema.validate({"error": record}, json.loads(command("schema", "error").stdout))
