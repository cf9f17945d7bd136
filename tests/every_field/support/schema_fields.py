"""Every field that a chip file may have, from the schema itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from hermes_sim.chip.schema import Chip
from hermes_sim.config.quantity import Quantity

if TYPE_CHECKING:
    from collections.abc import Iterator

# What says where a value comes from, of a quantity, a curve and a table alike.
PROVENANCE = frozenset({"unit", "kind", "source", "note"})


@dataclass(frozen=True)
class SchemaField:
    """One field.

    Parameters
    ----------
    path : with ``*`` for names of the file's own, and ``[NAME]`` behind a section that comes in several kinds
    is_number : whether it can be halved and doubled
    choices : all that it can be, if these can be counted
    """

    path: str
    is_number: bool
    choices: tuple[Any, ...] = ()


def schema_fields(model: type[BaseModel] = Chip, at: str = "") -> list[SchemaField]:
    """All fields of a section and of the sections within."""
    is_sourced = {"kind", "source"} <= set(model.model_fields)
    return [
        found
        for name, field in model.model_fields.items()
        if not (is_sourced and name in PROVENANCE)
        for found in _of_type(field.annotation, f"{at}.{name}" if at else name)
    ]


def _of_type(annotation: Any, path: str) -> Iterator[SchemaField]:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        options = [one for one in inner if one is not type(None)]
        if len(options) == 1:
            yield from _of_type(options[0], path)
        else:
            yield SchemaField(f"{path}.type", is_number=False, choices=tuple(map(_tag, options)))
            for option in options:
                yield from (
                    f for f in schema_fields(option, f"{path}[{_tag(option)}]") if not f.path.endswith("].type")
                )
    elif origin is dict:
        yield from _of_type(inner[1], f"{path}.*")
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from schema_fields(annotation, path)
    elif annotation is Quantity:
        yield SchemaField(path, is_number=True)
    elif isinstance(annotation, type) and issubclass(annotation, StrEnum):
        yield SchemaField(path, is_number=False, choices=tuple(map(str, annotation)))
    elif annotation is bool:
        yield SchemaField(path, is_number=False, choices=(False, True))
    else:
        is_number = annotation is float or (origin is tuple and float in inner)
        yield SchemaField(path, is_number=is_number, choices=inner if origin is Literal else ())


def _tag(option: type[BaseModel]) -> str:
    """Name of a kind of section: what it says of its `type`."""
    (name,) = get_args(option.model_fields["type"].annotation)
    return str(name)
