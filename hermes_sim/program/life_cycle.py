"""Programming, reprogramming and drift compensation of cores: work of their crossbars in the same program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes_sim.chip import costs
from hermes_sim.program.dataflow import Need
from hermes_sim.program.lowered import Firings

if TYPE_CHECKING:
    from hermes_sim.mapping.mapping import Block
    from hermes_sim.program.analog import Read
    from hermes_sim.program.lower import Lowering
    from hermes_sim.workload.graph import LifeCycle

PROGRAMMING = "(programming)"
REDRAWING = "(redrawing of random features)"
COMPENSATION = "(drift compensation)"
ONCE = Firings(0, -1)


def add_life_cycle(low: Lowering, events: LifeCycle) -> None:
    """Add the events of a life cycle; reads wait for them, and they for the reads of the inferences before."""
    if events.program_first:
        writers = add_programming(low, list(low.mapping.blocks))
        for read in low.reads:
            low.builder.depend(writers[read.block], read.actor, Need.once())
    if events.redraw_every:
        redrawn = [block for block in low.mapping.blocks if block.matrix in events.redraw]
        writers = add_programming(low, redrawn, operator=REDRAWING, events=_between(events.redraw_every))
        for block, writer in writers.items():
            reads = [read for read in low.reads if read.block == block]
            _between_inferences(low, writer, reads, events.redraw_every)
    if events.compensate_every:
        _add_compensation(low, events.compensate_every)


def add_programming(
    low: Lowering, blocks: list[Block], *, operator: str = PROGRAMMING, events: Firings = ONCE
) -> dict[Block, int]:
    """Actors that write blocks, `parallel_cores` at a time; block -> actor."""
    how = low.chip.core.programming
    writers: list[tuple[Block, int]] = []
    for block in blocks:
        label = f"{operator} {block.matrix}[{block.rows[0]}:{block.rows[1]},{block.columns[0]}:{block.columns[1]}]"
        writer = low.actor(
            f"{label}r{block.replica}",
            f"core{block.core}.crossbar",
            costs.programming_cost(low.chip, block.n_rows, block.n_columns),
            firings=events,
            operator=operator,
            stage="program",
        )
        if how is not None and len(writers) >= how.parallel_cores.n:
            low.builder.depend(writers[-how.parallel_cores.n][1], writer, Need.each())
        writers.append((block, writer))
    return dict(writers)


def _add_compensation(low: Lowering, every: int) -> None:
    cost = costs.compensation_cost(low.chip)
    for core in sorted({block.core for block in low.mapping.blocks}):
        actor = low.actor(
            f"{COMPENSATION} core{core}",
            f"core{core}.crossbar",
            cost,
            firings=_between(every),
            operator=COMPENSATION,
            stage="compensate",
        )
        _between_inferences(low, actor, [read for read in low.reads if read.block.core == core], every)


def _between(every: int) -> Firings:
    """Events after every so many inferences, and none after the last."""
    return Firings(1, every, every)


def _between_inferences(low: Lowering, event: int, reads: list[Read], every: int) -> None:
    """Event j comes after the reads of (j + 1) `every` inferences and before all later ones."""
    for actor, _, operator, r, n in reads:
        tokens = low.graph.operator(operator).tokens * every
        low.builder.depend(event, actor, Need(n, r, tokens))
        low.builder.depend(actor, event, Need(tokens, tokens + n - 1 - r, n))
