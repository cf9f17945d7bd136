"""A digital accelerator made of systolic arrays: one product, or a whole operator graph.

Optimistic: every multiply-accumulate unit busy in every cycle, SRAM read once per operand. Realistic: the
cycle model of `gemm`, with the SRAM traffic of its folds and a start of every operator.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hermes_sim.baselines.boundary import Boundary, values_in_and_out
from hermes_sim.baselines.flow import flow_of
from hermes_sim.baselines.gemm import Gemm, GemmCost, gemm_cost
from hermes_sim.baselines.kernels import Work, distinct_weights, list_traffic, list_work
from hermes_sim.baselines.result import BaselineResult, Estimate, OperatorCost, estimate_within
from hermes_sim.baselines.schema import Dataflow, Fusion, SystolicArray
from hermes_sim.config.vocabulary import Function, Timing
from hermes_sim.errors import ArchConfigError
from hermes_sim.workload.graph import OpKind

if TYPE_CHECKING:
    from hermes_sim.workload.graph import Operator, OpGraph


@dataclass(frozen=True)
class GemmRun:
    """One product with its traffic and energy."""

    cost: GemmCost
    sram_bytes: float
    dram_bytes: float
    memory_cycles: float
    energy_pj: float

    @property
    def cycles(self) -> int:
        """Cycles of the array, or of device memory if that takes longer (transfers are double-buffered)."""
        return max(self.cost.cycles, math.ceil(self.memory_cycles))

    def record(self) -> dict[str, Any]:
        """Plain row of `hermes-sim baseline systolic`."""
        return {
            "dataflow": str(self.cost.dataflow),
            "cycles": self.cost.cycles,
            "cycles_with_memory": self.cycles,
            "utilization": self.cost.utilization,
            "folds": self.cost.folds,
            "sram_bytes": self.sram_bytes,
            "dram_bytes": self.dram_bytes,
            "energy_pj": self.energy_pj,
        }


def run_gemm(
    array: SystolicArray, gemm: Gemm, *, rows: int, columns: int, dataflow: Dataflow, arrays: int = 1
) -> GemmRun:
    """One product that starts and ends in device memory, on an array of the given size.

    Energies, SRAM and device memory are those of `array`. An operand that fits in half of its third of the
    SRAM (the other half is being filled) crosses device memory once; a larger one every time it is read.
    """
    cost = gemm_cost(gemm, rows=rows, columns=columns, dataflow=dataflow, arrays=arrays)
    width = array.precision.n_bytes
    share = array.sram.size.n_bytes / 6
    dram_bytes = float(gemm.m * gemm.n * width)
    for values, reads in ((gemm.m * gemm.k, cost.input_reads), (gemm.k * gemm.n, cost.weight_reads)):
        dram_bytes += width * (values if values * width <= share else reads)
    on_chip_pj, sram_bytes = _on_chip_energy(array, gemm, cost)
    cycle_ns = 1 / array.clock.ghz
    memory_cycles = dram_bytes / (1e3 * array.memory.bandwidth.bytes_per_ps) / cycle_ns
    time_ns = max(cost.cycles, memory_cycles) * cycle_ns
    energy_pj = on_chip_pj + dram_bytes * array.memory.energy.pj_per_byte + array.static_power.mw * time_ns
    return GemmRun(cost, sram_bytes, dram_bytes, memory_cycles, energy_pj)


def _on_chip_energy(array: SystolicArray, gemm: Gemm, cost: GemmCost) -> tuple[float, float]:
    """Energy of units, accumulators and SRAM (pJ), and the bytes that crossed SRAM and accumulators."""
    sram_bytes = array.precision.n_bytes * (cost.input_reads + cost.weight_reads + cost.output_writes)
    partial_bytes = array.accumulators.width.n_bytes * (cost.partial_reads + cost.partial_writes)
    energy_pj = gemm.macs * (array.mac_energy.pj + array.pass_energy.pj)
    energy_pj += sram_bytes * array.sram.energy.pj_per_byte
    energy_pj += partial_bytes * array.accumulators.energy.pj_per_byte
    return energy_pj, sram_bytes + partial_bytes


def evaluate_systolic(
    array: SystolicArray, graph: OpGraph, *, precision: str = "int8", batch: int = 1, timing: Timing | None = None
) -> BaselineResult:
    """Time and energy of one inference; static weights multiply the tokens of the whole batch at once.

    Parameters
    ----------
    timing : a response that is waited for, or one of many; default: the usual one of the batch

    Raises
    ------
    ArchConfigError
        if the array has another precision, or the batch is no positive number
    """
    if precision.lower() != array.precision:
        raise ArchConfigError(f"{array.name}: precision", got=precision, allowed=f"{array.precision}")
    if batch < 1:
        raise ArchConfigError(f"{array.name}: batch", got=batch, allowed="a whole number from 1")
    timing = timing or Timing.usual(batch)
    return BaselineResult(
        name=array.name,
        precision=str(array.precision),
        batch=batch,
        timing=timing,
        optimistic=_estimate(array, graph, batch, timing, ideal=True),
        realistic=_estimate(array, graph, batch, timing, ideal=False),
    )


def _estimate(array: SystolicArray, graph: OpGraph, batch: int, timing: Timing, *, ideal: bool) -> Estimate:
    flow = flow_of(graph)
    work = list_work(graph, flow, Fusion.FULL)
    width = array.precision.n_bytes
    half_sram = array.sram.size.n_bytes / 2  # weights and intermediate results have half of it each
    traffic = list_traffic(flow, work, on_chip_values=half_sram / width)
    resident = distinct_weights(work) * width <= half_sram
    rows = []
    for item in work:
        weights = 0.0 if resident else item.steps * item.weight_values / batch
        memory_bytes = width * (traffic[item.operator.name].memory + weights)
        rows.append(_cost(array, graph, item, memory_bytes, batch, ideal=ideal))
    given, wanted = values_in_and_out(flow)
    idle_mw = array.static_power.mw
    around = Boundary(array.link, array.host, width * given, width * wanted, idle_mw, 0.0, 0.0, batch, timing)
    return estimate_within(around, tuple(rows), together=batch)


def _cost(
    array: SystolicArray, graph: OpGraph, item: Work, memory_bytes: float, batch: int, *, ideal: bool
) -> OperatorCost:
    """Cost of one operator per inference: a product on the arrays, then the rest on the vector unit."""
    cycle_ns = 1 / array.clock.ghz
    cycles, energy_pj = _product(array, graph, item, batch, ideal=ideal)
    unit = array.vector
    cycles += max(item.vector_ops / unit.lanes.n, item.special / unit.special_lanes.n)
    energy_pj += item.vector_ops * unit.energy.pj + item.special * unit.special_energy.pj
    compute_ns = cycles * cycle_ns
    memory_ns = memory_bytes / (1e3 * array.memory.bandwidth.bytes_per_ps)
    launch_ns = 0.0 if ideal else array.start_cycles.n * item.steps * cycle_ns / batch
    energy_pj += memory_bytes * array.memory.energy.pj_per_byte
    energy_pj += array.static_power.mw * (launch_ns + max(compute_ns, memory_ns))
    return OperatorCost(
        operator=item.operator.name,
        ops=item.matrix_ops + item.vector_ops + item.special,
        bytes=(item.operand_values - item.weight_values * (1 - 1 / batch)) * array.precision.n_bytes,
        memory_bytes=memory_bytes,
        on_chip_bytes=0.0,
        compute_ns=compute_ns,
        memory_ns=memory_ns,
        launch_ns=launch_ns,
        energy_pj=energy_pj,
    )


def _product(array: SystolicArray, graph: OpGraph, item: Work, batch: int, *, ideal: bool) -> tuple[float, float]:
    """Cycles and on-chip energy of an operator's matrix product, per inference (zero if it has none)."""
    gemm, shared = product_of(graph, item.operator)
    if gemm is None:
        return 0.0, 0.0
    together = batch if shared else 1
    share = item.steps / together  # products per inference
    gemm = Gemm(gemm.m * together // item.steps, gemm.k, gemm.n)
    cost = gemm_cost(gemm, rows=array.rows.n, columns=array.columns.n, dataflow=array.dataflow, arrays=array.arrays.n)
    if ideal:
        ideal_cost = GemmCost(
            cost.dataflow, 0, 1.0, cost.folds, gemm.m * gemm.k, gemm.k * gemm.n, 0, 0, gemm.m * gemm.n
        )
        energy_pj, _ = _on_chip_energy(array, gemm, ideal_cost)
        return share * gemm.macs / array.n_macs, share * energy_pj
    energy_pj, _ = _on_chip_energy(array, gemm, cost)
    return share * cost.cycles, share * energy_pj


def product_of(graph: OpGraph, op: Operator) -> tuple[Gemm | None, bool]:
    """Matrix product of an operator in one inference, and whether a batch shares its second operand.

    A state that is summed over all tokens is a product of (rows x tokens) and (tokens x columns), where rows
    and columns add up to the values read per token and multiply to the multiply-accumulates per token.
    """
    if op.matrix:
        matrix = graph.matrix(op.matrix)
        return Gemm(op.tokens, matrix.rows, matrix.columns), True
    macs = op.functions.get(Function.MAC, 0)
    if op.kind not in (OpKind.STATIC_MATMUL, OpKind.DYNAMIC_MATMUL) or not macs:
        return None, False
    if op.once_values:
        root = math.isqrt(max(0, op.in_values**2 - 4 * macs))
        columns = max(1, (op.in_values - root) // 2)
        return Gemm(-(-macs // columns), op.tokens, columns), False
    k = max(1, op.in_values)
    return Gemm(op.tokens, k, -(-macs // k)), op.kind is OpKind.STATIC_MATMUL
