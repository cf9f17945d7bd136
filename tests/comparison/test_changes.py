"""Verdicts that changed, and the step that each change is put down to."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from hermes_sim.comparison.changes import (
    ChangedVerdict,
    VerdictKey,
    change_parts,
    changed_verdicts,
    read_changes,
    verdict_of,
    verdicts_in,
    write_changes,
)
from hermes_sim.comparison.study import changes_beside, load_comparison
from hermes_sim.comparison.table import compare, frame_of
from hermes_sim.errors import ComparisonError

TOOL = Path(__file__).parents[2] / "tools" / "verdicts.py"
SHIPPED = Path(__file__).parents[2] / "reports" / "comparison"


def load_tool():
    spec = importlib.util.spec_from_file_location("verdicts", TOOL)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def key(baseline="a100", quantity="energy_ratio", timing="response"):
    return VerdictKey("hermes_64", "packed", "kernel_projection", 1, timing, baseline, "int8", "realistic", quantity)


def table(path, *ratios, timing=True):
    """Rows of one comparison per accelerator: ratio of the energies with its interval; times are always digital's."""
    rows = [
        {
            **{name: getattr(key(name_of), name) for name in VerdictKey._fields[:-1]},
            "energy_ratio": ratio, "energy_ratio_low": low, "energy_ratio_high": high,
            "latency_ratio": 0.1, "latency_ratio_low": 0.05, "latency_ratio_high": 0.2,
        }
        for name_of, (ratio, low, high) in zip(("a100", "t4", "h100"), ratios, strict=False)
    ]  # fmt: skip
    frame = pd.DataFrame(rows)
    (frame if timing else frame.drop(columns="timing")).to_csv(path, index=False)
    return path


CHIP, OPEN, DIGITAL = (3.0, 2.0, 4.0), (3.0, 0.5, 4.0), (0.3, 0.2, 0.4)


def test_verdicts_of_a_table_are_those_of_its_rows(tmp_path):
    rows = compare(
        ["hermes_64"], ["kernel_projection"], ["a100"], inferences=[1, 50], precisions=["int8"], samples=4
    ).rows
    frame_of(rows).to_csv(tmp_path / "rows.csv", index=False)
    assert verdicts_in(tmp_path / "rows.csv") == {k: v for row in rows for k, v in verdict_of(row).items()}


def test_a_table_without_timing_has_the_usual_one(tmp_path):
    found = verdicts_in(table(tmp_path / "old.csv", CHIP, OPEN, DIGITAL, timing=False))
    assert {name: found[key(name)] for name in ("a100", "t4", "h100")} == {
        "a100": "chip", "t4": "open", "h100": "digital",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "item"),
    [
        (["digital", "digital", "digital"], "one"),
        (["chip", "digital", "digital"], "two"),
        (["chip", "chip", "digital"], "three"),
        (["digital", "chip", "digital"], "three"),  # back in between: the last turn counts
        (["open", "digital", "digital"], "two"),
        ([None, "digital", "digital"], "two"),  # the first step did not look at it
        (["digital", None, "digital"], "one"),
    ],
)
def test_a_change_goes_to_the_step_after_which_it_stays(steps, item):
    tables = [("old", {key(): "chip"})]
    for name, verdict in zip(("one", "two", "three"), steps, strict=True):
        tables.append((name, {} if verdict is None else {key(): verdict}))
    (change,) = changed_verdicts(tables)
    assert (change.before, change.now, change.item) == ("chip", "digital", item)
    assert change.key == key()


def test_what_is_the_same_again_or_was_not_there_is_no_change():
    there_and_back = [("old", {key(): "chip"}), ("one", {key(): "digital"}), ("two", {key(): "chip"})]
    assert changed_verdicts(there_and_back) == []
    new = key(timing="back_to_back")
    assert changed_verdicts([("old", {}), ("one", {new: "chip"})]) == []
    assert changed_verdicts([("old", {key(): "chip"}), ("one", {})]) == []


def test_the_tool_writes_what_the_page_reads(tmp_path, capsys):
    old = table(tmp_path / "old.csv", CHIP, CHIP, DIGITAL, timing=False)
    steps = [table(tmp_path / "a.csv", DIGITAL, CHIP, DIGITAL), table(tmp_path / "b.csv", DIGITAL, OPEN, DIGITAL)]
    out = tmp_path / "changed.csv"
    arguments = [str(old), f"memory={steps[0]}", f"links={steps[1]}", "--out", str(out)]
    assert load_tool().main(arguments) == 0
    assert "2 of 6 verdicts changed" in capsys.readouterr().out
    found = read_changes(out)
    assert [(one.baseline, one.before, one.now, one.item) for one in found] == [
        ("a100", "chip", "digital", "memory"), ("t4", "chip", "open", "links"),
    ]  # fmt: skip
    text = "\n".join(part if isinstance(part, str) else part.markdown() for part in change_parts(found, [], {}))
    assert "| memory | chip | digital | 1 |" in text
    assert (
        "| kernel_projection, response | energy, realistic | a100 | hermes_64, packed | chip | digital | memory |"
        in text
    )
    labelled = change_parts(found, [], {"kernel_projection": "Projection"})
    assert "| Projection, response |" in labelled[-1].markdown()


def test_designs_that_changed_alike_are_one_line_and_stale_lines_are_counted():
    one = ChangedVerdict(*key(), "chip", "digital", "memory")
    parts = change_parts([one, replace(one, mapping="balanced"), replace(one, now="open")], [], {})
    lines = parts[-1].markdown()
    assert "| hermes_64, packed; hermes_64, balanced | chip | digital | memory |" in lines
    rows = compare(
        ["hermes_64"], ["kernel_projection"], ["a100"], inferences=[1], precisions=["int8"], mapping="packed"
    ).rows
    now = {k: v for row in rows for k, v in verdict_of(row).items()}[key()]
    other = next(word for word in ("chip", "digital", "open") if word != now)
    assert change_parts([replace(one, now=other)], rows, {})[0].startswith("1 of 1 lines are older")
    assert not isinstance(change_parts([replace(one, now=now)], rows, {})[0], str)


def test_the_page_has_a_section_where_the_study_names_a_table(tmp_path):
    text = (SHIPPED / "study.yaml").read_text(encoding="utf-8")
    text = "\n".join(line for line in text.splitlines() if not line.startswith("change"))
    (tmp_path / "study.yaml").write_text(text + "\nchanges: changed.csv\n", encoding="utf-8")
    file = load_comparison(tmp_path)
    with pytest.raises(ComparisonError, match="no such file"):
        changes_beside(tmp_path, file)
    write_changes([ChangedVerdict(*key(), "chip", "digital", "memory")], tmp_path / "changed.csv")
    assert len(changes_beside(tmp_path / "study.yaml", file)) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [("chip,mapping\na,b\n", "no such column"), ("", "No columns"), (None, "no such file")],
)
def test_tables_that_cannot_be_used_are_told_of(tmp_path, capsys, content, message):
    path = tmp_path / "rows.csv"
    if content is not None:
        path.write_text(content)
    assert load_tool().main([str(path), f"x={path}", "--out", str(tmp_path / "out.csv")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


def test_a_step_needs_a_name(tmp_path):
    with pytest.raises(SystemExit) as caught:
        load_tool().main(["old.csv", "rows.csv", "--out", str(tmp_path / "x.csv")])
    assert caught.value.code == 2
