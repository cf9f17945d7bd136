"""On-chip links: which links a packet takes from one node to another, for every topology."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes_sim.arch.schema import Topology

if TYPE_CHECKING:
    from hermes_sim.arch.schema import Chip

IO = "io"
BUS = "bus"


class Network:
    """Routes between cores (``core7``), on-chip digital units (``dpu3``) and the off-chip port (``io``).

    Units and the off-chip port sit beside the cores: unit i of n at cluster (or router) i of n, evenly spread.
    """

    def __init__(self, chip: Chip) -> None:
        self._topology = chip.network.topology
        self._n_cores = chip.n_cores
        self._per_cluster = chip.cores.per_cluster.n
        self._n_clusters = chip.cores.clusters.n
        self._mesh_columns = self._per_cluster  # a cluster is a row of the mesh
        self._units = {
            f"{kind}{i}": i * self._n_cores // unit.count.n
            for kind, unit in chip.digital_units.items()
            if unit.place == "on_chip"
            for i in range(unit.count.n)
        }

    def home(self, node: str) -> int:
        """Core index beside which a node sits."""
        if node == IO:
            return 0
        return self._units[node] if node in self._units else int(node.removeprefix("core"))

    def route(self, source: str, target: str) -> list[str]:
        """Names of the links from source to target, in order; empty if both are the same node."""
        if source == target:
            return []
        if self._topology is Topology.BUS:
            return [BUS]
        if self._topology is Topology.ALL_TO_ALL:
            return [f"{source}>{target}"]
        path = (
            self._mesh(source, target) if self._topology is Topology.MESH else self._clusters(source, target)
        )
        return [f"{a}>{b}" for a, b in zip(path[:-1], path[1:], strict=True)]

    def _clusters(self, source: str, target: str) -> list[str]:
        """Direct links inside a cluster; between clusters, and to units and the port, by the clusters' switches."""
        one, two = (self.home(node) // self._per_cluster for node in (source, target))
        cores_only = source.startswith("core") and target.startswith("core")
        if one == two and cores_only:
            return [source, target]
        switches = [f"switch{one}"] if one == two else [f"switch{one}", f"switch{two}"]
        if IO in (source, target):  # the port has a link to every cluster
            switches = [f"switch{two if source == IO else one}"]
        return [source, *switches, target]

    def _mesh(self, source: str, target: str) -> list[str]:
        """First along the row, then along the column (XY); every node has its own link to its router."""
        (x, y), (x_end, y_end) = (
            divmod(self.home(node), self._mesh_columns)[::-1] for node in (source, target)
        )
        path = [source, f"router{x},{y}"]
        while (x, y) != (x_end, y_end):
            if x != x_end:
                x += 1 if x_end > x else -1
            else:
                y += 1 if y_end > y else -1
            path.append(f"router{x},{y}")
        return [*path, target]
