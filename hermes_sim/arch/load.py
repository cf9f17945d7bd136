"""Chip file -> `Chip`: inheritance by `extends:`, overrides by dotted path, errors that name file and field."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from hermes_sim.arch.parameters import name_quantities
from hermes_sim.arch.schema import Chip
from hermes_sim.arch.validation import is_open, keys_at, validate
from hermes_sim.errors import ArchConfigError, HermesSimError, nearest
from hermes_sim.files import Source, YamlDocument, changes_of, find_yaml, read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

_MAX_PARENTS = 8
_REMEDY = "`extends: hermes_64` at the top of the file takes all that is missing from a shipped chip"


def load_arch(source: Source, overrides: Mapping[str, Any] | None = None) -> Chip:
    """Load a shipped chip by name, or a chip file by path.

    Parameters
    ----------
    source : e.g. ``"hermes_64"`` or ``Path("my_chip.yaml")``
    overrides : dotted path -> new value, e.g. ``{"core.ldpu.lanes": 64}``; a bare number replaces the value of
        a quantity, in the unit given in the file, and marks it as assumed

    Raises
    ------
    ArchConfigError
        naming file, line, field, what was given and what is allowed
    """
    document = read_with_parents(source)
    for path, value, said in changes_of(source, overrides):
        override(document, path, value, said=said)
    return validate_chip(document)


def read_with_parents(source: Source) -> YamlDocument:
    """Read a chip file laid over the file it `extends`, and that over its own, and so on."""
    document = read_yaml(find_yaml(source, "arch_configs", error=ArchConfigError), error=ArchConfigError)
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
    _drop_nulls(document.data)
    return document


def _lay_under(
    data: dict[str, Any],
    parent: dict[str, Any],
    places: dict[str, str],
    parent_places: dict[str, str],
    at: str = "",
) -> None:
    """Add what `data` leaves open; quantities are replaced whole, an explicit null stays."""
    for key, value in parent.items():
        path = f"{at}.{key}" if at else str(key)
        if key not in data:
            data[key] = copy.deepcopy(value)
            new = {p: place for p, place in parent_places.items() if p == path or p.startswith(f"{path}.")}
            places.update(new)
        elif isinstance(value, dict) and isinstance(data[key], dict) and not {"value", "kind"} & set(data[key]):
            _lay_under(data[key], value, places, parent_places, path)


def _drop_nulls(data: dict[str, Any]) -> None:
    """Remove keys that a file, or one that extends it, sets to null."""
    for key, value in list(data.items()):
        if value is None:
            del data[key]
        elif isinstance(value, dict):
            _drop_nulls(value)


def override(
    document: YamlDocument,
    path: str,
    value: Any,
    *,
    model: type[BaseModel] = Chip,
    error: type[HermesSimError] = ArchConfigError,
    said: str = "override",
) -> None:
    """Set one field by dotted path; a bare number keeps unit and marks the quantity as assumed.

    Parameters
    ----------
    model : schema of the file; a field that it has and the file leaves out may be set, too
    said : what gave the value, which messages name instead of a line of the file

    Raises
    ------
    HermesSimError
        of class `error`, if the path names no field
    """
    place = f"{said} {path}={_short(value)}"
    node, keys = document.data, path.split(".")
    for i, key in enumerate(keys):
        if is_open(model, keys[:i]):  # names of the user's own, which may have dots
            keys = [*keys[:i], ".".join(keys[i:])]
            break
        known = list(dict.fromkeys([*map(str, node), *keys_at(model, keys[:i])]))
        inner = node.get(key, {})
        if key not in known or (i + 1 < len(keys) and not isinstance(inner, dict)):
            got = f"no field {'.'.join(keys[: i + 1 + (key in known)])!r} in {document.path}"
            allowed = f"one of {', '.join(known)}" if key not in known else f"{'.'.join(keys[: i + 1])} as a whole"
            raise error(place, got=got, allowed=allowed, hint=nearest(key, known) if key not in known else "")
        if i + 1 < len(keys):
            node[key] = node = inner
    if keys[-1] == "value" and "unit" in node:  # of a quantity: what it was measured as no longer holds
        node |= _in_form_of(dict(node), value)
    else:
        node[keys[-1]] = _in_form_of(node.get(keys[-1]), value)
    for spot in [spot for spot in document.places if spot == path or spot.startswith(f"{path}.")]:
        del document.places[spot]
    document.places[path] = place


def _in_form_of(old: Any, value: Any) -> Any:
    """New content of a field: of a quantity a record, if only its value was given."""
    if not (isinstance(old, dict) and "value" in old) or isinstance(value, dict) or value is None:
        return value
    new = {"value": value, "kind": "assumed", "source": f"override of {old.get('value')} {old.get('unit', '')}"}
    has_unit = isinstance(value, str) and " " in value.strip()
    return new if has_unit or "unit" not in old else {**new, "unit": old["unit"]}


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def validate_chip(document: YamlDocument) -> Chip:
    """Check a merged document against the schema.

    Raises
    ------
    ArchConfigError
        as `validate`
    """
    remedy = "" if "extends" in document.places else _REMEDY
    return name_quantities(validate(Chip, document, ArchConfigError, remedy=remedy))
