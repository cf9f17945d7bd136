"""One boundary on both sides: link, host and waiting around a device, by hand, and host and CPU as one device."""

from __future__ import annotations

import pytest

from hermes_sim.api import simulate
from hermes_sim.baselines.evaluate import evaluate_baseline, precisions_of
from hermes_sim.baselines.load import baseline_names, load_baseline
from hermes_sim.baselines.roofline import evaluate_roofline
from hermes_sim.baselines.sizing import beside
from hermes_sim.chip.load import load_arch
from hermes_sim.cli.app import app
from hermes_sim.config.vocabulary import Function, Timing
from hermes_sim.errors import BaselineError
from hermes_sim.workload.graph import GraphBuilder, Operator, OpKind
from hermes_sim.workload.load import build_graph, load_workload

RESPONSE, BACK_TO_BACK = Timing.RESPONSE, Timing.BACK_TO_BACK
AROUND = {
    "link": {
        "bandwidth": {"value": 10, "unit": "GB/s", "kind": "assumed", "source": "test"},
        "latency": {"value": 300, "unit": "ns", "kind": "assumed", "source": "test"},
        "energy": {"value": 50, "unit": "pJ/byte", "kind": "assumed", "source": "test"},
        "static_power": {"value": 30, "unit": "mW", "kind": "assumed", "source": "test"},
    },
    "host": {"idle_power": {"value": 4, "unit": "W", "kind": "assumed", "source": "test"}},
    "optimistic.latency": "hidden",
    "realistic.wait": {"value": 7, "unit": "us", "kind": "assumed", "source": "test"},
    "memory.latency": {"value": 400, "unit": "ns", "kind": "assumed", "source": "test"},
    "on_chip_memory.latency": {"value": 90, "unit": "ns", "kind": "assumed", "source": "test"},
}


@pytest.fixture
def surrounded(device_file):
    return load_baseline(str(device_file), AROUND)


def one_vector(rows=100, columns=200):
    """A vector times a matrix: 100 values in, 200 out."""
    graph = GraphBuilder("gemv")
    source = graph.add(Operator("source", OpKind.INPUT, 1, 0, rows))
    product = graph.project("product", graph.matrix("W", rows=rows, columns=columns), tokens=1)
    sink = graph.add(Operator("sink", OpKind.OUTPUT, 1, columns, 0))
    for edge in ((source, product), (product, sink)):
        graph.connect(*edge)
    return graph.build()


def test_a_response_waits_for_every_part_by_hand(surrounded, chain):
    case = evaluate_roofline(surrounded, chain, precision="int8").realistic
    # one kernel: 2 us of start, 400 ns until its first byte, 30 kB at 0.5 byte/ps, then 20 kB of results
    memory_ns = 400 + 30_000 / 500
    device_ns = 2000 + memory_ns + max(20_000 / 500, 40.0)
    # 10 kB in and 20 kB out at 10 byte/ns, each behind 300 ns and a start of 2 us
    link_ns = 2 * (300 + 2000) + 30_000 / 10
    assert case.time_by_part_ns == pytest.approx({"device": device_ns, "link": link_ns, "wait": 7000})
    total_ns = device_ns + link_ns + 7000
    assert case.latency_ns == pytest.approx(total_ns)
    parts = case.energy_by_part_pj
    assert parts["link"] == pytest.approx(30_000 * 50 + 30 * total_ns)
    assert parts["host"] == pytest.approx(4000 * total_ns)
    idle_pj = 20e3 * (link_ns + 7000)
    assert parts["device"] == pytest.approx(sum(row.energy_pj for row in case.operators) + idle_pj)


def test_back_to_back_only_what_exceeds_the_device_shows(surrounded, chain):
    case = evaluate_roofline(surrounded, chain, precision="int8", timing=BACK_TO_BACK).realistic
    device_ns = case.time_by_part_ns["device"]
    assert device_ns > 20_000 / 10  # results leave beside the kernels; their copies still have to be started
    assert case.time_by_part_ns == pytest.approx({"device": device_ns, "link": 2 * 2000, "wait": 0})
    ten = evaluate_roofline(surrounded, chain, precision="int8", batch=10).realistic
    device_ns = ten.time_by_part_ns["device"]
    assert device_ns < 2000
    assert ten.time_by_part_ns["link"] == pytest.approx(2 * 2000 / 10 + 2000 - device_ns)


