"""Lower bounds on the makespan, from the program alone: what no engine and no order of grants can beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hermes_sim.program.cycle_ratio import CriticalCycle, maximum_cycle_ratio
from hermes_sim.program.path_bound import PathBound, longest_path, work_ps

if TYPE_CHECKING:
    from collections.abc import Callable

    from hermes_sim.program.dataflow import I64, DataflowProgram


@dataclass(frozen=True, eq=False)
class Bounds:
    """Lower bounds on the makespan.

    Parameters
    ----------
    program : the program they hold for
    resource_ps : (n_resources,) ps  earliest first start on each resource, and all its work from there
    path : longest chain of dependencies
    cycle : the cycle of dependencies with the largest time per share of the run, None if there is none
    """

    program: DataflowProgram
    resource_ps: I64
    path: PathBound
    cycle: CriticalCycle | None

    @property
    def busiest_resource(self) -> int:
        """Resource with the largest bound."""
        return int(np.argmax(self.resource_ps))

    @property
    def path_ps(self) -> int:
        """Bound by the longest chain, ps."""
        return self.path.makespan_ps

    @property
    def cycle_ps(self) -> int:
        """Bound by the critical cycle, ps."""
        return self.cycle.makespan_ps if self.cycle else 0

    @property
    def makespan_ps(self) -> int:
        """The largest of all bounds, ps."""
        return max(int(self.resource_ps.max(initial=0)), self.path_ps, self.cycle_ps)

    @property
    def reason(self) -> str:
        """Words for the largest bound."""
        names = self.program.actor_names
        if len(self.resource_ps) and self.makespan_ps == self.resource_ps.max():
            return f"resource {self.program.resource_names[self.busiest_resource]}"
        if self.cycle is not None and self.makespan_ps == self.cycle_ps:
            return "cycle " + " -> ".join(names[a] for a in self.cycle.actors)
        return f"path to {names[self.path.actors[-1]]}" if self.path.actors else "empty program"


def lower_bounds(program: DataflowProgram, *, progress: Callable[[float], None] | None = None) -> Bounds:
    """Busiest resource, longest chain of dependencies, maximum cycle ratio.

    `progress` is told the fraction done.

    Raises
    ------
    ProgramError
        if firings wait for each other in a circle, so that no run can end
    """
    path = longest_path(program)
    resource_ps = np.zeros(len(program.resource_names), dtype=np.int64)
    fires = np.flatnonzero(program.firings > 0)
    order = fires[np.argsort(program.resource[fires], kind="stable")]
    groups = np.split(order, np.flatnonzero(np.diff(program.resource[order])) + 1)
    for actors in groups if len(order) else ():
        r = int(program.resource[actors[0]])
        resource_ps[r] = int(path.first_ps[actors].min()) + work_ps(program, r, actors)
    if progress:
        progress(0.5)
    cycle = maximum_cycle_ratio(program)
    if progress:
        progress(1.0)
    return Bounds(program=program, resource_ps=resource_ps, path=path, cycle=cycle)
