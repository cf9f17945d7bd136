"""The program under construction: its builder, and the records that the phases of lowering hand to each other."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, NamedTuple

from hermes_sim.chip import costs
from hermes_sim.chip.floorplan import ONE_PITCH
from hermes_sim.chip.network import Routes
from hermes_sim.chip.places import BUS, Link, Resource
from hermes_sim.chip.read_cost import read_cost
from hermes_sim.chip.schema import Buffering, Switching
from hermes_sim.mapping.memory import UnitMemories
from hermes_sim.mapping.shared import Member, ReadGroup, read_groups
from hermes_sim.program.dataflow import NO_QUEUE, DataflowProgram, Need, ProgramBuilder
from hermes_sim.program.lowered import ActorInfo, Firings

if TYPE_CHECKING:
    from hermes_sim.chip.cost import Cost
    from hermes_sim.chip.floorplan import Span
    from hermes_sim.chip.places import Place
    from hermes_sim.chip.schema import Chip
    from hermes_sim.mapping.mapping import Block, Mapping
    from hermes_sim.workload.graph import Edge, OpGraph


class Terminal(NamedTuple):
    """One end of a transfer.

    Parameters
    ----------
    actors : that make (one) or use (one or more) the values
    place : core, digital unit or host memory
    values : half-open range of the operator's values that it makes or needs
    replica, n_replicas : this is replica r of R and takes tokens r, r + R, ...
    buffers : vectors held here
    block : tokens that one firing makes or takes; more than one only without replicas
    memory : whether this is a sequence memory, whose readers may lag behind by all it holds
    """

    actors: tuple[int, ...]
    place: Place
    values: tuple[int, int]
    buffers: int
    replica: int = 0
    n_replicas: int = 1
    block: int = 1
    memory: bool = False

    @property
    def node(self) -> Place:
        """Where it sits on the network."""
        return self.place.node

    def firings_of(self, tokens: int) -> Need:
        """Need of what fires once per so many tokens, after all of those that this end makes or takes."""
        return Need.all_of_turn(tokens // self.block, self.replica, self.n_replicas)

    def firings_before(self, tokens: int) -> Need:
        """Need of this end's firings of something that fires once per so many tokens, before all of them."""
        return Need.turn_before(tokens // self.block, self.replica, self.n_replicas)

    def part(self, start: int, stop: int) -> tuple[float, float]:
        """Which part of its values a range of them is."""
        low, high = self.values
        return (start - low) / (high - low), (stop - low) / (high - low)


class ReadActor(NamedTuple):
    """A read actor: which block it reads, for which operator, and whose turn of how many replicas it takes."""

    actor: int
    block: Block
    operator: str
    replica: int
    n_replicas: int


class Ends(NamedTuple):
    """What an operator became: ports that make its result, ports that use its inputs, reads of its blocks."""

    producers: tuple[Terminal, ...]
    consumers: tuple[Terminal, ...]
    reads: tuple[ReadActor, ...] = ()


@dataclass(frozen=True)
class Packet:
    """What travels: a label, the operator whose result it is, bytes per firing, firings, which part of a result."""

    label: str
    operator: str
    n_bytes: float
    firings: Firings
    part: tuple[float, float] = (0.0, 1.0)


@dataclass
class Tree:
    """Actors that carry a packet: the first ones, and the last one for each target (None: nothing moves)."""

    heads: list[int]
    ends: list[int | None]


class Lowering:
    """The builder that all phases share: it adds actors, and works out once what many of them cost."""

    def __init__(self, graph: OpGraph, mapping: Mapping, chip: Chip, inferences: int) -> None:
        self.graph, self.mapping, self.chip, self.inferences = mapping.mapped(graph), mapping, chip, inferences
        self.program = ProgramBuilder()
        self.infos: list[ActorInfo] = []
        self.firings: list[Firings] = []
        self.resources: dict[Resource, int] = {}
        self.hop_cost = cache(partial(costs.hop_cost, chip))
        self.off_chip_cost = cache(partial(costs.off_chip_cost, chip))
        self.input_cost = cache(partial(costs.port_cost, chip, chip.core.input_port, "input port"))
        self.output_cost = cache(partial(costs.port_cost, chip, chip.core.output_port, "output port"))
        self.read_cost = cache(partial(read_cost, chip))
        self.ldpu_cost = cache(partial(costs.ldpu_cost, chip))
        self.links = cache(self._links)
        self.memories = UnitMemories(self.graph, chip, mapping.units)
        self.read_actors: dict[Member, int] = {}  # of the first member of each group
        self.edges_from: defaultdict[str, list[Edge]] = defaultdict(list)
        self.edges_to: defaultdict[str, list[Edge]] = defaultdict(list)
        for edge in self.graph.edges:
            self.edges_from[edge.source].append(edge)
            self.edges_to[edge.target].append(edge)
        self._cuts_through = chip.network.switching is Switching.CUT_THROUGH
        self._routes = Routes(chip)
        self._operator_number = {operator.name: i for i, operator in enumerate(self.graph.operators)}
        # of actors with dependents: cost until the last of these may begin, for its results and for its places
        self._results: dict[int, Cost] = {}
        self._places: dict[int, Cost] = {}
        self._pairs: dict[tuple[int, int, tuple[float, float] | None], Cost] = {}  # by identity: hashing costs is slow

    @cached_property
    def read_groups(self) -> dict[Member, ReadGroup]:
        """Which read each block of every operator belongs to."""
        groups = read_groups(self.graph, self.mapping, self.chip)
        return {member: group for group in groups for member in group.members}

    def _links(self, source: Place, target: Place) -> tuple[tuple[Resource, Span], ...]:
        """Resource and length of every link from one node to another."""
        links = self._routes.route(source, target)
        if self.chip.network.wire is None:  # the same at any length
            return tuple((Resource(link), ONE_PITCH) for link in links)
        return tuple((Resource(link), self._routes.floorplan.span(link)) for link in links)

    def actor(self, name: str, resource: Resource, cost: Cost, *, firings: Firings, operator: str, stage: str) -> int:
        """Add an actor with its cost."""
        held = self.resources.get(resource)
        if held is None:
            held = self.resources[resource] = self.program.resource(str(resource), group=resource.group)
        index = self.program.actor(
            name,
            held,
            firings=firings.in_all(self.inferences),
            interval_ps=cost.interval_ps,
            latency_ps=cost.latency_ps,
        )
        self.infos.append(ActorInfo(operator, stage, cost))
        self.firings.append(firings)
        return index

    def depend(self, source: int, target: int, need: Need) -> None:
        """Let the target wait for whole results of the source."""
        _keep_longest(self._results, source, self.infos[source].cost)
        self.program.depend(source, target, need)

    def stream(
        self,
        source: int,
        target: int,
        need: Need,
        part: tuple[float, float] = (0.0, 1.0),
        *,
        queue: int = NO_QUEUE,
    ) -> None:
        """Let the target take results of the source, or this part of each, as they come, if the chip does so."""
        cost = self.until(self.infos[source].cost, self.infos[target].cost, part)
        _keep_longest(self._results, source, cost)
        self.program.depend(source, target, need, queue=queue)

    def until(self, cost: Cost, next_stage: Cost, part: tuple[float, float] = (0.0, 1.0)) -> Cost:
        """Cost of a stage until the next one may begin."""
        key = (id(cost), id(next_stage), part)
        if key not in self._pairs:
            streams = self._cuts_through or cost.passes_on_to(next_stage)
            self._pairs[key] = cost.until(next_stage, part) if streams else cost
        return self._pairs[key]

    def room(self, source: int, target: int, need: Need) -> None:
        """Let the target wait until the source has made room for its results.

        Links free the place of a packet flit by flit, from its head on.
        """
        self._free(source, target)
        self.program.depend(source, target, need, is_space=True)

    def _free(self, source: int, target: int) -> None:
        """Note how long the source keeps the place of what the target writes."""
        cost = self.infos[source].cost
        if cost.stream is not None and not cost.stream.passes_on:
            writer = self.infos[target].cost
            key = (id(cost), id(writer), None)
            if key not in self._pairs:
                self._pairs[key] = cost.until_free_for(writer)
            _keep_longest(self._places, source, self._pairs[key])

    def queue_behind(self, resource: Resource, end: Place, operator: str) -> int:
        """Queue of the packets that come over a link, on the bus of those for one of its ends; `NO_QUEUE` elsewhere.

        Operators take the virtual channels in turn, each of which has a queue.
        """
        network = self.chip.network
        if network.buffering is Buffering.STREAM or not isinstance(resource.at, Link):
            return NO_QUEUE
        name = f"{resource} to {end}" if resource.at == BUS else str(resource)
        if network.virtual_channels is not None:
            name += f" channel {self._operator_number[operator] % network.virtual_channels.n}"
        return self.program.queue(name, capacity=network.buffers.n)

    def buffer(self, source: int, target: int, depth: int) -> None:
        """Token by token through a buffer of that depth, freed when the target has finished."""
        self.depend(source, target, Need.each())
        self.room(target, source, Need.space(depth))

    def hand_on(
        self,
        source: int,
        target: int,
        depth: int,
        part: tuple[float, float] = (0.0, 1.0),
        *,
        queue: int = NO_QUEUE,
    ) -> None:
        """As `buffer`, but the target begins with what has come, if the chip does so.

        Through a queue that others share there is no depth of its own.
        """
        self.stream(source, target, Need.each(), part, queue=queue)
        if queue == NO_QUEUE:
            self.room(target, source, Need.space(depth))
        else:
            self._free(target, source)

    def finish(self) -> DataflowProgram:
        """Freeze the program, each actor with the time until the last of its dependents may begin.

        A stage that streams is done for all of them at once, so one that needs the whole result lets the others wait.
        """
        program = self.program.build()
        latency_ps = program.latency_ps.copy()
        for actor, result in self._results.items():
            if result.latency_ps < latency_ps[actor]:
                place, info = self._places.get(actor, result), self.infos[actor]
                cost = place if place.latency_ps > result.latency_ps else result
                latency_ps[actor] = cost.latency_ps
                self.infos[actor] = ActorInfo(info.operator, info.stage, cost)
        return replace(program, latency_ps=latency_ps)


def _keep_longest(costs_of: dict[int, Cost], actor: int, cost: Cost) -> None:
    held = costs_of.get(actor)
    if held is None or held.latency_ps < cost.latency_ps:
        costs_of[actor] = cost