def test_optimistic_hides_what_can_be_hidden(surrounded, chain):
    response = evaluate_roofline(surrounded, chain, precision="int8").optimistic
    assert response.time_by_part_ns == pytest.approx({"device": 40 + 20, "link": 2 * 300 + 3000, "wait": 0})
    stream = evaluate_roofline(surrounded, chain, precision="int8", timing=BACK_TO_BACK).optimistic
    assert stream.latency_ns == pytest.approx(2000)  # the results, which take longer than device and inputs
    hidden = load_baseline("a100").optimistic
    assert (hidden.latency, hidden.wait) == ("hidden", None)


def test_the_usual_timing_is_a_response_of_one_and_a_stream_of_many(surrounded, chain):
    for batch, timing in ((1, RESPONSE), (2, BACK_TO_BACK)):
        usual = evaluate_baseline(surrounded, chain, precision="int8", batch=batch)
        assert usual == evaluate_baseline(surrounded, chain, precision="int8", batch=batch, timing=timing)
        assert usual.record()["timing"] == timing
    assert load_baseline("a100").realistic.wait is not None


def test_a_kernel_that_finds_everything_on_chip_waits_for_that_memory(device_file, chain):
    alone = load_baseline(
        str(device_file), {**AROUND, "realistic.fusion": "none", "realistic.intermediates": "on_chip"}
    )
    bare = load_baseline(str(device_file), {"realistic.fusion": "none", "realistic.intermediates": "on_chip"})

    def memory_ns(device):
        return [row.memory_ns for row in evaluate_roofline(device, chain, precision="int8").realistic.operators]

    product, exponent = (a - b for a, b in zip(memory_ns(alone), memory_ns(bare), strict=True))
    assert product == pytest.approx(400)
    assert exponent == pytest.approx(400)  # its results go to device memory
    chain_of_three = GraphBuilder("three")
    matrix = chain_of_three.matrix("W", rows=100, columns=100)
    source = chain_of_three.add(Operator("source", OpKind.INPUT, 100, 0, 100))
    names = [source, *(chain_of_three.project(f"p{i}", matrix, tokens=100) for i in range(2))]
    middle = chain_of_three.add(Operator("exp", OpKind.NONLINEAR, 100, 100, 100, {Function.EXP: 100}))
    last = chain_of_three.project("last", matrix, tokens=100)
    sink = chain_of_three.add(Operator("sink", OpKind.OUTPUT, 100, 100, 0))
    for edge in ((source, names[1]), (names[1], names[2]), (names[2], middle), (middle, last), (last, sink)):
        chain_of_three.connect(*edge)
    rows = evaluate_roofline(alone, chain_of_three.build(), precision="int8").realistic.operators
    by_name = {row.operator: row for row in rows}
    assert by_name["exp"].memory_bytes == 0
    assert by_name["exp"].memory_ns == pytest.approx(90 + by_name["exp"].on_chip_bytes / 2000)


@pytest.mark.parametrize("name", ["a100", "h100", "t4", "jetson_agx_orin", "tpu_v4", "server_cpu"])
@pytest.mark.parametrize("timing", list(Timing))
def test_one_vector_is_bound_by_reading_the_weights(name, timing):
    device = load_baseline(name)
    graph = one_vector(1024, 4096)
    for precision in precisions_of(device):
        case = evaluate_roofline(device, graph, precision=precision, timing=timing).realistic
        (row,) = case.operators
        width = {"int8": 1, "fp32": 4}.get(precision, 2)
        weights = 1024 * 4096 * width
        assert row.memory_bytes >= weights
        rate = 1e3 * device.memory.bandwidth.bytes_per_ps * device.realistic.memory_utilization.ratio
        assert row.memory_ns >= weights / rate + device.memory.latency.ps / 1e3 - 1e-9
        assert row.memory_ns > row.compute_ns
        assert case.time_by_part_ns["device"] > weights / rate  # and no faster, whatever the matrix units could do


def test_recurrent_steps_read_weights_that_fit_from_on_chip_memory():
    graph = build_graph(load_workload("lstm_ptb", {"steps": 20}))
    device = load_baseline("a100")
    rows = evaluate_roofline(device, graph, precision="int8").realistic.operators
    gates = max(rows, key=lambda row: row.on_chip_bytes)
    matrix = max(graph.matrices, key=lambda one: one.n_weights)
    assert gates.on_chip_bytes >= 19 * matrix.n_weights
    assert gates.memory_bytes == pytest.approx(matrix.n_weights, rel=0.05)
    bound_ns = gates.on_chip_bytes / (1e3 * device.on_chip_memory.bandwidth.bytes_per_ps * 0.85)
    assert gates.memory_ns > bound_ns


