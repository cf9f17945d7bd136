"""Our numbers beside published ones: `validate`, `reproduce`, `fit`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from hermes_sim.cli.documents.base import Document
from hermes_sim.result import Record
from hermes_sim.validation.rows import RowKind

Setting = bool | int | float | str


class _Row(Record):
    """What all rows say."""

    name: str = Field(description="quantity and condition, with its unit")
    kind: RowKind = Field(
        description="what a row that passes proves. identity: that the code is right; fitted: nothing, a parameter was "
        "set from the figure; predicted: that the model holds there"
    )
    fitted: bool = Field(description="older name of kind: fitted")


class PublishedRow(_Row):
    """A published figure beside ours."""

    expected: float = Field(description="as published")
    simulated: float
    deviation: float = Field(description="simulated over expected, minus one")
    tolerance: float = Field(description="largest allowed deviation, as a fraction of what is expected")
    passed: bool = Field(alias="pass", description="whether the deviation is within the tolerance")
    source: str
    note: str
    at_least: bool = Field(description="whether only a figure below the expected one misses")
    interval: tuple[float, float] | None = Field(
        description="5 and 95 % of ours over draws of assumed values; null where there were none"
    )


class Counts(Record):
    """Rows by outcome and kind."""

    rows: int
    passed: int
    failed: int
    identity: int
    fitted: int
    predicted: int


class PublishedCounts(Counts):
    """The same, and predictions that came true."""

    predicted_passed: int


class ValidationDocument(Document):
    """A part of `validate`."""

    validation: Literal["chip", "engines", "baselines"]
    rows: tuple[PublishedRow, ...]
    summary: PublishedCounts


class DeviceStatistic(_Row):
    """A mean or deviation of cells beside the published one."""

    expected: float = Field(description="as published")
    simulated: float
    deviation: float | None = Field(description="simulated over expected, minus one; null where 0 is expected")
    tolerance: float | None = Field(description="that chance allows, as a fraction of what is expected")
    z: float = Field(description="difference in standard errors")
    passed: bool = Field(alias="pass", description="whether chance allows the difference")


class DeviceCounts(Counts):
    """Rows by outcome, and the largest difference."""

    largest_z: float = Field(description="without its sign")


class DeviceDocument(Document):
    """Programming error, drift and read noise beside published statistics."""

    validation: Literal["device"]
    rows: tuple[DeviceStatistic, ...]
    summary: DeviceCounts


class ComparedCell(Record):
    """What a predictor says of a measured cell."""

    simulated: float = Field(description="mean over seeds")
    simulated_se: float = Field(description="its standard error")
    simulated_median: float
    measured: float = Field(description="mean over seeds")
    measured_se: float
    measured_median: float
    difference: float = Field(description="of the means")
    relative: float | None = Field(description="the same over the measured one; null where that is 0")
    median_difference: float
    z: float | None = Field(description="difference in standard errors; null where neither varies")
    spread_ratio: float | None = Field(description="standard deviations over seeds, simulated over measured")
    log_density: float | None = Field(description="of the measured mean")
    log_density_of_spread: float | None = Field(description="of the measured spread over seeds")


class Predicted(Record):
    """Mean and standard error of one model."""

    mean: float
    se: float


class MeasuredRow(_Row):
    """One cell and metric of the published experiment."""

    dataset: str
    kernel: str
    sampler: str
    log2_ratio: float = Field(description="log2 of projections per input")
    metric: str
    expected: float | None = Field(description="measured on the chip; null where it was not")
    simulated: float
    simulated_se: float
    z: float | None
    passed: bool | None = Field(alias="pass", description="whether |z| <= 2; null where nothing was measured")
    predictors: dict[str, ComparedCell] = Field(description="model -> its comparison; none where nothing was measured")
    predicted: dict[str, Predicted] = Field(description="model -> its prediction")
    chip_minus_fp32: ComparedCell | None = Field(description="change from FP32 to the chip")


class Agreement(Record):
    """How well a predictor agrees with several cells."""

    cells: int
    share_within_2_se: float
    share_within_2_chip_se: float = Field(description="counting the error of the measured means alone")
    chi2: float = Field(description="mean of z squared")
    log_score: float | None = Field(description="mean log-density of the measured means")
    median_absolute: float = Field(description="deviation of the means")
    median_relative: float | None
    median_absolute_of_medians: float
    spread_ratio: float | None = Field(description="geometric mean")


class ExcessOverFp32(Record):
    """What the chip adds to FP32, mean over cells; unbiased, so that it may be negative."""

    offset2: float = Field(description="square of the difference of the means")
    offset2_se: float
    seed_variance: float = Field(description="difference of the variances over seeds")
    seed_variance_se: float
    share_over_seeds: float | None = Field(description="of offset and variance; null without an excess")


class MetricSummary(Record):
    """One metric over all cells; predictors that did not run are left out."""

    cells: int
    fp32: Agreement | None = None
    device: Agreement | None = None
    full: Agreement | None = None
    published_fp32: Agreement | None = None
    chip_minus_fp32: Agreement | None = None
    by_dataset: dict[str, Agreement] = Field(description="of the model full")
    excess_over_fp32: dict[str, dict[str, ExcessOverFp32]] = Field(
        description="measured, or model -> data set and kernel -> excess"
    )


class Likelihood(Record):
    """Sums of log-densities over cells."""

    level: float
    spread: float = Field(description="over seeds")
    total: float


class Likelihoods(Record):
    """The same by metric."""

    accuracy: Likelihood | None = None
    approx_error: Likelihood | None = Field(None, description="of the kernel")
    total: float


class AccuracyCounts(Record):
    """Agreement by metric."""

    rows: int
    identity: int
    fitted: int
    predicted: int
    accuracy: MetricSummary | None = None
    approx_error: MetricSummary | None = Field(None, description="of the kernel")
    log_likelihood: dict[str, Likelihoods] = Field(description="by predictor")


class MeasuredDocument(Document):
    """Accuracy and kernel error beside values measured on the chip."""

    validation: Literal["accuracy"]
    settings: dict[str, Any] = Field(description="how the published runs were driven, and seeds")
    rows: tuple[MeasuredRow, ...]
    summary: AccuracyCounts
    left_out: tuple[str, ...] | None = Field(None, description="data sets that are not on this machine")


class ReproducedFigure(Record):
    """A published figure, made again."""

    skipped: str = Field(description="why it was left out; empty where it was not")
    words: tuple[str, ...] = Field(description="what it says, in sentences")
    lines: tuple[dict[str, str], ...] = Field(description="what else belongs to it, column -> text")
    rows: tuple[PublishedRow, ...]


class ReproductionCounts(PublishedCounts):
    """Rows of all figures, and figures that were left out."""

    skipped: int


class ReproduceDocument(Document):
    """Published figures, made again."""

    figures: dict[str, ReproducedFigure]
    summary: ReproductionCounts


class FittedParameter(Record):
    """A parameter of a model."""

    value: float
    se: float = Field(description="standard error")
    start: float = Field(description="what the chip file says")


class Fold(Record):
    """A fit without one data set, and how well it predicts that set."""

    left_out: str
    parameters: dict[str, float]
    chi2_per_cell_kept: float
    log_likelihood_kept: float
    accuracy: Agreement | None = None
    approx_error: Agreement | None = Field(None, description="of the kernel")
    log_likelihood: Likelihoods


class ChosenFold(Fold):
    """The model that fits the kept sets best."""

    model: str = Field(description="by chi squared")
    by_log_likelihood: str = Field(description="model with the largest likelihood")


class ModelFit(Record):
    """One model, fitted."""

    data_sets: tuple[str, ...]
    settings: dict[str, Any] = Field(description="how the published runs were driven, and seeds")
    cells: int
    parameters: dict[str, FittedParameter]
    chi2_per_cell: float
    share_within_2_se: float
    log_likelihood: Likelihoods
    leave_one_out: tuple[Fold, ...] = Field(description="with --leave-one-out")


class FitDocument(Document):
    """Models of the chip's reads, fitted to measured kernel errors."""

    models: dict[str, ModelFit]
    chosen_in_folds: tuple[ChosenFold, ...]


