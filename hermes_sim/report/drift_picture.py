"""Picture of an accuracy over the time since programming, for the page and as a file of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hermes_sim.kit.colours import BLUE, INK, VERMILLION
from hermes_sim.kit.plots import LegendItem, Panel, Style, axis_of, picture

if TYPE_CHECKING:
    from collections.abc import Mapping

DRIFT_FILE = "drift.svg"  # in the report folder
_HOUR_S = 3600.0


def drift_picture(document: Mapping[str, Any]) -> str | None:
    """Both curves, with and without renewed scales, and FP32 as a dashed line, as SVG; None without times."""
    accuracy = document.get("accuracy") or {}
    points = accuracy.get("by_time") or []
    if not points:
        return None
    digital = accuracy["digital_fp32"]
    hours = axis_of("hours after programming", [one["time_s"] / _HOUR_S for one in points], log=True)
    values = axis_of(str(accuracy["metric"]).replace("_", " "), [digital, *(one["simulated"] for one in points)])
    panel = Panel("", hours, values, width=480, height=360)
    panel.line([(hours.low, digital), (hours.high, digital)], INK, dash="4 3")
    kinds = {"scale renewed": (True, Style(BLUE)), "first scale kept": (False, Style(VERMILLION))}
    for compensated, style in kinds.values():
        mine = sorted(
            (one["time_s"] / _HOUR_S, one["simulated"]) for one in points if one["compensated"] is compensated
        )
        panel.series(mine, style, joined=True)
    title = f"{document['inputs']['workload']} on {document['inputs']['arch']}; FP32 dashed"
    return picture(title, [panel], [LegendItem(name, style) for name, (_, style) in kinds.items()])
