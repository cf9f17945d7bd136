"""One description of a read: its time, its counts and its energy follow from bits, pulses, voltages and converters."""

from __future__ import annotations

import json

import pytest

from hermes_sim.chip.load import load_arch
from hermes_sim.chip.read_cost import read_cost, read_pj
from hermes_sim.cli.schema_commands import schema_of
from hermes_sim.config.quantity import Kind
from hermes_sim.config.vocabulary import ReadMode
from hermes_sim.errors import ArchConfigError

ONE = {"read_mode": "one_phase", "core.analog.range.per": "matrix"}
A = "core.analog."


def quantity(value, unit):
    return {"value": value, "unit": unit, "kind": "assumed", "source": "test"}


SAR = {
    "type": "sar",
    "columns": quantity(4, "count"),
    "noise": quantity(0.3, "count"),
    "four_phase_noise": quantity(0.3, "count"),
    "gain_spread": quantity(0, "count"),
    "offset_spread": quantity(0, "count"),
    "cubic_loss": quantity(0, "count"),
    "bits": quantity(8, "count"),
    "full_scale": quantity(10, "count"),
    "step_energy": quantity(5, "fJ"),
    "area": quantity(500, "um**2"),
    "bit_time": quantity(1, "ns"),
}
STEPS = {key: value for key, value in SAR.items() if key != "bit_time"} | {
    "type": "integrate_compare",
    "integration_time": quantity(10, "ns"),
    "step_time": quantity(2, "ns"),
    "columns": quantity(1, "count"),
}


def chip_with(changes, mode="one_phase"):
    return load_arch("hermes_64", ONE | {"read_mode": mode} | changes)


def read_ns(chip):
    cost = read_cost(chip, 256, 256)
    assert sum(part.value for part in cost.times) == cost.latency_ps
    assert cost.interval_ps == chip.reading().read_ps(chip.core.read)
    return cost.interval_ps / 1000


# by hand: 4 ns + phases x (pulse + 2 ns + conversion after the pulse)
@pytest.mark.parametrize(
    ("changes", "one_ns", "four_ns"),
    [
        ({}, 133, 520),
        ({A + "input_bits": 4}, 4 + 7 + 2, 4 + 4 * 9),
        ({A + "input_bits": 2}, 4 + 1 + 2, 4 + 4 * 3),
        # 1 ns would be lost to a dead time of 1.5 ns
        ({A + "input_bits": 2, A + "input_dead_time": 1.5}, 4 + 3 + 2, 4 + 4 * 5),
        ({A + "input_bits": 4, A + "input_keeps": "counts"}, 133, 520),
        ({A + "input_step": 2}, 4 + 254 + 2, 4 + 4 * 256),
        ({A + "input_coding": "bit_serial"}, 4 + 7 * 18, 4 + 28 * 18),
        ({A + "input_coding": "bit_serial", A + "bit_pulse": 32}, 4 + 7 * 34, 4 + 28 * 34),
        ({A + "adc.columns": 4}, 4 + 4 * 129, 4 + 16 * 129),  # a counter counts while the pulses last
        ({A + "adc": SAR}, 4 + 129 + 4 * 8 * 1, 4 + 4 * (129 + 32)),
        ({A + "adc": STEPS}, 4 + 129 + 10 + 127 * 2, 4 + 4 * (129 + 264)),
        ({A + "adc": {"type": "ideal"}}, 133, 520),
    ],
)
def test_time_of_a_read_by_hand(changes, one_ns, four_ns):
    assert read_ns(chip_with(changes)) == one_ns
    assert read_ns(chip_with(changes, "four_phase")) == four_ns


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({}, 41),
        ({A + "input_bits": 4}, 41 * 7 / 127),
        ({A + "input_bits": 4, A + "input_keeps": "counts"}, 41),
        ({A + "input_step": 2}, 82),
        ({A + "read_voltage": 0.1}, 20.5),
        ({A + "device.g_max": 10.35}, 20.5),
        ({A + "adc.counts_per_cell": 20}, 20),
        ({A + "input_coding": "bit_serial"}, 41 * 16 / 127),
        ({A + "adc": SAR}, 127 / 10),
    ],
)
def test_counts_are_current_times_time_through_the_gain(changes, counts):
    assert chip_with(changes).reading().counts_per_cell == pytest.approx(counts, rel=1e-12)


def test_the_published_point_is_met_to_the_last_digit():
    for mode, pj in ((ReadMode.ONE_PHASE, 13437.5), (ReadMode.FOUR_PHASE, 52812.5)):
        chip = chip_with({}, mode)
        assert read_pj(chip) == pytest.approx(pj, rel=1e-12)
        assert chip.reading().counts_per_cell == 41.0  # exactly: what was fitted holds there


