"""Accuracy of a workload on a chip, where the workload has one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from threadpoolctl import threadpool_limits

from hermes_sim.accuracy.attention import evaluate_attention_error
from hermes_sim.accuracy.datasets import load_dataset
from hermes_sim.accuracy.kernel_ridge import evaluate_kernel_ridge
from hermes_sim.crossbar.spec import crossbar_spec
from hermes_sim.errors import DataError, WorkloadError
from hermes_sim.workload.schema import KernelRidge, PerformerAttention

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hermes_sim.accuracy.datasets import Dataset
    from hermes_sim.accuracy.result import AccuracyResult
    from hermes_sim.arch.schema import Chip
    from hermes_sim.crossbar.spec import CrossbarSpec
    from hermes_sim.workload.schema import Workload

    Progress = Callable[[str, float], None] | None
    Evaluation = Callable[[int, Progress], AccuracyResult]

_ATTENTION_TOKENS = 512  # exact attention needs all pairs; the error depends little on the length


def workload_accuracy(
    workload: Workload,
    chip: Chip,
    *,
    seed: int,
    wanted: bool | None,
    data_dir: str | Path | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> dict[str, Any] | None:
    """The `accuracy` entry of the result document, or None.

    Parameters
    ----------
    wanted : True: an error if it cannot be had; None: only where the data are at hand; False: never

    Raises
    ------
    DataError
        missing or unusable data, if wanted
    WorkloadError
        if wanted of a workload that has no accuracy
    """
    if wanted is False:
        return None
    if isinstance(workload, KernelRidge):
        try:
            dataset = load_dataset(workload.dataset, data_dir)
        except DataError:
            if wanted or data_dir is not None:
                raise
            return None
        evaluate: Evaluation = partial(_kernel_ridge, workload, chip, dataset)
    elif isinstance(workload, PerformerAttention):
        evaluate = partial(_attention, workload, chip)
    elif wanted:
        raise WorkloadError(workload.name, got=f"kind {workload.kind}", allowed="a workload with an accuracy")
    else:
        return None
    # one BLAS thread: the order of its sums, and so the last bits, may not depend on the machine
    with threadpool_limits(limits=1, user_api="blas"):
        return evaluate(seed, progress).record()


def _kernel_ridge(
    workload: KernelRidge,
    chip: Chip,
    dataset: Dataset,
    seed: int,
    progress: Callable[[str, float], None] | None,
) -> AccuracyResult:
    if dataset.n_features != workload.features:
        raise WorkloadError(
            f"{workload.name}: features",
            got=workload.features,
            allowed=f"{dataset.n_features}, as in {dataset.name}",
        )
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if progress:
            progress("accuracy", done / workload.accuracy_seeds)

    return evaluate_kernel_ridge(
        spec=_spec(chip),
        dataset=dataset,
        kernel=workload.kernel,
        sampler=workload.sampler,
        log2_ratio=workload.log2_ratio,
        gamma=workload.gamma,
        ridge_alpha=workload.ridge_alpha,
        n_seeds=workload.accuracy_seeds,
        seed=seed,
        read_mode=chip.read_mode,
        progress=step,
    )


def _spec(chip: Chip) -> CrossbarSpec:
    return crossbar_spec(chip.core.analog, rows=chip.core.rows.n, columns=chip.core.columns.n)


def _attention(
    workload: PerformerAttention,
    chip: Chip,
    seed: int,
    progress: Callable[[str, float], None] | None,
) -> AccuracyResult:
    if progress:
        progress("accuracy", 0.0)
    return evaluate_attention_error(
        spec=_spec(chip),
        sequence_length=min(workload.sequence_length, _ATTENTION_TOKENS),
        head_dim=workload.head_dim,
        n_rows=workload.projection_rows,
        n_heads=workload.heads,
        n_seeds=workload.accuracy_seeds,
        seed=seed,
        read_mode=chip.read_mode,
    )
