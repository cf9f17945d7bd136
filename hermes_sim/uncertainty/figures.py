"""Time and energy of one workload on variants of one chip: graph and placement are kept, equal programs run once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hermes_sim.baselines.compare import ChipPoint
from hermes_sim.engine.compiled import CompiledEngine
from hermes_sim.metrics.energy import energy_rows, total_by_place
from hermes_sim.metrics.steady import steady_state
from hermes_sim.program.lower import lower

if TYPE_CHECKING:
    from hermes_sim.chip.schema import Chip
    from hermes_sim.engine.base import RunRecord
    from hermes_sim.mapping.mapping import Mapping
    from hermes_sim.program.dataflow import DataflowProgram
    from hermes_sim.program.lowered import LoweredProgram
    from hermes_sim.workload.graph import OpGraph


@dataclass(frozen=True)
class ChipFigures:
    """What one variant of the chip needs for all inferences, and for one alone on it (`latency_ps`, `alone_pj`)."""

    inferences: int
    ops: int
    latency_ps: int
    makespan_ps: int
    throughput_per_s: float
    energy_pj: float
    on_chip_pj: float
    alone_pj: float

    def points(self) -> dict[int, ChipPoint]:
        """The chip beside every batch that it is compared with, as `chip_points` of a document."""
        n = self.inferences
        return {1: ChipPoint(self.latency_ps / 1e3, self.alone_pj)} | (
            {n: ChipPoint(self.makespan_ps / 1e3 / n, self.energy_pj / n)} if n > 1 else {}
        )

    def document(self) -> dict[str, float]:
        """Figures under the names of the result document."""
        makespan_ps = max(self.makespan_ps, 1)
        ops = self.ops * self.inferences
        return {
            "latency_ns": self.latency_ps / 1e3,
            "makespan_ns": self.makespan_ps / 1e3,
            "throughput_inferences_per_s": self.throughput_per_s,
            "energy_alone_pj": self.alone_pj,
            "energy_pj.per_inference": self.energy_pj / self.inferences,
            "energy_pj.on_chip_per_inference": self.on_chip_pj / self.inferences,
            "power_w": self.energy_pj / makespan_ps,
            "tops": ops / makespan_ps,
            "tops_per_w": ops / self.energy_pj if self.energy_pj else 0.0,
        }


@dataclass(frozen=True)
class _Times:
    """What the event simulation of one program gives."""

    one: RunRecord
    throughput_per_s: float
    record: RunRecord


class FigureMaker:
    """Figures of chip variants. Programs that differ in nothing but energy are simulated once.

    Parameters
    ----------
    graph, placement : kept for all variants
    inferences : how many run one behind the other
    steady : whether a throughput is wanted; without, it is that of the whole run
    """

    def __init__(self, graph: OpGraph, placement: Mapping, inferences: int, *, steady: bool = True) -> None:
        self._graph, self._placement, self._inferences = graph, placement, inferences
        self._steady = steady
        self._engine = CompiledEngine()
        self._times: dict[bytes, _Times] = {}

    def lowered(self, chip: Chip) -> LoweredProgram:
        """Program of all inferences."""
        return lower(self._graph, self._placement, chip, inferences=self._inferences)

    def figures(self, chip: Chip) -> ChipFigures:
        """Time and energy on one variant.

        Raises
        ------
        EngineError
            if the variant's buffers lead to a deadlock
        """
        lowered = self.lowered(chip)
        key = _fingerprint(lowered.program)
        if key not in self._times:
            self._times[key] = self._simulate(lowered)
        times = self._times[key]
        # programs of other numbers of inferences have the same actors with the same costs
        rows, alone = (energy_rows(lowered, record) for record in (times.record, times.one))
        return ChipFigures(
            self._inferences,
            lowered.ops,
            times.one.makespan_ps,
            times.record.makespan_ps,
            times.throughput_per_s,
            sum(row.energy_pj for row in rows),
            total_by_place(rows, chip)["on_chip"],
            sum(row.energy_pj for row in alone),
        )

    def _simulate(self, lowered: LoweredProgram) -> _Times:
        record = self._run(lowered)
        one = record if self._inferences == 1 else self._run(lowered.for_inferences(1))
        if self._steady:
            return _Times(one, steady_state(lowered, latency_ps=one.makespan_ps).throughput_per_s, record)
        return _Times(one, self._inferences / max(record.makespan_ps, 1) * 1e12, record)

    def _run(self, lowered: LoweredProgram) -> RunRecord:
        return self._engine.run(lowered.program)


def _fingerprint(program: DataflowProgram) -> bytes:
    """Hash of all that the times of a run depend on."""
    digest = hashlib.sha256()
    for array in (
        program.resource,
        program.firings,
        program.interval_ps,
        program.latency_ps,
        program.capacity,
        program.source,
        program.target,
        program.num,
        program.off,
        program.den,
    ):
        digest.update(array.tobytes())
    return digest.digest()
