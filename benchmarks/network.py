"""Networks evaluated on the chip beside the same in plain float32 NumPy and aihwkit, in one process on one thread.

    python benchmarks/network.py [--json] [--rounds 3]

`value` and `reference` of a row are samples per second on the chip and in NumPy, `ratio` is value / reference. The
NumPy network is written here, layer by layer, and knows nothing of the package's own evaluation. Both are the best of
alternating rounds. Weights and pictures are random: neither changes the work. Where aihwkit is installed a perceptron
is held against its inference tile with its standard noise: the compiled one, or the one in PyTorch where that fails
with the PyTorch that is there.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from _rows import Row, print_rows
from threadpoolctl import threadpool_limits

from hermes_sim.chip.load import load_arch
from hermes_sim.config.vocabulary import ReadMode
from hermes_sim.crossbar.spec import core_crossbar
from hermes_sim.flow import map_workload
from hermes_sim.numerics.network_accuracy import NetworkRun
from hermes_sim.numerics.network_data import NetworkData
from hermes_sim.numerics.weights import matrix_shapes
from hermes_sim.workload.load import load_workload
from hermes_sim.workload.schema import ConvNet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Array = NDArray[Any]

CHIP = "hermes_64_hetero"
WORKLOADS = {"mlp_digits": 20_000, "cnn_digits": 2_000, "cnn_cifar10": 256}
AIHWKIT_WORKLOAD, AIHWKIT_GOAL = "mlp_digits", 5.0  # samples per second on the chip over those of aihwkit
ALLOWED = {ReadMode.ONE_PHASE: 3.0, ReadMode.FOUR_PHASE: 6.0}  # times the NumPy network
BATCH = 128


def plain(workload: ConvNet, weights: Mapping[str, Array], x: Array) -> Array:
    """The network in NumPy: pictures (n, channels, rows, columns)."""
    made, before = {"image": x}, x
    for layer in workload.layers:
        source = made[layer.source] if layer.source else before
        if layer.op in {"conv", "linear"}:
            kernel = source.shape[2:] if layer.op == "linear" else (layer.kernel, layer.kernel)
            before = _product(source, weights[f"{layer.name}.weight"], kernel, layer.stride, layer.padding)
            before = np.maximum(before, 0) if layer.has_relu else before
        elif layer.op == "add":
            before = source + made[layer.other or "image"]
        elif layer.op == "max_pool":
            side, step = layer.kernel or 1, layer.stride
            seen = np.lib.stride_tricks.sliding_window_view(source, (side, side), axis=(2, 3))[:, :, ::step, ::step]
            before = seen.max(axis=(4, 5))
        else:
            before = getattr(np, "max" if "max" in layer.op else "mean")(source, axis=(2, 3), keepdims=True)
        made[layer.name] = before
    return before


def _product(x: Array, weight: Array, kernel: tuple[int, int], stride: int, padding: int) -> Array:
    around = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding))) if padding else x
    seen = np.lib.stride_tricks.sliding_window_view(around, kernel, axis=(2, 3))[:, :, ::stride, ::stride]
    n, _, rows, columns = seen.shape[:4]
    vectors = seen.transpose(0, 2, 3, 1, 4, 5).reshape(n * rows * columns, -1)
    return np.moveaxis((vectors @ weight).reshape(n, rows, columns, -1), 3, 1)


class Case(NamedTuple):
    """Random pictures (n, channels, rows, columns), the network in plain arrays, and its evaluation on a chip."""

    workload: ConvNet
    arrays: dict[str, Array]
    pictures: Array
    on_chip: Callable[[], Any]


def case_of(name: str, n: int, mode: ReadMode) -> Case:
    """A workload with random weights, programmed."""
    chip, workload = load_arch(CHIP, {"read_mode": str(mode)}), load_workload(name)
    if not isinstance(workload, ConvNet):
        raise TypeError(name)
    mapped, image = map_workload(chip, workload), workload.image
    random = np.random.default_rng(0)
    arrays = {
        f"{key}.weight": (random.normal(size=shape) / np.sqrt(shape[0])).astype(np.float32)
        for key, shape in matrix_shapes(mapped.graph).items()
    }
    x = random.normal(size=(n, 1, image.channels, image.height, image.width)).astype(np.float32)
    run = NetworkRun(
        mapped.graph,
        mapped.mapping,
        chip,
        spec=core_crossbar(chip.core),
        data=NetworkData("random", {"image": x}, {"image": x[:64]}),
        weights=arrays,
    )
    programmed = run.programmed(0)
    programmed.n_threads = 1
    return Case(workload, arrays, x[:, 0], lambda: run.outputs(programmed))


def compared(name: str, n: int, mode: ReadMode, rounds: int) -> Row:
    """Against NumPy."""
    case = case_of(name, n, mode)
    ours, theirs = _best(
        rounds,
        case.on_chip,
        lambda: [plain(case.workload, case.arrays, case.pictures[i : i + BATCH]) for i in range(0, n, BATCH)],
    )
    return Row(f"{name}, {mode}", n / ours, "samples/s", n / theirs, goal=1 / ALLOWED[mode])


def compared_with_aihwkit(name: str, n: int, mode: ReadMode, rounds: int) -> Row:
    """Against aihwkit's inference tile."""
    title = f"{name}, {mode}, aihwkit tile"
    missing = [package for package in ("torch", "aihwkit") if importlib.util.find_spec(package) is None]
    if missing:
        return Row(f"{title}: skipped, {missing[0]} is not installed", None, "samples/s")
    import torch  # noqa: PLC0415
    from aihwkit.nn.conversion import convert_to_analog  # noqa: PLC0415

    from hermes_sim.torch.aihwkit import working_tile  # noqa: PLC0415
    from hermes_sim.torch.networks import module_of  # noqa: PLC0415

    torch.set_num_threads(1)
    case, (kind, tile) = case_of(name, n, mode), working_tile()
    network = convert_to_analog(module_of(case.workload), kind()).eval()
    network.drift_analog_weights(3600.0)
    pictures = torch.from_numpy(case.pictures)
    with torch.no_grad():
        ours, theirs = _best(
            rounds, case.on_chip, lambda: [network(pictures[i : i + BATCH]) for i in range(0, n, BATCH)]
        )
    return Row(f"{title} in {tile}", n / ours, "samples/s", n / theirs, goal=AIHWKIT_GOAL)


def _best(rounds: int, *runs: Callable[[], Any]) -> list[float]:
    """Shortest time of each, in alternating rounds after one that compiles."""
    times: list[list[float]] = [[] for _ in runs]
    for turn in range(rounds + 1):
        for run, found in zip(runs, times, strict=True):
            start = time.perf_counter()
            run()
            if turn:
                found.append(time.perf_counter() - start)
    return [min(found) for found in times]


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with threadpool_limits(limits=1, user_api="blas"):
        rows = [compared(name, n, mode, arguments.rounds) for name, n in WORKLOADS.items() for mode in ALLOWED]
        rows += [
            compared_with_aihwkit(AIHWKIT_WORKLOAD, WORKLOADS[AIHWKIT_WORKLOAD], mode, arguments.rounds)
            for mode in ALLOWED
        ]
    print_rows(rows, as_json=arguments.json)


if __name__ == "__main__":
    main()
