"""Where the nodes of a network lie, and how long its links are.

Cores are square tiles of the area of one core, a row of them per cluster, so that neighbours are one pitch apart.
Digital units and routers lie at their core, a cluster's switch in the middle of its row, the off-chip port at core 0.
Wires run along rows and columns. A bus is a comb: a spine along the first column, a rib along every row. Nodes of a
custom topology that are none of these have no place, and their links the length of one pitch.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from hermes_sim.chip.places import BUS, Link, Place, Role

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hermes_sim.chip.schema import Chip


class Span(NamedTuple):
    """Wire of one link beyond the one pitch that every hop has.

    Parameters
    ----------
    charged_mm : wire that a byte charges
    travelled_mm : wire that it runs along, at most
    """

    charged_mm: float = 0.0
    travelled_mm: float = 0.0


ONE_PITCH = Span()


class Floorplan:
    """Lengths of the links of a chip.

    Parameters
    ----------
    homes : node -> index of the core beside which it sits; nodes of a custom topology may have none
    """

    def __init__(self, chip: Chip, homes: Mapping[Place, int]) -> None:
        self._rows, self._columns = chip.cores.clusters.n, chip.cores.per_cluster.n
        self._homes = homes
        self.pitch_mm = math.sqrt(chip.core.area_mm2)

    def span(self, link: Link) -> Span:
        """Wire of a link, or of the bus, beyond one pitch."""
        if link == BUS:
            whole = self._rows * self._columns - 1
            farthest = 2 * (self._columns - 1) + self._rows - 1
            return Span(self._extra_mm(whole), self._extra_mm(farthest))
        one, two = self._position(link.source), self._position(link.target)
        if one is None or two is None:
            return Span()
        extra_mm = self._extra_mm(abs(one[0] - two[0]) + abs(one[1] - two[1]))
        return Span(extra_mm, extra_mm)

    def _extra_mm(self, pitches: float) -> float:
        return max(0.0, pitches - 1) * self.pitch_mm

    def _position(self, node: Place) -> tuple[float, float] | None:
        """Column and row of a node, in pitches."""
        if node.role is Role.ROUTER:
            column, row = node.number
            return column, row
        if node.role is Role.SWITCH:
            return (self._columns - 1) / 2, node.number[0]
        if node not in self._homes:
            return None
        row, column = divmod(self._homes[node], self._columns)
        return column, row
