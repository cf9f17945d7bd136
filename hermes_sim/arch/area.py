"""Area of a chip, as a sum of products of config values: what a total is, and how an explanation shows it.

A core of another size than the published one: the array grows with rows times columns, drivers with rows, converters
with columns, the LDPU with its lanes; the rest (control, buffers, ports) stays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hermes_sim.arch.schema import Chip, Core
    from hermes_sim.quantity import Quantity


@dataclass(frozen=True)
class AreaPart:
    """One part: the product of `factors` over `divisors`, times what the shares `rest_of` leave of a whole."""

    name: str
    factors: tuple[Quantity, ...]
    divisors: tuple[Quantity, ...] = ()
    rest_of: tuple[Quantity, ...] = ()

    @property
    def rest(self) -> float:
        """What `rest_of` leaves."""
        return 1 - sum(share.value for share in self.rest_of)

    @property
    def mm2(self) -> float:
        """Area of the part."""
        over = math.prod(quantity.value for quantity in self.divisors)
        return math.prod(quantity.value for quantity in self.factors) * self.rest / over


def core_area_parts(core: Core) -> list[AreaPart]:
    """Parts of one core; one of the reference size is as large as published, whatever the split."""
    given, split = core.reference_size, core.area_split
    sizes = ((core.rows, given.rows), (core.columns, given.columns), (core.ldpu.lanes, given.ldpu_lanes))
    if all(size.n == reference.n for size, reference in sizes):
        return [AreaPart("core", (core.area,))]
    rows, columns, lanes = sizes
    shares = {
        "array": (split.array, (rows, columns)),
        "drivers": (split.drivers, (rows,)),
        "converters": (split.converters, (columns,)),
        "ldpu": (split.ldpu, (lanes,)),
    }
    parts = [
        AreaPart(name, (core.area, share, *(size for size, _ in grows)), tuple(reference for _, reference in grows))
        for name, (share, grows) in shares.items()
    ]
    return [*parts, AreaPart("rest", (core.area,), rest_of=tuple(share for share, _ in shares.values()))]


def unit_area_parts(chip: Chip) -> list[AreaPart]:
    """On-chip digital units, and their memories."""
    parts = []
    for kind, unit in chip.digital_units.items():
        if unit.place == "on_chip":
            parts.append(AreaPart(kind, (unit.count, unit.area)))
            if unit.sequence_memory is not None:
                parts.append(AreaPart(f"{kind} sequence memory", (unit.count, unit.sequence_memory.area)))
    return parts
