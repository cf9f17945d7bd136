"""Measured cells from CSV: columns of a chip file's `core.analog.device.tables`."""

from __future__ import annotations

import csv
import math
from typing import TYPE_CHECKING, Any

from hermes_sim.chip.device import CellColumns
from hermes_sim.config.files import read_text
from hermes_sim.errors import ArchConfigError, nearest

if TYPE_CHECKING:
    from pathlib import Path

    from hermes_sim.config.files import YamlDocument

_PLACE = ("core", "analog", "device", "tables")
_ALL = tuple(CellColumns.model_fields)
_NEEDED = tuple(name for name, field in CellColumns.model_fields.items() if field.is_required())


def fill_tables(document: YamlDocument, folder: Path) -> None:
    """Put what stands in the `file` of each table in its place.

    Parameters
    ----------
    folder : from which paths of files count

    Raises
    ------
    ArchConfigError
        a file that cannot be read as such a table
    """
    node: Any = document.data
    for key in _PLACE:
        node = node.get(key) if isinstance(node, dict) else None
    for name, table in (node if isinstance(node, dict) else {}).items():
        if not (isinstance(table, dict) and isinstance(table.get("file"), str)):
            continue
        path = folder / table.pop("file")
        if not path.is_file():
            place = document.place(".".join((*_PLACE, str(name), "file")))
            allowed = "a CSV file; its path counts from the chip file"
            raise ArchConfigError(place, got=f"{path}: no such file", allowed=allowed)
        # a column that this file lacks is not taken from a table that it replaces, either
        table["columns"] = dict.fromkeys(_ALL) | _columns(path)


def _columns(path: Path) -> dict[str, list[float]]:
    text = read_text(path, error=ArchConfigError, allowed="a CSV file")
    rows = [
        (number, [cell.strip() for cell in next(csv.reader([line]))])
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.startswith("#")
    ]
    header = rows[0][1] if rows else []
    for name in header:
        if name not in _ALL or header.count(name) > 1:
            got = f"{name!r} twice" if name in _ALL else repr(name)
            where = f"{path}, line {rows[0][0]}: column"
            raise ArchConfigError(where, got=got, allowed=", ".join(_ALL), hint=nearest(name, _ALL))
    if missing := [name for name in _NEEDED if name not in header]:
        found = ", ".join(header) or "nothing"
        raise ArchConfigError(f"{path}: column {missing[0]}", got=f"columns {found}", allowed=", ".join(_NEEDED))
    if len(rows) < 2:
        raise ArchConfigError(str(path), got="no row below the header", allowed="a row per target")
    found_columns: dict[str, list[float]] = {name: [] for name in header}
    for number, cells in rows[1:]:
        if len(cells) != len(header):
            where = f"{path}, line {number}"
            raise ArchConfigError(where, got=f"{len(cells)} values", allowed=f"{len(header)}: {', '.join(header)}")
        for name, cell in zip(header, cells, strict=True):
            column = found_columns[name]
            column.append(_number(cell, name, column, f"{path}, line {number}: {name}"))
    return found_columns


def _number(cell: str, name: str, above: list[float], where: str) -> float:
    """Value of a cell; targets rise from 0, and nothing is negative."""
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise ArchConfigError(where, got=repr(cell), allowed="a finite number >= 0")
    if name == "target_uS":
        if not above and value != 0:
            raise ArchConfigError(where, got=cell, allowed="0, the first target")
        if above and value <= above[-1]:
            raise ArchConfigError(where, got=cell, allowed=f"more than {above[-1]:g}, the target before")
    return value
