"""Digital accelerators: `compare`, `baseline list`, `baseline run`, `baseline systolic`."""

from __future__ import annotations

from pydantic import Field

from hermes_sim.cli.documents.base import Document
from hermes_sim.comparison.chips import ChipRow
from hermes_sim.comparison.table import ComparisonRow
from hermes_sim.config.vocabulary import Timing
from hermes_sim.result import CaseCost, MeasuredCost, Record


class WinnerChange(Record):
    """Who wins below a value, and from it on."""

    at: int
    before: str
    after: str


class WinnerAlong(Record):
    """Where the winner changes along one axis, against one baseline, precision and case."""

    chip: str
    workload: str
    axis: str = Field(description="inferences, or a field of the workload")
    baseline: str
    precision: str
    case: str
    ratio: str = Field(description="energy_ratio or latency_ratio")
    low: int = Field(description="begin of the range that was looked at")
    high: int = Field(description="its end: the largest value that fits on the chip, if not all do")
    ratio_low: float = Field(description="the ratio at `low`; above 1 the chip wins")
    ratio_high: float = Field(description="the ratio at `high`")
    changes: tuple[WinnerChange, ...] = Field(description="in order; none if one side wins everywhere")
    sentence: str = Field(description="the same in words")


class CompareDocument(Document):
    """Chips, workloads and baselines in one table, and where the winner changes."""

    rows: tuple[ComparisonRow, ...]
    chips: tuple[ChipRow, ...] = Field(description="the chips beside the first one, without baselines")
    crossovers: tuple[WinnerAlong, ...] = Field(description="with --crossover, or as the file of --study says")


class ListedBaseline(Record):
    """A baseline that ships."""

    name: str
    kind: str
    peak_tops: float = Field(description="at its best precision, tera-operations per second")
    power_w: float = Field(description="at peak")
    tops_per_w: float
    precisions: tuple[str, ...]
    description: str


class BaselineListDocument(Document):
    """Baselines that ship."""

    baselines: tuple[ListedBaseline, ...]


class BaselineOperator(Record):
    """One operator in the realistic case."""

    operator: str
    ops: float = Field(description="operations per inference")
    bytes: float = Field(description="moved per inference")
    memory_bytes: float = Field(description="of these over device memory")
    on_chip_bytes: float = Field(description="of these in on-chip memory")
    intensity: float | None = Field(description="operations per byte; null where none is moved")
    compute_ns: float
    memory_ns: float
    launch_ns: float
    energy_pj: float
    bound: str = Field(description="largest part of the time: compute, memory or launch")


class BaselineRunDocument(Document):
    """A workload on one baseline; times and energies are per inference."""

    workload: str
    name: str = Field(description="of the baseline")
    precision: str
    batch: int
    timing: Timing
    optimistic: CaseCost
    realistic: CaseCost
    measured: MeasuredCost | None = Field(None, description="where the baseline's file has a measurement")
    operators: tuple[BaselineOperator, ...] = Field(description="in the realistic case")


class SystolicDocument(Document):
    """One matrix product on one systolic array."""

    array: str = Field(description="rows x columns")
    gemm: str = Field(description="inputs (M x K) times weights (K x N), as M x K x N")
    energies: str = Field(description="baseline whose energies, SRAM and memory are used")
    dataflow: str = Field(description="what stays in the array: ws, os or is")
    cycles: int = Field(description="of the array")
    cycles_with_memory: int = Field(description="the same, or those of device memory if it takes longer")
    utilization: float
    folds: int = Field(description="pieces into which the product is cut")
    sram_bytes: float
    dram_bytes: float
    energy_pj: float
