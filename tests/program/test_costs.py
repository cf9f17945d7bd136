"""Time and energy of every stage by hand, on a chip whose numbers are all different."""

from __future__ import annotations

import pytest

from hermes_sim.chip import costs
from hermes_sim.chip.cost import FREE, Cost, Term, term
from hermes_sim.chip.costs import Content
from hermes_sim.chip.floorplan import Span
from hermes_sim.chip.load import load_arch, read_with_parents, validate_chip
from hermes_sim.chip.schema import OFF_CHIP_LEVEL, Chip
from hermes_sim.config.override import override
from hermes_sim.config.quantity import Kind
from hermes_sim.config.vocabulary import Function
from hermes_sim.errors import ArchConfigError, ProgramError
from hermes_sim.workload.graph import Operator, OpKind

VALUES = {
    "clock": 0.5,  # GHz: 2 ns
    "numbers.state": 2,
    "core.input_port.width": 4,
    "core.input_port.energy": 0.3,
    "core.output_port.width": 8,
    "core.output_port.energy": 0.7,
    "core.ldpu.lanes": 8,
    "core.ldpu.group_time": 11,
    "core.ldpu.add_group_time": 3,
    "core.ldpu.affine_energy": 0.4,
    "core.ldpu.add_energy": 0.1,
    "core.read.drivers": 0.2,
    "network.clock": 0.25,  # GHz: 4 ns
    "network.flit": 16,
    "network.hop_cycles": 3,
    "network.header": 0,
    "network.credit": 0,
    "network.energy": 0.9,
    "off_chip.bandwidth": 8,
    "off_chip.latency": 500,
    "off_chip.energy": 40,
    "core.static_power": 0.1,
    "network.static_power": 2,
    "off_chip.static_power": 50,
    "digital_units.gdpu.static_power": 0.25,
    "digital_units.host.static_power": 1500,
    "core.compensation.vectors": 5,
    "numbers.digital": 2,
}


@pytest.fixture(scope="module")
def chip():
    return load_arch("hermes_64", VALUES)


def values(terms):
    return {(part.component, part.paths): part.value for part in terms}


def times(cost):
    assert sum(part.value for part in cost.times) == cost.latency_ps
    return [part.value for part in cost.times]


def components(terms):
    return [part.component for part in terms]


def approx(*numbers):
    return pytest.approx(list(numbers), rel=1e-12)


@pytest.mark.parametrize(("columns", "groups"), [(1, 1), (8, 1), (9, 2), (256, 32)])
def test_the_ldpu_takes_its_lanes_at_a_time(chip, columns, groups):
    affine, addition = costs.ldpu_cost(chip, columns), costs.ldpu_cost(chip, columns, add=True)
    assert (affine.interval_ps, affine.latency_ps) == (groups * 11_000, groups * 11_000)
    assert (addition.interval_ps, addition.latency_ps) == (groups * 3_000, groups * 3_000)
    assert values(affine.times) == {("LDPU", ("core.ldpu.lanes", "core.ldpu.group_time")): groups * 11_000}
    assert values(addition.times) == {("LDPU", ("core.ldpu.lanes", "core.ldpu.add_group_time")): groups * 3_000}
    assert values(affine.energies) == {("LDPU", ("core.ldpu.affine_energy",)): pytest.approx(columns * 0.4)}
    assert values(addition.energies) == {("LDPU", ("core.ldpu.add_energy",)): pytest.approx(columns * 0.1)}


