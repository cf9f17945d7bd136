"""Running the cells of a kernel-ridge table: FP32, cells only, whole chip, seed by seed, resumable."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from hermes_sim._cpus import one_blas_thread
from hermes_sim.config.vocabulary import RIDGE_KERNELS, ReadMode, Sampler
from hermes_sim.crossbar.spec import CrossbarSpec, Effects
from hermes_sim.errors import WorkloadError, chosen
from hermes_sim.fingerprint import code_fingerprint
from hermes_sim.numerics.kernel_ridge import SeedRun
from hermes_sim.numerics.settings import GAMMA, RIDGE_ALPHA, Experiment, reading
from hermes_sim.rng import child_key
from hermes_sim.validation.store import stored

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from joblib import Memory

    from hermes_sim.device.spec import F64
    from hermes_sim.numerics.datasets import Dataset
    from hermes_sim.validation.measurements import MeasuredCell

MODELS = ("fp32", "device", "full")
# Samplers of a table of measurements that the published runs drew in a way of their own.
PUBLISHED_SAMPLERS = {"orf": Sampler.ORF_PUBLISHED}
# Splits drawn to find out how much a single random split moves a cell.
N_SPLITS = 6


@dataclass(frozen=True)
class CellValues:
    """Simulated values of one cell.

    Parameters
    ----------
    accuracy, error : (n_seeds,) by model
    split_sd_accuracy, split_sd_error : spread of a single random split (0 for a fixed one), by model
    """

    cell: MeasuredCell
    accuracy: Mapping[str, F64]
    error: Mapping[str, F64]
    split_sd_accuracy: Mapping[str, float]
    split_sd_error: Mapping[str, float]


@dataclass(frozen=True)
class Plan:
    """What to run.

    Parameters
    ----------
    models : of `MODELS`; accuracy, error : which metrics
    kernel_batch : vectors that share an input range where the kernel is measured; those of training and test share
        `spec.range_batch`
    accuracy_noise, one_output_range : see `SeedRun.on_chip`
    apart : plans of data sets whose runs were driven in another way
    """

    spec: CrossbarSpec
    read_mode: ReadMode
    n_seeds: int
    seed: int
    models: tuple[str, ...] = MODELS
    accuracy: bool = True
    error: bool = True
    gamma: float = GAMMA
    ridge_alpha: float = RIDGE_ALPHA
    kernel_batch: int = 1
    accuracy_noise: float = 1.0
    one_output_range: bool = False
    apart: Mapping[str, Plan] = field(default_factory=dict)

    def of(self, dataset: str) -> Plan:
        """For a data set."""
        return self.apart.get(dataset, self)

    def changed(self, change: Callable[[Plan], Plan]) -> Plan:
        """The same change to the plans of all data sets."""
        return replace(change(self), apart={name: change(plan) for name, plan in self.apart.items()})

    def record(self) -> dict[str, Any]:
        """Settings that a reader needs."""
        values = {"seeds": self.n_seeds, "seed": self.seed, "gamma": self.gamma, "ridge_alpha": self.ridge_alpha}
        return {
            **reading(self.spec, self.read_mode),
            "kernel_batch": self.kernel_batch,
            "accuracy_noise": self.accuracy_noise,
            **values,
            **({"apart": {name: plan.record() for name, plan in self.apart.items()}} if self.apart else {}),
        }

    def experiment(self, cell: MeasuredCell) -> Experiment:
        """Cell as an experiment.

        Raises    WorkloadError  for an unknown kernel or sampler
        """
        return Experiment(
            chosen("kernel", cell.kernel, RIDGE_KERNELS, error=WorkloadError),
            PUBLISHED_SAMPLERS.get(cell.sampler) or chosen("sampler", cell.sampler, Sampler, error=WorkloadError),
            cell.log2_ratio,
            self.gamma,
            self.ridge_alpha,
        )


def run_cells(
    plan: Plan,
    cells: Sequence[MeasuredCell],
    datasets: Mapping[str, Dataset],
    *,
    store: Memory,
    n_threads: int = 1,
    progress: Callable[[float], None] | None = None,
) -> list[CellValues]:
    """Values of all cells; what the store holds is not run again.

    Parameters
    ----------
    datasets : by the name in the cells
    n_threads : seeds that run side by side; results do not depend on it
    """
    tasks = [(cell, index) for cell in cells for index in range(plan.n_seeds)]
    done = 0

    def one(task: tuple[MeasuredCell, int]) -> dict[str, tuple[float, ...]]:
        return _run_seed(plan.of(task[0].dataset), task[0], datasets[task[0].dataset], task[1], store)

    results: list[dict[str, tuple[float, ...]]] = []
    # one BLAS thread per seed: the order of its sums, and so the last bits, may not depend on the machine
    with one_blas_thread(), ThreadPoolExecutor(n_threads) as pool:
        try:
            for result in pool.map(one, tasks):
                results.append(result)
                done += 1
                if progress is not None:
                    progress(done / len(tasks))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    values: list[CellValues] = []
    for i, cell in enumerate(cells):
        rows = results[i * plan.n_seeds : (i + 1) * plan.n_seeds]
        # the published FP32 values drew a split of their own, so its spread is always wanted
        split_sd = {
            model: _split_spread(plan.of(cell.dataset), cell, datasets[cell.dataset], model, store)
            for model in (*plan.models, "fp32")
        }
        values.append(
            CellValues(
                cell=cell,
                accuracy={m: np.array([row[m][0] for row in rows], np.float64) for m in plan.models},
                error={m: np.array([row[m][1] for row in rows], np.float64) for m in plan.models},
                split_sd_accuracy={model: sd[0] for model, sd in split_sd.items()},
                split_sd_error={model: sd[1] for model, sd in split_sd.items()},
            )
        )
    return values


def _run_seed(
    plan: Plan, cell: MeasuredCell, dataset: Dataset, index: int, store: Memory
) -> dict[str, tuple[float, ...]]:
    seed = child_key(plan.seed, cell.name, index)
    rows: dict[str, tuple[float, ...]] = {}

    @cache
    def run() -> SeedRun:
        return SeedRun(plan.experiment(cell), dataset, seed)

    for model in plan.models:
        spec = _spec(plan, model)
        rows[model] = stored(
            store,
            _inputs(plan, cell, dataset, seed, spec),
            lambda spec=spec: _metrics(plan, run(), spec),  # type: ignore[misc]
        )
    return rows


def _spec(plan: Plan, model: str) -> CrossbarSpec | None:
    """Core of a model; None for FP32."""
    if model == "fp32":
        return None
    if model == "full":
        return plan.spec
    return replace(plan.spec, weight_limit_sd=0.0).with_effects(Effects.device_only())


def _metrics(plan: Plan, run: SeedRun, spec: CrossbarSpec | None) -> tuple[float, float]:
    wanted = {"accuracy": plan.accuracy, "error": plan.error}
    if spec is None:
        return run.digital(accuracy=plan.accuracy, error=plan.error)
    return run.on_chip(
        spec,
        plan.read_mode,
        kernel_batch=plan.kernel_batch,
        accuracy_noise=plan.accuracy_noise,
        one_output_range=plan.one_output_range,
        **wanted,
    )


def _split_spread(plan: Plan, cell: MeasuredCell, dataset: Dataset, model: str, store: Memory) -> tuple[float, float]:
    """Standard deviation over splits at fixed projections and cells.

    On the chip it is larger than in FP32: the largest inputs of the split set the pulse widths of all.
    """
    if dataset.rule.train is not None:
        return 0.0, 0.0
    seed = child_key(plan.seed, cell.name, 0)
    spec = _spec(plan, model)

    def spread() -> tuple[float, ...]:
        runs = (
            SeedRun(plan.experiment(cell), dataset, seed, child_key(seed, "another split", i)) for i in range(N_SPLITS)
        )
        pairs = [_metrics(plan, run, spec) for run in runs]
        return tuple(float(sd) if np.isfinite(sd) else 0.0 for sd in np.std(pairs, axis=0, ddof=1))

    accuracy, error = stored(store, {"splits": N_SPLITS, **_inputs(plan, cell, dataset, seed, spec)}, spread)
    return accuracy, error


def _inputs(plan: Plan, cell: MeasuredCell, dataset: Dataset, seed: int, spec: CrossbarSpec | None) -> dict[str, Any]:
    """Everything that a value depends on."""
    return {
        "code": code_fingerprint(),
        "cell": asdict(cell),
        "sampler": str(plan.experiment(cell).sampler),
        "data": [dataset.name, dataset.fingerprint],
        "seed": seed,
        "mode": str(plan.read_mode),
        "driven": [plan.kernel_batch, plan.accuracy_noise, plan.one_output_range],
        "spec": None if spec is None else asdict(spec),
        "metrics": [plan.accuracy, plan.error],
        "gamma": plan.gamma,
        "alpha": plan.ridge_alpha,
    }
