"""Records of a mapping: what was placed where, and by which strategy."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from hermes_sim.workload.digital import keep_digital

if TYPE_CHECKING:
    from collections.abc import Mapping as MappingType

    from hermes_sim.chip.places import Place
    from hermes_sim.workload.graph import OpGraph

FILE_SUFFIXES = (".json", ".yaml", ".yml")
FILE_WORDS = "a mapping file (.json as published, .yaml of our own)"


class Strategy(StrEnum):
    """How to place blocks.

    packed: on the fewest cores. spread: one block per core, a replica of the weights per operator. balanced: like
    spread, with replicas of the busiest stages on free cores. local: like spread, placed for short ways.
    """

    PACKED = "packed"
    SPREAD = "spread"
    BALANCED = "balanced"
    LOCAL = "local"


Rectangle = tuple[tuple[int, int], tuple[int, int]]  # rows, columns; half open


@dataclass(frozen=True, order=True)
class Block:
    """A rectangle of a weight matrix and where it lies; all ranges are half open.

    Parameters
    ----------
    matrix, replica : which replica of which matrix
    rows, columns : part of the weight matrix (rows are inputs)
    core, core_row, core_column : core index and upper left corner on its crossbar
    """

    matrix: str
    replica: int
    rows: tuple[int, int]
    columns: tuple[int, int]
    core: int = -1
    core_row: int = 0
    core_column: int = 0

    @property
    def n_rows(self) -> int:
        """Crossbar rows in use."""
        return self.rows[1] - self.rows[0]

    @property
    def n_columns(self) -> int:
        """Crossbar columns in use."""
        return self.columns[1] - self.columns[0]

    @property
    def n_cells(self) -> int:
        """Unit cells in use."""
        return self.n_rows * self.n_columns

    @property
    def on_core(self) -> Rectangle:
        """Rows and columns of the crossbar in use."""
        return (
            (self.core_row, self.core_row + self.n_rows),
            (self.core_column, self.core_column + self.n_columns),
        )

    def overlaps(self, other: Block) -> bool:
        """Whether both use a cell of one core."""
        (rows, columns), (other_rows, other_columns) = self.on_core, other.on_core
        return self.core == other.core and _meet(rows, other_rows) and _meet(columns, other_columns)


def _meet(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


@dataclass(frozen=True)
class Mapping:
    """Where everything runs.

    Parameters
    ----------
    strategy : name of the strategy or file that made it
    blocks : placed pieces of all weight matrices
    replicas : operator -> replicas of its matrix it uses in turn, token by token
    units : operator -> digital unit, or `HOST_MEMORY`
    aliases : matrix -> other matrix whose cells it uses too, where a mapping file says that two share weights
    note : why the strategy stopped where it did
    digital : static products of the workload that a mapping file puts on digital units instead of crossbars
    """

    strategy: str
    blocks: tuple[Block, ...]
    replicas: MappingType[str, tuple[int, ...]]
    units: MappingType[str, Place]
    aliases: MappingType[str, str] = field(default_factory=dict)
    note: str = ""
    digital: frozenset[str] = frozenset()

    def mapped(self, graph: OpGraph) -> OpGraph:
        """The workload's graph as it is mapped: with the products on digital units that this mapping puts there."""
        return keep_digital(graph, self.digital) if self.digital else graph

    def called(self, graph: OpGraph) -> Mapping:
        """The same for people and files: matrices have the names that `OpGraph.called` gives them."""
        return replace(
            self,
            blocks=tuple(replace(block, matrix=graph.called(block.matrix)) for block in self.blocks),
            aliases={graph.called(one): graph.called(other) for one, other in self.aliases.items()},
        )

    @cached_property
    def _by_replica(self) -> dict[tuple[str, int], list[Block]]:
        result: dict[tuple[str, int], list[Block]] = {}
        for block in sorted(self.blocks):
            result.setdefault((block.matrix, block.replica), []).append(block)
        return result

    def blocks_of(self, matrix: str, replica: int) -> list[Block]:
        """Pieces of one replica of one matrix, in order."""
        return list(self._by_replica.get((self.aliases.get(matrix, matrix), replica), ()))

    @property
    def cores_used(self) -> int:
        """Number of cores that hold weights."""
        return len({block.core for block in self.blocks})


DEFAULT_MAPPING = str(Strategy.BALANCED)


def uses_seed(strategy: str) -> bool:
    """Whether the seed may change what a strategy, or a mapping file with a strategy for the rest, gives."""
    return strategy in {Strategy.BALANCED, Strategy.LOCAL} or Path(strategy).suffix in {".yaml", ".yml"}
