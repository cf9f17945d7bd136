"""What a network is tested on: inputs by name, labels where there are any, and rows to calibrate the chip with."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hermes_sim.errors import DataError
from hermes_sim.numerics.archives import NETWORK
from hermes_sim.numerics.network import checked_inputs
from hermes_sim.numerics.training_data import training_data
from hermes_sim.rng import generator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from hermes_sim.workload.origin import NodeGraph

    Array = NDArray[Any]

_X, _Y, _LENGTH, _X_CALIBRATION = NETWORK
_CALIBRATION = _X_CALIBRATION.removeprefix(_X)  # of any input
_MOST_CALIBRATION = 256


@dataclass(frozen=True)
class NetworkData:
    """Rows of a data set.

    Parameters
    ----------
    name : file or data set
    inputs, calibration : by input of the network, (n, *shape of the input)
    labels : (n, ...) or None; lengths : (n,) tokens that count, or None
    """

    name: str
    inputs: Mapping[str, Array]
    calibration: Mapping[str, Array]
    labels: Array | None = None
    lengths: Array | None = None

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def taken(self, n: int | None, *, seed: int) -> NetworkData:
        """So many rows, by seed; all if there are not as many, or None."""
        if n is None or n >= len(self):
            return self
        return self.rows(np.sort(generator(seed, "samples").permutation(len(self))[:n]))

    def rows(self, rows: Array | slice) -> NetworkData:
        """Some of the rows to score."""
        return replace(
            self,
            inputs={name: values[rows] for name, values in self.inputs.items()},
            labels=None if self.labels is None else self.labels[rows],
            lengths=None if self.lengths is None else self.lengths[rows],
        )

    def _commonest(self) -> float | None:
        """Share of the commonest of labels that are classes, one per sample; None of others."""
        if self.labels is None or self.labels.dtype.kind not in "iu" or self.labels[0].size != 1:
            return None
        return float(np.unique(self.labels, return_counts=True)[1].max() / len(self.labels))

    def record(self) -> dict[str, Any]:
        """What a result says of the data."""
        digest = hashlib.sha256()
        for values in (*self.inputs.values(), self.labels, *self.calibration.values()):
            if values is not None:
                digest.update(np.ascontiguousarray(values).tobytes())
        n_calibration = len(next(iter(self.calibration.values())))
        return {
            "name": Path(self.name).name,
            "rows": len(self),
            "calibration_rows": n_calibration,
            "labelled": self.labels is not None,
            "commonest_label": self._commonest(),
            "sha256": digest.hexdigest(),
        }


def network_data(
    source: str | Path,
    network: NodeGraph,
    *,
    data_dir: str | Path | None = None,
    seed: int = 0,
    calibration_overlap: bool = False,
) -> NetworkData:
    """Read a `.npz` file, or a data set by name.

    Parameters
    ----------
    source : file with `X` (or one array per input of the network), `y`, `length` (tokens that count, by default all),
        `X_calibration`; or a name
    data_dir : folder of data sets; None: those that were fetched
    seed : of the rows that calibrate the chip where the file has none of its own: min(256, n / 5), not scored
    calibration_overlap : let rows both calibrate and be scored

    Raises
    ------
    DataError
        no such file or name, arrays that do not fit the network, rows that calibrate and are scored
    """
    if str(source).endswith(".npz"):
        data = _from_file(Path(source), network, seed=seed)
    else:
        data = _by_name(str(source), network, data_dir, seed=seed)
    if not calibration_overlap:
        _check_apart(data)
    return data


def example_of(path: Path) -> Array | tuple[Array, ...]:
    """First rows of a file's inputs, for the export of a network: `X`, or one array per input in the file's order."""
    arrays = _arrays(path)
    if _X in arrays:
        return arrays[_X][:1]
    aside = {_Y, _LENGTH}
    return tuple(one[:1] for name, one in arrays.items() if name not in aside and not name.endswith(_CALIBRATION))


def _by_name(name: str, network: NodeGraph, data_dir: str | Path | None, *, seed: int) -> NetworkData:
    given, *others = _free_inputs(network)
    if others:
        many = f"a network of inputs {', '.join(network.inputs)}"
        raise DataError(
            f"data {name}", got=many, allowed=f"networks of one input, and {_LENGTH!r}; a .npz file for others"
        )
    n_tokens = _n_tokens(network)
    found = training_data(name, data_dir=data_dir, length=n_tokens)
    picked = np.sort(generator(seed, "calibration").permutation(len(found.validation))[:_MOST_CALIBRATION])
    calibration, test = found.validation.taken(picked), found.test
    read = [
        checked_inputs(network, {given: rows.inputs(), _LENGTH: _or_all(rows.lengths, len(rows), n_tokens)}, where=name)
        for rows in (test, calibration)
    ]
    return NetworkData(name, read[0], read[1], test.labels, test.lengths)


def _free_inputs(network: NodeGraph) -> list[str]:
    """Inputs that are no number of tokens."""
    return [name for name in network.inputs if name != _LENGTH]


def _n_tokens(network: NodeGraph) -> int:
    """Last axis of the first input."""
    return next((shape[-1] for name, shape in network.inputs.items() if name != _LENGTH and shape), 1)


def _or_all(lengths: Array | None, n: int, n_tokens: int) -> Array:
    return np.full(n, n_tokens) if lengths is None else lengths


def _from_file(path: Path, network: NodeGraph, *, seed: int) -> NetworkData:
    arrays = _arrays(path)
    free = _free_inputs(network)
    names = {
        given: _X if given in free and len(free) == 1 and given not in arrays else given for given in network.inputs
    }
    _fill_lengths(arrays, network, names, path)
    known = {*names.values(), *(f"{name}{_CALIBRATION}" for name in names.values()), _Y, _LENGTH}
    for given, name in names.items():
        if name not in arrays:
            allowed = f"{name} with the inputs" if name == given else f"{name}, or {given}, with the inputs"
            got = f"no array {name!r}, but {', '.join(arrays) or 'none'}"
            raise DataError(str(path), got=got, allowed=allowed)
    for name in arrays:
        if name not in known:
            raise DataError(f"{path}: {name}", got="an array for nothing", allowed=", ".join(sorted(known)))
    inputs = checked_inputs(network, {given: arrays[name] for given, name in names.items()}, where=str(path))
    n = len(next(iter(inputs.values())))
    data = NetworkData(str(path), inputs, {}, _per_row(arrays, _Y, n, path), _per_row(arrays, _LENGTH, n, path))
    own = {given: arrays.get(f"{name}{_CALIBRATION}") for given, name in names.items()}
    if any(values is not None for values in own.values()):
        wanted = {given: values for given, values in own.items() if values is not None}
        return replace(data, calibration=checked_inputs(network, wanted, where=f"{path}: calibration"))
    return _set_aside(data, path, seed=seed)


def _fill_lengths(arrays: dict[str, Array], network: NodeGraph, names: Mapping[str, str], path: Path) -> None:
    """Lengths for a network that asks for them: where the file has none, every token counts."""
    if _LENGTH not in network.inputs:
        return
    n_tokens = _n_tokens(network)
    first = names[_free_inputs(network)[0]]
    for suffix in ("", _CALIBRATION):
        of, name = arrays.get(f"{first}{suffix}"), f"{_LENGTH}{suffix}"
        if of is not None and of.ndim:
            lengths = arrays.setdefault(name, np.full(len(of), n_tokens))
            if lengths.size and not (lengths.min() >= 1 and lengths.max() <= n_tokens):
                got = f"numbers from {lengths.min()} to {lengths.max()}"
                raise DataError(f"{path}: {name}", got=got, allowed=f"tokens that count, 1 to {n_tokens}")


def _set_aside(data: NetworkData, path: Path, *, seed: int) -> NetworkData:
    """Take rows to calibrate with out of those that are scored."""
    count = min(_MOST_CALIBRATION, len(data) // 5)
    if count < 1:
        raise DataError(str(path), got=f"{len(data)} rows", allowed="five or more, or X_calibration beside X")
    order = generator(seed, "calibration").permutation(len(data))
    aside, scored = np.sort(order[:count]), np.sort(order[count:])
    calibration = {name: values[aside] for name, values in data.inputs.items()}
    return replace(data.rows(scored), calibration=calibration)


def _arrays(path: Path) -> dict[str, Array]:
    if not path.is_file():
        raise DataError(str(path), got="no such file", allowed="a .npz file with X, and y where there are labels")
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError) as cause:
        raise DataError(str(path), got=str(cause), allowed="a .npz file of plain arrays") from None


def _per_row(arrays: Mapping[str, Array], name: str, n: int, path: Path) -> Array | None:
    values = arrays.get(name)
    if values is None:
        return None
    if values.ndim == 0 or len(values) != n:
        raise DataError(f"{path}: {name}", got=f"shape {values.shape}", allowed=f"{n} rows, as many as inputs")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise DataError(f"{path}: {name}", got="NaN or infinity", allowed="finite numbers")
    return values


def _check_apart(data: NetworkData) -> None:
    """Refuse rows that calibrate the chip and are scored."""
    scored = _digests(data.inputs)
    shared = len(_digests(data.calibration) & scored)
    if shared:
        raise DataError(
            data.name,
            got=f"{shared} rows that calibrate the chip and are scored, too",
            allowed="other rows for X_calibration",
            hint="--calibration-overlap lets them be both",
        )


def _digests(inputs: Mapping[str, Array]) -> set[bytes]:
    columns = [values.reshape(len(values), -1) for values in inputs.values()]
    return {
        hashlib.sha256(b"".join(np.ascontiguousarray(one).tobytes() for one in row)).digest()
        for row in zip(*columns, strict=True)
    }
