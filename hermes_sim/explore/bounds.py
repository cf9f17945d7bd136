"""What a design could reach at best, without simulating it: area is exact, time and energy are bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hermes_sim.explore.runs import graph_of
from hermes_sim.mapping.place import map_graph
from hermes_sim.program.bounds import lower_bounds
from hermes_sim.program.lower import lower

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
    graph = graph_of(work)
    placement = map_graph(graph, chip, point.mapping, seed=point.seed)
    count = work.inferences if point.inferences is None else point.inferences
    every = lower(graph, placement, chip, inferences=count)
    makespan_ps = lower_bounds(every.program).makespan_ps
    one_ps = makespan_ps
    if count > 1:
        one_ps = lower_bounds(every.for_inferences(1).program).makespan_ps
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
        "tops": graph.ops * count / max(makespan_ps, 1),
        "tops_per_w": graph.ops * count / total_pj if total_pj else 0.0,
        "ops": graph.ops,
        "cores_used": placement.cores_used,
    }
