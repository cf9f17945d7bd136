"""Mapping files of our own: some blocks fixed, the rest left to a strategy; and the same format written whole."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from io import StringIO
from itertools import chain
from typing import TYPE_CHECKING

from ruamel.yaml import YAML

from hermes_sim.config.files import read_yaml, written_whole
from hermes_sim.config.validate import validate
from hermes_sim.errors import MappingError, listed
from hermes_sim.mapping.blocks import Origin, check_fixed, cut_range, describe
from hermes_sim.mapping.mapping import FILE_WORDS, Block, Rectangle
from hermes_sim.mapping.schema import MappingFile, PinnedBlock
from hermes_sim.mapping.strategies import (
    Layout,
    Replicas,
    analog_operators,
    check_cells,
    core_order,
    one_replica_per_matrix,
    one_replica_per_operator,
    replicas_of,
    too_many_cores,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from hermes_sim.chip.schema import Chip
    from hermes_sim.config.files import YamlDocument
    from hermes_sim.mapping.mapping import Mapping
    from hermes_sim.mapping.names import Names
    from hermes_sim.workload.graph import Matrix, OpGraph


def read_pins(path: Path) -> tuple[MappingFile, YamlDocument]:
    """Mapping file of our own, and the same as text with the places of its fields.

    Raises
    ------
    MappingError
        naming file, line and field
    """
    document = read_yaml(path, error=MappingError, allowed=FILE_WORDS)
    return validate(MappingFile, document, MappingError), document


def lay_out_pinned(pins: MappingFile, names: Names, graph: OpGraph, chip: Chip) -> Layout:
    """Pinned blocks where they are fixed, every other weight where the file's strategy puts it.

    Parameters
    ----------
    names : of that graph, and the places of the file's fields
    graph : without the products that the file keeps off the crossbars

    Raises
    ------
    MappingError
        a pin for a matrix, core, or operator that is not there, or for cells that are taken; weights in no block
        of a file that leaves none to a strategy
    MappingInfeasible
        no room for the rest
    """
    aliases = _aliases(pins, names, graph)
    replicas = _replicas(pins, names, graph)
    check_cells(graph, chip, replicas, aliases=aliases)
    board = _Board(graph, chip)
    fixed = _put_pinned(pins, names, graph, board)
    rest = [
        block
        for matrix, numbers in sorted(replicas_of(graph, replicas), key=lambda use: use[0].name)
        for replica in (numbers if matrix.name not in aliases else ())
        for block in _rest(matrix, replica, fixed[matrix.name, replica])
    ]
    if rest and pins.strategy == "none":
        raise MappingError(
            names.place("blocks"),
            got=f"{listed([describe(block, graph) for block in rest], 4)}: not placed",
            allowed="every weight in a block, as `strategy: none` says",
            hint="`strategy: packed`, spread, local or balanced places what no block holds",
        )
    for block in rest:
        for piece in _cut(block, chip):
            board.put_rest(piece, packed=pins.strategy == "packed")
    return Layout(board.blocks, replicas, aliases=aliases)


def _put_pinned(
    pins: MappingFile, names: Names, graph: OpGraph, board: _Board
) -> defaultdict[tuple[str, int], list[Block]]:
    """Lay the blocks of the file where they are fixed; these blocks by matrix and replica."""
    fixed: defaultdict[tuple[str, int], list[Block]] = defaultdict(list)
    places: dict[Block, str] = {}
    for i, pin in enumerate(pins.blocks):
        place = names.place(f"blocks.{i}")
        block = _pinned(f"blocks.{i}", pin, names, graph, board.chip)
        check_fixed([block], graph, board.chip, origin=Origin(place))
        placed = board.put(block) if pin.at is not None else board.put_on(block, (block.core,))
        if placed is None:
            got = f"no room for {describe(block, graph)}"
            raise MappingError(f"{place}: core {block.core}", got=got, allowed="a pin that fits")
        fixed[placed.matrix, placed.replica].append(placed)
        places[placed] = place
    check_fixed(board.blocks, graph, board.chip, origin=Origin(places=places))
    return fixed


def _rest(matrix: Matrix, replica: int, fixed: list[Block]) -> list[Block]:
    """What the fixed blocks of a replica leave."""
    left: list[Rectangle] = [((0, matrix.rows), (0, matrix.columns))]
    for block in fixed:
        left = [piece for one in left for piece in subtract(one, (block.rows, block.columns))]
    return [Block(matrix.name, replica, rows, columns) for rows, columns in left]


def _cut(block: Block, chip: Chip) -> list[Block]:
    """A block as blocks that fit a core."""
    row, column = block.rows[0], block.columns[0]
    return [
        replace(block, rows=(row + rows[0], row + rows[1]), columns=(column + columns[0], column + columns[1]))
        for rows in cut_range(block.n_rows, chip.core.rows.n)
        for columns in cut_range(block.n_columns, chip.core.weight_columns)
    ]


def subtract(whole: Rectangle, hole: Rectangle) -> list[Rectangle]:
    """What a hole leaves of a rectangle, as at most four rectangles."""
    (top, bottom), (left, right) = whole
    row0, row1 = max(top, hole[0][0]), min(bottom, hole[0][1])
    column0, column1 = max(left, hole[1][0]), min(right, hole[1][1])
    if row0 >= row1 or column0 >= column1:
        return [whole]
    pieces = [
        ((top, row0), (left, right)),
        ((row1, bottom), (left, right)),
        ((row0, row1), (left, column0)),
        ((row0, row1), (column1, right)),
    ]
    return [piece for piece in pieces if piece[0][0] < piece[0][1] and piece[1][0] < piece[1][1]]


def write_pins(path: Path, mapping: Mapping) -> None:
    """Write a mapping whole, with replicas and digital units."""
    document = {
        "schema_version": 1,
        "kind": "mapping",
        "strategy": "none",
        "blocks": [
            {
                "matrix": block.matrix,
                "replica": block.replica,
                "core": block.core,
                "rows": list(block.rows),
                "columns": list(block.columns),
                "at": [block.core_row, block.core_column],
            }
            for block in mapping.blocks
        ],
        "replicas": {op: list(replicas) for op, replicas in mapping.replicas.items()},
        "units": {op: str(unit) for op, unit in mapping.units.items() if unit.is_unit},
        "digital": sorted(mapping.digital),
        "aliases": dict(mapping.aliases),
    }
    yaml = YAML()
    yaml.default_flow_style = None
    yaml.width = 120
    text = StringIO()
    yaml.dump(document, text)
    with written_whole(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")


def _aliases(pins: MappingFile, names: Names, graph: OpGraph) -> dict[str, str]:
    """Matrix -> other matrix whose cells it uses, both there and of one shape."""
    aliases = {}
    for name, other in pins.aliases.items():
        field = f"aliases.{name}"
        mine, held_as = names.matrix(name, field), names.matrix(other, field)
        one, two = graph.matrix(mine), graph.matrix(held_as)
        if (one.rows, one.columns) != (two.rows, two.columns) or mine == held_as:
            raise MappingError(
                names.place(field),
                got=f"{other}, {two.rows} x {two.columns}",
                allowed=f"another matrix of {one.rows} x {one.columns}",
            )
        aliases[mine] = held_as
    chained = next((name for name, other in aliases.items() if other in aliases), None)
    if chained is not None:
        other = aliases[chained]
        raise MappingError(names.place(f"aliases.{chained}"), got=f"{other}, an alias too", allowed=aliases[other])
    return aliases


def _replicas(pins: MappingFile, names: Names, graph: OpGraph) -> Replicas:
    """Replicas by operator: as the file says, else all pinned ones of the matrix in turn, else by the strategy."""
    said = {
        op: tuple(numbers)
        for name, numbers in pins.replicas.items()
        for op in names.operators(name, f"replicas.{name}")
    }
    held: defaultdict[str, set[int]] = defaultdict(set)
    for i, pin in enumerate(pins.blocks):
        held[names.matrix(pin.matrix, f"blocks.{i}.matrix")].add(pin.replica)
    shared = pins.strategy in {"packed", "none", "balanced"}
    default = one_replica_per_matrix(graph) if shared else one_replica_per_operator(graph)
    return {
        op.name: said.get(op.name) or tuple(sorted(held[op.matrix or ""])) or default[op.name]
        for op in analog_operators(graph)
    }


def _pinned(field: str, pin: PinnedBlock, names: Names, graph: OpGraph, chip: Chip) -> Block:
    """The block that a pin describes; refuse a cluster or core that the chip does not have."""
    matrix = graph.matrix(names.matrix(pin.matrix, f"{field}.matrix"))
    n_clusters, per_cluster = chip.cores.clusters.n, chip.cores.per_cluster.n
    if pin.cluster is not None and pin.cluster >= n_clusters:
        got, allowed = f"cluster {pin.cluster}", f"0 to {n_clusters - 1}"
        raise MappingError(names.place(f"{field}.cluster"), got=got, allowed=allowed)
    n_cores, of_cluster = (chip.n_cores, "") if pin.cluster is None else (per_cluster, f" of cluster {pin.cluster}")
    if pin.core >= n_cores:
        got, allowed = f"core {pin.core}{of_cluster}", f"0 to {n_cores - 1}"
        raise MappingError(names.place(f"{field}.core"), got=got, allowed=allowed)
    core = pin.core + (pin.cluster or 0) * per_cluster
    rows, columns = pin.rows or [0, matrix.rows], pin.columns or [0, matrix.columns]
    at = pin.at or [0, 0]
    return Block(matrix.name, pin.replica, (rows[0], rows[1]), (columns[0], columns[1]), core, at[0], at[1])


class _Board:
    """What lies where so far."""

    def __init__(self, graph: OpGraph, chip: Chip) -> None:
        self.blocks: list[Block] = []
        self.chip = chip
        self._graph = graph
        self._here: defaultdict[int, list[Block]] = defaultdict(list)
        self._order = core_order(chip)

    def put(self, block: Block) -> Block:
        """Lay a block where it says."""
        self.blocks.append(block)
        self._here[block.core].append(block)
        return block

    def put_on(self, block: Block, cores: Iterable[int]) -> Block | None:
        """Lay a block on the first of several cores with room for it, None if there is none."""
        for core in cores:
            placed = self._fitted(block, core)
            if placed is not None:
                return self.put(placed)
        return None

    def put_rest(self, block: Block, *, packed: bool) -> None:
        """Lay a block on a core in use, or (not packed) on an empty one as long as there are some.

        Raises
        ------
        MappingInfeasible
            if there is no room
        """
        used, empty = sorted(self._here), (core for core in self._order if core not in self._here)
        if self.put_on(block, chain(used, empty) if packed else chain(empty, used)) is None:
            raise too_many_cores(
                f"{self._graph.name}: {describe(block, self._graph)}", self.chip.n_cores + 1, self.chip
            )

    def _fitted(self, block: Block, core: int) -> Block | None:
        """The block at the first free corner among the corners that the blocks of a core make."""
        here, size = self._here.get(core, []), self.chip.core
        for row in sorted({0, *(one.on_core[0][1] for one in here)}):
            for column in sorted({0, *(one.on_core[1][1] for one in here)}):
                inside = row + block.n_rows <= size.rows.n and column + block.n_columns <= size.weight_columns
                tried = replace(block, core=core, core_row=row, core_column=column)
                if inside and not any(tried.overlaps(one) for one in here):
                    return tried
        return None
