"""Verdicts that changed between two tables of a comparison, and after which step of the way each one stayed changed."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, fields
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from hermes_sim.config.files import write_text
from hermes_sim.config.vocabulary import Timing
from hermes_sim.errors import ComparisonError, nearest
from hermes_sim.kit.formatting import crosses_one
from hermes_sim.kit.ratios import RATIO_OF, RATIOS
from hermes_sim.kit.tables import Column, Table, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from hermes_sim.comparison.table import ComparisonRow
    from hermes_sim.kit.page import Part


class VerdictKey(NamedTuple):
    """One comparison: which design does what, against whom, in which respect."""

    chip: str
    mapping: str
    workload: str
    inferences: int
    timing: str
    baseline: str
    precision: str
    case: str
    quantity: str


@dataclass(frozen=True)
class ChangedVerdict:
    """A comparison whose verdict is another one now.

    Parameters
    ----------
    before, now : ``chip``, ``digital`` or ``open``
    item : step after which it stayed what it is now
    """

    chip: str
    mapping: str
    workload: str
    inferences: int
    timing: str
    baseline: str
    precision: str
    case: str
    quantity: str
    before: str
    now: str
    item: str

    @property
    def key(self) -> VerdictKey:
        """Which comparison."""
        return VerdictKey(*(getattr(self, name) for name in VerdictKey._fields))


_NAMES = [field.name for field in fields(ChangedVerdict)]
_NEEDED = {"chip", "mapping", "workload", "inferences", "baseline", "precision", "case", *RATIOS}


def verdicts_in(path: Path) -> dict[VerdictKey, str]:
    """Verdicts of a ``rows.csv``; tables of older versions have one row per batch, whose timing is the usual one.

    Raises
    ------
    ComparisonError
        a file that cannot be read, or lacks a column
    """
    frame = _read(path, _NEEDED)
    if "timing" not in frame:
        frame["timing"] = [str(Timing.usual(int(n))) for n in frame["inferences"]]
    found = {}
    for row, quantity in product(frame.to_dict("records"), RATIOS):
        key = VerdictKey._make([*(row[name] for name in VerdictKey._fields[:-1]), quantity])
        found[key] = _verdict(*(_number(row, f"{quantity}{end}") for end in ("", "_low", "_high")))
    return found


def verdict_of(row: ComparisonRow) -> dict[VerdictKey, str]:
    """Verdicts of a row of a comparison, by quantity."""
    names = VerdictKey._fields[:-1]
    return {VerdictKey._make([*(getattr(row, name) for name in names), q]): row.winner(q) for q in RATIOS}


def changed_verdicts(tables: Sequence[tuple[str, Mapping[VerdictKey, str]]]) -> list[ChangedVerdict]:
    """Comparisons of the first table that the last one judges in another way.

    Parameters
    ----------
    tables : name and verdicts, from the oldest to the newest; the name of a table is the step that led to it. A table
        that lacks a comparison says nothing about it
    """
    (_, oldest), *later = tables
    newest = later[-1][1]
    found = []
    for key, before in oldest.items():
        now = newest.get(key)
        if now is None or now == before:
            continue
        item = later[-1][0]
        for name, verdicts in reversed(later):
            if verdicts.get(key, now) != now:
                break
            item = name if key in verdicts else item
        found.append(ChangedVerdict(*key, before, now, item))
    return found


def write_changes(changes: Sequence[ChangedVerdict], path: Path) -> None:
    """Write a table of changes, whole or not at all.

    Raises
    ------
    OutputError
        if it cannot be written
    """
    frame = pd.DataFrame([asdict(change) for change in changes], columns=_NAMES)
    write_text(path, frame.to_csv(index=False, lineterminator="\n"))


def read_changes(path: Path) -> list[ChangedVerdict]:
    """Table of changes as `write_changes` leaves it.

    Raises
    ------
    ComparisonError
        a file that cannot be read, or lacks a column
    """
    records: list[dict[str, Any]] = _read(path, set(_NAMES)).to_dict("records")  # type: ignore[assignment]
    return [ChangedVerdict(**{name: record[name] for name in _NAMES}) for record in records]


def change_parts(
    changes: Sequence[ChangedVerdict], rows: Sequence[ComparisonRow], labels: Mapping[str, str]
) -> list[Part]:
    """What a page says of the changes: how many by step, and each; designs that changed alike are one line.

    Parameters
    ----------
    rows : of the page, which the table may be older than
    labels : workload -> its name on the page
    """
    here = {key: verdict for row in rows for key, verdict in verdict_of(row).items()}
    stale = sum(here.get(change.key, change.now) != change.now for change in changes)
    parts: list[Part] = []
    if stale:
        parts.append(f"{stale} of {len(changes)} lines are older than the rows of this page.")
    counts = Counter((change.item, change.before, change.now) for change in changes)
    columns = (*map(Column, ("item", "before", "now")), number("comparisons"))
    parts.append(Table("changes-by-item", "", columns, [[*key, n] for key, n in counts.items()]))
    groups: defaultdict[tuple[str, ...], list[ChangedVerdict]] = defaultdict(list)
    for change in changes:
        flight = Timing(change.timing).words if change.inferences == 1 else f"{change.inferences:,} in flight"
        where = f"{labels.get(change.workload, change.workload)}, {flight}"
        what = f"{RATIO_OF[change.quantity]}, {change.case}"
        groups[where, what, change.baseline, change.before, change.now, change.item].append(change)
    heads = ("workload", "quantity, case", "accelerator", "designs", "before", "now", "item")
    lines = [
        [where, what, baseline, _designs(some), before, now, item]
        for (where, what, baseline, before, now, item), some in groups.items()
    ]
    return [*parts, Table("changes", "", heads, lines)]


def _designs(changes: Sequence[ChangedVerdict]) -> str:
    return "; ".join(dict.fromkeys(f"{change.chip}, {change.mapping}" for change in changes))


def _verdict(ratio: float | None, low: float | None, high: float | None) -> str:
    """As `ComparisonRow.winner`."""
    if ratio is None or crosses_one(ratio, None if low is None or high is None else (low, high)):
        return "open"
    return "chip" if ratio > 1 else "digital"


def _number(row: Mapping[Any, Any], name: str) -> float | None:
    value = row.get(name)
    return None if value is None or pd.isna(value) else float(value)


def _read(path: Path, needed: set[str]) -> pd.DataFrame:
    if not path.is_file():
        raise ComparisonError(str(path), got="no such file", allowed="a CSV table")
    try:
        frame = pd.read_csv(path)
    except (ValueError, OSError) as cause:
        raise ComparisonError(str(path), got=str(cause), allowed="a CSV table") from None
    for name in sorted(needed - set(frame.columns)):
        hint = nearest(name, frame.columns)
        raise ComparisonError(f"{path}: {name}", got="no such column", allowed=", ".join(sorted(needed)), hint=hint)
    return frame
