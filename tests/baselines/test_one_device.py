"""The host of a chip is one core of `server_cpu`: one device seen from two sides, with the same energies."""

from __future__ import annotations

import pytest

from hermes_sim.baselines.load import baseline_names, load_baseline
from hermes_sim.chip.load import load_arch
from hermes_sim.config.vocabulary import Function

N_CORES = 56  # of server_cpu
CHIPS = ("hermes_64", "hermes_64_hetero")


def pj_per_operation():
    """What `server_cpu` spends on one FP32 operation beyond idling, realistic: (350 - 100) W / (7.17 TOPS x 0.7)."""
    cpu = load_baseline("server_cpu")
    rate = cpu.vector_peak["fp32"].tops * cpu.realistic.vector_utilization.ratio
    return 1e-3 * (cpu.board_power.mw - cpu.idle_power.mw) / rate


def test_the_share_of_a_core_in_the_idle_power_of_the_socket():
    cpu = load_baseline("server_cpu")
    assert pj_per_operation() == pytest.approx(49.8, rel=1e-3)
    for name in baseline_names():
        host = load_baseline(name).host
        if host is not None:
            assert host.idle_power.mw == pytest.approx(cpu.idle_power.mw / N_CORES, rel=5e-3)
            # from half of it to a core that waits in a loop: its share of the board
            assert host.idle_power.low == pytest.approx(cpu.idle_power.mw / N_CORES / 2, rel=5e-3)
            assert host.idle_power.high == cpu.board_power.mw / N_CORES


@pytest.mark.parametrize("name", CHIPS)
def test_the_host_of_a_chip_spends_what_the_cpu_spends(name):
    host, cpu = load_arch(name).digital_units["host"], load_baseline("server_cpu")
    for function, cost in host.functions.items():
        plain = function in {Function.MAC, Function.ADD, Function.MUL, Function.COMPARE}
        operations = function.ops if plain else cpu.special_cost.ratio
        assert cost.energy.pj == pytest.approx(operations * pj_per_operation(), rel=2e-3), function
    assert host.memory["dram"].energy.pj_per_byte == pytest.approx(cpu.memory.energy.pj_per_byte)


@pytest.mark.parametrize("name", CHIPS)
def test_the_host_of_a_chip_idles_as_that_of_an_accelerator(name):
    host = load_arch(name).digital_units["host"]
    mine, theirs = host.static_power, load_baseline("a100").host.idle_power
    assert (host.count.n * mine.mw, mine.low, mine.high) == (theirs.mw, theirs.low, theirs.high)
