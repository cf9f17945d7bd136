"""A mapped graph with its weights on the cores of one chip; the same evaluation with exact products is FP32.

Evaluations ask for the product of an operator and get it either from `ProgrammedChip` or from `ExactProducts`: one
protocol, so that the chip and FP32 differ in nothing else.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from hermes_sim.chip.analog import RangeScope
from hermes_sim.config.vocabulary import ReadMode
from hermes_sim.crossbar.core import Weights, program_core
from hermes_sim.crossbar.matrix import AnalogMatrix, Piece
from hermes_sim.errors import DeviceModelError, chosen
from hermes_sim.mapping.blocks import cut_matrix, strips
from hermes_sim.mapping.mapping import Mapping
from hermes_sim.numerics.ranges import RangeRule
from hermes_sim.workload.graph import GraphBuilder, Matrix, OpKind

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence
    from collections.abc import Mapping as MappingType

    from numpy.typing import ArrayLike, NDArray

    from hermes_sim.crossbar.block import ProgrammedBlock
    from hermes_sim.crossbar.converters import F64, Floats
    from hermes_sim.crossbar.spec import CrossbarSpec
    from hermes_sim.mapping.mapping import Block
    from hermes_sim.workload.graph import OpGraph

PROJECT, W = "project", "W"
# Vectors that a calibration reads: a first part of what is to come, as a batch of the chip's software would be.
CALIBRATION_VECTORS = 8192
_STREAM = np.uint64(1 << 44)  # names of conversions between the streams of two operators: more than tokens of any run


class Projector(Protocol):
    """Static products of a graph, token by token."""

    def on_crossbars(self, operator: str) -> bool:
        """Whether cores compute a product; all others are float32."""
        ...

    def ranges(self, x: NDArray[Any], samples: NDArray[Any]) -> F64 | None:
        """Input of a full pulse of each vector (n, rows) where cores search for it; None where it is known.

        samples : (n,) to which sample each vector belongs; those of two samples share no range
        """
        ...

    def project(
        self,
        operator: str,
        x: ArrayLike,
        *,
        input_range: float | F64 | None = None,
        first_token: int | NDArray[np.int64] = 0,
    ) -> Floats:
        """Outputs (n, columns) of tokens `first_token`, `first_token + 1`, ... of the operator's stream.

        Parameters
        ----------
        x : (n, rows)
        input_range : input that gives a full pulse, one number or one per token; None: what calibration found, or the
            largest of `x`
        first_token : counted over all inferences; or (n,) the number of each token
        """
        ...

    def driven(self, operator: str, x: NDArray[Any], input_range: float | F64 | None = None) -> NDArray[Any]:
        """Vectors (n, rows) as the rows of the operator's cores get them: cut at the range, in whole steps of it."""
        ...


class Products(Projector, Protocol):
    """Static products of a graph: weights first, then token by token."""

    def program(self, weights: MappingType[str, ArrayLike], biases: MappingType[str, ArrayLike] | None = None) -> None:
        """Write matrices, (rows, columns) by name; written again, they take the place of what was there."""
        ...

    def calibrate(self, operator: str, x: ArrayLike, *, largest_output: float | None = None) -> None:
        """Ranges of an operator's inputs and outputs from calibration inputs (n, rows); after `program`.

        Parameters
        ----------
        largest_output : to which converters are set, without the bias; None: the largest of the calibration inputs,
            of the first `CALIBRATION_VECTORS` of them
        """
        ...


class ExactProducts:
    """Every product in float32, wherever a mapping puts it.

    Parameters
    ----------
    weights_of : operator -> name of its weights
    """

    def __init__(self, weights_of: MappingType[str, str]) -> None:
        self._weights_of = weights_of
        self._stored: dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]] = {}

    def on_crossbars(self, operator: str) -> bool:  # noqa: ARG002 - nothing is
        """See `Projector.on_crossbars`."""
        return False

    def program(self, weights: MappingType[str, ArrayLike], biases: MappingType[str, ArrayLike] | None = None) -> None:
        """See `Products.program`."""
        for name, values in weights.items():
            matrix = np.asarray(values, np.float32)
            bias = np.zeros(matrix.shape[1]) if biases is None or name not in biases else biases[name]
            self._stored[name] = matrix, np.asarray(bias, np.float32)

    def calibrate(self, operator: str, x: ArrayLike, *, largest_output: float | None = None) -> None:
        """See `Products.calibrate`: floats need no range."""

    def ranges(self, x: NDArray[Any], samples: NDArray[Any]) -> F64 | None:  # noqa: ARG002 - floats need none
        """See `Projector.ranges`."""
        return None

    def project(
        self,
        operator: str,
        x: ArrayLike,
        *,
        input_range: float | F64 | None = None,  # noqa: ARG002 - floats need none
        first_token: int | NDArray[np.int64] = 0,  # noqa: ARG002 - one product for all tokens
    ) -> Floats:
        """See `Projector.project`."""
        name = self._weights_of[operator]
        if name not in self._stored:
            raise DeviceModelError(f"weights of {name or operator}", got="nothing", allowed="`program` them first")
        weights, bias = self._stored[name]
        return np.asarray(np.asarray(x, np.float32) @ weights + bias)

    def driven(self, operator: str, x: NDArray[Any], input_range: float | F64 | None = None) -> NDArray[Any]:  # noqa: ARG002
        """See `Projector.driven`."""
        return x

    def weights(self, matrix: str) -> NDArray[np.float32]:
        """(n_rows, n_columns) as they were programmed."""
        return self._stored[matrix][0]

    def bias_of(self, operator: str) -> NDArray[np.float32]:
        """(n_columns,) what is added to the products of an operator."""
        return self._stored[self._weights_of[operator]][1]


