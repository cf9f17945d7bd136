"""Ratios of benchmarks beside the stored ones. Nothing here measures time."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def bench(monkeypatch, tmp_path):
    """benchmarks/run.py, its stored files in an empty folder and its measurements made up."""
    spec = importlib.util.spec_from_file_location("benchmarks_run", ROOT / "benchmarks/run.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "REFERENCE", tmp_path / "reference.json")
    monkeypatch.setattr(module, "HISTORY", tmp_path / "history.jsonl")
    monkeypatch.setattr(module, "this_machine", lambda: "a machine, 2 CPUs")
    monkeypatch.setattr(module, "this_commit", lambda: "abc")
    return module


def row(name, value, reference=None, *, unit="s", threads=1):
    ratio = value / reference if reference and value is not None else None
    keys = {"name": name, "value": value, "unit": unit, "reference": reference, "threads": threads, "goal": None}
    return {**keys, "ratio": ratio}


def run(bench, monkeypatch, rows, *words):
    monkeypatch.setattr(bench, "measure", lambda name: rows)
    monkeypatch.setattr(sys, "argv", ["run.py", "engine", *words])
    bench.main()


ROWS = [row("a", 4.0, 2.0), row("b", 9.0, 3.0, unit="vectors/s"), row("c", 5.0), row("d", None, 3.0)]


@pytest.mark.parametrize(
    ("stored", "now", "unit", "verdict"),
    [
        (2.0, 2.5, "s", ""),
        (2.0, 2.51, "s", "MORE"),
        (2.0, 1.6, "s", ""),
        (2.0, 1.59, "s", "LESS"),
        (2.0, 1.5, "vectors/s", "SLOWER"),
        (2.0, 3.0, "points/min", "FASTER"),
        (None, 3.0, "s", "new"),
        (3.0, None, "s", "not measured today"),
    ],
)
def test_a_ratio_moved_if_it_changed_by_more_than_the_tolerance_either_way(bench, stored, now, unit, verdict):
    assert bench.Change("x", stored, now, unit).verdict(0.25) == verdict


def test_stored_ratios_stand_beside_those_of_today_and_rows_without_one_are_left_out(bench, monkeypatch, capsys):
    run(bench, monkeypatch, ROWS, "--store")
    document = json.loads(bench.REFERENCE.read_text())
    assert document["benchmarks"]["engine"]["ratios"] == {"a": 2.0, "b": 3.0}
    assert document["benchmarks"]["engine"]["commit"] == "abc"
    assert document["benchmarks"]["engine"]["machine"] == "a machine, 2 CPUs"
    capsys.readouterr()
    run(bench, monkeypatch, [row("a", 6.0, 2.0), row("e", 1.0, 1.0), row("c", 5.0)])
    printed = capsys.readouterr().out
    lines = [line.split() for line in printed.splitlines()]
    assert ["a", "2", "3", "+50.0%", "MORE"] in lines
    assert ["e", "-", "1", "new"] in lines
    assert ["b", "3", "-", "not", "measured", "today"] in lines
    assert "1 of 3 rows have no ratio and are not compared" in printed
    assert "1 ratios moved by more than 25%; columns: stored, now, change" in printed
    assert json.loads(bench.REFERENCE.read_text()) == document


def test_storing_one_benchmark_keeps_the_others(bench):
    one = bench.Measured(commit="abc", machine="m", others_at_work=False, ratios={"a": 2.0})
    bench.store(bench.REFERENCE, {"engine": one, "mvm": one})
    bench.store(bench.REFERENCE, {"engine": one.model_copy(update={"ratios": {"b": 1.0}})})
    stored = bench.load_reference(bench.REFERENCE).benchmarks
    assert stored["engine"].ratios == {"b": 1.0}
    assert stored["mvm"] == one


def test_rows_of_several_threads_are_apart_and_names_are_unique(bench):
    rows = [row("a", 4.0, 2.0), row("a", 3.0, 2.0, threads=2)]
    assert bench.ratios_of(rows) == {"a": (2.0, "s"), "a, 2 threads": (1.5, "s")}
    with pytest.raises(ValueError, match="two rows are called 'a'"):
        bench.ratios_of([rows[0], rows[0]])


def test_the_history_has_one_entry_per_commit_and_machine(bench, monkeypatch, capsys):
    busy = bench.Measured(commit="abc", machine="m", others_at_work=True, ratios={"a": 2.0, "b": 1.0})
    idle = busy.model_copy(update={"others_at_work": False})
    bench.append(bench.HISTORY, {"engine": busy}, "2026-01-01")
    bench.append(bench.HISTORY, {"engine": busy.model_copy(update={"commit": "def"})}, "2026-01-02")
    bench.append(bench.HISTORY, {"engine": idle.model_copy(update={"ratios": {"a": 3.0}})}, "2026-01-03")
    first, last = bench.load_history(bench.HISTORY)
    assert (first.commit, last.commit) == ("def", "abc")
    assert last.ratios == {"engine: a": 3.0, "engine: b": 1.0}
    assert last.others_at_work  # one of the two is still of then
    bench.append(bench.HISTORY, {"engine": idle}, "2026-01-04")
    assert [one.others_at_work for one in bench.load_history(bench.HISTORY)] == [True, False]
    monkeypatch.setattr(sys, "argv", ["run.py", "--history"])
    bench.main()
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["def", "abc"] in lines
    assert ["2026-01-02*", "2026-01-04"] in lines
    assert ["engine:", "a", "2", "2"] in lines


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"schema_version": 2, "benchmarks": {}}', ("schema_version", "2", "allowed")),
        ("{", ("document", "Invalid JSON")),
        (
            '{"benchmarks": {"mvm": {"commit": "a", "machine": "m", "others_at_work": false, "ratios": {"a": -1}}}}',
            ("benchmarks.mvm.ratios.a", "-1", "greater than 0"),
        ),
        ('{"schema_version": 1}', ("benchmarks", "Field required")),
    ],
)
def test_a_damaged_reference_is_refused_before_anything_is_measured(bench, monkeypatch, capsys, text, words):
    bench.REFERENCE.write_text(text)
    with pytest.raises(SystemExit) as end:
        run(bench, monkeypatch, None, "--store")
    assert end.value.code == 2
    message = capsys.readouterr().err
    assert all(word in message for word in ("reference.json", *words)), message
    assert bench.REFERENCE.read_text() == text


@pytest.mark.parametrize(
    ("words", "message"),
    [(["no_such"], "got      no_such"), (["engine", "--tolerance", "0"], "allowed  more than 0")],
)
def test_bad_options_are_refused(bench, monkeypatch, capsys, words, message):
    monkeypatch.setattr(sys, "argv", ["run.py", *words])
    with pytest.raises(SystemExit) as end:
        bench.main()
    assert end.value.code == 2
    assert message in capsys.readouterr().err


def test_a_benchmark_that_fails_is_named(bench, monkeypatch, capsys, tmp_path):
    (tmp_path / "engine.py").write_text("raise SystemExit(3)")
    monkeypatch.setattr(bench, "HERE", tmp_path)
    with pytest.raises(SystemExit) as end:
        bench.measure("engine")
    assert end.value.code == 2
    assert "benchmarks/engine.py ends with 3" in capsys.readouterr().err


def test_what_is_stored_can_be_read(bench):
    stored = bench.load_reference(ROOT / "benchmarks/reference.json").benchmarks
    assert set(stored) <= set(bench.NAMES)
    assert {"engine", "network"} <= set(stored)
    assert bench.load_history(ROOT / "benchmarks/history.jsonl")
