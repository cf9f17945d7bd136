"""`chip:` in the file of a data set: how its published runs were driven, where not as a model assumes of all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hermes_sim.config.files import YamlDocument
from hermes_sim.config.validate import validate
from hermes_sim.errors import DataError, nearest
from hermes_sim.numerics.chip_models import SETTINGS, Assumed, fields_of_runs

if TYPE_CHECKING:
    from collections.abc import Mapping

CLIP = "clip_inputs_std"
# What settings that no chip file has may be; the others are checked with the chip.
_ALLOWED = {
    "kernel_vectors": "a whole number >= 1",
    "one_output_range": "true, false",
    "accuracy_noise": "a number >= 0",
}


def clip_of(document: YamlDocument, clip: Any) -> float | None:
    """Standard deviations at which all rows are clipped.

    Raises    DataError
    """
    if clip is None:
        return None
    if not (_is_number(clip) and clip > 0):
        raise DataError(document.place(f"chip.{CLIP}"), got=repr(clip), allowed="a number > 0")
    return float(clip)


def runs_of(document: YamlDocument, fields: Mapping[str, Any]) -> dict[str, Assumed]:
    """Settings of the runs by field of a chip file, or of `SETTINGS`.

    Raises    DataError  for another field, a record that is not one, a value outside of its prior
    """
    allowed = fields_of_runs()
    for field in fields:
        if field not in allowed:
            raise DataError(
                document.place(f"chip.{field}"),
                got=f"unknown field {field!r}",
                allowed=", ".join([CLIP, *allowed]),
                hint=nearest(field, [CLIP, *allowed]),
            )
    return {field: _assumed(document, field, raw) for field, raw in fields.items()}


def _assumed(document: YamlDocument, field: str, raw: Any) -> Assumed:
    place = document.place(f"chip.{field}")
    if not isinstance(raw, dict):
        raise DataError(
            place, got=repr(raw), allowed="{value: ..., reason: ..., prior: [low, high]}, the last if known"
        )
    places = {name: document.places[f"chip.{field}.{name}"] for name in raw}
    found = validate(Assumed, YamlDocument(document.path, raw, places), DataError)
    if field in SETTINGS and not _fits(field, found.value):
        raise DataError(place, got=repr(found.value), allowed=_ALLOWED[field])
    prior = found.prior
    if prior is not None and not (
        len(prior) == 2 and _is_number(found.value) and prior[0] <= float(found.value) <= prior[1]
    ):
        raise DataError(f"{place}.prior", got=f"{prior} about {found.value!r}", allowed="[low, high] about a number")
    return found


def _fits(setting: str, value: Any) -> bool:
    if setting == "one_output_range":
        return isinstance(value, bool)
    if setting == "kernel_vectors":
        return isinstance(value, int) and _is_number(value) and value >= 1
    return _is_number(value) and value >= 0


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
