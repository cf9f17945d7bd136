"""What a baseline file may say. As for chips, physical numbers have no defaults."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from hermes_sim import quantity as q
from hermes_sim.arch.schema_base import (
    Bandwidth,
    Bytes,
    Energy,
    EnergyPerByte,
    Section,
    Time,
    parse_quantity,
)
from hermes_sim.errors import QuantityError
from hermes_sim.quantity import Dimension, Quantity


def _above_zero(dimension: Dimension, low: float) -> BeforeValidator:
    """Quantity that something is divided by: zero is refused at load."""
    return BeforeValidator(lambda raw: parse_quantity(raw, replace(dimension, low=low)))


Rate = Annotated[Quantity, _above_zero(q.OPS_RATE, 1e-9)]
Utilization = Annotated[Quantity, _above_zero(q.FRACTION, 1e-6)]
Watts = Annotated[Quantity, _above_zero(q.POWER, 1e-3)]
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
        return {Precision.INT8: 1, Precision.FP16: 2, Precision.BF16: 2, Precision.FP32: 4}[self]


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

    The utilisations are shares of the peaks; `launch` is the time per kernel during which the device waits.
    """

    matrix_utilization: Utilization
    vector_utilization: Utilization
    memory_utilization: Utilization
    launch: Time
    fusion: Annotated[Fusion, Field(strict=False)]
    intermediates: Literal["on_chip", "device_memory"]
    weights: Literal["resident", "streamed"]


class Memory(Section):
    """Device memory: peak bandwidth and energy of a byte."""

    bandwidth: Bandwidth
    energy: EnergyPerByte


class Measurement(Section):
    """A user's own measurement of one workload, per inference."""

    workload: str = Field(min_length=1)
    precision: Annotated[Precision, Field(strict=False)]
    batch: int = Field(ge=1)
    latency: Time
    energy: Energy | None = None


class RooflineDevice(Section):
    """A GPU, TPU or CPU: peaks, memory, power.

    `matrix_peak` holds the rate of matrix products by precision, `vector_peak` that of other arithmetic,
    `special_peak` that of exponentials, divisions and trigonometric functions (values per time);
    one of those costs the energy of `special_cost` vector operations.
    """

    schema_version: Literal[1]
    kind: Literal["roofline"]
    name: str = Field(min_length=1)
    description: str
    matrix_peak: dict[Annotated[Precision, Field(strict=False)], Rate] = Field(min_length=1)
    vector_peak: dict[Annotated[Precision, Field(strict=False)], Rate] = Field(min_length=1)
    special_peak: Rate
    special_cost: OpsPerValue
    memory: Memory
    on_chip_memory: Bytes
    board_power: Watts
    idle_power: Watts
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
