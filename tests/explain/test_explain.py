"""Explanations: parts give the whole, every config value has its line, unknown quantities name the nearest."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from hermes_sim.api import simulate
from hermes_sim.chip.load import load_arch
from hermes_sim.errors import EngineError
from hermes_sim.explain.quantities import UnknownQuantity, explain, quantity_names
from hermes_sim.explain.rates import _time_left_ps
from hermes_sim.explain.tree import Rule, TreeNode, count, product, total

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def small():
    return simulate("hermes_64", "kernel_ridge_digits", inferences=20, accuracy=False)


@pytest.fixture(scope="module", params=["hermes_64 kernel_ridge_digits", "hermes_64_hetero performer_pathfinder_full",
                                        "hermes_64 lstm_ptb"])  # fmt: skip
def result(request):
    arch, workload = request.param.split()
    return simulate(arch, workload, inferences=2, accuracy=False)


def test_every_sum_and_product_is_exact(result):
    names = quantity_names(result)
    for name in (*names[:10], *names[10::9]):
        for node in explain(result, name).walk():
            assert node.is_exact, f"{name}: {node.name}"


def test_the_latency_adds_up_to_the_picosecond(result):
    node = explain(result, "latency")
    assert node.value == result.runs.one.record.makespan_ps
    stages = [stage for operator in node.parts for stage in (operator.parts or (operator,))]
    assert sum(part.value for part in node.parts) == node.value
    assert stages


@pytest.mark.parametrize(
    ("quantity", "key"),
    [
        ("throughput", "throughput_inferences_per_s"),
        ("power", "power_w"),
        ("tops", "tops"),
        ("tops_per_w", "tops_per_w"),
    ],
)
def test_values_are_those_of_the_document(result, quantity, key):
    assert explain(result, quantity).value == pytest.approx(result.document[key], rel=1e-9)


def test_energies_are_those_of_the_document(result):
    energy, n = result.document["energy_pj"], result.document["inputs"]["inferences"]
    assert explain(result, "energy").value == pytest.approx(energy["per_inference"], rel=1e-9)
    assert explain(result, "energy.static").value == pytest.approx(energy["static"] / n, rel=1e-9)
    assert explain(result, "energy.dynamic").value == pytest.approx(energy["dynamic"] / n, rel=1e-9)
    for key in ("by_component", "by_operator"):
        for name, pj in list(energy[key].items())[::5]:
            if pj:
                assert explain(result, f"energy.{name}").value == pytest.approx(pj / n, rel=1e-9)


def test_ratios_are_those_of_the_document(small):
    row = next(r for r in small.document["baselines"] if (r["precision"], r["batch"]) == ("int8", 20))
    assert explain(small, "ratio.a100.int8").value == pytest.approx(row["energy_ratio"]["realistic"])
    node = explain(small, "latency_ratio.a100.int8.batch20.optimistic")
    assert node.value == pytest.approx(row["latency_ratio"]["optimistic"])
    assert all(node.is_exact for node in node.walk())


def test_area_is_that_of_the_chip(result):
    assert explain(result, "area").value == pytest.approx(result.chip.area_mm2)


def test_every_config_value_names_the_line_it_stands_in(result):
    for name in ("latency", "energy", "area"):
        leaves = [node for node in explain(result, name).walk() if node.rule is Rule.CONFIG]
        assert leaves
        for leaf in leaves:
            file, _, line = leaf.place.partition(", line ")
            assert not file.startswith("/")
            text = (ROOT / file).read_text(encoding="utf-8").splitlines()[int(line) - 1]
            assert leaf.name.rpartition(".")[2] in text
            assert leaf.kind
            assert leaf.source


def test_an_override_is_said_to_be_one():
    chip = load_arch("hermes_64", {"core.ldpu.group_time": "20 ns"})
    result = simulate(chip, "kernel_ridge_digits", inferences=2, accuracy=False, baselines=())
    node = explain(result, "latency", arch="hermes_64", overrides={"core.ldpu.group_time": "20 ns"})
    leaf = next(leaf for leaf in node.walk() if leaf.name == "core.ldpu.group_time")
    assert (leaf.place, leaf.value) == ("--set", 20_000)


def test_an_accelerator_of_the_users_own_is_explained_from_its_file(tmp_path):
    own = tmp_path / "own.yaml"
    text = (ROOT / "arch_configs/baselines/t4.yaml").read_text(encoding="utf-8")
    own.write_text(text.replace("name: t4", "name: own").replace("{value: 70, unit: W", "{value: 60, unit: W"), "utf-8")
    result = simulate("hermes_64", "kernel_ridge_digits", inferences=2, accuracy=False, baselines=(str(own),))
    assert "ratio.own.int8.batch2.realistic" in quantity_names(result)
    node = explain(result, "ratio.own.int8", baselines={"own": str(own)})
    row = next(r for r in result.document["baselines"] if (r["precision"], r["batch"]) == ("int8", 2))
    assert node.value == pytest.approx(row["energy_ratio"]["realistic"])
    leaf = next(leaf for leaf in node.walk() if leaf.name == "own: board_power")
    assert leaf.value == 60_000
    file, _, line = leaf.place.partition(", line ")
    assert "board_power" in Path(file).read_text(encoding="utf-8").splitlines()[int(line) - 1]


def test_an_unknown_quantity_names_the_nearest(small):
    with pytest.raises(UnknownQuantity, match=r"did you mean 'energy\.LDPU'"):
        explain(small, "energy.LDPUU")
    with pytest.raises(UnknownQuantity, match="did you mean 'latency'"):
        explain(small, "latenzy")
    with pytest.raises(UnknownQuantity, match=r"ratio\.BASELINE"):
        explain(small, "ratio.a100")


def test_a_record_is_plain_data(small):
    record = explain(small, "energy").record()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert math.fsum(part["value"] for part in record["parts"]) == pytest.approx(record["value"])


def test_nodes_know_when_they_do_not_add_up():
    parts = [count("a", 2.0), count("b", 3.0)]
    assert total("sum", "", parts).is_exact
    assert product("product", "", parts).value == 6.0
    assert not TreeNode("wrong", 7.0, "", Rule.SUM, tuple(parts)).is_exact
    assert not product("wrong", "", parts, value=7.0).is_exact
    assert total("one", "", parts[:1]).name == "one"


def test_idle_time_below_zero_is_an_error_and_rounding_is_not():
    assert _time_left_ps("core0", 100.0, 60.0) == 40.0
    assert _time_left_ps("core0", 1e12, 1e12 * (1 + 1e-13)) == 0.0
    with pytest.raises(EngineError, match="core0"):
        _time_left_ps("core0", 100.0, 100.001)
