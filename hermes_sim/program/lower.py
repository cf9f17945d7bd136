"""Operator graph + mapping + chip -> dataflow program. Its size does not depend on the number of tokens."""

from __future__ import annotations

from collections import defaultdict
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np

from hermes_sim.chip import costs
from hermes_sim.chip.costs import FREE, Cost
from hermes_sim.chip.network import IO, Network
from hermes_sim.errors import WorkloadError
from hermes_sim.mapping.mapping import HOST_MEMORY
from hermes_sim.program.analog import Read, lower_analog
from hermes_sim.program.dataflow import I64, DataflowProgram, Need, ProgramBuilder
from hermes_sim.program.life_cycle import add_life_cycle, add_programming
from hermes_sim.program.lowered import ActorInfo, Firings, LoweredProgram
from hermes_sim.program.transfer import CONTROL, Port, connect_each, connect_sequence
from hermes_sim.program.windows import connect_window
from hermes_sim.workload.graph import OpKind, Pattern
from hermes_sim.workload.schema import MOST_INFERENCES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hermes_sim.chip.floorplan import Span
    from hermes_sim.chip.schema import Chip, DigitalUnit
    from hermes_sim.mapping.mapping import Mapping
    from hermes_sim.workload.graph import Edge, Operator, OpGraph

_HOST_VECTORS = 64  # input vectors that the host has at hand; no result depends on it
_ALL_VALUES = 2**62


class Lowering:
    """The program under construction. `lower` drives it; the modules beside this one add to it.

    Costs and ways that many actors share are worked out once.
    """

    def __init__(self, graph: OpGraph, mapping: Mapping, chip: Chip, inferences: int) -> None:
        self.graph, self.mapping, self.chip, self.inferences = mapping.mapped(graph), mapping, chip, inferences
        self.network = Network(chip)
        self.builder = ProgramBuilder()
        self.infos: list[ActorInfo] = []
        self.firings: list[Firings] = []
        self.producers: dict[str, list[Port]] = {}
        self.consumers: dict[str, list[Port]] = {}
        self.reads: list[Read] = []
        self.hop_cost = cache(partial(costs.hop_cost, chip))
        self.off_chip_cost = cache(partial(costs.off_chip_cost, chip))
        self.input_cost = cache(partial(costs.port_cost, chip, chip.core.input_port, "input port"))
        self.output_cost = cache(partial(costs.port_cost, chip, chip.core.output_port, "output port"))
        self.read_cost = cache(partial(costs.read_cost, chip))
        self.ldpu_cost = cache(partial(costs.ldpu_cost, chip))
        self.links = cache(self._links)
        self.edges_from: defaultdict[str, list[Edge]] = defaultdict(list)
        for edge in self.graph.edges:
            self.edges_from[edge.source].append(edge)

    def _links(self, source: str, target: str) -> tuple[tuple[str, Span], ...]:
        """Resource and length of every link from one node to another."""
        span = self.network.floorplan.span
        return tuple((f"link {link}", span(link)) for link in self.network.route(source, target))

    def actor(self, name: str, resource: str, cost: Cost, *, firings: Firings, operator: str, stage: str) -> int:
        """Add an actor with its cost."""
        index = self.builder.actor(
            name,
            self.builder.resource(resource),
            firings=firings.in_all(self.inferences),
            interval_ps=cost.interval_ps,
            latency_ps=cost.latency_ps,
        )
        self.infos.append(ActorInfo(operator, stage, cost))
        self.firings.append(firings)
        return index

    def buffer(self, source: int, target: int, depth: int) -> None:
        """Token by token through a buffer of that depth, freed when the target has finished."""
        self.builder.depend(source, target, Need.each())
        self.builder.depend(target, source, Need.space(depth), is_space=True)

    def unit(self, instance: str) -> tuple[str, DigitalUnit]:
        """Kind and description of an instance such as ``dpu3``."""
        kind = instance.rstrip("0123456789")
        return kind, self.chip.digital_units[kind]


def check_inferences(inferences: int) -> None:
    """Refuse a number of inferences that no run can have.

    Raises
    ------
    WorkloadError
        less than one, or more than a workload file may say
    """
    if not 1 <= inferences <= MOST_INFERENCES:
        raise WorkloadError("inferences", got=inferences, allowed="a whole number from 1 to 2^40")


