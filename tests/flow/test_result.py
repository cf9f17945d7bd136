"""The result document: typed, frozen, and as its published schema says."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError

import jsonschema
import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from hermes_sim.api import Result, simulate
from hermes_sim.cli.app import app
from hermes_sim.errors import DataError
from hermes_sim.flow import Simulated
from hermes_sim.result import Metrics

RUNS = {
    "kernel ridge with accuracy": ("hermes_64", "kernel_ridge_digits", "--inferences", "20"),
    "attention": ("hermes_64", "performer_imdb_attention_layer", "--mapping", "spread", "--inferences", "1"),
    "a network without accuracy": ("hermes_64", "resnet9_cifar10", "--inferences", "1", "--mapping", "packed"),
    "two baselines and intervals": (
        "hermes_64_hetero", "kernel_ridge_skin", "--inferences", "4", "--no-accuracy", "--uncertainty", "2",
        "--baseline", "a100", "--baseline", "systolic_same_area",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def validator():
    found = CliRunner().invoke(app, ["schema", "result"])
    assert found.exit_code == 0, found.output
    schema = json.loads(found.output)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.fixture(scope="module")
def result():
    return simulate("hermes_64", "kernel_ridge_digits", inferences=3, accuracy=False, uncertainty=2)


@pytest.mark.parametrize("name", RUNS)
def test_metrics_are_as_the_schema_says(name, validator, tmp_path):
    words = ["run", *RUNS[name], "--out", str(tmp_path / "out"), "--json"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    text = (tmp_path / "out" / "metrics.json").read_text()
    document = json.loads(text)
    assert [error.message for error in validator.iter_errors(document)] == []
    assert document == json.loads(done.stdout)
    assert document["schema_version"] == 2
    assert (document["accuracy"] is None) == isinstance(document["accuracy_missing"], str)
    assert ("uncertainty" in document) == (name in ("kernel ridge with accuracy", "two baselines and intervals"))
    assert Metrics.read(tmp_path / "out" / "metrics.json").to_json() == text


@pytest.mark.parametrize(
    ("change", "where", "got"),
    [
        ({"schema_version": 1}, "schema_version", "1, written by hermes_sim"),
        ({"schema_version": 3, "of_tomorrow": 1}, "schema_version", "3, written by hermes_sim"),
        ({"latency_ns": "long"}, "latency_ns", "number"),
        ({"schema_version": None}, "schema_version", "None"),
    ],
)
def test_results_of_another_version_are_refused_in_one_clear_message(result, tmp_path, change, where, got):
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps(result.metrics.to_dict() | change))
    with pytest.raises(DataError, match=where) as caught:
        Metrics.read(path)
    assert got in str(caught.value.got)


@pytest.mark.parametrize("text", ["", "[]", "{}", "no JSON"])
def test_what_is_no_result_is_refused(tmp_path, text):
    path = tmp_path / "metrics.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"metrics\.json"):
        Metrics.read(path)


def test_the_schema_refuses_what_is_no_result(validator, result):
    document = result.metrics.to_dict()
    assert validator.is_valid(document)
    for name, value in (("latency_ns", "4 us"), ("schema_version", 1), ("latency_us", 4.0), ("baselines", None)):
        assert not validator.is_valid({**document, name: value}), name
    del document["bottleneck"]
    assert not validator.is_valid(document)


def test_every_field_of_the_document_is_described_or_named_with_its_unit(validator):
    properties = validator.schema["properties"]
    assert properties["latency_ns"]["description"]
    bare = [name for name, field in properties.items() if "description" not in field and "$ref" not in field]
    assert set(bare) <= {"hermes_sim_version", "accuracy", "baselines", "ratio_factors", "uncertainty"}


def test_nothing_is_written_into_a_result(result):
    with pytest.raises(ValidationError):
        result.metrics.latency_ns = 0.0
    with pytest.raises(ValidationError):
        result.metrics.inputs.seed = 1
    with pytest.raises(FrozenInstanceError):
        result.metrics = None
    result.document["latency_ns"] = 0.0
    assert result.metrics.latency_ns > 0
    assert result.metrics.to_dict()["latency_ns"] == result.metrics.latency_ns


def test_what_a_later_stage_finds_is_a_new_document(result):
    before = result.metrics.to_dict()
    after = result.metrics.with_entries(wall_time_s=9.0, baselines=[])
    assert result.metrics.to_dict() == before
    assert after.to_dict() == {**before, "wall_time_s": 9.0, "baselines": []}
    with pytest.raises(ValidationError, match="latency"):
        result.metrics.with_entries(latency=1.0)


def test_what_was_not_looked_at_is_not_in_the_document(result):
    bare = simulate("hermes_64", "kernel_ridge_digits", inferences=3, accuracy=False)
    assert "uncertainty" not in bare.document
    assert "uncertainty" in result.document
    assert all("measured" not in row for row in bare.document["baselines"])


def test_the_accuracy_tells_every_draw_and_the_error_of_the_paired_drop():
    accuracy = simulate("hermes_64", "kernel_ridge_digits", inferences=1, baselines=()).metrics.accuracy
    assert accuracy.draws == accuracy.seeds == len(accuracy.per_draw) >= 5
    assert tuple(draw.simulated for draw in accuracy.per_draw) == accuracy.simulated_values
    assert tuple(draw.digital_fp32 for draw in accuracy.per_draw) == accuracy.digital_values
    drops = [100 * (draw.digital_fp32 - draw.simulated) for draw in accuracy.per_draw]
    mean = sum(drops) / len(drops)
    assert accuracy.drop_pp == pytest.approx(mean)
    variance = sum((drop - mean) ** 2 for drop in drops) / (len(drops) - 1)
    assert accuracy.paired_se_pp == pytest.approx((variance / len(drops)) ** 0.5)
    assert accuracy.read_mode == accuracy.settings["read_mode"]


def test_a_result_is_what_reports_read_and_writes_its_own(result, tmp_path):
    assert isinstance(result, Result)
    assert isinstance(result, Simulated)
    assert (result.report(tmp_path / "out") / "metrics.json").read_text() == result.metrics.to_json()
