"""The result document (``metrics.json``) as typed, frozen records; `hermes-sim schema result` prints its JSON schema.

Other tools are written against these names: fields are added, never renamed. Units stand in the names; a time or an
energy without a word more is that of the whole run. What was not looked at (`uncertainty`, the case ``measured`` of a
baseline that has none) is not in the document at all.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hermes_sim._version import __version__
from hermes_sim.config.files import read_text
from hermes_sim.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA_VERSION = 2


class Record(BaseModel):
    """Part of the document: no field but these, never changed after it is made."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


class Inputs(Record):
    """What was simulated."""

    arch: str = Field(description="name of the chip")
    workload: str = Field(description="name of the workload")
    mapping: str = Field(description="strategy, or name of the mapping file")
    engine: str = Field(description="compiled or simpy; the result is the same")
    seed: int = Field(description="of everything random")
    inferences: int = Field(description="how many ran one behind the other")
    sha256: str = Field(description="of chip, workload, mapping, seed, inferences and version as resolved")


class EnergyByPlace(Record):
    """Energy of the run by where it is spent; the three add up to the total, pJ."""

    on_chip: float
    off_chip: float = Field(description="in the channel to the host")
    host: float


class EnergyMetrics(Record):
    """Energy in pJ, of the whole run unless the name says otherwise."""

    total: float
    per_inference: float
    on_chip_per_inference: float
    by_place: EnergyByPlace
    by_component: dict[str, float] = Field(description="component -> pJ, largest first; they add up to the total")
    by_operator: dict[str, float] = Field(description="operator -> pJ, largest first; they add up to the total")
    static: float
    dynamic: float


class BusiestResource(Record):
    """The resource that is busy for the largest share of the run."""

    resource: str
    utilization: float = Field(description="share of the time of the run")


class Provenance(Record):
    """What the figures rest on."""

    energy: dict[str, float] = Field(description="kind of value -> share of the energy, most certain first")


class Draw(Record):
    """Accuracy of one draw of the imperfections."""

    seed: int = Field(description="number of the draw under the seed of the inputs")
    simulated: float
    digital_fp32: float


class LayerAccuracy(Record):
    """How far off one operator is, and what an exact one would bring."""

    operator: str
    relative_error: float | None = None
    recovered_pp: float | None = Field(None, description="points of accuracy that come back if it alone were exact")


class AgedAccuracy(Record):
    """Accuracy some time after programming."""

    time_s: float
    compensated: bool
    simulated: float
    drop_pp: float | None = None
    std: float | None = None


class ModelAccuracy(Record):
    """Accuracy under another model of the chip's reads."""

    chip_model: str
    simulated: float
    drop_pp: float | None = None
    std: float | None = None
    kernel_error: float | None = None


class Interval(Record):
    """A figure, and what it becomes when assumed values are drawn from their ranges."""

    value: float
    low: float = Field(description="5th percentile")
    high: float = Field(description="95th percentile")
    median: float
    p25: float
    p75: float


class AccuracyInterval(Interval):
    """Accuracy of one programmed chip, and what it becomes when the chip's values are drawn from their ranges."""

    samples: int = Field(description="chips that were drawn, with the devices of the first draw")
    rows: int = Field(description="that were scored")
    paths: tuple[str, ...] = Field(description="values that were drawn")


