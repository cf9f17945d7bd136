"""What a baseline file may say. As for chips, physical numbers have no defaults."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from hermes_sim.config import quantity as q
from hermes_sim.config.quantity import Dimension, Quantity
from hermes_sim.config.section import (
    Area,
    Bandwidth,
    Bytes,
    Count,
    Energy,
    EnergyPerByte,
    Frequency,
    Power,
    QuantityOf,
    SchemaVersion,
    Section,
    Time,
)
from hermes_sim.config.section import Positive as PositiveCount
from hermes_sim.errors import FieldError, QuantityError


def _above_zero(dimension: Dimension, low: float) -> QuantityOf:
    """Quantity that something is divided by: zero is refused at load."""
    return QuantityOf(replace(dimension, low=low))


Rate = Annotated[Quantity, _above_zero(q.OPS_RATE, 1e-9)]
Utilization = Annotated[Quantity, _above_zero(q.FRACTION, 1e-6)]
Watts = Annotated[Quantity, _above_zero(q.POWER, 1e-3)]
PositiveTime = Annotated[Quantity, _above_zero(q.TIME, 1.0)]
OpsPerValue = Annotated[Quantity, _above_zero(q.RATIO, 0.0)]


class Precision(StrEnum):
    """Number formats; one value takes `n_bytes`."""

    INT8 = "int8"
    FP16 = "fp16"
    BF16 = "bf16"
    FP32 = "fp32"

    @property
    def n_bytes(self) -> int:
        """Bytes of one value."""
        return _N_BYTES[self]


_N_BYTES = {Precision.INT8: 1, Precision.FP16: 2, Precision.BF16: 2, Precision.FP32: 4}


class Fusion(StrEnum):
    """Which operators share a kernel.

    FULL: everything that is not a matrix product joins the product before it. EPILOGUE: only element-wise and
    non-linear operators do. NONE: one kernel per operator.
    """

    FULL = "full"
    EPILOGUE = "epilogue"
    NONE = "none"


class Case(Section):
    """One way to look at a device: optimistic (vendor peak, no overhead) or realistic (documented deratings).

    The utilisations are shares of the peaks; `launch` is the time per kernel, or copy over the link, during which the
    device waits. `wait` is the time until the host knows that a result is there: once per response. `latency` says
    whether every kernel waits for its first access to memory, or all of that is hidden behind other work.
    """

    matrix_utilization: Utilization
    vector_utilization: Utilization
    memory_utilization: Utilization
    launch: Time
    wait: Time | None = None
    latency: Literal["counted", "hidden"] = "counted"
    fusion: Annotated[Fusion, Field(strict=False)]
    intermediates: Literal["on_chip", "device_memory"]
    weights: Literal["resident", "streamed"]


class Memory(Section):
    """Device memory: peak bandwidth and energy of a byte."""

    bandwidth: Bandwidth
    energy: EnergyPerByte


class DeviceMemory(Memory):
    """The same with the time from a request to its first byte, which every kernel waits for that reads there."""

    latency: Time | None = None


class OnChipMemory(Section):
    """Cache or scratchpad that all units share, where results wait for the next kernel if they fit.

    `latency` is that of kernels which find all that they read here.
    """

    size: Bytes
    bandwidth: Bandwidth
    latency: Time | None = None


class HostLink(Section):
    """What inputs and results cross between host and device, one per direction.

    With `of_chip` it is the off-chip channel of the chip that the device stands beside.
    """

    bandwidth: Annotated[Quantity, _above_zero(q.BANDWIDTH, 1e-9)]
    latency: Time
    energy: EnergyPerByte
    static_power: Power
    of_chip: bool = False


class Host(Section):
    """The part of a host that serves the device, and idles while it computes.

    With `of_chip` it is the host of the chip that the device stands beside.
    """

    idle_power: Power
    of_chip: bool = False


class Measurement(Section):
    """A user's own measurement of one workload, per inference."""

    workload: str = Field(min_length=1)
    precision: Annotated[Precision, Field(strict=False)]
    batch: int = Field(ge=1)
    latency: PositiveTime
    energy: Energy | None = None


class RooflineDevice(Section):
    """A GPU, TPU or CPU: peaks, memory, power.

    `matrix_peak` holds the rate of matrix products by precision, `vector_peak` that of other arithmetic,
    `special_peak` that of exponentials, divisions and trigonometric functions (values per time);
    one of those costs the energy of `special_cost` vector operations. Without `link` the device shares the memory of
    its host; without `host` it is one itself.
    """

    schema_version: SchemaVersion
    kind: Literal["roofline"]
    name: str = Field(min_length=1)
    description: str
    matrix_peak: dict[Annotated[Precision, Field(strict=False)], Rate] = Field(min_length=1)
    vector_peak: dict[Annotated[Precision, Field(strict=False)], Rate] = Field(min_length=1)
    special_peak: Rate
    special_cost: OpsPerValue
    memory: DeviceMemory
    on_chip_memory: OnChipMemory
    board_power: Watts
    idle_power: Watts
    link: HostLink | None = None
    host: Host | None = None
    optimistic: Case
    realistic: Case
    measured: list[Measurement] = Field(default_factory=list)
    measured_file: str | None = None

    @model_validator(mode="after")
    def _idle_below_board(self) -> RooflineDevice:
        if self.idle_power.mw >= self.board_power.mw:
            raise QuantityError(
                "idle_power",
                got=self.idle_power.given,
                allowed=f"less than board_power = {self.board_power.given}",
            )
        return self

    @property
    def precisions(self) -> list[str]:
        """Precisions of the matrix products that the device has."""
        return [str(precision) for precision in self.matrix_peak]


