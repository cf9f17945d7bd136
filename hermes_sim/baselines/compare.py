"""Baselines beside a chip's result: how many times less time and energy the chip needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hermes_sim.baselines.evaluate import evaluate_baseline, precisions_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hermes_sim.baselines.load import Baseline
    from hermes_sim.workload.graph import OpGraph

CASES = ("optimistic", "realistic", "measured")


def compare_with(
    baseline: Baseline, graph: OpGraph, document: Mapping[str, Any], *, inferences: int
) -> list[dict[str, Any]]:
    """Rows of the result document: one per precision, for one inference and (if there are more) for all as a batch.

    A batch of one stands beside the chip's latency, a batch of all beside its time per inference when all run.
    Ratios above 1 are in the chip's favour.
    """
    energy_pj = document["energy_pj"]["per_inference"]
    times_ns = {1: document["latency_ns"]}
    if inferences > 1:
        times_ns[inferences] = document["makespan_ns"] / inferences
    rows = []
    for batch, time_ns in times_ns.items():
        for precision in precisions_of(baseline):
            row = evaluate_baseline(baseline, graph, precision=precision, batch=batch).record()
            row["energy_ratio"] = {case: _ratio(row[case]["energy_pj"], energy_pj) for case in CASES if case in row}
            row["latency_ratio"] = {case: _ratio(row[case]["latency_ns"], time_ns) for case in CASES if case in row}
            rows.append(row)
    return rows


def comparison_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The same as flat rows, one per case."""
    return [
        {
            "baseline": row["name"],
            "precision": row["precision"],
            "batch": row["batch"],
            "case": case,
            "latency_ns": row[case]["latency_ns"],
            "energy_pj": row[case]["energy_pj"],
            "latency_ratio": row["latency_ratio"][case],
            "energy_ratio": row["energy_ratio"][case],
        }
        for row in rows
        for case in CASES
        if case in row
    ]


def _ratio(theirs: float | None, ours: float) -> float | None:
    return theirs / ours if theirs is not None and ours else None
