"""Every quantity of a chip, by dotted path: the provenance table, and the list a study can vary."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel

from hermes_sim.config.quantity import Quantity

if TYPE_CHECKING:
    from collections.abc import Iterator

M = TypeVar("M", bound=BaseModel)


def quantities(section: BaseModel) -> Iterator[Quantity]:
    """All quantities of a section and its sub-sections, in the order of the schema."""
    for name in type(section).model_fields:
        value = getattr(section, name)
        for item in value.values() if isinstance(value, dict) else (value,):
            if isinstance(item, Quantity):
                yield item
            elif isinstance(item, BaseModel):
                yield from quantities(item)


def name_quantities(section: M, prefix: str = "") -> M:
    """Copy of a section in which every quantity knows its dotted path."""
    update: dict[str, object] = {}
    for name in type(section).model_fields:
        value = getattr(section, name)
        path = f"{prefix}.{name}" if prefix else name
        if isinstance(value, dict):
            update[name] = {key: _named(item, f"{path}.{key}") for key, item in value.items()}
        else:
            update[name] = _named(value, path)
    return section.model_copy(update=update)


def _named(value: object, path: str) -> object:
    if isinstance(value, Quantity):
        return replace(value, path=path)
    if isinstance(value, BaseModel):
        return name_quantities(value, path)
    return value


def resolved(section: BaseModel) -> dict[str, object]:
    """Section as plain data that loads back to the same values, quantities in internal units."""
    return {name: _plain(getattr(section, name)) for name in type(section).model_fields}


def _plain(value: object) -> object:
    if isinstance(value, Quantity):
        whole = value.value == int(value.value) and abs(value.value) < 2**53
        record: dict[str, object] = {
            "value": int(value.value) if whole else value.value,
            "unit": value.dimension.unit,
            "kind": str(value.kind),
            "source": value.source,
        }
        if value.note:
            record["note"] = value.note
        if value.low is not None:
            record["range"] = [value.low, value.high]
        return record
    if isinstance(value, BaseModel):
        return resolved(value)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, str) else value
