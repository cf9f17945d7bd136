"""Tables of an accuracy for page and terminal: which layer costs it, and what time does to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hermes_sim.kit.formatting import energy_of_pj, long_time
from hermes_sim.kit.tables import Column, Table, number

if TYPE_CHECKING:
    from collections.abc import Mapping

_POINTS = "{:+.2f}".format


def layer_table(document: Mapping[str, Any]) -> Table | None:
    """Products on crossbars by what they cost: error, points that an exact one brings back, energy; None without."""
    accuracy = document.get("accuracy") or {}
    layers = accuracy.get("layers") or []
    if not layers:
        return None
    energy, n = document["energy_pj"]["by_operator"], document["inputs"]["inferences"]
    told = any(layer["recovered_pp"] is not None for layer in layers)
    columns: list[Column | str] = [
        "product",
        number("relative error", "{:.3f}".format),
        *([number("points back if exact", _POINTS)] if told else []),
        number("energy/inf.", energy_of_pj),
    ]
    rows = [
        [
            layer["operator"],
            layer["relative_error"],
            *([layer["recovered_pp"]] if told else []),
            energy[layer["operator"]] / n if layer["operator"] in energy else None,
        ]
        for layer in sorted(layers, key=lambda one: -(one["recovered_pp"] or 0.0))
    ]
    caption = "Accuracy and energy by product on crossbars, with what it moves off the chip"
    return Table("accuracy-layers", caption, columns, rows)


def time_table(document: Mapping[str, Any]) -> Table | None:
    """Accuracy some time after programming; None where it was not asked for."""
    accuracy = document.get("accuracy") or {}
    points = accuracy.get("by_time") or []
    if not points:
        return None
    times = sorted({point["time_s"] for point in points})
    at = {(point["time_s"], point["compensated"]): point for point in points}
    percent = any(point["drop_pp"] is not None for point in points)
    name = str(accuracy["metric"]).replace("_", " ")
    heads = [number(f"{name}, {how}", "{:.4f}".format) for how in ("compensated", "not compensated")]
    drops = [number(f"drop, {how}", _POINTS) for how in ("compensated", "not compensated")] if percent else []
    rows = []
    for time_s in times:
        both = [at[time_s, compensated] for compensated in (True, False)]
        rows.append(
            [
                long_time(time_s),
                *(one["simulated"] for one in both),
                *((one["drop_pp"] for one in both) if percent else ()),
            ]
        )
    return Table("accuracy-times", f"{name.capitalize()} after programming", ["time", *heads, *drops], rows)
