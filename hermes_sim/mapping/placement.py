"""Operator graph + chip -> mapping: which block on which core, which operator on which digital unit."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from hermes_sim.errors import MappingError, nearest
from hermes_sim.mapping.anneal import anneal_cores
from hermes_sim.mapping.balance import lay_out_balanced
from hermes_sim.mapping.blocks import Block, check_blocks
from hermes_sim.mapping.matching import match_layers
from hermes_sim.mapping.pins import lay_out_pinned, read_pins
from hermes_sim.mapping.published import read_published
from hermes_sim.mapping.strategies import Layout, lay_out_packed, lay_out_spread
from hermes_sim.mapping.units import HOST_MEMORY, assign_units, unit_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Mapping as MappingType

    from hermes_sim.arch.schema import Chip
    from hermes_sim.workload.graph import OpGraph

__all__ = ["HOST_MEMORY", "Mapping", "Strategy", "assign_units", "map_graph", "unit_for"]
_FILE_SUFFIXES = (".json", ".yaml", ".yml")


class Strategy(StrEnum):
    """How to place blocks.

    packed: on the fewest cores. spread: one block per core, a copy of the weights per operator. balanced: like
    spread, with replicas of the busiest stages on free cores. local: like spread, placed for short ways.
    """

    PACKED = "packed"
    SPREAD = "spread"
    BALANCED = "balanced"
    LOCAL = "local"


@dataclass(frozen=True)
class Mapping:
    """Where everything runs.

    Parameters
    ----------
    strategy : name of the strategy or file that made it
    blocks : placed pieces of all weight matrices
    replicas : operator -> replicas of its matrix it uses in turn, token by token
    units : operator -> instance of a digital unit, ``"dpu3"`` for example, or `HOST_MEMORY`
    aliases : matrix -> other matrix whose cells it uses too, where a placement file says that two share weights
    note : why the strategy stopped where it did
    """

    strategy: str
    blocks: tuple[Block, ...]
    replicas: MappingType[str, tuple[int, ...]]
    units: MappingType[str, str]
    aliases: MappingType[str, str] = field(default_factory=dict)
    note: str = ""

    @cached_property
    def _by_copy(self) -> dict[tuple[str, int], list[Block]]:
        result: dict[tuple[str, int], list[Block]] = {}
        for block in sorted(self.blocks):
            result.setdefault((block.matrix, block.replica), []).append(block)
        return result

    def blocks_of(self, matrix: str, replica: int) -> list[Block]:
        """Pieces of one replica of one matrix, in order."""
        return list(self._by_copy.get((self.aliases.get(matrix, matrix), replica), ()))

    @property
    def cores_used(self) -> int:
        """Number of cores that hold weights."""
        return len({block.core for block in self.blocks})


def map_graph(graph: OpGraph, chip: Chip, strategy: str | Path = Strategy.PACKED, *, seed: int = 0) -> Mapping:
    """Place a workload by a named strategy or as a file says.

    Parameters
    ----------
    strategy : a `Strategy`, or the path of a published placement (JSON) or of our own format (YAML)
    seed : of the strategy `local`

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
    if path.is_file() or path.suffix in _FILE_SUFFIXES:
        return _from_file(graph, chip, path, seed)
    raise MappingError(
        "mapping strategy",
        got=repr(str(strategy)),
        allowed=f"{', '.join(Strategy)}, or the path of a placement file",
        hint=nearest(str(strategy), Strategy),
    )


def _by_strategy(graph: OpGraph, chip: Chip, strategy: Strategy, seed: int) -> Mapping:
    units = assign_units(graph, chip, together=strategy is Strategy.PACKED)
    makers: dict[Strategy, Callable[[], Layout]] = {
        Strategy.PACKED: lambda: lay_out_packed(graph, chip),
        Strategy.SPREAD: lambda: lay_out_spread(graph, chip),
        Strategy.LOCAL: lambda: lay_out_spread(graph, chip),
        Strategy.BALANCED: lambda: lay_out_balanced(graph, chip, units),
    }
    layout = makers[strategy]()
    mapping = Mapping(strategy, tuple(layout.blocks), layout.copies, units, note=layout.note)
    check_blocks(mapping.blocks, graph, chip)
    if strategy in {Strategy.LOCAL, Strategy.BALANCED}:
        mapping = shorten_ways(graph, chip, mapping, seed=seed)
    return mapping


def shorten_ways(
    graph: OpGraph, chip: Chip, mapping: Mapping, *, seed: int, fixed: frozenset[int] = frozenset()
) -> Mapping:
    """The same mapping with its cores, but for `fixed` ones, where bytes x hops are few."""
    place = anneal_cores(graph, mapping, chip, seed=seed, fixed=fixed)
    return replace(mapping, blocks=tuple(replace(block, core=place[block.core]) for block in mapping.blocks))


def _from_file(graph: OpGraph, chip: Chip, path: Path, seed: int) -> Mapping:
    units = assign_units(graph, chip, together=False)
    if path.suffix not in {".yaml", ".yml"}:
        blocks, copies, aliases = match_layers(path, read_published(path), graph, chip)
        mapping = Mapping(path.stem, tuple(blocks), copies, units, aliases)
        check_blocks(mapping.blocks, graph, chip, aliases=aliases)
        return mapping
    pins = read_pins(path)
    for name, unit in pins.units.items():
        _check_unit(path, name, unit, units, chip)
    units = {**units, **pins.units}
    layout = lay_out_pinned(path, pins, graph, chip)
    if pins.strategy == "balanced":
        layout = lay_out_balanced(graph, chip, units, layout)
    mapping = Mapping(path.stem, tuple(layout.blocks), layout.copies, units, pins.aliases, layout.note)
    check_blocks(mapping.blocks, graph, chip, aliases=pins.aliases)
    if pins.strategy in {"balanced", "local"}:
        pinned = frozenset(block.core + (block.cluster or 0) * chip.cores.per_cluster.n for block in pins.blocks)
        mapping = shorten_ways(graph, chip, mapping, seed=seed, fixed=pinned)
    return mapping


def _check_unit(path: Path, name: str, unit: str, units: MappingType[str, str], chip: Chip) -> None:
    if name not in units:
        raise MappingError(
            f"{path}: units", got=f"no digital operator {name!r}", allowed=", ".join(units), hint=nearest(name, units)
        )
    allowed = [f"{kind}{i}" for kind, one in chip.digital_units.items() for i in range(one.count.n)]
    if unit not in allowed:
        raise MappingError(f"{path}: units: {name}", got=repr(unit), allowed=", ".join(allowed))
