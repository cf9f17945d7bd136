"""What a study file may say."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from hermes_sim.config.section import SchemaVersion, Section
from hermes_sim.errors import FieldError
from hermes_sim.mapping.mapping import DEFAULT_MAPPING

Scalar = bool | int | float | str
Level = Scalar | dict[str, Any]
Text = Annotated[str, Field(min_length=1)]
MAX_POINTS = 10_000_000


class Goal(StrEnum):
    """Which way is better."""

    MINIMIZE = "minimize"
    MAXIMIZE = "maximize"


class Scale(StrEnum):
    """How the steps of a range lie."""

    LINEAR = "linear"
    LOG = "log"


class SearchSampler(StrEnum):
    """How a search picks its next design."""

    NSGA2 = "nsga2"
    TPE = "tpe"
    GP = "gp"
    RANDOM = "random"


class PlotKind(StrEnum):
    """Shapes of a plot."""

    LINES = "lines"
    SCATTER = "scatter"
    HEATMAP = "heatmap"


class Range(Section):
    """Numbers from start to stop, both included."""

    start: float | int
    """First number."""
    stop: float | int
    """Last number, above `start`."""
    step: float | int | None = None
    """Distance of two numbers; a grid needs this or `count`, a search neither."""
    count: Annotated[int, Field(ge=2, le=MAX_POINTS)] | None = None
    """How many numbers."""
    scale: Annotated[Scale, Field(strict=False)] = Scale.LINEAR
    """Even steps, or even factors (`log`, from above 0 and with `count`)."""

    @model_validator(mode="after")
    def _is_a_range(self) -> Range:
        if not self.start < self.stop:
            raise FieldError("start", got=self.start, allowed=f"below stop = {self.stop}")
        if self.step is not None and (self.count is not None or self.step <= 0):
            raise FieldError("step", got=self.step, allowed="above 0, and without count beside it")
        if self.scale is Scale.LOG and (self.start <= 0 or self.step is not None):
            got = f"start {self.start}, step {self.step}"
            raise FieldError("scale", got=got, allowed="for log a start above 0, and count rather than step")
        return self

    @property
    def is_whole(self) -> bool:
        """Whether all its numbers are whole."""
        return all(isinstance(x, int) for x in (self.start, self.stop, self.step) if x is not None)


class Parameter(Section):
    """What varies: exactly one of the three; a plain list is short for `values`."""

    values: Annotated[list[Level], Field(min_length=1)] | None = None
    """A list of values."""
    range: Range | None = None
    """Numbers of a range."""
    levels: Annotated[dict[str, dict[str, Level]], Field(min_length=1)] | None = None
    """Named levels, each of which sets several fields together."""

    @model_validator(mode="after")
    def _says_one_thing(self) -> Parameter:
        if sum(x is not None for x in (self.values, self.range, self.levels)) != 1:
            given = [name for name in ("values", "range", "levels") if getattr(self, name) is not None]
            got = " and ".join(given) or "nothing"
            raise FieldError("", got=got, allowed="a list, or exactly one of values, range, levels")
        return self


def _list_is_values(raw: Any) -> Any:
    return {"values": raw} if isinstance(raw, list) else raw


ParameterOrValues = Annotated[
    Parameter, BeforeValidator(_list_is_values, json_schema_input_type=list[Level] | Parameter)
]


class Search(Section):
    """How a search goes about it; without this section a study runs its whole grid."""

    sampler: Annotated[SearchSampler, Field(strict=False)]
    """How the next design is picked."""
    trials: Annotated[int, Field(ge=1, le=MAX_POINTS)]
    """Designs to try."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of the sampler."""
    prune: bool = True
    """Leave out designs whose bounds already show that they cannot win."""
    in_flight: Annotated[int, Field(ge=1, le=10_000)] = 8
    """Designs that are asked for before the result of the first of them is told; more than that never run at once."""
    storage: Text | None = None
    """Optuna storage; left out: a database in the store."""


