"""On-chip links: which links a packet takes from one node to another, for every topology."""

from __future__ import annotations

import itertools
import re
from collections import deque
from typing import TYPE_CHECKING

from hermes_sim.chip.floorplan import Floorplan
from hermes_sim.chip.places import BUS, IO, Link, Place, Role
from hermes_sim.chip.schema import Buffering, Topology
from hermes_sim.errors import ArchConfigError, listed, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from hermes_sim.chip.schema import Chip

_NODES = "cores, units and io of the chip, or nodes of your own that two links or more end at"


class Routes:
    """Routes between cores, on-chip digital units and the off-chip port.

    Units sit beside the cores, evenly spread: unit i of n beside core i * n_cores / n; the port beside core 0.

    Raises
    ------
    ArchConfigError
        a custom topology that names an unknown node, leaves one out of reach, or has a link without effect; one
        whose routes wait for each other in a circle, with one buffer per link;
        ``where`` is the field, the loader adds file and line
    """

    def __init__(self, chip: Chip) -> None:
        self._per_cluster = chip.cores.per_cluster.n
        self._homes = _homes(chip)
        topology = chip.network.topology
        finders: dict[Topology, Callable[[Place, Place], list[Place]]] = {
            Topology.CLUSTER_P2P: self._by_clusters,
            Topology.MESH: self._by_mesh,
            Topology.ALL_TO_ALL: lambda source, target: [source, target],
            Topology.BUS: lambda source, target: [source, target],
            Topology.CUSTOM: self._by_links,
        }
        self._path = finders[topology]
        self.floorplan = Floorplan(chip, self._homes)
        self._one_bus = topology is Topology.BUS
        self._neighbours: dict[Place, list[Place]] = {}
        self._trees: dict[Place, dict[Place, Place]] = {}
        self._hops: dict[tuple[Place, Place], int] = {}
        if topology is Topology.CUSTOM:
            links = _named_links(chip, self.nodes)
            self._neighbours = _neighbours(links)
            self._check_reach(links)
        if chip.network.buffering is Buffering.LINK and topology is Topology.CUSTOM:
            self._check_cycles()

    @property
    def nodes(self) -> list[Place]:
        """All places a packet can come from or go to."""
        return list(self._homes)

    def home(self, node: Place) -> int:
        """Index of the core beside which a node sits."""
        return self._homes[node]

    def route(self, source: Place, target: Place) -> list[Link]:
        """Links from source to target, in order; empty if both are the same node."""
        if source == target:
            return []
        if self._one_bus:
            return [BUS]
        return [Link(a, b) for a, b in itertools.pairwise(self._path(source, target))]

    def hops(self, source: Place, target: Place) -> int:
        """Number of links from source to target: the length of the route, worked out once per pair."""
        pair = (source, target)
        if pair not in self._hops:
            self._hops[pair] = len(self.route(source, target))
        return self._hops[pair]

    def _by_clusters(self, source: Place, target: Place) -> list[Place]:
        """Direct links inside a cluster; else by the clusters' switches, which are all joined to each other.

        The off-chip port has a link to every switch.
        """
        one, two = (self.home(node) // self._per_cluster for node in (source, target))
        if IO in (source, target):
            return [source, Place.switch(two if source == IO else one), target]
        if one == two and source.is_core and target.is_core:
            return [source, target]
        return [source, Place.switch(one), *([Place.switch(two)] if one != two else []), target]

    def _by_mesh(self, source: Place, target: Place) -> list[Place]:
        """First along the row, then along the column (XY); a cluster is a row; every node has a link to its router."""
        (x, y), (x_end, y_end) = (divmod(self.home(node), self._per_cluster)[::-1] for node in (source, target))
        path = [source, Place.router(x, y)]
        while (x, y) != (x_end, y_end):
            if x != x_end:
                x += 1 if x_end > x else -1
            else:
                y += 1 if y_end > y else -1
            path.append(Place.router(x, y))
        return [*path, target]

    def _by_links(self, source: Place, target: Place) -> list[Place]:
        """Fewest hops; among equal routes the one over the links that the file names first."""
        if source not in self._trees:
            self._trees[source] = self._shortest_tree(source)
        path = [target]
        while path[-1] != source:
            path.append(self._trees[source][path[-1]])
        return path[::-1]

    def _shortest_tree(self, source: Place) -> dict[Place, Place]:
        """Node -> the node before it on the way from the source."""
        before: dict[Place, Place] = {}
        queue = deque([source])
        while queue:
            node = queue.popleft()
            for other in self._neighbours.get(node, ()):
                if other != source and other not in before:
                    before[other] = node
                    queue.append(other)
        return before

    def _check_reach(self, links: list[Link]) -> None:
        """Refuse nodes of the chip without a way to io, and nodes of the file's own that no packet can pass."""
        reached = {IO, *self._shortest_tree(IO)}
        lost = [str(node) for node in self.nodes if node not in reached]
        hint = ""
        for i, link in enumerate(links):
            for node in (link.source, link.target):
                if node in self._homes:
                    continue
                meant = nearest(str(node), lost)
                if len(self._neighbours[node]) == 1:
                    got = f"node {str(node)!r}, which is none of the chip and has no other link"
                    hint = meant or nearest(str(node), map(str, self.nodes))
                    raise ArchConfigError(f"network.links.{i}", got=got, allowed=_NODES, hint=hint)
                hint = hint or (meant and f"{str(node)!r} of network.links.{i} is none of the chip: {meant}")
        if lost:
            raise ArchConfigError(
                "network.links",
                got=f"no way from io to {listed(lost, 5)}",
                allowed="links that join every core, on-chip unit and io",
                hint=hint,
            )

    def waits(self) -> dict[Link, set[Link]]:
        """Link -> links that a packet in its buffer may wait for: the next ones of all routes."""
        following: dict[Link, set[Link]] = {}
        for source, target in itertools.permutations(self.nodes, 2):
            for link, after in itertools.pairwise(self.route(source, target)):
                following.setdefault(link, set()).add(after)
        return following

    def _check_cycles(self) -> None:
        """Refuse routes on which packets could wait for each other in a circle: one buffer per link would deadlock."""
        circle = find_circle(self.waits())
        if circle:
            raise ArchConfigError(
                "network.buffering",
                got=f"link, with routes that wait for each other: {' -> '.join(map(str, [*circle, circle[0]]))}",
                allowed="buffering: stream, or links whose routes have no circle, such as a tree or a mesh",
            )


def find_circle(waits: Mapping[Link, Collection[Link]]) -> list[Link]:
    """A circle of links of which each may wait for the next; empty if there is none."""
    done: set[Link] = set()
    for first in waits:
        path, branches = [first], [iter(waits[first])]
        while path:
            link = next(branches[-1], None)
            if link is None:
                done.add(path.pop())
                branches.pop()
            elif link in path:
                return path[path.index(link) :]
            elif link not in done:
                path.append(link)
                branches.append(iter(waits.get(link, ())))
    return []


def _homes(chip: Chip) -> dict[Place, int]:
    """Node -> index of the core beside which it sits."""
    homes = {core: core.number[0] for core in chip.core_places()}
    for unit in chip.unit_places():
        if unit.role is Role.UNIT:
            homes[unit] = unit.number[0] * chip.n_cores // chip.digital_units[unit.kind].count.n
    return homes | {IO: 0}


def _named_links(chip: Chip, nodes: list[Place]) -> list[Link]:
    """Links of a chip file: names of the chip's places are these, all others are nodes of their own.

    Raises
    ------
    ArchConfigError
        a name like that of a core or unit which the chip does not have; a link from a node to itself, or that is
        there already
    """
    clusters, per_cluster = range(chip.cores.clusters.n), range(chip.cores.per_cluster.n)
    known = {str(node): node for node in nodes}
    between = [*map(Place.switch, clusters), *(Place.router(x, y) for y in clusters for x in per_cluster)]
    places = known | {str(node): node for node in between}
    kinds = "|".join(re.escape(kind) for kind in {node.kind for node in nodes})
    links: list[Link] = []
    first: dict[frozenset[str], int] = {}  # ends of a link -> its number
    for i, pair in enumerate(chip.network.links or []):
        where, ends = f"network.links.{i}", frozenset(pair)
        if first.setdefault(ends, i) != i or len(ends) == 1:
            got = f"a link of {pair[0]!r} to itself" if len(ends) == 1 else f"{listed(pair)}: as in links.{first[ends]}"
            raise ArchConfigError(where, got=got, allowed="two nodes that no other link joins; it goes both ways")
        for name in pair:
            hint = nearest(name, known) if name not in known and re.fullmatch(rf"({kinds})\d*", name) else ""
            if hint or ">" in name:
                allowed = "names without >, for a link is SOURCE>TARGET" if ">" in name else _NODES
                raise ArchConfigError(where, got=f"node {name!r}", allowed=allowed, hint=hint)
        one, other = (places.get(name, Place(Role.NODE, name)) for name in pair)
        links.append(Link(one, other))
    return links


def _neighbours(links: list[Link]) -> dict[Place, list[Place]]:
    """Node -> neighbours, in the order of the file."""
    result: dict[Place, list[Place]] = {}
    for a, b in links:
        result.setdefault(a, []).append(b)
        result.setdefault(b, []).append(a)
    return result
