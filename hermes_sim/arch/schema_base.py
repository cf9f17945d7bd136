"""Building blocks of every config file: frozen sections, and quantities that must name unit, kind and source."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from hermes_sim import quantity as q
from hermes_sim.errors import QuantityError
from hermes_sim.quantity import Dimension, Kind, Quantity

_KEYS = ("value", "unit", "kind", "source", "note", "range")
_SAMPLE = "{value: 133, unit: ns, kind: measured, source: ...}"


class Section(BaseModel):
    """A group of fields of a config file: no unknown keys, no silent conversions, immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True)


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
        raise QuantityError("", got=repr(raw), allowed=f"a record {_SAMPLE}")
    unknown = [key for key in raw if key not in _KEYS]
    if unknown:
        raise QuantityError(str(unknown[0]), got=f"unknown key {unknown[0]!r}", allowed=", ".join(_KEYS))
    value, unit = _value_and_unit(raw, dimension)
    kind = _kind(raw.get("kind"))
    source = raw.get("source")
    if not isinstance(source, str) or not source.strip():
        raise QuantityError("source", got=repr(source), allowed="where the value comes from, as text")
    note = raw.get("note", "")
    if not isinstance(note, str):
        raise QuantityError("note", got=repr(note), allowed="text")
    internal = q.convert(value, unit, dimension, where="value")
    low, high = _range(raw.get("range"), unit, dimension, internal)
    given = f"{value:g} {unit}" if isinstance(value, float) else f"{value} {unit}"
    quantity = Quantity(internal, dimension, kind, source, given, note, low, high)
    if dimension is q.FREQUENCY:
        _ = quantity.period_ps  # refuse at load a clock whose period is no whole number of picoseconds
    return quantity


def _value_and_unit(raw: dict[str, Any], dimension: Dimension) -> tuple[float, str]:
    value, unit = raw.get("value"), raw.get("unit")
    if isinstance(value, str) and unit is None:  # "133 ns"
        head, _, tail = value.strip().partition(" ")
        try:
            value, unit = float(head), tail.strip()
        except ValueError:
            value = None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise QuantityError("value", got=repr(raw.get("value")), allowed="a number")
    if not isinstance(unit, str) or not unit:
        raise QuantityError("unit", got=repr(unit), allowed=f"a unit of {dimension.name}, e.g. {dimension.unit}")
    return value, unit


def _kind(raw: Any) -> Kind:
    try:
        return Kind(raw)
    except ValueError:
        raise QuantityError("kind", got=repr(raw), allowed=", ".join(Kind)) from None


def _range(raw: Any, unit: str, dimension: Dimension, internal: float) -> tuple[float | None, float | None]:
    if raw is None:
        return None, None
    ok = isinstance(raw, (list, tuple)) and len(raw) == 2
    if not ok or any(isinstance(x, bool) or not isinstance(x, (int, float)) for x in raw):
        raise QuantityError("range", got=repr(raw), allowed="[low, high] in the unit of the value")
    loose = replace(dimension, whole=False)  # a range is swept, its ends need not be whole
    low, high = (q.convert(x, unit, loose, where="range") for x in raw)
    if not low <= internal <= high:
        raise QuantityError("range", got=f"{raw} {unit}", allowed="a range that holds the value")
    return low, high


def _of(dimension: Dimension) -> BeforeValidator:
    return BeforeValidator(lambda raw: parse_quantity(raw, dimension))


Time = Annotated[Quantity, _of(q.TIME)]
LongTime = Annotated[Quantity, _of(q.LONG_TIME)]
Frequency = Annotated[Quantity, _of(q.FREQUENCY)]
Energy = Annotated[Quantity, _of(q.ENERGY)]
Power = Annotated[Quantity, _of(q.POWER)]
Area = Annotated[Quantity, _of(q.AREA)]
Count = Annotated[Quantity, _of(q.COUNT)]
Positive = Annotated[Quantity, _of(replace(q.COUNT, low=1))]
Ratio = Annotated[Quantity, _of(q.RATIO)]
Fraction = Annotated[Quantity, _of(q.FRACTION)]
Bytes = Annotated[Quantity, _of(q.BYTES)]
Bandwidth = Annotated[Quantity, _of(replace(q.BANDWIDTH, low=1e-12))]
EnergyPerByte = Annotated[Quantity, _of(q.ENERGY_PER_BYTE)]
EnergyPerByteLength = Annotated[Quantity, _of(q.ENERGY_PER_BYTE_LENGTH)]
TimePerLength = Annotated[Quantity, _of(q.TIME_PER_LENGTH)]
Conductance = Annotated[Quantity, _of(q.CONDUCTANCE)]
Current = Annotated[Quantity, _of(q.CURRENT)]
Voltage = Annotated[Quantity, _of(q.VOLTAGE)]
OpsRate = Annotated[Quantity, _of(q.OPS_RATE)]
Density = Annotated[Quantity, _of(q.DENSITY)]
Efficiency = Annotated[Quantity, _of(q.EFFICIENCY)]
