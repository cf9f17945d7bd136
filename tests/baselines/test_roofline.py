"""Roofline estimates against numbers worked out by hand, and what must hold for every shipped device."""

from __future__ import annotations

import pytest

from hermes_sim.baselines.evaluate import evaluate_baseline, precisions_of
from hermes_sim.baselines.flow import flow_of
from hermes_sim.baselines.kernels import assign_kernels, list_work
from hermes_sim.baselines.load import baseline_names, load_baseline
from hermes_sim.baselines.roofline import evaluate_roofline
from hermes_sim.baselines.schema import Fusion
from hermes_sim.errors import ArchConfigError
from hermes_sim.workload.load import build_graph, load_workload

LAYER = "performer_imdb_attention_layer"
WORKLOADS = ("kernel_ridge_digits", LAYER)
ROOFLINES = [name for name in baseline_names() if not name.startswith("systolic")]


@pytest.fixture(scope="module")
def graphs():
    return {name: build_graph(load_workload(name)) for name in WORKLOADS}


def test_peak_comparison_of_the_published_chip_falls_out(lone_product):
    result = evaluate_roofline(load_baseline("a100"), lone_product, precision="int8")
    tops_per_w = lone_product.ops / result.optimistic.energy_by_part_pj["device"]  # the published figure has no host
    assert tops_per_w == pytest.approx(624 / 400)
    assert 9.76 / tops_per_w == pytest.approx(6.26, abs=0.005)
    assert 2.48 / tops_per_w == pytest.approx(1.59, abs=0.005)
    assert lone_product.ops / result.optimistic.latency_ns / 1e3 == pytest.approx(624)


def test_optimistic_by_hand(device_file, chain):
    rows = evaluate_roofline(load_baseline(str(device_file)), chain, precision="int8").optimistic.operators
    product, exponent = rows
    # 2 x 100 x 100 x 200 ops at 100 op/ps; 10 kB of inputs at 1 byte/ps; weights (20 kB) stay on chip
    assert product.compute_ns == pytest.approx(40.0)
    assert product.memory_ns == pytest.approx(10.0)
    assert product.bound == "compute"
    # idle 20 mW/ns for 40 ns; 100 W while the matrix unit is at its peak, the inputs' energy capped by the board
    assert product.energy_pj == pytest.approx(120e3 * 40)
    # 20,000 exponentials at 1 per ps; 20 kB of results; energy of 5 vector operations each, 10 pJ per byte
    assert exponent.compute_ns == pytest.approx(20.0)
    assert exponent.memory_bytes == 20_000
    assert exponent.energy_pj == pytest.approx(20e3 * 20 + min(100e3 * (100_000 / 10e3) + 200_000, 100e3 * 20))
    assert exponent.launch_ns == product.launch_ns == 0


def test_realistic_by_hand_and_batch_rule(device_file, chain):
    device = load_baseline(str(device_file))
    for batch in (1, 10):
        product, exponent = evaluate_roofline(device, chain, precision="int8", batch=batch).realistic.operators
        assert product.compute_ns == pytest.approx(80.0)
        # inputs every time, weights once per batch; the fused exponential writes the result
        assert product.memory_bytes == pytest.approx(10_000 + 20_000 / batch)
        assert product.memory_ns == pytest.approx(product.memory_bytes / 500)
        assert product.launch_ns == pytest.approx(2000 / batch)
        assert exponent.launch_ns == 0
        assert exponent.memory_bytes == 20_000
        assert product.bytes == pytest.approx(10_000 + 20_000 + 20_000 / batch)
        assert product.intensity == pytest.approx(4e6 / product.bytes)
        # while the host launches, the device idles
        busy = max(product.compute_ns, product.memory_ns)
        assert product.energy_pj == pytest.approx(20e3 * (product.launch_ns + busy) + 100e3 * busy)


def test_weights_too_large_for_the_chip_are_streamed_even_if_optimistic(device_file, chain):
    small = load_baseline(str(device_file), {"on_chip_memory.size": "10 kB"})
    product = evaluate_roofline(small, chain, precision="int8").optimistic.operators[0]
    assert product.memory_bytes == 10_000 + 20_000


def test_results_too_large_for_the_chip_go_through_memory(device_file, chain):
    options = {"on_chip_memory.size": "15 kB", "optimistic.fusion": "none"}
    product, exponent = evaluate_roofline(
        load_baseline(str(device_file), options), chain, precision="int8"
    ).optimistic.operators
    assert product.memory_bytes == 10_000 + 20_000 + 20_000  # inputs, weights, results
    assert exponent.memory_bytes == 40_000


def test_fusion(graphs):
    attention = graphs[LAYER]
    n_kernels = {how: len(set(assign_kernels(flow_of(attention), how).values())) for how in Fusion}
    # per head: two projections, state, numerator; the normaliser is a reduction; 16 operators in all
    assert n_kernels == {Fusion.FULL: 8, Fusion.EPILOGUE: 10, Fusion.NONE: 16}


