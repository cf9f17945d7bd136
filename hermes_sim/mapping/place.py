"""Operator graph + chip -> mapping: which block on which core, which operator on which digital unit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hermes_sim.errors import MappingError, listed, nearest
from hermes_sim.extensions import extension, extension_names
from hermes_sim.mapping.anneal import anneal_cores
from hermes_sim.mapping.balance import lay_out_balanced
from hermes_sim.mapping.blocks import Origin, check_blocks
from hermes_sim.mapping.mapping import FILE_SUFFIXES, Mapping, Strategy
from hermes_sim.mapping.matching import match_layers
from hermes_sim.mapping.names import Names
from hermes_sim.mapping.pins import lay_out_pinned, read_pins
from hermes_sim.mapping.published import read_published
from hermes_sim.mapping.strategies import Layout, lay_out_packed, lay_out_spread
from hermes_sim.mapping.units import assign_units, can_run
from hermes_sim.workload.digital import keep_digital, products_named
from hermes_sim.workload.graph import OpKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from hermes_sim.chip.places import Place
    from hermes_sim.chip.schema import Chip
    from hermes_sim.workload.graph import OpGraph


def map_graph(graph: OpGraph, chip: Chip, strategy: str | Path, *, seed: int = 0) -> Mapping:
    """Place a workload by a named strategy or as a file says.

    Parameters
    ----------
    strategy : a `Strategy`, one that another installed package adds, or the path of a mapping: published (JSON) or of
        our own format (YAML)
    seed : of the annealing of `balanced` and `local`

    Raises
    ------
    MappingError
        unknown strategy; a function that no digital unit offers; a file that does not fit the workload
    MappingInfeasible
        the weights do not fit: demand, capacity, gap and what would help
    """
    if strategy in list(Strategy):
        return _by_strategy(graph, chip, Strategy(strategy), seed)
    path = Path(strategy)
    if isinstance(strategy, Path) or path.suffix in FILE_SUFFIXES or path.is_file():
        return _from_file(graph, chip, path, seed)
    lay_out = extension("strategies", strategy)
    if lay_out is None:
        names = [*Strategy, *extension_names("strategies")]
        raise MappingError(
            "mapping strategy",
            got=repr(strategy),
            allowed=f"{', '.join(names)}, or the path of a mapping file",
            hint=nearest(strategy, names),
        )
    return _checked(strategy, lay_out(graph, chip), assign_units(graph, chip, together=False), graph, chip)


def _by_strategy(graph: OpGraph, chip: Chip, strategy: Strategy, seed: int) -> Mapping:
    units = assign_units(graph, chip, together=strategy is Strategy.PACKED)
    makers: dict[Strategy, Callable[[], Layout]] = {
        Strategy.PACKED: lambda: lay_out_packed(graph, chip),
        Strategy.SPREAD: lambda: lay_out_spread(graph, chip),
        Strategy.LOCAL: lambda: lay_out_spread(graph, chip),
        Strategy.BALANCED: lambda: lay_out_balanced(graph, chip, units),
    }
    layout = makers[strategy]()
    mapping = _checked(strategy, layout, units, graph, chip)
    if strategy in {Strategy.LOCAL, Strategy.BALANCED}:
        mapping = shorten_ways(graph, chip, mapping, seed=seed)
    return mapping


def _checked(strategy: str, layout: Layout, units: dict[str, Place], graph: OpGraph, chip: Chip) -> Mapping:
    mapping = Mapping(strategy, tuple(layout.blocks), layout.replicas, units, layout.aliases, note=layout.note)
    check_blocks(mapping.blocks, graph, chip, aliases=layout.aliases)
    return mapping


def shorten_ways(
    graph: OpGraph, chip: Chip, mapping: Mapping, *, seed: int, fixed: frozenset[int] = frozenset()
) -> Mapping:
    """The same mapping with its cores, but for `fixed` ones, where bytes x hops are few."""
    place = anneal_cores(graph, mapping, chip, seed=seed, fixed=fixed)
    return replace(mapping, blocks=tuple(replace(block, core=place[block.core]) for block in mapping.blocks))


def _from_file(graph: OpGraph, chip: Chip, path: Path, seed: int) -> Mapping:
    if path.suffix not in {".yaml", ".yml"}:
        units = assign_units(graph, chip, together=False)
        blocks, replicas, aliases = match_layers(path, read_published(path), graph, chip)
        mapping = Mapping(path.stem, tuple(blocks), replicas, units, aliases)
        check_blocks(mapping.blocks, graph, chip, aliases=aliases, origin=Origin(path))
        return mapping
    return _from_pins(graph, chip, path, seed)


def _from_pins(graph: OpGraph, chip: Chip, path: Path, seed: int) -> Mapping:
    pins, document = read_pins(path)
    digital = products_named(graph, pins.digital, where=document.place("digital"), error=MappingError)
    graph = keep_digital(graph, digital)
    fixed = {
        name: _pinned_unit(document.place(f"units.{name}"), name, unit, graph, chip)
        for name, unit in pins.units.items()
    }
    units = assign_units(graph, chip, together=False, pinned=fixed)
    layout = lay_out_pinned(pins, Names(document.place, graph, digital), graph, chip)
    if pins.strategy == "balanced":
        layout = lay_out_balanced(graph, chip, units, layout)
    mapping = Mapping(
        strategy=path.stem,
        blocks=tuple(layout.blocks),
        replicas=layout.replicas,
        units=units,
        aliases=layout.aliases,
        note=layout.note,
        digital=digital,
    )
    check_blocks(mapping.blocks, graph, chip, aliases=layout.aliases, origin=Origin(path))
    if pins.strategy in {"balanced", "local"}:
        pinned = frozenset(block.core + (block.cluster or 0) * chip.cores.per_cluster.n for block in pins.blocks)
        mapping = shorten_ways(graph, chip, mapping, seed=seed, fixed=pinned)
    return mapping


def _pinned_unit(where: str, name: str, unit: str, graph: OpGraph, chip: Chip) -> Place:
    """Unit that a file names; refuse a pin for what is no digital operator, or to a unit that cannot run it."""
    free = [op.name for op in graph.operators if not op.on_crossbar and op.kind not in {OpKind.INPUT, OpKind.OUTPUT}]
    if name not in free:
        on_crossbar = any(name in {op.name, op.matrix} for op in graph.operators if op.on_crossbar)
        raise MappingError(
            where,
            got=f"{name!r}, a product on the crossbars" if on_crossbar else f"no digital operator {name!r}",
            allowed=listed(free),
            hint=f"`digital: [{name}]` keeps it off the crossbars" if on_crossbar else nearest(name, free),
        )
    op = graph.operator(name)
    places = {str(place): place for place in chip.unit_places()}
    able = [text for text, place in places.items() if can_run(op, chip.digital_units[place.kind])]
    if unit not in able:
        needs = listed(sorted(op.functions)) or f"the place of a {op.kind}"
        got = f"{unit}, a unit that lacks {needs}" if unit in places else f"no unit {unit!r}"
        raise MappingError(where, got=got, allowed=listed(able), hint=nearest(unit, able))
    return places[unit]
