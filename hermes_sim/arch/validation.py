"""Data of a config file -> checked model, or one error that names file, line, field, value and what is allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from hermes_sim.errors import HermesSimError, nearest

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from hermes_sim.files import YamlDocument

M = TypeVar("M", bound=BaseModel)


def validate(model: type[M], document: YamlDocument, error: type[HermesSimError]) -> M:
    """Check a document against a model.

    Raises
    ------
    HermesSimError
        of class `error`, for the first bad field
    """
    try:
        return model.model_validate(document.data)
    except ValidationError as cause:
        raise _first_error(model, document, cause, error) from None


def _first_error(
    model: type[BaseModel], document: YamlDocument, cause: ValidationError, error: type[HermesSimError]
) -> HermesSimError:
    # an unknown key is usually the misspelt one that is then also missing: name it first
    first = min(cause.errors(), key=lambda e: e["type"] != "extra_forbidden")
    loc = [part for part in first["loc"] if part != "[key]"]
    field = ".".join(str(part) for part in loc)
    inner = first.get("ctx", {}).get("error")
    if isinstance(inner, HermesSimError):
        inner_field = f"{field}.{inner.where}" if inner.where else field
        return error(document.place(inner_field), got=inner.got, allowed=inner.allowed, hint=inner.hint)
    if first["type"] == "extra_forbidden":
        keys = sorted(_keys_at(model, loc[:-1]))
        hint = nearest(str(loc[-1]), keys)
        return error(document.place(field), got=f"unknown key {loc[-1]!r}", allowed=", ".join(keys), hint=hint)
    if first["type"] == "missing":
        return error(document.place(field), got="nothing", allowed=f"the key {loc[-1]!r}")
    return error(document.place(field), got=_short(first), allowed=_allowed(first))


def _keys_at(model: Any, loc: list[int | str]) -> list[str]:
    """Keys that the schema allows at a place."""
    for part in loc:
        if isinstance(model, type) and issubclass(model, BaseModel):
            model = _inner(model.model_fields[str(part)].annotation) if part in model.model_fields else None
        elif get_origin(model) in (dict, list, tuple):
            model = _inner(get_args(model)[-1])
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _inner(annotation: Any) -> Any:
    """Drop `| None`."""
    choices = [choice for choice in get_args(annotation) if choice is not type(None)]
    return choices[0] if type(None) in get_args(annotation) and choices else annotation


def _short(details: ErrorDetails) -> str:
    text = repr(details.get("input"))
    return text if len(text) <= 80 else f"{text[:77]}..."


def _allowed(details: ErrorDetails) -> str:
    expected = details.get("ctx", {}).get("expected")
    return f"one of {expected}" if expected else details["msg"].removeprefix("Value error, ")
