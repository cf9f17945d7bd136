"""What a baseline gives back: two estimates and, where there is one, a measurement; all per inference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hermes_sim.baselines.boundary import Boundary
    from hermes_sim.config.vocabulary import Timing


@dataclass(frozen=True)
class OperatorCost:
    """Time and traffic of one operator, per inference: one point of the roofline plot.

    Parameters
    ----------
    ops : operations, a multiply-accumulate counts as two
    bytes : operands read and results written if the operator ran on its own; `intensity` is ops / bytes
    memory_bytes : what of that crosses device memory after fusion and on-chip reuse
    on_chip_bytes : what crosses the shared on-chip memory instead (a systolic array counts its own in its cycles)
    compute_ns, memory_ns : the operator takes the larger of the two, and `launch_ns` besides; the latency of the
        kernel's first access is in `memory_ns`
    bound : which of compute, memory and launch is the largest
    """

    operator: str
    ops: float
    bytes: float
    memory_bytes: float
    on_chip_bytes: float
    compute_ns: float
    memory_ns: float
    launch_ns: float
    energy_pj: float

    @property
    def intensity(self) -> float:
        """Operations per byte."""
        return self.ops / self.bytes if self.bytes else float("inf")

    @property
    def time_ns(self) -> float:
        """Time of the operator."""
        return self.launch_ns + max(self.compute_ns, self.memory_ns)

    @property
    def bound(self) -> str:
        """Largest part of the time."""
        parts = {"compute": self.compute_ns, "memory": self.memory_ns, "launch": self.launch_ns}
        return max(parts, key=parts.__getitem__)

    def record(self) -> dict[str, Any]:
        """Plain row."""
        return {
            "operator": self.operator,
            "ops": self.ops,
            "bytes": self.bytes,
            "memory_bytes": self.memory_bytes,
            "on_chip_bytes": self.on_chip_bytes,
            "intensity": self.intensity if self.bytes else None,
            "compute_ns": self.compute_ns,
            "memory_ns": self.memory_ns,
            "launch_ns": self.launch_ns,
            "energy_pj": self.energy_pj,
            "bound": self.bound,
        }


@dataclass(frozen=True)
class Estimate:
    """Latency and energy per inference; those of a batch divided by its size.

    Parameters
    ----------
    operators : of the device; their times and energies add up to the part ``device``, less what it idles for others
    time_by_part_ns : device, link (what is not hidden behind the device), wait; they add up
    energy_by_part_pj : device, link, host; they add up
    together : inferences that run at once: the batch, or the part of it that is quickest
    """

    operators: tuple[OperatorCost, ...]
    time_by_part_ns: dict[str, float]
    energy_by_part_pj: dict[str, float]
    together: int = 1

    @property
    def latency_ns(self) -> float:
        """Time of all parts."""
        return sum(self.time_by_part_ns.values())

    @property
    def energy_pj(self) -> float:
        """Energy of all parts."""
        return sum(self.energy_by_part_pj.values())

    def record(self) -> dict[str, Any]:
        """Plain row."""
        return {
            "latency_ns": self.latency_ns,
            "energy_pj": self.energy_pj,
            "time_by_part_ns": self.time_by_part_ns,
            "energy_by_part_pj": self.energy_by_part_pj,
        }


def estimate_within(boundary: Boundary, operators: tuple[OperatorCost, ...], *, together: int) -> Estimate:
    """Estimate of operators on a device, with what lies around it."""
    device_ns, device_pj = sum(row.time_ns for row in operators), sum(row.energy_pj for row in operators)
    parts = boundary.around(device_ns, device_pj)
    return Estimate(operators, parts.time_ns, parts.energy_pj, together)


@dataclass(frozen=True)
class MeasuredPoint:
    """What a user measured on the device, per inference."""

    latency_ns: float
    energy_pj: float | None
    source: str


@dataclass(frozen=True)
class BaselineResult:
    """One baseline on one operator graph.

    `optimistic` and `realistic` are per inference; the first result of a batch comes after `batch` times the
    latency. `measured` is there only if the device file holds a measurement of this workload.
    """

    name: str
    precision: str
    batch: int
    timing: Timing
    optimistic: Estimate
    realistic: Estimate
    measured: MeasuredPoint | None = None

    @property
    def operators(self) -> tuple[OperatorCost, ...]:
        """Rows of the realistic case, for the roofline plot."""
        return self.realistic.operators

    def record(self) -> dict[str, Any]:
        """Plain data as in the result document, without the ratios to a chip."""
        record: dict[str, Any] = {
            "name": self.name,
            "precision": self.precision,
            "batch": self.batch,
            "timing": str(self.timing),
            "optimistic": self.optimistic.record(),
            "realistic": self.realistic.record(),
        }
        if self.measured is not None:
            record["measured"] = {
                "latency_ns": self.measured.latency_ns,
                "energy_pj": self.measured.energy_pj,
                "source": self.measured.source,
            }
        return record