@pytest.mark.parametrize(("n_bytes", "cycles"), [(0.5, 1), (4, 1), (4.5, 2), (33, 9)])
def test_a_port_takes_its_width_per_cycle_of_the_chip(chip, n_bytes, cycles):
    cost = costs.port_cost(chip, chip.core.input_port, "input port", n_bytes)
    assert (cost.interval_ps, cost.latency_ps) == (cycles * 2_000, cycles * 2_000)
    assert values(cost.times) == {("input port", ("clock", "core.input_port.width")): cycles * 2_000}
    assert values(cost.energies) == {("input port", ("core.input_port.energy",)): pytest.approx(n_bytes * 0.3)}
    out = costs.port_cost(chip, chip.core.output_port, "output port", 33)
    assert out.interval_ps == 5 * 2_000
    assert out.energies == (Term(pytest.approx(33 * 0.7), "output port", ("core.output_port.energy",), Kind.ASSUMED),)


def test_a_hop_lets_the_head_go_on_and_the_last_waits_for_the_body(chip):
    body_ps, head_ps = 3 * 4_000, 3 * 4_000  # 33 bytes in flits of 16; three cycles
    last = costs.hop_cost(chip, 33)
    hop = last.until(last)
    assert (hop.interval_ps, hop.latency_ps) == (body_ps, head_ps)
    assert (last.interval_ps, last.latency_ps) == (body_ps, head_ps + body_ps)
    assert times(hop) == [head_ps]
    assert times(last) == [head_ps, body_ps]
    assert costs.hop_cost(chip, 32).interval_ps == 2 * 4_000
    energy = {("network", ("network.energy",)): pytest.approx(33 * 0.9)}
    extra = {("network", ("network.energy", f"network.{name}")): 0 for name in ("header", "credit")}
    assert values(hop.energies) == values(last.energies) == energy | extra
    head_paths, body_paths = (part.paths for part in last.times)
    assert head_paths == ("network.clock", "network.hop_cycles")
    assert body_paths == ("network.clock", "network.flit")


def test_a_wire_beyond_one_pitch_costs_whole_cycles_and_energy():
    document = read_with_parents("hermes_64")
    number = {"kind": "assumed", "source": "test"}
    document.data["network"]["wire"] = {
        "energy": {"value": 0.5, "unit": "pJ/byte/mm", **number},
        "delay": {"value": 1500, "unit": "ps/mm", **number},
    }
    for path, value in VALUES.items():
        override(document, path, value, model=Chip, error=ArchConfigError)
    chip = validate_chip(document)
    plain = costs.hop_cost(chip, 33)
    assert costs.hop_cost(chip, 33, span=Span()) == plain
    cost = costs.hop_cost(chip, 33, span=Span(charged_mm=7.0, travelled_mm=3.0))
    wire_ps = 2 * 4_000  # 3 mm at 1.5 ns/mm are 4.5 ns
    assert cost.interval_ps == plain.interval_ps
    assert cost.latency_ps == plain.latency_ps + wire_ps
    assert times(cost) == [3 * 4_000, wire_ps, 3 * 4_000]
    assert [part.value for part in cost.energies] == approx(33 * 0.9, 0, 0, 33 * 7.0 * 0.5, 0, 0)
    hop = cost.until(cost)
    assert (hop.interval_ps, hop.latency_ps) == (plain.interval_ps, 3 * 4_000 + wire_ps)


def test_a_header_goes_ahead_in_flits_of_its_own_and_a_credit_comes_back():
    """33 bytes in 3 flits behind a header of 20 bytes in 2; a hop of 3 cycles of 4 ns; 0.9 pJ per byte, credit of 1."""
    chip = load_arch("hermes_64", VALUES | {"network.header": 20, "network.credit": 1})
    cost = costs.hop_cost(chip, 33)
    assert (cost.interval_ps, cost.latency_ps) == (5 * 4_000, 8 * 4_000)
    assert times(cost) == [3 * 4_000, 2 * 4_000, 3 * 4_000]
    assert [part.value for part in cost.energies] == approx(33 * 0.9, 20 * 0.9, 1 * 0.9)
    assert [part.paths[-1] for part in cost.energies] == ["network.energy", "network.header", "network.credit"]
    assert cost.until(cost).latency_ps == 3 * 4_000  # links hand on the header like any flit
    assert cost.until(costs.port_cost(chip, chip.core.input_port, "port", 33)).latency_ps == (3 + 2 + 1) * 4_000
    # a port of 8 bytes and 2 ns: the last of three flits is ready after 5 cycles of it, and may go 2 + 2 flits late
    port = costs.port_cost(chip, chip.core.output_port, "port", 33)
    assert port.until(cost).latency_ps == max(0, 5 * 2_000 - (2 + 2) * 4_000, 4 * 2_000 - 3 * 4_000, 2 * 2_000 - 8_000)


