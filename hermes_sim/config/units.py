"""The units a file may use, and exact factors between them.

Data and operations are dimensions of their own, so pJ is not pJ/byte; no unit needs a mass, so the volt is a base.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

Dimensions = tuple[tuple[str, int], ...]  # base and power, sorted, without zeros

# Power of ten -> how the prefix is written, its usual symbol first.
SI_PREFIXES: Final = {
    -15: ("f", "femto"),
    -12: ("p", "pico"),
    -9: ("n", "nano"),
    -6: ("µ", "micro", "u", "μ"),
    -3: ("m", "milli"),
    3: ("k", "kilo"),
    6: ("M", "mega"),
    9: ("G", "giga"),
    12: ("T", "tera"),
}

_PREFIXES: Final = {
    **{name: Fraction(10) ** power for power, names in SI_PREFIXES.items() for name in names},
    **{name: Fraction(2**10) for name in ("kibi", "Ki")},
    **{name: Fraction(2**20) for name in ("mebi", "Mi")},
    **{name: Fraction(2**30) for name in ("gibi", "Gi")},
}

_UNITS: Final[dict[str, tuple[Fraction, dict[str, int]]]] = {
    **{name: (Fraction(1), {"time": 1}) for name in ("second", "s")},
    **{name: (Fraction(1), {"length": 1}) for name in ("meter", "m")},
    **{name: (Fraction(1), {"current": 1}) for name in ("ampere", "A")},
    **{name: (Fraction(1), {"voltage": 1}) for name in ("volt", "V")},
    **{name: (Fraction(1), {"data": 1}) for name in ("byte", "B")},
    "bit": (Fraction(1, 8), {"data": 1}),
    "op": (Fraction(1), {"operation": 1}),
    **{name: (Fraction(1), {"operation": 1, "time": -1}) for name in ("ops", "OPS")},
    **{name: (Fraction(1), {}) for name in ("count", "cycle", "token", "hop")},
    "percent": (Fraction(1, 100), {}),
    **{name: (Fraction(1), {"temperature": 1}) for name in ("kelvin", "K")},
    "minute": (Fraction(60), {"time": 1}),
    "hour": (Fraction(3600), {"time": 1}),
    "day": (Fraction(86400), {"time": 1}),
    "year": (Fraction(31536000), {"time": 1}),
    **{name: (Fraction(1), {"time": -1}) for name in ("hertz", "Hz")},
    **{name: (Fraction(1), {"voltage": 1, "current": 1}) for name in ("watt", "W")},
    **{name: (Fraction(1), {"voltage": 1, "current": 1, "time": 1}) for name in ("joule", "J")},
    **{name: (Fraction(1), {"current": 1, "voltage": -1}) for name in ("siemens", "S")},
    "ohm": (Fraction(1), {"voltage": 1, "current": -1}),
    **{name: (Fraction(1), {"current": 1, "time": 1, "voltage": -1}) for name in ("farad", "F")},
}

_TERM = re.compile(r"(?P<name>[^\W\d]+)(?:\s*(?:\*\*|\^)\s*(?P<power>-?\d))?")
_MAX_LENGTH = 100


class UnknownUnitError(ValueError):
    """A text that is no product of known units."""


def parse_unit(text: str) -> tuple[Fraction, Dimensions]:
    """Factor to base units, and dimensions, of a product such as ``pJ/byte`` or ``mm**2``.

    Raises
    ------
    UnknownUnitError
        not a product of units, each with a prefix and a power at most
    """
    factor, powers = Fraction(1), dict[str, int]()
    if len(text) > _MAX_LENGTH:
        raise UnknownUnitError(text)
    for sign, term in _terms(text):
        if term == "1":
            continue
        match = _TERM.fullmatch(term)
        if match is None:
            raise UnknownUnitError(term)
        power = sign * int(match["power"] or 1)
        size, dimensions = _one(match["name"])
        factor *= size**power
        for base, n in dimensions.items():
            powers[base] = powers.get(base, 0) + n * power
    return factor, tuple(sorted((base, n) for base, n in powers.items() if n))


def _terms(text: str) -> list[tuple[int, str]]:
    """Factors of a product, each with 1 (multiplied) or -1 (divided by)."""
    parts = [part.strip() for part in re.split(r"(?<!\*)(\*)(?!\*)|(/)", text) if part is not None]
    return [(1, parts[0]), *((1 if op == "*" else -1, term) for op, term in zip(parts[1::2], parts[2::2], strict=True))]


def _one(name: str) -> tuple[Fraction, dict[str, int]]:
    """Factor and dimensions of one unit, which may have a prefix, and an s in its full name."""
    for whole in (name, name.removesuffix("s")):
        if whole in _UNITS:
            return _UNITS[whole]
        for prefix, size in _PREFIXES.items():
            rest = whole.removeprefix(prefix)
            if rest != whole and rest in _UNITS:
                factor, dimensions = _UNITS[rest]
                return size * factor, dimensions
    raise UnknownUnitError(name)
