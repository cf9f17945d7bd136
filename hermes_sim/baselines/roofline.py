"""Roofline with power: per operator the larger of compute and memory time, plus the launch of its kernel.

What lies around the device, its link and its host, is added by `boundary`.

Energy follows the energy roofline of Choi et al., IPDPS 2013, doi 10.1109/IPDPS.2013.77, with a power cap:
idle power for the whole time, an energy per operation so that the device draws its board power when it
computes as fast as the case allows, an energy per byte of device memory, and never more than board power.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hermes_sim.baselines.boundary import Boundary, values_in_and_out
from hermes_sim.baselines.flow import flow_of
from hermes_sim.baselines.kernels import Work, distinct_weights, list_traffic, list_work
from hermes_sim.baselines.result import BaselineResult, Estimate, MeasuredPoint, OperatorCost, estimate_within
from hermes_sim.baselines.schema import Case, Fusion, Precision, RooflineDevice
from hermes_sim.config.vocabulary import Timing
from hermes_sim.errors import ArchConfigError, nearest

if TYPE_CHECKING:
    from hermes_sim.baselines.flow import Flow
    from hermes_sim.baselines.kernels import Traffic
    from hermes_sim.workload.graph import OpGraph

_VECTOR_FALLBACK = (Precision.FP16, Precision.BF16, Precision.FP32)


def evaluate_roofline(
    device: RooflineDevice, graph: OpGraph, *, precision: str, batch: int = 1, timing: Timing | None = None
) -> BaselineResult:
    """Time and energy of one inference on a roofline device.

    Parameters
    ----------
    precision : int8, fp16, bf16 or fp32
    batch : inferences at hand. Those that run together share each launch and each reading of the weights,
        whose cost is divided among them; everything else is counted per inference. A batch runs in smaller
        parts if that is quicker, because results between kernels then fit on chip. Operators on a circle of
        feedback launch once per token, and as often read their weights, from on-chip memory where they all fit
    timing : a response that is waited for, or one of many; default: the usual one of the batch

    Raises
    ------
    ArchConfigError
        if the device lacks the precision, or the batch is no positive number
    """
    chosen = _precision(device, precision)
    if batch < 1:
        raise ArchConfigError(f"{device.name}: batch", got=batch, allowed="a whole number from 1")
    timing = timing or Timing.usual(batch)
    return BaselineResult(
        name=device.name,
        precision=str(chosen),
        batch=batch,
        timing=timing,
        optimistic=_best_estimate(device, device.optimistic, graph, chosen, batch, timing),
        realistic=_best_estimate(device, device.realistic, graph, chosen, batch, timing),
        measured=_measured(device, graph.name, chosen, batch) if timing is Timing.usual(batch) else None,
    )


def _precision(device: RooflineDevice, name: str) -> Precision:
    try:
        precision = Precision(name.lower())
    except ValueError:
        precision = None
    if precision is None or precision not in device.matrix_peak:
        has = device.precisions
        hint = "bf16 has the same width" if name.lower() == "fp16" and "bf16" in has else nearest(name, has)
        raise ArchConfigError(
            f"{device.name}: precision",
            got=name,
            allowed=f"one of {', '.join(has)} on this device",
            hint=hint,
        )
    return precision


@dataclass(frozen=True)
class _Rates:
    """What a device does per ns in one case at one precision: operations, special functions, bytes."""

    matrix: float
    vector: float
    special: float
    memory: float
    on_chip: float

    @classmethod
    def of(cls, device: RooflineDevice, case: Case, precision: Precision) -> _Rates:
        """1 op/ps is 1,000 op/ns."""
        vector, memory = 1e3 * case.vector_utilization.ratio, 1e3 * case.memory_utilization.ratio
        return cls(
            1e3 * device.matrix_peak[precision].tops * case.matrix_utilization.ratio,
            _vector_peak(device, precision) * vector,
            device.special_peak.tops * vector,
            device.memory.bandwidth.bytes_per_ps * memory,
            device.on_chip_memory.bandwidth.bytes_per_ps * memory,
        )


def _vector_peak(device: RooflineDevice, precision: Precision) -> float:
    """Rate of other arithmetic, ops/ps: at the precision if the device has it, else at the next wider one."""
    wider = [p for p in _VECTOR_FALLBACK if p.n_bytes >= precision.n_bytes]
    found = next((p for p in (precision, *wider) if p in device.vector_peak), None)
    return device.vector_peak[found].tops if found else next(iter(device.vector_peak.values())).tops


def _best_estimate(
    device: RooflineDevice, case: Case, graph: OpGraph, precision: Precision, batch: int, timing: Timing
) -> Estimate:
    """The batch at once, or cut into halves, quarters, ... so that results between kernels fit on chip."""
    parts = [batch]
    if case.fusion is not Fusion.FULL and case.intermediates == "on_chip":
        while parts[-1] > 1:
            parts.append(-(-parts[-1] // 2))
    found = (_estimate(device, case, graph, precision, part, timing) for part in parts)
    return min(found, key=lambda e: e.latency_ns)


def _estimate(
    device: RooflineDevice, case: Case, graph: OpGraph, precision: Precision, batch: int, timing: Timing
) -> Estimate:
    flow = flow_of(graph)
    work = list_work(graph, flow, case.fusion)
    width = precision.n_bytes
    on_chip = device.on_chip_memory.size.n_bytes / width
    # fused kernels take the inferences of a batch one after the other, separate kernels all at once
    together = 1 if case.fusion is Fusion.FULL else batch
    kept = on_chip / together if case.intermediates == "on_chip" else 0.0
    traffic = list_traffic(flow, work, on_chip_values=kept)
    fits = distinct_weights(work) <= on_chip
    rates, rows = _Rates.of(device, case, precision), []
    for item in work:
        moved = _with_weights(case, item, traffic[item.operator.name], fits=fits, batch=batch)
        rows.append(_cost(device, case, item, rates, width, moved, batch))
    return estimate_within(_boundary(device, case, flow, width, batch, timing), tuple(rows), together=batch)


def _with_weights(case: Case, item: Work, moved: Traffic, *, fits: bool, batch: int) -> tuple[float, float]:
    """Values through device memory and through on-chip memory, weights included.

    Weights are read for every step of the kernel: from device memory, but for those that fit on chip, which come from
    there after the first step. Resident ones that fit lie in the units themselves.
    """
    if fits and case.weights == "resident":
        return float(moved.memory), float(moved.on_chip)
    far = 1 if fits else item.steps
    weights = item.weight_values / batch
    return moved.memory + far * weights, moved.on_chip + (item.steps - far) * weights


def _boundary(device: RooflineDevice, case: Case, flow: Flow, width: int, batch: int, timing: Timing) -> Boundary:
    given, wanted = values_in_and_out(flow)
    wait_ns = case.wait.ps / 1e3 if case.wait is not None else 0.0
    start_ns, idle_mw = case.launch.ps / 1e3, device.idle_power.mw
    return Boundary(device.link, device.host, width * given, width * wanted, idle_mw, start_ns, wait_ns, batch, timing)


def _latency_ns(device: RooflineDevice, case: Case, item: Work, *, reads_memory: bool) -> float:
    """Time that an operator's kernel waits for its first access, in all steps of one inference or batch."""
    memory = device.memory if reads_memory else device.on_chip_memory
    if memory.latency is None or case.latency == "hidden" or not item.first_of_kernel:
        return 0.0
    return item.steps * memory.latency.ps / 1e3


