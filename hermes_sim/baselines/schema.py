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
    """One way to look at a device: optimistic (vendor peak, no overhead) or realistic (documented deratings)."""

    matrix_utilization: Utilization
    """Share of `matrix_peak` that is reached."""
    vector_utilization: Utilization
    """Share of `vector_peak` and `special_peak` that is reached."""
    memory_utilization: Utilization
    """Share of the bandwidths that is reached."""
    launch: Time
    """Time per kernel, or copy over the link, during which the device waits."""
    wait: Time | None = None
    """Time until the host knows that a result is there, once per response; left out: none."""
    latency: Literal["counted", "hidden"] = "counted"
    """Whether every kernel waits for its first access to memory, or all of that is hidden behind other work."""
    fusion: Annotated[Fusion, Field(strict=False)]
    """Which operators share a kernel."""
    intermediates: Literal["on_chip", "device_memory"]
    """Where results wait for the next kernel, if they fit."""
    weights: Literal["resident", "streamed"]
    """Whether weights that fit on the chip stay there, or are read once per batch."""


class Memory(Section):
    """Device memory."""

    bandwidth: Bandwidth
    """Peak data rate."""
    energy: EnergyPerByte
    """Energy of a byte."""


class DeviceMemory(Memory):
    """The same with the time from a request to its first byte, which every kernel waits for that reads there."""

    latency: Time | None = None
    """Time from a request to its first byte, which every kernel waits for that reads there; left out: none."""


class OnChipMemory(Section):
    """Cache or scratchpad that all units share, where results wait for the next kernel if they fit."""

    size: Bytes
    """Size of the memory."""
    bandwidth: Bandwidth
    """Peak data rate."""
    latency: Time | None = None
    """Time to the first byte of kernels that find all that they read here; left out: none."""


class HostLink(Section):
    """What inputs and results cross between host and device."""

    bandwidth: Annotated[Quantity, _above_zero(q.BANDWIDTH, 1e-9)]
    """Data rate of each direction."""
    latency: Time
    """Time from the first byte sent to its arrival, once per copy."""
    energy: EnergyPerByte
    """Energy of a byte."""
    static_power: Power
    """Power drawn all the time."""
    of_chip: bool = False
    """Beside a chip, take the chip's off-chip channel instead of these values."""


class Host(Section):
    """The part of a host that serves the device, and idles while it computes."""

    idle_power: Power
    """Power drawn all the time."""
    of_chip: bool = False
    """Beside a chip, take the chip's host instead of this value."""


_MEASURED_TIME = {"value": 0.8, "unit": "us", "kind": "measured", "source": "our A100"}
_MEASURED_ENERGY = {"value": 90, "unit": "uJ", "kind": "measured", "source": "our A100"}


class Measurement(Section):
    """A user's own measurement of one workload, per inference."""

    workload: str = Field(min_length=1, examples=["kernel_ridge_digits"])
    """Name of the workload."""
    precision: Annotated[Precision, Field(strict=False)]
    """Number format that was measured."""
    batch: int = Field(ge=1, examples=[1000])
    """Inferences of a batch."""
    latency: PositiveTime = Field(examples=[_MEASURED_TIME])
    """Time per inference."""
    energy: Energy | None = Field(default=None, examples=[_MEASURED_ENERGY])
    """Energy per inference; left out: not measured."""


class RooflineDevice(Section):
    """A GPU, TPU or CPU: peaks, memory, power."""

    schema_version: SchemaVersion
    """Version of this format."""
    kind: Literal["roofline"]
    """Selects this kind of baseline."""
    name: str = Field(min_length=1)
    """Name in reports."""
    description: str
    """What the device is, in a sentence."""
    matrix_peak: dict[Annotated[Precision, Field(strict=False)], Rate] = Field(min_length=1)
    """Rate of matrix products by number format."""
    vector_peak: dict[Annotated[Precision, Field(strict=False)], Rate] = Field(min_length=1)
    """Rate of other arithmetic by number format."""
    special_peak: Rate
    """Rate of exponentials, divisions and trigonometric functions, in values per time."""
    special_cost: OpsPerValue
    """Energy of one of these, in vector operations."""
    memory: DeviceMemory
    """Device memory."""
    on_chip_memory: OnChipMemory
    """Cache or scratchpad."""
    board_power: Watts
    """Power of the device with everything busy."""
    idle_power: Watts
    """Power of the device while it waits."""
    link: HostLink | None = None
    """Link to the host; left out: the device shares the memory of its host."""
    host: Host | None = None
    """Host of the device; left out: it is one itself."""
    optimistic: Case
    """A bound that no program on the device can beat."""
    realistic: Case
    """What programs reach today."""
    measured: list[Measurement] = Field(default_factory=list)
    """Measurements of your own, reported beside the model."""
    measured_file: str | None = Field(default=None, examples=["measured.csv"])
    """CSV file with more of them, its path counts from this file; left out: none."""

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
    """Size of the memory."""
    area: Area
    """Area of the memory."""
    energy: EnergyPerByte
    """Energy of a byte read or written."""


class Accumulators(Section):
    """Small memories at the edge of the array, where partial sums of a product wait for the rest."""

    width: Bytes
    """Width of a partial sum."""
    energy: EnergyPerByte
    """Energy of a byte read or written."""


class VectorUnit(Section):
    """All but matrix products."""

    lanes: PositiveCount
    """Operations per clock cycle."""
    special_lanes: PositiveCount
    """Exponentials, divisions and the like per clock cycle."""
    energy: Energy
    """Energy of an operation."""
    special_energy: Energy
    """Energy of one of these functions."""


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
    """A digital accelerator: grids of multiply-accumulate units with SRAM and device memory."""

    schema_version: SchemaVersion
    """Version of this format."""
    kind: Literal["systolic"]
    """Selects this kind of baseline."""
    name: str = Field(min_length=1)
    """Name in reports."""
    description: str
    """What the device is, in a sentence."""
    precision: Annotated[Precision, Field(strict=False)]
    """Number format of operands."""
    dataflow: Annotated[Dataflow, Field(strict=False)]
    """What stays in the array: weights (ws), outputs (os), inputs (is), or whatever is fastest for each product."""
    arrays: PositiveCount
    """Number of grids."""
    rows: PositiveCount
    """Rows of a grid."""
    columns: PositiveCount
    """Columns of a grid."""
    clock: Frequency
    """Clock of the arrays."""
    start_cycles: Count
    """Cycles to set up one operator."""
    mac_area: Area
    """Area of a multiply-accumulate unit."""
    mac_energy: Energy
    """Energy of a multiply-accumulate."""
    pass_energy: Energy
    """What a unit spends per multiply-accumulate on handing operands and sums to its neighbours."""
    accumulators: Accumulators
    """Memories for partial sums at the edge of the array."""
    sram: Sram
    """On-chip memory."""
    vector: VectorUnit
    """Unit for all but matrix products."""
    other_area: Area
    """Area of everything else."""
    static_power: Power
    """Power drawn all the time."""
    memory: Memory
    """Device memory."""
    link: HostLink | None = None
    """Link to the host; left out: the device shares the memory of its host."""
    host: Host | None = None
    """Host of the device; left out: it is one itself."""
    area_limit: Area | None = None
    """Area that it was sized for; a file that exceeds it is refused."""
    power_limit: Watts | None = None
    """Power that it was sized for; a file that exceeds it is refused."""
    sized_by: Annotated[SizedBy, Field(strict=False)] | None = None
    """Beside a chip, take the size from the chip's area or power instead; left out: the size stays as it is."""

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
