"""The program under construction: its builder, and the records that the phases of lowering hand to each other."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, NamedTuple

from hermes_sim.chip import costs
from hermes_sim.chip.network import Routes
from hermes_sim.chip.places import BUS, Link, Resource
from hermes_sim.chip.schema import Buffering
from hermes_sim.program.dataflow import NO_QUEUE, Need, ProgramBuilder
from hermes_sim.program.lowered import ActorInfo, Firings

if TYPE_CHECKING:
    from hermes_sim.chip.costs import Cost
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
    memory : whether this is a sequence memory, whose readers may lag behind by all it holds
    """

    actors: tuple[int, ...]
    place: Place
    values: tuple[int, int]
    buffers: int
    replica: int = 0
    n_replicas: int = 1
    memory: bool = False

    @property
    def node(self) -> Place:
        """Where it sits on the network."""
        return self.place.node


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
    """What travels: a label, the operator whose result it is, bytes per firing, firings."""

    label: str
    operator: str
    n_bytes: float
    firings: Firings


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
        self.read_cost = cache(partial(costs.read_cost, chip))
        self.ldpu_cost = cache(partial(costs.ldpu_cost, chip))
        self.links = cache(self._links)
        self.edges_from: defaultdict[str, list[Edge]] = defaultdict(list)
        self.edges_to: defaultdict[str, list[Edge]] = defaultdict(list)
        for edge in self.graph.edges:
            self.edges_from[edge.source].append(edge)
            self.edges_to[edge.target].append(edge)
        self._routes = Routes(chip)
        self._operator_number = {operator.name: i for i, operator in enumerate(self.graph.operators)}

    def _links(self, source: Place, target: Place) -> tuple[tuple[Resource, Span], ...]:
        """Resource and length of every link from one node to another."""
        span = self._routes.floorplan.span
        return tuple((Resource(link), span(link)) for link in self._routes.route(source, target))

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
        """Let the target wait for results of the source."""
        self.program.depend(source, target, need)

    def room(self, source: int, target: int, need: Need) -> None:
        """Let the target wait until the source has made room for its results."""
        self.program.depend(source, target, need, is_space=True)

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

    def hand_on(self, source: int, target: int, *, depth: int, queue: int) -> None:
        """Token by token through a queue that others share, or without one through a buffer of that depth."""
        if queue == NO_QUEUE:
            self.buffer(source, target, depth)
        else:
            self.program.depend(source, target, Need.each(), queue=queue)

    def buffer(self, source: int, target: int, depth: int) -> None:
        """Token by token through a buffer of that depth, freed when the target has finished."""
        self.depend(source, target, Need.each())
        self.room(target, source, Need.space(depth))
