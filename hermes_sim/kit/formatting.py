"""Numbers as people read them: SI prefixes, four significant digits, always with a unit."""

from __future__ import annotations

import math

from hermes_sim.config.units import SI_PREFIXES

_SYMBOLS = {0: "", **{power: names[0] for power, names in SI_PREFIXES.items()}}


def _power_of(value: float) -> int:
    """Power of ten of the prefix that leaves 1 to 1000."""
    return min(max(_SYMBOLS), max(min(_SYMBOLS), 3 * math.floor(math.log10(abs(value)) / 3)))


def si(value: float, unit: str, *, digits: int = 4) -> str:
    """Value in a base unit with an SI prefix: ``si(1.234e-6, "s")`` is ``1.234 µs``."""
    if not math.isfinite(value) or value == 0:
        return f"{value:g} {unit}"
    power = _power_of(value)
    if abs(value) / 10**power >= 1000 - 0.5 * 10 ** (3 - digits) and power < max(_SYMBOLS):
        power += 3
    return f"{value / 10**power:.{digits}g} {_SYMBOLS[power]}{unit}"


def scale_of(value: float, unit: str) -> tuple[float, str]:
    """Factor and unit that give a value between 1 and 1000: 2e-6 s -> (1e6, "µs")."""
    power = _power_of(value) if value > 0 else 0
    return 10.0**-power, _SYMBOLS[power] + unit


def time_of_ns(value_ns: float) -> str:
    """Nanoseconds in a readable unit."""
    return si(value_ns * 1e-9, "s")


def time_of_ps(value_ps: float) -> str:
    """Picoseconds in a readable unit."""
    return si(value_ps * 1e-12, "s")


_LONG_UNITS_S = {"y": 31_536_000, "d": 86_400, "h": 3_600, "min": 60}


def long_time(value_s: float) -> str:
    """3600 -> ``1 h``: the largest unit that gives a whole number."""
    for unit, size_s in _LONG_UNITS_S.items():
        if value_s >= size_s and value_s % size_s == 0:
            return f"{value_s / size_s:.10g} {unit}"
    return f"{value_s:.10g} s"


def energy_of_pj(value_pj: float | None) -> str:
    """Picojoules in a readable unit; a dash where they are not known."""
    return "-" if value_pj is None else si(value_pj * 1e-12, "J")


def percent(share: float) -> str:
    """Share in per cent; small but not zero stays visible."""
    if 0 < abs(share) < 5e-4:
        return "< 0.1 %"
    return f"{100 * share:.1f} %"


def times(ratio: float | None) -> str:
    """Ratio as a multiple in three significant digits, ``3.14x``, ``0.00029x``, ``1,234x``; a dash where there is none.

    One notation on both sides of 1, so that a column of ratios can be read down.
    """
    if ratio is None:
        return "-"
    if ratio >= 999.5:
        return f"{ratio:,.0f}x"
    if 0 < ratio < 1e-4:
        return f"{ratio:.{2 - math.floor(math.log10(ratio))}f}x"
    return f"{ratio:.3g}x"


def times_within(ratio: float | None, ends: tuple[float, float] | None) -> str:
    """Ratio with its interval, ``0.4x (0.09x to 1.2x)``."""
    if ratio is None or ends is None:
        return times(ratio)
    return f"{times(ratio)} ({times(ends[0])} to {times(ends[1])})"


def crosses_one(ratio: float, ends: tuple[float, float] | None) -> bool:
    """Whether a ratio and its interval leave open on which side of 1 it lies."""
    return ends is not None and min(ratio, *ends) < 1 < max(ratio, *ends)


def counted(n: int, noun: str) -> str:
    """Number of things: ``1 seed``, ``1,000 seeds``."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def count(value: float) -> str:
    """Whole number with separators."""
    return f"{value:,.0f}"
