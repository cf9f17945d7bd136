"""Time and energy to write the weights of a mapping: the programming events of the life cycle, run on their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes_sim.engine.compiled import CompiledEngine

if TYPE_CHECKING:
    from hermes_sim.flow import Mapped


def measure_programming(mapped: Mapped) -> dict[str, float] | None:
    """`time_ms` and `energy_uj`; none if nothing is placed or the chip does not say how it is programmed."""
    if not mapped.mapping.blocks or mapped.chip.core.programming is None:
        return None
    program, infos = mapped.programming()
    record = CompiledEngine().run(program)
    energy_pj = sum(
        int(fired) * part.value
        for info, fired in zip(infos, record.started, strict=True)
        for part in info.cost.energies
    )
    return {"time_ms": record.makespan_ps / 1e9, "energy_uj": energy_pj / 1e6}
