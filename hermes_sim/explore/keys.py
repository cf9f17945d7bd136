"""Keys of many points at little cost: what one field changes in a file's resolved values is worked out once."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property, reduce
from typing import TYPE_CHECKING, Any

from hermes_sim.config import quantity as q
from hermes_sim.config.quantity import Quantity
from hermes_sim.errors import HermesSimError
from hermes_sim.explore.fields import ARCH, WORKLOAD
from hermes_sim.explore.point import DesignPoint, plain_values, point_key, rejected_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hermes_sim.chip.schema import Chip
    from hermes_sim.explore.fields import BaseFields
    from hermes_sim.workload.schema import Workload


class Keys:
    """Keys of the points of a study.

    Parameters
    ----------
    base : files the study starts from
    """

    def __init__(self, base: BaseFields) -> None:
        self._files = base
        self._base: dict[tuple[str, str], tuple[Chip | Workload, dict[str, Any]]] = {}
        self._changes: dict[tuple[str, str, str, str], dict[str, Any] | None] = {}

    def key(self, point: DesignPoint) -> str:
        """Key of a point; one that cannot be loaded has a key too."""
        chip = self._resolved(ARCH, point.arch, point.arch_fields)
        work = self._resolved(WORKLOAD, point.workload, point.workload_fields)
        return rejected_key(point, self._contents) if chip is None or work is None else point_key(point, chip, work)

    @cached_property
    def _contents(self) -> str:
        text = json.dumps(self._files.contents(), sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def _resolved(self, kind: str, name: str, fields: Mapping[str, Any]) -> dict[str, Any] | None:
        """Resolved values of a file under some fields, or None if it cannot be loaded so."""
        nested = any(a != b and b.startswith(f"{a}.") for a in fields for b in fields)
        if nested or any(isinstance(value, dict) for value in fields.values()):
            return _load_values(kind, name, fields)
        if (kind, name) not in self._base:
            section = _load(kind, name, {})
            if section is None:
                return None
            self._base[kind, name] = (section, plain_values(section))
        values = dict(self._base[kind, name][1])
        for path, value in fields.items():
            spot = (kind, name, path, repr(value))
            if spot not in self._changes:
                self._changes[spot] = self._change(kind, name, path, value)
            change = self._changes[spot]
            if change is None:
                return _load_values(kind, name, fields)  # perhaps allowed together with the others
            values |= change
        return values

    def _change(self, kind: str, name: str, path: str, value: Any) -> dict[str, Any] | None:
        """Resolved values that one field changes, or None if the file cannot be loaded with it."""
        section, old = self._base[kind, name]
        number = self._number(kind, name, section, path, value)
        if number is not None:
            return {path: number}
        changed = _load_values(kind, name, {path: value})
        return None if changed is None else {k: v for k, v in changed.items() if k not in old or old[k] != v}

    def _number(self, kind: str, name: str, section: Chip | Workload, path: str, value: Any) -> float | None:
        """Value of a quantity given as a bare number, in internal units, without loading the file again."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        quantity = reduce(_step, path.split("."), section)
        if not isinstance(quantity, Quantity) or quantity.dimension is q.FREQUENCY:
            return None
        unit = self._files.unit(kind, name, path)
        try:
            return None if unit is None else float(q.convert(value, unit, quantity.dimension, where=path))
        except HermesSimError:
            return None


def _step(node: Any, key: str) -> Any:
    return node.get(key) if isinstance(node, dict) else getattr(node, key, None)


def _load(kind: str, name: str, fields: Mapping[str, Any]) -> Chip | Workload | None:
    point = DesignPoint(name, name, fields, fields)
    try:
        return point.chip() if kind == ARCH else point.work()
    except HermesSimError:
        return None


def _load_values(kind: str, name: str, fields: Mapping[str, Any]) -> dict[str, Any] | None:
    section = _load(kind, name, fields)
    return None if section is None else plain_values(section)
