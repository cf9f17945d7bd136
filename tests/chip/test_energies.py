"""Energies per operation follow one rule: of the chip from RedMulE and Horowitz, of the host from `server_cpu`.

Both implementations are scaled to 14 nm and 0.8 V by node x voltage^2. Horowitz (ISSCC 2014, 45 nm, 0.9 V) gives bare
operations, the floor; RedMulE (2204.11192, 22 nm, 0.65 V, 688 GFLOPS/W in FP16) a whole cluster, the top.
"""

from __future__ import annotations

import pytest

from hermes_sim.baselines.load import load_baseline
from hermes_sim.chip.load import load_arch
from hermes_sim.config.vocabulary import Function

CHIPS = ("hermes_64", "hermes_64_hetero")
HOROWITZ = (14 / 45) * (0.8 / 0.9) ** 2
REDMULE = (14 / 22) * (0.8 / 0.65) ** 2
BARE_PJ = {"mac": 1.1 + 0.4, "mul": 1.1, "add": 0.4}  # FP16 at 45 nm
CLUSTER_MAC_PJ = 2 / 0.688 * REDMULE  # two operations
MACS = {"exp": 4, "cos": 4, "sin": 4, "sigmoid": 4, "tanh": 4, "div": 8, "rsqrt": 8}  # table and interpolation
ROUNDED = 0.012  # files give three digits at most, and round the multiply-add first


def on_chip_functions(chip):
    return [
        (kind, function, cost.energy)
        for kind, unit in chip.digital_units.items()
        if unit.place == "on_chip"
        for function, cost in unit.functions.items()
    ]


def check(energy, bare_pj, cluster_pj):
    """Half of a whole cluster (its memories and wires are charged apart), between the bare operation and all of it."""
    assert energy.pj == pytest.approx(cluster_pj / 2, rel=ROUNDED)
    assert (energy.low, energy.high) == (
        pytest.approx(bare_pj * HOROWITZ, rel=ROUNDED), pytest.approx(cluster_pj, rel=ROUNDED),
    )  # fmt: skip
    assert energy.kind == "assumed"


def test_the_two_scales():
    assert (round(HOROWITZ, 3), round(REDMULE, 3)) == (0.246, 0.964)


@pytest.mark.parametrize("name", CHIPS)
def test_arithmetic_of_digital_units_is_half_of_a_whole_cluster_above_the_bare_operation(name):
    found = on_chip_functions(load_arch(name))
    assert {kind for kind, *_ in found} == ({"gdpu"} if name == "hermes_64" else {"gdpu", "dpu"})
    for _, function, energy in found:
        n_macs = MACS.get(function)
        if n_macs is None:
            bare_pj = BARE_PJ["add" if function is Function.COMPARE else function]
            check(energy, bare_pj, CLUSTER_MAC_PJ * bare_pj / BARE_PJ["mac"])
        else:
            check(energy, n_macs * BARE_PJ["mac"], n_macs * CLUSTER_MAC_PJ)


@pytest.mark.parametrize("name", CHIPS)
def test_ldpus_follow_the_same_rule(name):
    ldpu = load_arch(name).core.ldpu
    check(ldpu.affine_energy, BARE_PJ["mac"], CLUSTER_MAC_PJ)
    check(ldpu.add_energy, BARE_PJ["add"], CLUSTER_MAC_PJ * BARE_PJ["add"] / BARE_PJ["mac"])


@pytest.mark.parametrize("name", CHIPS)
def test_memories_on_the_chip_are_those_of_horowitz(name):
    """Per 8 bytes at 45 nm: 20 pJ from 32 KB, 100 pJ from 1 MB; registers a sixth of the former."""
    for kind, unit in load_arch(name).digital_units.items():
        if unit.place == "on_chip":
            assert unit.memory["sram"].energy.pj_per_byte == pytest.approx(20 / 8 * HOROWITZ, rel=ROUNDED)
            assert unit.memory["registers"].energy.pj_per_byte == pytest.approx(20 / 8 / 6 * HOROWITZ, rel=0.03)
            if kind == "dpu":
                assert unit.memory["shared"].energy.pj_per_byte == pytest.approx(100 / 8 * HOROWITZ, rel=ROUNDED)
            nearer = [level.energy.pj_per_byte for level in unit.memory.values()]
            assert nearer == sorted(nearer)
            assert all(
                level.energy.low <= value <= level.energy.high
                for level, value in zip(unit.memory.values(), nearer, strict=True)
            )


def test_what_is_unexplained_has_a_term_of_its_own_that_may_be_nothing(hermes):
    """Only tables of the GDPU carry it: five of them for each of 504 hidden units of the published LSTM step."""
    carrying = {
        (kind, function): cost.unexplained
        for kind, unit in hermes.digital_units.items()
        for function, cost in unit.functions.items()
        if cost.unexplained is not None
    }
    assert set(carrying) == {("gdpu", Function.SIGMOID), ("gdpu", Function.TANH)}
    for value in carrying.values():
        assert (value.kind, value.low) == ("fitted", 0)
        assert value.low < value.pj < value.high


@pytest.mark.parametrize("name", CHIPS)
def test_the_host_is_one_core_of_the_cpu_baseline(name):
    host, cpu = load_arch(name).digital_units["host"], load_baseline("server_cpu")
    busy_w = (cpu.board_power.mw - cpu.idle_power.mw) / 1000
    operation_pj = busy_w / (cpu.vector_peak["fp32"].tops * cpu.realistic.vector_utilization.ratio)
    assert operation_pj == pytest.approx(250 / (7.17 * 0.7))
    for function, cost in host.functions.items():
        n = {Function.MAC: 2, Function.ADD: 1, Function.MUL: 1, Function.COMPARE: 1}.get(function)
        assert cost.energy.pj == pytest.approx((n or cpu.special_cost.n) * operation_pj, rel=2e-3), function
        assert cost.lanes.n == 2 * 512 // 32
    assert host.static_power.mw == pytest.approx(cpu.idle_power.mw / 56, rel=3e-3)
    assert host.static_power.low == pytest.approx(cpu.idle_power.low / 56, rel=3e-3)
    assert host.static_power.high == pytest.approx(cpu.board_power.mw / 56, rel=3e-3)
    assert host.memory["dram"].energy.pj_per_byte == cpu.memory.energy.pj_per_byte
    assert host.memory["l3"].capacity.n_bytes == cpu.on_chip_memory.size.n_bytes
    assert all(level.energy.pj_per_byte == 0 for key, level in host.memory.items() if key != "dram")
    # the peaks agree, too: two operations of each lane per clock cycle and core
    peak_tops = 56 * host.functions[Function.MAC].lanes.n * 2 / host.clock.period_ps
    assert float(peak_tops) == pytest.approx(cpu.vector_peak["fp32"].tops, rel=1e-3)
    exp = host.functions[Function.EXP]
    special_tops = 56 * exp.lanes.n / (exp.cycles.n * host.clock.period_ps)
    assert float(special_tops) == pytest.approx(cpu.special_peak.tops, rel=2e-3)
