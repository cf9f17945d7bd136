"""A user's own measurements of a device, from a table: they stand beside the estimates."""

from __future__ import annotations

import csv
import math
from typing import TYPE_CHECKING

from hermes_sim.baselines.schema import Measurement, Precision
from hermes_sim.config import quantity as q
from hermes_sim.config.quantity import Dimension, Kind, Quantity
from hermes_sim.errors import DataError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

COLUMNS = ("workload", "precision", "batch", "latency_ns", "energy_pj", "source")


def read_measurements(path: Path) -> list[Measurement]:
    """Measurements of a CSV table with the columns workload, precision, batch, latency_ns, energy_pj, source.

    Latency and energy are per inference; an empty energy means that it was not measured.

    Raises
    ------
    DataError
        unreadable file, missing or unknown column, a value that is no positive number, an unknown precision,
        no source, no row; with the line
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as cause:
        raise DataError(str(path), got=str(cause), allowed="a readable UTF-8 CSV table") from None
    reader = csv.DictReader(text.splitlines(), skipinitialspace=True)
    header = [name.strip() for name in reader.fieldnames or ()]
    reader.fieldnames = header
    for name in header:
        if name not in COLUMNS:
            hint = nearest(name, COLUMNS)
            raise DataError(f"{path}, line 1", got=f"column {name!r}", allowed=", ".join(COLUMNS), hint=hint)
    for name in COLUMNS:
        if name not in header:
            raise DataError(f"{path}, line 1", got="no such column", allowed=f"the column {name!r}")
    rows = [_row(path, reader.line_num, row) for row in reader]
    if not rows:
        raise DataError(str(path), got="no rows", allowed="at least one measurement")
    refuse_doubles(rows, str(path))
    return rows


def refuse_doubles(rows: list[Measurement], where: str) -> None:
    """Refuse two measurements of the same workload, precision and batch.

    Raises
    ------
    DataError
        naming the first such pair
    """
    seen = set()
    for row in rows:
        key = (row.workload, str(row.precision), row.batch)
        if key in seen:
            got = f"two measurements of {row.workload} at {row.precision}, batch {row.batch}"
            raise DataError(where, got=got, allowed="one")
        seen.add(key)


def _row(path: Path, line: int, row: Mapping[str | None, str | None]) -> Measurement:
    where = f"{path}, line {line}"
    if None in row or any(row[name] is None for name in COLUMNS):
        n_found = sum(value is not None for value in row.values()) + (None in row)
        raise DataError(where, got=f"about {n_found} values", allowed=f"{len(COLUMNS)} values")
    cell = {name: (row[name] or "").strip() for name in COLUMNS}
    for name in ("workload", "source"):
        if not cell[name]:
            raise DataError(f"{where}: {name}", got="nothing", allowed="text")
    if cell["precision"] not in list(Precision):
        raise DataError(f"{where}: precision", got=cell["precision"], allowed=", ".join(Precision))
    batch = cell["batch"]
    if not batch.isdigit() or int(batch) < 1:
        raise DataError(f"{where}: batch", got=repr(batch), allowed="a whole number from 1")
    source = cell["source"]
    latency_ps = round(1e3 * _positive(where, "latency_ns", cell))
    energy = _quantity(_positive(where, "energy_pj", cell), q.ENERGY, source) if cell["energy_pj"] else None
    return Measurement(
        workload=cell["workload"],
        precision=Precision(cell["precision"]),
        batch=int(batch),
        latency=_quantity(float(latency_ps), q.TIME, source),
        energy=energy,
    )


def _positive(where: str, name: str, cell: Mapping[str, str]) -> float:
    try:
        value = float(cell[name])
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value <= 0:
        raise DataError(f"{where}: {name}", got=repr(cell[name]), allowed="a number above 0")
    return value


def _quantity(value: float, dimension: Dimension, source: str) -> Quantity:
    return Quantity(value, dimension, Kind.MEASURED, source, f"{value:g} {dimension.unit}")