@pytest.mark.parametrize("name", baseline_names())
def test_every_accelerator_has_a_boundary_or_needs_none(name):
    device = load_baseline(name)
    integrated = name in {"server_cpu", "jetson_agx_orin"}
    assert (device.link is None) == (device.host is None) == integrated
    graph = build_graph(load_workload("kernel_ridge_digits"))
    for timing in Timing:
        case = evaluate_baseline(device, graph, precision="int8", timing=timing).realistic
        assert (case.energy_by_part_pj["host"] > 0) == (case.energy_by_part_pj["link"] > 0) == (not integrated)


def test_responses_take_longer_than_one_of_a_stream():
    graph = build_graph(load_workload("performer_imdb_full"))
    for name in baseline_names():
        device = load_baseline(name)
        for precision in precisions_of(device):
            response, stream = (
                evaluate_baseline(device, graph, precision=precision, timing=timing) for timing in Timing
            )
            for case in ("optimistic", "realistic"):
                assert getattr(response, case).latency_ns >= getattr(stream, case).latency_ns
                assert getattr(response, case).energy_pj >= getattr(stream, case).energy_pj


def test_beside_a_chip_its_channel_and_its_host_are_those_of_the_chip():
    power = {"digital_units.host.static_power": "7 W", "off_chip.bandwidth": "3 GB/s", "off_chip.energy": "99 pJ/byte"}
    chip = load_arch("hermes_64", power)
    array, a100, cpu = beside(map(load_baseline, ("systolic_same_area", "a100", "server_cpu")), chip)
    assert array.link.bandwidth.value == pytest.approx(3e-3)
    assert array.link.energy.pj_per_byte == 99
    assert array.host.idle_power.mw == a100.host.idle_power.mw == 7000
    assert a100.link == load_baseline("a100").link
    assert cpu == load_baseline("server_cpu")
    own = load_baseline("a100", {"host.of_chip": False})
    assert beside([own], chip) == [own]
    without = chip.model_copy(update={"digital_units": {}})
    assert beside([load_baseline("a100")], without) == [load_baseline("a100")]


def test_arrays_have_the_channel_of_the_shipped_chip():
    for name in ("hermes_64", "hermes_64_hetero"):
        channel = load_arch(name).off_chip
        for array in map(load_baseline, ("systolic_same_area", "systolic_same_power")):
            for field in ("bandwidth", "latency", "energy", "static_power"):
                mine, theirs = getattr(array.link, field), getattr(channel, field)
                assert (mine.value, mine.low, mine.high) == (theirs.value, theirs.low, theirs.high)


def test_the_document_has_the_parts_of_both_sides():
    result = simulate("hermes_64", "kernel_ridge_digits", inferences=3, accuracy=False)
    document = result.document
    timings = [(row["batch"], row["timing"]) for row in document["baselines"] if row["precision"] == "int8"]
    assert timings == [(1, "response"), (1, "back_to_back"), (3, "back_to_back")]
    for row in document["baselines"]:
        for case in ("optimistic", "realistic"):
            assert list(row[case]["energy_by_part_pj"]) == ["device", "link", "host"]
            assert sum(row[case]["energy_by_part_pj"].values()) == pytest.approx(row[case]["energy_pj"])
            assert sum(row[case]["time_by_part_ns"].values()) == pytest.approx(row[case]["latency_ns"])
    for point in result.figures.points().values():
        assert sum(point.by_place_pj.values()) == pytest.approx(point.energy_pj)


def test_the_command_takes_a_timing():
    from typer.testing import CliRunner  # noqa: PLC0415

    done = CliRunner().invoke(app, ["baseline", "run", "a100", "kernel_ridge_digits", "--timing", "back_to_back"])
    assert done.exit_code == 0, done.output
    assert "back to back" in done.output
    assert "+ wait" in done.output


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"link.bandwidth": 0}, ("link.bandwidth", "data rate from 1e-09")),
        ({"link": {"latency": {"value": 1, "unit": "us", "kind": "assumed", "source": "x"}}}, ("link", "bandwidth")),
        ({"host.idle_power": "5 us"}, ("host.idle_power", "power")),
        ({"realistic.latency": "some"}, ("realistic.latency", "counted")),
    ],
)
def test_bad_boundaries_are_refused(changes, words):
    with pytest.raises(BaselineError) as caught:
        load_baseline("a100", changes)
    assert all(word in str(caught.value) for word in words), str(caught.value)