def parts(chip, rows=256, columns=256, **given):
    return {
        part.component.removeprefix("crossbar "): part.value
        for part in read_cost(chip, rows, columns, **given).energies
    }


def test_energy_of_a_block_goes_with_rows_columns_and_cells():
    full, block = parts(chip_with({})), parts(chip_with({}), 64, 192)
    assert block["control"] == full["control"] == 312.5
    assert block["array"] == pytest.approx(full["array"] / 4 * 3 / 4)
    assert block["drivers"] == pytest.approx(full["drivers"] / 4)
    assert block["converters"] == pytest.approx(full["converters"] * 3 / 4 * (0.5 / 4 + 0.5))  # half goes with counts


def test_cells_by_hand():
    # 0.2 V x 20.7 uS x 0.5 x 0.266 for 127 ns from 0.8 V, 65,536 cells
    assert parts(chip_with({}))["array"] == pytest.approx(0.2 * 20.7 * 0.5 * 0.266 * 127 * 0.8 * 65536 / 1000)


@pytest.mark.parametrize(
    ("changes", "moved"),
    [
        ({A + "read_voltage": 0.4}, {"array": 2, "drivers": 1, "converters": 1.5}),
        ({A + "device.g_max": 10.35}, {"array": 0.5, "drivers": 1, "converters": 0.75}),
        ({A + "activity.inputs": 0.25}, {"array": 0.5, "drivers": 1, "converters": 0.75}),
        ({A + "activity.weights": 0.133}, {"array": 0.5, "drivers": 1, "converters": 0.75}),
        ({A + "temperature.inference": 350}, {"array": 1.1, "drivers": 1, "converters": 1.05}),
        ({A + "supply_voltage": 0.4}, {"array": 0.5, "drivers": 1, "converters": 1}),
        ({A + "adc.counts_per_cell": 82, A + "adc.bits": 13}, {"array": 1, "drivers": 1, "converters": 1.5}),
        ({A + "input_step": 2}, {"array": 2, "converters": 2}),
        ({A + "adc.columns": 4}, {"array": 1, "drivers": 4, "converters": 1}),
    ],
)
def test_energies_follow_their_causes(changes, moved):
    before, after = parts(chip_with({})), parts(chip_with(changes))
    assert {name: after[name] / before[name] for name in moved} == pytest.approx(moved)


def test_four_bits_cost_a_tenth():
    full, four = chip_with({}), chip_with({A + "input_bits": 4})
    assert read_ns(four) / read_ns(full) == pytest.approx(0.1, abs=0.01)
    assert 0.05 < read_pj(four) / read_pj(full) < 0.15


@pytest.mark.parametrize("mode", ["one_phase", "four_phase"])
def test_bits_of_a_counter_cost_nothing_and_the_schema_says_so(mode):
    chips = [chip_with({A + "adc.bits": bits}, mode) for bits in (12, 20)]
    assert read_ns(chips[0]) == read_ns(chips[1])
    assert read_pj(chips[0]) == read_pj(chips[1])
    assert chips[0].core.area_mm2 == chips[1].core.area_mm2
    told = schema_of("chip")["$defs"]["CountingConverter"]["properties"]
    assert "no time, energy or area" in " ".join(told["bits"]["description"].split())
    assert "the resolution" in told["counts_per_cell"]["description"]


def test_other_converters_bring_their_energy_and_area():
    ideal, sar = chip_with({A + "adc": {"type": "ideal"}}), chip_with({A + "adc": SAR})
    assert "converters" not in parts(ideal)
    assert parts(sar)["converters"] == pytest.approx(256 * 2**8 * 5e-3)
    assert parts(chip_with({A + "adc": SAR | {"bits": quantity(9, "count")}}))["converters"] == pytest.approx(
        256 * 512 * 5e-3
    )
    published = load_arch("hermes_64").core.area_mm2
    assert ideal.core.area_mm2 == pytest.approx(published * (1 - 0.35))
    assert sar.core.area_mm2 == pytest.approx(published * (1 - 0.35) + 256 / 4 * 500e-6)
    assert chip_with({A + "adc.columns": 4}).core.area_mm2 == pytest.approx(published * (1 - 0.35 + 0.35 / 4))


def test_slices_over_columns_take_columns_and_over_cells_time():
    slices = {"weight_bits": quantity(9, "count"), "bits": quantity(4, "count")}
    columns, cells = (chip_with({A + "slices": slices | {"over": over}}) for over in ("columns", "cells"))
    assert (columns.core.weight_columns, cells.core.weight_columns) == (128, 256)
    assert (read_ns(columns), read_ns(cells)) == (133, 4 + 2 * 129)
    assert read_pj(columns) == pytest.approx(13437.5)  # half of the weights, as many cells