def test_a_file_may_leave_out_header_and_credit():
    document = read_with_parents("hermes_64")
    del document.data["network"]["header"], document.data["network"]["credit"]
    for path, value in VALUES.items():
        if path not in {"network.header", "network.credit"}:
            override(document, path, value, model=Chip, error=ArchConfigError)
    without, nothing = costs.hop_cost(validate_chip(document), 33), costs.hop_cost(load_arch("hermes_64", VALUES), 33)
    assert (without.interval_ps, without.times) == (nothing.interval_ps, nothing.times)
    assert sum(part.value for part in without.energies) == sum(part.value for part in nothing.energies)


@pytest.mark.parametrize(("n_bytes", "body_ps"), [(8, 1_000), (9, 1_125), (0.5, 63)])
def test_off_chip_bytes_hold_the_channel_for_their_own_time_and_arrive_a_latency_later(chip, n_bytes, body_ps):
    cost = costs.off_chip_cost(chip, n_bytes)
    assert (cost.interval_ps, cost.latency_ps) == (body_ps, body_ps + 500_000)
    assert values(cost.times) == {
        ("off-chip", ("off_chip.bandwidth",)): body_ps,
        ("off-chip", ("off_chip.latency",)): 500_000,
    }
    assert values(cost.energies) == {("off-chip", ("off_chip.energy",)): pytest.approx(n_bytes * 40)}


UNIT = {
    "digital_units.gdpu.clock": 0.5,  # GHz: 2 ns
    "digital_units.gdpu.start_cycles": 7,
    "digital_units.gdpu.functions.tanh.lanes": 16,
    "digital_units.gdpu.functions.tanh.cycles": 5,
    "digital_units.gdpu.functions.tanh.energy": 2.0,
    "digital_units.gdpu.functions.tanh.unexplained": 3.0,
    "digital_units.gdpu.functions.add.lanes": 4,
    "digital_units.gdpu.functions.add.cycles": 1,
    "digital_units.gdpu.functions.add.energy": 0.5,
    "digital_units.gdpu.memory.registers.width": 64,
    "digital_units.gdpu.memory.registers.energy": 0.25,
    "digital_units.gdpu.memory.sram.width": 16,
    "digital_units.gdpu.memory.sram.energy": 0.6,
}
MEMORY = "digital_units.gdpu.memory"
NEAR = dict.fromkeys(Content, "registers")


@pytest.fixture(scope="module")
def unit_chip():
    return load_arch("hermes_64", VALUES | UNIT)


def test_a_unit_computes_one_function_after_the_other_behind_one_start(unit_chip):
    op = Operator("o", OpKind.ELEMENTWISE, 3, 20, 10, {Function.TANH: 17, Function.ADD: 8})
    cost = costs.unit_cost(unit_chip, "gdpu", op, NEAR)
    tanh_ps, add_ps, start_ps = 2 * 5 * 2_000, 2 * 2_000, 7 * 2_000
    assert (cost.interval_ps, cost.latency_ps) == (tanh_ps + add_ps, tanh_ps + add_ps + start_ps)
    assert times(cost) == [tanh_ps, add_ps, start_ps]
    assert components(cost.times) == ["gdpu"] * 3
    assert components(cost.energies) == ["gdpu arithmetic", "unexplained", "gdpu arithmetic", "gdpu operands"]
    assert [part.value for part in cost.energies] == approx(17 * 2.0, 17 * 3.0, 8 * 0.5, (20 + 10) * 2 * 0.25)
    where = "digital_units.gdpu"
    assert cost.times[-1].paths == (f"{where}.clock", f"{where}.start_cycles")
    tanh = f"{where}.functions.tanh"
    assert cost.times[0].paths == (f"{where}.clock", f"{tanh}.lanes", f"{tanh}.cycles")
    assert [part.paths for part in cost.energies[:2]] == [(f"{tanh}.energy",), (f"{tanh}.unexplained",)]


