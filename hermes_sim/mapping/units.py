"""Which digital unit runs which operator, and where sequences are held."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from hermes_sim.chip.costs import arithmetic_pj
from hermes_sim.chip.places import HOST_MEMORY
from hermes_sim.errors import MappingError, MappingInfeasible
from hermes_sim.mapping.memory import cost_alone, sequence_bytes, sequence_levels
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
        load is shared out: what reads a whole sequence with every token runs where that is held, and operators that
        exchange much stay on one unit as long as it is not overloaded
    pinned : operator -> unit that can run it; the others are shared out around these
    """
    units = {op.name: HOST_MEMORY for op in graph.operators if op.kind in {OpKind.INPUT, OpKind.OUTPUT}}
    units |= pinned or {}
    _place_memories(graph, chip, units, together=together)
    memories = {op.name for op in graph.operators if op.kind is OpKind.MEMORY and op.once_values}
    digital = [op for op in graph.operators if not op.on_crossbar and op.name not in units]
    kinds = {op.name: unit_for(graph, op, chip) for op in digital}
    times_ps = {op.name: _inference_ps(graph, chip, op, kinds[op.name]) for op in digital}
    total_ps: defaultdict[str, int] = defaultdict(int)
    for op in digital:
        total_ps[kinds[op.name]] += times_ps[op.name]
    load_ps = defaultdict(int, unit_loads_ps(graph, chip, pinned or {}))
    neighbours = _neighbours(graph)
    for op in digital:
        kind = kinds[op.name]
        count = 1 if together else chip.digital_units[kind].count.n
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

        places = [chip.unit_place(kind, i) for i in range(count)]
        held_at = {units[edge.source] for edge in graph.into[op.name] if edge.source in memories} & set(places)
        chosen = min(held_at or places, key=rank)
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
            loads[place] += _inference_ps(graph, chip, op, place.kind)
    return loads


def _place_memories(graph: OpGraph, chip: Chip, units: dict[str, Place], *, together: bool) -> None:
    """Give every sequence to the unit with most room left (`together`: the first with room), on the chip if it can be.

    Raises
    ------
    MappingInfeasible
        bytes wanted by the operator that finds no room, and the most that a unit has left
    """
    free = {
        chip.unit_place(kind, i): [unit.memory[name].capacity.n_bytes for name in sequence_levels(unit)]
        for kind, unit in sorted(chip.digital_units.items(), key=lambda item: item[1].place != "on_chip")
        for i in range(unit.count.n)
    }
    memories = [op for op in graph.operators if op.kind is OpKind.MEMORY]
    for op in sorted(memories, key=lambda op: op.name not in units):  # pinned ones first
        need = sequence_bytes(op, chip)
        wanted = [units[op.name]] if op.name in units else list(free)
        fitting = [place for place in wanted if max(free[place]) >= need]
        if not fitting:
            levers = ("raise the capacity of a level in the memory of a digital unit", "shorten the sequence")
            most = int(max((max(free[place]) for place in wanted), default=0))
            raise MappingInfeasible(f"operator {op.name}", demand=int(need), capacity=most, unit="bytes", levers=levers)
        on_chip = [place for place in fitting if place.role is fitting[0].role]
        chosen = fitting[0] if together else max(on_chip, key=lambda place: sum(free[place]))
        level = next(i for i, room in enumerate(free[chosen]) if room >= need)
        free[chosen][level] -= need
        units[op.name] = chosen


def can_run(op: Operator, unit: DigitalUnit) -> bool:
    """Whether a unit knows all functions of an operator."""
    if op.kind is OpKind.EMBEDDING and unit.place == "on_chip":  # tables are off the chip (LG23)
        return False
    return all(function in unit.functions for function in op.functions)


def unit_for(graph: OpGraph, op: Operator, chip: Chip) -> str:
    """Kind of digital unit for an operator: on the chip if one knows its functions, the one with the cheapest
    arithmetic, of several such the fastest.

    Raises
    ------
    MappingError
        naming the functions that no unit offers
    """
    able = [
        (unit.place != "on_chip", arithmetic_pj(unit, op), _inference_ps(graph, chip, op, kind), kind)
        for kind, unit in chip.digital_units.items()
        if can_run(op, unit)
    ]
    if not able:
        offered: set[Function] = set().union(*(unit.functions for unit in chip.digital_units.values()))
        missing = sorted(set(op.functions) - offered)
        raise MappingError(
            f"operator {op.name}",
            got=f"functions {', '.join(missing or sorted(op.functions))}, which no one digital unit offers",
            allowed="functions of a unit in digital_units",
        )
    return min(able)[-1]


def _inference_ps(graph: OpGraph, chip: Chip, op: Operator, kind: str) -> int:
    """Time that one inference of an operator holds a unit of a kind which it has to itself, in ps."""
    cost_ps, block = cost_alone(graph, chip, op, kind)
    return op.tokens // block * cost_ps
