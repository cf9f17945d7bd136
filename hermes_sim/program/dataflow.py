"""The dataflow program: what the engines run. Two tables, actors and dependencies, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from hermes_sim.errors import ProgramError

I64 = npt.NDArray[np.int64]

NO_QUEUE: Final = -1


class Need(NamedTuple):
    """Affine need of a dependency: firing k of the target may start once the source has finished

    ``clip(floor((k * num + off) / den), 0, firings of the source)`` firings.
    """

    num: int = 1
    off: int = 1
    den: int = 1

    @classmethod
    def each(cls) -> Need:
        """Token by token."""
        return cls(1, 1, 1)

    @classmethod
    def once(cls) -> Need:
        """Every firing waits for the first of the source."""
        return cls(0, 1, 1)

    @classmethod
    def all_of(cls, n_tokens: int) -> Need:
        """Target fires once per sequence, after all its tokens (a barrier)."""
        return cls.all_of_turn(n_tokens)

    @classmethod
    def all_of_turn(cls, n_tokens: int, replica: int = 0, n_replicas: int = 1) -> Need:
        """Target fires once per `n_tokens` tokens, of which replica r of R makes r, r + R, ..., after all of those.

        Of 7 tokens, replica 1 of 3 makes 1 and 4: 2; of 14, also 7, 10 and 13: 5. That is (7 k + 8) // 3.
        """
        return cls(n_tokens, n_tokens - replica + n_replicas - 1, n_replicas)

    @classmethod
    def turn_before(cls, n_tokens: int, replica: int = 0, n_replicas: int = 1) -> Need:
        """Source fires once per `n_tokens` tokens, before every one of those that replica r of R takes."""
        return cls(n_replicas, replica + n_tokens, n_tokens)

    @classmethod
    def one_before(cls, n_tokens: int) -> Need:
        """Source fires once per sequence, before every one of its tokens."""
        return cls.turn_before(n_tokens)

    @classmethod
    def split(cls, replica: int, n_replicas: int) -> Need:
        """Replica r of R takes tokens r, r + R, ..."""
        return cls(n_replicas, replica + 1, 1)

    @classmethod
    def merge(cls, replica: int, n_replicas: int) -> Need:
        """Target merges back the tokens that replica r of R has made."""
        return cls(1, n_replicas - replica, n_replicas)

    @classmethod
    def space(cls, depth: int) -> Need:
        """Reverse dependency of a bounded buffer: at most `depth` tokens made and not yet taken."""
        return cls(1, 1 - depth, 1)

    @classmethod
    def previous(cls, depth: int = 1) -> Need:
        """Feedback with initial tokens: firing k needs firing k - depth."""
        return cls(1, 1 - depth, 1)

    def after(self, n_initial: int) -> Need:
        """The same need with so many initial tokens: places that are free, or results there, from the start."""
        return Need(self.num, self.off - n_initial, self.den)


@dataclass(frozen=True, eq=False)
class DataflowProgram:
    """Actors and dependencies as arrays; times are whole picoseconds.

    Parameters
    ----------
    actor_names : n_actors names, unique
    resource : (n_actors,) index of the resource an actor's firings occupy
    firings : (n_actors,) how often each actor fires, >= 0
    interval_ps : (n_actors,) how long a firing holds its resource, >= 0
    latency_ps : (n_actors,) how long until dependents see the result, >= 0
    resource_names : n_resources names, unique
    capacity : (n_resources,) firings a resource serves at a time, >= 1
    source, target, num, off, den : (n_deps,) dependencies, see `Need`; den >= 1, num >= 0
    is_space : (n_deps,) bool, True where the dependency stands for buffer space (explains waiting only)
    queue : (n_deps,) index of the queue that the packets of a dependency go through, `NO_QUEUE` for none
    queue_names : n_queues names, unique
    queue_capacity : (n_queues,) packets a queue holds, >= 1
    releases_ps : actor index -> (firings,) earliest start of each firing, not decreasing (open-loop arrivals)
    resource_groups : n_resources words, what each is drawn with in a timeline; none: every resource on its own
    """

    actor_names: tuple[str, ...]
    resource: I64
    firings: I64
    interval_ps: I64
    latency_ps: I64
    resource_names: tuple[str, ...]
    capacity: I64
    source: I64
    target: I64
    num: I64
    off: I64
    den: I64
    is_space: npt.NDArray[np.bool_]
    queue: I64
    queue_names: tuple[str, ...]
    queue_capacity: I64
    releases_ps: dict[int, I64] = field(default_factory=dict)
    resource_groups: tuple[str, ...] = ()

    @property
    def n_actors(self) -> int:
        """Number of actors."""
        return len(self.actor_names)

    @property
    def n_deps(self) -> int:
        """Number of dependencies."""
        return len(self.source)

    @property
    def total_firings(self) -> int:
        """Firings of all actors together."""
        return int(self.firings.sum())


class ProgramBuilder:
    """Collects resources, actors and dependencies and freezes them into a `DataflowProgram`."""

    def __init__(self) -> None:
        self._resources: dict[str, tuple[int, int, str]] = {}  # name -> (index, capacity, group)
        self._actors: dict[str, tuple[int, int, int, int]] = {}
        self._deps: list[tuple[int, int, int, int, int, bool, int]] = []
        self._queues: dict[str, tuple[int, int]] = {}  # name -> (index, capacity)
        self._releases_ps: dict[int, I64] = {}

    def resource(self, name: str, *, capacity: int = 1, group: str = "") -> int:
        """Index of the resource of that name, declared at first use.

        Parameters
        ----------
        group : what it is drawn with in a timeline, by default nothing else

        Raises
        ------
        ProgramError
            if it was declared with another capacity
        """
        declared = (len(self._resources), capacity, group or name)
        index, has, _ = self._resources.setdefault(name, declared)
        if capacity not in (has, 1):
            raise ProgramError(f"resource {name!r}: capacity", got=capacity, allowed=f"{has}, as declared before")
        return index

    def actor(self, name: str, resource: int, *, firings: int, interval_ps: int, latency_ps: int) -> int:
        """Add an actor and return its index.

        Raises
        ------
        ProgramError
            if an actor of that name exists
        """
        if name in self._actors:
            raise ProgramError(f"actor {name!r}", got="a second actor of that name", allowed="unique names")
        self._actors[name] = (resource, firings, interval_ps, latency_ps)
        return len(self._actors) - 1

    def queue(self, name: str, *, capacity: int) -> int:
        """Index of the first-in first-out queue of that name, declared at first use, for so many packets.

        Raises
        ------
        ProgramError
            if it was declared with another capacity
        """
        index, has = self._queues.setdefault(name, (len(self._queues), capacity))
        if capacity != has:
            raise ProgramError(f"queue {name!r}: capacity", got=capacity, allowed=f"{has}, as declared before")
        return index

    def depend(self, source: int, target: int, need: Need, *, is_space: bool = False, queue: int = NO_QUEUE) -> None:
        """Let firings of `target` wait for firings of `source`, whose packets may go through a queue."""
        self._deps.append((source, target, need.num, need.off, need.den, is_space, queue))

    def release(self, actor: int, times_ps: I64) -> None:
        """Earliest start of every firing of an actor."""
        self._releases_ps[actor] = np.ascontiguousarray(times_ps, dtype=np.int64)

    def build(self) -> DataflowProgram:
        """Freeze. `hermes_sim.program.verify.verify_program` checks the result before any engine runs it."""
        actors = np.array(list(self._actors.values()), dtype=np.int64).reshape(-1, 4)
        deps = np.array(self._deps, dtype=np.int64).reshape(-1, 7)
        columns = [np.ascontiguousarray(deps[:, i]) for i in range(7)]
        return DataflowProgram(
            actor_names=tuple(self._actors),
            resource=actors[:, 0].copy(),
            firings=actors[:, 1].copy(),
            interval_ps=actors[:, 2].copy(),
            latency_ps=actors[:, 3].copy(),
            resource_names=tuple(self._resources),
            capacity=np.array([capacity for _, capacity, _ in self._resources.values()], dtype=np.int64),
            source=columns[0],
            target=columns[1],
            num=columns[2],
            off=columns[3],
            den=columns[4],
            is_space=columns[5].astype(np.bool_),
            queue=columns[6],
            queue_names=tuple(self._queues),
            queue_capacity=np.array([capacity for _, capacity in self._queues.values()], dtype=np.int64),
            releases_ps=dict(self._releases_ps),
            resource_groups=tuple(group for _, _, group in self._resources.values()),
        )
