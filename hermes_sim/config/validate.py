"""Data of a config file -> checked model, or one error that names file, line, field, value and what is allowed."""

from __future__ import annotations

import math
from collections import defaultdict
from types import UnionType
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from hermes_sim._version import __version__
from hermes_sim.config.section import FILE_VERSION, QuantityOf, in_words
from hermes_sim.errors import HermesSimError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic_core import ErrorDetails

    from hermes_sim.config.files import YamlDocument
    from hermes_sim.config.quantity import Dimension

M = TypeVar("M", bound=BaseModel)
_ALSO = 6  # further wrong fields that a message names

# What pydantic's words for a wrong type or size mean to somebody who writes a file.
_TYPES = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping of fields",
    "model_type": "a mapping of fields",
    "finite_number": "a finite number",
    "invalid_key": "keys that are text",
}
# Where several types are allowed, pydantic reports each of them, under its name as if it were a field.
_CHOICES = {"bool": "true or false", "int": "a finite number", "float": "a finite number", "str": "text"}
_LIMITS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def validate(model: type[M], document: YamlDocument, error: type[HermesSimError], *, remedy: str = "") -> M:
    """Check a document against a model.

    Parameters
    ----------
    remedy : what fills in keys that are missing, if there is something

    Raises
    ------
    HermesSimError
        of class `error`: a file of another version, then unknown keys, then all missing ones at once, else the first
        bad field and the names of the others
    """
    version = document.data.get("schema_version")
    if "schema_version" in model.model_fields and type(version) is int and version != FILE_VERSION:
        hint = f"hermes_sim {__version__} reads version {FILE_VERSION}: CHANGELOG.md says what changed between versions"
        raise error(document.place("schema_version"), got=version, allowed=str(FILE_VERSION), hint=hint)
    try:
        return model.model_validate(document.data)
    except ValidationError as cause:
        raise _error(model, document, cause.errors(), error, remedy) from None


def _error(
    model: type[BaseModel],
    document: YamlDocument,
    found: Sequence[ErrorDetails],
    error: type[HermesSimError],
    remedy: str,
) -> HermesSimError:
    # an unknown key is usually the misspelt one that is then also missing: name it first
    for details in found:
        if details["type"] == "extra_forbidden":
            return _unknown(model, document, details, error)
    missing = [_loc(details) for details in found if details["type"] == "missing"]
    if missing:
        return _missing(model, document, missing, error, remedy)
    return _bad(document, found, error)


def _loc(details: ErrorDetails) -> list[int | str]:
    return [part for part in details["loc"] if part != "[key]" and not _choice(part)]


def _choice(part: int | str) -> str:
    """What a part of a place says is allowed there, if it is no field but one of several types."""
    return "a mapping of fields" if str(part).startswith("dict[") else _CHOICES.get(str(part), "")


def _unknown(
    model: type[BaseModel], document: YamlDocument, details: ErrorDetails, error: type[HermesSimError]
) -> HermesSimError:
    loc = _loc(details)
    keys = sorted(keys_at(model, loc[:-1]))
    place = document.place(_dotted(_written(loc, document.data)))
    hint = nearest(str(loc[-1]), keys)
    return error(place, got=f"unknown key {loc[-1]!r}", allowed=", ".join(keys), hint=hint)


def _missing(
    model: type[BaseModel],
    document: YamlDocument,
    missing: Sequence[list[int | str]],
    error: type[HermesSimError],
    remedy: str,
) -> HermesSimError:
    """One message for all keys that a file lacks, those of sections that are missing as a whole included."""
    sections: defaultdict[str, list[str]] = defaultdict(list)
    for loc in missing:
        _add_missing(model, loc, sections)
    if len(missing) == 1:  # said in `where`
        del sections[_dotted(missing[0][:-1])]
    listed = "".join(f"\n    {section or 'the file'}: {', '.join(keys)}" for section, keys in sections.items())
    if len(missing) == 1:
        allowed = f"the key {missing[0][-1]!r}" + (f", with{listed}" if listed else "")
        return error(
            document.place(_dotted(_written(missing[0], document.data))), got="nothing", allowed=allowed, hint=remedy
        )
    n = sum(len(keys) for keys in sections.values())
    return error(document.shown, got=f"{n} keys are missing", allowed=f"all of{listed}", hint=remedy)


def _add_missing(model: Any, loc: list[int | str], sections: defaultdict[str, list[str]]) -> None:
    sections[_dotted(loc[:-1])].append(str(loc[-1]))
    inner = _model_at(model, loc)
    if inner is not None:
        for name, field in inner.model_fields.items():
            if field.is_required():
                _add_missing(model, [*loc, name], sections)


