"""Where blocks go: packed on the fewest cores, spread one per core, or replicated until the load is even."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hermes_sim.errors import MappingInfeasible
from hermes_sim.mapping.blocks import Block, cut_matrix
from hermes_sim.mapping.units import unit_loads_ps
from hermes_sim.workload.graph import Pattern

if TYPE_CHECKING:
    from collections.abc import Mapping as MappingType

    from hermes_sim.arch.schema import Chip
    from hermes_sim.workload.graph import Operator, OpGraph

Copies = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Layout:
    """Placed blocks, the replicas each operator uses, and why the strategy stopped there."""

    blocks: list[Block]
    copies: Copies
    note: str = ""


def lay_out_packed(graph: OpGraph, chip: Chip) -> Layout:
    """As few cores as shelves allow; operators with the same weights share one copy."""
    copies = one_copy_per_matrix(graph)
    return Layout(pack(cut_copies(graph, chip, copies), graph, chip), copies)


def lay_out_spread(graph: OpGraph, chip: Chip) -> Layout:
    """A copy for every operator and a core for every block, cluster after cluster in turn, as far as cores go."""
    for copies in (one_copy_per_operator(graph), one_copy_per_matrix(graph)):
        blocks = cut_copies(graph, chip, copies)
        if len(blocks) <= chip.n_cores:
            return Layout(
                [replace(block, core=core) for block, core in zip(blocks, core_order(chip), strict=False)],
                copies,
            )
    packed = lay_out_packed(graph, chip)
    return replace(packed, note="more blocks than cores: packed")


def lay_out_balanced(graph: OpGraph, chip: Chip, units: MappingType[str, str], base: Layout | None = None) -> Layout:
    """Give the busiest core's operators copies of their own, then replicas, until cores or reasons run out.

    A replica takes every R-th token. Operators in a feedback loop are not replicated: each of their tokens needs
    the one before. The best layout found counts, not the last. `base` is a layout to start from.
    """
    base = base or _spread_once(graph, chip)
    digital_ps = max(unit_loads_ps(graph, chip, units).values(), default=0)
    best, current, note = base, base, ""
    while True:
        loads = core_loads_ps(graph, chip, current)
        peak_ps = max(loads.values(), default=0)
        if peak_ps < max(core_loads_ps(graph, chip, best).values(), default=0):
            best = current
        if peak_ps <= digital_ps:
            note = "stopped: a digital unit is busier than any core"
            break
        busiest = max(loads, key=lambda core: (loads[core], -core))
        grown = _relieve(graph, chip, current, busiest)
        if grown is None:
            note = "stopped: no free cores for another replica of the busiest stage"
            break
        current = grown
    return replace(best, note=note)


def one_copy_per_matrix(graph: OpGraph) -> Copies:
    """All operators with the same weights share one copy."""
    return {op.name: (0,) for op in analog_operators(graph)}


def one_copy_per_operator(graph: OpGraph) -> Copies:
    """Every operator has its own copy of its weights."""
    next_copy: defaultdict[str, int] = defaultdict(int)
    copies: Copies = {}
    for op in analog_operators(graph):
        copies[op.name] = (next_copy[op.matrix or ""],)
        next_copy[op.matrix or ""] += 1
    return copies


def analog_operators(graph: OpGraph) -> list[Operator]:
    """Operators on the crossbars."""
    return [op for op in graph.operators if op.on_crossbar]


def cut_copies(graph: OpGraph, chip: Chip, copies: Copies) -> list[Block]:
    """All blocks of all copies, not placed yet."""
    used = {(graph.operator(op).matrix, replica) for op, replicas in copies.items() for replica in replicas}
    return [
        block
        for matrix in graph.matrices
        for replica in sorted(r for name, r in used if name == matrix.name)
        for block in cut_matrix(matrix, core_rows=chip.core.rows.n, core_columns=chip.core.columns.n, replica=replica)
    ]


def core_order(chip: Chip) -> list[int]:
    """Cores, one of each cluster in turn."""
    per_cluster = chip.cores.per_cluster.n
    return sorted(range(chip.n_cores), key=lambda core: (core % per_cluster, core // per_cluster))


def pack(blocks: list[Block], graph: OpGraph, chip: Chip) -> list[Block]:
    """Shelves: tallest block first, beside each other along the columns, shelf under shelf, core after core.

    Raises
    ------
    MappingInfeasible
        cores wanted and cores there
    """
    rows, columns = chip.core.rows.n, chip.core.columns.n
    shelves: list[list[int]] = []  # core, first row, height, next free column
    core_height: list[int] = []
    placed = []
    for block in sorted(blocks, key=lambda b: (-b.n_rows, -b.n_columns, b)):
        shelf = next((s for s in shelves if s[2] >= block.n_rows and columns - s[3] >= block.n_columns), None)
        if shelf is None:
            core = next((i for i, used in enumerate(core_height) if rows - used >= block.n_rows), len(core_height))
            if core == len(core_height):
                core_height.append(0)
            shelf = [core, core_height[core], block.n_rows, 0]
            core_height[core] += block.n_rows
            shelves.append(shelf)
        placed.append(replace(block, core=shelf[0], core_row=shelf[1], core_column=shelf[3]))
        shelf[3] += block.n_columns
    if len(core_height) > chip.n_cores:
        raise too_many_cores(graph.name, len(core_height), chip)
    return placed


def too_many_cores(where: str, demand: int, chip: Chip) -> MappingInfeasible:
    """Refusal with what would help."""
    levers = (
        f"raise cores.clusters or cores.per_cluster to at least {demand} cores in all",
        "use larger cores (core.rows, core.columns)",
        "keep some matrices off the crossbars",
    )
    return MappingInfeasible(where, demand=demand, capacity=chip.n_cores, unit="cores", levers=levers)


def core_loads_ps(graph: OpGraph, chip: Chip, layout: Layout) -> dict[int, int]:
    """Time per inference that each core's crossbar or LDPU, whichever is longer, is busy, in ps."""
    read_ps: defaultdict[int, int] = defaultdict(int)
    ldpu_ps: defaultdict[int, int] = defaultdict(int)
    by_copy: defaultdict[tuple[str, int], list[Block]] = defaultdict(list)
    for block in layout.blocks:
        by_copy[block.matrix, block.replica].append(block)
    for op in analog_operators(graph):
        replicas = layout.copies[op.name]
        for replica in replicas:
            for block in by_copy[op.matrix or "", replica]:
                tokens = -(-op.tokens // len(replicas))
                groups = -(-block.n_columns // chip.core.ldpu.lanes.n)
                read_ps[block.core] += tokens * chip.read_of().latency.ps
                ldpu_ps[block.core] += tokens * groups * chip.core.ldpu.group_time.ps
    return {core: max(read_ps[core], ldpu_ps[core]) for core in read_ps}


def recurrent_operators(graph: OpGraph) -> set[str]:
    """Operators at the ends of feedback edges."""
    return {name for edge in graph.edges if edge.pattern is Pattern.PREVIOUS for name in (edge.source, edge.target)}


def _spread_once(graph: OpGraph, chip: Chip) -> Layout:
    copies = one_copy_per_matrix(graph)
    blocks = cut_copies(graph, chip, copies)
    if len(blocks) > chip.n_cores:
        return Layout(pack(blocks, graph, chip), copies)
    return Layout([replace(b, core=core) for b, core in zip(blocks, core_order(chip), strict=False)], copies)


def _relieve(graph: OpGraph, chip: Chip, layout: Layout, core: int) -> Layout | None:
    """Layout in which one operator of a core has more copies; none if no cores are left for it."""
    used = {block.core for block in layout.blocks}
    free = [c for c in core_order(chip) if c not in used]
    here = {(block.matrix, block.replica) for block in layout.blocks if block.core == core}
    candidates = [
        op
        for op in analog_operators(graph)
        if any((op.matrix, replica) in here for replica in layout.copies[op.name])
        and op.name not in recurrent_operators(graph)
    ]
    for op in sorted(candidates, key=lambda op: (-op.tokens // len(layout.copies[op.name]), op.name)):
        mine = layout.copies[op.name]
        alone = not any(
            other.name != op.name and other.matrix == op.matrix and set(layout.copies[other.name]) & set(mine)
            for other in analog_operators(graph)
        )
        matrix = graph.matrix(op.matrix or "")
        if alone and len(mine) * 2 > op.tokens:
            continue
        first = 1 + max(block.replica for block in layout.blocks if block.matrix == matrix.name)
        new = tuple(range(first, first + len(mine)))
        blocks = [
            block
            for replica in new
            for block in cut_matrix(
                matrix, core_rows=chip.core.rows.n, core_columns=chip.core.columns.n, replica=replica
            )
        ]
        if len(blocks) <= len(free):
            placed = [replace(block, core=c) for block, c in zip(blocks, free, strict=False)]
            copies = {**layout.copies, op.name: (*mine, *new) if alone else new}
            return Layout([*layout.blocks, *placed], copies)
    return None
