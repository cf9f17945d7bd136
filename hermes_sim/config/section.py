"""Building blocks of every config file: frozen sections, and quantities that must name unit, kind and source."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic_core.core_schema import no_info_before_validator_function

from hermes_sim.config import quantity as q
from hermes_sim.config.meanings import meanings_of
from hermes_sim.config.quantity import Dimension, Kind, Quantity
from hermes_sim.errors import FieldError, QuantityError

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic_core import CoreSchema

_KEYS = ("value", "unit", "kind", "source", "note", "range")
_NEEDED = ("value", "unit", "kind", "source")


class Section(BaseModel):
    """A group of fields of a config file: no unknown keys, no silent conversions, immutable.

    The docstring below a field says what it means, in JSON schemas and on the pages of reference.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True, allow_inf_nan=False, defer_build=True
    )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        made = handler(schema)
        fields = handler.resolve_ref_schema(made).get("properties", {})
        for name, meaning in meanings_of(cls).items():
            if name in fields:
                of_type = {"allOf": [fields[name]]} if "description" in fields[name] else fields[name]
                fields[name] = {**of_type, "description": meaning}
        return made


def _no_equal(raw: Any) -> Any:
    if isinstance(raw, (bool, float)):  # true and 1.0 are equal to 1
        raise FieldError("", got=str(raw).lower(), allowed="1, a whole number")
    return raw


FILE_VERSION = 1
SchemaVersion = Annotated[Literal[1], BeforeValidator(_no_equal)]


def parse_quantity(raw: Any, dimension: Dimension) -> Quantity:
    """Quantity from its config record ``{value, unit, kind, source, note?, range?}``.

    Raises
    ------
    QuantityError
        missing or unknown keys, wrong unit, unknown kind, empty source, a range that excludes the value;
        ``where`` holds the key only, the loader adds file and field
    """
    if isinstance(raw, Quantity):
        return raw
    if not isinstance(raw, dict):
        number = raw if isinstance(raw, (int, float)) and not isinstance(raw, bool) else None
        raise QuantityError("", got=in_words(raw), allowed=f"a record, e.g. {dimension.sample(number)}")
    unknown = [key for key in raw if key not in _KEYS]
    if unknown:
        raise QuantityError(str(unknown[0]), got=f"unknown key {unknown[0]!r}", allowed=", ".join(_KEYS))
    _refuse_several_missing(raw, dimension)
    value, unit = _value_and_unit(raw, dimension)
    kind = _kind(raw.get("kind"))
    source = raw.get("source")
    if not isinstance(source, str) or not source.strip():
        raise QuantityError("source", got=in_words(source), allowed="where the value comes from, as text")
    note = raw.get("note", "")
    if not isinstance(note, str):
        raise QuantityError("note", got=in_words(note), allowed="text")
    internal = q.convert(value, unit, dimension, where="value")
    low, high = _range(raw.get("range"), unit, dimension, internal)
    given = f"{value:g} {unit}" if isinstance(value, float) else f"{value} {unit}"
    return Quantity(internal, dimension, kind, source, given, note, low, high)


def in_words(value: Any) -> str:
    """What a file says, short enough for a message; a list or mapping only by its size."""
    if value is None:
        return "nothing"
    if isinstance(value, (list, tuple)):
        return "an empty list" if not value else f"a list of {len(value)}" if len(str(value)) > 60 else str(value)
    if isinstance(value, dict):
        return "a mapping of fields" if value else "an empty mapping"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _refuse_several_missing(raw: dict[str, Any], dimension: Dimension) -> None:
    """One message for all keys that a record lacks; a single one is named by itself further on."""
    unit_in_value = isinstance(raw.get("value"), str) and " " in raw["value"].strip()  # "133 ns"
    missing = [key for key in _NEEDED if key not in raw and not (key == "unit" and unit_in_value)]
    if len(missing) > 1:
        number = raw["value"] if isinstance(raw.get("value"), (int, float)) else None
        raise QuantityError("", got=f"no {', '.join(missing)}", allowed=f"a record, e.g. {dimension.sample(number)}")


def _value_and_unit(raw: dict[str, Any], dimension: Dimension) -> tuple[float, str]:
    value, unit = raw.get("value"), raw.get("unit")
    if isinstance(value, str) and unit is None:  # "133 ns"
        head, _, tail = value.strip().partition(" ")
        try:
            value, unit = float(head), tail.strip()
        except ValueError:
            value = None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise QuantityError("value", got=in_words(raw.get("value")), allowed="a number")
    if not isinstance(unit, str) or not unit:
        written = dimension.written or dimension.unit
        raise QuantityError("unit", got=in_words(unit), allowed=f"a unit of {dimension.name}, e.g. {written}")
    return value, unit


