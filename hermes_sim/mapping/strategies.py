"""Where blocks go: packed on the fewest cores, or spread one per core; and how busy that makes the cores."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING

from hermes_sim.chip.costs import ldpu_cost
from hermes_sim.chip.read_cost import read_cost
from hermes_sim.config.vocabulary import Function
from hermes_sim.errors import MappingInfeasible
from hermes_sim.mapping.blocks import cut_matrix, strips
from hermes_sim.mapping.first_fit import Bins
from hermes_sim.mapping.shared import read_groups

if TYPE_CHECKING:
    from collections.abc import Mapping as MappingType
    from collections.abc import Sequence

    from hermes_sim.chip.schema import Chip
    from hermes_sim.mapping.mapping import Block, Mapping
    from hermes_sim.workload.graph import Matrix, Operator, OpGraph

Replicas = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Layout:
    """Placed blocks, the replicas each operator uses, why the strategy stopped there, and who shares cells."""

    blocks: list[Block]
    replicas: Replicas
    note: str = ""
    aliases: MappingType[str, str] = field(default_factory=dict)

    def held_as(self, op: Operator) -> str:
        """Name of the matrix whose cells an operator uses."""
        return self.aliases.get(op.matrix or "", op.matrix or "")


def lay_out_packed(graph: OpGraph, chip: Chip) -> Layout:
    """As few cores as shelves allow; operators with the same weights share one replica."""
    replicas = one_replica_per_matrix(graph)
    check_cells(graph, chip, replicas)
    return Layout(pack(cut_replicas(graph, chip, replicas), graph, chip), replicas)


def lay_out_spread(graph: OpGraph, chip: Chip) -> Layout:
    """A replica for every operator and a core for every block, cluster after cluster in turn, as far as cores go."""
    return lay_out_apart(graph, chip, one_replica_per_operator(graph), one_replica_per_matrix(graph))


def lay_out_apart(graph: OpGraph, chip: Chip, *choices: Replicas) -> Layout:
    """A core for every block, with the first choice of replicas for which cores suffice; else packed."""
    for replicas in choices:
        if count_blocks(graph, chip, replicas) <= chip.n_cores:
            blocks = cut_replicas(graph, chip, replicas)
            cores = core_order(chip)
            return Layout([replace(block, core=core) for block, core in zip(blocks, cores, strict=False)], replicas)
    return replace(lay_out_packed(graph, chip), note="more blocks than cores: packed")


def one_replica_per_matrix(graph: OpGraph) -> Replicas:
    """All operators with the same weights share one replica."""
    return {op.name: (0,) for op in analog_operators(graph)}


def one_replica_per_operator(graph: OpGraph) -> Replicas:
    """Every operator has its own replica of its weights."""
    next_replica: defaultdict[str, int] = defaultdict(int)
    replicas: Replicas = {}
    for op in analog_operators(graph):
        replicas[op.name] = (next_replica[op.matrix or ""],)
        next_replica[op.matrix or ""] += 1
    return replicas


def analog_operators(graph: OpGraph) -> list[Operator]:
    """Operators on the crossbars."""
    return [op for op in graph.operators if op.on_crossbar]


def replicas_of(graph: OpGraph, replicas: Replicas) -> list[tuple[Matrix, list[int]]]:
    """Every matrix that operators use, with the numbers of its replicas in order."""
    used: defaultdict[str, set[int]] = defaultdict(set)
    for op, numbers in replicas.items():
        used[graph.operator(op).matrix or ""].update(numbers)
    return [(matrix, sorted(used[matrix.name])) for matrix in graph.matrices if matrix.name in used]


def cut_replicas(graph: OpGraph, chip: Chip, replicas: Replicas) -> list[Block]:
    """All blocks of all replicas, not placed yet."""
    return [
        block
        for matrix, numbers in replicas_of(graph, replicas)
        for replica in numbers
        for block in cut_matrix(
            matrix, core_rows=chip.core.rows.n, core_columns=chip.core.weight_columns, replica=replica
        )
    ]


def count_blocks(graph: OpGraph, chip: Chip, replicas: Replicas) -> int:
    """How many blocks `cut_replicas` would make."""
    rows, columns = chip.core.rows.n, chip.core.weight_columns
    return sum(
        len(numbers) * -(-matrix.rows // rows) * -(-matrix.columns // columns)
        for matrix, numbers in replicas_of(graph, replicas)
    )


def check_cells(
    graph: OpGraph, chip: Chip, replicas: Replicas, *, aliases: MappingType[str, str] | None = None
) -> None:
    """Refuse what cannot fit however it is cut, before any block is made.

    Parameters
    ----------
    aliases : matrix -> other matrix whose cells it uses too

    Raises
    ------
    MappingInfeasible
        more weights than unit cells; the demand is the least number of cores that have so many
    """
    n_weights = sum(
        len(numbers) * matrix.n_weights
        for matrix, numbers in replicas_of(graph, replicas)
        if matrix.name not in (aliases or {})
    )
    least = -(-n_weights // (chip.core.rows.n * chip.core.weight_columns))
    if least > chip.n_cores:
        raise too_many_cores(graph.name, least, chip)


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
    cores, shelves = Bins(), Bins()  # free rows of cores, free columns of shelves
    corners: list[tuple[int, int]] = []  # core and first row of every shelf
    placed = []
    for block in sorted(blocks, key=lambda b: (-b.n_rows, -b.n_columns, b)):
        shelf = shelves.first(block.n_columns)  # every shelf is as high as its first block, which was no lower
        if shelf is None:
            core = cores.first(block.n_rows)
            if core is None:
                core = cores.add(chip.core.rows.n)
            corners.append((core, chip.core.rows.n - cores.room(core)))
            cores.take(core, block.n_rows)
            shelf = shelves.add(chip.core.weight_columns)
        core, row = corners[shelf]
        column = chip.core.weight_columns - shelves.room(shelf)
        placed.append(replace(block, core=core, core_row=row, core_column=column))
        shelves.take(shelf, block.n_columns)
    if len(cores) > chip.n_cores:
        raise too_many_cores(graph.name, len(cores), chip)
    return placed


def too_many_cores(where: str, demand: int, chip: Chip) -> MappingInfeasible:
    """Refusal with what would help."""
    levers = [
        f"raise cores.clusters or cores.per_cluster to at least {demand} cores in all",
        "use larger cores (core.rows, core.columns)",
    ]
    if any(Function.MAC in unit.functions for unit in chip.digital_units.values()):
        levers.append("keep some matrices off the crossbars (`digital: [NAME, ...]` in a workload or mapping file)")
    return MappingInfeasible(where, demand=demand, capacity=chip.n_cores, unit="cores", levers=levers)


def core_loads_ps(graph: OpGraph, chip: Chip, mapping: Mapping) -> dict[int, int]:
    """Time per inference that each core's crossbar or LDPU, whichever is longer, is busy, in ps."""
    read_ps: defaultdict[int, int] = defaultdict(int)
    ldpu_ps: defaultdict[int, int] = defaultdict(int)
    cost_ps = cache(lambda rows, columns, cells: read_cost(chip, rows, columns, n_cells=cells).interval_ps)
    for group in read_groups(graph, mapping, chip):
        read_ps[group.first.block.core] += -(-group.tokens // group.first.n_replicas) * cost_ps(*group.size)
    senders = {edge.source for edge in graph.edges}
    for op in analog_operators(graph):
        replicas = mapping.replicas[op.name]
        tokens = -(-op.tokens // len(replicas))
        for replica in replicas:
            blocks = mapping.blocks_of(op.matrix or "", replica)
            for core, _, post_ps in replica_times_ps(chip, blocks, sends=op.name in senders):
                ldpu_ps[core] += tokens * post_ps
    return {core: max(read_ps[core], ldpu_ps[core]) for core in read_ps}


def replica_times_ps(chip: Chip, blocks: Sequence[Block], *, sends: bool) -> list[tuple[int, int, int]]:
    """Core, crossbar time and LDPU time per token, in ps, of what one replica of a matrix does.

    Every block is read and corrected; the first of those that hold the same columns adds the sums of the others.
    Blocks that share a read count each by itself: strategies put blocks that are read at once on cores of their own.

    Parameters
    ----------
    blocks : of one replica, in order
    sends : whether anything takes the result; if nothing does, the LDPUs have nothing to do
    """

    @cache
    def of_block(n_rows: int, n_columns: int) -> tuple[int, int]:
        post_ps = ldpu_cost(chip, n_columns).interval_ps if sends else 0
        return read_cost(chip, n_rows, n_columns).interval_ps, post_ps

    times = [(block.core, *of_block(block.n_rows, block.n_columns)) for block in blocks]
    if sends:
        for (low, high), here in strips(blocks):
            add_ps = ldpu_cost(chip, high - low, add=True).interval_ps
            times += [(here[0].core, 0, add_ps)] * (len(here) - 1)
    return times
