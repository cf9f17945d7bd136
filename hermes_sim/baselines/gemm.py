"""Cycles and traffic of one matrix product on one systolic array, in closed form.

A product of inputs (m x k) and weights (k x n) is cut into folds that fit the array. Two of the three sizes
are laid over rows and columns, the third streams through:

    dataflow            rows   columns   streamed   stays in the array
    weight-stationary   k      n         m          weights
    input-stationary    k      m         n          inputs
    output-stationary   m      n         k          outputs

Operands enter skewed, so that a fold takes `streamed + rows + columns - 2` cycles until its last value has
crossed the array; the stationary operand of the first two must be loaded before, row by row, in `rows`
cycles. Folds follow one another without overlap. The model is that of Samajdar et al., ISPASS 2020, doi
10.1109/ISPASS48437.2020.00016, and agrees with their simulator (benchmarks/systolic.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from hermes_sim.baselines.schema import Dataflow


@dataclass(frozen=True)
class Gemm:
    """A product of inputs (m x k) and weights (k x n)."""

    m: int
    k: int
    n: int

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        return self.m * self.k * self.n


@dataclass(frozen=True)
class GemmCost:
    """One product on `arrays` equal arrays.

    Parameters
    ----------
    cycles : until the last result has left
    utilization : multiply-accumulates per unit and cycle
    input_reads, weight_reads : values read from SRAM
    partial_writes, partial_reads : unfinished sums, which wait in the accumulators
    """

    dataflow: Dataflow
    cycles: int
    utilization: float
    folds: int
    input_reads: int
    weight_reads: int
    partial_writes: int
    partial_reads: int
    output_writes: int


def gemm_cost(gemm: Gemm, *, rows: int, columns: int, dataflow: Dataflow, arrays: int = 1) -> GemmCost:
    """Cycles and SRAM accesses of one product; `BEST` takes the dataflow with the fewest cycles.

    Folds are shared out over the arrays; each array reads the operands of its folds.
    """
    if dataflow is Dataflow.BEST:
        fixed = (Dataflow.WS, Dataflow.OS, Dataflow.IS)
        costs = (gemm_cost(gemm, rows=rows, columns=columns, dataflow=d, arrays=arrays) for d in fixed)
        return min(costs, key=lambda cost: cost.cycles)
    m, k, n = gemm.m, gemm.k, gemm.n
    over_rows, over_columns, streamed = {
        Dataflow.WS: (k, n, m),
        Dataflow.IS: (k, m, n),
        Dataflow.OS: (m, n, k),
    }[dataflow]
    row_folds, column_folds = -(-over_rows // rows), -(-over_columns // columns)
    folds = row_folds * column_folds
    load = 0 if dataflow is Dataflow.OS else rows
    cycles = -(-folds // arrays) * (load + streamed + rows + columns - 2)
    k_folds = 1 if dataflow is Dataflow.OS else row_folds
    input_passes = 1 if dataflow is Dataflow.IS else column_folds
    weight_passes = {Dataflow.WS: 1, Dataflow.IS: column_folds, Dataflow.OS: row_folds}[dataflow]
    return GemmCost(
        dataflow=dataflow,
        cycles=cycles,
        utilization=gemm.macs / (cycles * rows * columns * arrays),
        folds=folds,
        input_reads=m * k * input_passes,
        weight_reads=k * n * weight_passes,
        partial_writes=m * n * (k_folds - 1),
        partial_reads=m * n * (k_folds - 1),
        output_writes=m * n,
    )
