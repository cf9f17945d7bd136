"""Comparison rows as CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from hermes_sim.config.files import write_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hermes_sim.validation.accuracy import AccuracyRow


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
