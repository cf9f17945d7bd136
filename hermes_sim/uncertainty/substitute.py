"""A chip or baseline with other values in some of its fields."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from hermes_sim.config.quantity import Quantity
from hermes_sim.errors import ArchConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

M = TypeVar("M", bound=BaseModel)


def with_values(section: M, values: Mapping[str, float], *, check: bool = True) -> M:
    """Copy of a section with other values, in internal units, by dotted path.

    Parameters
    ----------
    check : whether rules between fields are checked again (an area limit of a baseline is one of its design)

    Raises
    ------
    ArchConfigError
        if values that are each within their range contradict each other
    """
    if not values:
        return section
    return _changed(section, dict(values), "", check=check)


def _changed(section: M, values: Mapping[str, float], prefix: str, *, check: bool) -> M:
    update: dict[str, object] = {}
    for name in type(section).model_fields:
        path = f"{prefix}.{name}" if prefix else name
        mine = {key: value for key, value in values.items() if key == path or key.startswith(f"{path}.")}
        if not mine:
            continue
        field = getattr(section, name)
        if isinstance(field, dict):
            update[name] = {key: _value(item, mine, f"{path}.{key}", check=check) for key, item in field.items()}
        else:
            update[name] = _value(field, mine, path, check=check)
    if not check:
        return section.model_copy(update=update)
    fields = {name: getattr(section, name) for name in type(section).model_fields}
    try:
        return type(section)(**{**fields, **update})
    except ValidationError as cause:
        told = cause.errors()[0]["msg"].removeprefix("Value error, ")
        raise ArchConfigError(
            prefix or "chip", got="ranges that allow values which contradict each other", allowed=told
        ) from None


def _value(item: object, values: Mapping[str, float], path: str, *, check: bool) -> object:
    if isinstance(item, Quantity):
        return replace(item, value=values[path]) if path in values else item
    if isinstance(item, BaseModel):
        return _changed(item, values, path, check=check)
    return item
