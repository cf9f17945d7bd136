"""What a design could reach at best, without simulating it: area is exact, time and energy are bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hermes_sim.flow import RUNS, map_workload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hermes_sim.explore.point import DesignPoint
    from hermes_sim.explore.schema import Goal

_PJ_PER_MW_PS = 1e-3


def optimistic_results(point: DesignPoint, goals: Mapping[str, Goal]) -> dict[str, Any]:
    """Result columns that a design cannot beat; columns without a useful bound are left out.

    Every firing costs its energy whatever the order, and static power runs at least as long as the makespan's bound.

    Raises
    ------
    HermesSimError
        the design cannot be loaded, placed or lowered
    """
    chip, work = point.chip(), point.work()
    best: dict[str, Any] = {"area_mm2": chip.area_mm2}
    if set(goals) <= set(best):
        return best
    mapped = map_workload(chip, work, point.mapping, seed=point.seed)
    count = work.inferences if point.inferences is None else point.inferences
    every = mapped.program(count)
    makespan_ps = RUNS.bound_ps(every)
    one_ps = RUNS.bound_ps(every.for_inferences(1)) if count > 1 else makespan_ps
    dynamic_pj = sum(
        int(firings) * part.value
        for info, firings in zip(every.actors, every.program.firings, strict=True)
        for part in info.cost.energies
    )
    static_mw = sum(part.value for part in every.static_powers)
    total_pj = dynamic_pj + static_mw * makespan_ps * _PJ_PER_MW_PS
    return best | {
        "latency_ns": one_ps / 1e3,
        "makespan_ns": makespan_ps / 1e3,
        "lower_bound_ns": makespan_ps / 1e3,
        "energy_pj_total": total_pj,
        "energy_pj_per_inference": total_pj / count,
        "energy_pj_dynamic": dynamic_pj,
        "tops": every.ops * count / max(makespan_ps, 1),
        "tops_per_w": every.ops * count / total_pj if total_pj else 0.0,
        "ops": every.ops,
        "cores_used": mapped.mapping.cores_used,
    }
