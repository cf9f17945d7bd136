"""Chip file -> `Chip`: inheritance by `extends:`, overrides by dotted path, errors that name file and field."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hermes_sim.chip.network import Routes
from hermes_sim.chip.schema import Chip, Topology
from hermes_sim.chip.tables import fill_tables
from hermes_sim.config.files import Source, YamlDocument, changes_of, find_yaml, read_yaml
from hermes_sim.config.override import override
from hermes_sim.config.parameters import name_quantities
from hermes_sim.config.validate import validate
from hermes_sim.errors import ArchConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

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
        override(document, path, value, model=Chip, error=ArchConfigError, said=said)
    return validate_chip(document)


def read_with_parents(source: Source) -> YamlDocument:
    """Read a chip file laid over the file it `extends`, and that over its own, and so on."""
    document = read_yaml(find_yaml(source, "arch_configs", error=ArchConfigError), error=ArchConfigError)
    fill_tables(document, document.path.parent)
    seen = [document.path]
    child = document
    while (parent_name := child.data.pop("extends", None)) is not None:
        where = child.place("extends")
        if not isinstance(parent_name, str):
            raise ArchConfigError(where, got=repr(parent_name), allowed="the name or path of a chip file")
        beside = child.path.parent / parent_name
        try:
            path = beside if beside.is_file() else find_yaml(parent_name, "arch_configs", error=ArchConfigError)
        except ArchConfigError as cause:
            got = f"{cause.where}: {cause.got}"
            raise ArchConfigError(where, got=got, allowed=cause.allowed, hint=cause.hint) from None
        if path in seen or len(seen) >= _MAX_PARENTS:
            raise ArchConfigError(where, got=parent_name, allowed="a chain of parents without a circle")
        seen.append(path)
        child = read_yaml(path, error=ArchConfigError)
        fill_tables(child, path.parent)
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
    """Add what `data` leaves open, in the parent's order; a quantity, or a section of another `type`, replaces it."""
    for key, value in parent.items():
        path = f"{at}.{key}" if at else str(key)
        if key not in data:
            data[key] = copy.deepcopy(value)
            new = {p: place for p, place in parent_places.items() if p == path or p.startswith(f"{path}.")}
            places.update(new)
        elif isinstance(value, dict) and isinstance(data[key], dict) and not _is_whole(data[key]):
            if value.get("type") != data[key].get("type", value.get("type")):  # a converter of another kind
                continue
            _lay_under(data[key], value, places, parent_places, path)
    ordered = {key: data[key] for key in (*parent, *data)}
    data.clear()
    data.update(ordered)


def _is_whole(given: dict[str, Any]) -> bool:
    """Whether it is a quantity or a curve; a section may have a field `value`, which is a quantity itself."""
    return "kind" in given or ("value" in given and not isinstance(given["value"], dict))


def _drop_nulls(data: dict[str, Any]) -> None:
    """Remove keys that a file, or one that extends it, sets to null."""
    for key, value in list(data.items()):
        if value is None:
            del data[key]
        elif isinstance(value, dict):
            _drop_nulls(value)


def validate_chip(document: YamlDocument) -> Chip:
    """Check a merged document against the schema, and the links of a custom topology against its cores and units.

    Raises
    ------
    ArchConfigError
        as `validate`
    """
    fill_tables(document, Path())  # what an override names lies beside who gives it
    remedy = "" if "extends" in document.places else _REMEDY
    chip = name_quantities(validate(Chip, document, ArchConfigError, remedy=remedy))
    if chip.network.topology is Topology.CUSTOM:
        try:
            Routes(chip)
        except ArchConfigError as cause:
            where = document.place(cause.where)
            raise ArchConfigError(where, got=cause.got, allowed=cause.allowed, hint=cause.hint) from None
    return chip
