"""Area of a core of any size, from the published area of one size and how it splits.

The array grows with rows times columns, drivers with rows, converters with columns, the LDPU with its lanes; the rest
(control, buffers, ports) stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hermes_sim.arch.schema import Core


def core_area_parts_mm2(core: Core) -> dict[str, float]:
    """Area in mm2 of the parts of one core; their sum is `core.area` for a core of the reference size."""
    given, split, whole = core.reference_size, core.area_split, core.area.mm2
    rows = core.rows.n / given.rows.n
    columns = core.columns.n / given.columns.n
    lanes = core.ldpu.lanes.n / given.ldpu_lanes.n
    rest = 1 - split.array.ratio - split.drivers.ratio - split.converters.ratio - split.ldpu.ratio
    return {
        "array": whole * split.array.ratio * rows * columns,
        "drivers": whole * split.drivers.ratio * rows,
        "converters": whole * split.converters.ratio * columns,
        "ldpu": whole * split.ldpu.ratio * lanes,
        "rest": whole * rest,
    }


def core_area_mm2(core: Core) -> float:
    """Area in mm2 of one core."""
    return sum(core_area_parts_mm2(core).values())
