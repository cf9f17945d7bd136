"""Whether a network takes the rows of a data set and tells its classes apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes_sim.errors import WorkloadError
from hermes_sim.workload.schema import ConvNet, Lstm, PerformerEncoder

if TYPE_CHECKING:
    from hermes_sim.numerics.training_data import TrainingData
    from hermes_sim.workload.schema import Workload


def check_fit(workload: Workload, data: TrainingData) -> None:
    """Whether the network takes these rows and tells these classes apart.

    Raises
    ------
    WorkloadError
        it does not
    """
    if isinstance(workload, PerformerEncoder):
        _check_performer(workload, data)
    elif isinstance(workload, (ConvNet, Lstm)):
        _check_shape(workload, data)


def _check_shape(workload: ConvNet | Lstm, data: TrainingData) -> None:
    if isinstance(workload, Lstm):
        found: tuple[int, ...] = (workload.steps,)
        outputs, field = workload.outputs, "outputs"
    else:
        image = workload.image
        found, outputs, field = (image.channels, image.height, image.width), 0, "image"
    if data.train.raw.shape[1:] != found:
        raise WorkloadError(
            f"{workload.name}: {field}", got=str(found), allowed=f"{data.train.raw.shape[1:]}, as in {data.name}"
        )
    if outputs and outputs != data.classes:
        raise WorkloadError(
            f"{workload.name}: outputs", got=outputs, allowed=f"{data.classes}, the symbols of {data.name}"
        )


def _check_performer(workload: PerformerEncoder, data: TrainingData) -> None:
    rows, name = data.train, workload.name
    wanted = "symbols" if rows.factor is None else "pixels"
    if workload.embedding != wanted:
        raise WorkloadError(f"{name}: embedding", got=workload.embedding, allowed=f"{wanted}, as {data.name} has them")
    if workload.symbols is not None and workload.symbols <= int(rows.raw.max()):
        allowed = f"at least {int(rows.raw.max()) + 1}, the symbols of {data.name} and padding"
        raise WorkloadError(f"{name}: symbols", got=workload.symbols, allowed=allowed)
    if workload.classes != data.classes:
        raise WorkloadError(f"{name}: classes", got=workload.classes, allowed=f"{data.classes}, those of {data.name}")
