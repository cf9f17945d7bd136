"""Which kernel-ridge experiment a data set stands for: one source for `run`, `accuracy` and `drift`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hermes_sim.config.files import shipped_names
from hermes_sim.config.vocabulary import RIDGE_KERNELS, Kernel, Sampler
from hermes_sim.errors import WorkloadError, chosen
from hermes_sim.workload.load import load_workload
from hermes_sim.workload.schema import KernelRidge

if TYPE_CHECKING:
    from hermes_sim.config.vocabulary import ReadMode
    from hermes_sim.crossbar.spec import CrossbarSpec

# Published settings of the kernel-ridge runs [BU24].
GAMMA = 0.05
RIDGE_ALPHA = 0.5
# Vectors of a job that share one input range where the published runs measured a kernel matrix or attention. Fitted to
# the kernel errors of ijcnn1, letter and magic; 64 to 1,000 fit about as well.
KERNEL_BATCH = 256
_WORKLOAD = "kernel_ridge_"


@dataclass(frozen=True)
class Experiment:
    """One cell of a kernel-ridge table.

    Parameters
    ----------
    kernel, sampler, log2_ratio : s = 2^k d - k projections, as in the published runs
    gamma : width of RBF; ridge_alpha : ridge penalty
    """

    kernel: Kernel
    sampler: Sampler
    log2_ratio: float
    gamma: float
    ridge_alpha: float

    def n_projections(self, n_inputs: int) -> int:
        """Rows of W."""
        return max(1, int(2**self.log2_ratio * n_inputs) - int(self.log2_ratio))

    def record(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "kernel": str(self.kernel),
            "sampler": str(self.sampler),
            "log2_ratio": self.log2_ratio,
            "gamma": self.gamma,
            "ridge_alpha": self.ridge_alpha,
        }


PUBLISHED = Experiment(Kernel.RBF, Sampler.ORF, 4, GAMMA, RIDGE_ALPHA)


@dataclass(frozen=True)
class Setup:
    """An experiment, how many seeds average it, and where both come from.

    Parameters
    ----------
    source : ``workload kernel_ridge_digits``, or ``published experiment`` where no workload names the data set
    """

    experiment: Experiment
    n_seeds: int
    source: str

    def changed(
        self,
        *,
        kernel: str | None = None,
        sampler: str | None = None,
        log2_ratio: float | None = None,
        gamma: float | None = None,
        ridge_alpha: float | None = None,
        n_seeds: int | None = None,
    ) -> Setup:
        """The same with what is given instead.

        Raises    WorkloadError  for an unknown kernel or sampler
        """
        numbers = {"log2_ratio": log2_ratio, "gamma": gamma, "ridge_alpha": ridge_alpha}
        changes: dict[str, Any] = {name: value for name, value in numbers.items() if value is not None}
        if kernel is not None:
            changes["kernel"] = chosen("kernel", kernel, RIDGE_KERNELS, error=WorkloadError)
        if sampler is not None:
            changes["sampler"] = chosen("sampler", sampler, Sampler, error=WorkloadError)
        return replace(self, experiment=replace(self.experiment, **changes), n_seeds=n_seeds or self.n_seeds)


def setup_of(workload: KernelRidge) -> Setup:
    """What a workload file says."""
    experiment = Experiment(
        workload.kernel,
        workload.sampler,
        workload.log2_ratio,
        workload.gamma,
        workload.ridge_alpha,
    )
    return Setup(experiment, workload.accuracy_seeds, f"workload {workload.name}")


def setup_for(dataset: str) -> Setup:
    """What the shipped workload of a data set says; the published experiment where there is none."""
    if f"{_WORKLOAD}{dataset}" in shipped_names("workloads"):
        workload = load_workload(f"{_WORKLOAD}{dataset}")
        if isinstance(workload, KernelRidge) and workload.dataset == dataset:
            return setup_of(workload)
    return Setup(PUBLISHED, 5, "published experiment")


def reading(spec: CrossbarSpec, mode: ReadMode) -> dict[str, Any]:
    """How the crossbars were read, for the record of a result."""
    return {"read_mode": str(mode), "range_batch": spec.range_batch}
