"""Operator graph + mapping + chip -> dataflow program. Its size does not depend on the number of tokens."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from hermes_sim.mapping.placement import HOST_MEMORY
from hermes_sim.program import costs
from hermes_sim.program.costs import FREE, Cost
from hermes_sim.program.dataflow import I64, Need, ProgramBuilder
from hermes_sim.program.lowered import ActorInfo, LoweredProgram
from hermes_sim.program.network import IO, Network
from hermes_sim.program.transfer import CONTROL, Packet, Port, connect_each, connect_sequence, send
from hermes_sim.workload.graph import OpKind, Pattern

if TYPE_CHECKING:
    from hermes_sim.arch.schema import Chip, DigitalUnit
    from hermes_sim.mapping.blocks import Block
    from hermes_sim.mapping.placement import Mapping
    from hermes_sim.workload.graph import Operator, OpGraph

_HOST_VECTORS = 64  # input vectors that the host has at hand; no result depends on it
_ALL_VALUES = 2**62


class Lowering:
    """The program under construction. `lower` drives it; transfers are added by `hermes_sim.program.transfer`."""

    def __init__(self, graph: OpGraph, mapping: Mapping, chip: Chip, inferences: int) -> None:
        self.graph, self.mapping, self.chip, self.inferences = graph, mapping, chip, inferences
        self.network = Network(chip)
        self.builder = ProgramBuilder()
        self.infos: list[ActorInfo] = []
        self.producers: dict[str, list[Port]] = {}
        self.consumers: dict[str, list[Port]] = {}

    def actor(self, name: str, resource: str, cost: Cost, *, firings: int, operator: str, stage: str) -> int:
        """Add an actor with its cost."""
        index = self.builder.actor(
            name,
            self.builder.resource(resource),
            firings=firings,
            interval_ps=cost.interval_ps,
            latency_ps=cost.latency_ps,
        )
        self.infos.append(ActorInfo(operator, stage, cost))
        return index

    def buffer(self, source: int, target: int, depth: int) -> None:
        """Token by token through a buffer of that depth, freed when the target has finished."""
        self.builder.depend(source, target, Need.each())
        self.builder.depend(target, source, Need.space(depth), is_space=True)

    def unit(self, instance: str) -> tuple[str, DigitalUnit]:
        """Kind and description of an instance such as ``dpu3``."""
        kind = instance.rstrip("0123456789")
        return kind, self.chip.digital_units[kind]

    def n_firings(self, tokens: int, replica: int = 0, n_replicas: int = 1) -> int:
        """Firings of one replica over all inferences."""
        return max(0, -(-(tokens * self.inferences - replica) // n_replicas))


def lower(
    graph: OpGraph, mapping: Mapping, chip: Chip, *, inferences: int = 1, arrivals_ps: I64 | None = None
) -> LoweredProgram:
    """Program that runs `inferences` inferences, one after the other through the same pipeline.

    Parameters
    ----------
    arrivals_ps : (inferences,) when each inference's inputs arrive, default all at once
    """
    low = Lowering(graph, mapping, chip, inferences)
    for op in graph.operators:
        (_lower_analog if op.on_crossbar else _lower_digital)(low, op)
    for op in graph.operators:
        connect_each(low, op.name)
    for edge in graph.edges:
        if edge.pattern is Pattern.SEQUENCE:
            connect_sequence(low, edge)
    done = _join_results(low)
    sources = _release_inputs(low, arrivals_ps)
    statics = tuple(costs.static_powers(chip))
    return LoweredProgram(
        low.builder.build(), tuple(low.infos), done, sources, statics, graph.ops, inferences
    )


def _lower_digital(low: Lowering, op: Operator) -> None:
    """One actor on the operator's unit; inputs and outputs are actors of host memory that take no time."""
    instance = low.mapping.units[op.name]
    if instance == HOST_MEMORY:
        node, buffers, resource, cost = IO, _HOST_VECTORS, CONTROL, FREE
    else:
        kind, unit = low.unit(instance)
        node, buffers = (instance if unit.place == "on_chip" else IO), unit.buffers.n
        resource, cost = instance, costs.unit_cost(low.chip, unit, kind, op)
    actor = low.actor(
        op.name, resource, cost, firings=low.n_firings(op.tokens), operator=op.name, stage="compute"
    )
    port = Port((actor,), instance, node, (0, _ALL_VALUES), 0, 1, buffers)
    low.consumers[op.name], low.producers[op.name] = [port], [port]


