"""One seed, one mapping, whatever command or study asks for it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from hermes_sim import flow
from hermes_sim.api import simulate
from hermes_sim.cli.app import app
from hermes_sim.comparison import crossover
from hermes_sim.explore import bounds
from hermes_sim.explore.point import DesignPoint, evaluate, plain_values, point_key
from hermes_sim.mapping.mapping import DEFAULT_MAPPING, Strategy, uses_seed
from hermes_sim.mapping.place import map_graph
from hermes_sim.workload.load import build_graph, load_workload

NAME = "resnet9_cifar10"


def blocks_of(chip, seed):
    return map_graph(build_graph(load_workload(NAME)), chip, "local", seed=seed).blocks


def test_the_api_places_by_the_seed(hermes):
    for seed in (0, 1):
        placed = simulate(hermes, NAME, mapping="local", seed=seed, accuracy=False, inferences=1, baselines=()).mapping
        assert placed.blocks == blocks_of(hermes, seed)
    assert blocks_of(hermes, 0) != blocks_of(hermes, 1)


def test_map_and_run_show_the_same_mapping(tmp_path, hermes):
    runner = CliRunner()
    shown = runner.invoke(app, ["map", "hermes_64", NAME, "--strategy", "local", "--seed", "1", "--json"])
    layers = {layer["layer"]: layer["regions"] for layer in json.loads(shown.output)["layers"]}
    placed = simulate("hermes_64", NAME, mapping="local", seed=1, accuracy=False, inferences=1, baselines=()).mapping
    for name, regions in layers.items():
        mine = sorted(block for block in placed.blocks if block.matrix == name)
        assert [8 * region["cluster"] + region["core"] for region in regions] == [block.core for block in mine]


@pytest.fixture
def seen(monkeypatch):
    """Seeds that mappings were asked for."""
    seeds = []

    def spy(*arguments, seed=0):
        seeds.append(seed)
        return map_graph(*arguments, seed=seed)

    monkeypatch.setattr(flow, "map_graph", spy)
    return seeds


POINT = DesignPoint("hermes_64", "kernel_ridge_skin", mapping="local", inferences=2, seed=5)


def test_a_design_point_places_by_its_seed(seen):
    assert evaluate(POINT, key="k")["status"] == "done"
    assert seen == [5]


def test_the_bound_of_a_design_point_is_that_of_its_mapping(seen):
    bounds.optimistic_results(POINT, {"latency_ns": None})
    assert seen == [5]


def test_a_crossover_places_by_its_seed(seen):
    crossover.find_crossovers(
        "hermes_64", "kernel_ridge_skin", ["a100"], axis="inferences", low=1, high=2, mapping="local", seed=7
    )
    assert set(seen) == {7}


@pytest.mark.parametrize(
    "command",
    [
        ["explain", "latency", "hermes_64", "kernel_ridge_skin"],
        ["load", "hermes_64", "kernel_ridge_skin", "--requests", "20"],
        ["trace", "hermes_64", "kernel_ridge_skin"],
    ],
)
def test_commands_hand_their_seed_on(command, seen, tmp_path):
    out = ["--out", str(tmp_path / "t.json")] if command[0] == "trace" else []
    result = CliRunner().invoke(app, [*command, "--seed", "3", "--mapping", "local", "--json", *out])
    assert result.exit_code == 0, result.output
    assert seen == [3]  # once: a curve over the load is of one mapping


def key_of(point):
    return point_key(point, plain_values(point.chip()), plain_values(point.work()))


@pytest.mark.parametrize(
    ("mapping", "counts"), [("packed", False), ("spread", False), ("balanced", True), ("local", True)]
)
def test_the_key_of_a_point_counts_the_seed_where_the_mapping_uses_it(mapping, counts):
    point = replace(POINT, mapping=mapping)
    assert (key_of(point) != key_of(replace(point, seed=6))) is counts
    assert key_of(replace(point, accuracy=True)) != key_of(replace(point, accuracy=True, seed=6))


def test_the_key_of_a_point_counts_what_a_mapping_file_says(tmp_path):
    path = tmp_path / "own.yaml"
    point = replace(POINT, mapping=str(path))
    keys = set()
    for strategy in ("packed", "local"):
        path.write_text(f"schema_version: 1\nkind: mapping\nstrategy: {strategy}\n")
        keys |= {key_of(point), key_of(replace(point, seed=6))}
    assert len(keys) == 4
    other = tmp_path / "other.yaml"
    other.write_text(path.read_text())
    assert key_of(replace(POINT, mapping=str(other))) in keys  # the same mapping under another name


def test_strategies_that_use_the_seed():
    assert {name for name in (*Strategy, "own.yaml", "own.yml", "published.json") if uses_seed(name)} == {
        "balanced", "local", "own.yaml", "own.yml",
    }  # fmt: skip
    assert DEFAULT_MAPPING == "balanced"
