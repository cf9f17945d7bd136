"""A roofline device of round numbers, and small graphs, so that expectations can be worked out by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hermes_sim.config.vocabulary import Function
from hermes_sim.workload.graph import GraphBuilder, Operator, OpKind

if TYPE_CHECKING:
    from pathlib import Path

DEVICE = """schema_version: 1
kind: roofline
name: round
description: round numbers
matrix_peak:
  int8: {value: 100, unit: TOPS, kind: assumed, source: test}
  fp32: {value: 20, unit: TOPS, kind: assumed, source: test}
vector_peak:
  fp32: {value: 10, unit: TOPS, kind: assumed, source: test}
special_peak: {value: 1, unit: TOPS, kind: assumed, source: test}
special_cost: {value: 5, unit: count, kind: assumed, source: test, range: [1, 10]}
memory:
  bandwidth: {value: 1000, unit: GB/s, kind: assumed, source: test}
  energy: {value: 10, unit: pJ/byte, kind: assumed, source: test}
on_chip_memory:
  size: {value: 100, unit: kB, kind: assumed, source: test}
  bandwidth: {value: 4000, unit: GB/s, kind: assumed, source: test}
board_power: {value: 120, unit: W, kind: assumed, source: test}
idle_power: {value: 20, unit: W, kind: assumed, source: test}
optimistic:
  matrix_utilization: &all {value: 1, unit: count, kind: assumed, source: test}
  vector_utilization: *all
  memory_utilization: *all
  launch: {value: 0, unit: us, kind: assumed, source: test}
  fusion: full
  intermediates: on_chip
  weights: resident
realistic:
  matrix_utilization: {value: 0.5, unit: count, kind: assumed, source: test}
  vector_utilization: {value: 0.5, unit: count, kind: assumed, source: test}
  memory_utilization: {value: 0.5, unit: count, kind: assumed, source: test}
  launch: {value: 2, unit: us, kind: assumed, source: test}
  fusion: epilogue
  intermediates: device_memory
  weights: streamed
"""


@pytest.fixture
def device_file(tmp_path: Path) -> Path:
    path = tmp_path / "round.yaml"
    path.write_text(DEVICE)
    return path


@pytest.fixture
def chain():
    """100 vectors of 100 values, times 100 x 200 weights, then an exponential of each of the 200 results."""
    graph = GraphBuilder("chain")
    source = graph.add(Operator("source", OpKind.INPUT, 100, 0, 100))
    product = graph.project("product", graph.matrix("W", rows=100, columns=200), tokens=100)
    exponent = graph.add(Operator("exp", OpKind.NONLINEAR, 100, 200, 200, {Function.EXP: 200}))
    sink = graph.add(Operator("sink", OpKind.OUTPUT, 100, 200, 0))
    for edge in ((source, product), (product, exponent), (exponent, sink)):
        graph.connect(*edge)
    return graph.build()


@pytest.fixture
def lone_product():
    """A matrix product that nothing is moved for, as in the published peak figures."""
    graph = GraphBuilder("peak")
    graph.project("product", graph.matrix("W", rows=256, columns=256), tokens=1000)
    return graph.build()
