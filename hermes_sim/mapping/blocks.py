"""Cut weight matrices into pieces that fit a core, and check where pieces lie."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from hermes_sim.errors import MappingError
from hermes_sim.mapping.mapping import Block, Rectangle

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from collections.abc import Mapping as MappingType

    from hermes_sim.chip.schema import Chip
    from hermes_sim.workload.graph import Matrix, OpGraph

_ONCE = "every weight placed once per replica"


def cut_range(length: int, piece: int) -> list[tuple[int, int]]:
    """Cut [0, length) into as few pieces of at most `piece` as possible, as even as possible."""
    n_pieces = -(-length // piece)
    edges = [length * i // n_pieces for i in range(n_pieces + 1)]
    return list(pairwise(edges))


def cut_matrix(matrix: Matrix, *, core_rows: int, core_columns: int, replica: int = 0) -> list[Block]:
    """Cut a matrix by rows (partial sums are added digitally) and columns into pieces a core can hold."""
    return [
        Block(matrix.name, replica, rows, columns)
        for columns in cut_range(matrix.columns, core_columns)
        for rows in cut_range(matrix.rows, core_rows)
    ]


def strips(blocks: Sequence[Block]) -> list[tuple[tuple[int, int], list[Block]]]:
    """Ranges of columns with the blocks that hold them; a block cut unevenly may take part in several."""
    begin: defaultdict[int, list[int]] = defaultdict(list)
    end: defaultdict[int, list[int]] = defaultdict(list)
    for i, block in enumerate(blocks):
        begin[block.columns[0]].append(i)
        end[block.columns[1]].append(i)
    result: list[tuple[tuple[int, int], list[Block]]] = []
    held: set[int] = set()
    for low, high in pairwise(sorted({*begin, *end})):
        held = (held | set(begin[low])) - set(end[low])
        if held:  # every edge changes what is held, so no two strips beside each other are alike
            result.append(((low, high), [blocks[i] for i in sorted(held)]))
    return result


@dataclass(frozen=True)
class Origin:
    """What blocks come from, for refusals: a file, and where in it each of them stands as far as that is known."""

    file: object = ""
    places: MappingType[Block, str] = field(default_factory=dict)

    def of(self, what: str, block: Block | None = None) -> str:
        """What a refusal is about, with file and place before it."""
        place = self.file if block is None else self.places.get(block, self.file)
        return f"{place}: {what}" if place else what


_MADE = Origin()  # by a strategy


def check_blocks(
    blocks: Iterable[Block],
    graph: OpGraph,
    chip: Chip,
    *,
    aliases: MappingType[str, str] | None = None,
    origin: Origin = _MADE,
) -> None:
    """Check a mapping.

    Parameters
    ----------
    aliases : matrix -> other matrix whose cells it uses too
    origin : of the blocks, for refusals

    Raises
    ------
    MappingError
        a region outside the array or the weight, two regions that overlap, a weight that is missing or placed
        twice in one replica, each by name
    """
    blocks = list(blocks)
    check_fixed(blocks, graph, chip, origin=origin)
    placed: defaultdict[str, defaultdict[int, int]] = defaultdict(lambda: defaultdict(int))
    for block in blocks:
        placed[block.matrix][block.replica] += block.n_cells
    for matrix in graph.matrices:
        if matrix.name in (aliases or {}):
            continue
        if matrix.name not in placed:
            raise MappingError(origin.of(graph.called(matrix.name)), got="not placed", allowed=_ONCE)
        for replica, n_cells in placed[matrix.name].items():
            if n_cells != matrix.n_weights:
                got = f"{n_cells} of {matrix.n_weights} weights placed in replica {replica}"
                raise MappingError(origin.of(graph.called(matrix.name)), got=got, allowed=_ONCE)


def check_fixed(blocks: Iterable[Block], graph: OpGraph, chip: Chip, *, origin: Origin = _MADE) -> None:
    """Check what is placed so far: inside core and weight, no cell used twice, no weight twice in a replica.

    Parameters
    ----------
    origin : of the blocks, for refusals

    Raises
    ------
    MappingError
        by name
    """
    matrices = {matrix.name: matrix for matrix in graph.matrices}
    by_core: defaultdict[int, list[Block]] = defaultdict(list)
    by_replica: defaultdict[tuple[str, int], list[Block]] = defaultdict(list)
    for block in blocks:
        _check_inside(block, matrices, (graph, chip), origin)
        by_core[block.core].append(block)
        by_replica[block.matrix, block.replica].append(block)
    for core, here in by_core.items():
        found = _overlap([block.on_core for block in here])
        if found is not None:
            one, other = (here[i] for i in found)
            got = f"{describe(one, graph)} overlaps {describe(other, graph)}"
            raise MappingError(origin.of(f"core {core}", other), got=got, allowed="disjoint regions")
    for (matrix, _), pieces in by_replica.items():
        found = _overlap([(piece.rows, piece.columns) for piece in pieces])
        if found is not None:
            one, other = (pieces[i] for i in found)
            got = f"{describe(one, graph)} and {describe(other, graph)} hold the same weights"
            raise MappingError(origin.of(graph.called(matrix), other), got=got, allowed=_ONCE)


def describe(block: Block, graph: OpGraph) -> str:
    """Block in words."""
    return (
        f"{graph.called(block.matrix)} (replica {block.replica}) rows {block.rows[0]}:{block.rows[1]} "
        f"columns {block.columns[0]}:{block.columns[1]}"
    )


def _check_inside(block: Block, matrices: dict[str, Matrix], target: tuple[OpGraph, Chip], origin: Origin) -> None:
    graph, chip = target
    matrix, where = matrices.get(block.matrix), origin.of(describe(block, graph), block)
    if matrix is None:
        where = origin.of(block.matrix, block)
        raise MappingError(where, got="no such matrix in the workload", allowed=", ".join(map(graph.called, matrices)))
    if not 0 <= block.core < chip.n_cores:
        raise MappingError(where, got=f"core {block.core}", allowed=f"0 to {chip.n_cores - 1}")
    for what, (low, high), size in (
        ("weight rows", block.rows, matrix.rows),
        ("weight columns", block.columns, matrix.columns),
        ("core rows", block.on_core[0], chip.core.rows.n),
        ("core columns", block.on_core[1], chip.core.weight_columns),
    ):
        if not 0 <= low < high <= size:
            raise MappingError(where, got=f"{what} {low}:{high}", allowed=f"within 0:{size}")


def _overlap(rectangles: Sequence[Rectangle]) -> tuple[int, int] | None:
    """Indices of two rectangles that overlap, the lower one first; None if there are no such two.

    A line sweeps down the rows and keeps the rectangles that it cuts, sorted by columns: as long as none overlap, a
    new one can only overlap its neighbours.
    """
    turns = [(rows[0], 1, i) for i, (rows, _) in enumerate(rectangles)]
    turns += [(rows[1], 0, i) for i, (rows, _) in enumerate(rectangles)]  # ends come before starts in a row
    cut: list[tuple[int, int, int]] = []  # first column, end, index
    for _, starts, i in sorted(turns):
        columns = (*rectangles[i][1], i)
        at = bisect_left(cut, columns)
        if not starts:
            del cut[at]
            continue
        for first, end, other in cut[max(0, at - 1) : at + 1]:
            if first < columns[1] and columns[0] < end:
                return min(i, other), max(i, other)
        insort(cut, columns)
    return None
