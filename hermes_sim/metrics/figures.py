"""Time and energy of a run as plain figures: what a document, a design point, an interval and a study all read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from hermes_sim.config.vocabulary import Timing
from hermes_sim.metrics.busiest import busiest_by_kind
from hermes_sim.metrics.energy import energy_rows, total_by, total_by_place
from hermes_sim.metrics.timing import resource_use

if TYPE_CHECKING:
    from hermes_sim.chip.schema import Chip
    from hermes_sim.engine.base import RunRecord
    from hermes_sim.metrics.energy import EnergyRow
    from hermes_sim.metrics.timing import ResourceUse
    from hermes_sim.program.lowered import LoweredProgram


class ChipPoint(NamedTuple):
    """Time and energy of one inference on the chip, as they stand beside a batch of a baseline.

    `by_place_pj` is the energy by place: on the chip, in the channel off it, in the host.
    """

    time_ns: float
    energy_pj: float
    by_place_pj: dict[str, float]

    @property
    def power_w(self) -> float:
        """Energy over time."""
        return 1e-3 * self.energy_pj / self.time_ns


class Bottleneck(NamedTuple):
    """The busiest resource and its share of the time of the run."""

    resource: str
    utilization: float


@dataclass(frozen=True, eq=False)
class Figures:
    """What the chip needs for all inferences, and for one alone.

    Parameters
    ----------
    chip, lowered : whose energies are counted
    record : all inferences; of this program, or of one that differs in nothing but energies
    alone : one inference on an empty chip
    throughput_inferences_per_s : in the long run; None if not asked for
    lower_bound_ps : no schedule of all inferences is shorter; None if not asked for
    """

    chip: Chip
    lowered: LoweredProgram
    record: RunRecord
    alone: RunRecord
    throughput_inferences_per_s: float | None = None
    lower_bound_ps: int | None = None

    @property
    def inferences(self) -> int:
        """How many ran one behind the other."""
        return self.lowered.inferences

    @property
    def latency_ns(self) -> float:
        """One inference on an empty chip, ns."""
        return self.alone.makespan_ps / 1e3

    @property
    def makespan_ns(self) -> float:
        """All inferences, ns."""
        return self.record.makespan_ps / 1e3

    @cached_property
    def rows(self) -> list[EnergyRow]:
        """Every energy term of all inferences."""
        return energy_rows(self.lowered, self.record)

    @cached_property
    def total_pj(self) -> float:
        """Energy of all inferences, pJ."""
        return sum(row.energy_pj for row in self.rows)

    @property
    def static_pj(self) -> float:
        """Static part of the total, pJ."""
        return sum(row.energy_pj for row in self.rows if row.is_static)

    @cached_property
    def by_place(self) -> dict[str, float]:
        """Total by place: on the chip, in the channel off it, in the host; pJ."""
        return total_by_place(self.rows, self.chip)

    def by(self, attribute: str) -> dict[str, float]:
        """Total by ``component`` or ``operator``, largest first; pJ."""
        return total_by(self.rows, attribute)

    @property
    def energy_pj(self) -> float:
        """Energy per inference, pJ."""
        return self.total_pj / self.inferences

    @property
    def energy_on_chip_pj(self) -> float:
        """Energy per inference spent on the chip, pJ."""
        return self.by_place["on_chip"] / self.inferences

    @cached_property
    def energy_alone_pj(self) -> float:
        """Energy of one inference alone on the chip, pJ: programs of any number of inferences have the same costs."""
        return sum(row.energy_pj for row in energy_rows(self.lowered, self.alone))

    @property
    def power_w(self) -> float:
        """Total energy over the time of the run."""
        return self.total_pj / self._makespan_ps

    @property
    def tops(self) -> float:
        """Operations over the time of the run, 1e12 per second."""
        return self.lowered.ops * self.inferences / self._makespan_ps

    @property
    def tops_per_w(self) -> float:
        """Operations over the total energy, 1e12 per joule; 0 where nothing costs energy."""
        return self.lowered.ops * self.inferences / self.total_pj if self.total_pj else 0.0

    @property
    def _makespan_ps(self) -> int:
        return max(self.record.makespan_ps, 1)

    @cached_property
    def uses(self) -> list[ResourceUse]:
        """Resources that take time, busiest first."""
        return resource_use(self.record)

    @property
    def bottleneck(self) -> Bottleneck:
        """The busiest resource."""
        return Bottleneck(self.uses[0].resource, self.uses[0].utilization) if self.uses else Bottleneck("none", 0.0)

    @property
    def busiest(self) -> dict[str, float]:
        """Share of the time that the busiest resource of each kind is busy, the busiest kind first."""
        return busiest_by_kind(self.uses, self.lowered.resource_named)

    def points(self) -> dict[tuple[int, Timing], ChipPoint]:
        """The chip beside every batch that it is compared with, the response to a single inference first.

        The response is one inference on an otherwise empty chip: its latency, and its energy with static power over
        that latency. Back to back, a single inference takes the period of the steady state, with static power over
        it; a batch of all takes time and energy per inference when all run. Without a throughput only the latter.
        """
        n, rows = self.inferences, energy_rows(self.lowered, self.alone)
        places = total_by_place(rows, self.chip)
        found = {(1, Timing.RESPONSE): ChipPoint(self.latency_ns, self.energy_alone_pj, places)}
        if self.throughput_inferences_per_s:
            period_ns = 1e9 / self.throughput_inferences_per_s
            idle = period_ns / self.latency_ns if self.latency_ns else 1.0
            rows = [replace(row, energy_pj=row.energy_pj * idle) if row.is_static else row for row in rows]
            energy_pj = sum(row.energy_pj for row in rows)
            found[1, Timing.BACK_TO_BACK] = ChipPoint(period_ns, energy_pj, total_by_place(rows, self.chip))
        if n > 1:
            places = {place: pj / n for place, pj in self.by_place.items()}
            found[n, Timing.BACK_TO_BACK] = ChipPoint(self.makespan_ns / n, self.energy_pj, places)
        return found
