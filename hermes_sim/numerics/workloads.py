"""Accuracy of a workload on a chip, where what can be simulated is what the workload says; a reason where it is not."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from hermes_sim.crossbar.spec import core_crossbar
from hermes_sim.errors import DataError, WorkloadError
from hermes_sim.numerics.attention import evaluate_attention_error
from hermes_sim.numerics.chip_models import differences
from hermes_sim.numerics.datasets import load_dataset
from hermes_sim.numerics.kernel_ridge import evaluate_kernel_ridge
from hermes_sim.numerics.programmed import ProgrammedChip
from hermes_sim.numerics.settings import setup_of
from hermes_sim.workload.schema import KernelRidge, PerformerAttention, PerformerEncoder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hermes_sim.chip.schema import Chip
    from hermes_sim.crossbar.spec import Effects
    from hermes_sim.mapping.mapping import Mapping
    from hermes_sim.numerics.datasets import Dataset
    from hermes_sim.numerics.result import AccuracyResult
    from hermes_sim.numerics.settings import Setup
    from hermes_sim.workload.graph import OpGraph
    from hermes_sim.workload.schema import Workload

    Progress = Callable[[str, float], None] | None

_ATTENTION_TOKENS = 512  # exact attention needs all pairs; the error depends little on the length


class AccuracyFound(NamedTuple):
    """The entries `accuracy` and `accuracy_missing` of the result document: one of them is None.

    `missing` goes on after "no accuracy: ".
    """

    accuracy: dict[str, Any] | None
    missing: str | None


def workload_accuracy(
    workload: Workload,
    chip: Chip,
    graph: OpGraph,
    mapping: Mapping,
    *,
    seed: int,
    effects: Effects | None = None,
    wanted: bool | None = None,
    data_dir: str | Path | None = None,
    progress: Progress = None,
) -> AccuracyFound:
    """Accuracy of a workload as it is mapped, or why there is none.

    Parameters
    ----------
    effects : imperfections that are switched on; None: all
    wanted : an error if it cannot be had; else only where the data are at hand

    Raises
    ------
    DataError
        missing or unusable data, if wanted
    WorkloadError
        if wanted of a workload that has no accuracy, or if the workload does not fit its data set
    """
    reason = _not_simulated(workload)
    if reason and wanted:
        raise WorkloadError(
            f"{workload.name}: accuracy",
            got=reason,
            allowed="kernel ridge, or a single Performer attention layer",
            hint="run it without accuracy",
        )
    if reason:
        return AccuracyFound(None, reason)
    spec = core_crossbar(chip.core, effects=effects)
    chip_of = partial(ProgrammedChip, graph, mapping, spec=spec, mode=chip.read_mode)
    if isinstance(workload, KernelRidge):
        try:
            dataset = load_dataset(workload.dataset, data_dir)
        except DataError as error:
            if wanted or data_dir is not None:
                raise
            return AccuracyFound(
                None, f"{error.where}: {error.got}; known: {error.allowed}; or name its folder by --data-dir"
            )
        result = kernel_ridge_accuracy(setup_of(workload), dataset, chip_of, seed=seed, progress=progress)
    else:
        assert isinstance(workload, PerformerAttention)  # all others are `_not_simulated`
        result = evaluate_attention_error(
            chip_of=lambda chip_seed: chip_of(seed=chip_seed),
            workload=workload,
            n_seeds=workload.accuracy_seeds,
            seed=seed,
            max_tokens=_ATTENTION_TOKENS,
            progress=_steps(progress, workload.accuracy_seeds),
        )
    record = result.record()
    record["settings"]["published"] = differences(chip)
    return AccuracyFound(record, None)


def _not_simulated(workload: Workload) -> str:
    """Why the numerics do not know a workload; empty where they do."""
    if isinstance(workload, PerformerEncoder):
        if workload.attention == "softmax":
            return (
                "exact softmax attention has no random features, and the rest of the encoder is not simulated on data"
            )
        return (
            f"a whole encoder (layers: {workload.layers}, split: {workload.split}) with its classifier is simulated "
            "in time and energy only; its trained weights are not there"
        )
    if isinstance(workload, (KernelRidge, PerformerAttention)):
        return ""
    return f"a workload of kind {workload.kind} is simulated in time and energy only, not on data"


def kernel_ridge_accuracy(
    setup: Setup, dataset: Dataset, chip_of: Callable[..., ProgrammedChip], *, seed: int, progress: Progress = None
) -> AccuracyResult:
    """Accuracy of a kernel-ridge experiment on chips that `chip_of` makes of a `seed`.

    Raises    WorkloadError  if the workload's sizes are not those of the data
    """
    workload = setup.workload
    for field, given, fitting in (
        ("features", workload.features, dataset.n_features),
        ("outputs", workload.outputs, dataset.n_outputs),
    ):
        if given != fitting:
            raise WorkloadError(f"{workload.name}: {field}", got=given, allowed=f"{fitting}, as in {dataset.name}")
    return evaluate_kernel_ridge(
        chip_of=lambda run: chip_of(seed=run.chip_seed),
        dataset=dataset,
        experiment=setup.experiment,
        n_seeds=setup.n_seeds,
        seed=seed,
        progress=_steps(progress, setup.n_seeds),
    )


def _steps(progress: Progress, total: int) -> Callable[[], None] | None:
    """Count of finished seeds, as fractions."""
    if progress is None:
        return None
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        progress("accuracy", done / total)

    return step