def test_a_unit_without_functions_has_no_start_but_its_operands_take_their_time(unit_chip):
    cost = costs.unit_cost(unit_chip, "gdpu", Operator("o", OpKind.POOLING, 1, 6, 2), NEAR)
    assert (cost.interval_ps, cost.latency_ps) == (2_000, 2_000)  # 16 bytes, 64 per cycle
    assert values(cost.energies) == {("gdpu operands", (f"{MEMORY}.registers.energy",)): pytest.approx(8 * 2 * 0.25)}


def test_a_sequence_is_written_and_read(unit_chip):
    op = Operator("m", OpKind.MEMORY, 3, 20, 13)
    cost = costs.unit_cost(unit_chip, "gdpu", op, {Content.SEQUENCE: "sram"})
    time_ps = 5 * 2_000  # 66 bytes, 16 per cycle
    assert (cost.interval_ps, cost.latency_ps) == (time_ps, time_ps)
    paths = ("digital_units.gdpu.clock", f"{MEMORY}.sram.width")
    assert {name: value for name, value in values(cost.times).items() if value} == {("gdpu memory", paths): time_ps}
    assert values(cost.energies) == {("gdpu sequence", (f"{MEMORY}.sram.energy",)): pytest.approx(66 * 0.6)}


STATEFUL = Operator(
    "o", OpKind.POOLING, 8, 20, 10, {Function.ADD: 40}, weight_values=48, once_values=30
)  # per token: 60 bytes of operands, 96 of weights, 60 of state read and 60 written


def test_operands_move_with_every_token_weights_and_state_once_per_block(unit_chip):
    assert costs.moved_bytes(unit_chip, STATEFUL) == {
        Content.OPERANDS: 60, Content.WEIGHTS: 96, Content.STATE: 120,
    }  # fmt: skip
    assert costs.moved_bytes(unit_chip, STATEFUL, 4) == {
        Content.OPERANDS: 240, Content.WEIGHTS: 96, Content.STATE: 120,
    }  # fmt: skip
    sequence = Operator("m", OpKind.MEMORY, 8, 20, 13, once_values=99)
    assert costs.moved_bytes(unit_chip, sequence, 2) == {Content.SEQUENCE: 2 * 33 * 2}
    cell = Operator("c", OpKind.LSTM_CELL, 8, 40, 10, {Function.ADD: 10})
    assert costs.moved_bytes(unit_chip, cell) == {Content.OPERANDS: 100, Content.STATE: 2 * 10 * 2}
    plain = Operator("p", OpKind.POOLING, 8, 0, 0, {Function.ADD: 1})
    assert costs.moved_bytes(unit_chip, plain) == {}


@pytest.mark.parametrize("block", [1, 4])
def test_energy_of_operands_weights_and_state_each_at_its_level(unit_chip, block):
    levels = {Content.OPERANDS: "registers", Content.WEIGHTS: "sram", Content.STATE: "sram"}
    cost = costs.unit_cost(unit_chip, "gdpu", STATEFUL, levels, block=block)
    assert values(cost.energies) == {
        ("gdpu arithmetic", ("digital_units.gdpu.functions.add.energy",)): pytest.approx(block * 40 * 0.5),
        ("gdpu operands", (f"{MEMORY}.registers.energy",)): pytest.approx(block * 60 * 0.25),
        ("gdpu weights", (f"{MEMORY}.sram.energy",)): pytest.approx(96 * 0.6),
        ("gdpu state", (f"{MEMORY}.sram.energy",)): pytest.approx(120 * 0.6),
    }


