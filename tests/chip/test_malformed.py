# ruff: noqa: E501 - a case a line
"""Malformed files of every kind: one error of the layer's class, with field, value and what is allowed."""

from __future__ import annotations

import pytest

from hermes_sim.baselines.load import load_baseline
from hermes_sim.chip.load import load_arch
from hermes_sim.comparison.study import load_comparison
from hermes_sim.config.files import shipped_dir
from hermes_sim.errors import (
    ArchConfigError,
    BaselineError,
    ComparisonError,
    HermesSimError,
    MappingError,
    WorkloadError,
)
from hermes_sim.explore.errors import StudyError
from hermes_sim.explore.load import load_space
from hermes_sim.mapping.pins import read_pins
from hermes_sim.workload.load import load_workload

CHIP = "extends: hermes_64\nname: mine\n"
WORK = "schema_version: 1\nname: m\ndescription: d\nsource: s\ninferences: 2\n"
STUDY = (
    "schema_version: 1\nname: s\ndescription: d\narch: hermes_64\nworkload: kernel_ridge_digits\n"
    "objectives: {latency_ns: minimize}\n"
)
PINS = "schema_version: 1\nkind: mapping\nstrategy: packed\n"
ROWS = "core: {rows: {value: %s, unit: count, kind: spec, source: x}}"
BEST = "kind: matmul_list\nmatrices: [{name: a, rows: %s, columns: 3, vectors: 1}]"

CASES = [
    # a bare number is answered with a record of that field's dimension and that number
    (load_arch, CHIP + "core: {rows: 6}", ("line 3: core.rows", "got      6", "{value: 6, unit: count, kind")),
    (load_arch, CHIP + "clock: 2.5", ("clock", "got      2.5", "{value: 2.5, unit: GHz, kind")),
    (load_arch, CHIP + "off_chip: {latency: 70}", ("off_chip.latency", "{value: 70, unit: ns, kind")),
    (load_arch, CHIP + "off_chip: {bandwidth: 9}", ("off_chip.bandwidth", "{value: 9, unit: GB/s, kind")),
    (load_arch, CHIP + "core: {rows: {value: 6}}", ("core.rows", "no unit, kind, source", "{value: 6, unit: count")),
    (load_arch, CHIP + "core: {rows: 6, columns: 7, area: 2}", ("core.rows", "then mend core.columns, core.area, too")),
    # what is no number is said to be none
    (load_arch, CHIP + ROWS % ".nan", ("core.rows.value", "nan count, which is no finite number")),
    (load_arch, CHIP + ROWS % "1e400", ("core.rows.value", "which is no finite number")),
    (load_arch, CHIP + ROWS % ("9" * 400), ("core.rows.value", "a number of 400 digits")),
    (load_arch, CHIP + ROWS % "[1]", ("core.rows.value", "[1]", "a number")),
    (load_arch, CHIP + ROWS % "1.5", ("core.rows.value", "1.5 count", "allowed  a whole number")),
    (load_arch, CHIP + "core: {analog: {device: {statistics: {two_devices: {drift_mean: {split: .nan}}}}}}", ("drift_mean.split", "a finite number")),
    (load_workload, WORK + BEST % ".nan", ("matrices.0.rows", "nan, which is no finite number", "a whole number")),
    (load_workload, WORK + BEST % "true", ("matrices.0.rows", "True", "a whole number")),
    (load_workload, WORK + BEST % "'3'", ("matrices.0.rows", "'3'", "a whole number")),
    (load_workload, WORK + BEST % "0", ("matrices.0.rows", "got      0", "a number, at least 1")),
    (load_space, STUDY + "parameters: {arch.core.rows: [.nan]}", ("values.0", "no finite number", "a finite number")),
    # wrong types and sizes
    (load_arch, "", ("an empty file", "a mapping of fields")),
    (load_arch, "- a", ("got      a list", "a mapping of fields")),
    (load_arch, "3", ("got      a single value", "a mapping of fields")),
    (load_arch, CHIP + "core: 3", ("line 3: core", "got      3", "a mapping of fields")),
    (load_arch, CHIP + "core: []", ("got      an empty list", "a mapping of fields")),
    (load_arch, CHIP + "core: {1: 2}", ("core.1", "keys that are text")),
    (load_arch, CHIP + "network: {topology: custom, links: [[a]]}", ("network.links.0", "at least 2 entries")),
    (load_arch, CHIP + "schema_version: 2", ("schema_version", "got      2", "allowed  1")),
    (load_arch, CHIP + "schema_version: 2\nof_tomorrow: 1", ("schema_version", "got      2", "reads version 1: CHANGELOG.md")),
    (load_arch, CHIP + "schema_version: true", ("schema_version", "got      true", "allowed  1")),
    (load_workload, (WORK + BEST % "3").replace("version: 1", "version: 1.0"), ("schema_version", "got      1.0", "allowed  1")),
    (load_space, STUDY.replace("version: 1", "version: true") + "parameters: {mapping: [packed]}", ("schema_version", "got      true", "allowed  1")),
    (read_pins, PINS.replace("version: 1", "version: true"), ("schema_version", "got      true", "allowed  1")),
    (load_workload, WORK + "kind: matmul_list\nmatrices: []", ("matrices", "an empty list", "at least 1 entries")),
    (load_workload, WORK + "kind: matmul_list\nmatrices: {a: 3}", ("matrices", "a mapping of fields", "a list")),
    (load_workload, WORK + "kind: onnx\npath: ''", ("path", "text that is not empty")),
    (load_workload, WORK + "kind: [x]", ("kind", "['x']", "kernel_ridge")),
    (load_space, STUDY + "parameters: {}", ("parameters", "an empty mapping", "at least 1 entries")),
    (load_space, STUDY + "parameters: {mapping: {}}", ("parameters.mapping", "nothing", "exactly one of values")),
    (read_pins, PINS + "blocks: [{matrix: W, core: 0, rows: [0, 1, 2]}]", ("blocks.0.rows", "at most 2 entries")),
    # fields that do not go together: the one to change, its value, what it must go with
    (load_workload, WORK + "kind: lstm\nsteps: 1\ninputs: 2\nhidden: 3\noutputs: 4\ncell_groups: 9\nautoregressive: true",
     ("line 11: cell_groups", "got      9", "at most hidden = 3")),
    (load_workload, WORK + "kind: performer_attention\nsequence_length: 4\nd_model: 8\nheads: 3\nprojection_rows: 4\n"
     "projections: shared\naccuracy_seeds: 1", ("line 9: heads", "got      3", "a divisor of d_model = 8")),
    (load_workload, WORK + BEST % "3" + "\nlife_cycle: {redraw_every: 2}", ("life_cycle.redraw", "nothing beside")),
    (load_arch, CHIP + "network: {topology: custom}", ("network.links", "nothing beside topology: custom")),
    (load_arch, CHIP + "core: {analog: {input_bits: {value: 9, unit: count, kind: spec, source: x}}}",
     ("core.analog.input_bits", "got      9", "2 to 8")),
    (load_arch, CHIP + "core: {area_split: {array: {value: 0.9, unit: count, kind: spec, source: x}}}",
     ("core.area_split", "0.9 + 0.08 + 0.35 + 0.12 = 1.45", "may not add up to more than 1")),
    (load_space, STUDY + "parameters: {arch.core.rows: {range: {start: 3, stop: 1}}}", ("range.start", "below stop = 1")),
    (read_pins, PINS + "blocks: [{matrix: W, core: 0, rows: [3, 1]}]", ("blocks.0.rows", "[3, 1]", "first < end")),
]  # fmt: skip
CLASSES = {
    load_arch: ArchConfigError,
    load_workload: WorkloadError,
    load_space: StudyError,
    read_pins: MappingError,
}


