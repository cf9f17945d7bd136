"""Accuracy of a workload on a chip, where what can be simulated is what the workload says; a reason where it is not."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hermes_sim.crossbar.spec import core_crossbar
from hermes_sim.errors import DataError, WorkloadError
from hermes_sim.numerics.attention import evaluate_attention_error
from hermes_sim.numerics.chip_models import differences
from hermes_sim.numerics.data_sources import how_to_get
from hermes_sim.numerics.datasets import load_dataset
from hermes_sim.numerics.kernel_ridge import evaluate_kernel_ridge
from hermes_sim.numerics.network import network_of
from hermes_sim.numerics.network_accuracy import network_accuracy
from hermes_sim.numerics.network_data import network_data
from hermes_sim.numerics.programmed import ProgrammedChip
from hermes_sim.numerics.question import Question
from hermes_sim.numerics.redraw import with_drawn_projections
from hermes_sim.numerics.settings import setup_of
from hermes_sim.numerics.weights import about_weights, read_weights
from hermes_sim.workload.schema import KernelRidge, OnnxModel, PerformerAttention, PerformerEncoder

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from hermes_sim.chip.schema import Chip
    from hermes_sim.crossbar.spec import CrossbarSpec, Effects
    from hermes_sim.mapping.mapping import Mapping
    from hermes_sim.numerics.datasets import Dataset
    from hermes_sim.numerics.network_accuracy import Redraw
    from hermes_sim.numerics.network_data import NetworkData
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
    spec: CrossbarSpec | None = None,
    wanted: bool | None = None,
    data_dir: str | Path | None = None,
    question: Question | None = None,
    progress: Progress = None,
) -> AccuracyFound:
    """Accuracy of a workload as it is mapped, or why there is none.

    Parameters
    ----------
    effects : imperfections that are switched on; None: all
    spec : of every core; None: what the chip's file says, with these effects
    wanted : an error if it cannot be had; else only where data and weights are at hand
    question : data, weights, metric, draws and times where they are not the workload's own

    Raises
    ------
    DataError
        missing or unusable data or weights, if wanted or named
    WorkloadError
        if wanted of a workload that has no accuracy, or if the workload does not fit its data set
    """
    asked = question or Question()
    wanted = True if wanted is None and (asked.data or asked.weights or asked.times_s) else wanted
    reason = _not_simulated(workload, graph)
    if reason and wanted:
        raise WorkloadError(
            f"{workload.name}: accuracy",
            got=reason,
            allowed="a network with weights and data, kernel ridge, or a single Performer attention layer",
            hint="run it without accuracy",
        )
    if reason:
        return AccuracyFound(None, reason)
    spec = spec or core_crossbar(chip.core, effects=effects)
    chip_of = partial(ProgrammedChip, graph, mapping, spec=spec, mode=chip.read_mode)
    try:
        if isinstance(workload, KernelRidge):
            _refuse_network_options(workload, asked)
            dataset = load_dataset(workload.dataset, data_dir)
            setup = setup_of(workload).changed(n_seeds=asked.draws)
            result = kernel_ridge_accuracy(setup, dataset, chip_of, seed=seed, progress=progress)
        elif graph.network is None and isinstance(workload, PerformerAttention):
            _refuse_network_options(workload, asked)
            n_seeds = asked.draws or workload.accuracy_seeds
            result = evaluate_attention_error(
                chip_of=lambda chip_seed: chip_of(seed=chip_seed),
                workload=workload,
                n_seeds=n_seeds,
                seed=seed,
                max_tokens=_ATTENTION_TOKENS,
                progress=_steps(progress, n_seeds),
            )
        else:
            data, weights, name = network_inputs(workload, graph, asked, seed=seed, data_dir=data_dir)
            result = network_accuracy(
                graph,
                mapping,
                chip,
                spec=spec,
                weights=weights,
                weights_name=name,
                data=data,
                question=asked,
                seed=seed,
                redraw=redraw_of(workload, graph),
                progress=progress,
            )
    except DataError as error:
        if wanted or data_dir is not None:
            raise
        where = f"; it takes {error.allowed}"
        if isinstance(workload, KernelRidge):
            get = how_to_get(workload.dataset)
            where = f"; {get or f'known: {error.allowed}'}, or name its folder by --data-dir"
        return AccuracyFound(None, f"{error.where}: {error.got}{where}")
    record = result.record()
    record["settings"]["published"] = differences(chip)
    return AccuracyFound(record, None)


def redraw_of(workload: Workload, graph: OpGraph) -> Redraw | None:
    """How a workload whose life cycle draws random features anew gets them; None for all others."""
    if not isinstance(workload, PerformerEncoder) or graph.life_cycle is None or not graph.life_cycle.redraw:
        return None
    return partial(with_drawn_projections, workload, only=graph.life_cycle.redraw)


class NetworkInputs(NamedTuple):
    """Rows to score, and weights of a file (None: the network's own) with what a result calls them."""

    data: NetworkData
    weights: dict[str, NDArray[Any]] | None
    weights_name: str


def network_inputs(
    workload: Workload, graph: OpGraph, asked: Question, *, seed: int, data_dir: str | Path | None = None
) -> NetworkInputs:
    """What a network is evaluated on: what the question names, else what the workload does.

    Raises
    ------
    DataError
        no data, or data or weights that cannot be used
    WorkloadError
        a workload that is no network
    """
    source, file = asked.data or workload.data, asked.weights or workload.weights
    if file is None and not isinstance(workload, OnnxModel):
        raise DataError(
            f"{workload.name}: weights", got="none", allowed="a file of weights of this network, by --weights FILE"
        )
    if source is None:
        raise DataError("data", got="none to score", allowed="--data FILE.npz with X, and y for accuracies")
    data = network_data(
        source, network_of(graph), data_dir=data_dir, seed=seed, calibration_overlap=asked.calibration_overlap
    )
    weights = None if file is None else read_weights(Path(file))
    if file is not None and isinstance(workload, PerformerEncoder):
        check_trained_for(workload, Path(file))
    name = "the network's own" if file is None else Path(file).name
    return NetworkInputs(data.taken(asked.samples, seed=seed), weights, name)


def check_trained_for(workload: PerformerEncoder, file: Path) -> None:
    """Refuse weights that say that they were trained for another task or length.

    Raises
    ------
    DataError
        they were
    """
    about = about_weights(file)
    mine = {"data": workload.data, "sequence_length": workload.sequence_length}
    other = [f"{name} {about[name]}" for name, value in mine.items() if name in about and about[name] != value]
    if other:
        wanted = ", ".join(f"{name} {value}" for name, value in mine.items())
        raise DataError(
            str(file), got=f"weights trained for {', '.join(other)} ({about.get('workload', '')})", allowed=wanted
        )


def _refuse_network_options(workload: Workload, asked: Question) -> None:
    """Refuse options that only networks with weights have."""
    given = {"--data": asked.data, "--weights": asked.weights, "--metric": asked.metric, "--samples": asked.samples}
    names = [name for name, value in given.items() if value is not None] + ["--time"] * bool(asked.times_s)
    if names:
        raise WorkloadError(
            names[0],
            got=f"for {workload.name}, a workload of kind {workload.kind}, which trains or draws what it tests",
            allowed="a network: an ONNX file, or a workload of kind conv_net or lstm",
            hint="`hermes-sim drift` shows kernel ridge over time" if "--time" in names else "",
        )


def _not_simulated(workload: Workload, graph: OpGraph) -> str:
    """Why the numerics do not know a workload; empty where they do."""
    if isinstance(workload, PerformerEncoder) and workload.attention == "softmax":
        return "exact softmax attention is there for its time and energy, and is not simulated on data"
    if isinstance(workload, (KernelRidge, PerformerAttention)) or graph.network is not None:
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
