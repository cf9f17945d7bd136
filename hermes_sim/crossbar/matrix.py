"""One replica of a weight matrix over the cores that hold its blocks: tiles of vectors, block after block."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hermes_sim._cpus import one_blas_thread
from hermes_sim.crossbar.block import Scratch, part
from hermes_sim.crossbar.converters import Pulses, largest_magnitudes, pulse_widths, to_integers
from hermes_sim.crossbar.phases import phases_of
from hermes_sim.errors import DeviceModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from hermes_sim.crossbar.block import ProgrammedBlock
    from hermes_sim.crossbar.converters import F64, Floats

# Vectors per pass and part of the inputs (a four-phase read has two): pulse widths and column sums of a full core, 1 to
# 1.5 MiB, stay in the cache, threads share a batch evenly, and twice as many would be only 2 % faster on one thread.
TILE = 512


@dataclass(frozen=True)
class Piece:
    """A part of a matrix on a core.

    Parameters
    ----------
    rows, columns : half-open ranges of the matrix (rows are inputs)
    block : as it was programmed
    adds : whether its results are added to those of a piece before; the first one adds the bias
    """

    rows: tuple[int, int]
    columns: tuple[int, int]
    block: ProgrammedBlock
    adds: bool = False


class AnalogMatrix:
    """One replica of a weight matrix on the crossbars of one chip; outputs are ``x @ weights + bias``.

    Parameters
    ----------
    shape : rows and columns of the matrix
    pieces : that hold every weight once, in the order in which their results are added
    bias : (n_columns,), added by the digital scaling
    output_scale_full : largest output in a format of 8 bits, from calibration data; None: outputs have no such format,
        as while a matrix is calibrated
    """

    def __init__(
        self,
        shape: tuple[int, int],
        pieces: Sequence[Piece],
        bias: F64,
        *,
        output_scale_full: float | None = None,
    ) -> None:
        self.shape = shape
        self.pieces = tuple(pieces)
        self.bias = bias
        first = self.pieces[0].block
        self.spec, self.mode, self.dtype = first.spec, first.mode, first.dtype
        self.output_scale_full = output_scale_full
        self._phases = phases_of(self.spec, self.mode)
        self._pulses = {number: tuple(self._pulses_in(number)) for number in (np.float32, np.float64)}

    def most_counts(self, x: NDArray[Any], weights: NDArray[Any], ranges: float | F64) -> list[float]:
        """Largest count of every piece for inputs (n, n_rows) of those ranges, without errors, at the chip file's gain.

        weights : (n_rows, n_columns) as they were programmed
        """
        found = []
        for piece in self.pieces:
            rows, columns = slice(*piece.rows), slice(*piece.columns)
            products = np.abs(x[:, rows] @ weights[rows, columns].astype(x.dtype)).max(axis=1)
            largest = float((products / ranges).max(initial=0.0))
            found.append(largest * piece.block.counts_per_unit)
        return found

    def calibrate_converters(self, most_counts: Sequence[float]) -> None:
        """Set the gain of every piece's converters so that these counts become the calibrated ones."""
        wanted = self.spec.adc_calibrated_counts
        self.pieces = tuple(
            replace(piece, block=replace(piece.block, count_factor=wanted / most if most > 0 else 1.0))
            for piece, most in zip(self.pieces, most_counts, strict=True)
        )

    @property
    def _tile_vectors(self) -> int:
        """Vectors per pass."""
        return TILE // self._phases.n_inputs

    def matmul(
        self,
        x: ArrayLike,
        *,
        input_range: float | F64 | None = None,
        first_vector: int = 0,
        names: NDArray[np.uint64] | None = None,
        out: Floats | None = None,
        n_threads: int = 1,
    ) -> Floats:
        """Outputs for a batch of vectors.

        Parameters
        ----------
        x : (n_vectors, n_rows)
        input_range : input that gives a full pulse, one number or one per vector; larger inputs are clipped. None:
            the largest of the batch. A stream that is cut must give it, for the result not to depend on the cut.
        first_vector : number of the batch's first vector in its stream; the numbers name the noise of its conversions:
            the same vectors read again have bit for bit the same noise unless this number moves on
        names : (n_vectors,) names of the vectors instead of their numbers, a hash of their content for example
        out : (n_vectors, n_columns), the type of `dtype`, C order
        n_threads : tiles run in this many threads; the result is the same

        Raises
        ------
        DeviceModelError
            wrong shape, numbers that are not finite, a range that is not positive
        """
        vectors = self._checked(x)
        ranges = _ranges(vectors, input_range)
        result = np.empty((len(vectors), self.shape[1]), self.dtype) if out is None else out
        if result.shape != (len(vectors), self.shape[1]) or result.dtype != self.dtype:
            raise DeviceModelError(
                "out", got=f"{result.dtype} {result.shape}", allowed=f"({len(vectors)}, {self.shape[1]})"
            )
        ids = np.arange(first_vector, first_vector + len(vectors), dtype=np.uint64) if names is None else names
        if ids.shape != (len(vectors),):
            raise DeviceModelError("names", got=f"shape {ids.shape}", allowed=f"({len(vectors)},)")
        starts = range(0, len(vectors), self._tile_vectors)
        with one_blas_thread():
            if n_threads == 1 or len(starts) == 1:
                scratch = self._scratch(min(self._tile_vectors, len(vectors)))
                for start in starts:
                    self._tile(vectors, result, start, ranges, ids, scratch)
            else:
                self._threads(vectors, result, ranges, ids, n_threads)
        return result

    def _threads(
        self, vectors: NDArray[Any], result: Floats, ranges: F64, ids: NDArray[np.uint64], n_threads: int
    ) -> None:
        starts = iter(range(0, len(vectors), self._tile_vectors))

        def share() -> None:
            scratch = self._scratch(self._tile_vectors)
            for start in starts:  # one iterator for all: who is free takes the next tile
                self._tile(vectors, result, start, ranges, ids, scratch)

        with ThreadPoolExecutor(n_threads - 1) as pool:
            others = [pool.submit(share) for _ in range(1, n_threads)]
            share()
            for done in others:
                done.result()

    def _scratch(self, n_vectors: int) -> Scratch:
        rows = max(high - low for low, high in (piece.rows for piece in self.pieces))
        columns = max(high - low for low, high in (piece.columns for piece in self.pieces))
        return Scratch(n_vectors, rows, columns, self._phases, self.dtype)

    def _tile(
        self,
        vectors: NDArray[Any],
        result: Floats,
        start: int,
        ranges: F64,
        ids: NDArray[np.uint64],
        scratch: Scratch,
    ) -> None:
        here = slice(start, start + self._tile_vectors)
        x, full, names = vectors[here], ranges[here], ids[here]
        # 32-bit inputs are scaled in 32 bits where their pulses are whole numbers anyway
        number = x.dtype.type if self.spec.effects.input_quantisation else np.float64
        pulses = self._pulses[number]
        bias, nothing = self.bias.astype(self.dtype), np.zeros(self.shape[1], self.dtype)
        for piece in self.pieces:
            low, high = piece.rows
            widths = part(scratch.widths, scratch.parts, len(x), high - low)
            # a copy, where rows are cut: compiled for numbers side by side the pass is six times as fast
            pulse_widths(np.ascontiguousarray(x[:, low:high]), full.astype(number), pulses, self.spec.planes, widths)
            columns = slice(*piece.columns)
            mine = result[here, columns]
            rounds = self._whole is not None and self.spec.output_after
            before = mine.copy() if rounds and piece.adds else None
            piece.block.read(
                widths,
                ranges=full.astype(self.dtype),
                vectors=names,
                bias=(nothing if piece.adds else bias)[columns],
                out=mine,
                add=piece.adds and not rounds,
                scratch=scratch,
            )
            if rounds:
                to_integers(mine, self._whole)
            if before is not None:
                mine += before
                to_integers(mine, self._whole)
        if self._whole is not None and not self.spec.output_after:
            to_integers(result[here], self._whole)

    @property
    def _whole(self) -> Any:
        """Largest output in 8 bits, None where outputs have another format."""
        if self.output_scale_full is None or not (self.spec.output_int8 and self.spec.effects.output_format):
            return None
        return self.dtype(self.output_scale_full)

    def _pulses_in(self, number: Any) -> Pulses:
        spec = self.spec
        return Pulses(
            levels=number(spec.largest_input),
            dead=number(spec.dead_levels),
            negative=number(spec.negative(self.mode)),
            steps=number(spec.width_steps(self.mode)),
            rounded=spec.effects.input_quantisation,
            clipped=spec.effects.input_clipping,
        )

    def _checked(self, x: ArrayLike) -> NDArray[Any]:
        vectors = np.ascontiguousarray(x)
        if vectors.dtype not in (np.float32, np.float64):
            vectors = vectors.astype(np.float64)
        if vectors.ndim != 2 or vectors.shape[1] != self.shape[0]:
            raise DeviceModelError("inputs", got=f"shape {vectors.shape}", allowed=f"(n_vectors, {self.shape[0]})")
        return vectors


def _ranges(vectors: NDArray[Any], given: float | F64 | None) -> F64:
    """Range of each vector, checked."""
    largest = float(largest_magnitudes(vectors).max(initial=0.0))
    if not np.isfinite(largest):
        raise DeviceModelError("inputs", got="NaN or infinity", allowed="finite numbers")
    ranges = np.asarray((largest or 1.0) if given is None else given, np.float64)
    if ranges.ndim and ranges.shape != (len(vectors),):
        raise DeviceModelError("input_range", got=f"shape {ranges.shape}", allowed=f"() or ({len(vectors)},)")
    if not (np.isfinite(ranges).all() and (ranges > 0).all()):
        raise DeviceModelError("input_range", got="a value that is not positive", allowed="finite and > 0")
    return np.ascontiguousarray(np.broadcast_to(ranges, len(vectors)))