class WithinDrop(Record):
    """Values whose log-likelihood is near the best one."""

    drop: float | None = Field(None, description="how near; 2 where it is not said")
    values: tuple[Setting, ...]
    interval: tuple[float | None, float | None] | None = Field(
        description="ends of the same on a parabola; null where there is none, an end beyond what was tried null"
    )


class DecidedBy(Record):
    """A measure of one data set."""

    metric: str
    dataset: str
    prefers_best_by: float = Field(description="to the other values, on average")


class ProfilePart(Likelihood):
    """Log-likelihood of one measure of one data set."""

    metric: str
    dataset: str


class ProfiledValue(Record):
    """One value of a parameter."""

    value: Setting
    log_likelihood: float
    from_best: float
    chi2_per_cell: float
    parts: tuple[ProfilePart, ...]


class ParameterProfile(Record):
    """What measurements say of one parameter, the others held."""

    reason: str
    held: Setting | None = Field(description="while others move; null if it was not tried")
    best: Setting
    within_2: WithinDrop
    allowing_for_misfit: WithinDrop
    decided_by: tuple[DecidedBy, ...]
    points: tuple[ProfiledValue, ...]


class ProfilesDocument(Document):
    """Profiles of the parameters of models, with --profile."""

    profiles: dict[str, dict[str, ParameterProfile]] = Field(description="model -> parameter -> profile")
