"""Where the nodes of a network lie, and how long its links are.

Cores are square tiles of the area of one core, a row of them per cluster, so that neighbours are one pitch apart.
Digital units and routers lie at their core, a cluster's switch in the middle of its row, the off-chip port at core 0.
Wires run along rows and columns. A bus is a comb: a spine along the first column, a rib along every row. Nodes of a
custom topology that are none of these have no place, and their links the length of one pitch.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from hermes_sim.chip.schema import Chip

BUS = "bus"


class Span(NamedTuple):
    """Wire of one link beyond the one pitch that every hop has.

    Parameters
    ----------
    charged_mm : wire that a byte charges
    travelled_mm : wire that it runs along, at most
    """

    charged_mm: float = 0.0
    travelled_mm: float = 0.0


class Floorplan:
    """Lengths of the links of a chip.

    Parameters
    ----------
    home : node -> index of the core beside which it sits
    """

    def __init__(self, chip: Chip, home: Callable[[str], int]) -> None:
        self._rows, self._columns = chip.cores.clusters.n, chip.cores.per_cluster.n
        self._home = home
        self.pitch_mm = math.sqrt(chip.core.area_mm2)

    def span(self, link: str) -> Span:
        """Wire of a link (``source>target``, or the bus) beyond one pitch."""
        if link == BUS:
            whole = self._rows * self._columns - 1
            farthest = 2 * (self._columns - 1) + self._rows - 1
            return Span(self._extra_mm(whole), self._extra_mm(farthest))
        one, two = (self._place(node) for node in link.split(">"))
        if one is None or two is None:
            return Span()
        extra_mm = self._extra_mm(abs(one[0] - two[0]) + abs(one[1] - two[1]))
        return Span(extra_mm, extra_mm)

    def _extra_mm(self, pitches: float) -> float:
        return max(0.0, pitches - 1) * self.pitch_mm

    def _place(self, node: str) -> tuple[float, float] | None:
        """Column and row of a node, in pitches."""
        if node.startswith("router"):
            x, y = node.removeprefix("router").split(",")
            return float(x), float(y)
        if node.startswith("switch"):
            return (self._columns - 1) / 2, float(node.removeprefix("switch"))
        try:
            row, column = divmod(self._home(node), self._columns)
        except ValueError:  # a name of a custom topology
            return None
        return float(column), float(row)
