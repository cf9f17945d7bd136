"""Small runs through all compiled numerics, so that plain Python gets through them in seconds; see test_nojit.py."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace

import numpy as np

from hermes_sim.chip.load import load_arch
from hermes_sim.config.vocabulary import ReadMode
from hermes_sim.crossbar.spec import Effects, core_crossbar
from hermes_sim.numerics.chip_models import with_model
from hermes_sim.numerics.formats import summed_in_fp16, to_fp16
from hermes_sim.numerics.programmed import program_alone
from hermes_sim.numerics.ranges import largest_of_groups
from hermes_sim.numerics.synthetic import make_listops, make_pathfinder

SOURCE = {"unit": "count", "kind": "assumed", "source": "test"}
BITS = {"core.analog.input_coding": "bit_serial"}
SLICES = {"weight_bits": {"value": 8, **SOURCE}, "bits": {"value": 3, **SOURCE}}
CHIPS = {
    "pulses": {},
    "bits": BITS,
    "slices over cells": {"core.analog.slices": {**SLICES, "over": "cells"}},
    "slices over columns and bits": {"core.analog.slices": {**SLICES, "over": "columns"}, **BITS},
}
SATURATING = {"counts_per_cell": 41.0, "adc_saturation_counts": 41.0 * 2, "weight_limit_sd": 0.0}
EFFECTS = {
    "shipped": {},
    "every effect": {"adc_gain_sd": 0.02, "adc_offset_sd_counts": 0.5, "adc_cubic_frac": 0.02, "output_int8": True},
    "saturating": SATURATING,
    "toward zero": {"adc_toward_zero": True, "output_int8": True, "output_after": True},
}


def products(chip: str, effects: str, mode: ReadMode, *, off: tuple[str, ...] = ()) -> np.ndarray:
    """Outputs of a small matrix, (5, 9)."""
    spec = core_crossbar(load_arch(with_model("hermes_64", "fixed_counts"), CHIPS[chip]).core)
    spec = replace(spec, **EFFECTS[effects]).with_effects(Effects().without(*off))
    rng = np.random.default_rng(0)
    matrix = program_alone(spec, rng.standard_normal((30, 9)), mode=mode, seed=3, bias=np.arange(9.0))
    matrix.output_scale_full = 30.0
    x = rng.standard_normal((5, 30))
    x[2] = np.abs(x[2]) * 3  # one that saturates
    return matrix.matmul(x, input_range=1.5)


def numbers(draw: int) -> np.ndarray:
    """FP16 and its sums, at all magnitudes, and ranges of groups of vectors, float64."""
    rng = np.random.default_rng(draw)
    values = (rng.standard_normal((7, 4)) * 10.0 ** rng.integers(-9, 6, (7, 4))).astype(np.float32)
    summed = np.zeros((4, 4), np.float32)
    summed_in_fp16(to_fp16(values), to_fp16(values[::-1] * 1e-2), summed)
    return np.concatenate([to_fp16(values).ravel(), summed.ravel(), largest_of_groups(values, vectors=3)])


def listops(draw: int) -> np.ndarray:
    """Trees, their lengths and values."""
    made = make_listops("train", 6, longest=256, seed=draw)
    return np.concatenate([np.ravel(part) for part in (made.symbols, made.lengths, made.labels)])


def pathfinder(draw: int) -> np.ndarray:
    """Pictures and their labels."""
    pictures, labels = make_pathfinder("train", 4, pixels=256, seed=draw)
    return np.concatenate([pictures.ravel(), labels])


CASES = {
    **{
        f"{chip}, {effects}, {mode}": (products, chip, effects, mode)
        for chip in CHIPS
        for effects in EFFECTS
        for mode in ReadMode
    },
    "pulses of any width": (
        lambda: products("pulses", "saturating", ReadMode.FOUR_PHASE, off=("input_quantisation",)),
    ),
    "inputs beyond the range": (lambda: products("pulses", "saturating", ReadMode.ONE_PHASE, off=("input_clipping",)),),
    "number formats": (numbers, 0),
    "listops": (listops, 0),
    "pathfinder": (pathfinder, 0),
}


def outcome(name: str) -> list[float]:
    """What a case gives."""
    make, *arguments = CASES[name]
    return np.asarray(make(*arguments), np.float64).ravel().tolist()


if __name__ == "__main__":
    warnings.filterwarnings("ignore", "overflow encountered in scalar")  # hashes wrap
    print(json.dumps({name: outcome(name) for name in CASES}))
