"""Speed of the crossbar numerics beside a plain NumPy float32 product of the same shape, in one process.

    python benchmarks/mvm.py [--json] [--batch 4096] [--stream 1000000]

`value` and `reference` of a row are vectors per second, `ratio` is value / reference. Both are the best of alternating
rounds, so that a busy machine hurts both alike; a round has several runs, because the threads of a BLAS product go on
spinning for some milliseconds and slow down what follows.

The row of aihwkit needs it in the environment. It is no dependency of the project (it brings PyTorch)::

    pip install torch==2.13.0 scikit-build "pybind11>=3.0.1" ninja "cmake>=4.2.1" wheel mypy requests protobuf tqdm
    pip install --no-deps --no-build-isolation aihwkit==1.2.0  # from source: C++ compiler, OpenBLAS with its headers

A wheel built for another release of PyTorch installs but fails ("weights must be a CPU tensor"); the row then says so.
"""

from __future__ import annotations

import argparse
import importlib.util
import resource
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from _rows import Row, print_rows
from threadpoolctl import threadpool_limits

from hermes_sim.chip.load import load_arch
from hermes_sim.config.vocabulary import ReadMode
from hermes_sim.crossbar.spec import CrossbarSpec, core_crossbar
from hermes_sim.numerics.programmed import program_alone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from hermes_sim.crossbar.matrix import AnalogMatrix

SIZE = 256
ROUNDS, RUNS = 5, 5


def everything_on() -> CrossbarSpec:
    """The shipped core with every effect at work, also those whose shipped value is zero."""
    core = load_arch("hermes_64").core
    spec = core_crossbar(core)
    return replace(spec, adc_gain_sd=0.02, adc_offset_sd_counts=0.5, adc_cubic_frac=0.02)


def best_seconds(*functions: Callable[[], object]) -> list[float]:
    """Shortest time of each function, measured in turn."""
    for function in functions:
        function()
    best = [np.inf] * len(functions)
    for _ in range(ROUNDS):
        for i, function in enumerate(functions):
            for _ in range(RUNS):
                start = time.perf_counter()
                function()
                best[i] = min(best[i], time.perf_counter() - start)
    return best


def product_rows(batch: int, threads: int) -> Iterator[Row]:
    """One core, all effects on, in both read modes; one-phase without a polarity error, which the four-phase one lacks.

    Beside them noise in plain NumPy, and aihwkit where it is installed.
    """
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((SIZE, SIZE))
    x = rng.standard_normal((batch, SIZE)).astype(np.float32)
    w32, out = weights.astype(np.float32), np.empty((batch, SIZE), np.float32)
    full = float(np.abs(x).max())
    cores = {
        name: program_alone(spec, weights, mode=mode, seed=1)
        for name, spec, mode in (
            ("one-phase core, all effects", everything_on(), ReadMode.ONE_PHASE),
            ("one-phase core, no polarity error", replace(everything_on(), polarity_frac=0.0), ReadMode.ONE_PHASE),
            ("four-phase core, all effects", everything_on(), ReadMode.FOUR_PHASE),
        )
    }

    def plain() -> None:
        np.dot(x, w32, out=out)

    def noisy() -> None:
        np.add(x @ w32, rng.standard_normal(out.shape, dtype=np.float32), out=out)

    def analog(core: AnalogMatrix) -> Callable[[], object]:
        return lambda: core.matmul(x, input_range=full, out=out, n_threads=threads)

    with threadpool_limits(threads, user_api="blas"):
        reference, *times = best_seconds(plain, *(analog(core) for core in cores.values()), noisy)
    names = (*cores, "NumPy product + noise")
    for name, seconds in zip(names, times, strict=True):
        yield Row(f"{name}, batch {batch}", batch / seconds, "vectors/s", batch / reference, threads)
    yield aihwkit_row(x, weights, batch / reference, threads)


def aihwkit_row(x: NDArray[np.float32], weights: NDArray[np.float64], reference: float, threads: int) -> Row:
    """Aihwkit's compiled inference tile with output and weight noise, if it is installed."""
    name = "aihwkit compiled tile, output and weight noise"
    if importlib.util.find_spec("aihwkit") is None:
        return Row(f"{name}: skipped, aihwkit is not installed", None, "vectors/s", reference, threads)
    import torch  # noqa: PLC0415
    from aihwkit.nn import AnalogLinear  # noqa: PLC0415
    from aihwkit.simulator.configs import InferenceRPUConfig, WeightNoiseType  # noqa: PLC0415

    torch.set_num_threads(threads)
    config = InferenceRPUConfig()
    config.forward.w_noise, config.forward.w_noise_type = 0.02, WeightNoiseType.ADDITIVE_CONSTANT
    try:
        layer = AnalogLinear(SIZE, SIZE, bias=False, rpu_config=config)
    except RuntimeError as error:
        return Row(f"{name}: skipped, it fails with {error}", None, "vectors/s", reference, threads)
    layer.set_weights(torch.from_numpy(weights.T.astype(np.float32)))
    layer.eval()
    inputs = torch.from_numpy(x)
    with torch.no_grad():
        (seconds,) = best_seconds(lambda: layer(inputs))
    return Row(name, len(x) / seconds, "vectors/s", reference, threads)


def stream_row(n_vectors: int, batch: int, threads: int) -> Row:
    """Many vectors through one core in bounded memory: peak resident size of the whole process."""
    rng = np.random.default_rng(1)
    core = program_alone(everything_on(), rng.standard_normal((SIZE, SIZE)), mode=ReadMode.ONE_PHASE, seed=1)
    part = rng.standard_normal((batch, SIZE)).astype(np.float32)
    start = time.perf_counter()
    for i in range(n_vectors // batch):
        core.matmul(part, input_range=5.0, first_vector=i * batch, n_threads=threads)
    seconds = time.perf_counter() - start
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    name = f"stream of {n_vectors // batch * batch} vectors in {seconds:.1f} s, peak resident size"
    return Row(name, peak_kib / 1024, "MiB", threads=threads)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--stream", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    rows = [line for threads in options.threads for line in product_rows(options.batch, threads)]
    rows += [stream_row(options.stream, options.batch, options.threads[-1])]
    print_rows(rows, as_json=options.json)


if __name__ == "__main__":
    main()
