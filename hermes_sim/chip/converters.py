"""What a chip file may say about the converters of a core: four kinds, each with time, energy, area and error."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, ValidatorFunctionWrapHandler, WrapValidator

from hermes_sim.config.section import Area, Current, Energy, Fraction, Positive, Ratio, Section, Time
from hermes_sim.extensions import extension

if TYPE_CHECKING:
    from hermes_sim.config.quantity import Quantity


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
    """Gain: counts of one cell at g_max under the longest pulse of `core.read.point`. This is the resolution: the share
    `counting` of the energy grows with it; time and area do not, for the oscillator is taken to be as fast as it asks.
    Where `calibrated_counts` is set, the values that a read returns have that gain instead, at the same cost.
    """
    saturation_current: Current
    """Current of a column beyond which the oscillator stops to follow, at any instant."""
    bits: Positive
    """Width of the counter: it holds 2^bits - 1 of either sign. A limit of the counts and not the resolution: it moves
    no time, energy or area, where each bit of the other converters costs all or some of these.
    """
    counting: Fraction
    """Share of its energy that goes with counts; the rest goes with the time of the pulses, none with `bits`."""


class SamplingConverter(_Converter, ABC):
    """Converters that hold the charge of a read and turn it into bits afterwards; other packages may add kinds."""

    bits: Positive
    """Bits of a result, the sign included: energy grows with 2^bits, the time of a conversion as its type says; `area`
    is as given, whatever the bits.
    """
    full_scale: Ratio
    """Charge of the largest count, in cells at g_max under the longest pulse of `core.read.point`."""
    step_energy: Energy
    """Energy of one of the 2^bits steps that a conversion costs."""
    area: Area
    """Area of one converter."""

    @property
    @abstractmethod
    def conversion_ps(self) -> int:
        """Time of one conversion."""

    @property
    @abstractmethod
    def conversion_times(self) -> tuple[Quantity, ...]:
        """Config values behind that time, beside `bits`."""


class SuccessiveApproximation(SamplingConverter):
    """One bit after the other, behind the pulses; energy after Walden's figure of merit."""

    type: Literal["sar"]
    """Selects this converter."""
    bit_time: Time
    """Time of one bit."""

    @property
    def conversion_ps(self) -> int:
        """A time for every bit."""
        return self.bits.n * self.bit_time.ps

    @property
    def conversion_times(self) -> tuple[Quantity, ...]:
        """The time of a bit."""
        return (self.bit_time,)


class IntegrateCompare(SamplingConverter):
    """The charge is taken away step by step until a comparator turns: 2^(bits - 1) - 1 steps after the integration."""

    type: Literal["integrate_compare"]
    """Selects this converter."""
    integration_time: Time
    """Time before the first step."""
    step_time: Time
    """Time of one step."""

    @property
    def conversion_ps(self) -> int:
        """The integration and a time for every step."""
        return self.integration_time.ps + ((1 << (self.bits.n - 1)) - 1) * self.step_time.ps

    @property
    def conversion_times(self) -> tuple[Quantity, ...]:
        """The times of integration and step."""
        return (self.integration_time, self.step_time)


class IdealConverter(Section):
    """Exact, at no time, no energy, no area: a yardstick."""

    type: Literal["ideal"]
    """Selects this converter."""


_TYPES = ("counter", "sar", "integrate_compare", "ideal")


def _shipped_or_added(raw: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """A converter of our kinds, or of a kind that another installed package adds."""
    if isinstance(raw, SamplingConverter):
        return raw
    kind = raw.get("type") if isinstance(raw, dict) else None
    added = None if kind in _TYPES else extension("converters", str(kind), type(SamplingConverter))
    if added is None:
        return validate(raw)
    return added.model_validate(raw)


Converter = Annotated[
    CountingConverter | SuccessiveApproximation | IntegrateCompare | IdealConverter,
    Field(discriminator="type"),
    WrapValidator(_shipped_or_added),
]
