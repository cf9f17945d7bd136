"""`--set` on every command that takes a chip or a workload, and where its messages point."""

from __future__ import annotations

import json

import pytest

from hermes_sim.cli.overrides import both_with, parse_overrides
from hermes_sim.config.files import setting
from hermes_sim.errors import HermesSimError

FAST = ("--set", "log2_ratio=1")  # a field of the workload kernel_ridge_digits
SLOW_READ = ("--set", "core.read.time=4684")  # ns, of the chip: a read is ten times as long
RIDGE = ("hermes_64", "kernel_ridge_digits")


def latency_ns(command, *arguments):
    return json.loads(command("run", *RIDGE, "--no-accuracy", "--inferences", 1, "--json", *arguments).stdout)[
        "latency_ns"
    ]


def test_a_path_says_whether_it_is_of_the_chip_or_of_the_workload(command):
    base = latency_ns(command)
    assert latency_ns(command, *FAST) < base < latency_ns(command, *SLOW_READ)
    assert latency_ns(command, "--set", "workload.log2_ratio=1") == latency_ns(command, *FAST)
    assert latency_ns(command, "--set", "arch.core.read.time=4684") == latency_ns(command, *SLOW_READ)


def test_a_field_that_a_file_leaves_out_may_be_set(command):
    _, work = both_with("hermes_64_hetero", "performer_imdb_full", ["documents=2"])
    assert work.fields == {"documents": 2}
    assert "life_cycle" in str(command("run", *RIDGE, "--set", "life_cycle.redraw_every=2").stderr)


def changes_output(command, arguments, settings):
    plain, changed = command(*arguments), command(*arguments, *settings)
    assert changed.returncode in {0, 1}, changed.stderr
    return plain.stdout != changed.stdout


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [
        (("explain", "latency", *RIDGE, "--json"), FAST),
        (("explain", "area", *RIDGE, "--json"), ("--set", "core.rows=512")),
        (("map", *RIDGE, "--json"), FAST),
        (("map", *RIDGE, "--json"), ("--set", "core.columns=128")),
        (("load", *RIDGE, "--requests", "20", "--json"), SLOW_READ),
        (("load", *RIDGE, "--requests", "20", "--json"), FAST),
        (("compare", "hermes_64", "--workload", "kernel_ridge_digits", "--baseline", "a100", "--json"), FAST),
        (("compare", "hermes_64", "--workload", "kernel_ridge_digits", "--baseline", "a100", "--json"), SLOW_READ),
        (("validate", "chip", "--json"), ("--set", "core.read.phase_time=0")),
        (("baseline", "run", "a100", "kernel_ridge_digits", "--json"), FAST),
        (("drift", "digits", "--seeds", "1", "--times", "1h", "--json"), ("--set", "core.analog.device.g_max=2")),
        (("accuracy", "digits", "--seeds", "1", "--json"), ("--set", "core.analog.device.g_max=2")),
    ],
)
def test_commands_take_changes(arguments, settings, command):
    assert changes_output(command, arguments, settings)


def test_a_trace_is_of_the_changed_chip(tmp_path, command):
    made = [
        json.loads(command("trace", *RIDGE, "--out", tmp_path / "t.json", "--json", *more).stdout)["makespan_ns"]
        for more in ((), FAST, SLOW_READ)
    ]
    assert made[1] < made[0] < made[2]


def test_a_sweep_starts_from_the_changed_files(tmp_path, command):
    study = tmp_path / "study.yaml"
    study.write_text(
        "schema_version: 1\nname: s\ndescription: d\narch: hermes_64\nworkload: kernel_ridge_digits\ninferences: 1\n"
        "parameters: {mapping: [packed]}\nobjectives: {latency_ns: minimize}\n",
        encoding="utf-8",
    )
    found = {}
    for name, more in (("plain", ()), ("changed", (*FAST, "--set", "network.topology=mesh"))):
        done = command("sweep", study, "--store", tmp_path / name, "--workers", 0, *more)
        assert done.returncode == 0, done.stderr
        found[name] = json.loads(command("sweep", "best", tmp_path / name, "--json").stdout)["best"]
    assert found["changed"]["latency_ns"] < found["plain"]["latency_ns"]
    assert found["changed"]["arch.network.topology"] == "mesh"
    done = command("sweep", study, "--store", tmp_path / "x", "--set", "core.rowz=3")
    assert done.returncode == 2
    assert "--set core.rowz=3" in done.stderr
    study.write_text(study.read_text(encoding="utf-8").replace("mapping: [packed]", "arch.core.rows: [64]"), "utf-8")
    done = command("sweep", study, "--store", tmp_path / "x", "--set", "core.rows=3")
    assert (done.returncode, "a field that the study sets itself" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("core.rows=-5", ("--set core.rows=-5: core.rows.value", "-5 count", "a count from 1")),
        ("core.rows=.nan", ("--set core.rows=nan", "no finite number")),
        ("core.rowz=3", ("--set core.rowz=3", "no field 'core.rowz' in ", "did you mean 'rows'?")),
        ("network.topology=mush", ("--set network.topology=mush", "'mesh'")),
        ("features=0", ("--set features=0: features", "a number, at least 1")),
        ("gamma=.inf", ("--set gamma=inf", "a finite number")),
        ("gamma=x", ("--set gamma=x", "got      'x'", "a number")),
        ("gama=1", ("--set gama", "no field 'gama'", "did you mean 'gamma'?")),
        ("name=x", ("--set name", "a field of the chip and of the workload", "arch.name or workload.name")),
        ("workload.gama=1", ("--set gama=1", "kernel_ridge_digits.yaml", "did you mean 'gamma'?")),
        ("core.rows", ("--set", "'core.rows'", "FIELD=VALUE")),
        ("core.rows={", ("--set core.rows", "'{'", "a YAML value")),
    ],
)
def test_messages_point_at_the_option_and_name_field_and_value(setting, words, command):
    done = command("run", *RIDGE, "--no-accuracy", "--set", setting)
    assert done.returncode == 2
    assert all(word in done.stderr for word in words), done.stderr
    assert ", line " not in done.stderr


def test_fields_that_do_not_go_together_are_one_line_each_not_the_document(command):
    done = command("run", "hermes_64_hetero", "performer_imdb_full", "--set", "heads=3")
    assert "--set heads=3: heads\n  got      3\n  allowed  a divisor of d_model = 64" in done.stderr


def test_a_field_is_set_once():
    with pytest.raises(HermesSimError, match="one value"):
        parse_overrides(["core.rows=3", "core.rows=4"])


def test_a_changed_value_of_a_measured_quantity_is_no_longer_measured(command):
    for path in ("core.rows", "core.rows.value"):
        done = command("explain", "area", *RIDGE, "--json", "--set", f"{path}=512")
        assert '"kind": "assumed"' in done.stdout
        assert "override of 256 count" in done.stdout


def test_force_is_no_advice_for_a_folder_that_is_no_report(tmp_path, command):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear", encoding="utf-8")
    for force in ((), ("--force",)):
        done = command("run", *RIDGE, "--no-accuracy", "--out", tmp_path / "mine", *force)
        assert done.returncode == 2
        assert "try      another --out" in done.stderr
        assert "--force" not in done.stderr
    assert (tmp_path / "mine" / "letter.txt").is_file()


@pytest.mark.parametrize("value", [None, True, 3, 1e-09, "2 GHz", "my chip", [1, "a"], {"value": 2, "unit": "GHz"}])
def test_a_setting_told_in_a_command_is_read_as_it_was(value):
    assert parse_overrides([setting("a.b", value)]) == {"a.b": value}
