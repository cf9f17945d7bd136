"""Blocks of weights on one core: programmed once, then read with streams of vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hermes_sim.config.vocabulary import ReadMode
from hermes_sim.crossbar.block import ProgrammedBlock, by_slice
from hermes_sim.crossbar.saturation import fitting_scale
from hermes_sim.crossbar.wires import seen_through_wires
from hermes_sim.device.conductance import CellEffects, Pair, age, slices, weights_to_targets
from hermes_sim.rng import child_key, generator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hermes_sim.crossbar.converters import F32, F64, Floats
    from hermes_sim.crossbar.spec import CrossbarSpec

# Less than this no drift leaves: exponents of 0.1 leave a quarter after ten years. It is what a few dead cells answer.
_LEAST_RETENTION = 0.1

# Partial sums of integers below this are exact in float32, whatever the order of the additions.
_EXACT_F32 = 2.0**24


class Weights(NamedTuple):
    """Weights for a core, (n_rows, n_columns), and the row and column of its crossbar where they begin."""

    values: F64
    first_row: int = 0
    first_column: int = 0


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
    if scale is None:
        values = [block.values for block in blocks]
        scale = weight_scale(values, limit_sd=spec.weight_limit_sd)
        if spec.fit_to_converter:
            scale = fitting_scale(spec, values, scale, mode=mode)
    aged = [_aged(spec, block, scale, mode=mode, seed=seed, core=core, write=write) for block in blocks]
    # every column of the core has its own converter, wherever a block starts
    rng = generator(seed, "converters", core)
    gain_errors, offsets = (by_slice(rng.standard_normal(spec.used_columns), spec) for _ in range(2))
    output_scale = _output_scale(spec, aged, mode)
    programmed = []
    for block, cut in zip(blocks, aged, strict=True):
        here = slice(block.first_column, block.first_column + block.values.shape[1])
        excess = None if spec.effects.weight_clipping else block.values / scale
        cells, grid = _cells(cut, spec, mode, excess=excess, output_scale=output_scale)
        n_converted = spec.slices, block.values.shape[1]
        gain = np.full(n_converted, spec.counts_per_cell / spec.input_levels)
        if spec.effects.adc_gain:
            gain *= 1 + spec.adc_gain_sd * gain_errors[:, here]
        offset = spec.adc_offset_sd_counts * offsets[:, here] if spec.effects.adc_offset else np.zeros(n_converted)
        programmed.append(
            ProgrammedBlock(
                spec=spec,
                mode=mode,
                cells=cells,
                grid=grid,
                gain=(gain / (grid * spec.width_steps(mode))).astype(cells.dtype),
                offset=offset.astype(cells.dtype),
                weight_scale=scale,
                output_scale=output_scale,
                first_column=block.first_column,
                # what lies below another block in one column is converted at another time
                key=child_key(seed, "conversions", core, *((block.first_row,) if block.first_row else ())),
            )
        )
    return programmed


class _Aged(NamedTuple):
    """Conductances of a slice: wanted, when the drift was last compensated, and when the inference reads them."""

    target: Pair
    calibrated: Pair
    read: Pair


def _targets(spec: CrossbarSpec, weights: F64, scale: float) -> list[Pair]:
    """Wanted conductances of every slice."""
    g_max_uS = spec.device.g_max_uS
    whole = weights_to_targets(weights, weight_per_g_max=scale, g_max_uS=g_max_uS)
    if spec.slices == 1:
        return [whole]
    ratio = whole.difference_uS / g_max_uS
    if spec.effects.weight_quantisation:
        levels = 2 ** (spec.weight_bits - 1) - 1
        ratio = np.rint(ratio * levels) / levels
    cut = slices(ratio, spec.slices, spec.slice_bits)
    return [weights_to_targets(target, weight_per_g_max=1.0, g_max_uS=g_max_uS) for target, _ in cut]


def _aged(
    spec: CrossbarSpec, block: Weights, scale: float, *, mode: ReadMode, seed: int, core: int, write: int
) -> list[_Aged]:
    effects = spec.effects
    targets = _targets(spec, block.values, scale)
    cell_effects = CellEffects(
        programming=effects.programming,
        drift=effects.drift,
        read_noise=effects.cell_read_noise,
        stuck_cells=effects.stuck_cells,
        temperature=effects.temperature,
    )
    place = ("core", core, block.first_row, block.first_column, *((write,) if write else ()))
    keys = [child_key(seed, *place, *(("slice", cut) if cut else ())) for cut in range(len(targets))]
    inference = (spec.inference_s, spec.inference_warmth)
    compensation = (spec.compensation_s, spec.compensation_warmth)
    ages = {
        (t_s, warmth): _seen(
            spec,
            block,
            [
                age(
                    spec.device,
                    target,
                    t_s=t_s,
                    effects=cell_effects,
                    stuck_frac=spec.stuck_frac,
                    seed=key,
                    core=core,
                    warmth=warmth,
                )
                for target, key in zip(targets, keys, strict=True)
            ],
            mode,
        )
        for t_s, warmth in {inference, compensation}
    }
    return [_Aged(*cut) for cut in zip(targets, ages[compensation], ages[inference], strict=True)]


def _seen(spec: CrossbarSpec, block: Weights, pairs: list[Pair], mode: ReadMode) -> list[Pair]:
    """Conductances as the converters see them."""
    if not (spec.effects.ir_drop and spec.wire_ohm):
        return pairs
    return seen_through_wires(
        pairs,
        ohm=spec.wire_ohm,
        activity=spec.activity_inputs,
        first_row=block.first_row,
        first_column=block.first_column,
        both_polarities=mode is ReadMode.ONE_PHASE,
        side_by_side=spec.column_slices > 1,
    )


def _with_excess(read: Pair, relative: F64, unit_uS: float) -> Pair:
    """Conductances with what weights have beyond g_max, without error: what no cell can hold.

    relative : (n_rows, n_columns) weights, 1 where a cell at g_max is meant; unit_uS : conductance of an exact 1
    """
    excess = relative - np.clip(relative, -1.0, 1.0)
    return Pair(read.plus_uS + np.maximum(excess, 0) * unit_uS, read.minus_uS + np.maximum(-excess, 0) * unit_uS)


def _output_scale(spec: CrossbarSpec, aged: Sequence[Sequence[_Aged]], mode: ReadMode) -> float:
    """Factor of the digital scaling that a read of known vectors, of both signs, finds."""
    if not spec.effects.drift_compensation:
        return 1.0
    # half of the known inputs are negative
    retention = (1 + spec.negative(mode)) / 2
    if spec.effects.drift or (spec.effects.ir_drop and spec.wire_ohm):
        wanted_and_found = [
            [
                sum(factor * pair.difference_uS for factor, pair in zip(spec.slice_factors, pairs, strict=True))
                for pairs in zip(*((one.target, one.calibrated) for one in cut), strict=True)
            ]
            for cut in aged
        ]
        retention *= _retention(wanted_and_found)
    # cells that answer with nothing (all stuck) or noise leave a calibration nothing to go by: the scale stays
    return 1 / retention if retention > _LEAST_RETENTION else 1.0


def _retention(pairs: Sequence[Sequence[F64]]) -> float:
    """Factor that a read of all cells finds between the wanted and the present conductance of a core."""
    power = found = 0.0
    for wanted_uS, found_uS in pairs:
        power += float((wanted_uS * wanted_uS).sum())
        found += float((wanted_uS * found_uS).sum())
    return found / power if power > 0 else 1.0


def _cells(
    cut: Sequence[_Aged], spec: CrossbarSpec, mode: ReadMode, *, excess: F64 | None, output_scale: float
) -> tuple[Floats, float]:
    """Relative conductances of the driven parts, on a grid so fine that float32 sums are exact; grid steps per 1.

    With pulse widths that are integers, all sums are integers below 2^24: the product does not depend on the order of
    its additions, so not on the batch, the threads or the library. The grid is at least 2^8 per g_max for a full core
    of full cells and 2^12 for typical weights (2^6 and 2^10 with a polarity error), far below the programming error.

    Parameters
    ----------
    excess : relative weights, of which what lies beyond g_max is added to the first slice; None: nothing
    """
    g_max_uS = spec.device.g_max_uS
    pairs = [one.read for one in cut]
    if excess is not None:
        pairs[0] = _with_excess(pairs[0], excess, g_max_uS / output_scale)
    driven_uS = [
        part_uS
        for pair in pairs
        for part_uS in ((pair.difference_uS,) if mode is ReadMode.ONE_PHASE else (pair.plus_uS, pair.minus_uS))
    ]
    parts = np.stack([part_uS / g_max_uS for part_uS in driven_uS], axis=1)
    if not spec.effects.input_quantisation:
        return parts, 1.0
    largest = float(np.abs(parts).sum(axis=0).max(initial=0.0))
    room = _EXACT_F32 / (spec.input_levels * spec.width_steps(mode)) - len(parts)
    grid = float(2.0 ** np.floor(np.log2(room / max(largest, 1e-3))))
    cells: F32 = np.rint(parts * grid).astype(np.float32)
    return cells, grid