class Plot(Section):
    """One picture; columns are those of the results, and the parameters."""

    title: Text
    """Title of the picture."""
    kind: Annotated[PlotKind, Field(strict=False)]
    """Shape of the picture."""
    x: Text
    """Column of the horizontal axis."""
    y: Text
    """Column of the vertical axis."""
    by: Text | None = None
    """Column with a line or colour per value; left out: one line."""
    panel: Text | None = None
    """Column with a panel per value; left out: one panel."""
    color: Text | None = None
    """Column that the cells of a heatmap show."""
    where: Text | None = None
    """Condition that points must fulfil; left out: all points."""
    log_x: bool = False
    """Logarithmic horizontal axis."""
    log_y: bool = False
    """Logarithmic vertical axis."""
    larger_is_better: bool = False  # which of several points at one place a line goes through
    """Through which of several points at one place a line goes: the largest instead of the smallest."""


class Finding(Section):
    """A question to the results, answered once per group of `by` among the points that fulfil `where`."""

    question: Text
    """The question, as the report prints it."""
    column: Text
    """Result that decides."""
    goal: Annotated[Goal, Field(strict=False)]
    """Which way is better."""
    by: list[Text] = Field(default_factory=list)
    """Parameters that make groups; none: one answer."""
    where: Text | None = None
    """Condition that points must fulfil; left out: all points."""
    knob: Text | None = None
    """Parameter of which the smallest value within `within` of the best is the answer; left out: the best point is."""
    within: Annotated[float, Field(gt=0, lt=10)] | None = None
    """How close to the best, as a fraction; with, and only with, `knob`."""
    show: list[Text] = Field(default_factory=list)
    """More columns to print."""
    versus: Annotated[dict[str, Scalar], Field(min_length=1, max_length=1)] | None = None
    """Level of one of `by`: all numbers are then those of the answer over those of the group that differs in this
    level alone.
    """

    @model_validator(mode="after")
    def _versus_a_group(self) -> Finding:
        if self.versus is not None and not set(self.versus) <= set(self.by):
            raise FieldError("versus", got=next(iter(self.versus)), allowed=f"one of by: {', '.join(self.by)}")
        return self

    @model_validator(mode="after")
    def _knob_with_within(self) -> Finding:
        if (self.knob is None) != (self.within is None):
            lacks = "knob" if self.knob is None else "within"
            raise FieldError(lacks, got="nothing", allowed="knob and within together")
        return self


class StudyFile(Section):
    """One study: a base design, what varies, what is wanted, and the questions asked of the results."""

    schema_version: SchemaVersion
    """Version of this format."""
    name: Text
    """Name in the store."""
    description: str
    """What is asked, in a sentence."""
    arch: Text
    """Chip of the base design: a name, or a path from this file."""
    workload: Text
    """Workload of the base design: a name, or a path from this file."""
    mapping: Text = DEFAULT_MAPPING
    """Strategy, or path of a mapping file."""
    inferences: Annotated[int, Field(ge=1, le=2**40)] | None = None
    """How many run one behind the other; left out: what the workload says."""
    in_flight: Annotated[int, Field(ge=1, le=2**40)] | None = None
    """How many at most are started and not yet done; left out: no limit."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of everything random."""
    accuracy: bool = False
    """Simulate the crossbars on real data, too."""
    data_dir: Text | None = None
    """Folder of data sets that do not ship; left out: none."""
    parameters: Annotated[dict[str, ParameterOrValues], Field(min_length=1)]
    """What varies: a field of the chip (`arch.`) or workload (`workload.`), an option of the run, or a variable for
    `linked`.
    """
    scenarios: list[Text] = Field(default_factory=list)
    """Parameters that are circumstances (a workload, a load) rather than choices: designs are compared within each
    of their combinations.
    """
    linked: dict[str, Scalar] = Field(default_factory=dict)
    """Fields that follow from others: formulas over parameters and fields."""
    constraints: list[Text] = Field(default_factory=list)
    """Conditions: on inputs, the point does not exist; on results, it is not feasible."""
    objectives: Annotated[dict[str, Annotated[Goal, Field(strict=False)]], Field(min_length=1)]
    """Results to minimise or maximise: the front is over these."""
    search: Search | None = None
    """Search instead of the whole grid."""
    plots: list[Plot] = Field(default_factory=list)
    """Pictures of the report."""
    findings: list[Finding] = Field(default_factory=list)
    """Questions that the report answers."""
    conclusion: str = ""
    """What a person concluded, printed in the report."""