def _kind(raw: Any) -> Kind:
    try:
        return Kind(raw)
    except ValueError:
        raise QuantityError("kind", got=in_words(raw), allowed=", ".join(Kind)) from None


def _range(raw: Any, unit: str, dimension: Dimension, internal: float) -> tuple[float | None, float | None]:
    if raw is None:
        return None, None
    ok = isinstance(raw, (list, tuple)) and len(raw) == 2
    if not ok or any(isinstance(x, bool) or not isinstance(x, (int, float)) for x in raw):
        raise QuantityError("range", got=in_words(raw), allowed="[low, high] in the unit of the value")
    loose = replace(dimension, whole=False)  # a range is swept, its ends need not be whole
    low, high = (q.convert(x, unit, loose, where="range") for x in raw)
    if not low <= internal <= high:
        raise QuantityError("range", got=f"{raw} {unit}", allowed="a range that holds the value")
    return low, high


@dataclass(frozen=True)
class QuantityOf:
    """What makes a field a quantity of a dimension: how its record is read, and what a JSON schema says of it."""

    dimension: Dimension

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_before_validator_function(
            lambda raw: parse_quantity(raw, self.dimension), handler.generate_schema(source)
        )

    def __get_pydantic_json_schema__(self, _: CoreSchema, __: GetJsonSchemaHandler) -> dict[str, Any]:
        dimension, number = self.dimension, {"type": "number"}
        text = {"type": "string", "minLength": 1}
        unit, whole = dimension.written or dimension.unit, "whole, " if dimension.whole else ""
        return {
            "type": "object",
            "description": f"{dimension.name}, {whole}{dimension.low:g} to {dimension.high:g} {dimension.unit}",
            "properties": {
                "value": {"anyOf": [number, text], "description": f"a number, or number and unit: 2.5 {unit}"},
                "unit": {**text, "description": f"unit of {dimension.name}, e.g. {unit}"},
                "kind": {"enum": [str(kind) for kind in Kind]},
                "source": {**text, "description": "where the value comes from"},
                "note": {"type": "string"},
                "range": {
                    "description": "low and high end, in the unit of the value",
                    "anyOf": [
                        {"type": "array", "items": number, "minItems": 2, "maxItems": 2},
                        {"type": "null"},
                    ],
                },
            },
            "required": ["value", "kind", "source"],
            "additionalProperties": False,
        }


Time = Annotated[Quantity, QuantityOf(q.TIME)]
LongTime = Annotated[Quantity, QuantityOf(q.LONG_TIME)]
Frequency = Annotated[Quantity, QuantityOf(q.FREQUENCY)]
Energy = Annotated[Quantity, QuantityOf(q.ENERGY)]
Power = Annotated[Quantity, QuantityOf(q.POWER)]
Area = Annotated[Quantity, QuantityOf(q.AREA)]
Count = Annotated[Quantity, QuantityOf(q.COUNT)]
Positive = Annotated[Quantity, QuantityOf(replace(q.COUNT, low=1))]
Ratio = Annotated[Quantity, QuantityOf(q.RATIO)]
Fraction = Annotated[Quantity, QuantityOf(q.FRACTION)]
Bytes = Annotated[Quantity, QuantityOf(q.BYTES)]
PositiveBytes = Annotated[Quantity, QuantityOf(replace(q.BYTES, low=0.125))]  # a bit
Bandwidth = Annotated[Quantity, QuantityOf(replace(q.BANDWIDTH, low=1e-12))]
EnergyPerByte = Annotated[Quantity, QuantityOf(q.ENERGY_PER_BYTE)]
EnergyPerByteLength = Annotated[Quantity, QuantityOf(q.ENERGY_PER_BYTE_LENGTH)]
TimePerLength = Annotated[Quantity, QuantityOf(q.TIME_PER_LENGTH)]
Conductance = Annotated[Quantity, QuantityOf(q.CONDUCTANCE)]
Current = Annotated[Quantity, QuantityOf(q.CURRENT)]
Voltage = Annotated[Quantity, QuantityOf(q.VOLTAGE)]
Kelvin = Annotated[Quantity, QuantityOf(q.TEMPERATURE)]
PerTemperature = Annotated[Quantity, QuantityOf(q.PER_TEMPERATURE)]
Resistance = Annotated[Quantity, QuantityOf(q.RESISTANCE)]