class Dataflow(StrEnum):
    """Which operand stays in the array: weights, outputs or inputs; BEST takes the quickest per product."""

    WS = "ws"
    OS = "os"
    IS = "is"
    BEST = "best"


class Sram(Section):
    """On-chip memory of the array, shared equally by inputs, weights and outputs."""

    size: Bytes
    area: Area
    energy: EnergyPerByte


class Accumulators(Section):
    """Small memories at the edge of the array, where partial sums of a product wait for the rest."""

    width: Bytes
    energy: EnergyPerByte


class VectorUnit(Section):
    """All but matrix products: operations and special functions per clock cycle, and their energy."""

    lanes: PositiveCount
    special_lanes: PositiveCount
    energy: Energy
    special_energy: Energy


class SizedBy(StrEnum):
    """What of the chip beside it an array takes its size from: area, power of the analog cores, power of all of it."""

    CHIP_AREA = "chip_area"
    CORE_POWER = "core_power"
    CHIP_POWER = "chip_power"

    @property
    def limit(self) -> str:
        """Field of a file that says what size it is for."""
        return "area_limit" if self is SizedBy.CHIP_AREA else "power_limit"


class SystolicArray(Section):
    """A digital accelerator: `arrays` grids of multiply-accumulate units with SRAM and device memory.

    `pass_energy` is what one multiply-accumulate unit spends on handing operands and sums to its neighbours.
    `area_limit` and `power_limit` say what it was sized for; a file that exceeds either is refused.
    With `sized_by` it takes the size of the chip that it stands beside, see `hermes_sim.baselines.sizing`.
    """

    schema_version: SchemaVersion
    kind: Literal["systolic"]
    name: str = Field(min_length=1)
    description: str
    precision: Annotated[Precision, Field(strict=False)]
    dataflow: Annotated[Dataflow, Field(strict=False)]
    arrays: PositiveCount
    rows: PositiveCount
    columns: PositiveCount
    clock: Frequency
    start_cycles: Count
    mac_area: Area
    mac_energy: Energy
    pass_energy: Energy
    accumulators: Accumulators
    sram: Sram
    vector: VectorUnit
    other_area: Area
    static_power: Power
    memory: Memory
    link: HostLink | None = None
    host: Host | None = None
    area_limit: Area | None = None
    power_limit: Watts | None = None
    sized_by: Annotated[SizedBy, Field(strict=False)] | None = None

    @model_validator(mode="after")
    def _sized_for_something(self) -> SystolicArray:
        name = "" if self.sized_by is None else self.sized_by.limit
        if name and getattr(self, name) is None:
            raise FieldError(name, got="nothing", allowed=f"what the file is for, beside sized_by: {self.sized_by}")
        return self

    @model_validator(mode="after")
    def _within_limits(self) -> SystolicArray:
        limits = []
        if self.area_limit is not None:
            limits.append(("area_limit", self.area_limit.mm2, self.area_mm2, "mm2"))
        if self.power_limit is not None:
            limits.append(("power_limit", self.power_limit.mw, self.peak_power_mw, "mW"))
        for name, limit, got, unit in limits:
            if got > limit * (1 + 1e-9):
                raise QuantityError(
                    name,
                    got=f"{got:.4g} {unit} for {self.n_macs} multiply-accumulate units",
                    allowed=f"at most {limit:.4g} {unit}",
                    hint="fewer arrays, rows or columns, or less SRAM",
                )
        return self

    @property
    def n_macs(self) -> int:
        """Multiply-accumulate units of all arrays."""
        return self.arrays.n * self.rows.n * self.columns.n

    @property
    def peak_tops(self) -> float:
        """Operations per picosecond with every unit busy."""
        return 2e-3 * self.n_macs * self.clock.ghz

    @property
    def area_mm2(self) -> float:
        """Arrays, SRAM and the rest."""
        return self.n_macs * self.mac_area.mm2 + self.sram.area.mm2 + self.other_area.mm2

    @property
    def peak_power_mw(self) -> float:
        """Power with every unit busy, inputs read at one edge and outputs written at the other every cycle.

        Device memory is not in it, as it is not in the chip's published power.
        """
        per_mac_pj = self.mac_energy.pj + self.pass_energy.pj
        edge_bytes = self.arrays.n * (self.rows.n + self.columns.n) * self.precision.n_bytes
        per_cycle_pj = self.n_macs * per_mac_pj + edge_bytes * self.sram.energy.pj_per_byte
        return per_cycle_pj * self.clock.ghz + self.static_power.mw

    @property
    def precisions(self) -> list[str]:
        """The one precision of the array."""
        return [str(self.precision)]
