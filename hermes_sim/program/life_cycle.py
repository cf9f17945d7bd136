"""Programming, drift compensation and calibration of cores: work of their crossbars in the same program."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from hermes_sim.chip import costs
from hermes_sim.chip.places import Place, Resource, ResourcePart
from hermes_sim.program.dataflow import Need
from hermes_sim.program.lowered import Firings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hermes_sim.chip.cost import Cost
    from hermes_sim.mapping.mapping import Block
    from hermes_sim.program.build import Lowering, ReadActor
    from hermes_sim.workload.graph import LifeCycle

PROGRAMMING = "(programming)"
REDRAWING = "(redrawing of random features)"
COMPENSATION = "(drift compensation)"
CALIBRATION = "(converter calibration)"
ONCE = Firings(0, -1)


def add_life_cycle(build: Lowering, events: LifeCycle, reads: Sequence[ReadActor]) -> None:
    """Add the events of a life cycle; reads wait for them, and they for the reads of the inferences before."""
    blocks = build.mapping.blocks
    if events.program_first:
        writers = add_programming(build, blocks)
        for read in reads:
            build.depend(writers[read.block], read.actor, Need.once())
    if events.redraw_every:
        redrawn = [block for block in blocks if block.matrix in events.redraw]
        writers = add_programming(build, redrawn, operator=REDRAWING, events=_between(events.redraw_every))
        by_block: defaultdict[Block, list[ReadActor]] = defaultdict(list)
        for read in reads:
            by_block[read.block].append(read)
        for block, writer in writers.items():
            _between_inferences(build, writer, by_block[block], events.redraw_every)
    if events.compensate_every:
        cost = costs.compensation_cost(build.chip)
        _add_known_vectors(build, COMPENSATION, "compensate", cost, events.compensate_every, reads)
    if events.calibrate_every:
        cost = costs.calibration_cost(build.chip)
        _add_known_vectors(build, CALIBRATION, "calibrate", cost, events.calibrate_every, reads)


def add_programming(
    build: Lowering, blocks: Iterable[Block], *, operator: str = PROGRAMMING, events: Firings = ONCE
) -> dict[Block, int]:
    """Actors that write blocks, `parallel_cores` at a time; block -> actor."""
    how = build.chip.core.programming
    writers: list[tuple[Block, int]] = []
    for block in blocks:
        matrix = build.graph.called(block.matrix)
        label = f"{operator} {matrix}[{block.rows[0]}:{block.rows[1]},{block.columns[0]}:{block.columns[1]}]"
        writer = build.actor(
            f"{label}r{block.replica}",
            Resource(Place.core(block.core), ResourcePart.CROSSBAR),
            costs.programming_cost(build.chip, block.n_rows, block.n_columns),
            firings=events,
            operator=operator,
            stage="program",
        )
        if how is not None and len(writers) >= how.parallel_cores.n:
            build.depend(writers[-how.parallel_cores.n][1], writer, Need.each())
        writers.append((block, writer))
    return dict(writers)


def _add_known_vectors(
    build: Lowering, operator: str, stage: str, cost: Cost, every: int, reads: Sequence[ReadActor]
) -> None:
    """Known vectors on every core in use after every so many inferences."""
    by_core: defaultdict[int, list[ReadActor]] = defaultdict(list)
    for read in reads:
        by_core[read.block.core].append(read)
    for index in sorted({block.core for block in build.mapping.blocks}):
        core = Place.core(index)
        actor = build.actor(
            f"{operator} {core}",
            Resource(core, ResourcePart.CROSSBAR),
            cost,
            firings=_between(every),
            operator=operator,
            stage=stage,
        )
        _between_inferences(build, actor, by_core[index], every)


def _between(every: int) -> Firings:
    """Events after every so many inferences, and none after the last."""
    return Firings(1, every, every)


def _between_inferences(build: Lowering, event: int, reads: list[ReadActor], every: int) -> None:
    """Event j comes after the reads of (j + 1) `every` inferences and before all later ones."""
    for read in reads:
        tokens, turn = build.graph.operator(read.operator).tokens * every, (read.replica, read.n_replicas)
        build.depend(event, read.actor, Need.turn_before(tokens, *turn).after(tokens))
        build.depend(read.actor, event, Need.all_of_turn(tokens, *turn))
