"""Numbers as people read them: SI prefixes, four significant digits, always with a unit."""

from __future__ import annotations

import math

_PREFIXES = {-15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}


def si(value: float, unit: str, *, digits: int = 4) -> str:
    """Value in a base unit with an SI prefix: ``si(1.234e-6, "s")`` is ``1.234 µs``."""
    if not math.isfinite(value) or value == 0:
        return f"{value:g} {unit}"
    exponent = min(12, max(-15, 3 * math.floor(math.log10(abs(value)) / 3)))
    if abs(value) / 10**exponent >= 1000 - 0.5 * 10 ** (3 - digits) and exponent < 12:
        exponent += 3
    return f"{value / 10**exponent:.{digits}g} {_PREFIXES[exponent]}{unit}"


def time_of_ns(value_ns: float) -> str:
    """Nanoseconds in a readable unit."""
    return si(value_ns * 1e-9, "s")


def energy_of_pj(value_pj: float) -> str:
    """Picojoules in a readable unit."""
    return si(value_pj * 1e-12, "J")


def percent(share: float) -> str:
    """Share in per cent; small but not zero stays visible."""
    if 0 < abs(share) < 5e-4:
        return "< 0.1 %"
    return f"{100 * share:.1f} %"


def times(ratio: float | None, *, like: float | None = None) -> str:
    """Ratio as a multiple, ``3.14x`` or ``1/250x``; a dash where there is none.

    Parameters
    ----------
    like : a ratio beside which this one stands, so that both are written in one way
    """
    if ratio is None:
        return "-"
    if 0 < (ratio if like is None else like) < 0.0995 and ratio > 0:
        return f"1/{times(1 / ratio, like=1.0)}"
    return f"{ratio:,.0f}x" if ratio >= 999.5 else f"{ratio:.3g}x"


def times_within(ratio: float, ends: tuple[float, float] | None) -> str:
    """Ratio with its interval, ``0.4x (0.09x to 1.2x)``."""
    if ends is None:
        return times(ratio)
    return f"{times(ratio)} ({times(ends[0], like=ratio)} to {times(ends[1], like=ratio)})"


def crosses_one(ratio: float, ends: tuple[float, float] | None) -> bool:
    """Whether a ratio and its interval leave open on which side of 1 it lies."""
    return ends is not None and min(ratio, *ends) < 1 < max(ratio, *ends)


def count(value: float) -> str:
    """Whole number with separators."""
    return f"{value:,.0f}"


def interval(low: float, high: float, unit: str) -> str:
    """Interval of two values in a base unit."""
    return f"{si(low, unit, digits=3)} to {si(high, unit, digits=3)}"