class ProgrammedChip:
    """Products on crossbars where the mapping has them there, else in float32.

    Every block lies on the core and in the place that the mapping says. Blocks of one core have its converters; those
    written by one call of `program` share its weight scale and drift compensation. Where rows are cut, every piece is
    converted by itself and added in the LDPU of the first, in its number format. Token t of an operator with R
    replicas goes to replica t mod R, as in time.

    Parameters
    ----------
    graph, mapping : what runs where; products that the mapping keeps digital are exact
    spec : of every core; mode : how it is read
    seed : of all devices and converters of this chip
    n_threads : tiles of vectors run side by side; the result does not depend on it

    Attributes
    ----------
    exact : float32 products of the same weights
    """

    def __init__(
        self, graph: OpGraph, mapping: Mapping, *, spec: CrossbarSpec, mode: ReadMode, seed: int, n_threads: int = 1
    ) -> None:
        self.graph, self.mapping = mapping.mapped(graph), mapping
        self.spec, self.mode, self.seed, self.n_threads = spec, _mode(mode), seed, n_threads
        self._weights_of = weights_of(self.graph)
        self.exact = ExactProducts(self._weights_of)
        analog = [op for op in self.graph.operators if op.on_crossbar]
        self._held_as = {op.name: self._holder(op.matrix or "") for op in analog}
        self._stream = {op.name: np.uint64(i) * _STREAM for i, op in enumerate(analog)}
        self._replicas: dict[tuple[str, int], AnalogMatrix] = {}
        self._writes: Counter[str] = Counter()
        self._known: dict[str, float] = {}  # operator -> range of its inputs
        self._full_outputs: dict[str, float] = {}  # matrix -> largest output in 8 bits
        # matrix, replica -> of its pieces, where converters are set by it
        self._most_counts: dict[tuple[str, int], list[float]] = {}

    def on_crossbars(self, operator: str) -> bool:
        """Whether cores compute a product."""
        return operator in self._held_as

    def program(self, weights: MappingType[str, ArrayLike], biases: MappingType[str, ArrayLike] | None = None) -> None:
        """Write matrices to their blocks, all replicas.

        A matrix that uses the cells of another is not written: its weights and bias must be those of the other.

        Raises
        ------
        DeviceModelError
            weights or biases of no matrix of the graph, not finite, of another shape, or that share cells and differ
        """
        biases = biases or {}
        known = [name for name in self._weights_of.values() if name]
        for name in (*weights, *biases):
            chosen("weights", name, known, error=DeviceModelError)
        placed = {block.matrix for block in self.mapping.blocks}
        written = {name: self._checked(name, weights[name], biases) for name in weights if self._holder(name) in placed}
        for name, pair in written.items():
            holder = self._holder(name)
            for what, mine, theirs in zip(("weights", "bias"), pair, written.get(holder, pair), strict=True):
                if not np.array_equal(mine, theirs):
                    raise DeviceModelError(
                        f"{what} of {name}", got=f"others than those of {holder}", allowed="the same: they share cells"
                    )
        self.exact.program(weights, biases)
        programmed: dict[Block, ProgrammedBlock] = {}
        for core, blocks in self._by_core(written):
            programmed.update(zip(blocks, self._write(core, blocks, written), strict=True))
        for matrix, replica in {(block.matrix, block.replica): None for block in programmed}:
            values, bias = written[matrix]
            pieces = pieces_of([(block, programmed[block]) for block in self.mapping.blocks_of(matrix, replica)])
            full = self._full_outputs.get(matrix)
            self._replicas[matrix, replica] = AnalogMatrix(values.shape, pieces, bias, output_scale_full=full)
            if (matrix, replica) in self._most_counts:
                self._replicas[matrix, replica].calibrate_converters(self._most_counts[matrix, replica])
        self._writes.update(list(written))

    def calibrate(self, operator: str, x: ArrayLike, *, largest_output: float | None = None) -> None:
        """See `Products.calibrate`.

        Inputs get a range where the chip does not search for one; outputs of 8 bits one of so many standard deviations;
        converters that are set by calibration data the gain with which the largest output has the wanted counts.
        """
        if operator not in self._held_as:
            return
        vectors, rule, held_as = np.asarray(x), RangeRule.of(self.spec), self._held_as[operator]
        if not rule.is_searched:
            self._known[operator] = rule.known(vectors)
        if self.spec.adc_calibrated_counts:
            self._set_converters(operator, vectors[:CALIBRATION_VECTORS], rule, largest_output)
        if self.spec.output_int8:
            outputs = self.exact.project(operator, vectors)
            full = self.spec.output_full_sd * (float(outputs.std()) or 1.0)
            self._full_outputs[held_as] = max(full, self._full_outputs.get(held_as, 0.0))
            for (matrix, _), replica in self._replicas.items():
                if matrix == held_as:
                    replica.output_scale_full = self._full_outputs[held_as]

    def _set_converters(
        self,
        operator: str,
        vectors: NDArray[Any],
        rule: RangeRule,
        largest_output: float | None,
    ) -> None:
        """Gain of the converters behind an operator; of matrices that several operators read, for all of them."""
        held_as = self._held_as[operator]
        replicas = {key: replica for key, replica in self._replicas.items() if key[0] == held_as}
        found = rule.searched(vectors, vectors=self.spec.range_batch)
        ranges = self._range_of(operator, vectors) if found is None else found
        for key, replica in replicas.items():
            if largest_output is None:
                mine = replica.most_counts(vectors, self.exact.weights(held_as), ranges)
            else:
                relative = largest_output / float(np.min(ranges))
                mine = [relative * piece.block.counts_per_unit for piece in replica.pieces]
            before = self._most_counts.get(key, mine)
            self._most_counts[key] = [max(pair) for pair in zip(mine, before, strict=True)]
            replica.calibrate_converters(self._most_counts[key])

    def _range_of(self, operator: str, vectors: NDArray[Any]) -> float:
        """Known range of an operator; with `per: core` the largest of all that have a core in common with it."""
        if operator not in self._known:
            return _largest(vectors)
        if self.spec.range_per is not RangeScope.CORE:
            return self._known[operator]
        cores = self._cores_of(operator)
        return max(known for other, known in self._known.items() if cores & self._cores_of(other))

    def _cores_of(self, operator: str) -> set[int]:
        return {block.core for block in self.mapping.blocks if block.matrix == self._held_as[operator]}

    def ranges(self, x: NDArray[Any], samples: NDArray[Any]) -> F64 | None:
        """See `Projector.ranges`."""
        rule, vectors = RangeRule.of(self.spec), self.spec.range_batch
        if not rule.is_searched or vectors == 1:
            return rule.searched(x, vectors=vectors)
        starts = np.flatnonzero(np.diff(samples, prepend=-1))
        found = [rule.searched(part, vectors=vectors) for part in np.split(x, starts[1:])]
        return np.concatenate([one for one in found if one is not None])

    def driven(self, operator: str, x: NDArray[Any], input_range: float | F64 | None = None) -> NDArray[Any]:
        """See `Projector.driven`."""
        if operator not in self._held_as:
            return x
        full = np.asarray(self._range_of(operator, x) if input_range is None else input_range).reshape(-1, 1)
        levels, effects = self.spec.largest_input, self.spec.effects
        steps = x * (levels / full)
        if effects.input_clipping:
            steps = np.clip(steps, -levels, levels)
        if effects.input_quantisation:
            steps = np.rint(steps)
        return np.asarray(steps * (full / levels), x.dtype)

    def project(
        self,
        operator: str,
        x: ArrayLike,
        *,
        input_range: float | F64 | None = None,
        first_token: int | NDArray[np.int64] = 0,
    ) -> Floats:
        """See `Projector.project`."""
        if operator not in self._held_as:
            return self.exact.project(chosen("operator", operator, self._weights_of, error=DeviceModelError), x)
        vectors = np.asarray(x)
        full = self._range_of(operator, vectors) if input_range is None else input_range
        tokens = token_numbers(first_token, len(vectors))
        names = tokens.astype(np.uint64) + self._stream[operator]
        turn = [self.replica(operator, position) for position in range(len(self.mapping.replicas[operator]))]
        if len(turn) == 1 or not len(vectors):
            return turn[0].matmul(vectors, input_range=full, names=names, n_threads=self.n_threads)
        outputs: Floats = np.empty((len(vectors), turn[0].shape[1]), turn[0].dtype)
        in_order = np.ndim(first_token) == 0 or bool(np.all(np.diff(tokens) == 1))
        for position, matrix in enumerate(turn):
            here: Any = slice((position - int(tokens[0])) % len(turn), None, len(turn))
            if not in_order:
                here = np.flatnonzero(tokens % len(turn) == position)
            mine = full if np.ndim(full) == 0 else np.asarray(full)[here]
            outputs[here] = matrix.matmul(vectors[here], input_range=mine, names=names[here], n_threads=self.n_threads)
        return outputs

    def replica(self, operator: str, position: int = 0) -> AnalogMatrix:
        """Matrix on the cores that takes tokens `position`, `position` + R, ... of an operator with R replicas.

        Raises
        ------
        DeviceModelError
            no such operator on crossbars, or no such replica; weights that were not programmed
        """
        held_as = self._held_as[chosen("operator on crossbars", operator, self._held_as, error=DeviceModelError)]
        turn = self.mapping.replicas[operator]
        replica = turn[chosen(f"replica of {operator}", position, range(len(turn)), error=DeviceModelError)]
        if (held_as, replica) not in self._replicas:
            raise DeviceModelError(f"weights of {held_as}", got="nothing", allowed="`program` them first")
        return self._replicas[held_as, replica]

    def _holder(self, matrix: str) -> str:
        return self.mapping.aliases.get(matrix, matrix)

    def _checked(self, name: str, values: ArrayLike, biases: MappingType[str, ArrayLike]) -> tuple[F64, F64]:
        shape = self.graph.matrix(name).rows, self.graph.matrix(name).columns
        matrix = np.asarray(values, np.float64)
        bias = np.asarray(biases.get(name, np.zeros(shape[1])), np.float64)
        for what, found, wanted in (("weights", matrix, shape), ("bias", bias, shape[1:])):
            if found.shape != wanted:
                raise DeviceModelError(f"{what} of {name}", got=f"shape {found.shape}", allowed=str(wanted))
            if not np.isfinite(found).all():
                raise DeviceModelError(f"{what} of {name}", got="NaN or infinity", allowed="finite numbers")
        return matrix, bias

    def _by_core(self, written: Container[str]) -> Iterator[tuple[int, list[Block]]]:
        here = sorted((block for block in self.mapping.blocks if block.matrix in written), key=attrgetter("core"))
        for core, blocks in groupby(here, key=attrgetter("core")):
            yield core, sorted(blocks)

    def _write(
        self, core: int, blocks: Sequence[Block], written: MappingType[str, tuple[F64, F64]]
    ) -> list[ProgrammedBlock]:
        pieces = [
            Weights(written[b.matrix][0][slice(*b.rows), slice(*b.columns)], b.core_row, b.core_column) for b in blocks
        ]
        write = max(self._writes[block.matrix] for block in blocks)
        return program_core(self.spec, pieces, mode=self.mode, seed=self.seed, core=core, write=write)


