"""Static products of a network's nodes: which vectors go to which matrix, and what is made of their products.

Each kind of node says two things of itself: its matrices as crossbars hold them (rows are inputs), and how its result
comes from products with them. Where the products are computed is not its business.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from hermes_sim.errors import WorkloadError
from hermes_sim.numerics.functions import gru_blend, gru_gates, gru_step, lstm_step, require_plain
from hermes_sim.numerics.functions.axes import in_rank
from hermes_sim.numerics.functions.kernel_attention import key_features, query_features, relu_features
from hermes_sim.numerics.functions.windows import window_vectors
from hermes_sim.numerics.weights import Stored
from hermes_sim.workload.onnx.einsum import Contraction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from hermes_sim.numerics.programmed import Projector
    from hermes_sim.numerics.weights import NetworkWeights
    from hermes_sim.workload.graph import Operator
    from hermes_sim.workload.origin import Node

    Array = NDArray[Any]
    Constant = Callable[[str], Array]

# Rows of a floating-point product: all tiles have as many, and a row its place by its number, since a library of
# linear algebra sums up in another order at another place.
_EXACT_ROWS = 256


@dataclass(frozen=True)
class StaticProduct(ABC):
    """A node with constant weights, and the operators that make its products.

    Parameters
    ----------
    operators : static products of the node, in the order of the graph
    weights : of the network
    """

    node: Node
    operators: tuple[Operator, ...]
    weights: NetworkWeights

    @abstractmethod
    def stored(self, constant: Constant) -> dict[str, Stored]:
        """Operator -> its matrix, from the constants of the node."""

    @abstractmethod
    def evaluate(self, products: Projector, given: Sequence[Array | None], first_sample: int) -> tuple[Array, ...]:
        """Results of the node for `given` inputs with the samples in front."""

    @property
    def _is_left(self) -> bool:
        """Whether the weights are the first input of a product: of a MatMul, vectors are then columns of the second."""
        return self.weights.constant(self.node.inputs[0]) is not None

    def _project(
        self, products: Projector, operator: Operator, x: Array, tokens: Array, ranges: Array | None = None
    ) -> Array:
        """Products (n, columns) of vectors (n, rows) with the numbers `tokens`, scale and bias included.

        ranges : of the vectors, if the caller has looked for them already
        """
        columns = x if x.dtype == np.float32 else x.astype(np.float32)
        samples = tokens // operator.tokens
        if products.on_crossbars(operator.name):
            ranges = products.ranges(columns, samples) if ranges is None else ranges
            made = products.project(operator.name, columns, input_range=ranges, first_token=tokens)
        else:
            first = int(samples[0]) * int(np.count_nonzero(samples == samples[0]))
            made = _in_tiles(lambda tile: products.project(operator.name, tile), columns, first)
        scale, bias = self.weights.behind(operator.name)
        made = np.asarray(made, np.float32)
        if scale is not None:
            made = made * scale
        return made if bias is None else made + bias


def _in_tiles(product: Callable[[Array], Array], x: Array, first: int) -> Array:
    """Products of rows with the numbers from `first` on, each at the place in its tile that its number says."""
    before = first % _EXACT_ROWS
    after = -(before + len(x)) % _EXACT_ROWS
    padded = np.pad(x, ((before, after), (0, 0))) if before or after else x
    parts = [product(padded[start : start + _EXACT_ROWS]) for start in range(0, len(padded), _EXACT_ROWS)]
    return np.concatenate(parts)[before : before + len(x)]


def _numbers(n_samples: int, n_tokens: int, first_sample: int) -> Array:
    return np.arange(first_sample * n_tokens, (first_sample + n_samples) * n_tokens, dtype=np.int64)


class Dense(StaticProduct):
    """MatMul and Gemm: every vector along the last axis is a token."""

    def stored(self, constant: Constant) -> dict[str, Stored]:
        """See `StaticProduct.stored`."""
        node, operator = self.node, self.operators[0]
        weights = constant(node.inputs[0]).swapaxes(-1, -2) if self._is_left else constant(node.inputs[1])
        matrix = weights.reshape(*weights.shape[-2:]) if weights.ndim > 1 else weights[:, None]
        matrix = matrix.T if node.get("transB", 0) else matrix
        bias = None
        if self._has_bias:
            values = constant(node.inputs[2]).astype(np.float32) * np.float32(node.get("beta", 1.0))
            bias = np.broadcast_to(values.reshape(-1), matrix.shape[1])
        return {operator.name: Stored(matrix * np.float32(node.get("alpha", 1.0)), bias)}

    def evaluate(self, products: Projector, given: Sequence[Array | None], first_sample: int) -> tuple[Array, ...]:
        """See `StaticProduct.evaluate`."""
        x = given[1].swapaxes(-1, -2) if self._is_left and given[1] is not None else given[0]
        assert x is not None
        vectors = x.reshape(-1, x.shape[-1])
        made = self._project(products, self.operators[0], vectors, _numbers(len(x), prod(x.shape[1:-1]), first_sample))
        rank, mine = x.ndim - 1, self._rank
        result = made.reshape(*x.shape[:-1], *(() if mine == 1 else (made.shape[1],)))
        result = in_rank(result, 1 + max(rank, mine, 2) - (rank == 1) - (mine == 1))
        added = None if self._has_bias else next(iter(given[2:3]), None)
        if added is not None:
            result = result + np.float32(self.node.get("beta", 1.0)) * in_rank(added, result.ndim)
        return (np.ascontiguousarray(result.swapaxes(-1, -2)) if self._is_left else result,)

    @property
    def _rank(self) -> int:
        """Axes of the weights in the file; those of size one in front count in the result."""
        constant = self.weights.constant(self.node.inputs[not self._is_left]) if len(self.node.inputs) > 1 else None
        return 2 if constant is None else constant.ndim

    @property
    def _has_bias(self) -> bool:
        """Whether a constant vector is added."""
        name = self.node.inputs[2] if len(self.node.inputs) > 2 else ""
        constant = self.weights.constant(name) if name else None
        return constant is not None and constant.size in {1, constant.shape[-1] if constant.ndim else 1}


class EinsumProduct(StaticProduct):
    """Einsum with a constant matrix: the axes that are summed over are the rows, its other ones the columns."""

    def stored(self, constant: Constant) -> dict[str, Stored]:
        """See `StaticProduct.stored`."""
        found, weights = self._contraction, constant(self.node.inputs[not self._is_left])
        turned = np.einsum(f"{found.right}->{found.summed}{found.own}", weights)
        operator = self.operators[0]
        return {operator.name: Stored(turned.reshape(operator.in_values, operator.out_values))}

    def evaluate(self, products: Projector, given: Sequence[Array | None], first_sample: int) -> tuple[Array, ...]:
        """See `StaticProduct.evaluate`."""
        found, x, weights = self._contraction, given[self._is_left], given[not self._is_left]
        assert x is not None
        assert weights is not None
        sizes = found.sizes(x.shape[1:], weights.shape[1:])
        vectors = np.einsum(f"...{found.left}->...{found.free}{found.summed}", x)
        operator = self.operators[0]
        numbers = _numbers(len(x), operator.tokens, first_sample)
        made = self._project(products, operator, vectors.reshape(-1, operator.in_values), numbers)
        made = made.reshape(len(x), *(sizes[letter] for letter in found.free + found.own))
        return (np.ascontiguousarray(np.einsum(f"...{found.free}{found.own}->...{found.result}", made)),)

    @property
    def _contraction(self) -> Contraction:
        """The equation, with the matrix as its right tensor."""
        found = Contraction.of(self.node.get("equation", ""))
        return found.turned() if self._is_left else found


class Convolution(StaticProduct):
    """Conv without groups: a token is a pixel of the result, its vector the window, channel by channel."""

    def stored(self, constant: Constant) -> dict[str, Stored]:
        """See `StaticProduct.stored`."""
        weights = constant(self.node.inputs[1])
        named = self.node.inputs[2] if len(self.node.inputs) > 2 else ""
        bias = constant(named) if named else None
        return {self.operators[0].name: Stored(weights.reshape(len(weights), -1).T, bias)}

    def evaluate(self, products: Projector, given: Sequence[Array | None], first_sample: int) -> tuple[Array, ...]:
        """See `StaticProduct.evaluate`."""
        x = given[0]
        assert x is not None
        kernel = tuple(self.node.get("kernel_shape", ())) or self._kernel()
        vectors, sizes = window_vectors(self.node, x, kernel)
        pictures = x.shape[:2]
        numbers = _numbers(len(x), pictures[1] * prod(sizes), first_sample)
        made = self._project(products, self.operators[0], vectors, numbers)
        return (np.ascontiguousarray(np.moveaxis(made.reshape(*pictures, *sizes, made.shape[1]), -1, 2)),)

    def _kernel(self) -> tuple[int, ...]:
        weights = self.weights.constant(self.node.inputs[1])
        assert weights is not None
        return weights.shape[2:]


# A power of two by which sums of whole numbers are smaller on the way, so that they fit numbers of FP16.
_SMALLER = np.float32(2**-12)


def _centred(x: Array | None, zero: Array | None) -> Array:
    """Whole numbers as numbers around zero, in float32."""
    assert x is not None
    made = x.astype(np.float32)
    return made if zero is None else made - in_rank(zero.astype(np.float32), x.ndim)


class IntegerDense(Dense):
    """MatMulInteger: of whole numbers, whose zeros are inputs of the node."""

    def stored(self, constant: Constant) -> dict[str, Stored]:
        """See `StaticProduct.stored`."""
        weights, named = constant(self.node.inputs[1]).astype(np.float32), (*self.node.inputs, "", "")[3]
        weights = weights - constant(named).astype(np.float32) if named else weights
        return {self.operators[0].name: Stored(_SMALLER * weights.reshape(*weights.shape[-2:]))}

    def evaluate(self, products: Projector, given: Sequence[Array | None], first_sample: int) -> tuple[Array, ...]:
        """See `StaticProduct.evaluate`."""
        x = _centred(given[0], (*given, None)[2])
        (made,) = super().evaluate(products, [x, given[1]], first_sample)
        return (made / _SMALLER,)

    @property
    def _has_bias(self) -> bool:
        return False


class IntegerConvolution(Convolution):
    """ConvInteger without groups: of whole numbers, whose zeros are inputs of the node."""

    def stored(self, constant: Constant) -> dict[str, Stored]:
        """See `StaticProduct.stored`."""
        weights, named = constant(self.node.inputs[1]).astype(np.float32), (*self.node.inputs, "", "")[3]
        if named:
            weights = weights - constant(named).astype(np.float32).reshape(-1, *[1] * (weights.ndim - 1))
        return {self.operators[0].name: Stored(_SMALLER * weights.reshape(len(weights), -1).T)}

    def evaluate(self, products: Projector, given: Sequence[Array | None], first_sample: int) -> tuple[Array, ...]:
        """See `StaticProduct.evaluate`."""
        x = _centred(given[0], (*given, None)[2])
        (made,) = super().evaluate(products, [x, given[1]], first_sample)
        return (made / _SMALLER,)


class Recurrent(StaticProduct):
    """LSTM: one product per direction and step, of the input beside the last hidden state.

    A matrix has the rows of the input, then those of the hidden state; its columns go hidden unit by hidden unit, four
    gates side by side in the order input, forget, cell, output.
    """

    def stored(self, constant: Constant) -> dict[str, Stored]:
        """See `StaticProduct.stored`."""
        found = {}
        for operator, (mine, recurrent, bias) in zip(self.operators, self._by_direction(constant), strict=True):
            half = len(bias) // 2
            weights = np.concatenate([mine, recurrent], axis=1)
            found[operator.name] = Stored(_by_unit(weights).T, _by_unit(bias[:half] + bias[half:]))
        return found

    def _by_direction(self, constant: Constant) -> Iterator[tuple[Array, Array, Array]]:
        """Weights of the input and of the hidden state, (gates * hidden, n) each, and both biases in one."""
        w, r = constant(self.node.inputs[1]), constant(self.node.inputs[2])
        named = self.node.inputs[3] if len(self.node.inputs) > 3 else ""
        biases = constant(named) if named else np.zeros((len(w), 2 * w.shape[1]), np.float32)
        return zip(w, r, biases, strict=True)

    def evaluate(self, products: Projector, given: Sequence[Array | None], first_sample: int) -> tuple[Array, ...]:
        """See `StaticProduct.evaluate`."""
        self._check(given)
        x = given[0]
        assert x is not None
        layout = self.node.get("layout", 0)
        steps = x[:, 0] if layout else x[:, :, 0]  # (samples, steps, values)
        hidden, states = [], []
        for i in range(len(self.operators) // self._each):
            backward = i == 1 or self.node.get("direction", "forward") == "reverse"
            first = [
                np.zeros((len(x), self._size), np.float32)
                if one is None
                else np.broadcast_to(one[:, 0, i] if layout else one[:, i, 0], (len(x), self._size))
                for one in self._states(given)
            ]
            walked = steps[:, ::-1] if backward else steps
            made, *last = self._direction(products, i, walked, first, first_sample)
            hidden.append(made[:, ::-1] if backward else made)
            states.append(last)
        all_steps = np.stack(hidden, axis=2)  # (samples, steps, directions, hidden)
        ends = [np.stack(last, axis=1) for last in zip(*states, strict=True)]
        if layout:
            return all_steps[:, None], *(last[:, None] for last in ends)
        return all_steps[:, :, :, None], *(last[:, :, None] for last in ends)

    @property
    def _each(self) -> int:
        """Products of one direction."""
        return 1

    @property
    def _size(self) -> int:
        """Hidden units."""
        return self.operators[0].out_values // 4

    def _direction(
        self, products: Projector, direction: int, x: Array, first: Sequence[Array], first_sample: int
    ) -> tuple[Array, ...]:
        """All hidden states of a walk over x (samples, steps, values), and the last states."""
        operator, (n, n_steps), size = self.operators[direction], x.shape[:2], self._size
        state, cell = first
        made = np.empty((n, n_steps, size), np.float32)
        numbers = np.arange(first_sample, first_sample + n, dtype=np.int64) * n_steps
        for step in range(n_steps):
            vectors = np.concatenate([x[:, step], state], axis=1)
            gates = self._project(products, operator, vectors, numbers + step).reshape(n, size, 4)
            ordered = gates[:, :, [0, 3, 1, 2]].transpose(0, 2, 1)  # as ONNX has them: input, output, forget, cell
            state, cell = lstm_step(ordered, cell)
            made[:, step] = state
        return made, state, cell

    @property
    def _n_states(self) -> int:
        """Hidden state, cell state."""
        return 2

    def _states(self, given: Sequence[Array | None]) -> tuple[Array | None, ...]:
        return tuple(given[i] if i < len(given) else None for i in range(5, 5 + self._n_states))

    def _check(self, given: Sequence[Array | None]) -> None:
        """Refuse what changes the cell."""
        require_plain(self.node)
        if len(given) > 4 and given[4] is not None:
            where = f"{self.node.op_type} {self.node.name!r}"
            raise WorkloadError(where, got="lengths of its own", allowed="one without them")


class PlainRecurrent(Recurrent):
    """RNN: one product per step, and a function of it."""

    @property
    def _size(self) -> int:
        return self.operators[0].out_values

    @property
    def _n_states(self) -> int:
        return 1

    def stored(self, constant: Constant) -> dict[str, Stored]:
        """See `StaticProduct.stored`."""
        return {
            operator.name: Stored(np.concatenate([mine, recurrent], axis=1).T, bias.reshape(2, -1).sum(axis=0))
            for operator, (mine, recurrent, bias) in zip(self.operators, self._by_direction(constant), strict=True)
        }

    def _direction(
        self, products: Projector, direction: int, x: Array, first: Sequence[Array], first_sample: int
    ) -> tuple[Array, ...]:
        operator, (n, n_steps), (state,) = self.operators[direction], x.shape[:2], first
        made, numbers = np.empty((n, n_steps, self._size), np.float32), _numbers(n, n_steps, first_sample)[::n_steps]
        is_relu = "Relu" in (self.node.get("activations", None) or [])
        for step in range(n_steps):
            sums = self._project(products, operator, np.concatenate([x[:, step], state], axis=1), numbers + step)
            state = np.maximum(sums, 0) if is_relu else np.tanh(sums)
            made[:, step] = state
        return made, state


class Gru(Recurrent):
    """GRU: of the input one product for all gates; of the hidden state one, or two if the reset gate acts before it.

    Columns are in ONNX's order: update, reset, candidate, each with all units.
    """

    @property
    def _each(self) -> int:
        return 2 if self.node.get("linear_before_reset", 0) else 3

    @property
    def _size(self) -> int:
        return self.operators[0].out_values // 3

    @property
    def _n_states(self) -> int:
        return 1

    def stored(self, constant: Constant) -> dict[str, Stored]:
        """See `StaticProduct.stored`."""
        found, gates, two = {}, 3 * self._size, 2 * self._size
        for i, (mine, recurrent, bias) in enumerate(self._by_direction(constant)):
            of_input, *of_state = self.operators[i * self._each : (i + 1) * self._each]
            if len(of_state) == 1:
                found[of_input.name] = Stored(mine.T, bias[:gates])
                found[of_state[0].name] = Stored(recurrent.T, bias[gates:])
            else:
                found[of_input.name] = Stored(mine.T, bias[:gates] + bias[gates:])
                found[of_state[0].name] = Stored(recurrent[:two].T)
                found[of_state[1].name] = Stored(recurrent[two:].T)
        return found

    def _direction(
        self, products: Projector, direction: int, x: Array, first: Sequence[Array], first_sample: int
    ) -> tuple[Array, ...]:
        of_input, *of_state = self.operators[direction * self._each : (direction + 1) * self._each]
        (n, n_steps), size, (state,) = x.shape[:2], self._size, first
        numbers = _numbers(n, n_steps, first_sample)
        vectors = np.ascontiguousarray(x).reshape(n * n_steps, -1)
        inputs = self._project(products, of_input, vectors, numbers).reshape(n, n_steps, 3, size)
        made, numbers = np.empty((n, n_steps, size), np.float32), numbers[::n_steps]
        for step in range(n_steps):
            mine = inputs[:, step]
            sums = self._project(products, of_state[0], state, numbers + step).reshape(n, -1, size)
            if len(of_state) == 1:
                state = gru_step(mine, sums, state)
            else:
                gates = gru_gates(mine[:, :2] + sums)
                candidate = mine[:, 2] + self._project(products, of_state[1], gates.reset * state, numbers + step)
                state = gru_blend(gates.update, candidate, state)
            made[:, step] = state
        return made, state


class RandomFeatures(StaticProduct):
    """Features of queries or keys, see `numerics.functions.kernel_attention`: a projection, and what is made of it.

    Inputs of the node: vectors (tokens, head_dim); of keys a truth value per token, whether it counts.
    """

    def stored(self, constant: Constant) -> dict[str, Stored]:  # noqa: ARG002 - W comes from a file of weights
        """See `StaticProduct.stored`."""
        return {}

    def evaluate(self, products: Projector, given: Sequence[Array | None], first_sample: int) -> tuple[Array, ...]:
        """See `StaticProduct.evaluate`."""
        x, counted = given[0], given[1] if len(given) > 1 else None
        assert x is not None
        (operator,), n_tokens = self.operators, x.shape[-2]
        vectors = (x * np.float32(self.node.get("scale", 1.0))).reshape(-1, x.shape[-1])
        tokens = _numbers(len(x), n_tokens, first_sample)
        ranges = products.ranges(vectors, tokens // n_tokens)
        projected = self._project(products, operator, vectors, tokens, ranges).reshape(*x.shape[:-1], -1)
        if self.node.get("feature_map", "") == "relu":
            return (relu_features(projected, counted),)
        if counted is None:
            return (query_features(projected),)
        driven = products.driven(operator.name, vectors, ranges)
        return (key_features(projected, driven.reshape(x.shape), counted),)


def _by_unit(gates: Array) -> Array:
    """ONNX's order of gates (input, output, forget, cell; each with all units) -> unit by unit i, f, c, o."""
    four = gates.reshape(4, -1, *gates.shape[1:])[[0, 2, 3, 1]]
    return np.ascontiguousarray(np.swapaxes(four, 0, 1)).reshape(gates.shape)


STATIC: Mapping[str, type[StaticProduct]] = {
    "MatMul": Dense,
    "Gemm": Dense,
    "MatMulInteger": IntegerDense,
    "Einsum": EinsumProduct,
    "Conv": Convolution,
    "ConvInteger": IntegerConvolution,
    "LSTM": Recurrent,
    "GRU": Gru,
    "RNN": PlainRecurrent,
    "RandomFeatures": RandomFeatures,
}
