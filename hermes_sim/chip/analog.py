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

    Ranges of a core or a matrix come from calibration data before a run. That of every `vectors` consecutive vectors
    (`per: vector`) is searched for while these wait.
    """

    policy: Annotated[RangePolicy, Field(strict=False)]
    """Rule by which the range is found."""
    per: Annotated[RangeScope, Field(strict=False)]
    """What shares a range."""
    value: Ratio | None = None
    """The quantile, the number of standard deviations or the input itself, as `policy` says; left out with
    `largest`.
    """
    vectors: Positive
    """Consecutive vectors that share a range with `per: vector`."""
    search_lanes: Positive
    """Values looked at per cycle of the core's clock, with `per: vector`."""
    search_energy: Energy
    """Energy of looking at a value, with `per: vector`."""

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
    """Weights cut into slices, largest first."""

    weight_bits: Positive
    """Bits of a weight, one of them the sign: 2 to 16."""
    bits: Positive
    """Bits of a slice, fewer than those of the weight without its sign."""
    over: Annotated[SliceOrder, Field(strict=False)]
    """Where the slices of a weight lie."""

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
    """How busy the cells of a read are; energy alone depends on it, and what `fit_to_converter` expects."""

    inputs: Fraction
    """Mean pulse over all rows, as a share of the longest."""
    weights: Fraction
    """Mean conductance of all cells, as a share of the largest."""


class Analog(Section):
    """Cells, inputs and converters of a core: what a read costs and what it returns."""

    supply_voltage: Voltage
    """Voltage from which the current of the cells flows: energy of the array goes with it."""
    activity: Activity
    """How busy the cells are in what is run."""
    input_coding: Annotated[InputCoding, Field(strict=False)]
    """How an input drives its row: one pulse whose width says the value, or one pulse per bit."""
    input_bits: Positive
    """Bits of an input, the sign included: 2 to 8."""
    input_step: Time
    """Width of a pulse per step of the input, with `pulse_width`."""
    input_keeps: Annotated[Keep, Field(strict=False)]
    """What fewer `input_bits` leave as it is."""
    input_dead_time: Time
    """What every pulse loses while its word line rises; a full pulse shorter than twice that is lengthened."""
    bit_pulse: Time
    """Pulse of one bit, with `bit_serial`."""
    polarity_error: Fraction
    """Share that conductances lose where the read voltage is negative: in one-phase reads alone, a four-phase read
    drives every cell with one sign.
    """
    range: InputRange
    """Which input gets a full pulse."""
    read_voltage: Voltage
    """Voltage across a cell when it is read."""
    wire_resistance: Resistance
    """Resistance of a line per cell; 0: no voltage is lost along lines."""
    weight_limit: Ratio
    """g_max stands for so many standard deviations of the weights written to a core together, larger ones are
    clipped; 0: for the largest weight.
    """
    fit_to_converter: bool = False
    """Let g_max stand for a larger weight, until the currents that `activity` lets expect are within the range of
    the converters.
    """
    slices: WeightSlices | None = None
    """Weights cut over several cells or columns; left out: a weight is one cell."""
    inference_time: LongTime
    """Time after programming at which the cells are read."""
    compensation_time: LongTime
    """Time after programming at which the digital scale against drift was found, not later than `inference_time`."""
    stuck_cells: Fraction
    """Share of cells that stay in their high-resistance state."""
    device: Device
    """What the cells are made of."""
    temperature: Temperature
    """Temperatures of programming and reading."""
    adc: Converter
    """The converters, of one of four types."""

    @model_validator(mode="after")
    def _in_order(self) -> Analog:
        if self.compensation_time.s > self.inference_time.s:
            later = f"not later than inference_time = {self.inference_time.given}"
            raise FieldError("compensation_time", got=self.compensation_time.given, allowed=later)
        if not 2 <= self.input_bits.n <= 8:
            raise FieldError("input_bits", got=self.input_bits.n, allowed="2 to 8")
        return self


class ReadPoint(Section):
    """What a full core was read with where its energies were published."""

    pulse: Time
    """Longest pulse."""
    supply_voltage: Voltage
    """Voltage from which the cells' current flowed."""
    read_voltage: Voltage
    """Voltage across a cell."""
    g_max: Conductance
    """Conductance range of a polarity."""
    counts_per_cell: Ratio
    """What a cell at `g_max` counted under the longest pulse."""
    inputs: Fraction
    """Mean pulse over all rows, as a share of `pulse`."""
    weights: Fraction
    """Mean conductance over all cells, as a share of `g_max`."""


class Read(Section):
    """Time and energy of a matrix-vector product beside what bits, pulses, cells and converters say.

    A read takes `time` once, and for each phase the longest pulse and `phase_time`. A full core of `reference_size`
    takes `energy` once and `phase_energy` for each phase at `point`: the current of the cells there, `drivers` as share
    (of it `pulse_energy` per row and pulse, the rest goes with the length of the pulse), and the converters the rest.
    """

    time: Time
    """Time that a read takes once."""
    phase_time: Time
    """Time that each phase takes beside its longest pulse."""
    energy: Energy
    """Energy that a read of a full core takes once."""
    phase_energy: Energy
    """Energy of each phase of a full core at `point`: cells, drivers and converters."""
    drivers: Fraction
    """Share of the drivers in `phase_energy`."""
    pulse_energy: Energy
    """Energy per row and pulse within the drivers' share; the rest goes with the length of the pulse."""
    point: ReadPoint
    """What the energies were published for."""