class Deviation(NamedTuple):
    """Sums of squares over outputs: of what the chip adds to the exact ones, and of these without their biases."""

    error: float = 0.0
    exact: float = 0.0

    @property
    def relative(self) -> float:
        """Norm of the error over the norm of the exact products."""
        return float(np.sqrt(self.error / self.exact)) if self.exact > 0 else 0.0


class Compared:
    """A programmed chip beside exact products.

    Attributes
    ----------
    chip : the programmed chip
    deviations : operator on crossbars -> how far its outputs were from the exact ones so far
    """

    def __init__(self, chip: ProgrammedChip) -> None:
        self.chip = chip
        self.deviations: dict[str, Deviation] = {}

    def on_crossbars(self, operator: str) -> bool:
        """See `Projector.on_crossbars`."""
        return self.chip.on_crossbars(operator)

    def program(self, weights: MappingType[str, ArrayLike], biases: MappingType[str, ArrayLike] | None = None) -> None:
        """See `Products.program`."""
        self.chip.program(weights, biases)

    def calibrate(self, operator: str, x: ArrayLike, *, largest_output: float | None = None) -> None:
        """See `Products.calibrate`."""
        self.chip.calibrate(operator, x, largest_output=largest_output)

    def ranges(self, x: NDArray[Any], samples: NDArray[Any]) -> F64 | None:
        """See `Projector.ranges`."""
        return self.chip.ranges(x, samples)

    def driven(self, operator: str, x: NDArray[Any], input_range: float | F64 | None = None) -> NDArray[Any]:
        """See `Projector.driven`."""
        return self.chip.driven(operator, x, input_range)

    def project(
        self,
        operator: str,
        x: ArrayLike,
        *,
        input_range: float | F64 | None = None,
        first_token: int | NDArray[np.int64] = 0,
    ) -> Floats:
        """See `Projector.project`."""
        outputs = self.chip.project(operator, x, input_range=input_range, first_token=first_token)
        if self.chip.on_crossbars(operator):
            exact = self.chip.exact.project(operator, x)
            difference, product = outputs - exact, exact - self.chip.exact.bias_of(operator)
            error, power = self.deviations.get(operator, Deviation())
            self.deviations[operator] = Deviation(
                error + float(np.vdot(difference, difference)), power + float(np.vdot(product, product))
            )
        return outputs


