"""Result columns for people: their unit with an SI prefix."""

from __future__ import annotations

import math
from typing import Any

from hermes_sim.report import formatting
from hermes_sim.report.formatting import si

_UNITS = {
    "_ns": (1e-9, "s"),
    "_per_s": (1.0, "/s"),
    "power_w": (1.0, "W"),
    "_mm2": (1.0, "mm2"),
    "tops_per_w": (1.0, "TOPS/W"),
    "tops": (1.0, "TOPS"),
    "_pp": (1.0, "points"),
}
PREFIXED = {"s", "J", "W", "/s"}
PREFIXES = {**formatting.PREFIXES, -6: "u"}


def unit_of(column: str) -> tuple[float, str]:
    """Factor to a unit that takes prefixes, and that unit."""
    if "_pj" in column:
        return 1e-12, "J"
    for ending, (factor, unit) in _UNITS.items():
        if column.endswith(ending):
            return factor, unit
    return 1.0, ""


def format_value(column: str, value: Any) -> str:
    """Value of a result column with its unit."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if not isinstance(value, (int, float)):
        return str(value)
    factor, unit = unit_of(column)
    if unit not in PREFIXED:
        return f"{value:.4g} {unit}".strip()
    return si(value * factor, unit, micro="u")


def title_of(column: str) -> str:
    """Column name in words, without its unit."""
    for old, new in (
        ("energy_pj_per_inference", "energy per inference"),
        ("energy_pj_", "energy "),
        ("throughput_inferences_per_s", "throughput"),
        ("area_mm2", "area"),
        ("power_w", "power"),
    ):
        column = column.replace(old, new)
    return column.removesuffix("_ns").removesuffix("_pp").replace("_", " ")


def with_unit(column: str, value: Any) -> str:
    """``makespan 1.2 ms``."""
    return f"{title_of(column)} {format_value(column, value)}"
