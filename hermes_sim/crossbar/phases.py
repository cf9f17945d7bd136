"""Phases of a read: which part of the inputs drives which part of the cells, and what its counts stand for.

Signs of inputs and weights, bits of bit-serial inputs and slices of weights are all parts that meet in phases. Slices
over columns share a phase in time, but have conversions of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hermes_sim.config.vocabulary import ReadMode

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hermes_sim.crossbar.spec import CrossbarSpec

# Part of the inputs, part of the cells, sign of the counts. One-phase: signed pulses on differences of conductances.
# Four-phase: (positive, negative) on (plus, minus).
SIGNS = {
    ReadMode.ONE_PHASE: ((0, 0, 1),),
    ReadMode.FOUR_PHASE: ((0, 0, 1), (1, 1, 1), (0, 1, -1), (1, 0, -1)),
}
N_SIGNS = {ReadMode.ONE_PHASE: 1, ReadMode.FOUR_PHASE: 2}


class Phases(NamedTuple):
    """All conversions of a column.

    Parameters
    ----------
    n_inputs, n_cells : parts of the inputs, and of the cells
    table : (n_phases, 3) part of the inputs, part of the cells, slice of the weight
    factors : (n_phases,) what a count is worth beside one of the first
    """

    n_inputs: int
    n_cells: int
    table: NDArray[np.int64]
    factors: NDArray[Any]


def phases_of(spec: CrossbarSpec, mode: ReadMode) -> Phases:
    """Phases of a read: for every bit plane and slice, coarsest first, those of the signs."""
    signs, n = SIGNS[mode], N_SIGNS[mode]
    both = [(plane, cut) for plane in range(spec.planes) for cut in range(spec.slices)]
    table = [(plane * n + pulses, cut * n + cells, cut) for plane, cut in both for pulses, cells, _ in signs]
    factors = [sign * 2.0**-plane * spec.slice_factors[cut] for plane, cut in both for _, _, sign in signs]
    return Phases(spec.planes * n, spec.slices * n, np.array(table), np.array(factors))
