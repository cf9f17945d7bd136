"""The result document: one plain, JSON-ready dictionary per run. Other tools are written against its keys."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from hermes_sim._memory import no_collections
from hermes_sim._version import __version__
from hermes_sim.metrics.energy import energy_rows, total_by, total_by_place
from hermes_sim.metrics.provenance import energy_share_by_kind
from hermes_sim.metrics.timing import resource_use

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hermes_sim.chip.schema import Chip
    from hermes_sim.metrics.runs import Runs

SCHEMA_VERSION = 1


def inputs_sha256(inputs: Mapping[str, Any]) -> str:
    """Hash of resolved inputs: the same for the same chip, workload, placement and seed, on any machine."""
    text = json.dumps({"version": __version__, **inputs}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@no_collections()
def timing_and_energy(runs: Runs, chip: Chip) -> dict[str, Any]:
    """The part of the document that the event simulation gives."""
    record, lowered, inferences = runs.all.record, runs.all.lowered, runs.all.lowered.inferences
    rows = energy_rows(lowered, record)
    total_pj = sum(row.energy_pj for row in rows)
    alone_pj = sum(row.energy_pj for row in energy_rows(runs.one.lowered, runs.one.record))
    by_place = total_by_place(rows, chip)
    static_pj = sum(row.energy_pj for row in rows if row.is_static)
    makespan_ps = max(record.makespan_ps, 1)
    ops = lowered.ops * inferences
    uses = resource_use(record)
    statistics = record.statistics
    engine_s = statistics.wall_time_s if statistics else 0.0
    return {
        "latency_ns": runs.one.record.makespan_ps / 1e3,
        "makespan_ns": record.makespan_ps / 1e3,
        "throughput_inferences_per_s": runs.throughput_per_s,
        "throughput_basis": str(runs.steady.basis),
        "energy_alone_pj": alone_pj,
        "energy_pj": {
            "total": total_pj,
            "per_inference": total_pj / inferences,
            "on_chip_per_inference": by_place["on_chip"] / inferences,
            "by_place": by_place,
            "by_component": total_by(rows, "component"),
            "by_operator": total_by(rows, "operator"),
            "static": static_pj,
            "dynamic": total_pj - static_pj,
        },
        "power_w": total_pj / makespan_ps,
        "ops": lowered.ops,
        "tops": ops / makespan_ps,
        "tops_per_w": ops / total_pj if total_pj else 0.0,
        "lower_bound_ns": runs.bounds.makespan_ps / 1e3,
        "bottleneck": (
            {"resource": uses[0].resource, "utilization": uses[0].utilization}
            if uses
            else {"resource": "none", "utilization": 0.0}
        ),
        "firings": record.n_firings,
        "events_per_s": record.n_firings / engine_s if engine_s else 0.0,
        "provenance": {"energy": energy_share_by_kind(rows)},
    }
