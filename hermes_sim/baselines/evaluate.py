"""One door to all kinds of baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes_sim.baselines.roofline import evaluate_roofline
from hermes_sim.baselines.schema import RooflineDevice
from hermes_sim.baselines.systolic import evaluate_systolic

if TYPE_CHECKING:
    from hermes_sim.baselines.load import Baseline
    from hermes_sim.baselines.result import BaselineResult
    from hermes_sim.config.vocabulary import Timing
    from hermes_sim.workload.graph import OpGraph


def evaluate_baseline(
    baseline: Baseline, graph: OpGraph, *, precision: str, batch: int = 1, timing: Timing | None = None
) -> BaselineResult:
    """Time and energy of one inference on a baseline of any kind.

    Parameters
    ----------
    timing : a response that is waited for, or one of many back to back; default: response at a batch of one

    Raises
    ------
    ArchConfigError
        if the baseline lacks the precision, or the batch is no positive number
    """
    if isinstance(baseline, RooflineDevice):
        return evaluate_roofline(baseline, graph, precision=precision, batch=batch, timing=timing)
    return evaluate_systolic(baseline, graph, precision=precision, batch=batch, timing=timing)


def precisions_of(baseline: Baseline) -> list[str]:
    """Precisions that the baseline has, as `evaluate_baseline` takes them."""
    return baseline.precisions
