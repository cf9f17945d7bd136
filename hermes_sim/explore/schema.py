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
    """Numbers from start to stop, both included: by `step`, or `count` of them; a search needs neither."""

    start: float | int
    stop: float | int
    step: float | int | None = None
    count: Annotated[int, Field(ge=2, le=MAX_POINTS)] | None = None
    scale: Annotated[Scale, Field(strict=False)] = Scale.LINEAR

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
    """What varies: a list of `values`, a `range`, or named `levels` that set several fields together."""

    values: Annotated[list[Level], Field(min_length=1)] | None = None
    range: Range | None = None
    levels: Annotated[dict[str, dict[str, Level]], Field(min_length=1)] | None = None

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
    """How a search goes about it; without this section a study runs its whole grid.

    `in_flight` designs are asked for before the result of the first of them is told; more than that never run at once.
    """

    sampler: Annotated[SearchSampler, Field(strict=False)]
    trials: Annotated[int, Field(ge=1, le=MAX_POINTS)]
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    prune: bool = True
    in_flight: Annotated[int, Field(ge=1, le=10_000)] = 8
    storage: Text | None = None


class Plot(Section):
    """One picture: `y` over `x`, one line or colour per value of `by`, one panel per value of `panel`."""

    title: Text
    kind: Annotated[PlotKind, Field(strict=False)]
    x: Text
    y: Text
    by: Text | None = None
    panel: Text | None = None
    color: Text | None = None
    where: Text | None = None
    log_x: bool = False
    log_y: bool = False
    larger_is_better: bool = False  # which of several points at one place a line goes through


class Finding(Section):
    """A question to the results, answered once per group of `by` among the points that fulfil `where`.

    With `within` (a fraction) the answer is the smallest `knob` whose `column` is that close to the best;
    without, it is the best point. With `versus` (a level of one of `by`) all numbers are those of the answer over
    those of the group that differs in this level alone.
    """

    question: Text
    column: Text
    goal: Annotated[Goal, Field(strict=False)]
    by: list[Text] = Field(default_factory=list)
    where: Text | None = None
    knob: Text | None = None
    within: Annotated[float, Field(gt=0, lt=10)] | None = None
    show: list[Text] = Field(default_factory=list)
    versus: Annotated[dict[str, Scalar], Field(min_length=1, max_length=1)] | None = None

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
    """One study: a base design, what varies, what is wanted, and the questions asked of the results.

    `scenarios` are parameters that are circumstances (a workload, a load) rather than choices: designs are compared
    within each of their combinations.
    """

    schema_version: SchemaVersion
    name: Text
    description: str
    arch: Text
    workload: Text
    mapping: Text = DEFAULT_MAPPING
    inferences: Annotated[int, Field(ge=1, le=2**40)] | None = None
    in_flight: Annotated[int, Field(ge=1, le=2**40)] | None = None
    seed: Annotated[int, Field(ge=0)] = 0
    accuracy: bool = False
    data_dir: Text | None = None
    parameters: Annotated[dict[str, ParameterOrValues], Field(min_length=1)]
    scenarios: list[Text] = Field(default_factory=list)
    linked: dict[str, Scalar] = Field(default_factory=dict)
    constraints: list[Text] = Field(default_factory=list)
    objectives: Annotated[dict[str, Annotated[Goal, Field(strict=False)]], Field(min_length=1)]
    search: Search | None = None
    plots: list[Plot] = Field(default_factory=list)
    findings: list[Finding] = Field(default_factory=list)
    conclusion: str = ""
