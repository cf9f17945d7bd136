"""On-chip links: which links a packet takes from one node to another, for every topology."""

from __future__ import annotations

import itertools
from collections import deque
from typing import TYPE_CHECKING

from hermes_sim.chip.floorplan import BUS, Floorplan
from hermes_sim.chip.schema import Topology
from hermes_sim.errors import ArchConfigError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from hermes_sim.chip.schema import Chip

__all__ = ["BUS", "IO", "Network"]

IO = "io"


class Network:
    """Routes between cores (``core7``), on-chip digital units (``dpu3``) and the off-chip port (``io``).

    Units sit beside the cores, evenly spread: unit i of n beside core i * n_cores / n; the port beside core 0.

    Raises
    ------
    ArchConfigError
        a custom topology that names an unknown node or leaves one out of reach
    """

    def __init__(self, chip: Chip) -> None:
        self._n_cores = chip.n_cores
        self._per_cluster = chip.cores.per_cluster.n
        self._units = {
            f"{kind}{i}": i * self._n_cores // unit.count.n
            for kind, unit in chip.digital_units.items()
            if unit.place == "on_chip"
            for i in range(unit.count.n)
        }
        topology = chip.network.topology
        finders: dict[Topology, Callable[[str, str], list[str]]] = {
            Topology.CLUSTER_P2P: self._by_clusters,
            Topology.MESH: self._by_mesh,
            Topology.ALL_TO_ALL: lambda source, target: [source, target],
            Topology.BUS: lambda source, target: [source, target],
            Topology.CUSTOM: self._by_links,
        }
        self._path = finders[topology]
        self.floorplan = Floorplan(chip, self.home)
        self._one_bus = topology is Topology.BUS
        self._neighbours = _neighbours(chip.network.links or [])
        self._trees: dict[str, dict[str, str]] = {}
        self._hops: dict[tuple[str, str], int] = {}
        if topology is Topology.CUSTOM:
            self._check_reach()

    @property
    def nodes(self) -> list[str]:
        """All places a packet can come from or go to."""
        return [*(f"core{i}" for i in range(self._n_cores)), *self._units, IO]

    def home(self, node: str) -> int:
        """Index of the core beside which a node sits."""
        if node == IO:
            return 0
        return self._units[node] if node in self._units else int(node.removeprefix("core"))

    def route(self, source: str, target: str) -> list[str]:
        """Names of the links from source to target, in order; empty if both are the same node."""
        if source == target:
            return []
        if self._one_bus:
            return [BUS]
        path = self._path(source, target)
        return [f"{a}>{b}" for a, b in itertools.pairwise(path)]

    def hops(self, source: str, target: str) -> int:
        """Number of links from source to target: the length of the route, worked out once per pair."""
        pair = (source, target)
        if pair not in self._hops:
            self._hops[pair] = len(self.route(source, target))
        return self._hops[pair]

    def _by_clusters(self, source: str, target: str) -> list[str]:
        """Direct links inside a cluster; else by the clusters' switches, which are all joined to each other.

        The off-chip port has a link to every switch.
        """
        one, two = (self.home(node) // self._per_cluster for node in (source, target))
        if IO in (source, target):
            return [source, f"switch{two if source == IO else one}", target]
        if one == two and source.startswith("core") and target.startswith("core"):
            return [source, target]
        return [source, f"switch{one}", *([f"switch{two}"] if one != two else []), target]

    def _by_mesh(self, source: str, target: str) -> list[str]:
        """First along the row, then along the column (XY); a cluster is a row; every node has a link to its router."""
        (x, y), (x_end, y_end) = (divmod(self.home(node), self._per_cluster)[::-1] for node in (source, target))
        path = [source, f"router{x},{y}"]
        while (x, y) != (x_end, y_end):
            if x != x_end:
                x += 1 if x_end > x else -1
            else:
                y += 1 if y_end > y else -1
            path.append(f"router{x},{y}")
        return [*path, target]

    def _by_links(self, source: str, target: str) -> list[str]:
        """Fewest hops; among equal routes the one over the links that the file names first."""
        if source not in self._trees:
            self._trees[source] = self._shortest_tree(source)
        path = [target]
        while path[-1] != source:
            path.append(self._trees[source][path[-1]])
        return path[::-1]

    def _shortest_tree(self, source: str) -> dict[str, str]:
        """Node -> the node before it on the way from the source."""
        before: dict[str, str] = {}
        queue = deque([source])
        while queue:
            node = queue.popleft()
            for other in self._neighbours.get(node, ()):
                if other != source and other not in before:
                    before[other] = node
                    queue.append(other)
        return before

    def _check_reach(self) -> None:
        known = set(self.nodes)
        for node in self._neighbours:
            close = nearest(node, known)
            if node not in known and close and node.rstrip("0123456789") in {"core", IO, *self._kinds()}:
                raise ArchConfigError(
                    "network.links",
                    got=f"node {node!r}",
                    allowed="cores, units and io of the chip",
                    hint=close,
                )
        reached = {IO, *self._shortest_tree(IO)}
        lost = [node for node in self.nodes if node not in reached]
        if lost:
            raise ArchConfigError(
                "network.links",
                got=f"no way from io to {', '.join(lost[:5])}{' ...' if len(lost) > 5 else ''}",
                allowed="links that join every core, on-chip unit and io",
            )

    def _kinds(self) -> set[str]:
        return {name.rstrip("0123456789") for name in self._units}


def _neighbours(links: list[list[str]]) -> dict[str, list[str]]:
    """Node -> neighbours, in the order of the file."""
    result: dict[str, list[str]] = {}
    for a, b in links:
        result.setdefault(a, []).append(b)
        result.setdefault(b, []).append(a)
    return result
