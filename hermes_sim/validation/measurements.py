"""Tables of measured accuracies and kernel errors, one row per seed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hermes_sim.errors import DataError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

COLUMNS = ("dataset", "sampler", "kernel", "log2_ratio", "platform", "metric", "value")
ACCURACY, KERNEL_ERROR = "accuracy", "approx_error"
CHIP, FP32 = "chip", "fp32"


@dataclass(frozen=True, order=True)
class MeasuredCell:
    """One cell of a kernel-ridge table."""

    dataset: str
    kernel: str
    sampler: str
    log2_ratio: float

    @property
    def name(self) -> str:
        """``letter rbf orf 3``."""
        return f"{self.dataset} {self.kernel} {self.sampler} {self.log2_ratio:g}"


@dataclass(frozen=True)
class Measurements:
    """Values over seeds by cell, platform and metric."""

    values: Mapping[tuple[MeasuredCell, str, str], NDArray[np.float64]]

    def get(self, cell: MeasuredCell, platform: str, metric: str) -> NDArray[np.float64]:
        """Values of one cell, empty where there are none."""
        return self.values.get((cell, platform, metric), np.zeros(0))

    def cells(self) -> list[MeasuredCell]:
        """All cells that have a value."""
        return sorted({cell for cell, _, _ in self.values})


def read_measurements(path: str | Path) -> Measurements:
    """Table in the format of ``chip_measurements.csv``; rows of other kernels than `kernels` are kept as they are.

    Raises
    ------
    DataError
        a file that cannot be read, a missing column, a value that is no number, an unknown platform or metric
    """
    file = Path(path)
    if not file.is_file():
        raise DataError(str(file), got="no such file", allowed="a CSV table of measurements")
    try:
        table = pd.read_csv(file)
    except (ValueError, OSError) as cause:
        raise DataError(str(file), got=str(cause), allowed="a CSV table of measurements") from None
    for column in COLUMNS:
        if column not in table:
            hint = nearest(column, [str(name) for name in table.columns])
            raise DataError(f"{file}: {column}", got="no such column", allowed=", ".join(COLUMNS), hint=hint)
    for column in ("log2_ratio", "value"):
        numbers = pd.to_numeric(table[column], errors="coerce")
        bad = ~np.isfinite(numbers.to_numpy(float))
        if bad.any():
            row = int(bad.argmax())
            raise DataError(
                f"{file}, line {row + 2}: {column}", got=repr(table[column].iloc[row]), allowed="a finite number"
            )
        table[column] = numbers
    for column, allowed in (("platform", (CHIP, FP32)), ("metric", (ACCURACY, KERNEL_ERROR))):
        unknown = sorted(set(table[column].astype(str)) - set(allowed))
        if unknown:
            raise DataError(f"{file}: {column}", got=repr(unknown[0]), allowed=", ".join(allowed))
    keys = ["dataset", "kernel", "sampler", "log2_ratio", "platform", "metric"]
    values: dict[tuple[MeasuredCell, str, str], NDArray[np.float64]] = {}
    for key, group in table.groupby(keys, sort=True):
        dataset, kernel, sampler, log2_ratio, platform, metric = key
        cell = MeasuredCell(str(dataset), str(kernel), str(sampler), float(str(log2_ratio)))
        values[cell, str(platform), str(metric)] = group["value"].to_numpy(np.float64)
    return Measurements(values)
