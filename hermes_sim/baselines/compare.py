"""Baselines beside a chip's result: how many times less time and energy the chip needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hermes_sim.baselines.evaluate import evaluate_baseline, precisions_of
from hermes_sim.kit.ratios import CASES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hermes_sim.baselines.load import Baseline
    from hermes_sim.config.vocabulary import Timing
    from hermes_sim.metrics.figures import ChipPoint
    from hermes_sim.workload.graph import OpGraph


def compare_with(
    baseline: Baseline, graph: OpGraph, chip: Mapping[tuple[int, Timing], ChipPoint]
) -> list[dict[str, Any]]:
    """Rows of the result document, one per point of the chip and precision; ratios above 1 favour the chip."""
    rows = []
    for (batch, timing), ours in chip.items():
        for precision in precisions_of(baseline):
            row = evaluate_baseline(baseline, graph, precision=precision, batch=batch, timing=timing).record()
            found = [case for case in CASES if case in row]
            row["energy_ratio"] = {case: _ratio(row[case]["energy_pj"], ours.energy_pj) for case in found}
            row["latency_ratio"] = {case: _ratio(row[case]["latency_ns"], ours.time_ns) for case in found}
            rows.append(row)
    return rows


def comparison_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The same as flat rows, one per case."""
    return [
        {
            "baseline": row["name"],
            "precision": row["precision"],
            "batch": row["batch"],
            "timing": row["timing"],
            "case": case,
            "latency_ns": row[case]["latency_ns"],
            "energy_pj": row[case]["energy_pj"],
            "latency_ratio": row["latency_ratio"][case],
            "energy_ratio": row["energy_ratio"][case],
            **{f"{part}_energy_pj": pj for part, pj in row[case].get("energy_by_part_pj", {}).items()},
        }
        for row in rows
        for case in CASES
        if case in row
    ]


def _ratio(theirs: float | None, ours: float) -> float | None:
    return theirs / ours if theirs is not None and ours else None