def test_a_state_travels_once_and_is_no_weight(graphs):
    attention = graphs[LAYER]
    flow = flow_of(attention)
    state = flow.out_of["h0.state"][0]
    assert flow.edge_values(state) == state.n_values
    weights = {item.operator.name: item.weight_values for item in list_work(attention, flow, Fusion.NONE)}
    assert weights["h0.project_k"] == 32 * 128
    assert weights["h0.numerator"] == weights["h0.state"] == weights["h0.normaliser"] == 0


def test_all_operations_are_counted(graphs):
    for graph in graphs.values():
        work = list_work(graph, flow_of(graph), Fusion.FULL)
        assert sum(item.matrix_ops + item.vector_ops + item.special for item in work) == graph.ops


@pytest.mark.parametrize("name", baseline_names())
@pytest.mark.parametrize("workload", WORKLOADS)
@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_invariants_of_every_shipped_baseline(name, workload, batch, graphs):
    baseline = load_baseline(name)
    for precision in precisions_of(baseline):
        result = evaluate_baseline(baseline, graphs[workload], precision=precision, batch=batch)
        assert result.name == name
        assert 0 < result.optimistic.latency_ns <= result.realistic.latency_ns
        assert 0 < result.optimistic.energy_pj <= result.realistic.energy_pj
        for case in (result.optimistic, result.realistic):
            device_ns, device_pj = case.time_by_part_ns["device"], case.energy_by_part_pj["device"]
            assert device_ns == pytest.approx(sum(row.time_ns for row in case.operators))
            idle_mw = (baseline.static_power if "systolic" in name else baseline.idle_power).mw
            idle_pj = idle_mw * (case.latency_ns - device_ns)
            assert device_pj == pytest.approx(sum(row.energy_pj for row in case.operators) + idle_pj)
            assert case.latency_ns == pytest.approx(sum(case.time_by_part_ns.values()))
            assert case.energy_pj == pytest.approx(sum(case.energy_by_part_pj.values()))
            for row in case.operators:
                assert row.intensity > 0
                assert row.record()["bound"] in ("compute", "memory", "launch")


@pytest.mark.parametrize("name", ROOFLINES)
def test_power_stays_between_idle_and_board(name, graphs):
    device = load_baseline(name)
    for graph in graphs.values():
        for precision in device.precisions:
            result = evaluate_roofline(device, graph, precision=precision)
            for case in (result.optimistic, result.realistic):
                power_mw = case.energy_by_part_pj["device"] / case.latency_ns
                assert device.idle_power.mw <= power_mw <= device.board_power.mw * (1 + 1e-9)


def test_a_batch_never_costs_more_per_inference(graphs):
    device = load_baseline("a100")
    for graph in graphs.values():
        results = [evaluate_roofline(device, graph, precision="int8", batch=n) for n in (1, 2, 16, 1024)]
        latencies = [result.realistic.latency_ns for result in results]
        assert latencies == sorted(latencies, reverse=True)
        assert latencies[-1] < latencies[0]


def test_a_batch_that_does_not_fit_on_chip_runs_in_parts(graphs):
    device = load_baseline("a100", {"link": None})  # it would hide how long the device itself takes
    layer = evaluate_roofline(device, graphs[LAYER], precision="int8", batch=1024).realistic
    # keys' features of one head: 4000 x 256 bytes; 39 of them fit in 40 MB, 64 do not
    assert layer.together == 32
    assert evaluate_roofline(device, graphs[LAYER], precision="int8", batch=16).realistic.together == 16
    spilled = load_baseline("a100", {"link": None, "realistic.intermediates": "device_memory"})
    other = evaluate_roofline(spilled, graphs[LAYER], precision="int8", batch=1024).realistic
    assert layer.latency_ns < other.latency_ns


def test_results_between_kernels_cross_on_chip_memory(device_file, chain):
    options = {"optimistic.fusion": "none"}
    product, exponent = evaluate_roofline(
        load_baseline(str(device_file), options), chain, precision="int8"
    ).optimistic.operators
    assert (product.memory_bytes, product.on_chip_bytes) == (10_000, 20_000)
    assert (exponent.memory_bytes, exponent.on_chip_bytes) == (20_000, 20_000)
    slow = load_baseline(str(device_file), {**options, "on_chip_memory.bandwidth": "100 GB/s"})
    exponent = evaluate_roofline(slow, chain, precision="int8").optimistic.operators[1]
    assert exponent.memory_ns == pytest.approx(200)


@pytest.mark.parametrize(
    ("name", "precision", "hint"),
    [("tpu_v4", "fp32", ""), ("tpu_v4", "fp16", "bf16 has the same width"), ("a100", "int9", "did you mean 'int8'")],
)
def test_precision_that_the_device_lacks(name, precision, hint, lone_product):
    with pytest.raises(ArchConfigError) as caught:
        evaluate_roofline(load_baseline(name), lone_product, precision=precision)
    text = str(caught.value)
    assert f"{name}: precision" in text
    assert precision in text
    assert "int8" in text
    assert hint in text


@pytest.mark.parametrize("name", ["a100", "systolic_same_area"])
@pytest.mark.parametrize("batch", [0, -1])
def test_batch_must_be_positive(name, batch, lone_product):
    with pytest.raises(ArchConfigError, match=r"batch\n  got +-?\d"):
        evaluate_baseline(load_baseline(name), lone_product, precision="int8", batch=batch)
