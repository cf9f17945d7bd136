"""A weight matrix spread over cores: blocks by rows (partial sums) and columns, optional copies to average noise."""

from __future__ import annotations

import hashlib
import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import ThreadpoolController

from hermes_sim.config.vocabulary import ReadMode
from hermes_sim.crossbar.converters import largest_magnitude, pulse_widths
from hermes_sim.crossbar.core import N_PARTS, ProgrammedCore, Scratch, part, program_core, weight_scale
from hermes_sim.errors import DeviceModelError
from hermes_sim.rng import child_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

    from hermes_sim.crossbar.converters import F64, Floats
    from hermes_sim.crossbar.spec import CrossbarSpec

# Vectors per pass and part of the inputs (a four-phase read has two): pulse widths and column sums of a full core, 1 to
# 1.5 MiB, stay in the cache, threads share a batch evenly, and twice as many would be only 2 % faster on one thread.
TILE = 512


@dataclass(frozen=True)
class Placement:
    """A rectangle of the weight matrix (half-open ranges, rows are inputs) and where it lies.

    Parameters
    ----------
    rows, columns : part of the weight matrix
    core : core index
    core_row, core_column : upper left corner on the crossbar
    replica : which copy of the matrix
    """

    rows: tuple[int, int]
    columns: tuple[int, int]
    core: int
    core_row: int = 0
    core_column: int = 0
    replica: int = 0


def even_placements(
    n_rows: int,
    n_columns: int,
    *,
    core_rows: int,
    core_columns: int,
    n_replicas: int = 1,
    first_core: int = 0,
) -> list[Placement]:
    """Cut a matrix into as few core-sized pieces as possible, as even as possible, one piece per core."""
    cuts = [
        (rows, columns, replica)
        for replica in range(n_replicas)
        for columns in _cut(n_columns, core_columns)
        for rows in _cut(n_rows, core_rows)
    ]
    return [
        Placement(rows, columns, first_core + i, replica=replica) for i, (rows, columns, replica) in enumerate(cuts)
    ]


