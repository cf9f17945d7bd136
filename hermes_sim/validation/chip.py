"""Published figures of the chip, each made by simulating it: peak rate, efficiency, density, read time, A100 ratio.

All of these are identities: arithmetic on values that the config was given from the same paper. They check the code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes_sim.baselines.boundary import DEVICE
from hermes_sim.baselines.evaluate import evaluate_baseline
from hermes_sim.baselines.load import load_baseline
from hermes_sim.chip.load import load_arch
from hermes_sim.config.vocabulary import ReadMode
from hermes_sim.flow import map_operators
from hermes_sim.validation.rows import RowKind, ValidationRow
from hermes_sim.validation.whole_layer import STATIC_RANGE, validate_whole_layer
from hermes_sim.workload.load import build_graph, load_workload

if TYPE_CHECKING:
    from hermes_sim.chip.schema import Chip
    from hermes_sim.config.files import Source
    from hermes_sim.workload.graph import OpGraph

_LG23 = "LG23, doi 10.1038/s41928-023-01010-1"
_ROUNDING = 0.01  # published with two or three digits
# TOPS, TOPS/W, TOPS/mm2, read time in ns, energy advantage over the A100 at INT8
_PUBLISHED = {
    ReadMode.ONE_PHASE: (63.1, 9.76, 1.55, 133.0, 6.26),
    ReadMode.FOUR_PHASE: (16.1, 2.48, 0.40, 520.0, 1.59),
}
_PEAK_BATCH = 1_000_000


def validate_chip(arch: Source = "hermes_64") -> list[ValidationRow]:
    """Peak figures of both read modes of a chip, and the published whole-layer figures."""
    rows: list[ValidationRow] = []
    for mode, published in _PUBLISHED.items():
        rows += _rows_of(load_arch(arch, {"read_mode": str(mode), **STATIC_RANGE}), mode.replace("_", "-"), published)
    return rows + validate_whole_layer(arch)


def _rows_of(chip: Chip, mode: str, published: tuple[float, float, float, float, float]) -> list[ValidationRow]:
    graph = build_graph(load_workload("peak_mvm"))
    ours_tops, ours_per_w = _peak(chip, graph)
    density = ours_tops / (chip.n_cores * chip.core.area_mm2)
    one_read = build_graph(load_workload("peak_mvm", {"matrices": [_ONE_READ]}))
    figures = (
        ("peak rate, {} (TOPS)", ours_tops, _ROUNDING, "cells of all cores over the time of a read in the config"),
        ("peak efficiency, {} (TOPS/W)", ours_per_w, _ROUNDING,
         "array, drivers and converters, as measured; the config holds the measured energy per read"),
        ("peak rate per core area, {} (TOPS/mm2)", density, _ROUNDING,
         "the core area was derived from the one-phase figure"),
        ("one matrix-vector product, {} (ns)", _makespan_ns(chip, one_read), 0.0,
         "the config holds this figure; the row checks that nothing is added to it"),
        ("energy advantage over the A100 at peak INT8, {}", _a100_pj_per_op(graph) * ours_per_w, _ROUNDING,
         "peak efficiency over that of 624 TOPS at 400 W"),
    )  # fmt: skip
    return [
        ValidationRow(name.format(mode), expected, ours, tolerance, RowKind.IDENTITY, _LG23, note)
        for expected, (name, ours, tolerance, note) in zip(published, figures, strict=True)
    ]


_ONE_READ = {"name": "core", "rows": 256, "columns": 256, "vectors": 1}


def _peak(chip: Chip, graph: OpGraph) -> tuple[float, float]:
    """TOPS and TOPS/W of the crossbars of a full chip that streams products."""
    figures = map_operators(chip, graph, "packed").figures(1, throughput=False)
    crossbar_pj = sum(row.energy_pj for row in figures.rows if row.component.startswith("crossbar"))
    return figures.tops, graph.ops / crossbar_pj


def _makespan_ns(chip: Chip, graph: OpGraph) -> float:
    return map_operators(chip, graph, "packed").figures(1, throughput=False).makespan_ns


def _a100_pj_per_op(graph: OpGraph) -> float:
    """Energy per operation of the optimistic A100 on products large enough to reach its peak."""
    result = evaluate_baseline(load_baseline("a100"), graph, precision="int8", batch=_PEAK_BATCH)
    return result.optimistic.energy_by_part_pj[DEVICE] / graph.ops