class AccuracyMetrics(Record):
    """The simulated chip beside FP32, on real data: fractions, or relative errors where lower is better."""

    metric: str
    higher_is_better: bool
    simulated: float = Field(description="mean over draws")
    digital_fp32: float = Field(description="the same in FP32")
    drop_pp: float | None = Field(description="points of accuracy lost against FP32; null for errors")
    draws: int = Field(description="draws of the imperfections")
    seeds: int = Field(description="the same as draws, its name in schema version 1")
    n_test: int = Field(description="test samples, or tokens, per draw")
    std: float | None = Field(description="standard deviation over draws; null for one draw")
    paired_se_pp: float | None = Field(description="standard error of the paired drop, in points; null for errors")
    per_draw: tuple[Draw, ...]
    simulated_values: tuple[float, ...] = Field(description="per draw, as in schema version 1")
    digital_values: tuple[float, ...] = Field(description="per draw, as in schema version 1")
    kernel_error: float | None = Field(description="relative error of the kernel matrix; null without a kernel")
    digital_kernel_error: float | None
    constant_kernel_error: float | None = Field(description="of the best constant kernel, for comparison")
    kernel_errors: tuple[float, ...] = Field(description="per draw")
    digital_kernel_errors: tuple[float, ...] = Field(description="per draw")
    read_mode: str | None = Field(description="how the crossbars are read")
    effects: Literal["all", "none"] | tuple[str, ...] = Field(description="imperfections that were simulated")
    layers: tuple[LayerAccuracy, ...] = ()
    by_time: tuple[AgedAccuracy, ...] = ()
    by_model: tuple[ModelAccuracy, ...] = Field((), description="the same under several models of the chip's reads")
    interval: AccuracyInterval | None = Field(None, description="over ranges of the chip's values; with --uncertainty")
    interval_missing: str | None = Field(None, description="why there is none although it was asked for")
    weights: Any = Field(None, description="the weights that were used; null where they are made on the way")
    data: Any = Field(None, description="the data that were used")
    settings: dict[str, Any] = Field(description="kernel, sampler and what else was simulated")


class CaseCost(Record):
    """Time and energy of one inference on a baseline; of a batch, its share."""

    latency_ns: float
    energy_pj: float | None
    time_by_part_ns: dict[str, float] | None = Field(
        None, description="device, link (what is not hidden behind the device), wait; they add up to latency_ns"
    )
    energy_by_part_pj: dict[str, float] | None = Field(None, description="device, link, host; they add up to energy_pj")


class MeasuredCost(CaseCost):
    """The same as measured, with where it was published."""

    source: str


class CaseRatios(Record):
    """A baseline over the chip, case by case: above 1 the chip wins."""

    optimistic: float | None
    realistic: float | None
    measured: float | None = None


class BaselineMetrics(Record):
    """A digital accelerator on the same operators, at one precision and batch."""

    name: str
    precision: str
    batch: int
    timing: Literal["response", "back_to_back"] = Field(
        description="response: one request alone, launches, link and waiting included, beside the latency of one "
        "inference alone on the chip; back_to_back: one of many, beside the chip's time per inference in the long run "
        "(batch 1) or of the run"
    )
    optimistic: CaseCost
    realistic: CaseCost
    measured: MeasuredCost | None = None
    energy_ratio: CaseRatios
    latency_ratio: CaseRatios


class RatioFactors(Record):
    """Why an energy ratio is what it is: factors by step, whose product it is, and pJ per inference after each step."""

    baseline: str = Field(description="name, precision, batch and case in words")
    name: str
    precision: str
    batch: int
    timing: Literal["response", "back_to_back"]
    case: str
    quantity: str
    ratio: float
    factors: dict[str, float]
    chip_pj: dict[str, float]
    baseline_pj: dict[str, float]


class Swing(Record):
    """A figure with one assumption at either end of its range."""

    path: str
    quantity: str
    low: float = Field(description="the figure with the assumption at the low end")
    high: float
    elasticity: float | None = Field(description="per cent of the figure per per cent of the assumption")
    swing: float
    at_low: float = Field(description="low end of the assumption, in `unit`")
    at_high: float
    unit: str
    kind: str


class AssumedValue(Record):
    """A value that was drawn from its range."""

    path: str
    value: float
    low: float
    high: float
    unit: str
    kind: str


class KeptValue(Record):
    """A value with a range that was not drawn, and why."""

    path: str
    reason: str


class UncertaintyMetrics(Record):
    """Intervals of figures and what moves them."""

    samples: int
    failed: int = Field(description="draws that could not run, buffers being too small")
    seed: int
    distribution: str
    quantities: dict[str, Interval] = Field(description="path of a figure in the document, or a ratio -> interval")
    tornado: tuple[Swing, ...] = Field(description="one assumption at a time, widest first")
    by_kind: dict[str, dict[str, float]] = Field(description="figure -> kind of value -> share of its squared swings")
    assumptions: tuple[AssumedValue, ...]
    kept: tuple[KeptValue, ...]


