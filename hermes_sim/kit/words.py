"""What quantities are called and in which units people read them, by the names that documents and tables use."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from hermes_sim.kit.formatting import scale_of, si, times
from hermes_sim.kit.ratios import RatioKey

QUANTITIES = {
    "latency_ns": "latency of one inference",
    "makespan_ns": "time of the run",
    "throughput_inferences_per_s": "throughput",
    "energy_alone_pj": "energy of one inference alone",
    "energy_pj.per_inference": "energy per inference",
    "energy_pj.on_chip_per_inference": "energy on the chip per inference",
    "power_w": "power",
    "tops": "rate",
    "tops_per_w": "efficiency",
}
PLACES = {"on_chip": "on the chip", "off_chip": "in the channel off the chip", "host": "in the host"}


class Unit(NamedTuple):
    """Unit in which people read a quantity, and the factor to it; `has_prefix`: written with an SI prefix."""

    factor: float
    base: str
    has_prefix: bool = True

    def text(self, value: float, *, digits: int = 4) -> str:
        """Value with its unit."""
        if self.has_prefix:
            return si(value * self.factor, self.base, digits=digits)
        return f"{self.number(value, digits=digits)} {self.base}".strip()

    def number(self, value: float, *, digits: int = 4) -> str:
        """Value in this unit, without it and without a prefix."""
        value *= self.factor
        return f"{value:,.0f}" if 1e4 <= abs(value) < math.inf else f"{value:,.{digits}g}"

    def scale(self, size: float) -> tuple[float, str]:
        """Factor and unit with which a value as large as `size` is a number from 1 to 1000."""
        if not self.has_prefix:
            return self.factor, self.base
        factor, unit = scale_of(size * self.factor, self.base)
        return factor * self.factor, unit


_BY_NAME = {
    "_ns": Unit(1e-9, "s"),
    "_pj": Unit(1e-12, "J"),
    "inferences_per_s": Unit(1.0, "inferences/s", has_prefix=False),
    "tops_per_w": Unit(1.0, "TOPS/W", has_prefix=False),
    "tops": Unit(1.0, "TOPS", has_prefix=False),
    "_w": Unit(1.0, "W"),
    "_mm2": Unit(1.0, "mm2", has_prefix=False),
    "_pp": Unit(1.0, "points", has_prefix=False),
    "utilization": Unit(100.0, "%", has_prefix=False),
}
_INTERNAL = {
    "ps": Unit(1e-12, "s"),
    "pJ": Unit(1e-12, "J"),
    "pJ/byte": Unit(1e-12, "J/byte"),
    "mW": Unit(1e-3, "W"),
    "W": Unit(1.0, "W"),
}


def words_of(name: str) -> str:
    """A quantity in words; its name where it is not known."""
    ratio = RatioKey.read(name)
    return f"{ratio.words} to {ratio.label}, {ratio.case}" if ratio else QUANTITIES.get(name, name)


def unit_of(name: str) -> Unit:
    """Unit of a quantity, which its name ends in; some names go on: ``energy_pj.per_inference``."""
    if RatioKey.read(name):
        return Unit(1.0, "x", has_prefix=False)
    name = next((stem for stem in ("energy_pj", "utilization") if name.startswith(stem)), name)
    return next((unit for ending, unit in _BY_NAME.items() if name.endswith(ending)), Unit(1.0, "", has_prefix=False))


def shown(name: str, value: Any) -> str:
    """Value of a quantity with its unit; a dash where there is none, other values as they are."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if not isinstance(value, (int, float)):
        return str(value)
    return times(value) if RatioKey.read(name) else unit_of(name).text(value)


def in_base_unit(value: float, unit: str, *, digits: int = 4) -> str:
    """Value in an internal unit, as people write it: 133,000 ps is ``133 ns``."""
    if unit in _INTERNAL:
        return _INTERNAL[unit].text(value, digits=digits)
    return f"{value:.{digits}g}{'' if unit in {'count', ''} else f' {unit}'}"


def range_words(low: float, high: float, unit: str) -> str:
    """Both ends of the range of a value in an internal unit."""
    if unit in _INTERNAL:
        return f"{in_base_unit(low, unit, digits=3)} to {in_base_unit(high, unit, digits=3)}"
    return f"{low:.4g} to {in_base_unit(high, unit)}"
