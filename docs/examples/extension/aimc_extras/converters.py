"""A converter: how long a conversion takes; energy, area and errors are those of all that sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from hermes_sim.chip.converters import SamplingConverter
from hermes_sim.config.section import Time  # noqa: TC001 - pydantic reads annotations

if TYPE_CHECKING:
    from hermes_sim.config.quantity import Quantity


class FlashConverter(SamplingConverter):
    """All levels are compared at once: one `compare_time`, however many bits."""

    type: Literal["flash"]
    compare_time: Time

    @property
    def conversion_ps(self) -> int:
        """One comparison."""
        return self.compare_time.ps

    @property
    def conversion_times(self) -> tuple[Quantity, ...]:
        """The time of the comparison."""
        return (self.compare_time,)