@pytest.mark.parametrize(("load", "text", "words"), CASES)
def test_one_error_says_where_what_and_what_instead(load, text, words, tmp_path):
    path = tmp_path / "f.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CLASSES[load]) as caught:
        load(path)
    message = str(caught.value)
    assert str(path) in message
    assert all(word in message for word in words), message
    assert len(message) < 700
    assert "Commented" not in message


MISSING = [
    (load_arch, ArchConfigError, "name: x\ncore: {ldpu: {lanes: 3}}",
     ("the file: schema_version, description, read_mode, clock", "core.ldpu: group_time, add_group_time",
      "core.read: time, phase_time, energy, phase_energy", "`extends: hermes_64` at the top")),
    (load_arch, ArchConfigError, CHIP + "digital_units: {new: {place: on_chip}}", ("9 keys", "count, clock, start_cycles, functions, memory, token_block")),
    (load_workload, WorkloadError, "kind: conv_net\nname: x\nlayers: [{op: conv}, {name: a}]",
     ("schema_version, description, source, inferences, image", "image: height, width, channels", "layers.0: name",
      "layers.1: op")),
    (load_baseline, BaselineError, "kind: systolic\nname: x\nsram: {}",
     ("schema_version, description, precision", "sram: size, area, energy", "memory: bandwidth, energy")),
    (load_space, StudyError, "name: x\nplots: [{}]", ("schema_version, description, arch", "plots.0: title, kind, x, y")),
    (load_comparison, ComparisonError, "title: x\nworkloads: [{}]", ("chips, mappings", "workloads.0: workload, label")),
    (read_pins, MappingError, "blocks: [{}, {}]", ("schema_version, kind, strategy", "blocks.0: matrix, core", "blocks.1")),
]  # fmt: skip


@pytest.mark.parametrize(("load", "error", "text", "words"), MISSING)
def test_all_missing_keys_are_said_at_once(load, error, text, words, tmp_path):
    path = tmp_path / "f.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(error) as caught:
        load(path)
    message = str(caught.value)
    assert "keys are missing" in message
    assert all(word in message for word in words), message
    if "extends" in text or load is not load_arch:
        assert "`extends" not in message  # which could not help


def test_a_file_with_everything_that_was_missing_loads(tmp_path):
    """The keys that the message names are enough: write what it asks for, nothing is asked for any more."""
    text = (shipped_dir("workloads") / "lstm_ptb.yaml").read_text(encoding="utf-8")
    kept = [line for line in text.splitlines() if line.startswith(("kind", "name"))]
    path = tmp_path / "f.yaml"
    path.write_text("\n".join(kept), encoding="utf-8")
    with pytest.raises(WorkloadError) as caught:
        load_workload(path)
    asked = {
        key for line in str(caught.value).splitlines() if ": " in line for key in line.partition(": ")[2].split(", ")
    }
    lines: list[str] = []
    for line in text.splitlines():
        is_kept = line.partition(":")[0] in asked or line in kept
        if is_kept or (line.startswith(" ") and lines):
            lines.append(line)
    path.write_text("\n".join(lines), encoding="utf-8")
    assert load_workload(path).kind == "lstm"


@pytest.mark.parametrize("load", [load_arch, load_workload, load_baseline])
@pytest.mark.parametrize("name", ["a" * 5000, "\0", "", "..", None, 3])
def test_what_is_no_file_name_is_refused_like_a_file_that_is_not_there(load, name):
    with pytest.raises(HermesSimError, match=r"allowed  (a path, or one of|a YAML file)"):
        load(name)


def test_a_byte_order_mark_is_no_part_of_a_file(tmp_path):
    path = tmp_path / "chip.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + CHIP.encode())
    assert load_arch(path).name == "mine"
