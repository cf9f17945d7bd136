"""Which level of its unit's memory holds what of an operator: what moves most per byte held lies nearest.

Every operator on a digital unit keeps its operands (as many vectors as the unit has buffers; half as many, and half of
that, down to two, where otherwise more would cross the off-chip channel), the weights that each of its tokens reads, a
running state that each token reads and writes again, or a whole sequence. What does not fit a level goes to the next
one, and from the last level of an on-chip unit off the chip. Sequences come first, beyond the nearest level. What
another operator on the same unit keeps already (a state that it makes, a sequence, the same weights) is read where it
lies.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from hermes_sim.chip.costs import Content, moved_bytes, number_bytes, off_chip_cost, unit_interval_ps
from hermes_sim.chip.schema import OFF_CHIP_LEVEL
from hermes_sim.errors import MappingInfeasible
from hermes_sim.workload.graph import OpKind, Pattern

if TYPE_CHECKING:
    from collections.abc import Mapping as MappingType

    from hermes_sim.chip.costs import Levels
    from hermes_sim.chip.places import Place
    from hermes_sim.chip.schema import Chip, DigitalUnit
    from hermes_sim.workload.graph import Edge, Operator, OpGraph

_FEWEST = 2  # vectors: one in use, one coming in
_STATES = 2  # a result that counts once per inference is double buffered: one in use, one being made


class Held(NamedTuple):
    """What an operator keeps in its unit: at which level, how much, and the bytes that one token moves there."""

    operator: str
    content: Content
    place: Place
    level: str
    n_bytes: float
    token_bytes: float


class Kept(NamedTuple):
    """Something kept in a unit, by the operator that keeps it."""

    operator: str
    content: Content


class UnitMemories:
    """Contents of the memories of all digital units under a mapping.

    Raises
    ------
    MappingInfeasible
        a host whose memory is too small
    """

    def __init__(self, graph: OpGraph, chip: Chip, units: MappingType[str, Place]) -> None:
        self._graph, self._chip, self._units = graph, chip, units
        self._weights: dict[tuple[Place, str], Kept] = {}
        self._vectors: dict[Place, int] = {}
        wanted: defaultdict[Place, list[Held]] = defaultdict(list)
        self._read_at: dict[str, Kept] = {}
        for op in graph.operators:
            place = units.get(op.name)
            if place is not None and place.is_unit:
                wanted[place] += self._wanted(op, place)
        self.held = tuple(held for place, items in wanted.items() for held in self._fill(place, items))
        self._level = {Kept(held.operator, held.content): held.level for held in self.held}

    def levels(self, op: Operator) -> Levels:
        """Where everything lies that an operator's tokens move."""
        found = {content: self._level.get(Kept(op.name, content), "") for content in moved_bytes(self._chip, op)}
        if op.name in self._read_at:
            found[Content.WEIGHTS] = self._level[self._read_at[op.name]]
        return found

    def vectors(self, op: Operator) -> int:
        """Input vectors that wait at an operator, and results that wait to leave."""
        return self._vectors[self._units[op.name]]

    def token_block(self, op: Operator) -> int:
        """Tokens that share one reading of an operator's weights or state: whole blocks of an inference.

        One for what cannot collect tokens first, and for what reads none beyond the nearest level, unless that limits.
        """
        unit = self._chip.digital_units[self._units[op.name].kind]
        # one block is collected while one is in use, and every other branch holds the tokens of two meanwhile
        most = min(unit.token_block.n, max(1, min(self._vectors.values()) // 2))
        return _token_block(self._graph, self._chip, op, self._units[op.name].kind, self.levels(op), most)

    def _wanted(self, op: Operator, place: Place) -> list[Held]:
        """What an operator has to keep itself; what it reads from another operator's memory is noted."""
        sizes = kept_bytes(self._graph, self._chip, op, place.kind)
        keeper = self._keeper(op, place) if op.weight_values else None
        if keeper is not None:
            self._read_at[op.name] = keeper
            del sizes[Content.WEIGHTS]
        moved = moved_bytes(self._chip, op)
        return [Held(op.name, content, place, "", size, moved[content]) for content, size in sizes.items()]

    def _keeper(self, op: Operator, place: Place) -> Kept | None:
        """What another operator on the same unit keeps that this one reads with every token."""
        for edge in self._graph.into[op.name]:
            if _is_read_by_every_token(op, edge) and self._units.get(edge.source) == place:
                source = self._graph.operator(edge.source)
                if source.kind is OpKind.MEMORY or source.state_values:
                    return Kept(source.name, Content.SEQUENCE if source.kind is OpKind.MEMORY else Content.STATE)
        if op.kind is OpKind.STATIC_MATMUL and op.use:
            own = Kept(op.name, Content.WEIGHTS)
            first = self._weights.setdefault((place, op.use), own)
            return None if first == own else first
        return None

    def _fill(self, place: Place, wanted: list[Held]) -> list[Held]:
        """All that a unit holds, with as many vectors as leave least to move over the off-chip channel."""
        unit = self._chip.digital_units[place.kind]
        vectors, found = unit.buffers.n, self._place_all(place, wanted, 1.0)
        fewer, least = vectors, self._crossing(found, unit, vectors)
        while fewer > _FEWEST and least:
            fewer = max(_FEWEST, fewer // 2)
            other = self._place_all(place, wanted, fewer / unit.buffers.n)
            if (crossing := self._crossing(other, unit, fewer)) < least:
                vectors, found, least = fewer, other, crossing
        self._vectors[place] = vectors
        for held in found:
            if unit.place == "host" and held.level == OFF_CHIP_LEVEL:
                raise _too_small(place, held, max(level.capacity.n_bytes for level in unit.memory.values()))
        return found

    def _place_all(self, place: Place, wanted: list[Held], share: float) -> list[Held]:
        """Sequences, then what moves most per byte held; equals in the order of the graph.

        Parameters
        ----------
        share : of the vectors of operands
        """
        unit = self._chip.digital_units[place.kind]
        free = {name: level.capacity.n_bytes for name, level in unit.memory.items()}
        found = []
        for item in sorted(wanted, key=self._rank):
            size = item.n_bytes * (share if item.content is Content.OPERANDS else 1)
            names = sequence_levels(unit) if item.content is Content.SEQUENCE else list(free)
            level = next((name for name in names if free[name] >= size), OFF_CHIP_LEVEL)
            if level != OFF_CHIP_LEVEL:
                free[level] -= size
            found.append(item._replace(level=level, n_bytes=size))
        return found

    def _crossing(self, found: list[Held], unit: DigitalUnit, vectors: int) -> float:
        """Bytes per inference of what lies off the chip; fewer vectors make room, and blocks shorter."""
        most, total = min(unit.token_block.n, max(1, vectors // 2)), 0.0
        for item in found:
            if item.level == OFF_CHIP_LEVEL:
                op, levels = self._graph.operator(item.operator), {item.content: item.level}
                block = _token_block(self._graph, self._chip, op, item.place.kind, levels, most)
                total += op.tokens / block * item.token_bytes
        return total

    def _rank(self, item: Held) -> tuple[bool, float]:
        moved = self._graph.operator(item.operator).tokens * item.token_bytes
        return item.content is not Content.SEQUENCE, -moved / item.n_bytes


class LevelUse(NamedTuple):
    """What a level of a unit's memory holds, and what one inference moves there.

    Parameters
    ----------
    capacity_bytes : None for what is off the chip
    moved_bytes : reads and writes of one inference
    holds : words such as ``weights of fc1``, largest first
    """

    unit: str
    level: str
    capacity_bytes: float | None
    held_bytes: float
    moved_bytes: float
    holds: tuple[str, ...]


def level_uses(graph: OpGraph, chip: Chip, units: MappingType[str, Place]) -> list[LevelUse]:
    """Levels in use of all digital units, unit by unit, nearest level first."""
    memories = UnitMemories(graph, chip, units)
    held: defaultdict[tuple[Place, str], list[Held]] = defaultdict(list)
    for item in memories.held:
        held[item.place, item.level].append(item)
    moved: defaultdict[tuple[Place, str], float] = defaultdict(float)
    for op in graph.operators:
        if units.get(op.name) in {place for place, _ in held}:
            block, levels = memories.token_block(op), memories.levels(op)
            for content, n_bytes in moved_bytes(chip, op, block).items():
                moved[units[op.name], levels[content]] += op.tokens // block * n_bytes
    uses = []
    for place in sorted({place for place, _ in held}, key=lambda place: (place.role, place)):
        memory = chip.digital_units[place.kind].memory
        for name in (*memory, OFF_CHIP_LEVEL):
            items = sorted(held.get((place, name), ()), key=lambda item: -item.n_bytes)
            if items or moved[place, name]:
                capacity = memory[name].capacity.n_bytes if name in memory else None
                holds = tuple(f"{item.content} of {item.operator}" for item in items)
                n_bytes = sum(item.n_bytes for item in items)
                uses.append(LevelUse(str(place), name, capacity, n_bytes, moved[place, name], holds))
    return uses


def kept_bytes(graph: OpGraph, chip: Chip, op: Operator, kind: str) -> dict[Content, float]:
    """Bytes that an operator keeps in a unit of a kind, by what they are."""
    if op.kind is OpKind.MEMORY:
        return {Content.SEQUENCE: sequence_bytes(op, chip)}
    received = any(_is_read_by_every_token(op, edge) for edge in graph.into[op.name])
    values = {
        Content.OPERANDS: chip.digital_units[kind].buffers.n * (op.in_values + op.out_values),
        Content.WEIGHTS: op.weight_values * (_STATES if received else 1),
        Content.STATE: op.state_values * (_STATES if op.once_values else 1),
    }
    return {content: n * number_bytes(chip, content) for content, n in values.items() if n}


def _is_read_by_every_token(op: Operator, edge: Edge) -> bool:
    """Whether an edge brings a state or a sequence as weights, beyond the input values of a token."""
    return edge.pattern is Pattern.SEQUENCE and edge.into >= op.in_values


def sequence_levels(unit: DigitalUnit) -> list[str]:
    """Levels that may hold a whole sequence: those beyond the nearest, if there are any."""
    return list(unit.memory)[1:] or list(unit.memory)


def sequence_bytes(op: Operator, chip: Chip) -> float:
    """Bytes that a memory operator holds: a whole sequence, or two states (one in use, one being made)."""
    return max(op.tokens * op.out_values, _STATES * op.once_values) * chip.numbers.digital.n_bytes


def cost_alone(graph: OpGraph, chip: Chip, op: Operator, kind: str) -> tuple[int, int]:
    """Time (ps) that one block of tokens holds a unit which the operator has to itself, and the tokens of a block.

    What is off the chip takes the channel at least as long.
    """
    unit = chip.digital_units[kind]
    levels = {
        content: next((name for name, level in unit.memory.items() if level.capacity.n_bytes >= n), OFF_CHIP_LEVEL)
        for content, n in kept_bytes(graph, chip, op, kind).items()
    }
    block = _token_block(graph, chip, op, kind, levels, unit.token_block.n)
    interval_ps, _ = unit_interval_ps(chip, kind, op, levels, block=block)
    transfers = (n_bytes for n_bytes in off_chip_bytes(chip, op, levels, block) if n_bytes)
    return max(interval_ps, *(off_chip_cost(chip, n_bytes).interval_ps for n_bytes in transfers), 0), block


def off_chip_bytes(chip: Chip, op: Operator, levels: Levels, block: int) -> tuple[float, float]:
    """Bytes that a block of an operator's tokens brings onto the chip, and takes off it.

    Operands that are kept off the chip cross the channel twice, when they come and when they are used.
    """
    far = {
        content: n_bytes
        for content, n_bytes in moved_bytes(chip, op, block).items()
        if levels[content] == OFF_CHIP_LEVEL
    }
    both = far.get(Content.OPERANDS, 0.0) + far.get(Content.STATE, 0.0) / 2
    width = block * chip.numbers.digital.n_bytes if Content.SEQUENCE in far else 0.0
    return both + far.get(Content.WEIGHTS, 0.0) + op.out_values * width, both + op.in_values * width


def _token_block(graph: OpGraph, chip: Chip, op: Operator, kind: str, levels: Levels, most: int) -> int:
    """Largest whole part of an inference up to `most` tokens, where sharing a reading saves something."""
    reused = {levels[content] for content in (Content.WEIGHTS, Content.STATE) if content in levels}
    if not reused or op.kind is OpKind.EMBEDDING or op.name in graph.token_by_token:
        return 1
    block = next(size for size in range(min(most, op.tokens), 0, -1) if op.tokens % size == 0)
    if reused == {next(iter(chip.digital_units[kind].memory))}:  # all in the nearest level: only if that is what limits
        alone_ps, arithmetic_ps = unit_interval_ps(chip, kind, op, levels)
        together_ps, _ = unit_interval_ps(chip, kind, op, levels, block=block)
        helps = alone_ps > arithmetic_ps and together_ps < block * (alone_ps - 1)  # each is rounded up
        return block if helps else 1
    return block


def _too_small(place: Place, item: Held, most: float) -> MappingInfeasible:
    levers = (f"raise the capacity of a level of digital_units.{place.kind}.memory", "shorten the sequence")
    where = f"{item.content} of operator {item.operator} in {place}"
    return MappingInfeasible(where, demand=int(item.n_bytes), capacity=int(most), unit="bytes", levers=levers)
