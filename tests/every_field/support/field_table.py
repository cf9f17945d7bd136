"""The table of fields: which run feels a field, and which figures its changes move, up or down."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ruamel.yaml import YAML
from scenarios import ERROR, FIGURES, Measured, Scenario, concrete_paths, node_at

from hermes_sim.errors import HermesSimError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TABLE = Path(__file__).parents[1] / "every_field.yaml"
UP, DOWN, ANY, UNSURE = "up", "down", "any", "?"
FACTORS = {"half": 0.5, "double": 2.0}
_SAME = 1e-9
_SURE = 4  # standard errors of a difference over seeds beyond which its direction is sure
_FIELDS_OF_ENTRY = ("in", "with", "set", "why")


@dataclass(frozen=True, eq=False)
class Entry:
    """What the table says of a field.

    Parameters
    ----------
    path : as in the schema
    scenarios : names of the runs that feel it
    settings : with which it acts there
    moves : change -> figure -> direction; a change is half, double or another value
    instead : change -> settings that make it, where the value alone is not enough
    why : half and double move a figure in the same direction; or nothing moves any
    is_silent : whether it is one of those without effect
    """

    path: str
    scenarios: tuple[str, ...]
    settings: Mapping[str, Any]
    moves: Mapping[Any, Mapping[str, str]]
    instead: Mapping[Any, Mapping[str, Any]] = field(default_factory=dict)
    why: str = ""
    is_silent: bool = False


@dataclass(frozen=True, eq=False)
class Table:
    """The whole file.

    Parameters
    ----------
    pending : fields whose effect is still missing; they count as without effect
    """

    scenarios: Mapping[str, Scenario]
    entries: Mapping[str, Entry]
    pending: tuple[str, ...]

    @cache  # noqa: B019 - one table per process
    def before(self, scenario: str, entry: Entry) -> Measured:
        """The run with the field as it is."""
        return self.scenarios[scenario].measure(entry.settings)

    def present(self, entry: Entry) -> Any:
        """What the file says of a field, in the first of its runs."""
        data = self.scenarios[entry.scenarios[0]].document(entry.settings).data
        return node_at(data, _there(data, entry.path)[0])

    def changes(self, entry: Entry) -> Iterator[tuple[str, Any, str]]:
        """Scenario, change and path of a field in its file, for every way to change it."""
        for name in entry.scenarios:
            data = self.scenarios[name].document(entry.settings).data
            for path in _there(data, entry.path):
                for change in entry.moves:
                    yield name, change, path

    def is_refused(self, entry: Entry, change: Any) -> bool:
        """Whether no file can have a change, wherever the field is."""
        places = {(scenario, path) for scenario, _, path in self.changes(entry)}
        for scenario, path in places:
            try:
                self._after(entry, scenario, change, path)
            except HermesSimError:
                continue
            return False
        return True

    def found(self, entry: Entry, scenario: str, change: Any, path: str) -> dict[str, str]:
        """What a change moves."""
        return moves(self.before(scenario, entry), self._after(entry, scenario, change, path))

    def _after(self, entry: Entry, scenario: str, change: Any, path: str) -> Measured:
        run = self.scenarios[scenario]
        made = entry.instead.get(change)
        if made is None:
            node = node_at(run.document(entry.settings).data, path) if change in FACTORS else None
            made = {path: scaled(node, FACTORS[change]) if change in FACTORS else change}
        return run.measure({**entry.settings, **made})


def load_table(path: Path = TABLE) -> Table:
    """Read the file."""
    data = YAML(typ="safe", pure=True).load(path)
    entries = {
        path: Entry(
            path,
            tuple(said["in"].split()),
            said.get("with", {}),
            {change: moved for change, moved in said.items() if change not in _FIELDS_OF_ENTRY},
            said.get("set", {}),
            said.get("why", ""),
            is_silent=part == "without_effect",
        )
        for part in ("fields", "without_effect")
        for path, said in data[part].items()
        if path not in data["pending"]
    }
    scenarios = {name: Scenario(**said) for name, said in data["scenarios"].items()}
    return Table(scenarios, entries, tuple(data["pending"]))


def _there(data: Any, pattern: str) -> list[str]:
    """Paths of a file that a path of the schema stands for, as far as the file has them."""
    return [path for path in concrete_paths(data, pattern) if has(data, path)]


def has(data: Any, path: str) -> bool:
    """Whether a file says something at a dotted path."""
    try:
        node_at(data, path)
    except KeyError:
        return False
    return True


def scaled(node: Any, factor: float) -> Any:
    """A field times a factor: a quantity, a number, or all numbers of a list."""
    if isinstance(node, dict):
        return {**{key: node[key] for key in node if key != "range"}, "value": scaled(node["value"], factor)}
    if isinstance(node, list):
        return [scaled(one, factor) for one in node]
    value = node * factor
    return int(value) if float(value).is_integer() and isinstance(node, int) else value


def moves(before: Measured, after: Measured) -> dict[str, str]:
    """Figures that differ, and in which direction; with a question mark an error that differs too little to be sure."""
    found = {}
    for name in FIGURES:
        one, other = before.figures[name], after.figures[name]
        if abs(other - one) > _SAME * max(abs(one), abs(other)):
            found[name] = UP if other > one else DOWN
    if not np.array_equal(before.outputs, after.outputs, equal_nan=True):
        difference = after.errors - before.errors
        mean, spread = difference.mean(), difference.std(ddof=1) / np.sqrt(difference.size)
        found[ERROR] = (UP if mean > 0 else DOWN) + ("" if abs(mean) > _SURE * spread else UNSURE)
    return found


def as_said(found: Mapping[str, str]) -> dict[str, str]:
    """What the table is to say: an error that is not sure moves in any direction."""
    return {name: ANY if direction.endswith(UNSURE) else direction for name, direction in found.items()}


def agrees(said: Mapping[str, str], found: Mapping[str, str]) -> bool:
    """Whether the same figures move, in the directions said."""
    return said.keys() == found.keys() and all(
        said[name] in (ANY, direction.removesuffix(UNSURE)) for name, direction in found.items()
    )
