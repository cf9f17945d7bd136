"""Static matrix products on cores: reads, LDPUs, and the addition of partial sums."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from hermes_sim.chip import costs
from hermes_sim.chip.places import Place, Resource, ResourcePart
from hermes_sim.mapping.blocks import strips
from hermes_sim.mapping.shared import Member
from hermes_sim.program.build import Ends, Packet, ReadActor, Terminal
from hermes_sim.program.lowered import Firings
from hermes_sim.program.transfer import send

if TYPE_CHECKING:
    from hermes_sim.mapping.mapping import Block
    from hermes_sim.program.build import Lowering
    from hermes_sim.workload.graph import Operator


def lower_analog(build: Lowering, op: Operator) -> Ends:
    """Per replica and block: read, LDPU; blocks of the same columns add their sums in the first one's LDPU."""
    replicas = build.mapping.replicas[op.name]
    parts = [_lower_replica(build, op, replica, (turn, len(replicas))) for turn, replica in enumerate(replicas)]
    return Ends(
        producers=tuple(port for part in parts for port in part.producers),
        consumers=tuple(port for part in parts for port in part.consumers),
        reads=tuple(read for part in parts for read in part.reads),
    )


def _lower_replica(build: Lowering, op: Operator, replica: int, turn: tuple[int, int]) -> Ends:
    has_output = op.name in build.edges_from
    buffers = build.chip.core.output_buffers.n
    firings = Firings(op.tokens, *turn)
    reads: list[ReadActor] = []
    readers: defaultdict[tuple[Place, tuple[int, int]], list[int]] = defaultdict(list)
    affines: dict[Block, int] = {}
    for block in build.mapping.blocks_of(op.matrix or "", replica):
        core = Place.core(block.core)
        label = f"{op.name}[{block.rows[0]}:{block.rows[1]},{block.columns[0]}:{block.columns[1]}]r{replica}"
        read = _read(build, Member(op.name, block, *turn), label, firings)
        reads.append(ReadActor(read, block, op.name, *turn))
        if read not in readers[core, block.rows]:
            readers[core, block.rows].append(read)
        if has_output:
            affines[block] = build.actor(
                f"{label}/ldpu",
                Resource(core, ResourcePart.LDPU),
                build.ldpu_cost(block.n_columns),
                firings=firings,
                operator=op.name,
                stage="ldpu",
            )
            build.buffer(read, affines[block], buffers)
    consumers = tuple(_port(build, core, actors, rows, turn) for (core, rows), actors in readers.items())
    producers = []
    for columns, here in strips(list(affines)):
        actor, core = _add_partial_sums(build, op, {block: affines[block] for block in here}, columns, firings)
        producers.append(_port(build, core, [actor], columns, turn)._replace(buffers=buffers))
    return Ends(tuple(producers), consumers, tuple(reads))


def _read(build: Lowering, member: Member, label: str, firings: Firings) -> int:
    """The read of a block, made for the first of those that share it."""
    group = build.read_groups[member]
    actor = build.read_actors.get(group.first)
    if actor is None:
        rows, columns, cells = group.size
        others = len(group.blocks) - 1
        actor = build.read_actors[group.first] = build.actor(
            f"{label}/read" + (f" with {others} more" if others else ""),
            Resource(Place.core(member.block.core), ResourcePart.CROSSBAR),
            build.read_cost(rows, columns, n_cells=cells),
            firings=firings,
            operator=member.operator,
            stage="read",
        )
    return actor


def _port(build: Lowering, core: Place, actors: list[int], values: tuple[int, int], turn: tuple[int, int]) -> Terminal:
    """Values of one turn that come into a core."""
    replica, n_replicas = turn
    return Terminal(
        actors=tuple(actors),
        place=core,
        values=values,
        buffers=build.chip.core.input_buffers.n,
        replica=replica,
        n_replicas=n_replicas,
    )


def _add_partial_sums(
    build: Lowering, op: Operator, parts: dict[Block, int], columns: tuple[int, int], firings: Firings
) -> tuple[int, Place]:
    """Send the partial sums of all row blocks but the first to the first one's core and add them there."""
    (home, total), *others = parts.items()
    core, buffers = Place.core(home.core), build.chip.core.output_buffers.n
    width = columns[1] - columns[0]
    here = _port(build, core, [], columns, (0, 1))
    for block, affine in others:
        source = here._replace(place=Place.core(block.core))
        label = f"{op.name}/sum[{block.rows[0]}:{block.rows[1]},{columns[0]}:{columns[1]}]r{block.replica}"
        n_bytes = width * costs.partial_sum_bytes(build.chip)
        tree = send(build, Packet(label, op.name, n_bytes, firings), source, [here])
        add = build.actor(
            f"{label}/add",
            Resource(core, ResourcePart.LDPU),
            build.ldpu_cost(width, add=True),
            firings=firings,
            operator=op.name,
            stage="ldpu",
        )
        if tree.ends[0] is None:  # both blocks on one core: the sums never leave the LDPU
            build.hand_on(affine, add, buffers)
        else:
            build.hand_on(affine, tree.heads[0], buffers)
            build.hand_on(tree.ends[0], add, here.buffers)
        build.hand_on(total, add, buffers)
        total = add
    return total, core
