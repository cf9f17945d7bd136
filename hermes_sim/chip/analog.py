"""What a chip file may say about the analog part of a core: cells, inputs, converters, calibration."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from hermes_sim.config.quantity import Kind
from hermes_sim.config.section import (
    Conductance,
    Current,
    Fraction,
    LongTime,
    Positive,
    Ratio,
    Section,
    Time,
    Voltage,
)
from hermes_sim.errors import FieldError


def _floats(raw: Any) -> Any:
    return (
        tuple(float(x) if isinstance(x, int) and not isinstance(x, bool) else x for x in raw)
        if isinstance(raw, list)
        else raw
    )


Coefficients = Annotated[tuple[float, ...], BeforeValidator(_floats), Field(min_length=1)]


class Polynomial(Section):
    """A published polynomial of the relative conductance, lowest power first, with its unit and source."""

    coefficients: Coefficients
    unit: Literal["uS", "count"]
    kind: Annotated[Kind, Field(strict=False)]
    source: str = Field(min_length=1)
    note: str = ""


class Curve(Polynomial):
    """Polynomial above `split`; below it clip(log_slope ln r + log_offset, low, high)."""

    split: float
    log_slope: float
    log_offset: float
    low: float
    high: float


class Device(Section):
    """One polarity of a unit cell."""

    devices: Positive
    g_max: Conductance
    reference_time: LongTime
    read_time: LongTime
    programming_error: Polynomial
    drift_mean: Curve
    drift_sd: Curve
    read_noise: Curve


class Adc(Section):
    """A column's converter, in its own counts."""

    counts_per_cell: Ratio
    noise: Ratio
    gain_spread: Fraction
    offset_spread: Ratio
    cubic_loss: Fraction
    saturation_current: Current


class Analog(Section):
    """Cells, inputs and converters of a core, for the accuracy side of the simulator."""

    input_bits: Positive
    input_step: Time
    input_dead_time: Time
    range_batch: Positive
    read_voltage: Voltage
    weight_limit: Ratio
    inference_time: LongTime
    compensation_time: LongTime
    stuck_cells: Fraction
    device: Device
    other_devices: dict[str, Device]  # measured too, not in use: for `validate device` and for studies
    adc: Adc

    @model_validator(mode="after")
    def _in_order(self) -> Analog:
        if self.compensation_time.s > self.inference_time.s:
            later = f"not later than inference_time = {self.inference_time.given}"
            raise FieldError("compensation_time", got=self.compensation_time.given, allowed=later)
        if not 2 <= self.input_bits.n <= 8:
            raise FieldError("input_bits", got=self.input_bits.n, allowed="2 to 8")
        return self
