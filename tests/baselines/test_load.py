"""Baseline files: what is shipped, and one clear error for each way to get one wrong."""

from __future__ import annotations

import pytest

from hermes_sim.baselines.load import baseline_names, load_baseline
from hermes_sim.baselines.roofline import evaluate_roofline
from hermes_sim.config.files import find_yaml
from hermes_sim.config.parameters import quantities
from hermes_sim.config.quantity import Kind
from hermes_sim.errors import ArchConfigError, DataError

HEADER = "workload,precision,batch,latency_ns,energy_pj,source\n"


def test_what_is_shipped():
    assert set(baseline_names()) == {
        *("a100", "h100", "t4", "jetson_agx_orin", "tpu_v4", "server_cpu"),
        *("systolic_same_area", "systolic_same_power"),
    }


@pytest.mark.parametrize("name", baseline_names())
def test_every_guess_has_a_range_and_every_value_a_source(name):
    path = find_yaml(name, "arch_configs/baselines", error=ArchConfigError)
    baseline = load_baseline(name)
    assert baseline.name == path.stem
    text = path.read_text()
    for quantity in quantities(baseline):
        assert quantity.path
        if quantity.kind in (Kind.ASSUMED, Kind.FITTED):
            assert quantity.low is not None, quantity.path
            assert quantity.low < quantity.high, quantity.path
        key = quantity.source.split()[0]
        if key.isupper() and any(letter.isdigit() for letter in key) and "-" not in key:
            assert f"#   {key}  " in text, f"{quantity.path}: {key} is not among the sources of the file"


@pytest.mark.parametrize(
    ("name", "precision", "tops", "bandwidth_gb_s", "watts"),
    [
        ("a100", "int8", 624, 2039, 400),
        ("a100", "fp16", 312, 2039, 400),
        ("a100", "fp32", 19.5, 2039, 400),
        ("h100", "int8", 1979, 3350, 700),
        ("h100", "fp16", 989, 3350, 700),
        ("t4", "int8", 130, 320, 70),
        ("jetson_agx_orin", "int8", 138, 204.8, 60),
        ("tpu_v4", "bf16", 275, 1200, 192),
    ],
)
def test_vendor_figures(name, precision, tops, bandwidth_gb_s, watts):
    device = load_baseline(name)
    assert device.matrix_peak[precision].tops == pytest.approx(tops)
    assert device.memory.bandwidth.bytes_per_ps * 1e3 == pytest.approx(bandwidth_gb_s)
    assert device.board_power.mw == pytest.approx(watts * 1e3)


def edited(device_file, old: str, new: str):
    text = device_file.read_text()
    assert old in text
    device_file.write_text(text.replace(old, new, 1))
    return str(device_file)


BOARD = "board_power: {value: 120, unit: W, kind: assumed, source: test}\n"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (BOARD, "", ("board_power", "got      nothing")),
        (BOARD, BOARD.replace("120", "0"), ("board_power.value", "got      0 W", "a power from")),
        (BOARD, BOARD.replace("120", "10"), ("idle_power", "20 W", "less than board_power = 10 W")),
        ("value: 1000, unit: GB/s", "value: 0, unit: GB/s", ("memory.bandwidth.value", "0 GB/s", "data rate")),
        ("value: 1000, unit: GB/s", "value: 1000, unit: GB", ("memory.bandwidth", "1000 GB", "data rate")),
        ("int8: {value: 100", "int8: {value: 0", ("matrix_peak.int8.value", "0 TOPS")),
        ("int8: {", "int4: {", ("int4", "'int8', 'fp16', 'bf16' or 'fp32'")),
        ("range: [1, 10]", "range: [6, 10]", ("special_cost.range", "a range that holds the value")),
        ("source: test, range", "source: '', range", ("special_cost.source", "where the value comes from")),
        ("special_cost: ", "special_costs: ", ("special_costs", "did you mean 'special_cost'?")),
        ("fusion: full", "fusion: all", ("optimistic.fusion", "'full', 'epilogue' or 'none'")),
        ("weights: resident", "weights: there", ("optimistic.weights", "'resident' or 'streamed'")),
        ("{value: 0.5,", "{value: 0,", ("realistic.matrix_utilization.value", "a fraction from 1e-06 to 1")),
        ("{value: 0.5,", "{value: 1.5,", ("realistic.matrix_utilization.value", "1.5 count")),
        ("kind: roofline", "kind: rooflines", ("kind", "did you mean 'roofline'?")),
        ("kind: roofline\n", "", ("kind", "got      nothing")),
    ],
)
def test_one_clear_error(device_file, old, new, words):
    with pytest.raises(ArchConfigError) as caught:
        load_baseline(edited(device_file, old, new))
    text = str(caught.value)
    assert str(device_file) in text
    assert all(word in text for word in words), text


