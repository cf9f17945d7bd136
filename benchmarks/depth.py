"""Time of deep networks and of many blocks, per layer and per block: python benchmarks/depth.py [--json] [--quick]

From the graph to the result document; start-up, and where noted the mapping, are not counted. Seconds are those of
this process's processor, so that a busy machine matters less.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from _rows import Row, print_rows

from hermes_sim.api import timing_and_energy
from hermes_sim.chip.load import load_arch
from hermes_sim.flow import map_operators
from hermes_sim.workload.graph import GraphBuilder, Matrix, Operator, OpGraph, OpKind
from hermes_sim.workload.load import build_graph, load_workload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hermes_sim.chip.schema import Chip

_REPEATS = 3
_TOKENS = 8


def seconds_of(graph: OpGraph, chip: Chip, strategy: str, repeats: int = _REPEATS) -> tuple[float, float]:
    """Seconds of the mapping, and from there to the result: the shortest of some runs."""
    began = time.process_time()
    mapped = map_operators(chip, graph, strategy)
    placing_s = time.process_time() - began
    times_s = []
    for _ in range(repeats):
        began = time.process_time()
        timing_and_energy(mapped.runs(4), chip)
        times_s.append(time.process_time() - began)
    return placing_s, min(times_s)


def rows_of_layers(quick: bool) -> Iterator[Row]:
    """Encoders of many layers: seconds in all, and how the time per layer grows."""
    chip = load_arch("hermes_64_hetero")
    few, many = (5, 10) if quick else (50, 100)
    seconds_of(build_graph(load_workload("performer_imdb_full")), chip, "packed", 1)
    for strategy in ("packed", "balanced"):
        per_layer_s = {}
        for layers in (few, many):
            graph = build_graph(load_workload("performer_imdb_full", {"layers": layers}))
            placing_s, running_s = seconds_of(graph, chip, strategy, 1 if quick else _REPEATS)
            per_layer_s[layers] = running_s / layers
            goal = 20.0 if layers == many else None
            yield Row(f"{layers} layers, {strategy}, file to result", placing_s + running_s, "s", goal=goal)
            yield Row(f"{layers} layers, {strategy}, after the mapping", running_s, "s")
        name = f"time per layer, {many} / {few} layers, {strategy}"
        yield Row(name, per_layer_s[many], "s", per_layer_s[few], goal=1.0)


def many_blocks(n_blocks: int) -> OpGraph:
    """Products with as many full matrices side by side, each with an input and an output of its own."""
    graph = GraphBuilder("blocks")
    for i in range(n_blocks):
        source = graph.add(Operator(f"in{i}", OpKind.INPUT, _TOKENS, 0, 256))
        product = graph.product(f"product{i}", Matrix(f"m{i}", 256, 256), tokens=_TOKENS, on_crossbar=True)
        result = graph.add(Operator(f"out{i}", OpKind.OUTPUT, _TOKENS, 256, 0))
        graph.connect(source, product)
        graph.connect(product, result)
    return graph.build()


def rows_of_blocks(quick: bool) -> Iterator[Row]:
    """Time per block, after the mapping."""
    per_block_ms = {}
    for n_blocks in (100, 200) if quick else (1000, 16_000):
        chip = load_arch("hermes_64", {"cores.clusters": -(-n_blocks // 8)})
        _, seconds = seconds_of(many_blocks(n_blocks), chip, "packed", 1)
        per_block_ms[n_blocks] = seconds / n_blocks * 1e3
        yield Row(f"{n_blocks:,} blocks, per block", per_block_ms[n_blocks], "ms")
    few, many = per_block_ms
    yield Row(f"time per block, {many:,} / {few:,} blocks", per_block_ms[many], "ms", per_block_ms[few], goal=1.0)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", action="store_true", help="rows as JSON")
    parser.add_argument("--quick", action="store_true", help="small networks, for tests")
    options = parser.parse_args()
    print_rows([*rows_of_layers(options.quick), *rows_of_blocks(options.quick)], as_json=options.json)


if __name__ == "__main__":
    main()