def token_numbers(first_token: int | NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Number of each of n tokens, (n,), see `Projector.project`."""
    return first_token + np.arange(n) if np.ndim(first_token) == 0 else np.asarray(first_token)


def weights_of(graph: OpGraph) -> dict[str, str]:
    """Static product -> name of its weights, on crossbars or kept off them."""
    return {op.name: op.matrix or op.use for op in graph.operators if op.kind is OpKind.STATIC_MATMUL}


def pieces_of(blocks: Sequence[tuple[Block, ProgrammedBlock]]) -> list[Piece]:
    """Pieces of one replica in the order in which the LDPUs add them, strip by strip as in time.

    The first block of a strip of columns has the bias; a block that is first in one part of its columns and not in
    another is taken apart there.
    """
    programmed = dict(blocks)
    order = list(programmed)
    index = {block: i for i, block in enumerate(order)}
    runs: defaultdict[int, list[tuple[int, int, bool]]] = defaultdict(list)  # of each block: begin, end, adds
    for (begin, end), here in strips(order):
        for place, block in enumerate(here):
            mine, adds = runs[index[block]], place > 0
            start = mine.pop()[0] if mine and mine[-1][2] == adds else begin  # one piece with the strip before
            mine.append((start, end, adds))
    pieces = [(adds, i, begin, end) for i, mine in runs.items() for begin, end, adds in mine]
    return [
        Piece(
            order[i].rows,
            (begin, end),
            programmed[order[i]].of_columns(begin - order[i].columns[0], end - order[i].columns[0]),
            adds,
        )
        for adds, i, begin, end in sorted(pieces)
    ]


def one_product(n_rows: int, n_columns: int, *, rows: int, columns: int) -> tuple[OpGraph, Mapping]:
    """A graph of one product, `PROJECT` by `W`, cut evenly for cores of `rows` x `columns`, each block on its own."""
    graph = GraphBuilder("one product")
    matrix = Matrix(W, n_rows, n_columns)
    graph.product(PROJECT, matrix, tokens=1, on_crossbar=True)
    cut = cut_matrix(matrix, core_rows=rows, core_columns=columns)
    blocks = tuple(replace(block, core=core) for core, block in enumerate(cut))
    return graph.build(), Mapping("one block per core", blocks, {PROJECT: (0,)}, {})


def program_alone(
    spec: CrossbarSpec,
    weights: ArrayLike,
    *,
    mode: ReadMode = ReadMode.ONE_PHASE,
    seed: int = 0,
    bias: ArrayLike | None = None,
) -> AnalogMatrix:
    """A matrix on a chip that holds nothing else, as `one_product` places it.

    Raises
    ------
    DeviceModelError
        weights that are no matrix or not finite, a bias that does not fit
    """
    matrix = np.asarray(weights, np.float64)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise DeviceModelError("weights", got=f"shape {matrix.shape}", allowed="a non-empty matrix")
    graph, mapping = one_product(matrix.shape[0], matrix.shape[1], rows=spec.rows, columns=spec.weight_columns)
    chip = ProgrammedChip(graph, mapping, spec=spec, mode=mode, seed=seed)
    chip.program({W: matrix}, None if bias is None else {W: bias})
    return chip.replica(PROJECT)


def _mode(mode: ReadMode | str) -> ReadMode:
    return chosen("read_mode", mode, ReadMode, error=DeviceModelError)


def _largest(vectors: NDArray[Any]) -> float:
    return float(np.abs(vectors).max(initial=0.0)) or 1.0
