"""Which digital unit runs which operator, and where sequences are held."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from hermes_sim.chip.costs import unit_cost
from hermes_sim.chip.places import HOST_MEMORY
from hermes_sim.errors import MappingError, MappingInfeasible
from hermes_sim.workload.graph import OpKind

if TYPE_CHECKING:
    from collections.abc import Mapping as MappingType

    from hermes_sim.chip.places import Place
    from hermes_sim.chip.schema import Chip, DigitalUnit
    from hermes_sim.config.vocabulary import Function
    from hermes_sim.workload.graph import Operator, OpGraph

_SLACK = 1.25  # a unit may carry this much more than its fair share to keep operators together


def assign_units(
    graph: OpGraph, chip: Chip, *, together: bool, pinned: MappingType[str, Place] | None = None
) -> dict[str, Place]:
    """Give every digital operator to a unit that knows all its functions, on the chip if there is one.

    Parameters
    ----------
    together : one instance of each kind of unit does everything, so that results need not travel; otherwise the
        load is shared out, and operators that exchange much stay on one unit as long as it is not overloaded
    pinned : operator -> unit that can run it; the others are shared out around these
    """
    units = {op.name: HOST_MEMORY for op in graph.operators if op.kind in {OpKind.INPUT, OpKind.OUTPUT}}
    units |= pinned or {}
    _place_memories(graph, chip, units)
    digital = [op for op in graph.operators if not op.on_crossbar and op.name not in units]
    kinds = {op.name: unit_for(op, chip) for op in digital}
    times_ps = {op.name: op.tokens * _token_ps(chip, op, *kinds[op.name]) for op in digital}
    total_ps: defaultdict[str, int] = defaultdict(int)
    for op in digital:
        total_ps[kinds[op.name][0]] += times_ps[op.name]
    load_ps = defaultdict(int, unit_loads_ps(graph, chip, pinned or {}))
    neighbours = _neighbours(graph)
    for op in digital:
        kind, unit = kinds[op.name]
        count = 1 if together else unit.count.n
        limit_ps = _SLACK * max(total_ps[kind] / count, times_ps[op.name])
        near: defaultdict[Place, int] = defaultdict(int)
        for other, n_values in neighbours[op.name]:
            if other in units:
                near[units[other]] += n_values

        def rank(
            place: Place,
            limit_ps: float = limit_ps,
            time_ps: int = times_ps[op.name],
            near: MappingType[Place, int] = near,
        ) -> tuple[object, ...]:
            fits = load_ps[place] + time_ps <= limit_ps
            return (not fits, -near[place] if fits else 0, load_ps[place], place.number)

        chosen = min((chip.unit_place(kind, i) for i in range(count)), key=rank)
        load_ps[chosen] += times_ps[op.name]
        units[op.name] = chosen
    return units


def _neighbours(graph: OpGraph) -> dict[str, list[tuple[str, int]]]:
    """Operators that each operator exchanges values with, and how many."""
    result: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
    for edge in graph.edges:
        result[edge.source].append((edge.target, edge.n_values))
        result[edge.target].append((edge.source, edge.n_values))
    return result


def unit_loads_ps(graph: OpGraph, chip: Chip, units: MappingType[str, Place]) -> dict[Place, int]:
    """Time per inference that each digital unit is busy, in ps."""
    loads: defaultdict[Place, int] = defaultdict(int)
    for op in graph.operators:
        place = units.get(op.name)
        if place is not None and place.is_unit and op.kind is not OpKind.MEMORY:
            loads[place] += op.tokens * _token_ps(chip, op, place.kind, chip.digital_units[place.kind])
    return loads


def sequence_bytes(op: Operator, chip: Chip) -> int:
    """Bytes that a memory operator holds: a whole sequence, or two states (one in use, one being made)."""
    values = max(op.tokens * op.out_values, 2 * op.once_values)
    return int(values * chip.numbers.digital.n_bytes)


def _place_memories(graph: OpGraph, chip: Chip, units: dict[str, Place]) -> None:
    """Give every sequence memory to the first unit with room, on the chip if there is one.

    Raises
    ------
    MappingInfeasible
        bytes wanted by the operator that finds no room, and the most that a unit has left
    """
    free = {
        chip.unit_place(kind, i): unit.sequence_memory.capacity.n_bytes
        for kind, unit in sorted(chip.digital_units.items(), key=lambda item: item[1].place != "on_chip")
        if unit.sequence_memory
        for i in range(unit.count.n)
    }
    memories = [op for op in graph.operators if op.kind is OpKind.MEMORY]
    for op in sorted(memories, key=lambda op: op.name not in units):  # pinned ones first
        need = sequence_bytes(op, chip)
        wanted = [units[op.name]] if op.name in units else list(free)
        chosen = next((place for place in wanted if free[place] >= need), None)
        if chosen is None:
            more = "raise sequence_memory.capacity of" if free else "describe a sequence_memory for"
            levers = (f"{more} a digital unit", "shorten the sequence")
            most = int(max((free[place] for place in wanted), default=0))
            raise MappingInfeasible(f"operator {op.name}", demand=need, capacity=most, unit="bytes", levers=levers)
        free[chosen] -= need
        units[op.name] = chosen


def can_run(op: Operator, unit: DigitalUnit) -> bool:
    """Whether a unit knows all functions of an operator, and has the memory if it is one."""
    if op.kind is OpKind.MEMORY:
        return unit.sequence_memory is not None
    if op.kind is OpKind.EMBEDDING and unit.place == "on_chip":  # tables are off the chip (LG23)
        return False
    return all(function in unit.functions for function in op.functions)


def unit_for(op: Operator, chip: Chip) -> tuple[str, DigitalUnit]:
    """Kind of digital unit for an operator: the fastest on-chip one that knows its functions, else the host.

    LSTM cells go to the most specialised unit: the one that knows least else holds the cell state (LG23: GDPU).

    Raises
    ------
    MappingError
        naming the functions that no unit offers
    """
    able = []
    for kind, unit in chip.digital_units.items():
        off_chip = unit.place != "on_chip"
        if can_run(op, unit):
            breadth = len(unit.functions) if op.kind is OpKind.LSTM_CELL else 0
            able.append((off_chip, breadth, _token_ps(chip, op, kind, unit), kind, unit))
    if not able:
        offered: set[Function] = set().union(*(unit.functions for unit in chip.digital_units.values()))
        missing = sorted(set(op.functions) - offered)
        raise MappingError(
            f"operator {op.name}",
            got=f"functions {', '.join(missing or sorted(op.functions))}, which no one digital unit offers",
            allowed="functions of a unit in digital_units",
        )
    *_, kind, unit = min(able, key=lambda choice: choice[:4])
    return kind, unit


def _token_ps(chip: Chip, op: Operator, kind: str, unit: DigitalUnit) -> int:
    """Time one token of an operator holds a unit, in ps."""
    return unit_cost(chip, unit, kind, op).interval_ps
