"""Products kept off the crossbars: what the graph says, and what time, energy and baselines make of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hermes_sim.api import simulate
from hermes_sim.baselines.compare import compare_with
from hermes_sim.baselines.load import load_baselines
from hermes_sim.chip.load import load_arch
from hermes_sim.config.vocabulary import Function
from hermes_sim.errors import DataError, WorkloadError
from hermes_sim.workload.digital import keep_digital, products_named
from hermes_sim.workload.graph import GraphBuilder, LifeCycle, Matrix
from hermes_sim.workload.load import build_graph, load_workload

WORKLOADS = Path(__file__).parents[2] / "workloads"


def graph(life_cycle=None):
    made = GraphBuilder("g")
    made.product("a", Matrix("W", 6, 5), tokens=3, on_crossbar=True)
    made.product("b", Matrix("W", 6, 5), tokens=2, on_crossbar=True)
    made.product("c", Matrix("V", 5, 4), tokens=3, on_crossbar=True)
    made.product("d", Matrix("U", 4, 4), tokens=3, on_crossbar=False)
    made.connect("a", "c")
    return replace(made.build(), life_cycle=life_cycle)


def test_a_product_becomes_multiply_adds_of_all_its_weights():
    before, after = graph(), keep_digital(graph(), ["c"])
    op = after.operator("c")
    assert (op.on_crossbar, op.matrix, op.functions, op.weight_values, op.use) == (
        False, None, {Function.MAC: 20}, 20, "V",
    )  # fmt: skip
    assert (op.tokens, op.in_values, op.out_values, op.kind) == (3, 5, 4, before.operator("c").kind)
    assert [matrix.name for matrix in after.matrices] == ["W"]
    assert after.ops == before.ops
    assert after.edges == before.edges
    assert after.operator("a") == before.operator("a")


def test_a_matrix_stays_as_long_as_one_operator_uses_it():
    one, both = keep_digital(graph(), ["a"]), keep_digital(graph(), ["a", "b", "d"])
    assert [matrix.name for matrix in one.matrices] == ["W", "V"]
    assert [matrix.name for matrix in both.matrices] == ["V"]
    assert both.operator("d") == graph().operator("d")
    assert one.life_cycle is None


def test_nothing_is_redrawn_that_is_not_on_a_core():
    left = keep_digital(graph(LifeCycle(redraw_every=10, redraw=("W", "V"))), ["a", "b"]).life_cycle
    assert (left.redraw, left.redraw_every) == (("V",), 10)
    with pytest.raises(WorkloadError, match="no matrix 'typo'"):
        graph(LifeCycle(redraw_every=10, redraw=("W", "typo")))
    none = keep_digital(graph(LifeCycle(redraw_every=10, redraw=("V",))), ["c"]).life_cycle
    assert (none.redraw, none.redraw_every) == ((), 0)


def test_names_are_those_of_operators_or_of_matrices():
    assert products_named(graph(), ["W"], where="x") == {"a", "b"}
    assert products_named(graph(), ["a", "V"], where="x") == {"a", "c"}
    assert products_named(graph(), ["d"], where="x") == {"d"}
    with pytest.raises(WorkloadError, match="no matrix or product 'X'") as refusal:
        products_named(graph(), ["X"], where="file: digital")
    assert refusal.value.where == "file: digital"
    assert refusal.value.allowed == "a, W, b, c, V, d"
    with pytest.raises(DataError):
        products_named(graph(), ["X"], where="x", error=DataError)


def digits(names):
    """Kernel ridge with some products kept digital."""
    return load_workload("kernel_ridge_digits").model_copy(update={"digital": names})


def test_a_workload_file_says_so(tmp_path):
    """Any kind of workload file may have the list."""
    text = (WORKLOADS / "resnet9_cifar10.yaml").read_text(encoding="utf-8")
    path = tmp_path / "mine.yaml"
    path.write_text(f"{text}\ndigital: [fc]\n", encoding="utf-8")
    whole = build_graph(load_workload("resnet9_cifar10"))
    built = build_graph(load_workload(str(path)))
    assert {matrix.name for matrix in whole.matrices} - {matrix.name for matrix in built.matrices} == {"fc"}


def test_a_workload_file_keeps_products_digital():
    work = digits(["W"])
    built = build_graph(work)
    assert built.matrices == ()
    assert built.operator("project").functions == {Function.MAC: 64 * 1020}
    with pytest.raises(WorkloadError, match=r"kernel_ridge_digits: digital[\s\S]*no matrix or product 'Wx'"):
        build_graph(digits(["Wx"]))


def test_a_digital_product_costs_what_its_unit_charges(hetero):
    """64 x 1020 multiply-adds take 255 cycles; its 130,560 bytes of weights fill the SRAM: 1,020."""
    result = simulate(hetero, digits(["project"]), accuracy=False, inferences=1)
    energy = result.document["energy_pj"]
    assert not any(name.startswith("crossbar") for name in energy["by_component"])
    actor = list(result.runs.all.lowered.program.actor_names).index("project")
    dpu, n_weights = hetero.digital_units["dpu"], 64 * 1020
    arithmetic_ns = n_weights / dpu.functions[Function.MAC].lanes.n
    memory_ns = 2 * n_weights / dpu.memory["sram"].width.n_bytes
    assert (arithmetic_ns, memory_ns) == (255, 1020)
    assert int(result.runs.all.lowered.program.interval_ps[actor]) == memory_ns * 1000
    n_weights += 2 * 1020 * 10  # those of the readout, digital in any case
    weights_pj = 2 * n_weights * dpu.memory["sram"].energy.pj_per_byte
    assert energy["by_component"]["dpu weights"] == pytest.approx(weights_pj)
    plain = simulate(hetero, "kernel_ridge_digits", accuracy=False, inferences=1)
    assert result.document["ops"] == plain.document["ops"]
    assert plain.mapping.cores_used == 4
    assert result.mapping.cores_used == 0


def test_baselines_do_not_care_where_the_chip_computes():
    work = load_workload("performer_imdb_full", {"sequence_length": 64})
    plain = build_graph(work)
    names = [matrix.name for matrix in plain.matrices]
    digital = keep_digital(plain, products_named(plain, names, where="x"))
    assert not any(op.on_crossbar for op in digital.operators)
    points = {}
    for device in load_baselines(["a100", "systolic_same_area"]):
        rows = [compare_with(device, one, points) for one in (plain, digital)]
        assert rows[0] == rows[1]


def test_a_chip_whose_units_cannot_multiply_and_add_says_so():
    chip = load_arch("hermes_64")
    units = {kind: unit for kind, unit in chip.digital_units.items() if kind != "host"}
    from hermes_sim.errors import MappingError  # noqa: PLC0415 - beside what it is for
    from hermes_sim.mapping.place import map_graph  # noqa: PLC0415

    with pytest.raises(MappingError, match=r"operator c[\s\S]*functions mac"):
        map_graph(keep_digital(graph(), ["c"]), chip.model_copy(update={"digital_units": units}), "packed")
