"""What a chip file may say about the analog part of a core: inputs, converters, calibration; cells in `device`."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Annotated

from pydantic import Field, model_validator

from hermes_sim.chip.converters import Converter
from hermes_sim.chip.device import Device, Temperature
from hermes_sim.config.section import (
    Conductance,
    Energy,
    Fraction,
    LongTime,
    Positive,
    Ratio,
    Resistance,
    Section,
    Time,
    Voltage,
)
from hermes_sim.errors import FieldError


class InputCoding(StrEnum):
    """How an input drives its row."""

    PULSE_WIDTH = "pulse_width"
    BIT_SERIAL = "bit_serial"


class Keep(StrEnum):
    """What a change of the input bits leaves: the time of a step, or the longest pulse and with it the counts."""

    STEP = "step"
    COUNTS = "counts"


class RangePolicy(StrEnum):
    """Which input gets a full pulse."""

    LARGEST = "largest"
    QUANTILE = "quantile"
    DEVIATIONS = "deviations"
    FIXED = "fixed"


class RangeScope(StrEnum):
    """What shares a range: all inputs of a core, of a matrix, or of so many consecutive vectors."""

    CORE = "core"
    MATRIX = "matrix"
    VECTOR = "vector"


class InputRange(Section):
    """Input that gets a full pulse.

    `value` is the quantile, the number of standard deviations or the input itself, as `policy` says; `largest` has
    none. Ranges of a core or a matrix come from calibration data before a run. That of every `vectors` consecutive
    vectors (`per: vector`) is searched for while these wait: `search_lanes` values per clock cycle, `search_energy` for
    each value.
    """

    policy: Annotated[RangePolicy, Field(strict=False)]
    per: Annotated[RangeScope, Field(strict=False)]
    value: Ratio | None = None
    vectors: Positive
    search_lanes: Positive
    search_energy: Energy

    @model_validator(mode="after")
    def _value_fits(self) -> InputRange:
        if (self.policy is RangePolicy.LARGEST) != (self.value is None):
            got = f"{'nothing' if self.value is None else self.value.given} beside policy: {self.policy}"
            raise FieldError("value", got=got, allowed="a value for, and only for, quantile, deviations and fixed")
        if self.value is not None:
            low, high = (0.0, 1.0) if self.policy is RangePolicy.QUANTILE else (0.0, math.inf)
            if not low < self.value.ratio <= high:
                allowed = f"above 0{', at most 1' if high == 1 else ''} for policy: {self.policy}"
                raise FieldError("value", got=self.value.given, allowed=allowed)
        if self.policy is RangePolicy.FIXED and self.per is RangeScope.VECTOR:
            raise FieldError(
                "per", got="vector beside policy: fixed", allowed="core or matrix: nothing is searched for"
            )
        return self


class SliceOrder(StrEnum):
    """Where the slices of a weight lie: in cells of one column read one after the other, or in columns beside it."""

    CELLS = "cells"
    COLUMNS = "columns"


class WeightSlices(Section):
    """Weights of `weight_bits` (one of them the sign), cut into slices of `bits` each, largest first."""

    weight_bits: Positive
    bits: Positive
    over: Annotated[SliceOrder, Field(strict=False)]

    @model_validator(mode="after")
    def _fit_the_weight(self) -> WeightSlices:
        if not 2 <= self.weight_bits.n <= 16:
            raise FieldError("weight_bits", got=self.weight_bits.n, allowed="2 to 16, the sign included")
        if self.bits.n >= self.weight_bits.n:
            allowed = f"at most {self.weight_bits.n - 1}: a slice no wider than the weight without its sign"
            raise FieldError("bits", got=self.bits.n, allowed=allowed)
        return self

    @property
    def count(self) -> int:
        """Slices of a weight."""
        return -(-(self.weight_bits.n - 1) // self.bits.n)


class Activity(Section):
    """How busy the cells of a read are: mean pulse over all rows, and mean conductance of all cells, of the largest."""

    inputs: Fraction
    weights: Fraction


class Analog(Section):
    """Cells, inputs and converters of a core: what a read costs and what it returns.

    `input_keeps` says what fewer `input_bits` leave as it is. Pulses shorter than twice the dead time are lengthened.
    `polarity_error` is what conductances lose where the read voltage is negative, in one-phase reads alone: a
    four-phase read drives every cell with one sign. `fit_to_converter` lets g_max stand for a larger weight, until the
    currents that `activity` lets expect are within the range of the converters.
    """

    supply_voltage: Voltage
    activity: Activity
    input_coding: Annotated[InputCoding, Field(strict=False)]
    input_bits: Positive
    input_step: Time
    input_keeps: Annotated[Keep, Field(strict=False)]
    input_dead_time: Time
    bit_pulse: Time
    polarity_error: Fraction
    range: InputRange
    read_voltage: Voltage
    wire_resistance: Resistance
    weight_limit: Ratio
    fit_to_converter: bool = False
    slices: WeightSlices | None = None
    inference_time: LongTime
    compensation_time: LongTime
    stuck_cells: Fraction
    device: Device
    temperature: Temperature
    adc: Converter

    @model_validator(mode="after")
    def _in_order(self) -> Analog:
        if self.compensation_time.s > self.inference_time.s:
            later = f"not later than inference_time = {self.inference_time.given}"
            raise FieldError("compensation_time", got=self.compensation_time.given, allowed=later)
        if not 2 <= self.input_bits.n <= 8:
            raise FieldError("input_bits", got=self.input_bits.n, allowed="2 to 8")
        return self


class ReadPoint(Section):
    """What a full core was read with where its energies were published: pulses, voltages, cells, counts, data.

    `inputs` is the mean pulse over all rows and `weights` the mean conductance over all cells, as shares of `pulse` and
    `g_max`; `counts_per_cell` what a cell at g_max counts under the longest pulse.
    """

    pulse: Time
    supply_voltage: Voltage
    read_voltage: Voltage
    g_max: Conductance
    counts_per_cell: Ratio
    inputs: Fraction
    weights: Fraction


class Read(Section):
    """Time and energy of a matrix-vector product beside what bits, pulses, cells and converters say.

    A read takes `time` once, and for each phase the longest pulse and `phase_time`. A full core of `reference_size`
    takes `energy` once and `phase_energy` for each phase at `point`: the current of the cells there, `drivers` as share
    (of it `pulse_energy` per row and pulse, the rest goes with the length of the pulse), and the converters the rest.
    """

    time: Time
    phase_time: Time
    energy: Energy
    phase_energy: Energy
    drivers: Fraction
    pulse_energy: Energy
    point: ReadPoint
