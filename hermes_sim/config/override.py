"""One field of a config file set by its dotted path, from the command line or by a study."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hermes_sim.config.validate import dimension_at, is_open, keys_at
from hermes_sim.errors import HermesSimError, nearest

if TYPE_CHECKING:
    from pydantic import BaseModel

    from hermes_sim.config.files import YamlDocument
    from hermes_sim.config.quantity import Dimension


def override(
    document: YamlDocument,
    path: str,
    value: Any,
    *,
    model: type[BaseModel],
    error: type[HermesSimError],
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
            got = f"no field {'.'.join(keys[: i + 1 + (key in known)])!r} in {document.shown}"
            allowed = f"one of {', '.join(known)}" if key not in known else f"{'.'.join(keys[: i + 1])} as a whole"
            raise error(place, got=got, allowed=allowed, hint=nearest(key, known) if key not in known else "")
        if i + 1 < len(keys):
            node[key] = node = inner
    if keys[-1] == "value" and "unit" in node:  # of a quantity: what it was measured as no longer holds
        node |= _in_form_of(dict(node), value)
    else:
        node[keys[-1]] = _in_form_of(node.get(keys[-1]), value, dimension_at(model, keys))
    for spot in [spot for spot in document.places if spot == path or spot.startswith(f"{path}.")]:
        del document.places[spot]
    document.places[path] = place


def _in_form_of(old: Any, value: Any, dimension: Dimension | None = None) -> Any:
    """New content of a field: of a quantity a record, if only its value was given.

    dimension : of a quantity that the file leaves out; a number is enough where it has no unit
    """
    if old is None and dimension is not None and isinstance(value, (int, float)) and not isinstance(value, bool):
        if dimension.unit == "count":
            return {"value": value, "unit": "count", "kind": "assumed", "source": "override of nothing"}
        return value
    if not (isinstance(old, dict) and "value" in old) or isinstance(value, dict) or value is None:
        return value
    new = {"value": value, "kind": "assumed", "source": f"override of {old.get('value')} {old.get('unit', '')}"}
    has_unit = isinstance(value, str) and " " in value.strip()
    return new if has_unit or "unit" not in old else {**new, "unit": old["unit"]}


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
