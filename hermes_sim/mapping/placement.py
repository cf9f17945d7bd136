"""Operator graph + chip -> mapping: which block on which core, which operator on which digital unit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from hermes_sim.errors import MappingError, MappingInfeasible, nearest
from hermes_sim.mapping.blocks import Block, check_blocks, cut_matrix
from hermes_sim.workload.graph import OpKind

if TYPE_CHECKING:
    from collections.abc import Mapping as MappingType

    from hermes_sim.arch.schema import Chip, DigitalUnit
    from hermes_sim.functions import Function
    from hermes_sim.workload.graph import Operator, OpGraph

HOST_MEMORY = "host memory"


class Strategy(StrEnum):
    """How to place blocks: on the fewest cores, or apart from each other with a copy per operator."""

    PACKED = "packed"
    SPREAD = "spread"


@dataclass(frozen=True)
class Mapping:
    """Where everything runs.

    Parameters
    ----------
    strategy : name of the strategy or file that made it
    blocks : placed pieces of all weight matrices
    replicas : operator -> replicas of its matrix it uses in turn, token by token
    units : operator -> instance of a digital unit, ``"dpu3"`` for example, or `HOST_MEMORY`
    """

    strategy: str
    blocks: tuple[Block, ...]
    replicas: MappingType[str, tuple[int, ...]]
    units: MappingType[str, str]

    def blocks_of(self, matrix: str, replica: int) -> list[Block]:
        """Pieces of one replica of one matrix, in order."""
        return sorted(block for block in self.blocks if block.matrix == matrix and block.replica == replica)

    @property
    def cores_used(self) -> int:
        """Number of cores that hold weights."""
        return len({block.core for block in self.blocks})


def map_graph(graph: OpGraph, chip: Chip, strategy: str = Strategy.PACKED) -> Mapping:
    """Place a workload by a named strategy.

    Raises
    ------
    MappingError
        unknown strategy; a function that no digital unit offers
    MappingInfeasible
        the weights do not fit: demand, capacity, gap and what would help
    """
    if strategy not in list(Strategy):
        raise MappingError(
            "mapping strategy",
            got=repr(strategy),
            allowed=", ".join(Strategy),
            hint=nearest(strategy, Strategy),
        )
    analog = [op for op in graph.operators if op.on_crossbar]
    if strategy == Strategy.SPREAD:
        copies = _one_copy_per_operator(analog)
        try:
            blocks = _spread(_cut(graph, chip, copies), chip)
        except MappingInfeasible:  # too many copies for the free cores: share again
            copies = _one_copy_per_matrix(analog)
            blocks = _spread_or_pack(_cut(graph, chip, copies), graph, chip)
    else:
        copies = _one_copy_per_matrix(analog)
        blocks = _pack(_cut(graph, chip, copies), graph, chip)
    check_blocks(blocks, graph, chip)
    return Mapping(strategy, tuple(blocks), copies, assign_units(graph, chip, strategy))


def _one_copy_per_matrix(analog: list[Operator]) -> dict[str, tuple[int, ...]]:
    return {op.name: (0,) for op in analog}


def _one_copy_per_operator(analog: list[Operator]) -> dict[str, tuple[int, ...]]:
    next_copy: dict[str, int] = {}
    copies: dict[str, tuple[int, ...]] = {}
    for op in analog:
        assert op.matrix is not None
        copies[op.name] = (next_copy.setdefault(op.matrix, 0),)
        next_copy[op.matrix] += 1
    return copies


def _cut(graph: OpGraph, chip: Chip, copies: MappingType[str, tuple[int, ...]]) -> list[Block]:
    used = {(graph.operator(op).matrix, replica) for op, replicas in copies.items() for replica in replicas}
    return [
        block
        for matrix in graph.matrices
        for replica in sorted(r for name, r in used if name == matrix.name)
        for block in cut_matrix(matrix, core_rows=chip.core.rows.n, core_columns=chip.core.columns.n, replica=replica)
    ]


def _spread(blocks: list[Block], chip: Chip) -> list[Block]:
    """One block per core, cluster after cluster in turn."""
    if len(blocks) > chip.n_cores:
        raise _infeasible("mapping", len(blocks), chip.n_cores, "cores")
    per_cluster = chip.cores.per_cluster.n
    order = sorted(range(chip.n_cores), key=lambda core: (core % per_cluster, core // per_cluster))
    return [replace(block, core=core) for block, core in zip(blocks, order[: len(blocks)], strict=True)]


def _spread_or_pack(blocks: list[Block], graph: OpGraph, chip: Chip) -> list[Block]:
    return _spread(blocks, chip) if len(blocks) <= chip.n_cores else _pack(blocks, graph, chip)


def _pack(blocks: list[Block], graph: OpGraph, chip: Chip) -> list[Block]:
    """Shelves: tallest block first, beside each other along the columns, shelf under shelf, core after core."""
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
        raise _infeasible(graph.name, len(core_height), chip.n_cores, "cores")
    return placed


def _infeasible(where: str, demand: int, capacity: int, unit: str) -> MappingInfeasible:
    levers = (
        f"raise cores.clusters or cores.per_cluster to at least {demand} cores in all",
        "use larger cores (core.rows, core.columns)",
        "keep some matrices off the crossbars",
    )
    return MappingInfeasible(where, demand=demand, capacity=capacity, unit=unit, levers=levers)


def assign_units(graph: OpGraph, chip: Chip, strategy: str = Strategy.PACKED) -> dict[str, str]:
    """Give every digital operator to a unit that knows all its functions, on the chip if there is one.

    Packed: one instance of each kind of unit, so that results need not travel between them. Spread: longest
    operator first, each to the least loaded instance.
    """
    units = {op.name: HOST_MEMORY for op in graph.operators if op.kind in {OpKind.INPUT, OpKind.OUTPUT}}
    load_ps: dict[str, int] = {}
    _place_memories(graph, chip, units)
    digital = [op for op in graph.operators if not op.on_crossbar and op.name not in units]
    times_ps = {op.name: op.tokens * unit_time_ps(op, unit_for(op, chip)[1]) for op in digital}
    for op in sorted(digital, key=lambda op: (-times_ps[op.name], op.name)):
        kind, unit = unit_for(op, chip)
        instances = [f"{kind}{i}" for i in range(1 if strategy == Strategy.PACKED else unit.count.n)]
        chosen = min(instances, key=lambda name: load_ps.get(name, 0))
        load_ps[chosen] = load_ps.get(chosen, 0) + times_ps[op.name]
        units[op.name] = chosen
    return units


def sequence_bytes(op: Operator, chip: Chip) -> int:
    """Bytes that a memory operator holds: a whole sequence, or two states (one in use, one being made)."""
    values = max(op.tokens * op.out_values, 2 * op.once_values)
    return int(values * chip.numbers.digital.n_bytes)


def _place_memories(graph: OpGraph, chip: Chip, units: dict[str, str]) -> None:
    """Give every sequence memory to the first unit with room, on the chip if there is one.

    Raises
    ------
    MappingInfeasible
        bytes wanted by the operator that finds no room, and the most that a unit has left
    """
    free = {
        f"{kind}{i}": unit.sequence_memory.capacity.n_bytes
        for kind, unit in sorted(chip.digital_units.items(), key=lambda item: item[1].place != "on_chip")
        if unit.sequence_memory
        for i in range(unit.count.n)
    }
    for op in graph.operators:
        if op.kind is OpKind.MEMORY:
            need = sequence_bytes(op, chip)
            chosen = next((name for name, left in free.items() if left >= need), None)
            if chosen is None:
                levers = ("raise sequence_memory.capacity of a digital unit", "shorten the sequence")
                most = int(max(free.values(), default=0))
                raise MappingInfeasible(f"operator {op.name}", demand=need, capacity=most, unit="bytes", levers=levers)
            free[chosen] -= need
            units[op.name] = chosen


def unit_for(op: Operator, chip: Chip) -> tuple[str, DigitalUnit]:
    """Kind of digital unit for an operator: the fastest on-chip one that knows its functions, else the host.

    Raises
    ------
    MappingError
        naming the functions that no unit offers
    """
    able = [
        (unit.place != "on_chip", unit_time_ps(op, unit), kind, unit)
        for kind, unit in chip.digital_units.items()
        if all(function in unit.functions for function in op.functions)
        and (op.kind is not OpKind.EMBEDDING or unit.place == "host")  # tables are off the chip (LG23)
    ]
    if not able:
        offered: set[Function] = set().union(*(unit.functions for unit in chip.digital_units.values()))
        missing = sorted(set(op.functions) - offered)
        raise MappingError(
            f"operator {op.name}",
            got=f"functions {', '.join(missing or sorted(op.functions))}, which no one digital unit offers",
            allowed="functions of a unit in digital_units",
        )
    _, _, kind, unit = min(able, key=lambda choice: choice[:3])
    return kind, unit


def unit_time_ps(op: Operator, unit: DigitalUnit) -> int:
    """Time one token of an operator holds a unit, in ps."""
    cycles = sum(
        -(-count // unit.functions[function].lanes.n) * unit.functions[function].cycles.n
        for function, count in op.functions.items()
    )
    return cycles * unit.clock.period_ps
