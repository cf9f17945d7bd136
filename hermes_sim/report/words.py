"""What quantities, cases, ratios and units are called, by the names that documents, intervals and tornado use."""

from __future__ import annotations

from typing import NamedTuple

from hermes_sim.baselines.ratios import CASES, MODELLED, RatioKey
from hermes_sim.report.formatting import si, times

__all__ = [
    "CASES", "MODELLED", "PLACES", "QUANTITIES", "RATIO_WORDS", "RatioKey", "base_unit", "in_base_unit", "is_ratio",
    "per_second", "range_words", "shown", "words_of",
]  # fmt: skip


class _Quantity(NamedTuple):
    """Words of a quantity, factor to its base unit, that unit; `has_prefix`: shown with an SI prefix."""

    words: str
    factor: float
    unit: str
    has_prefix: bool = True


QUANTITIES = {
    "latency_ns": _Quantity("latency of one inference", 1e-9, "s"),
    "makespan_ns": _Quantity("time of the run", 1e-9, "s"),
    "throughput_inferences_per_s": _Quantity("throughput", 1.0, "inferences/s", has_prefix=False),
    "energy_alone_pj": _Quantity("energy of one inference alone", 1e-12, "J"),
    "energy_pj.per_inference": _Quantity("energy per inference", 1e-12, "J"),
    "energy_pj.on_chip_per_inference": _Quantity("energy on the chip per inference", 1e-12, "J"),
    "power_w": _Quantity("power", 1.0, "W"),
    "tops": _Quantity("rate", 1.0, "TOPS", has_prefix=False),
    "tops_per_w": _Quantity("efficiency", 1.0, "TOPS/W", has_prefix=False),
}
PLACES = {"on_chip": "on the chip", "off_chip": "in the channel off the chip", "host": "in the host"}
RATIO_WORDS = {"energy_ratio": "energy ratio", "latency_ratio": "time ratio"}
_BASE_UNITS = {
    "ps": (1e-12, "s"),
    "pJ": (1e-12, "J"),
    "pJ/byte": (1e-12, "J/byte"),
    "mW": (1e-3, "W"),
    "W": (1.0, "W"),
}


def per_second(value: float) -> str:
    """Throughput."""
    return f"{value:,.4g} inferences/s" if value < 1e4 else f"{value:,.0f} inferences/s"


def is_ratio(name: str) -> bool:
    """Whether a quantity is a ratio to a baseline."""
    return RatioKey.read(name) is not None


def words_of(name: str) -> str:
    """A quantity in words; its name where it is not known."""
    ratio = RatioKey.read(name)
    if ratio:
        return f"{RATIO_WORDS[ratio.quantity]} to {ratio.row}, {ratio.case}"
    return QUANTITIES[name].words if name in QUANTITIES else name


def shown(name: str, value: float, *, micro: str = "µ") -> str:
    """Value of a quantity with its unit."""
    if is_ratio(name):
        return times(value)
    if name not in QUANTITIES:
        return f"{value:,.4g}"
    _, factor, unit, has_prefix = QUANTITIES[name]
    if has_prefix:
        return si(value * factor, unit, micro=micro)
    return per_second(value) if unit == "inferences/s" else f"{value:,.4g} {unit}"


def base_unit(name: str) -> tuple[float, str]:
    """Factor to the base unit of a quantity, and that unit."""
    if is_ratio(name):
        return 1.0, "x"
    return QUANTITIES[name][1:3] if name in QUANTITIES else (1.0, "")


def in_base_unit(value: float, unit: str, *, digits: int = 4, micro: str = "µ") -> str:
    """Value in an internal unit, as people write it: 133,000 ps is ``133 ns``."""
    if unit in _BASE_UNITS:
        factor, base = _BASE_UNITS[unit]
        return si(value * factor, base, digits=digits, micro=micro)
    return f"{value:.4g}{'' if unit in {'count', ''} else f' {unit}'}"


def range_words(low: float, high: float, unit: str, *, micro: str = "µ") -> str:
    """Both ends of the range of a value in an internal unit."""
    if unit in _BASE_UNITS:
        return f"{in_base_unit(low, unit, digits=3, micro=micro)} to {in_base_unit(high, unit, digits=3, micro=micro)}"
    return f"{low:.4g} to {in_base_unit(high, unit)}"
