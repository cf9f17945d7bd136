"""What every field of a chip file moves, as tests/every_field says it and as it is; ``--update`` writes it down."""  # noqa: INP001

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "every_field" / "support"))

from field_table import ANY, TABLE, as_said, load_table
from scenarios import ERROR

from hermes_sim.errors import HermesSimError

if TYPE_CHECKING:
    from field_table import Entry, Table


def measured(table: Table, entry: Entry) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Change -> what it moves, the same in all scenarios and places; and what is wrong."""
    found: dict[str, dict[str, str]] = {}
    wrong = []
    for scenario, change, path in table.changes(entry):
        try:
            here = as_said(table.found(entry, scenario, change, path))
        except HermesSimError as error:
            wrong.append(f"{path} {change} in {scenario}: {error.where}: {error.got}, allowed {error.allowed}")
            continue
        one = found.setdefault(_label(change), here)
        if one != here and one.keys() == here.keys() and {**one, ERROR: ANY} == {**here, ERROR: ANY}:
            one[ERROR] = ANY
        elif one != here:
            wrong.append(f"{path} {change} in {scenario}: {here}, elsewhere {found[str(change)]}")
    if any(found.values()) == entry.is_silent:
        wrong.append(f"{entry.path}: {'listed as without effect' if entry.is_silent else 'moves nothing'}")
    return found, wrong


def _label(change: object) -> str:
    """A change as the file writes it."""
    return str(change).lower() if isinstance(change, bool) else str(change)


_KINDS = {
    "time (latency, makespan)": {"latency", "makespan"},
    "energy of work": {"dynamic"},
    "static power": {"static"},
    "area": {"area"},
    "accuracy": {ERROR},
}


def summary(table: Table) -> list[str]:
    """How many fields move what, as a Markdown table, and those that move nothing."""
    moved = {entry.path: {name for found in entry.moves.values() for name in found} for entry in table.entries.values()}
    n = len(moved) + len(table.pending)
    lines = ["| moves | fields |", "| --- | --- |"]
    for kind, names in _KINDS.items():
        lines.append(f"| {kind} | {sum(bool(names & figures) for figures in moved.values())} |")
    silent = [entry for entry in table.entries.values() if entry.is_silent]
    n_silent = len(silent) + len(table.pending)
    lines += [f"| nothing | {n_silent} ({n_silent / n:.1%}) |", f"| all fields | {n} |", ""]
    lines += [f"- `{entry.path}`: {entry.why}" for entry in silent]
    return [*lines, *(f"- `{path}`: effect still missing" for path in table.pending)]


def main() -> int:
    """Print (or write) what is not as the table says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--update", action="store_true", help="rewrite the moves in the table")
    parser.add_argument("--summary", action="store_true", help="count the fields of the table by what they move")
    parser.add_argument("paths", nargs="*", help="parts of the paths of fields; all by default")
    options = parser.parse_args()
    if options.summary:
        print(*summary(load_table()), sep="\n")
        return 0
    table, text, faults = load_table(), TABLE.read_text(encoding="utf-8"), 0
    for entry in table.entries.values():
        if options.paths and not any(part in entry.path for part in options.paths):
            continue
        found, wrong = measured(table, entry)
        faults += len(wrong)
        for line in wrong:
            print(f"!! {line}")
        for change, moved in found.items():
            said = {_label(name): value for name, value in entry.moves.items()}[change]
            if said != moved:
                print(f"{entry.path} {change}: {moved or 'nothing'} (table: {said or 'nothing'})")
                text = _with(text, entry.path, change, moved)
    if options.update:
        TABLE.write_text(text, encoding="utf-8")
    return int(faults > 0)


def _with(text: str, path: str, change: str, moved: dict[str, str]) -> str:
    """The file with one line other than it was."""
    words = "{" + ", ".join(f"{name}: {direction}" for name, direction in moved.items()) + "}"
    entry = rf'(?m)(^  "?{re.escape(path)}"?:\n(?:    .*\n)*?    {re.escape(change)}: )\{{.*\}}'
    new, n = re.subn(entry, rf"\g<1>{words}", text, count=1)
    if n != 1:
        raise SystemExit(f"no line for {path} {change}")
    return new


if __name__ == "__main__":
    raise SystemExit(main())
