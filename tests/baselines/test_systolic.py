"""Cycles of a systolic array: by hand, as SCALE-Sim reports them, and what must hold for all shapes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from hermes_sim.baselines.gemm import Gemm, gemm_cost
from hermes_sim.baselines.load import load_baseline
from hermes_sim.baselines.schema import Dataflow
from hermes_sim.baselines.systolic import evaluate_systolic, product_of, run_gemm
from hermes_sim.cli.baseline_commands import baseline_app
from hermes_sim.errors import ArchConfigError
from hermes_sim.validation.baselines import validate_baselines
from hermes_sim.workload.load import build_graph, load_workload

WS, OS, IS, BEST = Dataflow.WS, Dataflow.OS, Dataflow.IS, Dataflow.BEST


def recorded():
    """Rows of what SCALE-Sim reported; its cycle is the number of the last one, from 0, hence one less than ours."""
    lines = (Path(__file__).parent / "scalesim_3_0_0.csv").read_text().splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def test_agrees_with_scale_sim():
    rows = recorded()
    assert len(rows) == 34 * 3 * 3
    for row in rows:
        dataflow = Dataflow(row.pop("dataflow"))
        one = {name: int(text) for name, text in row.items()}
        gemm = Gemm(one["m"], one["k"], one["n"])
        cost = gemm_cost(gemm, rows=one["rows"], columns=one["columns"], dataflow=dataflow)
        assert cost.cycles == one["last_cycle"] + 1
        assert cost.input_reads == one["input_reads"]
        assert cost.weight_reads == one["weight_reads"]


def test_validation_rows_pass():
    rows = validate_baselines()
    assert len(rows) >= 20
    assert all(row.passed for row in rows), [row.name for row in rows if not row.passed]
    assert {row.name.split(",")[0] for row in rows} == {"peak rate", "peak efficiency", "cycles"}


def test_one_multiply_accumulate_by_hand():
    # one unit: load the weight (1 cycle), then one cycle
    assert gemm_cost(Gemm(1, 1, 1), rows=1, columns=1, dataflow=WS).cycles == 1 + 1
    assert gemm_cost(Gemm(1, 1, 1), rows=1, columns=1, dataflow=OS).cycles == 1
    # 100 vectors through a full 4 x 4 array: 4 to load, 100 to stream, 3 + 3 of skew
    cost = gemm_cost(Gemm(100, 4, 4), rows=4, columns=4, dataflow=WS)
    assert cost.cycles == 110
    assert cost.utilization == pytest.approx(1600 / (110 * 16))
    assert cost.partial_writes == cost.partial_reads == 0


def test_partial_sums_wait_between_folds():
    cost = gemm_cost(Gemm(10, 12, 4), rows=4, columns=4, dataflow=WS)
    assert cost.folds == 3
    assert cost.partial_writes == cost.partial_reads == 2 * 40
    assert gemm_cost(Gemm(10, 12, 4), rows=4, columns=4, dataflow=OS).partial_writes == 0


sizes = st.integers(1, 5000)


@given(m=sizes, k=sizes, n=sizes, rows=st.integers(1, 256), columns=st.integers(1, 256), arrays=st.integers(1, 8))
def test_bounds_for_all_shapes(m, k, n, rows, columns, arrays):
    gemm = Gemm(m, k, n)
    costs = {d: gemm_cost(gemm, rows=rows, columns=columns, dataflow=d, arrays=arrays) for d in (WS, OS, IS, BEST)}
    for dataflow, cost in costs.items():
        assert 0 < cost.utilization <= 1
        assert cost.cycles * rows * columns * arrays >= gemm.macs
        assert cost.input_reads >= m * k
        assert cost.weight_reads >= k * n
        alone = gemm_cost(gemm, rows=rows, columns=columns, dataflow=dataflow)
        assert alone.cycles >= cost.cycles
    assert costs[BEST].cycles == min(costs[d].cycles for d in (WS, OS, IS))
    # inputs and weights change roles when the product is transposed
    swapped = gemm_cost(Gemm(n, k, m), rows=rows, columns=columns, dataflow=IS, arrays=arrays)
    assert swapped.cycles == costs[WS].cycles
    assert swapped.weight_reads == costs[WS].input_reads


def test_dram_traffic_when_all_fits_and_when_nothing_does():
    array = load_baseline("systolic_same_area")
    gemm = Gemm(128, 64, 64)
    fits = run_gemm(array, gemm, rows=16, columns=16, dataflow=WS)
    assert fits.dram_bytes == 128 * 64 + 64 * 64 + 128 * 64
    tiny = load_baseline("systolic_same_area", {"sram.size": "6 KiB"})
    streams = run_gemm(tiny, gemm, rows=16, columns=16, dataflow=WS)
    assert streams.dram_bytes == 32768 + 4096 + 128 * 64  # as SCALE-Sim with 2 KiB for each operand


def test_energy_by_hand():
    array = load_baseline("systolic_same_area")
    run = run_gemm(array, Gemm(100, 4, 4), rows=4, columns=4, dataflow=WS)
    sram, dram = 400 + 16 + 400, 400 + 16 + 400
    memory_ns = dram / 51.2
    assert run.sram_bytes == sram
    assert run.cycles == 110  # longer than the 16 ns of device memory
    assert memory_ns < 110
    expected = 1600 * (0.116 + 0.233) + sram * 3.08 + dram * 40 + 1000 * 110
    assert run.energy_pj == pytest.approx(expected)


def test_slow_memory_bounds_a_product():
    array = load_baseline("systolic_same_area", {"memory.bandwidth": "1 GB/s"})
    run = run_gemm(array, Gemm(100, 4, 4), rows=4, columns=4, dataflow=WS)
    assert run.cost.cycles == 110
    assert run.cycles == 816


def test_products_of_an_attention_layer():
    graph = build_graph(load_workload("performer_imdb_attention_layer"))
    products = {op.name: product_of(graph, op) for op in graph.operators}
    assert products["h0.project_q"] == (Gemm(4000, 32, 128), True)
    assert products["h0.state"] == (Gemm(256, 4000, 32), False)
    assert products["h0.numerator"] == (Gemm(4000, 256, 32), False)
    assert products["h0.features_k"] == (None, False)
    ridge = build_graph(load_workload("kernel_ridge_digits"))
    assert product_of(ridge, ridge.operator("readout")) == (Gemm(1, 2040, 10), True)


def test_shipped_arrays_use_the_area_and_the_power_of_the_chip():
    area, power = load_baseline("systolic_same_area"), load_baseline("systolic_same_power")
    assert 0.95 * 40.7 < area.area_mm2 <= 40.7
    assert 0.95 * 6500 < power.peak_power_mw <= 6500
    assert area.peak_tops == pytest.approx(2e-3 * 4 * 128 * 128)


def test_a_batch_fills_the_array():
    array = load_baseline("systolic_same_area")
    graph = build_graph(load_workload("kernel_ridge_digits"))
    alone, many = (evaluate_systolic(array, graph, batch=n).realistic for n in (1, 1000))
    assert many.latency_ns < alone.latency_ns / 50
    assert many.energy_pj < alone.energy_pj / 10


def test_optimistic_is_the_peak(lone_product):
    array = load_baseline("systolic_same_area")
    result = evaluate_systolic(array, lone_product)
    assert lone_product.ops / result.optimistic.time_by_part_ns["device"] / 1e3 == pytest.approx(array.peak_tops)


def test_other_precisions_are_refused(lone_product):
    with pytest.raises(ArchConfigError, match=r"systolic_same_area: precision\n  got +fp16\n  allowed +int8"):
        evaluate_systolic(load_baseline("systolic_same_area"), lone_product, precision="fp16")


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("systolic_same_area", {"arrays": 8}, ("area_limit", "131072 multiply-accumulate units", "40.7 mm2")),
        ("systolic_same_power", {"columns": 200}, ("power_limit", "at most 6500 mW", "fewer arrays")),
    ],
)
def test_an_array_beyond_its_limit_is_refused(name, changes, words):
    with pytest.raises(ArchConfigError) as caught:
        load_baseline(name, changes)
    assert all(word in str(caught.value) for word in words)


def invoke(*arguments: str):
    return CliRunner().invoke(baseline_app, list(arguments))


def test_command_gives_one_json_document():
    done = invoke("systolic", "--array", "8x16", "--dataflow", "os", "--gemm", "20x30x40", "--json")
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    assert record["cycles"] == 468
    assert 0 < record["utilization"] <= 1
    assert {"sram_bytes", "dram_bytes", "energy_pj"} <= set(record)
    assert record["dram_bytes"] == 20 * 30 + 30 * 40 + 20 * 40


def test_a_workload_on_one_baseline():
    done = invoke("run", "a100", "kernel_ridge_digits", "--precision", "fp16", "--batch", "1000", "--json")
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    assert (record["precision"], record["batch"]) == ("fp16", 1000)
    total = sum(max(row["compute_ns"], row["memory_ns"]) + row["launch_ns"] for row in record["operators"])
    assert total == pytest.approx(record["realistic"]["time_by_part_ns"]["device"])
    text = invoke("run", "systolic_same_power", "kernel_ridge_digits").stdout
    assert "optimistic" in text
    assert "readout" in text
    refused = invoke("run", "tpu_v4", "kernel_ridge_digits", "--precision", "fp32")
    assert "one of int8, bf16 on this device" in str(refused.exception)


def test_commands_print_tables():
    assert "cycles" in invoke("systolic", "--array", "8x16", "--gemm", "20x30x40").stdout
    listed = json.loads(invoke("list", "--json").stdout)["baselines"]
    a100 = next(row for row in listed if row["name"] == "a100")
    assert a100["tops_per_w"] == pytest.approx(1.56)
    assert "systolic_same_power" in invoke("list").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--array", "8", "--gemm", "1x1x1"), ("--array", "ROWSxCOLS")),
        (("--array", "8x0", "--gemm", "1x1x1"), ("--array", "from 1")),
        (("--array", "8x8", "--gemm", "1x1"), ("--gemm", "MxKxN")),
        (("--array", "8x8", "--gemm", "1x-1x1"), ("--gemm", "1x-1x1")),
        (("--array", "8x8", "--gemm", "1x1.5x1"), ("--gemm", "whole number")),
        (("--array", "8x8", "--gemm", "1x1x1", "--dataflow", "bst"), ("--dataflow", "did you mean 'best'?")),
        (("--array", "8x8", "--gemm", "1x1x1", "--energies", "a100"), ("--energies", "a systolic baseline")),
        (("--array", "8x8", "--gemm", "1x1x1", "--energies", "a10"), ("no such file", "did you mean 'a100'?")),
    ],
)
def test_bad_arguments_give_one_clear_error(arguments, words):
    done = invoke("systolic", *arguments)
    assert isinstance(done.exception, ArchConfigError)
    assert all(word in str(done.exception) for word in words)
