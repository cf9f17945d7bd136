"""What an engine takes and gives: the protocol and the record of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from hermes_sim.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from hermes_sim.program.dataflow import I64, DataflowProgram
    from hermes_sim.trace.schema import Trace


@dataclass(frozen=True)
class RunStatistics:
    """How a run was made; not part of its result.

    Parameters
    ----------
    engine : name of the engine
    wall_time_s : s              time in the engine
    executed_firings : firings run one by one, the others were skipped as whole periods
    n_skips : how often periods were skipped
    """

    engine: str
    wall_time_s: float
    executed_firings: int
    n_skips: int = 0


@dataclass(frozen=True, eq=False)
class RunRecord:
    """Result of a run, whole numbers only, the same from every engine.

    Parameters
    ----------
    program : what ran
    makespan_ps : ps             finish of the last firing (of those started, if stopped by `until_ps`)
    started : (n_actors,)        firings started; equal to `program.firings` if complete
    first_start_ps, last_finish_ps : (n_actors,) ps   -1 if the actor never fired
    wait_data_ps : (n_actors,) ps      from the previous start (or release, or 0) until the data needs were met
    wait_space_ps : (n_actors,) ps     from then until the buffer space needs were met
    wait_resource_ps : (n_actors,) ps  from then until a server was granted
    max_queue : (n_resources,)   most firings left waiting after a grant phase
    finish_ps : watched actor -> (firings,) ps   finish of each of its firings
    trace : ready and start time of every firing, if asked for
    statistics : how the run was made
    """

    program: DataflowProgram
    makespan_ps: int
    started: I64
    first_start_ps: I64
    last_finish_ps: I64
    wait_data_ps: I64
    wait_space_ps: I64
    wait_resource_ps: I64
    max_queue: I64
    finish_ps: Mapping[int, I64] = field(default_factory=dict)
    trace: Trace | None = None
    statistics: RunStatistics | None = None

    @property
    def is_complete(self) -> bool:
        """Whether every firing was started."""
        return bool(np.array_equal(self.started, self.program.firings))

    @property
    def n_firings(self) -> int:
        """Firings started, all actors together."""
        return int(self.started.sum())

    @property
    def busy_ps(self) -> I64:
        """(n_actors,) ps, server time taken by the firings of each actor."""
        return self.started * self.program.interval_ps

    @property
    def resource_busy_ps(self) -> I64:
        """(n_resources,) ps, server time taken on each resource; at most capacity x the time of the run."""
        return self._per_resource(self.busy_ps)

    @property
    def resource_firings(self) -> I64:
        """(n_resources,) firings served."""
        return self._per_resource(self.started)

    @property
    def queue_ps(self) -> I64:
        """(n_resources,) ps, integral of the queue length over time (the sum of all waits for a server)."""
        return self._per_resource(self.wait_resource_ps)

    @property
    def mean_queue(self) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        """(n_resources,) firings waiting for a server, mean over the makespan."""
        return self.queue_ps / max(self.makespan_ps, 1)

    def _per_resource(self, values: I64) -> I64:
        total = np.zeros(len(self.program.resource_names), dtype=np.int64)
        np.add.at(total, self.program.resource, values)
        return total


def check_options(program: DataflowProgram, *, watch: Collection[int], until_ps: int | None) -> None:
    """Refuse options no engine can follow.

    Raises
    ------
    EngineError
        if an actor to watch does not exist, or `until_ps` is negative
    """
    for actor in watch:
        if not 0 <= actor < program.n_actors:
            raise EngineError("run: watch", got=actor, allowed=f"index of one of the {program.n_actors} actors")
    if until_ps is not None and until_ps < 0:
        raise EngineError("run: until_ps", got=until_ps, allowed="a time >= 0 ps, or None")


class Engine(Protocol):
    """Anything that runs dataflow programs under the contract in README.md."""

    @property
    def name(self) -> str:
        """Name for reports."""
        ...

    def run(
        self,
        program: DataflowProgram,
        *,
        trace: bool = False,
        watch: Collection[int] = (),
        until_ps: int | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> RunRecord:
        """Run a program to its end, or to the last instant not after `until_ps`.

        `progress` is told now and then which share of the firings has started.

        Raises
        ------
        ProgramError
            if the program breaks a rule of `hermes_sim.program.verify`
        EngineError
            if the run comes to a deadlock
        """
        ...
