"""Weights of a network: from its own file, or from a file of weights beside it."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hermes_sim.errors import DataError, listed, nearest
from hermes_sim.workload.graph import OpKind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from hermes_sim.workload.graph import OpGraph

    Array = NDArray[Any]

_PARTS = ("weight", "bias", "scale")
_SUFFIXES = (".npz", ".safetensors")
ABOUT = "about"  # entry of a file of trained weights that says what was trained on what, in JSON


class Stored(NamedTuple):
    """A matrix as crossbars hold it: weights (rows, columns), and what is added behind it (columns,) if anything."""

    weights: Array
    bias: Array | None = None


class Behind(NamedTuple):
    """What the LDPU does behind a product, (columns,) each: a scale, and an offset that is not programmed."""

    scale: Array | None = None
    bias: Array | None = None


class NetworkWeights:
    """Constants of a network and the matrices that its cores hold.

    Parameters
    ----------
    graph : whose network it is
    file : weights that take the place of the network's own, see `read_weights`
    where : of messages

    Attributes
    ----------
    matrices, biases : by name of the matrix, as they are programmed
    """

    def __init__(self, graph: OpGraph, file: Mapping[str, Array] | None = None, *, where: str = "") -> None:
        self._graph, self._where = graph, where
        self._file = self._by_matrix(file or {})
        self._known: dict[str, Array | None] = {}
        self._behind: dict[str, Behind] = {}
        self._matrix_of = {op.name: op.matrix or op.use for op in graph.operators if op.kind is OpKind.STATIC_MATMUL}
        self.matrices: dict[str, Array] = {}
        self.biases: dict[str, Array] = {}

    def _by_matrix(self, file: Mapping[str, Array]) -> dict[str, Array]:
        """Arrays of a file by names of matrices, where it calls them like nodes.

        Raises    DataError  for an array with both names
        """
        matrices = {self._graph.called(name): name for name in matrix_shapes(self._graph)}
        tensors = {name for op in self._graph.operators for node in op.nodes for name in node.inputs}
        found: dict[str, Array] = {}
        for key, values in file.items():
            name, _, part = key.rpartition(".")
            known = f"{matrices[name]}.{part}" if name in matrices and part in _PARTS and key not in tensors else key
            if known in found or (known != key and known in file):
                raise DataError(f"{self._where}: {key}", got=f"{known}, too", allowed="one of these two names")
            found[known] = values
        return found

    def constant(self, name: str) -> Array | None:
        """A tensor that is the same for every sample, numbers in float32; None if it is none."""
        if name not in self._known:
            network = self._graph.network
            found = self._file.get(name)
            if found is None and network is not None:
                found = network.constants(name)
            if found is not None and found.dtype.kind == "f":
                found = found.astype(np.float32)
            self._known[name] = found
        return self._known[name]

    def needed(self, name: str) -> Array:
        """A constant that must be there.

        Raises    DataError  if it is not
        """
        found = self.constant(name)
        if found is None:
            raise DataError(f"{self._where or self._graph.name}: {name}", got="no constant", allowed="a constant")
        return found

    def behind(self, operator: str) -> Behind:
        """What follows the products of an operator."""
        return self._behind.get(operator, Behind())

    def put(self, stored: Mapping[str, Stored]) -> None:
        """Take matrices of the network's own file, by operator.

        A bias is programmed with its matrix; where operators share a matrix and differ in it, it follows the products.
        """
        users: dict[str, list[str]] = {}
        for name in stored:
            users.setdefault(self._matrix_of[name], []).append(name)
        for matrix, operators in users.items():
            self.matrices[matrix] = np.asarray(stored[operators[0]].weights, np.float32)
            biases = [stored[name].bias for name in operators]
            first = biases[0]
            if all(one is None if first is None else one is not None and np.array_equal(one, first) for one in biases):
                if first is not None:
                    self.biases[matrix] = np.asarray(first, np.float32)
                continue
            for name, bias in zip(operators, biases, strict=True):
                self._behind[name] = Behind(None, None if bias is None else np.asarray(bias, np.float32))

    def take_file(self) -> None:
        """Take matrices from the file of weights.

        Raises
        ------
        DataError
            a matrix that the network has not, or of another shape; one that is missing
        """
        shapes = matrix_shapes(self._graph)
        others = {name for op in self._graph.operators for node in op.nodes for name in node.inputs}
        for key, values in self._file.items():
            name, _, part = key.rpartition(".")
            if key in others and name not in shapes:
                continue
            if name not in shapes or part not in _PARTS:
                allowed = listed([f"{self._graph.called(one)}.{what}" for one in shapes for what in _PARTS])
                raise DataError(
                    f"{self._where}: {key}", got="no such matrix", allowed=allowed, hint=nearest(name, shapes)
                )
            wanted = shapes[name] if part == "weight" else shapes[name][1:]
            if values.shape != wanted:
                raise DataError(f"{self._where}: {key}", got=f"shape {values.shape}", allowed=str(wanted))
            if not np.isfinite(values).all():
                raise DataError(f"{self._where}: {key}", got="NaN or infinity", allowed="finite numbers")
        for name in shapes:
            self._take(name)

    def _take(self, name: str) -> None:
        weight, bias, scale = (self._file.get(f"{name}.{part}") for part in _PARTS)
        if weight is not None:
            self.matrices[name] = weight.astype(np.float32)
        if bias is not None and scale is None:
            self.biases[name] = bias.astype(np.float32)
        if scale is not None:
            self.biases.pop(name, None)
            behind = Behind(scale.astype(np.float32), None if bias is None else bias.astype(np.float32))
            self._behind |= {operator: behind for operator, matrix in self._matrix_of.items() if matrix == name}

    def check_complete(self) -> None:
        """Refuse a network some of whose matrices have no weights.

        Raises    DataError  naming them
        """
        missing = [
            f"{self._graph.called(name)}.weight" for name in matrix_shapes(self._graph) if name not in self.matrices
        ]
        network = self._graph.network
        if network is not None:
            made = {*network.inputs, *(name for node in network.nodes for name in node.outputs)}
            taken = dict.fromkeys(name for node in network.nodes for name in node.inputs if name)
            missing += [name for name in taken if name not in made and self.constant(name) is None]
        if missing:
            raise DataError(
                f"{self._where or self._graph.name}: weights",
                got=f"nothing for {listed(missing)}",
                allowed="arrays of these names (`<matrix>.weight`, rows = inputs) in a file given by --weights, or in"
                " the network's own file",
            )

    @property
    def sha256(self) -> str:
        """Digest of all matrices with what follows them."""
        digest = hashlib.sha256()
        for name in sorted(self.matrices):
            for values in (self.matrices[name], self.biases.get(name)):
                digest.update(name.encode() + (b"" if values is None else np.ascontiguousarray(values).tobytes()))
        for name in sorted(self._behind):
            for values in self._behind[name]:
                digest.update(name.encode() + (b"" if values is None else values.tobytes()))
        return digest.hexdigest()


def matrix_shapes(graph: OpGraph) -> dict[str, tuple[int, int]]:
    """Rows and columns of every matrix by name, on crossbars or kept off them."""
    return {
        op.matrix or op.use: (op.in_values, op.out_values)
        for op in graph.operators
        if op.kind is OpKind.STATIC_MATMUL and (op.matrix or op.use)
    }


def about_weights(path: Path) -> dict[str, Any]:
    """What a `.npz` file of trained weights says of itself: `workload`, `data`, `sequence_length`; else nothing."""
    if path.suffix != ".npz" or not path.is_file():
        return {}
    with np.load(path) as stored:
        return dict(json.loads(str(stored[ABOUT]))) if ABOUT in stored.files else {}


def read_weights(path: Path) -> dict[str, Array]:
    """Arrays of a `.npz` or safetensors file by name, without what it says of itself.

    Raises
    ------
    DataError
        no such file, another format, or a file that cannot be read
    """
    allowed = f"a file of {' or '.join(_SUFFIXES)}"
    if path.suffix not in _SUFFIXES:
        raise DataError(str(path), got=f"a file {path.suffix or 'without ending'}", allowed=allowed)
    if not path.is_file():
        raise DataError(str(path), got="no such file", allowed=allowed)
    try:
        if path.suffix == ".npz":
            with np.load(path) as stored:
                return {name: stored[name] for name in stored.files if name != ABOUT}
        from safetensors.numpy import load_file  # noqa: PLC0415 - an extra

        return dict(load_file(path))
    except ImportError:
        raise DataError(
            str(path), got="the package safetensors is not installed", allowed="pip install 'hermes-sim[torch]'"
        ) from None
    except Exception as cause:  # noqa: BLE001 - zip, numpy and safetensors raise classes of their own
        raise DataError(str(path), got=f"a file that cannot be read: {cause}", allowed=allowed) from None
