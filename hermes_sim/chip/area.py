"""Area as a sum of products of config values: what a total is, and how an explanation shows it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hermes_sim.config.quantity import Quantity


@dataclass(frozen=True)
class AreaPart:
    """One part: the product of `factors` over `divisors`, times what the shares `rest_of` leave of a whole."""

    name: str
    factors: tuple[Quantity, ...]
    divisors: tuple[Quantity, ...] = ()
    rest_of: tuple[Quantity, ...] = ()

    @property
    def rest(self) -> float:
        """What `rest_of` leaves."""
        return 1 - sum(share.value for share in self.rest_of)

    @property
    def mm2(self) -> float:
        """Area of the part."""
        over = math.prod(quantity.value for quantity in self.divisors)
        return math.prod(quantity.value for quantity in self.factors) * self.rest / over
