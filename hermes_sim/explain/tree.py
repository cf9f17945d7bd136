"""An explanation: a number, the rule that made it, and the numbers it was made from."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOLERANCE = 1e-9


class Rule(StrEnum):
    """How a number follows from its parts.

    SUM and PRODUCT are exact; FROM says that the parts enter by the formula in `note`; VALUE has no parts: a count
    from workload, mapping or simulation; CONFIG is a value of a file.
    """

    SUM = "sum"
    PRODUCT = "product"
    FROM = "from"
    VALUE = "value"
    CONFIG = "config"


@dataclass(frozen=True)
class TreeNode:
    """One number of an explanation.

    Parameters
    ----------
    name, value, unit : what it is
    rule, parts : how it follows from its parts
    power : exponent with which it enters a product, 1 or -1
    kind, source, place : of a config value: how certain, where from, file and line
    note : formula or remark
    """

    name: str
    value: float
    unit: str
    rule: Rule = Rule.VALUE
    parts: tuple[TreeNode, ...] = ()
    power: int = 1
    kind: str = ""
    source: str = ""
    place: str = ""
    note: str = ""

    def record(self) -> dict[str, Any]:
        """Plain data, parts included; empty fields are left out."""
        record: dict[str, Any] = {"name": self.name, "value": self.value, "unit": self.unit, "rule": str(self.rule)}
        record |= {key: text for key in ("kind", "source", "place", "note") if (text := getattr(self, key))}
        if self.power != 1:
            record["power"] = self.power
        if self.parts:
            record["parts"] = [part.record() for part in self.parts]
        return record

    def walk(self) -> Iterator[TreeNode]:
        """Go through the node and all below it."""
        yield self
        for part in self.parts:
            yield from part.walk()

    @property
    def is_exact(self) -> bool:
        """Whether the parts give the value, to rounding."""
        if self.rule is Rule.SUM:
            got = math.fsum(part.value for part in self.parts)
        elif self.rule is Rule.PRODUCT:
            got = math.prod(part.value**part.power for part in self.parts)
        else:
            return True
        return math.isclose(got, self.value, rel_tol=_TOLERANCE, abs_tol=1e-300)


def total(name: str, unit: str, parts: list[TreeNode], *, note: str = "") -> TreeNode:
    """Sum of parts, largest first; a single part takes the name of the sum."""
    if len(parts) == 1:
        return replace(parts[0], name=name, note=note or parts[0].note)
    ordered = tuple(sorted(parts, key=lambda part: -abs(part.value)))
    return TreeNode(name, math.fsum(part.value for part in ordered), unit, Rule.SUM, ordered, note=note)


def product(name: str, unit: str, parts: list[TreeNode], *, value: float | None = None, note: str = "") -> TreeNode:
    """Product of parts, those with power -1 in the denominator."""
    found = math.prod(part.value**part.power for part in parts) if value is None else value
    return TreeNode(name, found, unit, Rule.PRODUCT, tuple(parts), note=note)


def count(name: str, value: float, *, unit: str = "", power: int = 1, note: str = "") -> TreeNode:
    """A number from workload, mapping or simulation."""
    return TreeNode(name, value, unit, power=power, note=note)
