"""What a chip file may say about the converters of a core: four kinds, each with time, energy, area and error."""

from __future__ import annotations

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
    """What all that count have: errors in counts (least steps), and the columns that share a converter in turn.

    `calibrated_counts` is what the largest output of calibration data gives at the point at which reads were published:
    the gain of the converters is set so, for each matrix. Shorter pulses, lower voltages and fewer devices have their
    share of it. At 0, or where nothing is said, it is not set: a cell has the counts of the chip file whatever the data
    are, and so it has before a calibration. Time and energy take the counts of the chip file.
    """

    noise: Ratio
    four_phase_noise: Ratio
    gain_spread: Fraction
    offset_spread: Ratio
    cubic_loss: Fraction
    rounding: Annotated[Rounding, Field(strict=False)] = Rounding.NEAREST
    calibrated_counts: Ratio | None = None
    columns: Positive


class CountingConverter(_Converter):
    """A counter behind a current-controlled oscillator: it counts while the pulses last.

    `counts_per_cell` is its gain, as the counts of one cell at g_max under the longest pulse of the point at which the
    reads were published (`core.read.point`). Two limits: the oscillator stops to follow beyond `saturation_current` at
    any instant, and the counter holds 2^bits - 1 of either sign. `counting` is the share of its energy that goes with
    counts; the rest goes with the time of the pulses. Columns that share one are read one after the other.
    """

    type: Literal["counter"]
    counts_per_cell: Ratio
    saturation_current: Current
    bits: Positive
    counting: Fraction


class SamplingConverter(_Converter):
    """Converters that hold the charge of a read and turn it into `bits` afterwards; other packages may add kinds.

    `full_scale` is the charge of the largest count, in cells at g_max under the longest pulse of `core.read.point`.
    """

    bits: Positive
    full_scale: Ratio
    step_energy: Energy
    area: Area

    @property
    def conversion_ps(self) -> int:
        """Time of one conversion."""
        raise NotImplementedError

    @property
    def conversion_times(self) -> tuple[Quantity, ...]:
        """Config values behind that time, beside `bits`."""
        raise NotImplementedError


class SuccessiveApproximation(SamplingConverter):
    """One bit after the other, `bit_time` each; `step_energy` for each of its 2^bits steps (Walden's figure)."""

    type: Literal["sar"]
    bit_time: Time

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
    integration_time: Time
    step_time: Time

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