def _lower_analog(low: Lowering, op: Operator) -> None:
    """Per replica and block: read, LDPU; blocks of the same columns add their sums in the first one's LDPU."""
    replicas = low.mapping.replicas[op.name]
    has_output = any(edge.source == op.name for edge in low.graph.edges)
    core_spec = low.chip.core
    low.producers[op.name], low.consumers[op.name] = [], []
    for position, replica in enumerate(replicas):
        turn = (position, len(replicas))
        firings = low.n_firings(op.tokens, *turn)
        reads: dict[tuple[str, tuple[int, int]], list[int]] = defaultdict(list)
        strips: dict[tuple[int, int], list[tuple[Block, int]]] = defaultdict(list)
        for block in low.mapping.blocks_of(op.matrix or "", replica):
            core = f"core{block.core}"
            label = (
                f"{op.name}[{block.rows[0]}:{block.rows[1]},{block.columns[0]}:{block.columns[1]}]r{replica}"
            )
            read = low.actor(
                f"{label}/read",
                f"{core}.crossbar",
                costs.read_cost(low.chip, block.n_rows, block.n_columns),
                firings=firings,
                operator=op.name,
                stage="read",
            )
            reads[core, block.rows].append(read)
            if has_output:
                affine = low.actor(
                    f"{label}/ldpu",
                    f"{core}.ldpu",
                    costs.ldpu_cost(low.chip, block.n_columns),
                    firings=firings,
                    operator=op.name,
                    stage="ldpu",
                )
                low.buffer(read, affine, core_spec.output_buffers.n)
                strips[block.columns].append((block, affine))
        low.consumers[op.name] += [
            Port(tuple(actors), core, core, rows, *turn, core_spec.input_buffers.n)
            for (core, rows), actors in reads.items()
        ]
        for columns, parts in strips.items():
            actor, core = _add_partial_sums(low, op, parts, firings)
            low.producers[op.name].append(
                Port((actor,), core, core, columns, *turn, core_spec.output_buffers.n)
            )


def _add_partial_sums(
    low: Lowering, op: Operator, parts: list[tuple[Block, int]], firings: int
) -> tuple[int, str]:
    """Send the partial sums of all row blocks but the first to the first one's core and add them there."""
    home, total = parts[0]
    core, buffers = f"core{home.core}", low.chip.core.output_buffers.n
    here = Port((), core, core, home.columns, 0, 1, low.chip.core.input_buffers.n)
    for block, affine in parts[1:]:
        source = here._replace(instance=f"core{block.core}", node=f"core{block.core}")
        label = f"{op.name}/sum[{block.rows[0]}:{block.rows[1]},{block.columns[0]}:{block.columns[1]}]r{block.replica}"
        n_bytes = block.n_columns * low.chip.numbers.digital.n_bytes
        tree = send(low, Packet(label, op.name, n_bytes, firings), source, [here])
        add = low.actor(
            f"{label}/add",
            f"{core}.ldpu",
            costs.ldpu_cost(low.chip, block.n_columns, add=True),
            firings=firings,
            operator=op.name,
            stage="ldpu",
        )
        if tree.ends[0] is None:  # both blocks on one core: the sums never leave the LDPU
            low.buffer(affine, add, buffers)
        else:
            low.buffer(affine, tree.heads[0], buffers)
            low.buffer(tree.ends[0], add, here.buffers)
        low.buffer(total, add, buffers)
        total = add
    return total, core


def _join_results(low: Lowering) -> int:
    """Actor that fires when all of an inference's results are there."""
    done = low.actor("inference done", CONTROL, FREE, firings=low.inferences, operator="", stage="control")
    with_target = {edge.source for edge in low.graph.edges}
    for op in low.graph.operators:
        if op.name not in with_target:
            for port in low.consumers[op.name]:
                need = Need(op.tokens, op.tokens - port.replica + port.n_replicas - 1, port.n_replicas)
                for actor in port.actors:
                    low.builder.depend(actor, done, need)
    return done


def _release_inputs(low: Lowering, arrivals_ps: I64 | None) -> tuple[tuple[int, int], ...]:
    """Let every token of an input wait for its inference's arrival."""
    sources = tuple(
        (low.producers[op.name][0].actors[0], op.tokens)
        for op in low.graph.operators
        if op.kind is OpKind.INPUT
    )
    if arrivals_ps is not None:
        for actor, tokens in sources:
            low.builder.release(actor, np.repeat(np.asarray(arrivals_ps, dtype=np.int64), tokens))
    return sources
