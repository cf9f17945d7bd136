"""Places of a chip and what can be busy there: records whose text is the name that reports and files show.

No name is read back. What a user's file names is looked up among the places that the chip has.
"""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from hermes_sim.errors import FieldError


class Role(StrEnum):
    """What kind of thing a place is."""

    CORE = "core"
    UNIT = "digital unit"
    HOST_UNIT = "digital unit off the chip"
    HOST_MEMORY = "host memory"
    PORT = "off-chip port"
    SWITCH = "switch"
    ROUTER = "router"
    BUS = "bus"
    NODE = "node of a custom topology"
    CONTROL = "control"


class ResourcePart(StrEnum):
    """Part of a place that is busy on its own."""

    WHOLE = ""
    CROSSBAR = "crossbar"
    LDPU = "ldpu"
    IN = "in"
    OUT = "out"
    MEMORY = "memory"


class Place(NamedTuple):
    """A core, a digital unit, or another node.

    Parameters
    ----------
    role : what kind of thing
    kind : kind of core or digital unit as the chip file calls it, the name of a node that has no kind
    number : which one of its kind: a number, column and row of a router, nothing where there is only one
    chip : which chip
    """

    role: Role
    kind: str
    number: tuple[int, ...] = ()
    chip: int = 0

    @classmethod
    def core(cls, index: int) -> Place:
        """A core."""
        return cls(Role.CORE, Role.CORE.value, (index,))

    @classmethod
    def switch(cls, cluster: int) -> Place:
        """The switch of a cluster."""
        return cls(Role.SWITCH, Role.SWITCH.value, (cluster,))

    @classmethod
    def router(cls, column: int, row: int) -> Place:
        """A router of a mesh."""
        return cls(Role.ROUTER, Role.ROUTER.value, (column, row))

    @property
    def is_core(self) -> bool:
        """Whether it is an analog core."""
        return self.role is Role.CORE

    @property
    def is_unit(self) -> bool:
        """Whether it is a digital unit, on the chip or off it."""
        return self.role in {Role.UNIT, Role.HOST_UNIT}

    @property
    def node(self) -> Place:
        """Node of the network where values for it arrive: itself, or the port of what lies off the chip."""
        return IO if self.role in {Role.HOST_UNIT, Role.HOST_MEMORY} else self

    def __str__(self) -> str:
        """Name."""
        number = self.number
        return f"{self.kind}{number[0]}" if len(number) == 1 else self.kind + ",".join(map(str, number))


IO = Place(Role.PORT, "io")
HOST_MEMORY = Place(Role.HOST_MEMORY, "host memory")


class Link(NamedTuple):
    """A link from one node to another."""

    source: Place
    target: Place

    def __str__(self) -> str:
        """Name."""
        return str(self.source) if self == BUS else f"{self.source}>{self.target}"


BUS = Link(Place(Role.BUS, "bus"), Place(Role.BUS, "bus"))  # one wire that joins all nodes


class Resource(NamedTuple):
    """What the firings of an actor take turns on: a part of a place, a whole one, or a link."""

    at: Place | Link
    part: ResourcePart = ResourcePart.WHOLE

    @property
    def family(self) -> str:
        """What it is one of: ``core crossbar``, ``link``, ``dpu``, ``dpu memory``, ``off-chip`` and so on."""
        if isinstance(self.at, Link):
            return "link"
        if self.at.role is Role.PORT:
            return "off-chip"
        return f"{self.at.kind} {self.part}".rstrip()

    @property
    def group(self) -> str:
        """What it is drawn with: the place whose part it is; a link and a direction off the chip stand alone."""
        return str(self.at) if isinstance(self.at, Place) and self.at.role is not Role.PORT else str(self)

    @lru_cache(maxsize=1 << 16)  # noqa: B019 - a record: as many as there are names, and asked for every actor
    def __str__(self) -> str:
        """Name."""
        if isinstance(self.at, Link):
            return f"link {self.at}"
        if self.at.role is Role.PORT:
            return f"off-chip {self.part}"
        return f"{self.at}.{self.part}" if self.part else str(self.at)


CONTROL = Resource(Place(Role.CONTROL, "control"))  # of actors that take no time: joins, barriers, buffer releases
OFF_CHIP_IN, OFF_CHIP_OUT = Resource(IO, ResourcePart.IN), Resource(IO, ResourcePart.OUT)

_NOT_KINDS = frozenset({"core", "io", "switch", "router", "bus", "link", "off-chip", "control", "host memory"})


def refuse_ambiguous_names(counts: dict[str, int], units: list[str]) -> None:
    """Names of units are their kind and a number; no other place may have one of them.

    Parameters
    ----------
    counts : kind of place -> how many there are, kinds of units among them
    units : kinds of digital units

    Raises
    ------
    FieldError
        a kind that says something else, or one whose first name another place has
    """
    for kind in units:
        where = f"digital_units.{kind}"
        if kind in _NOT_KINDS or not kind or set(kind) & set(".>"):
            reserved = ", ".join(sorted(_NOT_KINDS))
            allowed = f"a name without . and > that is none of {reserved}"
            raise FieldError(where, got=f"a kind of unit called {kind!r}", allowed=allowed)
        for other, n in counts.items():
            digits = kind.removeprefix(other) if kind.startswith(other) else ""
            if digits.isascii() and digits.isdecimal() and digits[0] != "0" and int(digits) * 10 < n:
                got = f"{kind}0, which is also number {int(digits) * 10} of {n} called {other}"
                raise FieldError(where, got=got, allowed="a kind whose names no other place has")
