"""Points and roofs of the roofline plot: every operator on the chip, and on each shipped baseline."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hermes_sim.baselines.evaluate import evaluate_baseline
from hermes_sim.baselines.schema import Precision, RooflineDevice
from hermes_sim.chip.costs import output_bytes

if TYPE_CHECKING:
    from hermes_sim.baselines.load import Baseline
    from hermes_sim.chip.places import Place
    from hermes_sim.flow import Simulated
    from hermes_sim.workload.graph import Operator


@dataclass(frozen=True)
class Roof:
    """The most that a device can do: flat at `peak_tops`, and below `bytes_per_ps` times the intensity."""

    name: str
    peak_tops: float
    bytes_per_ps: float | None


@dataclass(frozen=True)
class Point:
    """One operator: operations per byte moved, and operations per time reached."""

    device: str
    operator: str
    place: str
    ops: float
    n_bytes: float
    tops: float

    @property
    def intensity(self) -> float:
        """Operations per byte."""
        return self.ops / self.n_bytes if self.n_bytes else 0.0


CROSSBAR, DIGITAL = "chip: crossbars", "chip: digital units"


def chip_points(source: Simulated) -> list[Point]:
    """Every operator that computes; its rate is its operations over the time from its first start to its last end.

    Bytes are inputs read and results written; weights on crossbars are not moved.
    """
    record, lowered = source.runs.all.record, source.runs.all.lowered
    spans_ps: dict[str, tuple[int, int]] = {}
    for i, info in enumerate(lowered.actors):
        if info.stage in {"read", "ldpu", "compute"} and record.started[i]:
            first, last = spans_ps.get(info.operator, (2**62, 0))
            spans_ps[info.operator] = (
                min(first, int(record.first_start_ps[i])),
                max(last, int(record.last_finish_ps[i])),
            )
    points = []
    for op in source.graph.operators:
        ops = source.graph.ops_of(op) * lowered.inferences
        if not ops or op.name not in spans_ps:
            continue
        first, last = spans_ps[op.name]
        points.append(
            Point(
                CROSSBAR if op.on_crossbar else DIGITAL,
                op.name,
                operator_place(source, op),
                ops,
                _bytes(source, op) * lowered.inferences,
                ops / max(last - first, 1),
            )
        )
    return points


def _bytes(source: Simulated, op: Operator) -> float:
    numbers = source.chip.numbers
    in_bytes = numbers.core_input.n_bytes if op.on_crossbar else numbers.digital.n_bytes
    digital = numbers.digital.n_bytes
    out_bytes = output_bytes(source.chip) if op.on_crossbar else digital
    return op.tokens * (op.in_values * in_bytes + op.out_values * out_bytes) + op.once_values * digital


def operator_place(source: Simulated, op: Operator) -> str:
    """Where an operator runs: its cores or its digital unit."""
    if not op.on_crossbar:
        return str(source.mapping.units[op.name])
    replicas = source.mapping.replicas[op.name]
    cores = {b.core for b in source.mapping.blocks if b.matrix == op.matrix and b.replica in replicas}
    return f"core {min(cores)}" if len(cores) == 1 else f"{len(cores)} cores"


def operator_records(source: Simulated) -> list[dict[str, Any]]:
    """One row per operator, for the table and the file; operations, bytes and vectors are those of one inference."""
    points = {point.operator: point for point in chip_points(source)}
    inferences = source.runs.all.lowered.inferences

    def record(op: Operator) -> dict[str, Any]:
        point = points.get(op.name)
        return {
            "operator": op.name,
            "kind": str(op.kind),
            "place": operator_place(source, op),
            "vectors": op.tokens,
            "ops": source.graph.ops_of(op),
            "bytes": point.n_bytes / inferences if point else None,
            "ops_per_byte": point.intensity if point else None,
            "ops_per_s": point.tops * 1e12 if point else None,
        }

    return [record(op) for op in source.graph.operators]


def chip_roofs(source: Simulated) -> list[Roof]:
    """Crossbars (all and those in use), the digital units in use, the off-chip channel."""
    chip, mapping = source.chip, source.mapping
    per_core = 2 * chip.core.rows.n * chip.core.weight_columns / chip.reading().read_ps(chip.core.read)
    channel = chip.off_chip.bandwidth.bytes_per_ps
    roofs = [
        Roof("chip: off-chip channel", per_core * chip.n_cores, channel),
        Roof(f"chip: {chip.n_cores} full cores", per_core * chip.n_cores, None),
    ]
    if 0 < mapping.cores_used < chip.n_cores:
        n = mapping.cores_used
        roofs.append(Roof(f"chip: {n} full core{'s' if n > 1 else ''}", per_core * n, None))
    used: defaultdict[str, set[Place]] = defaultdict(set)
    for place in mapping.units.values():
        if place.is_unit:
            used[place.kind].add(place)
    for kind, instances in used.items():
        unit = chip.digital_units[kind]
        peak = max(f.ops * c.lanes.n / (c.cycles.n * float(unit.clock.period_ps)) for f, c in unit.functions.items())
        roofs.append(Roof(f"chip: {len(instances)} {kind}", peak * len(instances), None))
    return roofs


def baseline_points(source: Simulated) -> tuple[list[Roof], list[Point]]:
    """Realistic operators and vendor's roofs of the baselines, at their lowest precision and largest batch."""
    roofs, points = [], []
    rows = source.document["baselines"]
    for device in source.devices:
        name = device.name
        mine = [row for row in rows if row["name"] == name]
        if not mine:
            continue
        batch = max(row["batch"] for row in mine)
        precision = mine[0]["precision"]
        result = evaluate_baseline(device, source.graph, precision=precision, batch=batch)
        label = f"{name} {precision}"
        roofs.append(Roof(label, _peak_tops(device, precision), device.memory.bandwidth.bytes_per_ps))
        points += [
            Point(label, cost.operator, name, cost.ops, cost.bytes, cost.ops / (1e3 * cost.time_ns))
            for cost in result.operators
            if cost.ops and cost.bytes and cost.time_ns
        ]
    return roofs, points


def _peak_tops(device: Baseline, precision: str) -> float:
    if isinstance(device, RooflineDevice):
        return device.matrix_peak[Precision(precision)].tops
    return device.peak_tops


def roof_line(roof: Roof, lowest: float, highest: float) -> tuple[list[float], list[float]]:
    """Intensities and rates of a roof between two intensities."""
    x = np.geomspace(lowest, highest, 2)
    if roof.bytes_per_ps is None:
        return x.tolist(), [roof.peak_tops] * 2
    ridge = roof.peak_tops / roof.bytes_per_ps
    x = np.unique(np.clip([lowest, ridge, highest], lowest, highest))
    return x.tolist(), np.minimum(roof.peak_tops, roof.bytes_per_ps * x).tolist()
