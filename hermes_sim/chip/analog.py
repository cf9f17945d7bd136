"""What a chip file may say about the analog part of a core: inputs, converters, calibration; cells in `device`."""

from __future__ import annotations

from pydantic import model_validator

from hermes_sim.chip.device import Device, Temperature
from hermes_sim.config.section import (
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
    temperature: Temperature
    adc: Adc

    @model_validator(mode="after")
    def _in_order(self) -> Analog:
        if self.compensation_time.s > self.inference_time.s:
            later = f"not later than inference_time = {self.inference_time.given}"
            raise FieldError("compensation_time", got=self.compensation_time.given, allowed=later)
        if not 2 <= self.input_bits.n <= 8:
            raise FieldError("input_bits", got=self.input_bits.n, allowed="2 to 8")
        return self
