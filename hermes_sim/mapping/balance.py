"""The strategy `balanced`: replicas of the busiest stages on free cores, until cores or reasons run out."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, NamedTuple

from hermes_sim.mapping.blocks import cut_matrix
from hermes_sim.mapping.strategies import (
    Layout,
    Replicas,
    analog_operators,
    core_order,
    lay_out_apart,
    one_replica_per_matrix,
    one_replica_per_operator,
    replica_times_ps,
)
from hermes_sim.mapping.units import unit_loads_ps
from hermes_sim.workload.graph import Pattern

if TYPE_CHECKING:
    from collections.abc import Mapping as MappingType

    from hermes_sim.chip.places import Place
    from hermes_sim.chip.schema import Chip
    from hermes_sim.mapping.mapping import Block
    from hermes_sim.workload.graph import Operator, OpGraph

_DIGITAL = "stopped: a digital unit is busier than any core"
_FULL = "stopped: no free cores for another replica of the busiest stage"
_SERIAL = "stopped: the busiest stage has too few tokens for more replicas, or needs each result for its next token"


def lay_out_balanced(graph: OpGraph, chip: Chip, units: MappingType[str, Place], base: Layout | None = None) -> Layout:
    """Give the busiest core's operators replicas of their own, then more, until cores or reasons run out.

    A replica takes every R-th token. Operators in a feedback loop are not replicated: each of their tokens needs
    the one before. It starts from `base` or, without one, from a replica per operator and from one per matrix; the
    layout counts whose busiest core has the least to do, unless a digital unit has more.
    """
    digital_ps = max(unit_loads_ps(graph, chip, units).values(), default=0)
    if base is not None:
        return _grown(graph, chip, base, digital_ps)[1]
    per_matrix, per_operator = one_replica_per_matrix(graph), one_replica_per_operator(graph)
    starts = [lay_out_apart(graph, chip, per_operator, per_matrix)]
    if per_operator != per_matrix:
        starts.append(lay_out_apart(graph, chip, per_matrix))
    ends = [_grown(graph, chip, start, digital_ps) for start in starts]
    return min(ends, key=lambda end: max(end[0], digital_ps))[1]  # of equals the first


def _grown(graph: OpGraph, chip: Chip, start: Layout, digital_ps: int) -> tuple[int, Layout]:
    """Load of the busiest core, in ps, of the best layout on the way from `start`, and that layout."""
    balance = _Balance(graph, chip, start)
    best_ps, best = balance.peak()[0], 0
    while True:
        peak_ps, busiest = balance.peak()
        if peak_ps < best_ps:
            best_ps, best = peak_ps, balance.steps
        if peak_ps <= digital_ps:
            note = _DIGITAL
            break
        note = balance.relieve(busiest)
        if note:
            break
    said = f"{start.note}; {note}" if start.note else note
    return best_ps, replace(balance.layout_after(best), note=said)


def recurrent_operators(graph: OpGraph) -> set[str]:
    """Operators at the ends of feedback edges."""
    return {name for edge in graph.edges if edge.pattern is Pattern.PREVIOUS for name in (edge.source, edge.target)}


class _Step(NamedTuple):
    """What to take back: the replicas an operator had, and how many blocks there were."""

    operator: str
    replicas: tuple[int, ...]
    n_blocks: int


class _Balance:
    """A layout that grows, with the load of every core kept up to date."""

    def __init__(self, graph: OpGraph, chip: Chip, base: Layout) -> None:
        self._graph, self._chip, self._base = graph, chip, base
        self._replicas: Replicas = dict(base.replicas)
        self._blocks = list(base.blocks)
        self._by_replica: defaultdict[tuple[str, int], list[Block]] = defaultdict(list)
        self._on_core: defaultdict[int, set[tuple[str, int]]] = defaultdict(set)
        self._next: defaultdict[str, int] = defaultdict(int)  # number of the next replica of a matrix
        self._register(sorted(base.blocks))
        self._free = [core for core in core_order(chip) if core not in self._on_core]
        self._recurrent = recurrent_operators(graph)
        self._senders = {edge.source for edge in graph.edges}
        self._users: defaultdict[str, list[Operator]] = defaultdict(list)
        self._read_ps: defaultdict[int, int] = defaultdict(int)
        self._ldpu_ps: defaultdict[int, int] = defaultdict(int)
        for op in analog_operators(graph):
            self._users[base.held_as(op)].append(op)
            self._count(op, 1)
        self._heap = [(-self._load_ps(core), core) for core in self._read_ps]
        heapify(self._heap)
        self._log: list[_Step] = []

    @property
    def steps(self) -> int:
        """Operators that got more replicas so far."""
        return len(self._log)

    def peak(self) -> tuple[int, int]:
        """Load in ps, and number, of the busiest core; of equal ones the first."""
        while self._heap and -self._heap[0][0] != self._load_ps(self._heap[0][1]):
            heappop(self._heap)
        return (-self._heap[0][0], self._heap[0][1]) if self._heap else (0, -1)

    def relieve(self, core: int) -> str:
        """Give one operator of a core more replicas; why that cannot be, if it cannot."""
        here, reason = self._on_core[core], _SERIAL
        candidates = {
            op.name: op
            for matrix, replica in here
            for op in self._users[matrix]
            if replica in self._replicas[op.name] and op.name not in self._recurrent
        }
        for op in sorted(candidates.values(), key=lambda op: (-op.tokens // len(self._replicas[op.name]), op.name)):
            mine = self._replicas[op.name]
            alone = self._is_alone(op)
            if alone and len(mine) * 2 > op.tokens:
                continue
            blocks = self._cut(op, len(mine))
            if len(blocks) <= len(self._free):
                self._grow(op, blocks, keep=mine if alone else ())
                return ""
            reason = _FULL
        return reason

    def layout_after(self, steps: int) -> Layout:
        """Layout as it was after so many steps."""
        replicas, n_blocks = dict(self._replicas), len(self._blocks)
        for step in reversed(self._log[steps:]):
            replicas[step.operator], n_blocks = step.replicas, step.n_blocks
        return replace(self._base, blocks=self._blocks[:n_blocks], replicas=replicas)

    def _is_alone(self, op: Operator) -> bool:
        """Whether no other operator uses a replica that it uses."""
        mine = set(self._replicas[op.name])
        others = self._users[self._base.held_as(op)]
        return not any(other is not op and mine & set(self._replicas[other.name]) for other in others)

    def _cut(self, op: Operator, n_new: int) -> list[Block]:
        """Blocks of so many new replicas."""
        name = self._base.held_as(op)
        rows, columns = self._chip.core.rows.n, self._chip.core.weight_columns
        return [
            block
            for replica in range(self._next[name], self._next[name] + n_new)
            for block in cut_matrix(self._graph.matrix(name), core_rows=rows, core_columns=columns, replica=replica)
        ]

    def _grow(self, op: Operator, blocks: list[Block], *, keep: tuple[int, ...]) -> None:
        """Place new replicas of an operator's matrix on free cores; `keep` are old ones that it goes on using."""
        self._log.append(_Step(op.name, self._replicas[op.name], len(self._blocks)))
        touched = self._count(op, -1)
        placed = [replace(block, core=core) for block, core in zip(blocks, self._free, strict=False)]
        del self._free[: len(blocks)]
        self._blocks += placed
        self._register(placed)
        self._replicas[op.name] = (*keep, *dict.fromkeys(block.replica for block in placed))
        for core in touched | self._count(op, 1):
            heappush(self._heap, (-self._load_ps(core), core))

    def _register(self, blocks: list[Block]) -> None:
        for block in blocks:
            self._by_replica[block.matrix, block.replica].append(block)
            self._on_core[block.core].add((block.matrix, block.replica))
            self._next[block.matrix] = max(self._next[block.matrix], block.replica + 1)

    def _count(self, op: Operator, sign: int) -> set[int]:
        """Add (1) or take away (-1) an operator's load on its cores, and return them."""
        replicas, name = self._replicas[op.name], self._base.held_as(op)
        tokens = sign * -(-op.tokens // len(replicas))
        touched = set()
        for replica in replicas:
            blocks = self._by_replica[name, replica]
            for core, read_ps, ldpu_ps in replica_times_ps(self._chip, blocks, sends=op.name in self._senders):
                self._read_ps[core] += tokens * read_ps
                self._ldpu_ps[core] += tokens * ldpu_ps
                touched.add(core)
        return touched

    def _load_ps(self, core: int) -> int:
        return max(self._read_ps[core], self._ldpu_ps[core])
