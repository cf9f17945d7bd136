"""Runs that this process has made: a program that has been run, bounded or brought to its steady state is not again.

Designs that differ only in energies or areas give the same program; so do the values that an uncertainty analysis
draws for them. What is kept here depends on the program alone, so it never knows a chip, an operator or an energy.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from hermes_sim.engine.compiled import CompiledEngine
from hermes_sim.metrics.steady import steady_state
from hermes_sim.program.bounds import lower_bounds

if TYPE_CHECKING:
    from collections.abc import Callable

    from hermes_sim.engine.base import RunRecord
    from hermes_sim.program.dataflow import DataflowProgram
    from hermes_sim.program.lowered import LoweredProgram

T = TypeVar("T")
MOST_KEPT = 384  # of a few hundred bytes per actor each


class RunCache:
    """The latest records, bounds and throughputs, by the content of their programs.

    Parameters
    ----------
    most : how many are kept; the one that has not been asked for the longest goes first
    """

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._kept: OrderedDict[tuple[str, bytes], object] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def record(self, lowered: LoweredProgram) -> RunRecord:
        """Run to the end.

        Raises
        ------
        EngineError
            a deadlock
        """
        return self._of("record", program_digest(lowered.program), lambda: CompiledEngine().run(lowered.program))

    def bound_ps(self, lowered: LoweredProgram) -> int:
        """Lower bound on the makespan, ps."""
        return self._of("bound", program_digest(lowered.program), lambda: lower_bounds(lowered.program).makespan_ps)

    def throughput_per_s(self, lowered: LoweredProgram, *, progress: Callable[[float], None] | None = None) -> float:
        """Inferences per second in the long run, whatever their number in this program."""

        def make() -> float:
            latency_ps = self.record(lowered.for_inferences(1)).makespan_ps
            return steady_state(lowered, latency_ps=latency_ps, progress=progress).throughput_per_s

        program = lowered.for_inferences(1).program
        counts = np.array([lowered.done, *(n for firings in lowered.firings for n in firings)], dtype=np.int64)
        return self._of("throughput", program_digest(program, counts.tobytes()), make)

    def _of(self, what: str, digest: bytes, make: Callable[[], T]) -> T:
        found = self._kept.pop((what, digest), None)
        made: T = make() if found is None else found  # type: ignore[assignment]
        self._kept[what, digest] = made
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return made


def program_digest(program: DataflowProgram, more: bytes = b"") -> bytes:
    """Hash of all that a run and its record depend on, names included, and of something more."""
    digest = hashlib.blake2b(more, digest_size=16)
    for column in (
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
        program.is_space,
        program.queue,
        program.queue_capacity,
    ):
        digest.update(len(column).to_bytes(8, "little"))
        digest.update(column.tobytes())
    for actor, times_ps in sorted(program.releases_ps.items()):
        digest.update(f"{actor} {len(times_ps)}".encode())
        digest.update(times_ps.tobytes())
    digest.update("\0".join((*program.resource_names, "", *program.actor_names, "", *program.queue_names)).encode())
    return digest.digest()