def test_levels_move_their_bytes_beside_each_other_and_beside_the_arithmetic(unit_chip):
    """40 additions, 4 at a time: 10 cycles. Registers: 60 bytes, 1 cycle; SRAM: 216 bytes, 14 cycles."""
    levels = {Content.OPERANDS: "registers", Content.WEIGHTS: "sram", Content.STATE: "sram"}
    slow = costs.unit_cost(unit_chip, "gdpu", STATEFUL, levels)
    assert slow.interval_ps == 14 * 2_000
    assert times(slow) == [10 * 2_000, 4 * 2_000, 7 * 2_000]
    assert (slow.times[1].component, slow.times[1].paths) == (
        "gdpu memory", ("digital_units.gdpu.clock", f"{MEMORY}.sram.width"),
    )  # fmt: skip
    near = costs.unit_cost(unit_chip, "gdpu", STATEFUL, NEAR)  # 276 bytes, 64 per cycle: 5 cycles, none of them counts
    assert near.interval_ps == 10 * 2_000
    assert components(near.times) == ["gdpu", "gdpu"]
    blocked = costs.unit_cost(unit_chip, "gdpu", STATEFUL, levels, block=4)
    assert blocked.interval_ps == 4 * 10 * 2_000  # the SRAM still has its 216 bytes only
    assert blocked.latency_ps - blocked.interval_ps == slow.latency_ps - slow.interval_ps == 7 * 2_000


@pytest.mark.parametrize(("width", "cycles"), [(16, 14), (8, 27), (4, 54), (32, 10), (216, 10)])
def test_half_the_width_is_twice_the_time_once_the_memory_limits(width, cycles):
    chip = load_arch("hermes_64", VALUES | UNIT | {f"{MEMORY}.sram.width": width})
    levels = {Content.OPERANDS: "registers", Content.WEIGHTS: "sram", Content.STATE: "sram"}
    cost = costs.unit_cost(chip, "gdpu", STATEFUL, levels)
    assert cost.interval_ps == cycles * 2_000  # the larger of 10 and 216 / width, rounded up
    same = costs.unit_cost(load_arch("hermes_64", VALUES | UNIT), "gdpu", STATEFUL, levels)
    assert cost.energies == same.energies


def test_what_lies_off_the_chip_costs_the_unit_nothing(unit_chip):
    levels = {Content.OPERANDS: "registers", Content.WEIGHTS: OFF_CHIP_LEVEL, Content.STATE: "sram"}
    cost = costs.unit_cost(unit_chip, "gdpu", STATEFUL, levels)
    assert "gdpu weights" not in components(cost.energies)
    assert cost.interval_ps == 10 * 2_000  # 120 bytes of state are 8 cycles


PROGRAMMING = {
    "core.programming.polarities": 2, "core.programming.cycles_per_diagonal": 5,
    "core.programming.iterations": 7, "core.programming.reset_time": 120, "core.programming.pulse_time": 130,
    "core.programming.verify_time": 700, "core.programming.reset_current": 600,
    "core.programming.pulse_current": 300, "core.programming.voltage": 2,
}  # fmt: skip


