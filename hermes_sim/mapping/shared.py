"""Blocks that share a read: one read drives the rows of a core and converts all columns of the blocks that want it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from hermes_sim.chip.core import SharedReads
from hermes_sim.workload.graph import Pattern

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hermes_sim.chip.schema import Chip
    from hermes_sim.mapping.mapping import Block, Mapping
    from hermes_sim.workload.graph import Edge, Operator, OpGraph

_BY_TOKEN = {Pattern.EACH, Pattern.PREVIOUS}


class Member(NamedTuple):
    """A block that is read for an operator, which takes turn r of R replicas of its matrix."""

    operator: str
    block: Block
    turn: int
    n_replicas: int


@dataclass(frozen=True)
class ReadGroup:
    """Members of one read, the first of which gives it its name.

    Parameters
    ----------
    tokens : per inference, of every member's operator
    """

    members: tuple[Member, ...]
    tokens: int

    @property
    def first(self) -> Member:
        """The member that the read is named for."""
        return self.members[0]

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """Blocks whose columns are converted, each once."""
        return tuple(dict.fromkeys(member.block for member in self.members))

    @property
    def size(self) -> tuple[int, int, int]:
        """Rows that are driven, columns of weights that are converted, weights at their crossings."""
        rows = {(block.core_row, block.n_rows) for block in self.blocks}
        columns = sum(block.n_columns for block in self.blocks)
        return sum(n for _, n in rows), columns, sum(block.n_cells for block in self.blocks)

    @property
    def reads_per_inference(self) -> float:
        """How often an inference reads it, on average over many."""
        return self.tokens / self.first.n_replicas


def read_groups(graph: OpGraph, mapping: Mapping, chip: Chip) -> tuple[ReadGroup, ...]:
    """All reads of a mapping, as `core.shared_reads` of the chip has them.

    With `same_input` blocks share a read that lie on the same rows of a core and take the same values of the same
    vector, token by token and in the same turn; so do blocks of one operator, whatever it takes. With `block_diagonal`
    reads on other rows and other columns of the core join them, if they come as often and neither of their operators
    waits for the other.
    """
    graph, how = mapping.mapped(graph), chip.core.shared_reads
    operators = [op for op in graph.operators if op.on_crossbar]
    into: defaultdict[str, list[Edge]] = defaultdict(list)
    for edge in graph.edges:
        into[edge.target].append(edge)
    found: defaultdict[tuple[object, ...], list[Member]] = defaultdict(list)
    tokens: dict[str, int] = {}
    for op in operators:
        tokens[op.name] = op.tokens
        vector = _vector(op, into[op.name])
        for member in _members(op, mapping):
            block = member.block
            alone = (member,) if how is SharedReads.NONE else ()
            at = (block.core, block.core_row, block.rows, member.turn, member.n_replicas, op.tokens)
            found[*at, vector, *alone].append(member)
    groups = [ReadGroup(tuple(members), tokens[members[0].operator]) for members in found.values()]
    return tuple(_joined(groups, graph) if how is SharedReads.BLOCK_DIAGONAL else groups)


def _members(op: Operator, mapping: Mapping) -> Iterator[Member]:
    replicas = mapping.replicas[op.name]
    for turn, replica in enumerate(replicas):
        for block in mapping.blocks_of(op.matrix or "", replica):
            yield Member(op.name, block, turn, len(replicas))


def _vector(op: Operator, into: Sequence[Edge]) -> object:
    """What an operator takes in, equal for operators that take the same values; its own name where none can."""
    if not into or any(edge.pattern not in _BY_TOKEN for edge in into):
        return op.name
    return frozenset((edge.source, edge.start, edge.stop, edge.pattern, edge.into) for edge in into)


def _joined(groups: Sequence[ReadGroup], graph: OpGraph) -> list[ReadGroup]:
    """Reads of one core on rows and columns of their own, joined where none of their operators waits for another."""
    after: defaultdict[str, set[str]] = defaultdict(set)
    for edge in graph.edges:
        after[edge.source].add(edge.target)
    reached = {name: _reached(after, name) for group in groups for name in {m.operator for m in group.members}}
    result: list[ReadGroup] = []
    for group in groups:
        for i, other in enumerate(result):
            if _may_join(other, group, reached):
                result[i] = ReadGroup((*other.members, *group.members), other.tokens)
                break
        else:
            result.append(group)
    return result


def _may_join(one: ReadGroup, other: ReadGroup, reached: dict[str, set[str]]) -> bool:
    mine, theirs = one.first, other.first
    if (mine.block.core, one.tokens, mine.turn, mine.n_replicas) != (
        theirs.block.core, other.tokens, theirs.turn, theirs.n_replicas,
    ):  # fmt: skip
        return False
    for a in one.members:
        for b in other.members:
            waits = b.operator in reached[a.operator] or a.operator in reached[b.operator]
            if waits or any(_meet(x, y) for x, y in zip(a.block.on_core, b.block.on_core, strict=True)):
                return False
    return True


def _meet(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _reached(after: defaultdict[str, set[str]], start: str) -> set[str]:
    """Operators that wait for one, directly or through others."""
    found: set[str] = set()
    open_ends = [start]
    while open_ends:
        new = after[open_ends.pop()] - found
        found |= new
        open_ends += new
    return found
