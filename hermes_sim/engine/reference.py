"""The reference engine: one SimPy process per actor, slow, readable, open to a user's own processes."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import simpy

from hermes_sim.engine._packets import PacketQueue
from hermes_sim.engine.base import RunRecord, RunStatistics, check_options
from hermes_sim.engine.deadlock import explain_deadlock
from hermes_sim.errors import EngineError, nearest
from hermes_sim.program.dataflow import NO_QUEUE
from hermes_sim.program.verify import verify_program
from hermes_sim.trace.schema import plain_trace

if TYPE_CHECKING:
    from hermes_sim.program.dataflow import DataflowProgram

_STEPS_PER_REPORT = 20_000
_GRANT_PRIORITY = 10  # phase 2: after all ordinary SimPy events (priority 0 and 1) of the same instant

Process = Generator[simpy.Event, Any, Any]
UserProcess = Callable[["Simulation"], Process]


@dataclass
class _Request:
    """A ready firing, or a user's hold, that waits for a server."""

    ready_ps: int
    index: int  # actor index; holds come after all actors
    granted: simpy.Event  # with the instant from which on all queues to enter had room

    @property
    def order(self) -> tuple[int, int]:
        return (self.ready_ps, self.index)


class _Need(NamedTuple):
    """A dependency as the target sees it."""

    source: int
    num: int
    off: int
    den: int
    n_source: int

    def count(self, k: int) -> int:
        """Finished firings of the source that firing k needs."""
        return min((k * self.num + self.off) // self.den, self.n_source)


class Simulation:
    """State of one run. A user's process gets it as its only argument.

    Attributes
    ----------
    env : the SimPy environment; `env.now` is the time in ps
    program : the program that runs
    started, finished : firings of each actor so far
    """

    def __init__(self, program: DataflowProgram) -> None:
        self.env = simpy.Environment()
        self.program = program
        n = program.n_actors
        self.started = [0] * n
        self.finished = [0] * n
        self.n_finished = 0
        self.starts_ps: list[list[int]] = [[] for _ in range(n)]
        self.readies_ps: list[list[int]] = [[] for _ in range(n)]
        self.wait_data_ps = [0] * n
        self.wait_space_ps = [0] * n
        self.wait_resource_ps = [0] * n
        self.max_queue = [0] * len(program.resource_names)
        self._free = [int(x) for x in program.capacity]
        self._waiting: list[list[_Request]] = [[] for _ in program.resource_names]
        self._touched: set[int] = set()  # resources to look at in the next phase 2
        self._n_holds = 0
        self._data_needs: list[list[_Need]] = [[] for _ in range(n)]
        self._space_needs: list[list[_Need]] = [[] for _ in range(n)]
        columns = (program.source, program.target, program.num, program.off, program.den, program.is_space)
        for source, target, num, off, den, is_space in zip(*(x.tolist() for x in columns), strict=True):
            needs = self._space_needs if is_space else self._data_needs
            needs[target].append(_Need(source, num, off, den, int(program.firings[source])))
        self._queues = [PacketQueue(int(places)) for places in program.queue_capacity]
        self._entered: list[list[int]] = [[] for _ in range(n)]  # queues that a firing of an actor enters
        self._taken: list[list[tuple[int, int]]] = [[] for _ in range(n)]  # packets it takes out: queue, whose
        for d in np.flatnonzero(program.queue != NO_QUEUE):
            q, source, target = int(program.queue[d]), int(program.source[d]), int(program.target[d])
            self._taken[target].append((q, source))
            self._queues[q].takers[source] += 1
            if q not in self._entered[source]:
                self._entered[source].append(q)
        self._count_events: dict[int, list[tuple[int, simpy.Event]]] = defaultdict(list)
        self._admitted: dict[int, int] = {}
        self._admission: dict[int, simpy.Event] = {}

    @property
    def now_ps(self) -> int:
        """Time of the simulation, ps."""
        return int(self.env.now)

    @property
    def packets(self) -> list[list[int]]:
        """Per queue, the actors whose packets it holds, from its head on."""
        return [[actor for actor, _ in queue.packets] for queue in self._queues]

    # what users call

    def take(self, resource: str) -> simpy.Event:
        """Ask for one server of a resource; the event comes when it is granted: ``yield sim.take("core 3")``.

        Waits its turn like a firing, after firings ready at the same instant: nothing is interrupted.
        """
        self._n_holds += 1
        return self._request(self._resource(resource), self.program.n_actors + self._n_holds)

    def give_back(self, resource: str) -> None:
        """Return a server that was taken."""
        r = self._resource(resource)
        if self._free[r] >= self.program.capacity[r]:
            raise EngineError(f"simulation: resource {resource!r}", got="a server given back that nobody holds")
        self._release_server(r)

    def hold(self, resource: str, duration_ps: int) -> Process:
        """Take one server of a resource away for a while: ``yield from sim.hold("core 3", 1_000_000)``."""
        yield self.take(resource)
        yield self.env.timeout(duration_ps)
        self.give_back(resource)

    def gate(self, actor: str) -> None:
        """Let an actor fire only as often as it is admitted; call before the first yield."""
        self._admitted[self._actor(actor)] = 0

    def admit(self, actor: str, firings: int = 1) -> None:
        """Allow a gated actor further firings, as if released now."""
        a = self._actor(actor)
        if a not in self._admitted:
            raise EngineError(f"simulation: actor {actor!r}", got="admitted without a gate", hint="call gate() first")
        self._admitted[a] += firings
        if a in self._admission:
            self._admission.pop(a).succeed()

    def _actor(self, name: str) -> int:
        return _index_of(name, self.program.actor_names, "actor")

    def _resource(self, name: str) -> int:
        return _index_of(name, self.program.resource_names, "resource")

    # the contract

    def run_actor(self, a: int) -> Process:
        """Life of an actor: per firing wait for release, data, space and a server, then start."""
        program = self.program
        latency_ps, interval_ps = int(program.latency_ps[a]), int(program.interval_ps[a])
        resource = int(program.resource[a])
        releases_ps = program.releases_ps.get(a)
        for k in range(int(program.firings[a])):
            if releases_ps is not None and releases_ps[k] > self.now_ps:
                yield self.env.timeout(int(releases_ps[k]) - self.now_ps)
            while a in self._admitted and self._admitted[a] <= k:
                self._admission[a] = self.env.event()
                yield self._admission[a]
            base_ps = self.now_ps
            for need in self._data_needs[a]:
                if self.finished[need.source] < need.count(k):
                    yield self._reached(need.source, need.count(k))
            data_ps = self.now_ps
            for need in self._space_needs[a]:
                if self.finished[need.source] < need.count(k):
                    yield self._reached(need.source, need.count(k))
            for q, source in self._taken[a]:
                while self._queues[q].head != (source, k):
                    yield self._queues[q].next_head(self.env)
            ready_ps = yield self._request(resource, a)
            self._note_start(a, base_ps, data_ps, ready_ps)
            self._after(latency_ps, lambda: self._finish(a))
            self._after(interval_ps, lambda: self._leave(resource, a))

    def _reached(self, source: int, count: int) -> simpy.Event:
        """Event that comes when an actor has finished that many firings."""
        reached = self.env.event()
        self._count_events[source].append((count, reached))
        return reached

    def _note_start(self, a: int, base_ps: int, data_ps: int, ready_ps: int) -> None:
        now = self.now_ps
        self.started[a] += 1
        self.starts_ps[a].append(now)
        self.readies_ps[a].append(ready_ps)
        self.wait_data_ps[a] += data_ps - base_ps
        self.wait_space_ps[a] += ready_ps - data_ps
        self.wait_resource_ps[a] += now - ready_ps

    def _after(self, delay_ps: int, action: Callable[[], None]) -> None:
        self.env.timeout(delay_ps).callbacks.append(lambda _: action())

    def _finish(self, a: int) -> None:
        self.finished[a] += 1
        self.n_finished += 1
        waiting = self._count_events[a]
        for count, reached in waiting:
            if count == self.finished[a]:
                reached.succeed()
        self._count_events[a] = [(count, reached) for count, reached in waiting if count > self.finished[a]]

    def _request(self, r: int, index: int) -> simpy.Event:
        request = _Request(self.now_ps, index, self.env.event())
        self._waiting[r].append(request)
        self._plan_grants(r)
        return request.granted

    def _leave(self, r: int, a: int) -> None:
        """A firing lets go of its server, and of the packets that it has taken out of queues."""
        self._release_server(r)
        if not self._queues:
            return
        for q, _ in self._taken[a]:
            if self._queues[q].take(self.now_ps):
                for source in self._queues[q].takers:
                    self._plan_grants(int(self.program.resource[source]))

    def _release_server(self, r: int) -> None:
        self._free[r] += 1
        self._plan_grants(r)

    def _plan_grants(self, r: int) -> None:
        """Have phase 2 take place once all other events of this instant are through."""
        if not self._touched:
            phase = self.env.event()
            phase._ok, phase._value = True, None  # noqa: SLF001 - an event with a priority of our own
            phase.callbacks.append(lambda _: self._grant_all())
            self.env.schedule(phase, priority=_GRANT_PRIORITY)  # type: ignore[arg-type]  # any number will do
        self._touched.add(r)

    def _grant_all(self) -> None:
        """Phase 2: all resources at once, so that no grant can influence another in this round."""
        touched = sorted(self._touched)
        self._touched.clear()
        for r in touched:
            waiting = self._waiting[r]
            waiting.sort(key=lambda request: request.order)
            i = 0
            while i < len(waiting) and self._free[r] > 0:
                queues = self._queues_entered(waiting[i].index) if self._queues else ()
                if queues and any(queue.is_full for queue in queues):
                    i += 1  # passed over
                    continue
                self._free[r] -= 1
                request, full_until_ps = waiting.pop(i), 0
                for queue in queues:
                    queue.put(request.index, self.started[request.index])
                    full_until_ps = max(full_until_ps, queue.full_until_ps)
                request.granted.succeed(max(request.ready_ps, full_until_ps))
            n_actors_waiting = sum(request.index < self.program.n_actors for request in waiting)
            self.max_queue[r] = max(self.max_queue[r], n_actors_waiting)

    def _queues_entered(self, index: int) -> list[PacketQueue]:
        """Queues that a firing enters; a user's hold enters none."""
        return [self._queues[q] for q in self._entered[index]] if index < self.program.n_actors else []


def _index_of(name: str, names: tuple[str, ...], what: str) -> int:
    if name not in names:
        shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
        raise EngineError(f"simulation: {what}", got=repr(name), allowed=shown, hint=nearest(name, names))
    return names.index(name)


@dataclass(frozen=True)
class ReferenceEngine:
    """The contract in SimPy.

    Parameters
    ----------
    processes : the user's own processes, generator functions of a `Simulation`
    """

    processes: tuple[UserProcess, ...] = ()
    name: str = field(default="simpy", init=False)

    def run(
        self,
        program: DataflowProgram,
        *,
        trace: bool = False,
        watch: Collection[int] = (),
        until_ps: int | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> RunRecord:
        """Run a program to its end, or to the last instant not after `until_ps`; see `Engine.run`."""
        verify_program(program)
        check_options(program, watch=watch, until_ps=until_ps)
        began_s = time.perf_counter()
        simulation = Simulation(program)
        for process in self.processes:
            simulation.env.process(process(simulation))
        for a in range(program.n_actors):
            simulation.env.process(simulation.run_actor(a))
        limit_ps = float("inf") if until_ps is None else until_ps
        env = simulation.env
        n_firings, n_steps = program.total_firings, 0
        while env.peek() <= limit_ps and env.peek() < float("inf"):
            env.step()
            n_steps += 1
            if progress and n_steps % _STEPS_PER_REPORT == 0:
                progress(simulation.n_finished / max(n_firings, 1))
            if self.processes and simulation.n_finished == n_firings:
                break  # what is left is the users' own
        if env.peek() == float("inf") and sum(simulation.started) < n_firings:
            raise explain_deadlock(
                program,
                started=np.array(simulation.started),
                finished=np.array(simulation.finished),
                now_ps=simulation.now_ps,
                packets=simulation.packets,
            )
        statistics = RunStatistics(
            engine=self.name,
            wall_time_s=time.perf_counter() - began_s,
            executed_firings=sum(simulation.started),
        )
        return _record(simulation, trace=trace, watch=watch, statistics=statistics)


def _record(simulation: Simulation, *, trace: bool, watch: Collection[int], statistics: RunStatistics) -> RunRecord:
    program = simulation.program
    started = np.array(simulation.started, dtype=np.int64)
    firsts = [starts[0] if starts else -1 for starts in simulation.starts_ps]
    lasts = [
        starts[-1] + int(latency_ps) if starts else -1
        for starts, latency_ps in zip(simulation.starts_ps, program.latency_ps, strict=True)
    ]
    flat = {
        name: np.array([t for times_ps in columns for t in times_ps], dtype=np.int64)
        for name, columns in (("ready_ps", simulation.readies_ps), ("start_ps", simulation.starts_ps))
    }
    return RunRecord(
        program=program,
        makespan_ps=max([0, *lasts]),
        started=started,
        first_start_ps=np.array(firsts, dtype=np.int64),
        last_finish_ps=np.array(lasts, dtype=np.int64),
        wait_data_ps=np.array(simulation.wait_data_ps, dtype=np.int64),
        wait_space_ps=np.array(simulation.wait_space_ps, dtype=np.int64),
        wait_resource_ps=np.array(simulation.wait_resource_ps, dtype=np.int64),
        max_queue=np.array(simulation.max_queue, dtype=np.int64),
        finish_ps={int(a): np.array(simulation.starts_ps[a], dtype=np.int64) + program.latency_ps[a] for a in watch},
        trace=plain_trace(program, firings=started, **flat) if trace else None,
        statistics=statistics,
    )
