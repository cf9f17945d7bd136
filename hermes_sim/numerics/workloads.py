"""Accuracy of a workload on a chip, where what can be simulated is what the workload says; a reason where it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from hermes_sim.config.vocabulary import ReadMode
from hermes_sim.crossbar.matrix import even_placements
from hermes_sim.crossbar.spec import core_crossbar
from hermes_sim.errors import DataError, WorkloadError
from hermes_sim.numerics.attention import evaluate_attention_error
from hermes_sim.numerics.datasets import load_dataset
from hermes_sim.numerics.kernel_ridge import evaluate_kernel_ridge
from hermes_sim.numerics.settings import setup_of
from hermes_sim.workload.schema import KernelRidge, PerformerAttention, PerformerEncoder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hermes_sim.chip.schema import Chip
    from hermes_sim.mapping.mapping import Block
    from hermes_sim.mapping.mapping import Mapping as Placement
    from hermes_sim.numerics.datasets import Dataset
    from hermes_sim.numerics.result import AccuracyResult
    from hermes_sim.workload.schema import Workload

    Progress = Callable[[str, float], None] | None

_ATTENTION_TOKENS = 512  # exact attention needs all pairs; the error depends little on the length


class Found(NamedTuple):
    """The entries `accuracy` and `accuracy_missing` of the result document: one of them is None.

    `missing` goes on after "no accuracy: ".
    """

    accuracy: dict[str, Any] | None
    missing: str | None


def workload_accuracy(
    workload: Workload,
    chip: Chip,
    *,
    seed: int,
    wanted: bool | None = None,
    placement: Placement | None = None,
    data_dir: str | Path | None = None,
    progress: Progress = None,
) -> Found:
    """Accuracy of a workload, or why there is none.

    Parameters
    ----------
    wanted : an error if it cannot be had; else only where the data are at hand
    placement : where the weights lie; a matrix that it cuts in another way than the simulated one has no accuracy

    Raises
    ------
    DataError
        missing or unusable data, if wanted
    WorkloadError
        if wanted of a workload that has no accuracy, or if the workload does not fit its data set
    """
    reason = _not_simulated(workload) or _kept_digital(workload, placement) or _other_cut(placement, chip)
    if reason and wanted:
        raise WorkloadError(
            f"{workload.name}: accuracy",
            got=reason,
            allowed="kernel ridge with a digital readout, or a single Performer attention layer, cut as `map` cuts it",
            hint="run it without accuracy",
        )
    if reason:
        return Found(None, reason)
    if isinstance(workload, KernelRidge):
        try:
            dataset = load_dataset(workload.dataset, data_dir)
        except DataError as error:
            if wanted or data_dir is not None:
                raise
            return Found(None, f"{error.where}: {error.got}; known: {error.allowed}; or name its folder by --data-dir")
        return Found(_kernel_ridge(workload, chip, dataset, seed, progress).record(), None)
    assert isinstance(workload, PerformerAttention)  # all others are `_not_simulated`
    return Found(_attention(workload, chip, seed, progress).record(), None)


def _not_simulated(workload: Workload) -> str:
    """Why the numerics do not know a workload; empty where they do."""
    if isinstance(workload, KernelRidge):
        if workload.readout == "crossbar":
            return "the readout runs on crossbars, and only a digital readout is simulated on data"
        return ""
    if isinstance(workload, PerformerEncoder):
        if workload.attention == "softmax":
            return (
                "exact softmax attention has no random features, and the rest of the encoder is not simulated on data"
            )
        return (
            f"a whole encoder (layers: {workload.layers}, split: {workload.split}) with its classifier is simulated "
            "in time and energy only; its trained weights are not there"
        )
    if isinstance(workload, PerformerAttention):
        return ""
    return f"a workload of kind {workload.kind} is simulated in time and energy only, not on data"


def _kept_digital(workload: Workload, placement: Placement | None) -> str:
    """Why products that were taken off the crossbars leave nothing to simulate."""
    kept = sorted({*workload.digital, *(placement.digital if placement else ())})
    return f"kept off the crossbars: {', '.join(kept)}; what is simulated on data has them there" if kept else ""


def _other_cut(placement: Placement | None, chip: Chip) -> str:
    """Why a placement is not what the numerics simulate: they cut a matrix as evenly as the core allows."""
    copies: dict[tuple[str, int], list[Block]] = {}
    for block in placement.blocks if placement else ():
        copies.setdefault((block.matrix, block.replica), []).append(block)
    for (matrix, _), blocks in copies.items():
        even = even_placements(
            max(block.rows[1] for block in blocks),
            max(block.columns[1] for block in blocks),
            core_rows=chip.core.rows.n,
            core_columns=chip.core.columns.n,
        )
        if {(b.rows, b.columns) for b in blocks} != {(p.rows, p.columns) for p in even}:
            return (
                f"the placement cuts {matrix} into {len(blocks)} blocks, and only the even cut (here {len(even)}) is "
                "simulated on data"
            )
    return ""


def _kernel_ridge(workload: KernelRidge, chip: Chip, dataset: Dataset, seed: int, progress: Progress) -> AccuracyResult:
    for field, given, fitting in (
        ("features", workload.features, dataset.n_features),
        ("outputs", workload.outputs, dataset.n_outputs),
    ):
        if given != fitting:
            raise WorkloadError(f"{workload.name}: {field}", got=given, allowed=f"{fitting}, as in {dataset.name}")
    setup = setup_of(workload)
    return evaluate_kernel_ridge(
        spec=core_crossbar(chip.core),
        dataset=dataset,
        experiment=setup.experiment,
        read_mode=ReadMode(chip.read_mode),
        n_seeds=setup.n_seeds,
        seed=seed,
        progress=_steps(progress, setup.n_seeds),
    )


def _attention(workload: PerformerAttention, chip: Chip, seed: int, progress: Progress) -> AccuracyResult:
    return evaluate_attention_error(
        spec=core_crossbar(chip.core),
        sequence_length=workload.sequence_length,
        head_dim=workload.head_dim,
        n_rows=workload.projection_rows,
        n_heads=workload.heads,
        n_seeds=workload.accuracy_seeds,
        seed=seed,
        read_mode=ReadMode(chip.read_mode),
        matrices=workload.projections,
        max_tokens=_ATTENTION_TOKENS,
        progress=_steps(progress, workload.accuracy_seeds),
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
