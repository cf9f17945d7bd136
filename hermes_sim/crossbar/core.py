"""Blocks of weights on one core: programmed once, then read with streams of vectors."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

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
from hermes_sim.device.conductance import CellEffects, Pair, age, weights_to_targets
from hermes_sim.rng import child_key, column_keys, generator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hermes_sim.crossbar.converters import F32, F64, Floats
    from hermes_sim.crossbar.spec import CrossbarSpec

_LARGEST_FP16 = float(np.finfo(np.float16).max)

# Less than this no drift leaves: exponents of 0.1 leave a quarter after ten years. It is what a few dead cells answer.
_LEAST_RETENTION = 0.1

# Partial sums of integers below this are exact in float32, whatever the order of the additions.
_EXACT_F32 = 2.0**24


# Reads of each mode: which part of the inputs drives which part of the cells, and with what sign the counts enter.
# One-phase: signed pulses on differences of conductances. Four-phase: (positive, negative) on (plus, minus).
PHASES = {
    ReadMode.ONE_PHASE: np.array([(0, 0, 1)]),
    ReadMode.FOUR_PHASE: np.array([(0, 0, 1), (1, 1, 1), (0, 1, -1), (1, 0, -1)]),
}
N_PARTS = {ReadMode.ONE_PHASE: 1, ReadMode.FOUR_PHASE: 2}


class Weights(NamedTuple):
    """Weights for a core, (n_rows, n_columns), and the row and column of its crossbar where they begin."""

    values: F64
    first_row: int = 0
    first_column: int = 0


@dataclass(frozen=True)
class ProgrammedBlock:
    """A block of weights on a core as the inference finds it.

    Parameters
    ----------
    cells : relative conductances (n_rows, parts, n_columns) of the parts that the read mode drives
    gain : (n_columns,) counts per unit of the product; offset : (n_columns,) counts
    weight_scale : weight per relative conductance 1
    output_scale : correction of the digital scaling for drift and calibration
    first_column : column of the core that holds the block's first column
    key : of the noise of single conversions
    """

    spec: CrossbarSpec
    mode: ReadMode
    cells: Floats
    gain: Floats
    offset: Floats
    weight_scale: float
    output_scale: float
    first_column: int
    key: int

    @property
    def exact(self) -> bool:
        """Whether inputs and cells are integers, so that any product routine gives the same sums."""
        return self.spec.effects.input_quantisation

    @property
    def dtype(self) -> Any:
        """Number type of the passes."""
        return np.float32 if self.exact else np.float64

    def of_columns(self, begin: int, end: int) -> ProgrammedBlock:
        """The same block without the columns before `begin` and from `end` on."""
        if (begin, end) == (0, self.gain.size):
            return self
        return replace(
            self,
            cells=np.ascontiguousarray(self.cells[:, :, begin:end]),
            gain=self.gain[begin:end],
            offset=self.offset[begin:end],
            first_column=self.first_column + begin,
        )

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
        parts, n, n_rows = widths.shape
        n_columns = self.gain.size
        sums = part(scratch.sums, parts * n, parts * n_columns)
        # all pairs of an input part and a cell part in one product
        product = np.dot if self.exact else ordered_product
        product(widths.reshape(parts * n, n_rows), self.cells.reshape(n_rows, parts * n_columns), sums)
        tile = VectorTile(vectors, ranges, bias, scratch.counts[:n_columns], out)
        read_out(sums.reshape(parts, n, parts, n_columns), PHASES[self.mode], tuple(tile), add, self._converters)

    @cached_property
    def _converters(self) -> tuple[Any, ...]:
        effects, number = self.spec.effects, self.dtype
        limit = self.spec.adc_saturation_counts
        cubic = self.spec.adc_cubic_frac / limit**2 if effects.adc_nonlinearity else 0.0
        scale = np.full(self.gain.size, self.weight_scale / self.spec.counts_per_cell * self.output_scale)
        if effects.ldpu_fp16:
            scale = np.minimum(scale, _LARGEST_FP16).astype(np.float16).astype(np.float64)
        found = Converters(
            keys=np.array([child_key(self.key, phase) for phase in range(len(PHASES[self.mode]))], np.uint64),
            columns=column_keys(self.first_column, self.gain.size),
            gain=self.gain,
            offset=self.offset,
            noise=number(self.spec.noise_counts(self.mode) if effects.adc_noise else 0.0),
            cubic=number(cubic),
            limit=number(limit if effects.adc_saturation else np.inf),
            rounded=effects.adc_quantisation,
            scale=scale.astype(number),
            split=FP16_SPLIT_F32 if self.exact else FP16_SPLIT_F64,
            fp16=effects.ldpu_fp16,
        )
        return tuple(found)


def part(buffer: Floats, *shape: int) -> Floats:
    """First numbers of a work array as a contiguous array."""
    return buffer[: math.prod(shape)].reshape(shape)


class Scratch:
    """Work arrays of one thread: nothing is allocated while vectors stream."""

    def __init__(self, n_vectors: int, n_rows: int, n_columns: int, mode: ReadMode, dtype: Any) -> None:
        self.parts = N_PARTS[mode]
        self.widths: Floats = np.empty(self.parts * n_vectors * n_rows, dtype)
        self.sums: Floats = np.empty(self.parts**2 * n_vectors * n_columns, dtype)
        self.counts: Floats = np.empty(n_columns, dtype)


def weight_scale(blocks: Sequence[F64], *, limit_sd: float) -> float:
    """Weight that a cell at g_max stands for: the largest of all, or so many standard deviations of all.

    blocks : weights that are written to one core at a time, and so share its scale
    """
    weights = blocks[0] if len(blocks) == 1 else np.concatenate([block.ravel() for block in blocks])
    largest = float(np.abs(weights).max(initial=0.0))
    spread = limit_sd * float(weights.std()) if limit_sd > 0 else 0.0
    return spread or largest or 1.0


def program_core(
    spec: CrossbarSpec,
    blocks: Sequence[Weights],
    *,
    mode: ReadMode,
    seed: int,
    core: int,
    write: int = 0,
    scale: float | None = None,
) -> list[ProgrammedBlock]:
    """Put blocks of weights on a core and let them age to the time of the inference.

    What is written together shares the weight that g_max stands for and the factor of the drift compensation; all
    blocks share the core's converters, one per column.

    Parameters
    ----------
    blocks : that do not overlap
    seed, core : name of the core; equal names give equal converters, and equal imperfections in equal places
    write : how often the cells were written before, which gives them other imperfections
    scale : weight that g_max stands for, if not `weight_scale` of the blocks
    """
    effects = spec.effects
    g_max_uS = spec.device.g_max_uS
    if scale is None:
        values = [block.values for block in blocks]
        scale = weight_scale(values, limit_sd=spec.weight_limit_sd)
    aged = [_aged(spec, block, scale, seed=seed, core=core, write=write) for block in blocks]
    # every column of the core has its own converter, wherever a block starts
    rng = generator(seed, "converters", core)
    gain_errors, offsets = (rng.standard_normal(spec.columns) for _ in range(2))
    output_scale = 1.0
    if effects.drift_compensation and effects.drift:
        retention = _retention([(one.target, one.calibrated) for one in aged])
        # cells that answer with nothing (all stuck) or noise leave a calibration nothing to go by: the scale stays
        output_scale = 1 / retention if retention > _LEAST_RETENTION else 1.0
    dtype = np.float32 if effects.input_quantisation else np.float64
    programmed = []
    for block, one in zip(blocks, aged, strict=True):
        n_columns = block.values.shape[1]
        here = slice(block.first_column, block.first_column + n_columns)
        gain = np.full(n_columns, spec.counts_per_cell / spec.input_levels)
        if effects.adc_gain:
            gain *= 1 + spec.adc_gain_sd * gain_errors[here]
        offset = spec.adc_offset_sd_counts * offsets[here] if effects.adc_offset else np.zeros(n_columns)
        read = (
            one.read
            if effects.weight_clipping
            else _with_excess(one.read, block.values / scale, g_max_uS / output_scale)
        )
        cells, grid = _cells(read, g_max_uS, spec, mode)
        programmed.append(
            ProgrammedBlock(
                spec=spec,
                mode=mode,
                cells=cells,
                gain=(gain / (grid * spec.width_steps)).astype(dtype),
                offset=offset.astype(dtype),
                weight_scale=scale,
                output_scale=output_scale,
                first_column=block.first_column,
                # what lies below another block in one column is converted at another time
                key=child_key(seed, "conversions", core, *((block.first_row,) if block.first_row else ())),
            )
        )
    return programmed


class _Aged(NamedTuple):
    """Conductances of a block: wanted, when the drift was last compensated, and when the inference reads them."""

    target: Pair
    calibrated: Pair
    read: Pair


def _aged(spec: CrossbarSpec, block: Weights, scale: float, *, seed: int, core: int, write: int) -> _Aged:
    effects = spec.effects
    target = weights_to_targets(block.values, weight_per_g_max=scale, g_max_uS=spec.device.g_max_uS)
    cell_effects = CellEffects(
        programming=effects.programming,
        drift=effects.drift,
        read_noise=effects.cell_read_noise,
        stuck_cells=effects.stuck_cells,
        temperature=effects.temperature,
    )
    place = child_key(seed, "core", core, block.first_row, block.first_column, *((write,) if write else ()))
    inference = (spec.inference_s, spec.inference_warmth)
    compensation = (spec.compensation_s, spec.compensation_warmth)
    ages = {
        (t_s, warmth): age(
            spec.device,
            target,
            t_s=t_s,
            effects=cell_effects,
            stuck_frac=spec.stuck_frac,
            seed=place,
            core=core,
            warmth=warmth,
        )
        for t_s, warmth in {inference, compensation}
    }
    return _Aged(target, ages[compensation], ages[inference])


def _with_excess(read: Pair, relative: F64, unit_uS: float) -> Pair:
    """Conductances with what weights have beyond g_max, without error: what no cell can hold.

    relative : (n_rows, n_columns) weights, 1 where a cell at g_max is meant; unit_uS : conductance of an exact 1
    """
    excess = relative - np.clip(relative, -1.0, 1.0)
    return Pair(read.plus_uS + np.maximum(excess, 0) * unit_uS, read.minus_uS + np.maximum(-excess, 0) * unit_uS)


def _retention(pairs: Sequence[tuple[Pair, Pair]]) -> float:
    """Factor that a read of all cells finds between the wanted and the present conductance of a core."""
    power = found = 0.0
    for target, now in pairs:
        wanted_uS, found_uS = target.difference_uS, now.difference_uS
        power += float((wanted_uS * wanted_uS).sum())
        found += float((wanted_uS * found_uS).sum())
    return found / power if power > 0 else 1.0


def _cells(pair: Pair, g_max_uS: float, spec: CrossbarSpec, mode: ReadMode) -> tuple[Floats, float]:
    """Relative conductances of the driven parts, on a grid so fine that float32 sums are exact; grid steps per 1.

    With pulse widths that are integers, all sums are integers below 2^24: the product does not depend on the order of
    its additions, so not on the batch, the threads or the library. The grid is at least 2^8 per g_max for a full core
    of full cells and 2^12 for typical weights, far below the programming error.
    """
    driven_uS = (pair.difference_uS,) if mode is ReadMode.ONE_PHASE else (pair.plus_uS, pair.minus_uS)
    parts = np.stack([part_uS / g_max_uS for part_uS in driven_uS], axis=1)
    if not spec.effects.input_quantisation:
        return parts, 1.0
    largest = float(np.abs(parts).sum(axis=0).max(initial=0.0))
    room = _EXACT_F32 / (spec.input_levels * spec.width_steps) - len(parts)
    grid = float(2.0 ** np.floor(np.log2(room / max(largest, 1e-3))))
    cells: F32 = np.rint(parts * grid).astype(np.float32)
    return cells, grid
