"""Time and energy to write the weights of a mapping: the programming events of the life cycle, run on their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes_sim.engine.compiled import CompiledEngine
from hermes_sim.program.lower import lower_programming

if TYPE_CHECKING:
    from hermes_sim.chip.schema import Chip
    from hermes_sim.mapping.mapping import Mapping
    from hermes_sim.workload.graph import OpGraph


def measure_programming(graph: OpGraph, mapping: Mapping, chip: Chip) -> dict[str, float] | None:
    """`time_ms` and `energy_uj`; none if nothing is placed or the chip does not say how it is programmed."""
    if not mapping.blocks or chip.core.programming is None:
        return None
    program, infos = lower_programming(graph, mapping, chip)
    record = CompiledEngine().run(program)
    energy_pj = sum(
        int(fired) * part.value
        for info, fired in zip(infos, record.started, strict=True)
        for part in info.cost.energies
    )
    return {"time_ms": record.makespan_ps / 1e9, "energy_uj": energy_pj / 1e6}
