"""Operator graph + mapping + chip -> dataflow program. Its size does not depend on the number of tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hermes_sim.chip import costs
from hermes_sim.chip.cost import FREE
from hermes_sim.chip.places import CONTROL, HOST_MEMORY, Resource, ResourcePart
from hermes_sim.errors import WorkloadError
from hermes_sim.mapping.memory import off_chip_bytes
from hermes_sim.mapping.traffic import values_made, values_needed
from hermes_sim.program.analog import lower_analog
from hermes_sim.program.build import Ends, Lowering, Packet, Terminal, Tree
from hermes_sim.program.dataflow import I64, DataflowProgram, Need
from hermes_sim.program.life_cycle import add_life_cycle, add_programming
from hermes_sim.program.lowered import ActorInfo, Firings, LoweredProgram
from hermes_sim.program.transfer import connect_each, connect_sequence, send
from hermes_sim.program.windows import connect_window
from hermes_sim.workload.graph import OpKind, Pattern
from hermes_sim.workload.schema import MOST_INFERENCES

if TYPE_CHECKING:
    from collections.abc import Mapping as MappingType

    from hermes_sim.chip.schema import Chip
    from hermes_sim.mapping.mapping import Mapping
    from hermes_sim.workload.graph import Edge, Operator, OpGraph

_HOST_VECTORS = 64  # input vectors that the host has at hand; no result depends on it
_FETCHED = 2  # one block of tokens uses what was fetched for it while that for the next is under way


def check_inferences(inferences: int) -> None:
    """Refuse a number of inferences that no run can have.

    Raises
    ------
    WorkloadError
        no whole number, less than one, or more than a workload file may say
    """
    is_count = isinstance(inferences, (int, np.integer)) and not isinstance(inferences, bool)
    if not is_count or not 1 <= inferences <= MOST_INFERENCES:
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
    build = Lowering(graph, mapping, chip, inferences)
    graph = build.graph
    ends = {op.name: lower_operator(build, op) for op in graph.operators}
    _connect(build, ends)
    if graph.life_cycle is not None:
        add_life_cycle(build, graph.life_cycle, [read for each in ends.values() for read in each.reads])
    done = _join_results(build, ends)
    sources = tuple(
        (ends[op.name].producers[0].actors[0], op.tokens) for op in graph.operators if op.kind is OpKind.INPUT
    )
    for actor, tokens in sources:
        if arrivals_ps is not None:
            build.program.release(actor, np.repeat(np.asarray(arrivals_ps, dtype=np.int64), tokens))
        if in_flight is not None:
            build.room(done, actor, Need.one_before(tokens).after(tokens * in_flight))
    return LoweredProgram(
        program=build.finish(),
        actors=tuple(build.infos),
        resources=tuple(build.resources),
        done=done,
        sources=sources,
        static_powers=tuple(costs.static_powers(chip)),
        ops=graph.ops,
        inferences=inferences,
        firings=tuple(build.firings),
    )


def lower_programming(graph: OpGraph, mapping: Mapping, chip: Chip) -> tuple[DataflowProgram, tuple[ActorInfo, ...]]:
    """Program that writes all weights of a mapping and does nothing else, with what its actors stand for."""
    build = Lowering(graph, mapping, chip, 1)
    add_programming(build, mapping.blocks)
    return build.program.build(), tuple(build.infos)


def lower_operator(build: Lowering, op: Operator) -> Ends:
    """Actors of one operator, on cores or on its digital unit."""
    return lower_analog(build, op) if op.on_crossbar else _lower_digital(build, op)


def _lower_digital(build: Lowering, op: Operator) -> Ends:
    """One actor on the operator's unit; inputs and outputs are actors of host memory that take no time."""
    place = build.mapping.units[op.name]
    is_memory = op.kind is OpKind.MEMORY
    if place == HOST_MEMORY:
        buffers, resource, cost, block = _HOST_VECTORS, CONTROL, FREE, 1
    else:
        levels, block = build.memories.levels(op), build.memories.token_block(op)
        buffers = build.memories.vectors(op)
        cost = costs.unit_cost(build.chip, place.kind, op, levels, block=block)
        resource = Resource(place, ResourcePart.MEMORY if is_memory else ResourcePart.WHOLE)
    firings = Firings(op.tokens // block)
    actor = build.actor(op.name, resource, cost, firings=firings, operator=op.name, stage="compute")
    taken = Terminal(
        actors=(actor,),
        place=place,
        values=values_needed(op, build.edges_to.get(op.name, ())),
        buffers=buffers,
        block=block,
    )
    if place != HOST_MEMORY:
        _move_off_chip(build, op, taken, off_chip_bytes(build.chip, op, levels, block))
    made = taken._replace(values=values_made(op))
    # readers of a memory may lag behind by a whole sequence
    return Ends((made._replace(buffers=op.tokens, memory=True) if is_memory else made,), (taken,))


def _move_off_chip(build: Lowering, op: Operator, unit: Terminal, n_bytes: tuple[float, float]) -> None:
    """What fits no level of the unit's memory: fetched for each block of tokens, a state written back after it."""
    host, firings = Terminal((), HOST_MEMORY, (0, 0), _HOST_VECTORS), Firings(op.tokens // unit.block)
    fetched, written = (
        send(build, Packet(f"{op.name}/{way}", op.name, size, firings), source, [target]) if size else Tree([], [])
        for way, size, source, target in (("fetch", n_bytes[0], host, unit), ("put back", n_bytes[1], unit, host))
    )
    for head, end in _ways(fetched):
        build.depend(end, unit.actors[0], Need.each())
        build.room(unit.actors[0], head, Need.space(_FETCHED))
    for head, end in _ways(written):
        build.buffer(unit.actors[0], head, _FETCHED)
        if op.state_values:
            for first in fetched.heads:
                build.depend(end, first, Need.previous())


def _ways(tree: Tree) -> list[tuple[int, int]]:
    """First and last actor on the way of each packet."""
    return [(head, end) for head, end in zip(tree.heads, tree.ends, strict=True) if end is not None]


def _connect(build: Lowering, ends: MappingType[str, Ends]) -> None:
    """All edges: token by token from one operator after the other, then those that are not."""
    by_token = {Pattern.EACH, Pattern.PREVIOUS}
    for op in build.graph.operators:
        each = [edge for edge in build.edges_from.get(op.name, ()) if edge.pattern in by_token]
        if each:
            connect_each(build, each, ends)
    others: dict[tuple[str, str, Pattern], list[Edge]] = {}
    for edge in build.graph.edges:
        if edge.pattern not in by_token:
            others.setdefault((edge.source, edge.target, edge.pattern), []).append(edge)
    for (*_, pattern), edges in others.items():
        if pattern is Pattern.SEQUENCE:
            connect_sequence(build, edges, ends)
        else:
            for edge in edges:
                connect_window(build, edge, ends)


def _join_results(build: Lowering, ends: MappingType[str, Ends]) -> int:
    """Actor that fires when all of an inference's results are there."""
    done = build.actor("inference done", CONTROL, FREE, firings=Firings(1), operator="", stage="control")
    for op in build.graph.operators:
        if op.name not in build.edges_from:
            for port in ends[op.name].consumers:
                for actor in port.actors:
                    build.depend(actor, done, port.firings_of(op.tokens))
    return done
