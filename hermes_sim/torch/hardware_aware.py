"""Imperfections of analog products while a network trains: input levels on a learnt range, noise on outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from hermes_sim.errors import HermesSimError

if TYPE_CHECKING:
    from collections.abc import Iterable

_INSIDE = 0.95  # share of a product's inputs within its first range
_LOOKED_AT = 20_000  # values per batch for that


class HardwareAware(nn.Module):
    """Hooks around products.

    Inputs are rounded to `levels` values from minus to plus the range of their product, which is learnt: the rounding
    passes gradients as if it were not there. To outputs normal numbers are added. Outputs are not rounded. Both act in
    evaluation too.

    Parameters
    ----------
    products : names and parts with a `weight`
    noise : standard deviation of what is added where inputs and weights are divided by the range and by the largest
        weight: a share of the range times the largest weight and no share of the outputs themselves
    largest_noise : the same as a share of the largest output of a batch
    """

    def __init__(
        self, products: Iterable[tuple[str, Any]], *, levels: int, noise: float = 0.0, largest_noise: float = 0.0
    ) -> None:
        super().__init__()
        named = dict(products)
        self.names, self.levels, self.noise, self.largest_noise = list(named), levels, noise, largest_noise
        self.ranges = nn.ParameterList([nn.Parameter(torch.ones(())) for _ in named])
        self._seen: list[list[float]] | None = None
        for i, part in enumerate(named.values()):
            part.register_forward_pre_hook(lambda _part, given, i=i: (self._rounded(i, given[0]),))
            part.register_forward_hook(lambda part, _given, made, i=i: self._noisy(i, part.weight, made))

    def calibrate(self, module: Any, batches: Iterable[tuple[Any, ...]]) -> None:
        """Set the ranges so that of the inputs that are not zero 95 % lie inside: mean over batches."""
        self._seen = [[] for _ in self.names]
        with torch.inference_mode():
            for batch in batches:
                module(*batch)
        for limit, seen in zip(self.ranges, self._seen, strict=True):
            if not seen:
                raise HermesSimError("input ranges", got="no inputs but zeros", allowed="rows that say something")
            limit.data.fill_(sum(seen) / len(seen))
        self._seen = None

    def found(self) -> dict[str, float]:
        """Ranges by the names of the products."""
        return {name: float(limit.detach()) for name, limit in zip(self.names, self.ranges, strict=True)}

    def _rounded(self, i: int, x: Any) -> Any:
        if self._seen is not None:
            sizes = x[x != 0].abs()
            sizes = sizes[:: max(1, len(sizes) // _LOOKED_AT)]
            if len(sizes):
                self._seen[i].append(float(sizes.quantile(_INSIDE)))
            return x
        limit, steps = self.ranges[i], self.levels // 2
        share = (x.float() / limit).clamp(-1, 1)  # bfloat16 would tell neighbouring levels apart only just
        return (share + ((share.detach() * steps).round_() / steps - share.detach())) * limit

    def _noisy(self, i: int, weight: Any, made: Any) -> Any:
        if self._seen is not None or not (self.noise or self.largest_noise):
            return made
        size = self.noise * self.ranges[i].detach() * weight.detach().abs().max()
        if self.largest_noise:
            size = size + self.largest_noise * made.detach().abs().max()
        # a contiguous array is drawn many times faster than one with the channels last
        return torch.addcmul(made, torch.randn_like(made, memory_format=torch.contiguous_format), size)
