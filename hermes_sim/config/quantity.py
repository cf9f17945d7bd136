"""A physical value that remembers its unit, its kind and its source.

Values are converted once, at load, to the internal unit of their dimension (ps, pJ, mW, ...) and are read
through accessors that name the unit (``q.ps``, ``q.pj``), so a wrong dimension fails at the point of use.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import cache
from typing import Any

from hermes_sim.config.units import UnknownUnitError, parse_unit
from hermes_sim.errors import QuantityError


class Kind(StrEnum):
    """Where a value comes from, from most to least certain."""

    MEASURED = "measured"
    RTL = "rtl"
    SPEC = "spec"
    DERIVED = "derived"
    LITERATURE = "literature"
    FITTED = "fitted"
    ASSUMED = "assumed"


CERTAINTY_ORDER = tuple(Kind)


def least_certain(kinds: list[Kind]) -> Kind:
    """Kind of a product of values: that of its least certain factor (spec for no factor at all)."""
    return max(kinds, key=CERTAINTY_ORDER.index, default=Kind.SPEC)


@dataclass(frozen=True)
class Dimension:
    """One physical dimension: its internal unit and the range a chip parameter may plausibly take.

    Parameters
    ----------
    whole : the value must be a whole number of internal units
    written : unit that people write, where that is not the internal one
    """

    name: str
    unit: str
    low: float
    high: float
    whole: bool = False
    written: str = ""

    def sample(self, value: object = None) -> str:
        """Record that a file may hold for a value of this dimension."""
        number = max(self.low, 1.0) if value is None else value
        number = f"{number:g}" if isinstance(number, float) else number
        return f"{{value: {number}, unit: {self.written or self.unit}, kind: assumed, source: why it is so}}"


# Limits are sanity limits in internal units: they catch "133 s" for a read, not a bold design.
TIME = Dimension("time", "ps", 0, 1e12, whole=True, written="ns")
LONG_TIME = Dimension("time", "s", 0, 1e10)
FREQUENCY = Dimension("frequency", "GHz", 1e-6, 1e3)
ENERGY = Dimension("energy", "pJ", 0, 1e12)
POWER = Dimension("power", "mW", 0, 1e9)
AREA = Dimension("area", "mm**2", 0, 1e6)
COUNT = Dimension("count", "count", 0, 2**40, whole=True)
RATIO = Dimension("ratio", "count", -1e12, 1e12)
FRACTION = Dimension("fraction", "count", 0, 1)
BYTES = Dimension("amount of data", "byte", 0, 2**50)
BANDWIDTH = Dimension("data rate", "byte/ps", 0, 1e6, written="GB/s")
ENERGY_PER_BYTE = Dimension("energy per data", "pJ/byte", 0, 1e9)
ENERGY_PER_BYTE_LENGTH = Dimension("energy per data and length", "pJ/byte/mm", 0, 1e9)
TIME_PER_LENGTH = Dimension("time per length", "ps/mm", 0, 1e9)
CONDUCTANCE = Dimension("conductance", "uS", 0, 1e9)
CURRENT = Dimension("current", "uA", 0, 1e9)
VOLTAGE = Dimension("voltage", "V", 0, 1e3)
TEMPERATURE = Dimension("temperature", "K", 1, 1000)
PER_TEMPERATURE = Dimension("relative change per temperature", "1/K", -1, 1)
RESISTANCE = Dimension("resistance", "ohm", 0, 1e9)
OPS_RATE = Dimension("operation rate", "op/ps", 0, 1e9, written="TOPS")

_MAX_DENOMINATOR = 10**6  # of a clock period in ps


def convert(value: float, unit: str, dimension: Dimension, *, where: str) -> float:
    """Value in the internal unit of a dimension.

    Raises
    ------
    QuantityError
        unknown unit, wrong dimension, value outside the sanity limits, or not a whole number of
        internal units where one is needed (an inexact picosecond count, for example)
    """
    factor = _factor(unit, dimension.unit)
    if isinstance(factor, str):
        how = "unit: count" if dimension.unit == "count" else f"e.g. in {dimension.unit}"
        raise QuantityError(where, got=f"{value} {unit}", allowed=f"{_article(dimension.name)}, {how}", hint=factor)
    given = f"{value} {unit}"
    try:
        magnitude = value * factor
    except OverflowError:  # a whole number of hundreds of digits
        magnitude, given = math.inf, f"a number of {len(str(value))} digits"
    return _checked(magnitude, dimension, given=given, where=where)


def _article(name: str) -> str:
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


@cache
def _factor(unit: str, internal: str) -> float | str:
    """Factor from a unit to an internal unit, or a hint why there is none."""
    try:
        factor, dimensions = parse_unit(unit)
    except UnknownUnitError:
        return "an SI unit with an SI prefix, byte or bit, op, count, cycle"
    internal_factor, wanted = parse_unit(internal)
    return float(factor / internal_factor) if dimensions == wanted else "another dimension: check the unit"


@cache
def _period_ps(ghz: float) -> Fraction:
    return Fraction(1e3 / ghz).limit_denominator(_MAX_DENOMINATOR)


def _checked(magnitude: float, dimension: Dimension, *, given: str, where: str) -> float:
    allowed = f"{_article(dimension.name)} from {dimension.low:g} to {dimension.high:g}"
    if dimension.unit != "count":
        allowed = f"{allowed} {dimension.unit}"
    if not math.isfinite(magnitude):
        raise QuantityError(where, got=f"{given}, which is no finite number", allowed=allowed)
    if not dimension.low <= magnitude <= dimension.high:
        raise QuantityError(where, got=given, allowed=allowed)
    if dimension.whole:
        whole, of_what = round(magnitude), "" if dimension.unit == "count" else f" of {dimension.unit}"
        if abs(magnitude - whole) > 1e-9 * max(1.0, abs(magnitude)):
            raise QuantityError(where, got=given, allowed=f"a whole number{of_what}")
        return float(whole)
    return magnitude


@dataclass(frozen=True)
class Quantity:
    """A value in internal units, with unit, kind, source and (for guesses) the range to sweep."""

    value: float
    dimension: Dimension
    kind: Kind
    source: str
    given: str
    note: str = ""
    low: float | None = None
    high: float | None = None
    path: str = ""

    def _read(self, *units: str) -> float:
        if self.dimension.unit not in units:
            raise QuantityError(self.path or self.given, got=self.dimension.unit, allowed=" or ".join(units))
        return self.value

    @property
    def ps(self) -> int:
        """Whole picoseconds."""
        return int(self._read("ps"))

    @property
    def s(self) -> float:
        """Seconds (for times too long to count in picoseconds, drift for example)."""
        return self._read("s")

    @property
    def period_ps(self) -> Fraction:
        """Period of a clock in picoseconds, as the nearest fraction with a denominator up to a million.

        That is the exact period of every frequency that is a ratio of small numbers, 1.5 or 1.8 GHz for example.
        """
        return _period_ps(self._read("GHz"))

    def cycles_ps(self, n_cycles: int) -> int:
        """Time of whole cycles of a clock in whole picoseconds, rounded up: too long by less than 1 ps.

        The error does not grow with the number of cycles, and is none where the period is a whole number.
        """
        period = self.period_ps
        return -(-n_cycles * period.numerator // period.denominator)

    @property
    def ghz(self) -> float:
        """Gigahertz."""
        return self._read("GHz")

    @property
    def pj(self) -> float:
        """Picojoules."""
        return self._read("pJ")

    @property
    def mw(self) -> float:
        """Milliwatts."""
        return self._read("mW")

    @property
    def mm2(self) -> float:
        """Square millimetres."""
        return self._read("mm**2")

    @property
    def n(self) -> int:
        """A whole count."""
        return int(self._read("count"))

    @property
    def ratio(self) -> float:
        """A pure number."""
        return self._read("count")

    @property
    def n_bytes(self) -> float:
        """Bytes."""
        return self._read("byte")

    @property
    def bytes_per_ps(self) -> float:
        """Bytes per picosecond (1 GB/s is 0.001)."""
        return self._read("byte/ps")

    @property
    def pj_per_byte(self) -> float:
        """Picojoules per byte."""
        return self._read("pJ/byte")

    @property
    def pj_per_byte_mm(self) -> float:
        """Picojoules per byte and millimetre."""
        return self._read("pJ/byte/mm")

    @property
    def ps_per_mm(self) -> float:
        """Picoseconds per millimetre."""
        return self._read("ps/mm")

    @property
    def u_s(self) -> float:
        """Microsiemens."""
        return self._read("uS")

    @property
    def u_a(self) -> float:
        """Microamperes."""
        return self._read("uA")

    @property
    def v(self) -> float:
        """Volts."""
        return self._read("V")

    @property
    def ohm(self) -> float:
        """Resistance, ohm."""
        return self._read("ohm")

    @property
    def k(self) -> float:
        """Kelvin."""
        return self._read("K")

    @property
    def per_k(self) -> float:
        """Relative change per kelvin."""
        return self._read("1/K")

    @property
    def tops(self) -> float:
        """Tera-operations per second (1 op/ps)."""
        return self._read("op/ps")

    def record(self) -> dict[str, Any]:
        """Plain row for the provenance table."""
        return {
            "path": self.path,
            "given": self.given,
            "value": self.value,
            "unit": self.dimension.unit,
            "kind": str(self.kind),
            "source": self.source,
            "low": self.low,
            "high": self.high,
            "note": self.note,
        }
