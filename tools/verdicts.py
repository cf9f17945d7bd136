"""Which verdicts of a comparison changed, and by which step: the `changed.csv` beside a study.

    git show COMMIT:reports/comparison/rows.csv > old.csv      then, at each step on the way, on its commit:
    hermes-sim compare --study reports/comparison --out /tmp/step1
    python tools/verdicts.py old.csv "memory traffic=/tmp/step1/rows.csv" ... "links=reports/comparison/rows.csv" \
        --out reports/comparison/changed.csv

The last table is what holds now. A change goes to the first step after which the verdict stays what it is now. Rows
that the old table has no counterpart of (batch 1, back to back) are left out.
"""  # noqa: INP001

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hermes_sim.comparison.changes import changed_verdicts, verdicts_in, write_changes
from hermes_sim.errors import HermesSimError


def main(arguments: list[str] | None = None) -> int:
    """Compare tables; exit code 2 for one that cannot be used."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path, help="rows.csv that the verdicts are compared with")
    parser.add_argument("steps", nargs="+", metavar="ITEM=ROWS.CSV", help="tables after each step, in order")
    parser.add_argument("--out", type=Path, required=True, help="table of changes")
    given = parser.parse_args(arguments)
    for step in given.steps:
        if not all(step.partition("=")[::2]):
            parser.error(f"{step!r} is not ITEM=ROWS.CSV")
    named = [("before", given.old), *((item, Path(path)) for item, _, path in (s.partition("=") for s in given.steps))]
    try:
        tables = [(name, verdicts_in(path)) for name, path in named]
        changes = changed_verdicts(tables)
        write_changes(changes, given.out)
    except HermesSimError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"{len(changes)} of {len(tables[0][1])} verdicts changed; {given.out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
