"""Digital baselines: peaks that fall out of the model, and cycles of a systolic array beside SCALE-Sim's."""

from __future__ import annotations

from hermes_sim.baselines.boundary import DEVICE
from hermes_sim.baselines.evaluate import evaluate_baseline
from hermes_sim.baselines.gemm import Gemm, gemm_cost
from hermes_sim.baselines.load import load_baseline
from hermes_sim.baselines.schema import Dataflow
from hermes_sim.validation.rows import RowKind, ValidationRow
from hermes_sim.workload.graph import GraphBuilder, OpGraph

# device, precision, TOPS, W: vendors' figures
_VENDOR = (
    ("a100", "int8", 624, 400),
    ("a100", "fp16", 312, 400),
    ("a100", "fp32", 19.5, 400),
    ("h100", "int8", 1979, 700),
    ("h100", "fp16", 989, 700),
    ("t4", "int8", 130, 70),
    ("jetson_agx_orin", "int8", 138, 60),
    ("tpu_v4", "bf16", 275, 192),
)
_WS, _OS, _IS = Dataflow.WS, Dataflow.OS, Dataflow.IS
# dataflow, rows, columns, (m, k, n), number of the last cycle, from 0, that SCALE-Sim 3.0.0 reports
_SCALE_SIM = (
    (_WS, 16, 16, (256, 256, 256), 77311),
    (_WS, 16, 16, (1, 64, 1020), 12031),
    (_WS, 16, 16, (100, 32, 128), 2335),
    (_WS, 32, 8, (7, 200, 3), 538),
    (_OS, 16, 16, (256, 256, 256), 73215),
    (_OS, 16, 16, (1, 64, 1020), 6015),
    (_OS, 16, 16, (100, 32, 128), 3471),
    (_OS, 32, 8, (7, 200, 3), 237),
    (_IS, 16, 16, (256, 256, 256), 77311),
    (_IS, 16, 16, (1, 64, 1020), 4263),
    (_IS, 16, 16, (100, 32, 128), 2435),
    (_IS, 32, 8, (7, 200, 3), 510),
)


def validate_baselines() -> list[ValidationRow]:
    """Rows for the roofline devices and for the systolic cycle model."""
    graph = _one_product()
    rows = []
    for name, precision, tops, watts in _VENDOR:
        result = evaluate_baseline(load_baseline(name), graph, precision=precision).optimistic
        source = f"vendor: {tops} TOPS, {watts} W"
        ours_tops = graph.ops / result.time_by_part_ns[DEVICE] / 1e3
        ours_per_w = graph.ops / result.energy_by_part_pj[DEVICE]
        note = "the file holds rate and power; nothing is added at peak to the device alone, without link and host"
        rows += [
            ValidationRow(
                f"peak rate, {name} {precision} (TOPS)", tops, ours_tops, 1e-6, RowKind.IDENTITY, source, note
            ),
            ValidationRow(
                f"peak efficiency, {name} {precision} (TOPS/W)",
                tops / watts,
                ours_per_w,
                1e-6,
                RowKind.IDENTITY,
                source,
                note,
            ),
        ]
    for dataflow, n_rows, n_columns, (m, k, n), last_cycle in _SCALE_SIM:
        cost = gemm_cost(Gemm(m, k, n), rows=n_rows, columns=n_columns, dataflow=dataflow)
        name = f"cycles, {dataflow} {n_rows}x{n_columns}, product {m}x{k}x{n}"
        rows.append(ValidationRow(name, last_cycle + 1, cost.cycles, 0.0, RowKind.PREDICTED, "SCALE-Sim 3.0.0"))
    return rows


def _one_product() -> OpGraph:
    """A matrix product that nothing is moved for, which is how vendors count their peak."""
    graph = GraphBuilder("peak")
    graph.project("product", graph.matrix("W", rows=256, columns=256), tokens=1000)
    return graph.build()
