"""Baselines beside a chip: they share its host and its channel, and systolic arrays take its area or its power.

Which part a baseline shares says `of_chip` in its file: its host is the chip's, its link the chip's off-chip channel.

A file describes the array for one area or power (`area_limit`, `power_limit`). Beside a chip of another, SRAM, vector
unit, everything else that takes area, and static power are scaled in proportion. What they leave goes to the arrays: as
many of the file's as fit, then the largest multiple of 16 columns; where not even one of 16 columns fits, arrays of
half, a quarter, ... of the rows.
"""

from __future__ import annotations

import math
from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING

from hermes_sim.baselines.schema import SizedBy, SystolicArray
from hermes_sim.chip.read_cost import read_cost
from hermes_sim.config.quantity import Kind
from hermes_sim.errors import BaselineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hermes_sim.baselines.load import Baseline
    from hermes_sim.chip.schema import Chip
    from hermes_sim.config.quantity import Quantity

_COLUMNS = 16  # columns come in such steps
_SAME = 1e-9


def beside(devices: Iterable[Baseline], chip: Chip) -> list[Baseline]:
    """Baselines as they stand beside a chip: those with `sized_by` take its size, `of_chip` its channel and host.

    Raises
    ------
    BaselineError
        a chip so small that no array fits
    """
    shared = (share_boundary(device, chip) for device in devices)
    return [_sized(device, chip) if isinstance(device, SystolicArray) else device for device in shared]


def share_boundary(device: Baseline, chip: Chip) -> Baseline:
    """A baseline with the channel and the host of a chip, where its file says that they are."""
    update: dict[str, object] = {}
    if device.link is not None and device.link.of_chip:
        names = ("bandwidth", "latency", "energy", "static_power")
        values = {name: _theirs(getattr(device.link, name), getattr(chip.off_chip, name)) for name in names}
        update["link"] = device.link.model_copy(update=values)
    hosts = [unit for unit in chip.digital_units.values() if unit.place == "host"]
    if device.host is not None and device.host.of_chip and hosts:
        idle_mw = sum(unit.count.n * unit.static_power.mw for unit in hosts)
        power = _theirs(device.host.idle_power, replace(hosts[0].static_power, value=float(idle_mw)))
        update["host"] = device.host.model_copy(update={"idle_power": power})
    return device.model_copy(update=update) if update else device


def _theirs(own: Quantity, theirs: Quantity) -> Quantity:
    """A value of the chip in a field of a baseline, unless it is the same."""
    return own if own.value == theirs.value else replace(theirs, path=own.path)


def core_power_mw(chip: Chip) -> float:
    """Power of all analog cores while each does one full read after the other, in the chip's read mode."""
    read = read_cost(chip, chip.core.rows.n, chip.core.weight_columns, range_known=True)
    return 1e3 * chip.n_cores * sum(part.value for part in read.energies) / read.interval_ps


def chip_power_mw(chip: Chip) -> float:
    """Power of the chip with all that is on it busy: cores, digital units at their hungriest function, static power.

    Traffic between them and to memories is left out, as device memory is left out of an array's power.
    """
    power_mw = core_power_mw(chip) + chip.n_cores * chip.core.static_power.mw + chip.network.static_power.mw
    for unit in chip.digital_units.values():
        if unit.place == "on_chip":
            costs = unit.functions.values()
            busy = max(one.lanes.n * one.energy.pj / (one.cycles.n * float(unit.clock.period_ps)) for one in costs)
            power_mw += unit.count.n * (1e3 * busy + unit.static_power.mw)
    return power_mw


def _sized(device: SystolicArray, chip: Chip) -> SystolicArray:
    if device.sized_by is None:
        return device
    field = device.sized_by.limit
    if device.sized_by is SizedBy.CHIP_AREA:
        measure, target = attrgetter("area_mm2"), chip.area_mm2
        of_what = f"the area of {chip.name}, {target:.4g} mm2"
    else:
        is_all = device.sized_by is SizedBy.CHIP_POWER
        measure, target = attrgetter("peak_power_mw"), chip_power_mw(chip) if is_all else core_power_mw(chip)
        of_what = f"the power of {'' if is_all else 'the cores of '}{chip.name}, {target:.4g} mW"
    limit: Quantity = getattr(device, field)  # the schema has seen to it that it is there
    if abs(target / limit.value - 1) < _SAME:
        return device

    def given(quantity: Quantity, value: float) -> Quantity:
        return _changed(quantity, value, of_what)

    return _with_arrays(_scaled(device, target / limit.value, given), measure, target, given).model_copy(
        update={field: given(limit, target), "description": f"systolic arrays in {of_what}"}
    )


def _scaled(device: SystolicArray, share: float, given: Callable[[Quantity, float], Quantity]) -> SystolicArray:
    """All but the arrays, in proportion."""
    sram = device.sram
    return device.model_copy(
        update={
            "sram": sram.model_copy(
                update={
                    "size": given(sram.size, math.floor(sram.size.value * share)),
                    "area": given(sram.area, sram.area.value * share),
                }
            ),
            "other_area": given(device.other_area, device.other_area.value * share),
            "static_power": given(device.static_power, device.static_power.value * share),
        }
    )


def _with_arrays(
    device: SystolicArray,
    measure: Callable[[SystolicArray], float],
    limit: float,
    given: Callable[[Quantity, float], Quantity],
) -> SystolicArray:
    """As many arrays as fit, then as many columns; the vector unit with them."""

    def of(arrays: int, rows: int, columns: int) -> SystolicArray:
        sizes = {"arrays": arrays, "rows": rows, "columns": columns}
        return device.model_copy(update={name: given(getattr(device, name), n) for name, n in sizes.items()})

    def columns_of(arrays: int, rows: int) -> int:
        return _most(lambda n: measure(of(arrays, rows, n)), limit, step=_COLUMNS)

    rows, columns = device.rows.n, device.columns.n
    arrays = max(1, _most(lambda n: measure(of(n, rows, columns)), limit, step=1))
    while rows and not (columns := columns_of(arrays, rows)):
        rows //= 2
    if not rows:
        where = f"{device.name}: {device.sized_by}"
        raise BaselineError(where, got=f"{limit:.3g}", allowed="a chip that an array fits beside")
    sized, vector = of(arrays, rows, columns), device.vector
    lanes = arrays * columns / (device.arrays.n * device.columns.n)
    update = {
        name: given(quantity, max(1, round(quantity.n * lanes)))
        for name, quantity in (("lanes", vector.lanes), ("special_lanes", vector.special_lanes))
    }
    return sized.model_copy(update={"vector": vector.model_copy(update=update)})


def _most(measure: Callable[[int], float], limit: float, *, step: int) -> int:
    """Largest multiple of `step` whose measure, linear in it, is within the limit."""
    fixed = measure(0)
    return step * max(0, math.floor((limit - fixed) / (measure(step) - fixed) + _SAME))


def _changed(quantity: Quantity, value: float, of_what: str) -> Quantity:
    """Quantity of another size, its range in proportion."""
    if value == quantity.value:
        return quantity
    share = value / quantity.value if quantity.value else 1.0
    low, high = (None if end is None else end * share for end in (quantity.low, quantity.high))
    note = f"{quantity.given} in the file; here sized to {of_what}"
    given = f"{value:g} {quantity.dimension.unit}"
    return replace(quantity, value=float(value), kind=Kind.DERIVED, given=given, note=note, low=low, high=high)
