"""Memories, blocks and widths that cannot be: one message with field, value and what is allowed, and nothing else."""

from __future__ import annotations

import json

import pytest

from hermes_sim.chip.load import load_arch

RUN = ("kernel_ridge_digits", "--no-accuracy", "--uncertainty", 0, "--inferences", 1)
DPU = "digital_units.dpu"
BUFFERS = load_arch("hermes_64_hetero").digital_units["dpu"].buffers.n


@pytest.mark.parametrize(
    ("setting", "field", "got", "allowed"),
    [
        (f"{DPU}.memory.sram.width=0", "memory.sram.width.value", "0 byte", "from 0.125"),
        (f"{DPU}.memory.registers.capacity=1 byte", "memory.registers.capacity", "1 byte", "one operand of numbers"),
        (f"{DPU}.memory.shared.capacity=0", "memory.shared.capacity", "0 ", "one operand of numbers.digital = 2 byte"),
        (f"{DPU}.memory.off_chip.width=4", f"{DPU}.memory.off_chip", "no field", "one of registers, sram, shared"),
        (f"{DPU}.memory.off_chip={{}}", f"{DPU}.memory.off_chip", "no field", "one of registers, sram, shared"),
        (f"{DPU}.token_block=17", f"{DPU}.token_block", "17", f"at most {BUFFERS // 2}, half of buffers = {BUFFERS}"),
        (f"{DPU}.buffers=4", f"{DPU}.token_block", "got ", "at most 2, half of buffers = 4"),
        (f"{DPU}.token_block=0", f"{DPU}.token_block", "0", "from 1"),
        ("network.flit=0", "network.flit", "0 byte", "from 0.125"),
        ("core.input_port.width=0", "core.input_port.width", "0 byte", "from 0.125"),
        ("core.output_port.width=0", "core.output_port.width", "0 byte", "from 0.125"),
        ("numbers.digital=0", "numbers.digital", "0 byte", "from 0.125"),
    ],
)
def test_a_value_that_cannot_be_is_refused_once_by_field(setting, field, got, allowed, command):
    result = command("run", "hermes_64_hetero", *RUN, "--set", setting)
    where = "hermes_64_hetero.yaml" if "buffers" in setting else f"--set {setting}"  # the rule stands at token_block
    check_refusal(result, where, field, got, allowed)


def check_refusal(result, *words):
    assert result.returncode == 2
    assert result.stdout.strip() == ""
    assert result.stderr.count("ArchConfigError") == 1
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr, result.stderr


LEVEL = "{capacity: &n {value: 4096, unit: byte, kind: spec, source: t}, energy: &e {value: 1, unit: pJ/byte, kind: spec, source: t}, area: {value: 0, unit: mm**2, kind: spec, source: t}"  # fmt: skip  # noqa: E501


@pytest.mark.parametrize(
    ("memory", "words"),
    [
        (f"{{sram: null, near: {LEVEL}}}}}", (f"{DPU}.memory.near", "width")),
        (f"{{off_chip: {LEVEL}, width: *n}}}}", (f"{DPU}.memory.off_chip", "a level of that name", "another name")),
        (f"{{Near Level: {LEVEL}, width: *n}}}}", ("Near Level",)),
        ("{registers: null, sram: null, shared: null}", (f"{DPU}.memory",)),
        ("null", (f"{DPU}", "memory")),
    ],
)
def test_a_file_with_a_memory_that_cannot_be_is_refused_once(memory, words, command, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        f"extends: hermes_64_hetero\nname: mine\ndigital_units:\n  dpu:\n    memory: {memory}\n", encoding="utf-8"
    )
    check_refusal(command("run", path, *RUN), str(path), *words)


def test_a_host_that_holds_too_little_is_a_result_with_operator_content_and_bytes(command):
    levels = [f"digital_units.host.memory.{name}.capacity=2 Kibyte" for name in ("l1", "l2", "l3", "dram")]
    settings = [word for level in levels for word in ("--set", level)]
    result = command("run", "hermes_64", *RUN, *settings)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert "weights of operator readout in host0" in result.stderr
    n_bytes = 2 * 2040 * 10  # of features and classes
    assert f"demand {n_bytes} bytes, capacity 2048 bytes" in result.stderr
    assert "digital_units.host.memory" in result.stderr


def test_every_setting_of_the_memories_has_an_effect(command):
    """Energy or time of one inference, with a unit that has to read 40,800 bytes of weights."""

    def run(*settings):
        words = [word for each in settings for word in ("--set", each)]
        result = command("run", "hermes_64_hetero", *RUN, "--json", *words)
        assert result.returncode == 0, result.stderr
        document = json.loads(result.stdout)
        return document["latency_ns"], document["energy_pj"]["total"]

    base = run()
    sram = f"{DPU}.memory.sram"
    assert run(f"{sram}.width=16")[0] > base[0]
    assert run(f"{sram}.energy=1.2")[1] > base[1]
    shared = run(f"{sram}.capacity=16")
    assert shared > base  # the weights are in the next level, narrower and dearer
    assert run(f"{sram}.capacity=16", f"{DPU}.memory.shared.capacity=16 Kibyte") > shared  # or come over the channel