@pytest.mark.parametrize("devices", [1, 2])
@pytest.mark.parametrize(("rows", "columns", "diagonals"), [(10, 4, 13), (1, 1, 1), (200, 100, 256), (256, 256, 256)])
def test_programming_goes_along_the_diagonals(rows, columns, diagonals, devices):
    chip = load_arch("hermes_64", VALUES | PROGRAMMING | {"core.analog.device.devices": devices})
    cost = costs.programming_cost(chip, rows, columns)
    slots = diagonals * devices * 2 * 5
    expected = [slots * 120_000, slots * 7 * 130_000, diagonals * devices * 7 * 700_000]
    assert times(cost) == expected
    assert cost.interval_ps == cost.latency_ps == sum(expected)
    cells = rows * columns
    reset_pj, pulse_pj = 600 * 2 * 120 * 1e-3, 300 * 2 * 130 * 1e-3  # uA V ns is fJ
    cells_pj = 0.2 * 20.7 * 0.5 * 0.266 * 127 * 0.8 * 65536 * 1e-3  # mean current from 0.8 V while pulses last
    verify_pj = 4 * (13125 * (1 - 0.2) - cells_pj) * columns / 256  # converters of a four-phase read
    verify_pj *= 0.5 + 0.5 * devices / 2  # of which half goes with the counts
    assert [part.value for part in cost.energies] == approx(
        cells * 2 * devices * reset_pj, cells * devices * 7 * pulse_pj, diagonals * devices * 7 * verify_pj
    )
    assert components(cost.energies) == ["programming pulses", "programming pulses", "programming verify"]
    what = [{path.rpartition(".")[2] for path in part.paths} for part in cost.times]
    assert what == [
        {"reset_time", "devices", "cycles_per_diagonal"},
        {"pulse_time", "cycles_per_diagonal", "devices", "iterations"},
        {"verify_time", "devices", "iterations"},
    ]


@pytest.mark.parametrize(("group_ns", "longer_ns", "shorter_ns"), [(11, 520, 32 * 11), (20, 32 * 20, 520)])
def test_compensation_reads_vectors_while_the_ldpu_looks_at_the_one_before(group_ns, longer_ns, shorter_ns):
    chip = load_arch("hermes_64", VALUES | {"core.ldpu.group_time": group_ns})
    cost = costs.compensation_cost(chip)
    total_ps = (5 * longer_ns + shorter_ns) * 1000
    assert (cost.interval_ps, cost.latency_ps) == (total_ps, total_ps)
    assert sum(part.value for part in cost.energies) == pytest.approx(5 * (52812.5 + 256 * 0.4))
    assert components(cost.energies)[-1] == "drift compensation, LDPU"
    assert all("core.compensation.vectors" in part.paths for part in cost.energies)


def test_static_power_counts_every_core_and_unit(chip):
    powers = {part.component: part.value for part in costs.static_powers(chip)}
    assert powers == {
        "cores (static)": pytest.approx(64 * 0.1),
        "network (static)": 2,
        "off-chip (static)": 50,
        "gdpu (static)": pytest.approx(8 * 0.25),
        "host (static)": pytest.approx(1.5e6),  # given in W
    }


@pytest.mark.parametrize("what", ["programming", "compensation"])
def test_a_chip_that_does_not_say_how_is_refused(chip, what):
    silent = chip.model_copy(update={"core": chip.core.model_copy(update={what: None})})
    with pytest.raises(ArchConfigError, match=f"core.{what}"):
        costs.programming_cost(silent, 1, 1) if what == "programming" else costs.compensation_cost(silent)


def test_the_kind_of_a_term_is_that_of_its_least_certain_factor(chip):
    rows, lanes = chip.core.rows, chip.core.read.drivers
    assert (rows.kind, lanes.kind) == (Kind.MEASURED, Kind.ASSUMED)
    assert term(1, "c", rows).kind is Kind.MEASURED
    assert term(1, "c", rows, lanes) == Term(1, "c", ("core.rows", "core.read.drivers"), Kind.ASSUMED)


@pytest.mark.parametrize("parts", [(), (3,), (2, 4)])
def test_times_that_do_not_add_up_to_the_latency_are_refused(parts):
    terms = tuple(Term(value, "part", (), Kind.ASSUMED) for value in parts)
    with pytest.raises(ProgramError, match="in all"):
        Cost(9, 5, terms)
    assert Cost(9, sum(parts), terms).times == terms


def test_what_is_free_takes_nothing():
    assert (FREE.interval_ps, FREE.latency_ps, FREE.times, FREE.energies) == (0, 0, (), ())
