"""Quantities of the result document in words and readable units, by the names that intervals and tornado use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes_sim.report.formatting import energy_of_pj, si, time_of_ns, times

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def per_second(value: float) -> str:
    """Throughput."""
    return f"{value:,.4g} inferences/s" if value < 1e4 else f"{value:,.0f} inferences/s"


def _watts(value: float) -> str:
    return si(value, "W")


_KNOWN: dict[str, tuple[str, Callable[[float], str], float, str]] = {
    "latency_ns": ("latency of one inference", time_of_ns, 1e-9, "s"),
    "makespan_ns": ("time of the run", time_of_ns, 1e-9, "s"),
    "throughput_inferences_per_s": ("throughput", per_second, 1.0, "inferences/s"),
    "energy_alone_pj": ("energy of one inference alone", energy_of_pj, 1e-12, "J"),
    "energy_pj.per_inference": ("energy per inference", energy_of_pj, 1e-12, "J"),
    "power_w": ("power", _watts, 1.0, "W"),
    "tops": ("rate", "{:.4g} TOPS".format, 1.0, "TOPS"),
    "tops_per_w": ("efficiency", "{:.4g} TOPS/W".format, 1.0, "TOPS/W"),
}
_RATIOS = {"energy_ratio": "energy ratio", "latency_ratio": "time ratio"}


def ratio_name(row: Mapping[str, object], quantity: str, case: str) -> str:
    """Name of a ratio to a row of the baselines, as the intervals use it."""
    return f"{row['name']} {row['precision']}, batch {row['batch']:,}.{quantity}.{case}"


def _ratio(name: str) -> tuple[str, str, str] | None:
    """Baseline, kind of ratio and case of a ratio's name."""
    parts = name.rsplit(".", 2)
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 and parts[1] in _RATIOS else None


def is_ratio(name: str) -> bool:
    """Whether a quantity is a ratio to a baseline."""
    return _ratio(name) is not None


def words_of(name: str) -> str:
    """A quantity in words; its name where it is not known."""
    ratio = _ratio(name)
    if ratio:
        return f"{_RATIOS[ratio[1]]} to {ratio[0]}, {ratio[2]}"
    return _KNOWN[name][0] if name in _KNOWN else name


def shown(name: str, value: float) -> str:
    """Value of a quantity with its unit."""
    if is_ratio(name):
        return times(value)
    return _KNOWN[name][1](value) if name in _KNOWN else f"{value:,.4g}"


def base_unit(name: str) -> tuple[float, str]:
    """Factor to the base unit of a quantity, and that unit."""
    if is_ratio(name):
        return 1.0, "x"
    return _KNOWN[name][2:] if name in _KNOWN else (1.0, "")
