"""A block of weights on one core as it was programmed: read with streams of vectors."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from hermes_sim.config.vocabulary import ReadMode
from hermes_sim.crossbar.converters import (
    FP16_SPLIT_F32,
    FP16_SPLIT_F64,
    Converters,
    VectorTile,
    ordered_product,
    read_out,
)
from hermes_sim.crossbar.phases import Phases, phases_of
from hermes_sim.crossbar.saturation import limits_of
from hermes_sim.rng import child_key, column_keys

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hermes_sim.crossbar.converters import Floats
    from hermes_sim.crossbar.spec import CrossbarSpec

_LARGEST_FP16 = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class ProgrammedBlock:
    """A block of weights on a core as the inference finds it.

    Parameters
    ----------
    cells : relative conductances (n_rows, parts, n_columns) of the parts that the read mode drives; parts of `Phases`
    grid : unit of the cells in a conductance g_max
    gain : (n_slices, n_columns) counts per unit of the product; offset : (n_slices, n_columns) counts
    weight_scale : weight per relative conductance 1
    output_scale : correction of the digital scaling for drift and calibration
    first_column : column of the core, in columns of weights, that holds the block's first column
    key : of the noise of single conversions
    count_factor : counts of the converters of those that the chip file gives, as calibration data set it
    """

    spec: CrossbarSpec
    mode: ReadMode
    cells: Floats
    grid: float
    gain: Floats
    offset: Floats
    weight_scale: float
    output_scale: float
    first_column: int
    key: int
    count_factor: float = 1.0

    @property
    def counts_per_unit(self) -> float:
        """Counts of an input of a full pulse times a weight of 1, as the chip file says and the cells have drifted."""
        return self.spec.counts_per_cell / (self.weight_scale * self.output_scale)

    @property
    def exact(self) -> bool:
        """Whether inputs and cells are integers, so that any product routine gives the same sums."""
        return self.spec.effects.input_quantisation

    @property
    def dtype(self) -> Any:
        """Number type of the passes."""
        return np.float32 if self.exact else np.float64

    @property
    def n_columns(self) -> int:
        """Columns of weights."""
        return int(self.gain.shape[1])

    def of_columns(self, begin: int, end: int) -> ProgrammedBlock:
        """The same block without the columns before `begin` and from `end` on."""
        if (begin, end) == (0, self.n_columns):
            return self
        cells, gain, offset = (
            np.ascontiguousarray(array[..., begin:end]) for array in (self.cells, self.gain, self.offset)
        )
        return replace(self, cells=cells, gain=gain, offset=offset, first_column=self.first_column + begin)

    def read(
        self,
        widths: Floats,
        *,
        ranges: Floats,
        vectors: NDArray[np.uint64],
        bias: Floats,
        out: Floats,
        add: bool,
        scratch: Scratch,
    ) -> None:
        """Products of a tile of vectors, set in or added to `out`.

        Parameters
        ----------
        widths : (parts, n_vectors, n_rows) pulse widths, as `pulse_widths` gives them
        ranges : (n_vectors,) input of a full pulse; like `bias` in the type of `dtype`
        vectors : (n_vectors,) names of the vectors, for the noise of their conversions
        bias : (n_columns,) added by the digital scaling
        out : (n_vectors, n_columns)
        """
        n_inputs, n, n_rows = widths.shape
        n_cells, n_columns = self.cells.shape[1:]
        sums = part(scratch.sums, n_inputs * n, n_cells * n_columns)
        # all pairs of an input part and a cell part in one product
        product = np.dot if self.exact else ordered_product
        product(widths.reshape(n_inputs * n, n_rows), self.cells.reshape(n_rows, n_cells * n_columns), sums)
        driven = sums.reshape(n_inputs, n, n_cells, n_columns), widths, self.cells
        tile = VectorTile(vectors, ranges, bias, scratch.counts[:n_columns], out)
        phases, limits, converters = self._behind
        read_out(driven, phases, limits, tuple(tile), add, converters)

    @cached_property
    def _behind(self) -> tuple[tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]]:
        """Phases, limits of the current and converters as plain tuples, numbers in the type of the passes."""
        spec, number = self.spec, self.dtype
        phases = phases_of(spec, self.mode)
        current = spec.current_limit_cells * self.grid if spec.effects.adc_saturation else np.inf
        limits = limits_of(
            self.cells,
            current,
            estimated=self.exact and spec.effects.input_clipping,
            falling=self.mode is ReadMode.FOUR_PHASE,
        )
        typed = phases._replace(factors=phases.factors.astype(number))
        return tuple(typed), tuple(limits), tuple(self._converters(phases))

    def _converters(self, phases: Phases) -> Converters:
        spec, effects, number = self.spec, self.spec.effects, self.dtype
        limit = min(spec.adc_saturation_counts * self.count_factor, spec.adc_count_limit)
        cubic = spec.adc_cubic_frac / limit**2 if effects.adc_nonlinearity else 0.0
        weight_per_count = self.weight_scale / (spec.counts_per_cell * self.count_factor)
        scale = np.full(self.n_columns, weight_per_count * self.output_scale / spec.plane_worth)
        if effects.ldpu_fp16:
            scale = np.minimum(scale, _LARGEST_FP16).astype(np.float16).astype(np.float64)
        physical = column_keys(self.first_column * spec.column_slices, self.n_columns * spec.column_slices)
        return Converters(
            keys=np.array([child_key(self.key, phase) for phase in range(len(phases.table))], np.uint64),
            columns=by_slice(physical, spec),
            gain=self.gain if self.count_factor == 1 else (self.gain * self.count_factor).astype(self.gain.dtype),
            offset=self.offset,
            noise=number(spec.noise_counts(self.mode) if effects.adc_noise else 0.0),
            cubic=number(cubic),
            limit=number(limit if effects.adc_saturation else np.inf),
            rounded=effects.adc_quantisation and spec.adc_counts,
            cut=spec.adc_toward_zero,
            scale=scale.astype(number),
            split=FP16_SPLIT_F32 if self.exact else FP16_SPLIT_F64,
            fp16=effects.ldpu_fp16,
        )


def by_slice(values: NDArray[Any], spec: CrossbarSpec) -> NDArray[Any]:
    """What columns of the crossbar have, (n,), for the slices of weights: (n_slices, n_columns of weights)."""
    beside = np.ascontiguousarray(values.reshape(-1, spec.column_slices).T)
    return np.ascontiguousarray(np.repeat(beside, spec.slices // spec.column_slices, axis=0))


def part(buffer: Floats, *shape: int) -> Floats:
    """First numbers of a work array as a contiguous array."""
    return buffer[: math.prod(shape)].reshape(shape)


class Scratch:
    """Work arrays of one thread: nothing is allocated while vectors stream."""

    def __init__(self, n_vectors: int, n_rows: int, n_columns: int, phases: Phases, dtype: Any) -> None:
        self.parts = phases.n_inputs
        self.widths: Floats = np.empty(self.parts * n_vectors * n_rows, dtype)
        self.sums: Floats = np.empty(self.parts * phases.n_cells * n_vectors * n_columns, dtype)
        self.counts: Floats = np.empty(n_columns, dtype)
