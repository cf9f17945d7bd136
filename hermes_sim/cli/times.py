"""Times after programming, as they are given on the command line and told."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hermes_sim.errors import WorkloadError

if TYPE_CHECKING:
    from collections.abc import Sequence

_UNITS = {"": "s", "s": "s", "min": "minute", "h": "hour", "d": "day", "y": "year"}
_SPELLED = "seconds, or a number with s, min, h, d or y"


def seconds_of(texts: Sequence[str], where: str) -> tuple[float, ...]:
    """Times of comma lists, in order, each once."""
    return tuple(sorted({seconds(text, where) for texts_of_one in texts for text in texts_of_one.split(",")}))


def seconds(text: str, where: str) -> float:
    """Seconds of ``10d``, ``1h`` or ``3600``."""
    from hermes_sim.config.quantity import LONG_TIME, convert

    match = re.fullmatch(r"(\d+\.?\d*(?:e[+-]?\d+)?) ?([a-z]*)", text.strip())
    if match is None or match[2] not in _UNITS or float(match[1]) == 0:
        raise WorkloadError(where, got=repr(text), allowed=f"{_SPELLED}, above 0, e.g. 1h,10h,1d,1y")
    return convert(float(match[1]), _UNITS[match[2]], LONG_TIME, where=where)