def _cost(
    device: RooflineDevice, case: Case, item: Work, rates: _Rates, width: int, moved: tuple[float, float], batch: int
) -> OperatorCost:
    """Cost of one operator per inference; 1 mW for 1 ns is 1 pJ.

    `moved` values of `width` bytes cross device memory and on-chip memory; both can work at the same time.
    """
    memory_bytes, on_chip_bytes = width * moved[0], width * moved[1]
    matrix_ns = item.matrix_ops / rates.matrix
    compute_ns = max(matrix_ns, item.vector_ops / rates.vector, item.special / rates.special)
    memory_ns = max(memory_bytes / rates.memory, on_chip_bytes / rates.on_chip)
    memory_ns += _latency_ns(device, case, item, reads_memory=memory_bytes > 0) / batch
    launch_ns = item.steps * case.launch.ps / 1e3 / batch if item.first_of_kernel else 0.0
    vector_equivalent = item.vector_ops + item.special * device.special_cost.ratio
    dynamic_mw = device.board_power.mw - device.idle_power.mw
    busy_ns = max(compute_ns, memory_ns)
    dynamic_pj = dynamic_mw * (matrix_ns + vector_equivalent / rates.vector)
    dynamic_pj += memory_bytes * device.memory.energy.pj_per_byte
    energy_pj = device.idle_power.mw * (launch_ns + busy_ns) + min(dynamic_pj, dynamic_mw * busy_ns)
    # the operands of the roofline plot: as if the operator ran alone, weights once per batch
    operands = item.operand_values - item.weight_values * (1 - 1 / batch)
    return OperatorCost(
        operator=item.operator.name,
        ops=item.matrix_ops + item.vector_ops + item.special,
        bytes=operands * width,
        memory_bytes=memory_bytes,
        on_chip_bytes=on_chip_bytes,
        compute_ns=compute_ns,
        memory_ns=memory_ns,
        launch_ns=launch_ns,
        energy_pj=energy_pj,
    )


def _measured(device: RooflineDevice, workload: str, precision: Precision, batch: int) -> MeasuredPoint | None:
    for row in device.measured:
        if (row.workload, row.precision, row.batch) == (workload, precision, batch):
            energy = row.energy.pj if row.energy is not None else None
            return MeasuredPoint(row.latency.ps / 1e3, energy, row.latency.source)
    return None
