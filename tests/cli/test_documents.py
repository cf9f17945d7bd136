"""What commands print with --json is as their published schema says: no key more, no key less."""

from __future__ import annotations

import importlib.util
import json
from functools import partial
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
import typer
from pydantic import ValidationError
from sklearn.datasets import load_breast_cancer

from hermes_sim.cli.app import app
from hermes_sim.cli.documents import documents
from hermes_sim.cli.documents.accuracies import TrainDocument
from hermes_sim.cli.documents.lists import NewDocument
from hermes_sim.cli.schema_commands import schema_of
from hermes_sim.validation import engines
from hermes_sim.validation.measurements import COLUMNS

from .conftest import hermes_sim

ROOT = Path(__file__).parents[2]
RIDGE = ("hermes_64", "kernel_ridge_digits")
STUDY = """\
schema_version: 1
name: small
description: a study of milliseconds
arch: hermes_64
workload: peak_mvm
parameters: {arch.core.ldpu.lanes: [4, 8], inferences: [1, 2]}
objectives: {makespan_ns: minimize}
scenarios: [inferences]
findings: [{question: Fewest lanes, column: makespan_ns, goal: minimize, knob: arch.core.ldpu.lanes, within: 0.1}]
"""
MEASURED = (
    "--measurements", "measured.csv", "--data-dir", ".", "--store", "cells", "--seeds", "2", "--chip-model",
    "calibrated_counts",
)  # fmt: skip
SWEEP = ("study.yaml", "--store", "store", "--workers", "0")

CASES = {
    "run": [(*RIDGE, "--inferences", "2", "--uncertainty", "2", "--no-accuracy")],
    "list": [()],
    "show": [("hermes_64_hetero",), (RIDGE[1],), ("a100",)],
    "map": [(*RIDGE,), (*RIDGE, "--strategy", "packed", "--compare", "spread")],
    "trace": [(*RIDGE, "--out", "timeline.json")],
    "load": [(*RIDGE, "--requests", "20"), (*RIDGE, "--arrivals", "arrivals.csv")],
    "explain": [("latency", *RIDGE), ("latency", *RIDGE, "--list")],
    "compare": [
        ("hermes_64", "--workload", RIDGE[1], "--baseline", "a100", "--crossover", "inferences", "--from", "1",
         "--to", "2"),
        ("hermes_64", "hermes_64_hetero", "--workload", RIDGE[1], "--baseline", "none", "--inferences", "1"),
    ],
    "reproduce": [("peak", "--out", "made")],
    "accuracy": [("digits", "--seeds", "1")],
    "drift": [("digits", "--seeds", "1", "--times", "1h")],
    "fit": [
        (*MEASURED, "--iterations", "1", "--accuracy"),
        (*MEASURED, "--profile", "--parameter", "accuracy_noise", "--parameter", "read_mode"),
    ],
    "new": [("data", "mine")],
    "partition": [("hermes_64_hetero", "mlp_digits", "--max-drop", "5", "--draws", "1", "--samples", "40")],
    "train": [("mlp_digits", "--out", "weights.npz", "--minutes", "0.02")],
    "baseline list": [()],
    "baseline run": [("a100", RIDGE[1])],
    "baseline systolic": [("--array", "8x8", "--gemm", "16x8x8")],
    "data list": [()],
    "data get": [("letter", "digits")],
    "sweep run": [SWEEP],
    "sweep resume": [("store", "--workers", "0")],
    "sweep show": [("store",)],
    "sweep best": [("store",)],
    "sweep compare": [("store", "store")],
    "validate chip": [()],
    "validate engines": [()],
    "validate baselines": [()],
    "validate device": [("--samples", "1000")],
    "validate accuracy": [MEASURED],
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the small inputs of all cases, and the store of a study."""
    made = tmp_path_factory.mktemp("documents")
    (made / "arrivals.csv").write_text("release_ns\n0\n5000\n9000\n", encoding="utf-8")
    cancer = load_breast_cancer()
    for name in ("one", "two"):
        np.savez(made / f"{name}.npz", X=cancer.data[:120, :6], y=cancer.target[:120])
        (made / f"{name}.yaml").write_text(
            "target: {positive: [1]}\nnormalise: {kind: zscore, ddof: 1, fit: all}\nsplit: {kind: random_half}\n",
            encoding="utf-8",
        )
    rows = [
        (name, "rff", "rbf", 2.0, platform, metric, value)
        for name in ("one", "two")
        for metric, values in (("approx_error", (0.2, 0.22, 0.21)), ("accuracy", (0.9, 0.92, 0.91)))
        for platform in ("chip", "fp32")
        for value in values
    ]
    pd.DataFrame(rows, columns=COLUMNS).to_csv(made / "measured.csv", index=False)
    (made / "study.yaml").write_text(STUDY, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        assert hermes_sim("sweep", *SWEEP).returncode == 0
    return made


def printing_json(command=None, path=""):
    """Commands with an option --json."""
    command = command or typer.main.get_command(app)
    inner = getattr(command, "commands", {})
    if not inner and any("--json" in param.opts for param in command.params):
        yield path
    for name, one in inner.items():
        yield from printing_json(one, f"{path} {name}".strip())


def test_every_command_with_json_has_a_document_and_a_case():
    assert set(printing_json()) == set(documents()) == set(CASES)


@pytest.mark.parametrize("command", CASES)
def test_a_document_is_as_its_schema_says(command, folder, monkeypatch):
    if command == "train" and importlib.util.find_spec("torch") is None:
        pytest.skip("needs torch")
    monkeypatch.chdir(folder)
    quick = partial(engines.validate_engines, workloads=["peak_mvm"], max_firings=1000)
    monkeypatch.setattr(engines, "validate_engines", quick)
    validator = jsonschema.Draft202012Validator(schema_of(command))
    validator.check_schema(validator.schema)
    for arguments in CASES[command]:
        done = hermes_sim(*command.split(), *arguments, "--json")
        assert done.returncode in (0, 1), done.stderr  # 1: a check of validate, on so few samples
        document = json.loads(done.stdout)
        assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)] == []
        assert document["schema_version"] == (2 if command == "run" else 1)
        assert not validator.is_valid({**document, "one_more": 1})
        for key in document:
            if key in required(validator.schema):
                assert not validator.is_valid({name: value for name, value in document.items() if name != key}), key


def required(schema):
    """Keys that every document has."""
    either = [schema["$defs"][one["$ref"].rpartition("/")[2]] for one in schema.get("anyOf", ())]
    return set.intersection(*(set(one["required"]) for one in either or [schema]))


@pytest.mark.parametrize("command", documents())
def test_every_record_is_closed(command):
    """Whatever has named fields has no others."""
    schema = schema_of(command)
    for name, part in {**schema["$defs"], command: schema}.items():
        if "properties" in part:
            assert part["additionalProperties"] is False, name


def test_a_document_takes_no_key_that_its_schema_has_not():
    with pytest.raises(ValidationError, match="paths"):
        NewDocument.model_validate({"paths": ["a"], "files": ["b"]})


@pytest.mark.parametrize("path", sorted(ROOT.glob("workloads/weights/*.json")), ids=lambda path: path.stem)
def test_records_beside_shipped_weights_are_what_train_prints(path):
    record = json.loads(path.read_text(encoding="utf-8"))
    record.pop("note", None)  # by hand
    assert set(TrainDocument.model_validate(record).to_dict()) == {*record, "schema_version"}
