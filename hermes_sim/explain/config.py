"""Config values as leaves of an explanation, with the line of the file that they stand in."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hermes_sim.baselines.load import FOLDER
from hermes_sim.chip.load import read_with_parents
from hermes_sim.config.files import Source, changes_of, find_yaml, read_yaml
from hermes_sim.config.parameters import quantities
from hermes_sim.config.quantity import BANDWIDTH, BYTES, FREQUENCY
from hermes_sim.errors import ArchConfigError
from hermes_sim.explain.tree import Rule, TreeNode, count, product

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import BaseModel

    from hermes_sim.config.quantity import Quantity

_DIVIDES = ("lanes",)  # fields that a time is divided by, besides widths, rates and clocks
_CARRIED = ("network.header", "network.credit")  # bytes that travel, beside those that a width moves at a time
_SIZE_NOTE = (
    "values, bytes (times mm of wire) or groups of them per firing, from workload and mapping; "
    "rounded up to whole groups and picoseconds"
)


class Config:
    """The values of one config file.

    Parameters
    ----------
    section : chip or baseline
    places : dotted path -> file and line; empty where the file is not known
    owner : put before the paths, the name of a baseline
    """

    def __init__(self, section: BaseModel, places: Mapping[str, str], owner: str = "") -> None:
        self._quantities = {quantity.path: quantity for quantity in quantities(section)}
        self._places = places
        self._owner = f"{owner}: " if owner else ""

    def leaf(self, path: str, *, power: int = 1) -> TreeNode:
        """A value as given; of a clock its period."""
        quantity = self._quantities[path]
        is_clock = quantity.dimension.name == FREQUENCY.name
        return TreeNode(
            self._owner + path,
            float(quantity.period_ps) if is_clock else quantity.value,
            "ps" if is_clock else quantity.dimension.unit.replace("count", ""),
            Rule.CONFIG,
            power=power,
            kind=str(quantity.kind),
            source=quantity.source,
            place=self.place(path),
            note=f"period of {quantity.given}" if is_clock else quantity.note,
        )

    def paths(self) -> list[str]:
        """All values."""
        return list(self._quantities)

    def value(self, path: str) -> Quantity:
        """One value."""
        return self._quantities[path]

    def place(self, path: str) -> str:
        """File and line, or of the nearest section that has one."""
        known = path
        while known and known not in self._places:
            known = known.rpartition(".")[0]
        return self._places.get(known, "")

    def term(
        self, name: str, value: float, unit: str, paths: Sequence[str], times: TreeNode, *, formula: str = ""
    ) -> TreeNode:
        """A term of a time or an energy: how often, times its size, times config values.

        Parameters
        ----------
        value : of the whole term, `times` included
        paths : the config values in it
        formula : how it follows from them, where it is no product of them
        """
        leaves = [self.leaf(path, power=-1 if self._divides(path) else 1) for path in paths]
        name = f"{name}, {_what(paths)}" if paths else name
        known = times.value * math.prod(leaf.value**leaf.power for leaf in leaves)
        if formula:
            return TreeNode(name, value, unit, Rule.FROM, (times, *leaves), note=formula)
        if not known:
            return TreeNode(name, value, unit, Rule.FROM, (times, *leaves))
        size = value / known
        parts = [times, *leaves]
        if not math.isclose(size, 1.0, rel_tol=1e-12):
            parts.insert(1, count("size", size, note=_SIZE_NOTE))
        return product(name, unit, parts, value=value)

    def _divides(self, path: str) -> bool:
        name = self._quantities[path].dimension.name
        if path in _CARRIED:
            return False
        return name in {BYTES.name, BANDWIDTH.name} or path.rpartition(".")[2] in _DIVIDES


def _what(paths: Sequence[str]) -> str:
    """Word for a term: the function of a digital unit, or the field that came last."""
    for path in paths:
        if ".functions." in path:
            return path.split(".")[-2]
    return paths[-1].rpartition(".")[2].replace("_", " ")


def chip_places(source: Source, overrides: Mapping[str, object] | None = None) -> dict[str, str]:
    """File and line of every field of a chip file and of those it extends; empty if there is no such file."""
    try:
        places = dict(read_with_parents(source).places)
    except ArchConfigError:
        return {}
    changed = (path for path, _, _ in changes_of(source, overrides))
    return places | dict.fromkeys(changed, "--set")


def baseline_places(source: Source) -> dict[str, str]:
    """File and line of every field of a baseline file; empty if there is no such file."""
    try:
        document = read_yaml(find_yaml(source, FOLDER, error=ArchConfigError), error=ArchConfigError)
    except ArchConfigError:
        return {}
    return document.places