class Metrics(Record):
    """The result of one simulation."""

    schema_version: Literal[2] = Field(description="of this document")
    hermes_sim_version: str
    inputs: Inputs
    latency_ns: float = Field(description="one inference on an empty chip, input to last result")
    makespan_ns: float = Field(description="all inferences, first input to last result")
    throughput_inferences_per_s: float = Field(description="in the long run")
    throughput_basis: Literal["period", "measured", "bound"] = Field(
        description="period: exact; measured: late in a long run; bound: no run with this mapping is faster"
    )
    energy_alone_pj: float = Field(description="one inference on an empty chip")
    energy_pj: EnergyMetrics
    power_w: float = Field(description="total energy over the time of the run")
    ops: int = Field(description="operations of one inference; a multiply-accumulate is two")
    tops: float = Field(description="1e12 operations per second of the run")
    tops_per_w: float = Field(description="1e12 operations per joule; 0 where nothing costs energy")
    lower_bound_ns: float = Field(description="no schedule with this mapping is shorter than this")
    bottleneck: BusiestResource
    firings: int = Field(description="events of the run")
    events_per_s: float = Field(description="speed of the engine")
    provenance: Provenance
    accuracy: AccuracyMetrics | None
    accuracy_missing: str | None = Field(description="why there is no accuracy")
    baselines: tuple[BaselineMetrics, ...]
    ratio_factors: tuple[RatioFactors, ...]
    uncertainty: UncertaintyMetrics | None = None
    uncertainty_missing: str | None = Field(None, description="why there is none although none was declined")
    wall_time_s: float = Field(description="of the whole simulation")

    @classmethod
    def read(cls, path: str | Path) -> Metrics:
        """Read back a ``metrics.json``.

        Raises
        ------
        DataError
            no such file, no result document, or one of another schema version
        """
        text = read_text(Path(path), error=DataError, allowed="metrics.json of a report")
        try:
            document = json.loads(text)
            version = document["schema_version"]
        except (ValueError, KeyError, TypeError):
            raise DataError(str(path), got="no result document", allowed="metrics.json of a report") from None
        if version != SCHEMA_VERSION:
            written = document.get("hermes_sim_version", "another version")
            raise DataError(
                f"{path}: schema_version",
                got=f"{version}, written by hermes_sim {written}",
                allowed=str(SCHEMA_VERSION),
                hint="read it with that hermes_sim, or make the result again from the inputs/ beside it",
            )
        try:
            return cls.model_validate(document)
        except ValidationError as cause:
            wrong = ".".join(map(str, cause.errors()[0]["loc"]))
            raise DataError(f"{path}: {wrong}", got=cause.errors()[0]["msg"], allowed="what the schema says") from None

    def with_entries(self, **entries: Any) -> Metrics:
        """Another document with these entries, for what a later stage finds out; this one stays as it is."""
        return Metrics.model_validate({**self.to_dict(), **entries})

    def to_dict(self) -> dict[str, Any]:
        """Plain, JSON-ready data."""
        return self.model_dump(mode="json", exclude_unset=True)

    def to_json(self) -> str:
        """Text of ``metrics.json``."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n"


def inputs_sha256(inputs: Mapping[str, Any]) -> str:
    """Hash of resolved inputs: the same for the same chip, workload, mapping and seed, on any machine."""
    text = json.dumps({"version": __version__, **inputs}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class ErrorRecord(Record):
    """What was wrong, as every command with `--json` and the MCP server say it."""

    code: str = Field(description="of the kind of error, docs/machines.md; never changes")
    type: str = Field(description="class of the error in Python")
    where: str = Field(description="file with line, and field")
    got: str | None
    allowed: str | None
    hint: str | None = Field(description="what to try")
    demand: int | None = Field(default=None, description="what a workload that does not fit needs")
    capacity: int | None = Field(default=None, description="what the chip has of it")
    gap: int | None = None
    unit: str | None = None
    levers: list[str] | None = Field(default=None, description="changes that would make it fit")


class ErrorDocument(Record):
    """What stands on standard output, alone, where a command with `--json` ends with exit code 2."""

    error: ErrorRecord
