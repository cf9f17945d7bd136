"""Static matrix products on cores: reads, LDPUs, and the addition of partial sums."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from hermes_sim.mapping.blocks import strips
from hermes_sim.program.lowered import Firings
from hermes_sim.program.transfer import Packet, Port, send

if TYPE_CHECKING:
    from hermes_sim.mapping.mapping import Block
    from hermes_sim.program.lower import Lowering
    from hermes_sim.workload.graph import Operator


class Read(NamedTuple):
    """A read actor: which block it reads, for which operator, and whose turn of how many replicas it takes."""

    actor: int
    block: Block
    operator: str
    replica: int
    n_replicas: int


def lower_analog(low: Lowering, op: Operator) -> None:
    """Per replica and block: read, LDPU; blocks of the same columns add their sums in the first one's LDPU."""
    replicas = low.mapping.replicas[op.name]
    low.producers[op.name], low.consumers[op.name] = [], []
    for position, replica in enumerate(replicas):
        _lower_replica(low, op, replica, (position, len(replicas)))


def _lower_replica(low: Lowering, op: Operator, replica: int, turn: tuple[int, int]) -> None:
    core_spec = low.chip.core
    has_output = op.name in low.edges_from
    firings = Firings(op.tokens, *turn)
    reads: dict[tuple[str, tuple[int, int]], list[int]] = defaultdict(list)
    affines: dict[Block, int] = {}
    for block in low.mapping.blocks_of(op.matrix or "", replica):
        core = f"core{block.core}"
        label = f"{op.name}[{block.rows[0]}:{block.rows[1]},{block.columns[0]}:{block.columns[1]}]r{replica}"
        read = low.actor(
            f"{label}/read",
            f"{core}.crossbar",
            low.read_cost(block.n_rows, block.n_columns),
            firings=firings,
            operator=op.name,
            stage="read",
        )
        low.reads.append(Read(read, block, op.name, *turn))
        reads[core, block.rows].append(read)
        if has_output:
            affine = low.actor(
                f"{label}/ldpu",
                f"{core}.ldpu",
                low.ldpu_cost(block.n_columns),
                firings=firings,
                operator=op.name,
                stage="ldpu",
            )
            low.buffer(read, affine, core_spec.output_buffers.n)
            affines[block] = affine
    low.consumers[op.name] += [
        Port(tuple(actors), core, core, rows, *turn, core_spec.input_buffers.n)
        for (core, rows), actors in reads.items()
    ]
    for columns, here in strips(list(affines)):
        actor, core = _add_partial_sums(low, op, {block: affines[block] for block in here}, columns, firings)
        low.producers[op.name].append(Port((actor,), core, core, columns, *turn, core_spec.output_buffers.n))


def _add_partial_sums(
    low: Lowering, op: Operator, parts: dict[Block, int], columns: tuple[int, int], firings: Firings
) -> tuple[int, str]:
    """Send the partial sums of all row blocks but the first to the first one's core and add them there."""
    (home, total), *others = parts.items()
    core, buffers = f"core{home.core}", low.chip.core.output_buffers.n
    width = columns[1] - columns[0]
    here = Port((), core, core, columns, 0, 1, low.chip.core.input_buffers.n)
    for block, affine in others:
        source = here._replace(instance=f"core{block.core}", node=f"core{block.core}")
        label = f"{op.name}/sum[{block.rows[0]}:{block.rows[1]},{columns[0]}:{columns[1]}]r{block.replica}"
        n_bytes = width * low.chip.numbers.digital.n_bytes
        tree = send(low, Packet(label, op.name, n_bytes, firings), source, [here])
        add = low.actor(
            f"{label}/add",
            f"{core}.ldpu",
            low.ldpu_cost(width, add=True),
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
