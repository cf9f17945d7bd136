"""Rows of a validation as tables for people, and as CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from hermes_sim.config.files import write_text
from hermes_sim.kit.tables import Column, Table, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from hermes_sim.validation.accuracy import AccuracyRow
    from hermes_sim.validation.profile import Profile


def rows_frame(rows: Sequence[AccuracyRow]) -> pd.DataFrame:
    """One line per cell and metric: measured, every predictor, z."""
    records = []
    for row in rows:
        record: dict[str, object] = {
            "dataset": row.cell.dataset,
            "kernel": row.cell.kernel,
            "sampler": row.cell.sampler,
            "log2_ratio": row.cell.log2_ratio,
            "metric": row.metric,
        }
        full = row.comparisons.get("full")
        if full is not None:
            record |= {"chip": full.chip_mean, "chip_se": full.chip_se, "chip_median": full.chip_median}
        for name, (mean, se) in row.predicted.items():
            record |= {f"{name}": mean, f"{name}_se": se}
        for name, comparison in row.comparisons.items():
            record[f"z_{name}"] = comparison.z
        records.append(record)
    return pd.DataFrame(records)


def write_rows(rows: Sequence[AccuracyRow], path: Path) -> None:
    """Write the rows as CSV, whole or not at all.

    Raises    OutputError  if the file cannot be written
    """
    write_text(path, rows_frame(rows).to_csv(index=False, float_format="%.6g", lineterminator="\n"))


def write_profiles(profiles: Mapping[str, Sequence[Profile]], path: Path) -> None:
    """Write log-likelihoods as CSV, one line per model, parameter, value, measure and data set.

    Raises    OutputError  if the file cannot be written
    """
    records = [
        {
            "model": model,
            "parameter": profile.parameter,
            "value": point.value,
            "held": point.value == profile.held,
            "metric": metric,
            "dataset": dataset,
            **part,
        }
        for model, found in profiles.items()
        for profile in found
        for point in profile.points
        for (metric, dataset), part in point.parts.items()
    ]
    write_text(path, pd.DataFrame(records).to_csv(index=False, float_format="%.6g", lineterminator="\n"))


def rows_table(name: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """Published figures beside ours.

    Parameters
    ----------
    rows : as `ValidationRow.record` gives them
    """
    four = "{:,.4g}".format
    columns = [
        *(Column("quantity"), number("published", four), number("ours", four)),
        *(number("deviation", "{:+.2%}".format), Column("tolerance"), Column("kind"), Column("")),
    ]
    shown = ("name", "expected", "simulated", "deviation")
    has_intervals = any(row.get("interval") for row in rows)
    if has_intervals:
        columns.insert(3, Column("5 to 95 %"))

    def cells(row: Mapping[str, Any]) -> list[Any]:
        tolerance = "at least" if row.get("at_least") else f"{row['tolerance']:.0%}"
        found = [*(row[key] for key in shown), tolerance, row["kind"], "ok" if row["pass"] else "MISSES"]
        if has_intervals:
            found.insert(3, " to ".join(map(four, row.get("interval") or ())))
        return found

    return Table(name, name, columns, [cells(row) for row in rows])


def lines_table(name: str, lines: Sequence[Mapping[str, str]]) -> Table:
    """What belongs to a figure beside its rows, as `Outcome.lines`."""
    return Table(f"{name}_lines", "", list(lines[0]), [list(line.values()) for line in lines])
