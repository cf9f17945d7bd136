"""`hermes-sim map` from outside."""

import json

import pytest
from typer.testing import CliRunner

from hermes_sim.cli.app import app
from hermes_sim.errors import HermesSimError, MappingError

PACKED = ("hermes_64", "performer_imdb_full", "--strategy", "packed")


def run(*args):
    result = CliRunner().invoke(app, ["map", *(str(arg) for arg in args)])
    if isinstance(result.exception, HermesSimError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_document_has_regions_and_totals():
    document = json.loads(run(*PACKED, "--json"))
    assert set(document["totals"]) >= {
        "cores_used", "cells_used", "occupancy", "pieces", "bytes_hops_per_inference",
    }  # fmt: skip
    assert document["totals"]["cells_used"] == 90_368
    assert document["totals"]["pieces"] == sum(len(layer["regions"]) for layer in document["layers"])
    assert document["programming"]["time_ms"] > 0


def test_export_and_import_agree(tmp_path):
    for suffix in ("json", "yaml"):
        path = tmp_path / f"p.{suffix}"
        first = json.loads(run(*PACKED, "--export", path, "--json"))
        again = json.loads(run("hermes_64", "performer_imdb_full", "--import", path, "--json"))
        assert [layer["regions"] for layer in first["layers"]] == [layer["regions"] for layer in again["layers"]]
        assert first["totals"] == again["totals"] or suffix == "json"  # units are not in the published format


def test_file_without_its_workload(tmp_path):
    path = tmp_path / "p.json"
    run(*PACKED, "--export", path)
    document = json.loads(run("hermes_64", "--import", path, "--json"))
    assert document["totals"]["cells_used"] == 90_368
    assert document["layers"][0]["layer"].startswith("encoder.encoder.layers.0")


def test_side_by_side_and_picture(tmp_path):
    args = ("hermes_64", "kernel_ridge_digits", "--strategy", "packed", "--compare", "spread", "--inferences", 2)
    text = run(*args, "--picture", tmp_path / "p.svg")
    assert "Side by side" in text
    assert (tmp_path / "p.svg").read_text().startswith("<svg")
    rows = json.loads(run(*args, "--json"))["comparison"]
    assert [row["mapping"] for row in rows] == ["packed", "spread"]
    assert rows[1]["latency_us"] < rows[0]["latency_us"]
    for row in rows:
        assert row["utilization"] == max(row["busiest"].values())


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("hermes_64",), "WORKLOAD"),
        (("hermes_64", "kernel_ridge_digits", "--strategy", "best"), "packed, spread, balanced, local"),
        (
            ("hermes_64", "kernel_ridge_digits", "--import", "p.json", "--strategy", "packed"),
            "packed beside --import p.json",
        ),
        (("hermes_64", "--import", "p.json", "--strategy", "balanced"), "balanced beside --import p.json"),
        (("hermes_64", "kernel_ridge_digits", "--export", "p.txt"), ".json"),
        (("hermes_64", "--import", "p.yaml"), "name its workload, too"),
        (("hermes_64", "kernel_ridge_digits", "--picture", "p.png"), ".svg"),
    ],
)
def test_bad_use_is_one_clear_error(args, message):
    with pytest.raises(HermesSimError, match=message.replace(".", r"\.")):
        run(*args)


@pytest.mark.parametrize("name", ["none.json", "none.yaml"])
@pytest.mark.parametrize(
    "args",
    [
        ("map", "hermes_64", "kernel_ridge_digits", "--import"),
        ("map", "hermes_64", "kernel_ridge_digits", "--strategy"),
        ("map", "hermes_64", "kernel_ridge_digits", "--compare"),
        ("run", "hermes_64", "kernel_ridge_digits", "--mapping"),
    ],
)
def test_a_missing_mapping_file_is_one_message_wherever_it_is_named(args, name):
    result = CliRunner().invoke(app, [*args, name])
    assert isinstance(result.exception, MappingError)
    words = "got      no such file\n  allowed  a mapping file (.json as published, .yaml of our own)"
    assert str(result.exception) == f"MappingError: {name}\n  {words}"


def test_a_missing_published_file_without_its_workload(tmp_path):
    with pytest.raises(MappingError, match="got      no such file\n  allowed  a mapping file"):
        run("hermes_64", "--import", tmp_path / "none.json")


def test_a_file_that_leaves_nothing_to_a_strategy_must_hold_everything(tmp_path):
    path = tmp_path / "rows.yaml"
    path.write_text("schema_version: 1\nkind: mapping\nstrategy: none\nblocks: []\n")
    with pytest.raises(MappingError, match=r"rows\.yaml, line 4: blocks\n  got      W .* not placed"):
        run("hermes_64", "kernel_ridge_digits", "--import", path)
