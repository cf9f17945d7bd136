"""Chip file -> `Chip`: inheritance by `extends:`, overrides by dotted path, errors that name file and field."""

from __future__ import annotations

import copy
import difflib
from typing import TYPE_CHECKING, Any

from hermes_sim.arch.parameters import name_quantities
from hermes_sim.arch.schema import Chip
from hermes_sim.arch.validation import validate
from hermes_sim.errors import ArchConfigError
from hermes_sim.files import YamlDocument, find_yaml, read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_PARENTS = 8


def load_arch(name_or_path: str, overrides: Mapping[str, Any] | None = None) -> Chip:
    """Load a shipped chip by name, or a chip file by path.

    Parameters
    ----------
    name_or_path : e.g. ``"hermes_64"`` or ``"my_chip.yaml"``
    overrides : dotted path -> new value, e.g. ``{"core.ldpu.lanes": 64}``; a bare number replaces the value of
        a quantity, in the unit given in the file, and marks it as assumed

    Raises
    ------
    ArchConfigError
        naming file, line, field, what was given and what is allowed
    """
    document = read_with_parents(name_or_path)
    for path, value in (overrides or {}).items():
        override(document, path, value)
    return validate_chip(document)


def read_with_parents(name_or_path: str) -> YamlDocument:
    """Read a chip file laid over the file it `extends`, and that over its own, and so on."""
    document = read_yaml(find_yaml(name_or_path, "arch_configs", error=ArchConfigError), error=ArchConfigError)
    seen = [document.path]
    child = document
    while (parent_name := child.data.pop("extends", None)) is not None:
        where = child.place("extends")
        if not isinstance(parent_name, str):
            raise ArchConfigError(where, got=repr(parent_name), allowed="the name or path of a chip file")
        beside = child.path.parent / parent_name
        path = beside if beside.is_file() else find_yaml(parent_name, "arch_configs", error=ArchConfigError)
        if path in seen or len(seen) >= _MAX_PARENTS:
            raise ArchConfigError(where, got=parent_name, allowed="a chain of parents without a circle")
        seen.append(path)
        child = read_yaml(path, error=ArchConfigError)
        inherited = {key: value for key, value in child.data.items() if key != "extends"}
        _lay_under(document.data, inherited, document.places, child.places)
    return document


def _lay_under(
    data: dict[str, Any],
    parent: dict[str, Any],
    places: dict[str, str],
    parent_places: dict[str, str],
    at: str = "",
) -> None:
    """Add what `data` leaves open; quantities are replaced whole, an explicit null removes a key."""
    for key, value in parent.items():
        path = f"{at}.{key}" if at else str(key)
        if key not in data:
            data[key] = copy.deepcopy(value)
            new = {p: place for p, place in parent_places.items() if p == path or p.startswith(f"{path}.")}
            places.update(new)
        elif isinstance(value, dict) and isinstance(data[key], dict) and not {"value", "kind"} & set(data[key]):
            _lay_under(data[key], value, places, parent_places, path)
    for key in [key for key, value in data.items() if value is None]:
        del data[key]


def override(document: YamlDocument, path: str, value: Any) -> None:
    """Set one field by dotted path; a bare number keeps unit and marks the quantity as assumed.

    Raises
    ------
    ArchConfigError
        if the path names no field
    """
    node: Any = document.data
    *parents, last = path.split(".")
    for i, key in enumerate([*parents, last]):
        if not isinstance(node, dict) or key not in node:
            names = list(node) if isinstance(node, dict) else []
            close = difflib.get_close_matches(key, [str(name) for name in names], n=1)
            raise ArchConfigError(
                f"{document.path}: {path}",
                got=f"no field {'.'.join([*parents, last][: i + 1])!r}",
                allowed=", ".join(str(name) for name in names) or "a field of the chip file",
                hint=f"did you mean {close[0]!r}?" if close else "",
            )
        if i < len(parents):
            node = node[key]
    old = node[last]
    if isinstance(old, dict) and "value" in old and not isinstance(value, dict):
        new = {
            "value": value,
            "kind": "assumed",
            "source": f"override of {old.get('value')} {old.get('unit', '')}",
        }
        has_unit = isinstance(value, str) and " " in value.strip()
        value = new if has_unit or "unit" not in old else {**new, "unit": old["unit"]}
    node[last] = value
    document.places[path] = "override"


def validate_chip(document: YamlDocument) -> Chip:
    """Check a merged document against the schema.

    Raises
    ------
    ArchConfigError
        for the first bad field
    """
    return name_quantities(validate(Chip, document, ArchConfigError))
