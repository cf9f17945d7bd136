"""Placement files of our own: some blocks fixed, the rest left to a strategy; and the same format written whole."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from io import StringIO
from typing import TYPE_CHECKING

from ruamel.yaml import YAML

from hermes_sim.arch.validation import validate
from hermes_sim.errors import MappingError, nearest
from hermes_sim.files import read_yaml, written_whole
from hermes_sim.mapping.blocks import Block, Rectangle, check_fixed, cut_range, describe
from hermes_sim.mapping.schema import PinnedBlock, PlacementFile
from hermes_sim.mapping.strategies import (
    Copies,
    Layout,
    analog_operators,
    core_order,
    one_copy_per_matrix,
    one_copy_per_operator,
    too_many_cores,
)

if TYPE_CHECKING:
    from pathlib import Path

    from hermes_sim.arch.schema import Chip
    from hermes_sim.mapping.placement import Mapping
    from hermes_sim.workload.graph import OpGraph


def read_pins(path: Path) -> PlacementFile:
    """Placement file of our own.

    Raises
    ------
    MappingError
        naming file, line and field
    """
    return validate(PlacementFile, read_yaml(path, error=MappingError), MappingError)


def lay_out_pinned(path: Path, pins: PlacementFile, graph: OpGraph, chip: Chip) -> Layout:
    """Pinned blocks where they are fixed, every other weight where the file's strategy puts it.

    Raises
    ------
    MappingError
        a pin for a matrix, core, or operator that is not there, or for cells that are taken
    MappingInfeasible
        no room for the rest
    """
    copies = _copies(path, pins, graph)
    fixed: list[Block] = []
    for pin in pins.blocks:
        block = _pinned(path, pin, graph, chip)
        check_fixed([block], graph, chip)
        fixed.append(_find_place(block, fixed, chip, (block.core,)) if pin.at is None else block)
        check_fixed(fixed, graph, chip)
    blocks = list(fixed)
    wanted = {(graph.operator(op).matrix or "", r) for op, replicas in copies.items() for r in replicas}
    for name, replica in sorted(wanted):
        if name in pins.aliases:
            continue
        matrix = graph.matrix(name)
        rest: list[Rectangle] = [((0, matrix.rows), (0, matrix.columns))]
        for block in fixed:
            if (block.matrix, block.replica) == (name, replica):
                rest = [piece for one in rest for piece in subtract(one, (block.rows, block.columns))]
        for rows, columns in rest:
            for piece_rows in cut_range(rows[1] - rows[0], chip.core.rows.n):
                for piece_columns in cut_range(columns[1] - columns[0], chip.core.columns.n):
                    piece = Block(
                        name,
                        replica,
                        (rows[0] + piece_rows[0], rows[0] + piece_rows[1]),
                        (columns[0] + piece_columns[0], columns[0] + piece_columns[1]),
                    )
                    blocks.append(_place_rest(piece, blocks, graph, chip, packed=pins.strategy == "packed"))
    return Layout(blocks, copies, aliases=pins.aliases)


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
        "kind": "placement",
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
        "units": {op: unit for op, unit in mapping.units.items() if unit != "host memory"},
        "aliases": dict(mapping.aliases),
    }
    yaml = YAML()
    yaml.default_flow_style = None
    yaml.width = 120
    text = StringIO()
    yaml.dump(document, text)
    with written_whole(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")


def _copies(path: Path, pins: PlacementFile, graph: OpGraph) -> Copies:
    """Replicas by operator: as the file says, else all pinned ones of the matrix in turn, else by the strategy."""
    analog = {op.name: op for op in analog_operators(graph)}
    for name in pins.replicas:
        if name not in analog:
            hint = nearest(name, analog)
            raise MappingError(f"{path}: replicas", got=f"no operator {name!r}", allowed=", ".join(analog), hint=hint)
    held: defaultdict[str, set[int]] = defaultdict(set)
    for pin in pins.blocks:
        held[pin.matrix].add(pin.replica)
    shared = pins.strategy in {"packed", "none", "balanced"}
    default = one_copy_per_matrix(graph) if shared else one_copy_per_operator(graph)
    copies = {}
    for name, op in analog.items():
        if name in pins.replicas:
            copies[name] = tuple(pins.replicas[name])
        else:
            copies[name] = tuple(sorted(held[op.matrix or ""])) or default[name]
    return copies


def _pinned(path: Path, pin: PinnedBlock, graph: OpGraph, chip: Chip) -> Block:
    names = [matrix.name for matrix in graph.matrices]
    if pin.matrix not in names:
        raise MappingError(
            f"{path}: blocks",
            got=f"no matrix {pin.matrix!r}",
            allowed=", ".join(names),
            hint=nearest(pin.matrix, names),
        )
    matrix = graph.matrix(pin.matrix)
    core = pin.core
    if pin.cluster is not None:
        if core >= chip.cores.per_cluster.n:
            raise MappingError(
                f"{path}: {pin.matrix}",
                got=f"core {core} of cluster {pin.cluster}",
                allowed=f"0 to {chip.cores.per_cluster.n - 1}",
            )
        core += pin.cluster * chip.cores.per_cluster.n
    rows, columns = pin.rows or [0, matrix.rows], pin.columns or [0, matrix.columns]
    at = pin.at or [0, 0]
    return Block(pin.matrix, pin.replica, (rows[0], rows[1]), (columns[0], columns[1]), core, at[0], at[1])


def _place_rest(block: Block, placed: list[Block], graph: OpGraph, chip: Chip, *, packed: bool) -> Block:
    used = {one.core for one in placed}
    order = core_order(chip)
    cores = sorted(used) + [c for c in order if c not in used] if packed else [c for c in order if c not in used]
    found = _find_place(block, placed, chip, tuple(cores), needed=False)
    if found.core < 0 and not packed:  # no empty core left: share one
        found = _find_place(block, placed, chip, tuple(sorted(used)), needed=False)
    if found.core < 0:
        raise too_many_cores(f"{graph.name}: {describe(block)}", chip.n_cores + 1, chip)
    return found


def _find_place(block: Block, placed: list[Block], chip: Chip, cores: tuple[int, ...], *, needed: bool = True) -> Block:
    """First free corner among the corners that the blocks of a core make.

    Raises
    ------
    MappingError
        if `needed` and there is no room
    """
    for core in cores:
        here = [one for one in placed if one.core == core]
        rows = sorted({0, *(one.core_row + one.n_rows for one in here)})
        columns = sorted({0, *(one.core_column + one.n_columns for one in here)})
        for row in rows:
            for column in columns:
                inside = row + block.n_rows <= chip.core.rows.n and column + block.n_columns <= chip.core.columns.n
                tried = replace(block, core=core, core_row=row, core_column=column)
                if inside and not any(tried.overlaps(one) for one in here):
                    return tried
    if needed:
        raise MappingError(f"core {cores[0]}", got=f"no room for {describe(block)}", allowed="a pin that fits")
    return block
