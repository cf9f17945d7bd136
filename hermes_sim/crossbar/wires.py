"""Voltage lost along the lines of a crossbar (IR drop), to first order, as a loss of conductance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hermes_sim.device.conductance import Pair

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hermes_sim.crossbar.converters import F64

_S_PER_US = 1e-6


def seen_through_wires(
    pairs: Sequence[Pair],
    *,
    ohm: float,
    activity: float,
    first_row: int,
    first_column: int,
    both_polarities: bool,
    side_by_side: bool,
) -> list[Pair]:
    r"""Conductances as the converters see them through lines of so many ohm per cell.

    A row is driven at its column 0, a column ends in its converter at row 0. In the segment of a row before column k
    flows what its cells from k on take, so the cell of column j sees the driver's voltage V less
    ohm V sum_{k <= j} sum_{l >= k} g_l; along the columns likewise, with the rows on for the mean share `activity` of
    the time, their inputs of one sign. The currents are those without a loss (first order), and a cell counts as
    g / (1 + loss): the same to first order, and never negative. That keeps conductances constant, whatever the inputs.

    Parameters
    ----------
    pairs : slices of the same weights
    activity : mean pulse over all rows
    first_row, first_column : of the crossbar, where the block begins, in columns of weights
    both_polarities : whether plus and minus cells of a row are read at the same time, from one row line
    side_by_side : whether slices lie in columns of their own beside each other; else each is read by itself
    """
    groups = [list(pairs)] if side_by_side else [[pair] for pair in pairs]
    seen: list[Pair] = []
    for group in groups:
        n = len(group)
        plus, minus = (
            np.stack([getattr(pair, name) for pair in group], axis=2).reshape(len(group[0].plus_uS), -1)
            for name in ("plus_uS", "minus_uS")
        )
        rows = [plus + minus] * 2 if both_polarities else [plus, minus]
        found = [
            cells / (1 + ohm * _S_PER_US * (_along(row, first_column * n) + activity * _along(cells.T, first_row).T))
            for cells, row in zip((plus, minus), rows, strict=True)
        ]
        seen += [Pair(found[0][:, i::n], found[1][:, i::n]) for i in range(n)]
    return seen


def _along(cells_uS: F64, before: int) -> F64:
    """Sum over the segments up to each cell of what flows through them, (lines, cells); `before` the first cell too."""
    flows = np.cumsum(cells_uS[:, ::-1], axis=1)[:, ::-1]
    return np.cumsum(flows, axis=1) + before * flows[:, :1]
