"""What a chip file may say about the converters of a core: four kinds, each with time, energy, area and error."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from hermes_sim.config.section import Area, Current, Energy, Fraction, Positive, Ratio, Section, Time


class Rounding(StrEnum):
    """Which whole count a conversion gives: the nearest one, or those that were finished."""

    NEAREST = "nearest"
    TOWARD_ZERO = "toward_zero"


class _Converter(Section):
    """What all that count have: errors in counts (least steps), and the columns that share a converter in turn."""

    noise: Ratio
    """Normal noise of a conversion of a one-phase read, in counts."""
    four_phase_noise: Ratio
    """Normal noise of each of the four conversions of a four-phase read, in counts."""
    gain_spread: Fraction
    """Spread of the gains that calibration leaves, relative."""
    offset_spread: Ratio
    """Spread of the offsets that calibration leaves, in counts."""
    cubic_loss: Fraction
    """Share of the gain that is lost at saturation, growing with the square of the current: at most a third."""
    rounding: Annotated[Rounding, Field(strict=False)] = Rounding.NEAREST
    """Which whole count a conversion gives."""
    calibrated_counts: Ratio | None = None
    """What the largest output of calibration data gives at the point at which reads were published: gains are set
    so before a run, for each matrix; shorter pulses, lower voltages and fewer devices have their share. 0 or left
    out: not set, a cell has the counts of the chip file whatever the data are. Time and energy take the counts of
    the chip file.
    """
    columns: Positive
    """Columns that share a converter, one after the other."""


class CountingConverter(_Converter):
    """A counter behind a current-controlled oscillator: it counts while the pulses last.

    Columns that share one are read one after the other.
    """

    type: Literal["counter"]
    """Selects this converter."""
    counts_per_cell: Ratio
    """Gain: counts of one cell at g_max under the longest pulse of `core.read.point`."""
    saturation_current: Current
    """Current of a column beyond which the oscillator stops to follow, at any instant."""
    bits: Positive
    """Width of the counter: it holds 2^bits - 1 of either sign."""
    counting: Fraction
    """Share of its energy that goes with counts; the rest goes with the time of the pulses."""


class _Sampling(_Converter):
    """Converters that hold the charge of a read and turn it into bits afterwards."""

    bits: Positive
    """Bits of a result, the sign included."""
    full_scale: Ratio
    """Charge of the largest count, in cells at g_max under the longest pulse of `core.read.point`."""
    step_energy: Energy
    """Energy of one of the 2^bits steps that a conversion costs."""
    area: Area
    """Area of one converter."""


class SuccessiveApproximation(_Sampling):
    """One bit after the other, behind the pulses; energy after Walden's figure of merit."""

    type: Literal["sar"]
    """Selects this converter."""
    bit_time: Time
    """Time of one bit."""


class IntegrateCompare(_Sampling):
    """The charge is taken away step by step until a comparator turns: 2^(bits - 1) - 1 steps after the integration."""

    type: Literal["integrate_compare"]
    """Selects this converter."""
    integration_time: Time
    """Time before the first step."""
    step_time: Time
    """Time of one step."""


class IdealConverter(Section):
    """Exact, at no time, no energy, no area: a yardstick."""

    type: Literal["ideal"]
    """Selects this converter."""


Converter = Annotated[
    CountingConverter | SuccessiveApproximation | IntegrateCompare | IdealConverter, Field(discriminator="type")
]