def _bad(document: YamlDocument, found: Sequence[ErrorDetails], error: type[HermesSimError]) -> HermesSimError:
    """First bad field, and the names of the others."""
    first = found[0]
    field = _dotted(_written(_loc(first), document.data))
    others = dict.fromkeys(name for details in found[1:] if (name := _dotted(_loc(details))) not in ("", field))
    also = ", ".join(list(others)[:_ALSO]) + (f" and {len(others) - _ALSO} more" if len(others) > _ALSO else "")
    also = f"then mend {also}, too" if others else ""
    inner = first.get("ctx", {}).get("error")
    if isinstance(inner, HermesSimError):
        place = document.place(".".join(part for part in (field, inner.where) if part))
        hint = "; ".join(part for part in (inner.hint, also) if part)
        return error(place, got=inner.got, allowed=inner.allowed, hint=hint)
    choices = [_choice(details["loc"][-1]) for details in found if _dotted(_loc(details)) == field and details["loc"]]
    allowed = " or ".join(dict.fromkeys(choice for choice in choices if choice)) or _allowed(first)
    return error(document.place(field), got=_got(first), allowed=allowed, hint=also)


def _written(loc: Sequence[int | str], data: Any) -> list[int | str]:
    """A place as the file has it: without the names of choices between sections, which pydantic adds."""
    found: list[int | str] = []
    for i, part in enumerate(loc):
        inner = data.get(part) if isinstance(data, dict) else None
        if isinstance(data, dict) and part not in data and i + 1 < len(loc):
            continue
        found.append(part)
        data = data[part] if isinstance(data, list) and isinstance(part, int) and part < len(data) else inner
    return found


def _dotted(loc: Sequence[int | str]) -> str:
    return ".".join(str(part) for part in loc)


def keys_at(model: Any, loc: Sequence[int | str]) -> list[str]:
    """Keys that a schema allows at a place."""
    inner = _model_at(model, loc)
    return [] if inner is None else list(inner.model_fields)


def is_open(model: Any, loc: Sequence[int | str]) -> bool:
    """Whether a place of the schema takes plain values under names of the user's own."""
    inner = _annotation_at(model, loc)
    return get_origin(inner) is dict and _model_at(inner, [""]) is None


def dimension_at(model: type[BaseModel], loc: Sequence[str]) -> Dimension | None:
    """Dimension of the quantity that a schema has at a place, None for anything else."""
    inner = _model_at(model, loc[:-1])
    field = None if inner is None else inner.model_fields.get(loc[-1])
    if field is None:
        return None
    marks = [
        *field.metadata,
        *(mark for choice in get_args(field.annotation) for mark in getattr(choice, "__metadata__", ())),
    ]
    return next((mark.dimension for mark in marks if isinstance(mark, QuantityOf)), None)


def _model_at(model: Any, loc: Sequence[int | str]) -> type[BaseModel] | None:
    """Section of the schema at a place, None if there is a value or anything goes."""
    found = _annotation_at(model, loc)
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


def _annotation_at(model: Any, loc: Sequence[int | str]) -> Any:
    for part in loc:
        if isinstance(model, type) and issubclass(model, BaseModel):
            model = _inner(model.model_fields[str(part)].annotation) if part in model.model_fields else None
        elif get_origin(model) in (dict, list, tuple):
            model = _inner(get_args(model)[-1])
        elif get_origin(model) in (Union, UnionType):
            model = next((choice for choice in get_args(model) if _is_named(choice, part)), None)
        else:
            return None
    return model


def _is_named(choice: Any, tag: int | str) -> bool:
    """Whether a section is the one that a file chooses by this word in its field `type`."""
    is_section = isinstance(choice, type) and issubclass(choice, BaseModel)
    return is_section and "type" in choice.model_fields and tag in get_args(choice.model_fields["type"].annotation)


def _inner(annotation: Any) -> Any:
    """Drop `| None`."""
    choices = [choice for choice in get_args(annotation) if choice is not type(None)]
    return choices[0] if type(None) in get_args(annotation) and choices else annotation


def _got(details: ErrorDetails) -> str:
    value = details.get("input")
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value}, which is no finite number"
    if isinstance(value, dict) and details["type"] == "value_error":  # of fields that do not go together
        return ""
    return in_words(value)


def _allowed(details: ErrorDetails) -> str:
    context, value = details.get("ctx", {}), details.get("input")
    if isinstance(value, float) and not math.isfinite(value) and details["type"] not in _TYPES:
        return "a finite number"
    if "expected" in context:
        expected = str(context["expected"])
        return f"one of {expected}" if " or " in expected else expected
    for limit, words in _LIMITS.items():
        if limit in context:
            return f"a number, {words} {context[limit]}"
    if "min_length" in context and details["type"] in {"string_too_short", "too_short"}:
        is_text = details["type"] == "string_too_short"
        return "text that is not empty" if is_text else f"at least {context['min_length']} entries"
    if "max_length" in context:
        return f"at most {context['max_length']} entries"
    return _TYPES.get(details["type"], details["msg"].removeprefix("Value error, "))
