"""Which kernel-ridge experiment a data set stands for: one source for `run`, `accuracy` and `drift`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from hermes_sim.chip.analog import RangePolicy
from hermes_sim.config.files import shipped_names
from hermes_sim.config.vocabulary import RIDGE_KERNELS, Kernel, Sampler
from hermes_sim.errors import WorkloadError, chosen
from hermes_sim.numerics.ranges import RangeRule
from hermes_sim.workload.load import load_workload
from hermes_sim.workload.schema import KernelRidge, projections_of

if TYPE_CHECKING:
    from hermes_sim.config.vocabulary import ReadMode
    from hermes_sim.crossbar.spec import CrossbarSpec
    from hermes_sim.numerics.datasets import Dataset

# Published settings of the kernel-ridge runs [BU24].
GAMMA = 0.05
RIDGE_ALPHA = 0.5
_WORKLOAD = "kernel_ridge_"
_PUBLISHED = "published experiment"


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
        return projections_of(n_inputs, self.log2_ratio)

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
    """An experiment as a workload that can be mapped, and where it comes from.

    Parameters
    ----------
    workload : with the number of seeds that average it
    source : ``workload kernel_ridge_digits``, or ``published experiment`` where no workload names the data set
    """

    workload: KernelRidge
    source: str

    @property
    def experiment(self) -> Experiment:
        """Kernel, sampler, size, width and penalty."""
        work = self.workload
        return Experiment(work.kernel, work.sampler, work.log2_ratio, work.gamma, work.ridge_alpha)

    @property
    def n_seeds(self) -> int:
        """Draws to average over."""
        return self.workload.accuracy_seeds

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
        changes: dict[str, Any] = {
            "kernel": chosen("kernel", kernel, RIDGE_KERNELS, error=WorkloadError) if kernel is not None else None,
            "sampler": chosen("sampler", sampler, Sampler, error=WorkloadError) if sampler is not None else None,
            "log2_ratio": log2_ratio,
            "gamma": gamma,
            "ridge_alpha": ridge_alpha,
            "accuracy_seeds": n_seeds,
        }
        given = {name: value for name, value in changes.items() if value is not None}
        return replace(self, workload=self.workload.model_copy(update=given))


def setup_of(workload: KernelRidge) -> Setup:
    """What a workload file says."""
    return Setup(workload, f"workload {workload.name}")


def setup_for(dataset: Dataset) -> Setup:
    """What the shipped workload of a data set says; the published experiment where there is none."""
    name = f"{_WORKLOAD}{dataset.name}"
    if name in shipped_names("workloads"):
        workload = load_workload(name)
        if isinstance(workload, KernelRidge) and workload.dataset == dataset.name:
            return setup_of(workload)
    workload = KernelRidge.model_construct(
        schema_version=1,
        name=name,
        description="",
        source=_PUBLISHED,
        inferences=1,
        kind="kernel_ridge",
        dataset=dataset.name,
        features=dataset.n_features,
        outputs=dataset.n_outputs,
        readout="digital",
        accuracy_seeds=5,
        **asdict(PUBLISHED),
    )
    return Setup(workload, _PUBLISHED)


def reading(spec: CrossbarSpec, mode: ReadMode) -> dict[str, Any]:
    """How the crossbars were read, for the record of a result."""
    rule = RangeRule.of(spec)
    value = None if rule.policy is RangePolicy.LARGEST else rule.value
    ranges = {"policy": str(rule.policy), "per": str(rule.per), "value": value}
    return {"read_mode": str(mode), "range_batch": spec.range_batch, "range": ranges}