def test_errors_name_the_line(device_file):
    with pytest.raises(ArchConfigError, match=r"round\.yaml, line 13: memory\.bandwidth\.value"):
        load_baseline(edited(device_file, "value: 1000, unit: GB/s", "value: -1, unit: GB/s"))


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(ArchConfigError, match="did you mean 'h100'"):
        load_baseline("h10")


MEASURED = """measured:
  - workload: chain
    precision: int8
    batch: 4
    latency: {value: 12.5, unit: us, kind: measured, source: my board}
    energy: {value: 3, unit: mJ, kind: measured, source: my board}
"""


def test_measurements_stand_beside_the_estimate(device_file, chain):
    device = load_baseline(edited(device_file, "optimistic:\n", MEASURED + "optimistic:\n"))
    result = evaluate_roofline(device, chain, precision="int8", batch=4)
    assert result.measured.latency_ns == 12_500
    assert result.measured.energy_pj == 3e9
    assert result.measured.source == "my board"
    assert result.record()["measured"]["latency_ns"] == 12_500
    other = evaluate_roofline(device, chain, precision="int8", batch=1)
    assert other.measured is None
    assert "measured" not in other.record()


def test_measurements_from_a_table(device_file, chain):
    table = device_file.with_name("runs.csv")
    table.write_text(HEADER + "chain, int8, 1, 8000.5, , profiler\nchain,fp32,1,9000,5e6,profiler\n")
    device = load_baseline(edited(device_file, "optimistic:\n", "measured_file: runs.csv\noptimistic:\n"))
    first = evaluate_roofline(device, chain, precision="int8").measured
    assert (first.latency_ns, first.energy_pj, first.source) == (8000.5, None, "profiler")
    assert evaluate_roofline(device, chain, precision="fp32").measured.energy_pj == 5e6


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("", ("line 1", "the column 'workload'")),
        (HEADER, ("no rows",)),
        (HEADER.replace("latency_ns", "latency_us"), ("column 'latency_us'", "did you mean 'latency_ns'?")),
        (HEADER.replace(",source", ""), ("the column 'source'",)),
        (HEADER + "chain,int8,1,fast,,me\n", ("line 2: latency_ns", "'fast'", "a number above 0")),
        (HEADER + "chain,int8,1,-5,,me\n", ("line 2: latency_ns", "'-5'")),
        (HEADER + "chain,int8,1,nan,,me\n", ("line 2: latency_ns", "'nan'")),
        (HEADER + "chain,int8,1,5,0,me\n", ("line 2: energy_pj", "'0'")),
        (HEADER + "chain,int8,1.5,5,,me\n", ("line 2: batch", "'1.5'")),
        (HEADER + "chain,int4,1,5,,me\n", ("line 2: precision", "int4", "int8, fp16, bf16, fp32")),
        (HEADER + "chain,int8,1,5,,\n", ("line 2: source", "nothing")),
        (HEADER + "chain,int8,1,5\n", ("line 2", "6 values")),
        (HEADER + "chain,int8,1,5,,me,more\n", ("line 2", "6 values")),
        (HEADER + "chain,int8,1,5,,me\n" * 2, ("two measurements of chain at int8, batch 1",)),
        (b"\xff\xfe\x00", ("UTF-8 CSV table",)),
    ],
)
def test_malformed_table_of_measurements(device_file, table, words):
    path = device_file.with_name("runs.csv")
    path.write_bytes(table if isinstance(table, bytes) else table.encode())
    name = edited(device_file, "optimistic:\n", "measured_file: runs.csv\noptimistic:\n")
    with pytest.raises(DataError) as caught:
        load_baseline(name)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_missing_table_of_measurements(device_file):
    name = edited(device_file, "optimistic:\n", "measured_file: runs.csv\noptimistic:\n")
    with pytest.raises(DataError, match=r"line \d+: measured_file\n  got +no file"):
        load_baseline(name)


def test_measurement_without_time(device_file):
    rows = MEASURED.replace("value: 12.5", "value: 0")
    with pytest.raises(ArchConfigError, match=r"measured\.0\.latency\.value"):
        load_baseline(edited(device_file, "optimistic:\n", rows + "optimistic:\n"))