def _cut(length: int, piece: int) -> list[tuple[int, int]]:
    n_pieces = -(-length // piece)
    edges = [length * i // n_pieces for i in range(n_pieces + 1)]
    return list(itertools.pairwise(edges))


class AnalogMatrix:
    """A weight matrix programmed on crossbars.

    Parameters
    ----------
    spec : core
    weights : (n_rows, n_columns); outputs are ``x @ weights + bias``
    mode : read mode
    bias : (n_columns,), added by the digital scaling
    seed : of every imperfection and all noise
    placements : blocks on the cores of the chip that `seed` stands for: one place has one set of imperfections,
        whatever is programmed there. None: an even cut, one block per core, on cores of this matrix alone, so that
        two different matrices of one seed have nothing in common, and the same one again has the same imperfections
    n_replicas : copies of an even cut whose outputs are averaged

    Raises
    ------
    DeviceModelError
        weights that are no matrix or not finite, blocks that leave the core or do not cover each copy once
    """

    def __init__(
        self,
        spec: CrossbarSpec,
        weights: ArrayLike,
        *,
        mode: ReadMode = ReadMode.ONE_PHASE,
        bias: ArrayLike | None = None,
        seed: int = 0,
        placements: Sequence[Placement] | None = None,
        n_replicas: int = 1,
    ) -> None:
        matrix = np.asarray(weights, np.float64)
        if matrix.ndim != 2 or 0 in matrix.shape or not np.isfinite(matrix).all():
            raise DeviceModelError("weights", got=f"shape {matrix.shape}", allowed="a finite, non-empty matrix")
        self.spec = spec
        self.mode = ReadMode(mode)
        self.shape: tuple[int, int] = (matrix.shape[0], matrix.shape[1])
        self.bias: F64 = np.zeros(self.shape[1]) if bias is None else np.asarray(bias, np.float64)
        if self.bias.shape != (self.shape[1],):
            raise DeviceModelError("bias", got=f"shape {self.bias.shape}", allowed=f"({self.shape[1]},)")
        self.placements = tuple(
            placements
            if placements is not None
            else even_placements(*self.shape, core_rows=spec.rows, core_columns=spec.columns, n_replicas=n_replicas)
        )
        _check_cover(self.placements, self.shape, spec)
        cores_seed = child_key(seed, "matrix", _digest(matrix)) if placements is None else seed
        self.n_replicas = 1 + max(block.replica for block in self.placements)
        self.cores: list[ProgrammedCore] = []
        for block in self.placements:
            part = matrix[slice(*block.rows), slice(*block.columns)]
            self.cores.append(
                program_core(
                    spec,
                    part,
                    scale=weight_scale(part, limit_sd=spec.weight_limit_sd, clipped=spec.effects.input_clipping),
                    mode=self.mode,
                    seed=cores_seed,
                    core=block.core,
                    first_row=block.core_row,
                    first_column=block.core_column,
                )
            )

    @property
    def dtype(self) -> Any:
        """Number type of the outputs."""
        return self.cores[0].dtype

    @property
    def _tile_vectors(self) -> int:
        """Vectors per pass."""
        return TILE // N_PARTS[self.mode]

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
        with _blas().limit(limits=1, user_api="blas"):
            if n_threads == 1 or len(starts) == 1:
                scratch = self._scratch(min(self._tile_vectors, len(vectors)))
                for start in starts:
                    self._tile(vectors, result, start, ranges, ids, scratch)
            else:
                self._threads(vectors, result, ranges, ids, n_threads)
        return result

    def stream(
        self, batches: Iterable[ArrayLike], *, input_range: float, first_vector: int = 0, n_threads: int = 1
    ) -> Iterator[Floats]:
        """Outputs batch by batch, in bounded memory; the same numbers as one large batch."""
        for batch in batches:
            out = self.matmul(batch, input_range=input_range, first_vector=first_vector, n_threads=n_threads)
            first_vector += len(out)
            yield out

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
        rows = max(high - low for low, high in (block.rows for block in self.placements))
        columns = max(high - low for low, high in (block.columns for block in self.placements))
        return Scratch(n_vectors, rows, columns, self.mode, self.dtype)

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
        effects, spec = self.spec.effects, self.spec
        # 32-bit inputs are scaled in 32 bits where their pulses are whole numbers anyway
        number = x.dtype.type if effects.input_quantisation else np.float64
        bias, nothing = self.bias.astype(self.dtype), np.zeros(self.shape[1], self.dtype)
        shares = (full / self.n_replicas).astype(self.dtype)
        written: set[tuple[int, int]] = set()
        for block, core in zip(self.placements, self.cores, strict=True):
            low, high = block.rows
            widths = part(scratch.widths, scratch.parts, len(x), high - low)
            pulse_widths(
                x[:, low:high],
                full.astype(number),
                number(spec.input_levels),
                effects.input_quantisation,
                effects.input_clipping,
                number(spec.dead_levels),
                number(spec.width_steps),
                widths,
            )
            first = block.columns not in written
            written.add(block.columns)
            columns = slice(*block.columns)
            core.read(
                widths,
                ranges=shares,
                vectors=names,
                offset=(bias if first else nothing)[columns],
                out=result[here, columns],
                add=not first,
                scratch=scratch,
            )

    def _checked(self, x: ArrayLike) -> NDArray[Any]:
        vectors = np.asarray(x)
        if vectors.dtype not in (np.float32, np.float64):
            vectors = vectors.astype(np.float64)
        if vectors.ndim != 2 or vectors.shape[1] != self.shape[0]:
            raise DeviceModelError("inputs", got=f"shape {vectors.shape}", allowed=f"(n_vectors, {self.shape[0]})")
        return vectors


def _ranges(vectors: NDArray[Any], given: float | F64 | None) -> F64:
    """Range of each vector, checked."""
    bits = np.int32 if vectors.dtype == np.float32 else np.int64
    largest = float(bits(largest_magnitude(vectors.view(bits), bits(np.iinfo(bits).max))).view(vectors.dtype))
    if not np.isfinite(largest):
        raise DeviceModelError("inputs", got="NaN or infinity", allowed="finite numbers")
    ranges = np.asarray((largest or 1.0) if given is None else given, np.float64)
    if ranges.ndim and ranges.shape != (len(vectors),):
        raise DeviceModelError("input_range", got=f"shape {ranges.shape}", allowed=f"() or ({len(vectors)},)")
    if not (np.isfinite(ranges).all() and (ranges > 0).all()):
        raise DeviceModelError("input_range", got="a value that is not positive", allowed="finite and > 0")
    return np.ascontiguousarray(np.broadcast_to(ranges, len(vectors)))


def _digest(matrix: F64) -> str:
    """Name of a matrix: shape and content."""
    return hashlib.sha256(repr(matrix.shape).encode() + np.ascontiguousarray(matrix).tobytes()).hexdigest()


_CONTROLLER: list[ThreadpoolController] = []


def _blas() -> ThreadpoolController:
    if not _CONTROLLER:
        _CONTROLLER.append(ThreadpoolController())
    return _CONTROLLER[0]


def _check_cover(placements: Sequence[Placement], shape: tuple[int, int], spec: CrossbarSpec) -> None:
    covered: dict[int, NDArray[np.int64]] = {}
    for block in placements:
        (r0, r1), (c0, c1) = block.rows, block.columns
        inside = 0 <= r0 < r1 <= shape[0] and 0 <= c0 < c1 <= shape[1]
        fits = block.core_row + r1 - r0 <= spec.rows and block.core_column + c1 - c0 <= spec.columns
        if not inside or not fits:
            raise DeviceModelError(
                f"block on core {block.core}",
                got=f"rows {r0}:{r1}, columns {c0}:{c1} at ({block.core_row}, {block.core_column})",
                allowed=f"a part of a {shape[0]} x {shape[1]} matrix on a {spec.rows} x {spec.columns} core",
            )
        covered.setdefault(block.replica, np.zeros(shape, np.int64))[r0:r1, c0:c1] += 1
    complete = sorted(covered) == list(range(len(covered))) and all((c == 1).all() for c in covered.values())
    if not placements or not complete:
        raise DeviceModelError("placements", got="weights missing or doubled", allowed="every weight once per copy")