def lower(
    graph: OpGraph,
    mapping: Mapping,
    chip: Chip,
    *,
    inferences: int = 1,
    arrivals_ps: I64 | None = None,
    in_flight: int | None = None,
) -> LoweredProgram:
    """Program that runs `inferences` inferences, one after the other through the same pipeline.

    Parameters
    ----------
    arrivals_ps : (inferences,) when each inference's inputs arrive, default all at once
    in_flight : inferences started and not yet done, at most; default as many as the buffers hold
    """
    check_inferences(inferences)
    low = Lowering(graph, mapping, chip, inferences)
    graph = low.graph
    for op in graph.operators:
        (lower_analog if op.on_crossbar else _lower_digital)(low, op)
    for op in graph.operators:
        connect_each(low, op.name)
    for same_ends in _edges_by_ends(graph):
        if same_ends[0].pattern is Pattern.SEQUENCE:
            connect_sequence(low, same_ends)
        else:
            for edge in same_ends:
                connect_window(low, edge)
    if graph.life_cycle is not None:
        add_life_cycle(low, graph.life_cycle)
    done = _join_results(low)
    sources = _release_inputs(low, arrivals_ps)
    if in_flight is not None:
        for actor, tokens in sources:
            low.builder.depend(done, actor, Need(1, tokens * (1 - in_flight), tokens), is_space=True)
    statics = tuple(costs.static_powers(chip))
    return LoweredProgram(
        low.builder.build(), tuple(low.infos), done, sources, statics, graph.ops, inferences, tuple(low.firings)
    )


def _edges_by_ends(graph: OpGraph) -> Iterable[list[Edge]]:
    """Edges that are not token by token, those with the same pattern and ends together."""
    groups: dict[tuple[str, str, Pattern], list[Edge]] = {}
    for edge in graph.edges:
        if edge.pattern in {Pattern.SEQUENCE, Pattern.WINDOW}:
            groups.setdefault((edge.source, edge.target, edge.pattern), []).append(edge)
    return groups.values()


def lower_programming(graph: OpGraph, mapping: Mapping, chip: Chip) -> tuple[DataflowProgram, tuple[ActorInfo, ...]]:
    """Program that writes all weights of a mapping and does nothing else, with what its actors stand for."""
    low = Lowering(graph, mapping, chip, 1)
    add_programming(low, list(mapping.blocks))
    return low.builder.build(), tuple(low.infos)


def _lower_digital(low: Lowering, op: Operator) -> None:
    """One actor on the operator's unit; inputs and outputs are actors of host memory that take no time."""
    instance = low.mapping.units[op.name]
    is_memory = op.kind is OpKind.MEMORY
    if instance == HOST_MEMORY:
        node, buffers, resource, cost = IO, _HOST_VECTORS, CONTROL, FREE
    else:
        kind, unit = low.unit(instance)
        node, buffers = (instance if unit.place == "on_chip" else IO), unit.buffers.n
        resource, cost = instance, costs.unit_cost(low.chip, unit, kind, op)
        if is_memory:
            assert unit.sequence_memory is not None  # checked by the mapping
            resource = f"{instance}.memory"
            cost = costs.memory_cost(low.chip, unit, unit.sequence_memory, kind, op)
    actor = low.actor(op.name, resource, cost, firings=Firings(op.tokens), operator=op.name, stage="compute")
    port = Port((actor,), instance, node, (0, _ALL_VALUES), 0, 1, buffers)
    low.consumers[op.name] = [port]
    # readers of a memory may lag behind by a whole sequence
    low.producers[op.name] = [port._replace(buffers=op.tokens, memory=True) if is_memory else port]


def _join_results(low: Lowering) -> int:
    """Actor that fires when all of an inference's results are there."""
    done = low.actor("inference done", CONTROL, FREE, firings=Firings(1), operator="", stage="control")
    for op in low.graph.operators:
        if op.name not in low.edges_from:
            for port in low.consumers[op.name]:
                need = Need.all_of_turn(op.tokens, port.replica, port.n_replicas)
                for actor in port.actors:
                    low.builder.depend(actor, done, need)
    return done


def _release_inputs(low: Lowering, arrivals_ps: I64 | None) -> tuple[tuple[int, int], ...]:
    """Let every token of an input wait for its inference's arrival."""
    sources = tuple(
        (low.producers[op.name][0].actors[0], op.tokens) for op in low.graph.operators if op.kind is OpKind.INPUT
    )
    if arrivals_ps is not None:
        for actor, tokens in sources:
            low.builder.release(actor, np.repeat(np.asarray(arrivals_ps, dtype=np.int64), tokens))
    return sources