def test_a_search_for_the_range_takes_time_and_energy_once_a_read():
    searched, given = load_arch("hermes_64"), load_arch("hermes_64", {A + "range.per": "matrix"})
    with_search, without = read_cost(searched, 60, 256), read_cost(given, 60, 256)
    assert with_search.latency_ps - without.latency_ps == 8_000  # 60 values, 8 a cycle
    assert with_search.interval_ps == without.interval_ps  # while the core reads the vector before
    extra = sum(e.value for e in with_search.energies) - sum(e.value for e in without.energies)
    assert extra == pytest.approx(60 * 0.1)


@pytest.mark.parametrize(
    ("rows", "columns", "kind"),
    [(256, 256, Kind.DERIVED), (256, 255, Kind.ASSUMED), (255, 256, Kind.ASSUMED), (128, 128, Kind.ASSUMED)],
)
def test_only_a_full_core_is_as_measured_whatever_the_split(rows, columns, kind):
    cost = read_cost(chip_with({}), rows, columns)
    assert {part.kind for part in cost.energies if part.component != "crossbar control"} == {kind}


def test_a_full_core_away_from_the_published_point_is_not_as_measured():
    for changes in ({A + "input_bits": 7}, {A + "activity.inputs": 0.4}, {A + "adc.counts_per_cell": 40}):
        cost = read_cost(chip_with(changes), 256, 256)
        assert {part.kind for part in cost.energies if part.component != "crossbar control"} == {Kind.ASSUMED}


def test_a_read_of_a_core_of_another_size_is_scaled_from_the_reference():
    small, full = chip_with({"core.rows": 128, "core.columns": 64}), parts(chip_with({}))
    found = parts(small, 128, 64)
    assert found["array"] == pytest.approx(full["array"] / 8)
    assert found["drivers"] == pytest.approx(full["drivers"] / 2)
    assert found["converters"] == pytest.approx(full["converters"] / 4 * 0.75)


def test_a_file_with_another_converter_takes_nothing_of_its_parents(tmp_path):
    lines = "\n".join(f"      {key}: {value if key == 'type' else json.dumps(value)}" for key, value in SAR.items())
    path = tmp_path / "sar.yaml"
    path.write_text(f"extends: hermes_64\nname: sar\ncore:\n  analog:\n    adc:\n{lines}\n")
    assert load_arch(path).core.analog.adc.type == "sar"
    path.write_text(path.read_text().replace("      bit_time", "      bitt_time"))
    with pytest.raises(
        ArchConfigError,
        match=r"core\.analog\.adc\.bitt_time\s+got      unknown key 'bitt_time'\s+allowed  area, bit_time",
    ):
        load_arch(path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {A + "adc.bits": 8},
            (
                "core.analog.adc.bits",
                "8 bits, which hold 255 counts",
                "990 counts",
                "127 ns",
                "10 bits, counts_per_cell of at most 10.5",
            ),
        ),
        ({A + "input_step": 8}, ("core.analog.adc.bits", "4095", "1016 ns")),
        ({A + "adc.columns": 3}, ("core.analog.adc.columns", "3", "a divisor of core.columns = 256")),
        ({A + "input_bits": 9}, ("input_bits", "9", "2 to 8")),
        ({A + "input_step": 0, A + "input_dead_time": 0}, ("core.analog.input_step", "above 0")),
        ({A + "adc": SAR | {"bits": quantity(1, "count")}}, ("core.analog.adc.bits", "1", "at least 2")),
        ({"core.read.point.weights": 0.9}, ("core.read.phase_energy", "cells", "phase_energy = 13.125 nJ")),
        ({"core.read.pulse_energy": 9}, ("core.read.pulse_energy", "9 pJ", "7.69")),
        (
            {A + "slices": {"weight_bits": quantity(4, "count"), "bits": quantity(4, "count"), "over": "cells"}},
            ("core.analog.slices.bits", "4", "at most 3", "no wider than the weight"),
        ),
        ({A + "range.policy": "quantile"}, ("core.analog.range.value", "nothing beside policy: quantile")),
        ({A + "range.value": quantity(2, "count")}, ("core.analog.range.value", "beside policy: largest")),
        (
            {A + "range.value": quantity(2, "count"), A + "range.policy": "quantile"},
            ("core.analog.range.value", "2 count", "at most 1"),
        ),
        (
            {A + "range.value": quantity(2, "count"), A + "range.policy": "fixed", A + "range.per": "vector"},
            ("core.analog.range.per", "nothing is searched for"),
        ),
        ({A + "adc": SAR | {"type": "flash"}}, ("core.analog.adc", "counter", "sar", "integrate_compare", "ideal")),
    ],
)
def test_what_cannot_be_together_is_refused_with_the_broken_relation(changes, words):
    with pytest.raises(ArchConfigError) as caught:
        chip_with(changes)
    message = str(caught.value)
    assert all(word in message for word in words), message
